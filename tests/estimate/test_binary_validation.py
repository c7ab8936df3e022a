"""Coverage of the risk difference of binary outcomes in small trials with dropout."""

import numpy as np
import pytest

from estimate.simulated import Statistics
from estimate.simulations_binary import AT, INTERCEPTS, statistics, truths
from estimate.test_binary import status

TRIALS = 2_000


@pytest.mark.validation
def test_the_risk_difference_is_unbiased_and_its_standard_error_is_right() -> None:
    """2,000 trials of 38 per arm, 20% lost at random; the truth is the risk difference of the whole population.

    The bias within 3 Monte Carlo standard errors of zero; the mean standard error within 5% of the estimates' SD.
    Coverage is in docs/simulations.md.
    """
    intercept = INTERCEPTS["common"]
    truth = truths(intercept)["risk_difference"]
    estimates, errors, ended = [], [], []
    for run in range(TRIALS):
        results = statistics(np.random.default_rng([20160302, run]), intercept)
        found = Statistics(results)
        estimates.append(found.get("logistic", "estimate", *AT, "measure=risk_difference"))
        errors.append(found.get("logistic", "std_error", *AT, "measure=risk_difference"))
        ended.append(status(results)[0])
    bias, spread = np.mean(estimates) - truth, np.std(estimates, ddof=1)
    print(
        f"\nrisk difference {truth:.3f}: bias {bias:+.4f} (SE {spread / np.sqrt(TRIALS):.4f}); mean SE "
        f"{np.nanmean(errors):.4f}, SD of the estimates {spread:.4f}; {ended.count('reduced')} reduced"
    )
    assert ended.count("failed") == 0
    assert abs(bias) < 3 * spread / np.sqrt(TRIALS)
    assert np.nanmean(errors) == pytest.approx(spread, rel=0.05)
