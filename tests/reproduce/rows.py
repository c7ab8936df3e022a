"""Rows of results for the tests of comparisons and contradictions."""

import pandas as pd


def row_of(results: pd.DataFrame, **where: str) -> int:
    chosen = results
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    return int(chosen.index[0])


EFFECT = {"analysis": "primary", "outcome": "bdi", "visit": "month8", "contrast": "beat_the_blues - usual_care"}
MEAN = {"analysis": "descriptives", "outcome": "bdi", "visit": "month2", "arm": "usual_care"}


def simulated(p: float, mcse: float, method: str = "rerandomisation", **others: float) -> pd.DataFrame:
    """Rows of one simulation-based analysis."""
    common = dict.fromkeys(("estimand", "domain", "visit", "arm", "contrast", "context", "warning", "error"), "")
    common |= {"analysis": "a", "role": "sensitivity", "population": "all", "outcome": "y", "stat_label": "L"}
    stats = ({"p_value": p, "p_value_mcse": mcse} if mcse else {"p_value": p}) | others
    rows = [
        {
            **common,
            "method": method,
            "stat_name": name,
            "stat": value,
            "conf_level": float("nan"),
            "prespecified": "True",
        }
        for name, value in stats.items()
    ]
    return pd.DataFrame(rows)
