"""The analysis results dataset: a row per statistic, the one thing that models write and displays read.

In the spirit of CDISC Analysis Results Data. `docs/analysis-results.md` describes every column and statistic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.plan import Analysis

KEY = (
    "analysis",
    "estimand",
    "role",
    "population",
    "outcome",
    "domain",
    "visit",
    "arm",
    "contrast",
    "method",
    "context",
    "stat_name",
)
"""columns that together identify a row; rows are sorted by them in C order"""
COLUMNS = (*KEY, "stat_label", "stat", "conf_level", "prespecified", "warning", "error")
TEXT = (*KEY, "stat_label", "warning", "error")
FILLED = ("analysis", "role", "population", "outcome", "method", "stat_name", "stat_label")
"""text columns that are never empty"""

STATISTICS: dict[str, str] = {
    "n": "Units with a value",
    "n_missing": "Units without a value",
    "n_imputed": "Units whose missing value is imputed",
    "n_level": "Units at the level",
    "percent": "Percentage of the units with a value",
    "mean": "Mean",
    "sd": "Standard deviation",
    "median": "Median",
    "q1": "First quartile",
    "q3": "Third quartile",
    "min": "Smallest value",
    "max": "Largest value",
    "n_all_visits": "Units with a value at every visit",
    "n_in_course": "Units in a group of similar courses",
    "course_mean": "Mean of a group of similar courses, rounded",
    "n_two_visits": "Units with a value at two visits or more",
    "course_value": "Value of a single unit, synthetic or of published data",
    "std_difference": "Standardised difference between arms",
    "n_units": "Units in the model",
    "n_observations": "Observations in the model",
    "n_clusters": "Clusters",
    "estimate": "Estimate",
    "estimate_mcse": "Monte Carlo standard error of the estimate",
    "missing_information": "Fraction of missing information",
    "std_error": "Standard error",
    "df": "Degrees of freedom",
    "statistic": "t statistic",
    "chi_squared": "Chi-squared statistic",
    "p_value": "P value",
    "p_value_mcse": "Monte Carlo standard error of the P value",
    "n_allocations": "Allocations that the observed one was compared with",
    "margin": "Margin in units of the outcome",
    "p_value_noninferiority": "One-sided P value against a difference as bad as the margin",
    "p_value_nonsuperiority": "One-sided P value against a difference as good as the margin",
    "p_value_equivalence": "P value of the two one-sided tests",
    "shows_noninferiority": "Whether the interval shows non-inferiority",
    "shows_equivalence": "Whether the interval shows equivalence",
    "shows_inferiority": "Whether the interval shows inferiority beyond the margin",
    "p_value_z": "P value by the normal distribution",
    "p_value_adjusted": "P value adjusted for multiplicity",
    "p_value_interaction": "P value of the interaction of arm and subgroup or moderator",
    "f_interaction": "F statistic of the interaction",
    "num_df_interaction": "Numerator degrees of freedom of the interaction",
    "den_df_interaction": "Denominator degrees of freedom of the interaction",
    "conf_low": "Lower confidence limit",
    "conf_high": "Upper confidence limit",
    "bootstrap_low": "Lower bootstrap confidence limit",
    "bootstrap_high": "Upper bootstrap confidence limit",
    "n_resamples": "Bootstrap resamples",
    "effect_size": "Estimate in baseline standard deviations",
    "effect_size_low": "Lower confidence limit in baseline standard deviations",
    "effect_size_high": "Upper confidence limit in baseline standard deviations",
    "hedges_g": "Hedges' g, unadjusted",
    "variance_unit": "Variance between units",
    "variance_slope": "Variance of the slopes between units",
    "covariance_intercept_slope": "Covariance of intercepts and slopes",
    "variance_residual": "Residual variance",
    "icc": "Intraclass correlation",
    "variance_visit": "Variance at the visit",
    "correlation": "Correlation between two visits",
    "dispersion": "Overdispersion",
    "p_value_dispersion": "P value that there is no overdispersion",
    "percent_beyond": "Percentage of the fitted distribution beyond the highest possible value",
    "deviance": "Minus twice the restricted log-likelihood",
    "aic": "Akaike's information criterion",
    "bic": "Schwarz's criterion",
    "n_covariance_parameters": "Covariance parameters",
    "lr_statistic": "Likelihood ratio statistic",
    "lr_df": "Degrees of freedom of the likelihood ratio test",
    "shapiro_w": "Shapiro and Wilk's W of the normalised residuals",
    "skewness": "Skewness of the normalised residuals",
    "kurtosis": "Excess kurtosis of the normalised residuals",
    "residual_quantile": "Quantile of the normalised residuals",
    "n_in_bin": "Observations in a bin of the fitted means",
    "fitted_mean": "Mean of the fitted means in a bin",
    "root_residual": "Mean root of the size of the normalised residuals in a bin",
    "root_residual_q1": "First quartile of the roots in a bin",
    "root_residual_q3": "Third quartile of the roots in a bin",
    "scale_slope": "Slope of the root of the residuals' size on the fitted mean",
    "sd_ratio": "Ratio of the arms' standard deviations of the residuals",
    "max_cooks_distance": "Greatest Cook's distance of a unit",
    "estimate_least": "Least estimate with any one unit left out",
    "estimate_greatest": "Greatest estimate with any one unit left out",
    "n_conclusions_changed": "Units without which the interval would come to include zero, or no longer include it",
    "sphericity_w": "Mauchly's W of the residuals",
    "epsilon": "Greenhouse and Geisser's epsilon of the residuals",
    "r_squared": "Share of variance explained",
    "difference_estimate": "Difference of the two programs' estimates",
    "difference_std_error": "Difference of the two programs' standard errors",
    "max_relative_difference": "Largest relative difference of the two programs' estimates and standard errors",
    "n_set": "Units of the analysis set",
    "n_affected": "Units with at least one event",
    "n_events": "Events",
    "event_rate": "Events per unit",
    "proportion": "Proportion of the units of the analysis set",
    "risk_difference": "Difference of proportions between arms",
    "n_items": "Items",
    "n_complete": "Complete forms",
    "alpha": "Cronbach's alpha",
    "omega": "McDonald's omega",
    "n_floor": "Units at the lowest possible score",
    "percent_floor": "Percentage of the units with a value at the lowest possible score",
    "n_ceiling": "Units at the highest possible score",
    "percent_ceiling": "Percentage of the units with a value at the highest possible score",
    "n_pairs": "Forms coded twice",
    "percent_agreement": "Percentage of the forms coded twice that the coders agree on exactly",
    "icc_agreement": "Intraclass correlation of the coders, absolute agreement",
    "kappa": "Cohen's kappa of the coders",
    "reliability": "Reliability that the change is judged by",
    "reliable_change": "Smallest change beyond measurement error",
    "n_therapists": "Therapists",
    "n_without_therapist": "Units that attended no session",
    "variance_therapist": "Variance between therapists",
    "first_stage": "Difference between arms in the treatment received",
    "f_first_stage": "F statistic of the first stage",
    "association": "Correlation of two roles' changes",
    "n_stage": "Units at a stage of the trial",
    "percent_observed": "Percentage of the units of the analysis set with a value",
    "n_rows": "Rows of a raw file",
    "n_queries": "Data queries",
    "n_cumulative": "Units randomised by the end of the month",
    "n_target": "Units that were to be randomised by the end of the month",
    "posterior_mean": "Posterior mean",
    "posterior_sd": "Posterior standard deviation",
    "posterior_density": "Posterior density of the effect at a point",
    "prior_density": "Prior density of the effect at a point",
    "cred_low": "Lower limit of the credible interval",
    "cred_high": "Upper limit of the credible interval",
    "prior_quantile": "Quantile of the prior",
    "posterior_quantile": "Quantile of the posterior",
    "mcse": "Monte Carlo standard error of the posterior mean",
    "mcid": "Smallest benefit that matters",
    "rope": "Half width of the region of practical equivalence",
    "p_benefit": "Posterior probability of any benefit",
    "p_beyond_mcid": "Posterior probability of a benefit that matters",
    "p_harm_beyond_mcid": "Posterior probability of a harm as large",
    "p_equivalence": "Posterior probability of practical equivalence",
    "p_success": "Predictive probability of success at full size",
    "sensitivity_prior": "Power-scaling sensitivity to the prior of the effects",
    "sensitivity_likelihood": "Power-scaling sensitivity to the likelihood",
    "r_hat": "Largest R-hat of a reported quantity",
    "ess_bulk": "Smallest bulk effective sample size of a reported quantity",
    "ess_tail": "Smallest tail effective sample size of a reported quantity",
    "n_divergent": "Divergent trajectories",
    "bfmi": "Smallest Bayesian fraction of missing information of a chain",
    "elpd_loo": "Expected log predictive density, leaving one unit out",
    "elpd_loo_se": "Standard error of the expected log predictive density",
    "p_loo": "Effective number of parameters, leaving one unit out",
    "pareto_k": "Largest Pareto k of a unit",
    "n_high_pareto_k": "Units whose Pareto k is too high",
    "observed": "Observed value of a checked statistic",
    "predictive_low": "2.5% quantile of the predictive distribution",
    "predictive_high": "97.5% quantile of the predictive distribution",
    "predictive_p": "Predictive probability of a value as large as the observed one",
    "fit_status": "How the fit ended",
}
"""every statistic's name and label; `fit_status` is labelled with the status itself"""
INTERVAL_LIMITS = frozenset(
    {
        "conf_low",
        "conf_high",
        "effect_size_low",
        "effect_size_high",
        "bootstrap_low",
        "bootstrap_high",
        "cred_low",
        "cred_high",
    }
)
FIT_STATUSES = ("ok", "boundary", "reduced", "failed")
"""named by `stat_label` where `stat_name` is fit_status; `stat` is the position in this list"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """What the rows of one analysis of one outcome have in common."""

    analysis: Analysis
    outcome: str
    domain: str
    conf_level: float
    method: str

    def row(
        self,
        stat_name: str,
        stat: float,
        *,
        visit: str = "",
        arm: str = "",
        contrast: str = "",
        context: str = "",
        warning: str = "",
        error: str = "",
    ) -> Row:
        """Return one row; `stat_name` is one of STATISTICS."""
        label = STATISTICS[stat_name] if stat_name != "fit_status" else FIT_STATUSES[int(stat)]
        return {
            "analysis": self.analysis.name,
            "estimand": self.analysis.estimand or "",
            "role": self.analysis.role,
            "population": self.analysis.analysis_set,
            "outcome": self.outcome,
            "domain": self.domain,
            "visit": visit,
            "arm": arm,
            "contrast": contrast,
            "method": self.method,
            "context": context,
            "stat_name": stat_name,
            "stat_label": label,
            "stat": float(stat),
            "conf_level": self.conf_level if stat_name in INTERVAL_LIMITS else float("nan"),
            "prespecified": self.analysis.prespecified,
            "warning": one_line(warning),
            "error": one_line(error),
        }


def one_line(text: str) -> str:
    """Return text that takes one line of a file: every run of white space becomes a space."""
    return re.sub(r"\s+", " ", text).strip()


def as_results(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as the analysis results dataset: columns in order and typed, sorted by the key in C order."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    kinds = dict.fromkeys(TEXT, "str") | {"stat": "float64", "conf_level": "float64", "prespecified": "bool"}
    return in_order(frame.astype(kinds))


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows sorted by the key in C order (by code point)."""
    order = sorted(range(len(frame)), key=list(zip(*(frame[name] for name in KEY), strict=True)).__getitem__)
    return frame.iloc[order].reset_index(drop=True)


