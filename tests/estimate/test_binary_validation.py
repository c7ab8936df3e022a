"""Coverage of the risk difference of binary outcomes in small trials with dropout."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from estimate import trials
from estimate.test_binary import LOGISTIC, VISITS, measure, status
from estimate.trials import ARMS
from pipanalysis.estimate.step import family_results

TRIALS = 2_000
PER_ARM, DROPOUT = 38, 0.2
LOG_ODDS = {"intercept": -0.4, "arm": 0.8, "site": -0.5, "severity": 0.9}


def probability(arm: np.ndarray, site: np.ndarray, severity: np.ndarray) -> np.ndarray:
    """Risk of a unit of the simulated population."""
    linear = LOG_ODDS["intercept"] + LOG_ODDS["arm"] * arm + LOG_ODDS["site"] * site
    return expit(linear + LOG_ODDS["severity"] * severity)


@pytest.mark.validation
def test_coverage_of_the_risk_difference() -> None:
    """2,000 trials of 38 per arm, 20% lost at random; the truth is the risk difference of the whole population.

    Within 3 Monte Carlo standard errors (0.49 points) of 95%.
    """
    begun = time.perf_counter()
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    risk = {
        arm: np.mean([weights @ probability(np.array(arm), np.array(site), nodes) for site in (0, 1)]) for arm in (0, 1)
    }
    truth = risk[1] - risk[0]
    site = {"name": "site", "label": "Site", "type": "category", "levels": {"0": "North", "1": "South"}}
    configuration = trials.study(
        [LOGISTIC | {"outcomes": ["case"], "baseline_score": "form.total"}],
        visits=VISITS,
        scores={"total": "continuous", "case": "binary"},
        variables=[site],
        strata=["site"],
    )
    rng = np.random.default_rng(20160302)
    held, ended, estimates, errors = [], [], [], []
    n = 2 * PER_ARM
    for _ in range(TRIALS):
        arm, where, severity = np.repeat([0, 1], PER_ARM), rng.integers(0, 2, n), rng.normal(size=n)
        value = (rng.random(n) < probability(arm, where, severity)).astype(float)
        people = pd.DataFrame({"unit": range(n), "arm": np.array(ARMS)[arm], "site": where.astype(str)})
        before = people.assign(visit="baseline", value=severity, score="form.total")
        after = people.assign(visit="month6", value=value, score="form.case")[rng.random(n) >= DROPOUT]
        results = family_results(trials.trial(configuration, people, pd.concat([before, after])), "binary")
        found = measure(results, "risk_difference")
        held.append(found["conf_low"] <= truth <= found["conf_high"])
        ended.append(status(results)[0])
        estimates.append(found["estimate"])
        errors.append(found["std_error"])
    coverage, se = np.mean(held), np.sqrt(0.95 * 0.05 / TRIALS)
    print(
        f"\nrisk difference {truth:.3f}: coverage {100 * coverage:.2f}% (Monte Carlo SE {100 * se:.2f}) of 95% "
        f"intervals, {TRIALS} trials; bias {np.mean(estimates) - truth:+.4f} "
        f"(SE {np.std(estimates) / np.sqrt(TRIALS):.4f}); "
        f"mean SE {np.mean(errors):.4f}, SD of the estimates {np.std(estimates, ddof=1):.4f}; "
        f"{ended.count('reduced')} reduced; {time.perf_counter() - begun:.0f} s"
    )
    assert ended.count("failed") == 0
    assert abs(coverage - 0.95) < 3 * se
