"""Bayesian tables show the results as they stand, with the interval's kind and every set of priors."""

from __future__ import annotations

import pandas as pd

from display.test_harms_table import scope
from display.test_tables import shown
from pipanalysis.estimate.analysis_results import Row
from pipanalysis.study.load import Study

CONTRAST = "pip - control"


def effect(
    study: Study, analysis: str, outcome: str, prior: str, p: float, error: str = "", **more: float
) -> list[Row]:
    of = scope(study, analysis, outcome)
    numbers = {"posterior_mean": -2.345, "cred_low": -4.5, "cred_high": 0.125, "p_benefit": p, "p_beyond_mcid": 0.104}
    numbers |= {"p_equivalence": 0.003} | more
    where = {"visit": "month6", "contrast": CONTRAST, "error": error}
    made = [of.row(k, v if not error else float("nan"), context=f"prior={prior}", **where) for k, v in numbers.items()]
    context = f"prior={prior}, measure=standardised"
    standardised = {"posterior_mean": 0.26, "cred_low": -0.01, "cred_high": 0.5}
    return made + [of.row(k, v, context=context, **where) for k, v in standardised.items() if not error]


def test_effects_with_probabilities_and_priors(study: Study) -> None:
    sets = {"weakly_informative": 0.974, "sceptical": 0.9, "enthusiastic": 0.9999, "informed": 0.6}
    made = [row for prior, p in sets.items() for row in effect(study, "bayes_single", "cesd_total", prior, p)]
    page = shown(study, made, "bayes_effects")
    assert page.row("6 months") == [
        "−2.35 (−4.50 to 0.13)", "0.26 (−0.01 to 0.50)", "0.97", "0.10", "<0.01", "0.90", ">0.99", "0.60",
    ]  # fmt: skip
    text = " ".join(page.text)
    assert "95% CrI: credible interval, equal-tailed" in text
    assert "Sceptical: normal(0.00, 0.20)" in text
    assert "SYNTHETIC DATA" in text
    kept = pd.read_csv(study.layout.table("bayes_effects", "csv"))
    assert kept.set_index("prior")["p_benefit"].to_dict() == sets


def test_the_prior_of_a_binary_outcome_is_told_on_its_scale(study: Study) -> None:
    """Hasselblad and Hedges (1995): a standardised difference times π/√3 is a log odds ratio."""
    scale = "A log odds ratio has the prior of an effect times π/√3."
    binary = effect(study, "bayes_binary_case", "cesd_case", "weakly_informative", 0.8)
    assert scale in " ".join(shown(study, binary, "bayes_binary").text)
    continuous = effect(study, "bayes_single", "cesd_total", "weakly_informative", 0.8)
    assert scale not in " ".join(shown(study, continuous, "bayes_effects").text)


def test_a_sensitive_posterior_and_a_failed_one_are_marked(study: Study) -> None:
    made = effect(study, "bayes_single", "cesd_total", "weakly_informative", 0.97, sensitivity_prior=0.07)
    made += effect(study, "bayes_single", "psi_total", "weakly_informative", 0.5, error="gates not passed: R-hat 1.020")
    page = shown(study, made, "bayes_effects")
    text = " ".join(page.text)
    assert "the posterior moves with the prior of the effect" in text
    assert "gates not passed: R-hat 1.020" in text
    assert page.row("6 months [b]")[:3] == ["not estimated", "–", "–"]


def test_domains_and_all_of_them_stand_in_the_joint_table(study: Study) -> None:
    made = effect(study, "bayes_joint", "maternal_mental_health", "weakly_informative", 0.8)
    made += effect(study, "bayes_joint", "overall", "weakly_informative", 0.7)
    page = shown(study, made, "bayes_joint")
    text = " ".join(page.text)
    assert [cells[2] for cells in page.rows if cells and cells[0].strip() == "6 months"] == ["0.80", "0.70"]
    assert "Difference (95% CrI)" not in [cell for cells in page.rows for cell in cells]  # no outcome, no unit
    assert "The domain's effect, pooled" in text
    assert "The overall effect, pooled over the domains" in text


def test_diagnostics_against_the_gates(study: Study) -> None:
    of = scope(study, "bayes_single", "cesd_total")
    context = "prior=weakly_informative"
    numbers = {"r_hat": 1.0049, "ess_bulk": 1234.4, "ess_tail": 999.9, "n_divergent": 0, "bfmi": 0.876}
    numbers |= {"elpd_loo": -100.25, "elpd_loo_se": 8.04, "pareto_k": 0.61, "n_high_pareto_k": 0, "fit_status": 0}
    made = [of.row(name, value, context=context) for name, value in numbers.items()]
    for arm, p in (("control", 0.3), ("pip", 0.7)):
        made.append(of.row("predictive_p", p, visit="month6", arm=arm, context=f"{context}, check=posterior mean"))
        made.append(of.row("predictive_p", 0.01, visit="month6", arm=arm, context=f"{context}, check=prior mean"))
    page = shown(study, made, "bayes_checks")
    assert page.row("CES-D depressive symptoms: Weakly informative") == [
        "As planned", "1.005", "1234", "1000", "0", "0.88", "−100.3 (8.0)", "0.61", "0", "0.30 to 0.70",
    ]  # fmt: skip
    assert "R-hat below 1.01" in " ".join(page.text)