def checked(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the dataset unchanged after checking it against its schema.

    Args:
        frame: an analysis results dataset.
        source: where it was read, for messages.

    Raises:
        DataError: every column, value and repeated key that the schema does not allow.
    """
    import pandas as pd
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    text = {
        name: pa.Column("str", pa.Check.str_length(min_value=1) if name in FILLED else None, nullable=False)
        for name in TEXT
    }
    text["stat_name"] = pa.Column("str", pa.Check.isin(list(STATISTICS)), nullable=False)
    other = {
        "stat": pa.Column("float64", nullable=True),
        "conf_level": pa.Column(
            "float64", pa.Check.in_range(0, 1, include_min=False, include_max=False), nullable=True
        ),
        "prespecified": pa.Column("bool", nullable=False),
    }
    status_named = pa.Check(
        lambda rows: pd.Series(
            [
                name != "fit_status" or (stat in range(len(FIT_STATUSES)) and label == FIT_STATUSES[int(stat)])
                for name, stat, label in zip(rows["stat_name"], rows["stat"], rows["stat_label"], strict=True)
            ],
            index=rows.index,
        ),
        name="fit_status is one of " + ", ".join(FIT_STATUSES),
    )
    columns = text | other
    schema = pa.DataFrameSchema(
        {name: columns[name] for name in COLUMNS},
        checks=[status_named],
        strict=True,
        ordered=True,
        unique=list(KEY),
    )
    try:
        schema.validate(frame.reset_index(drop=True), lazy=True)
    except SchemaErrors as error:
        failures = error.failure_cases[["column", "check", "failure_case"]].drop_duplicates().head(20)
        problems = [
            Problem(f"{source}, {column}", str(found), f"{check}", "run the step that wrote it again")
            for column, check, found in failures.itertuples(index=False)
        ]
        raise DataError(problems) from None
    return frame
