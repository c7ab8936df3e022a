"""Tables of what a fit says beyond its coefficients: influence of subjects, intervals of the covariance."""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.mmrm.problems import checked_level

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.mmrm.fit import MMRMFit


def influence_table(fit: "MMRMFit") -> "pd.DataFrame":
    """Influence of each subject; see MMRMFit.influence."""
    import pandas as pd

    from pipanalysis.mmrm.influence import influence

    found = influence(fit.engine)
    names = fit.frame.subjects
    table: dict[str, Any] = {
        "subject": [names[code] for code in found.subjects],
        "cooks_distance": found.cooks_distance,
        "leverage": found.leverage,
        "covratio": found.covratio,
    }
    table |= {f"dfbetas[{term}]": column for term, column in zip(fit.names, found.dfbetas.T, strict=True)}
    return pd.DataFrame(table)


def covariance_table(fit: "MMRMFit", level: float) -> "pd.DataFrame":
    """Intervals of variances, standard deviations and correlations; see MMRMFit.covariance_intervals."""
    import pandas as pd

    from pipanalysis.mmrm.intervals import covariance_intervals

    groups = ("",) if fit.frame.group is None else fit.frame.group.levels
    cells = fit.cells
    rows: list[tuple[Any, ...]] = []
    for group, found in zip(groups, covariance_intervals(fit.engine, checked_level(level)), strict=True):
        variances = np.column_stack([found.variance, found.variance_lower, found.variance_upper])
        for name, values in (("variance", variances), ("sd", np.sqrt(variances))):
            rows += [(group, name, cell, "", *row) for cell, row in zip(cells, values, strict=True)]
        bounds = np.stack([found.correlation, found.correlation_lower, found.correlation_upper])
        for i, j in combinations(range(len(cells)), 2):
            rows.append((group, "correlation", cells[i], cells[j], *bounds[:, i, j]))
    return pd.DataFrame(rows, columns=["group", "parameter", "visit", "other_visit", "estimate", "lower", "upper"])
