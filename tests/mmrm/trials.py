"""Small synthetic trials for tests of the model."""

import numpy as np
import pandas as pd


def trial(n: int = 40, visits: int = 3, missing: float = 0.15, seed: int = 1) -> pd.DataFrame:
    """Two arms, `visits` visits, a baseline, a site, correlated outcomes and values missing at random."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    sd = np.linspace(4.0, 6.0, visits)
    errors = rng.standard_normal((n, visits)) @ np.linalg.cholesky(np.outer(sd, sd) * 0.6**lag).T
    arm = rng.permutation(np.arange(n) % 2)
    base = rng.normal(30.0, 5.0, n)
    site = rng.choice(["N", "S", "W"], n)
    y = 10.0 + 0.5 * base[:, None] + np.arange(visits) - 2.0 * arm[:, None] * np.arange(visits) + errors
    y[rng.uniform(size=y.shape) < missing] = np.nan
    subject = np.repeat(np.arange(n), visits)
    return pd.DataFrame(
        {
            "id": [f"P{i:03d}" for i in subject],
            "visit": [f"m{6 * v:02d}" for v in np.tile(np.arange(visits), n)],
            "arm": np.array(["ctl", "trt"])[arm[subject]],
            "site": site[subject],
            "base": base[subject],
            "y": y.ravel(),
        }
    )


FORMULA = "y ~ base * visit + arm * visit + site"
