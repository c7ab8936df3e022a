"""How well the Bayesian models were sampled and fit: diagnostics against the plan's gates, cross-validation, checks."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.diagnostics_table import STATUSES
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import analysis_label, marks

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.bayes_plan import BayesPlan, PriorSet
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

SAMPLING = ("r_hat", "ess_bulk", "ess_tail", "n_divergent", "bfmi")
TOGETHER = "overall"
"""stands for the outcome of a joint model"""
LOO = ("elpd_loo", "elpd_loo_se", "pareto_k", "n_high_pareto_k")


def bayes_checks_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the diagnostics of every model of the table's analyses: a row per outcome, visit and set of priors."""
    plan = study.plan.bayes
    assert plan is not None  # the study was refused without it
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    unit = study.config.study.unit
    model.columns = [
        Column("Ended", numbers=False),
        *(Column(head, "Sampling") for head in ("R-hat", "Bulk ESS", "Tail ESS", "Divergences", "BFMI")),
        *(Column(head, f"Leaving one {unit} out") for head in ("elpd (SE)", "Largest Pareto k", "Too high")),
        Column("Posterior predictive p, smallest and largest"),
    ]
    for name in table.analyses:
        group = RowGroup(analysis_label(study, name))
        for outcome, label in _subjects(study, table):
            for visit in ("", *study.visits):
                for priors in plan.prior_sets:
                    row = _row(study, model, results, priors, name, outcome, visit, label)
                    group.rows += [row] if row else []
        model.groups.append(group)
    model.notes = [*_notes(plan, unit), *(method_sentence(study, name) for name in table.analyses), *table.footnotes]
    return model


def _subjects(study: Study, table: Table) -> list[tuple[str, str]]:
    chosen = [o for o in study.plan.outcomes if table.outcomes == "all" or o.name in table.outcomes]
    return [*((o.name, o.label) for o in chosen), (TOGETHER, "All outcomes together")]


def _row(
    study: Study,
    model: TableModel,
    results: ResultsIndex,
    priors: PriorSet,
    name: str,
    outcome: str,
    visit: str,
    label: str,
) -> TableRow | None:
    context = f"prior={priors.name}"
    status = results.row(name, outcome, "fit_status", visit=visit, context=context)
    if status is None:
        return None
    s = results.stats(name, outcome, (*SAMPLING, *LOO), visit=visit, context=context)
    covered = [o.name for o in study.plan.outcomes] if outcome == TOGETHER else [outcome]
    lowest, highest = _predictive(results, name, covered, visit, context)
    cells = [
        STATUSES[str(status["stat_label"])],
        rounding.fixed(s["r_hat"], 3),
        rounding.count(s["ess_bulk"]),
        rounding.count(s["ess_tail"]),
        rounding.count(s["n_divergent"]),
        rounding.fixed(s["bfmi"], 2),
        rounding.with_spread(s["elpd_loo"], s["elpd_loo_se"], 1, 1),
        rounding.fixed(s["pareto_k"], 2),
        rounding.count(s["n_high_pareto_k"]),
        rounding.interval(lowest, highest, 2),
    ]
    notes = noted(str(status["error"]), str(status["warning"]))
    at = f", {study.visits[visit].label}" if visit else ""
    record: dict[str, Any] = {"analysis": name, "outcome": outcome, "visit": visit, "prior": priors.name}
    record |= {"fit_status": status["stat_label"], **s, "predictive_p_min": lowest, "predictive_p_max": highest}
    model.records.append(record | {"warning": status["warning"], "error": status["error"]})
    return TableRow(f"{label}{at}: {priors.label}", tuple(cells), 1, notes)


def _predictive(results: ResultsIndex, name: str, outcomes: list[str], visit: str, context: str) -> tuple[float, float]:
    """Return the smallest and largest posterior predictive p of a model's outcomes and arms, at a visit or at all."""
    start = f"{context}, check=posterior"
    found = [
        float(row["stat"])
        for outcome in outcomes
        for row in results.rows(name, outcome, "predictive_p")
        if row["context"].startswith(start) and isfinite(row["stat"]) and (not visit or row["visit"] == visit)
    ]
    return (min(found), max(found)) if found else (nan, nan)


def _notes(plan: BayesPlan, unit: str) -> list[str]:
    g, r = plan.gates, plan.refit
    s = plan.sampling
    return [
        f"Gates of the plan: R-hat below {g.r_hat:g}, bulk and tail effective sample size (ESS) above {g.ess:g} for "
        f"every reported quantity, at most {g.divergences} divergent trajectories, Bayesian fraction of missing "
        f"information (BFMI) above {g.bfmi:g}. A model that fails one is sampled again with target acceptance "
        f"{r.target_accept:g} and chains {r.longer} times as long; one that fails again is reported as failed, without "
        f"estimates. {s.chains} chains of {s.draws} draws after {s.tune} of warm-up.",
        f"Leaving one {unit} out: Pareto-smoothed importance sampling, the default prior; elpd: expected log "
        f"predictive density. Where Pareto k is too high for a {unit}, the posterior depends much on it and elpd is "
        "not to be relied on; the posterior itself is not in question.",
        "Posterior predictive p: share of trials drawn from the posterior whose mean or standard deviation, in an arm "
        "at a visit, is as large as the observed one.",
    ]
