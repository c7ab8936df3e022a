"""What an analysis of the plan does, as a sentence of tables and report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.display.method_labels import DF_NAMES
from pipanalysis.display.wording import analysis, characteristic_label, set_label
from pipanalysis.estimate.ordinal import MIN_UNITS
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES
from pipanalysis.study.plan_lock import listed
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

ONE_VISIT = ("ancova", "rerandomisation", "logistic", "ordinal", "count", "therapist", "cace")
"""methods that compare arms one visit at a time, adjusted for baseline"""


def method_sentence(study: Study, name: str) -> str:
    """Return what an analysis of the plan does, as a sentence."""
    chosen = analysis(study, name)
    adjusted = _adjustment(study, chosen)
    sentences = (
        _mixed_models(study, chosen, adjusted)
        | _least_squares(study, chosen, adjusted)
        | _categories_and_counts(study, chosen, adjusted)
        | _bayesian_models(study, adjusted)
        | _descriptions(study)
    )
    found = study.statuses[name]
    planned = {
        "post_hoc": " Not prespecified." if study.lock is None else " Post hoc: not in the locked plan.",
        "changed": f" Changed after the plan was locked: {listed(found.differences)}.",
    }.get(found.status, "")
    said, named = sentences[chosen.method], mid_sentence(chosen.label)
    # A sentence that begins with the analysis's label does not say it twice.
    said = chosen.label + said.removeprefix(named) if said.startswith(named) else f"{chosen.label}: {said}"
    return f"{said}. {set_label(study, chosen.analysis_set)}.{planned}"


def _mixed_models(study: Study, chosen: Analysis, adjusted: str) -> dict[str, str]:
    """Return method → what it does, of the linear models with correlated observations."""
    unit = study.config.study.unit
    by = chosen.subgroup or chosen.moderator
    moderator = f" by {mid_sentence(characteristic_label(study, by))}" if by else ""
    return {
        "mmrm": f"arm by visit{moderator}{adjusted}; {_covariance(chosen)}, REML",
        "clda": (
            f"the baseline is an outcome, with one mean in all arms, then arm by visit{adjusted}; "
            f"{_covariance(chosen)}, REML"
        ),
        "mixed_model": (
            f"random intercept per {unit}, arm by visit{adjusted}; REML, t with between-{unit} degrees of freedom"
        ),
        "growth": (
            f"random intercept and slope per {unit} in time since baseline, which is an occasion with one mean in all "
            f"arms, then arm by time{adjusted}; REML, t with between-{unit} degrees of freedom"
        ),
        "reference_based": _imputation(unit, chosen, adjusted),
        "dyadic": (
            "effects by one mixed model of all roles and visits, each with its own baseline and strata, unstructured "
            f"covariance of role by visit, {DF_NAMES[chosen.df]} inference, REML; limits of correlations by Fisher's "
            "z, of their difference by Zou's method (2007), of a covariance between arms by draws from the joint "
            "distribution of the effects"
        ),
        "therapist": (
            f"at each visit{adjusted}: therapists as a random effect in the arm that has sessions, a residual variance "
            "for each arm (heteroscedastic partially nested model), REML, Kenward-Roger inference"
        ),
    }


def _least_squares(study: Study, chosen: Analysis, adjusted: str) -> dict[str, str]:
    """Return method → what it does, of the comparisons of means at one visit."""
    return {
        "ancova": f"least squares at each visit{adjusted}; {_standard_errors(study, chosen)}",
        "rerandomisation": (
            f"t statistic of the analysis of covariance{adjusted}, among those of {chosen.allocations:,} allocations "
            "drawn anew within the strata (each one there is, where there are no more), so that the Monte Carlo "
            f"standard error of P is at most {0.5 / chosen.allocations**0.5:.1g}"
        ),
        "cace": (
            f"two-stage least squares at each visit{adjusted}, allocation the instrument for the sessions attended; "
            "HC3 standard errors, t with residual degrees of freedom"
        ),
        "effect_size": "Hedges' g of the observed values at the visit, unadjusted",
    }


def _categories_and_counts(study: Study, chosen: Analysis, adjusted: str) -> dict[str, str]:
    """Return method → what it does, of the models of binary, ordered and nominal outcomes and of counts."""
    unit = study.config.study.unit
    resampled = (
        f"; bootstrap intervals bias-corrected and accelerated, {chosen.bootstrap:,} resamples within arms"
        if chosen.bootstrap
        else ""
    )
    return {
        "logistic": (
            f"logistic regression at each visit{adjusted}; risks standardised over the {unit}s in the model, "
            f"delta-method intervals, those of risk differences by t{resampled}"
        ),
        "gee": (
            f"arm by visit in one marginal logistic model{adjusted}; generalised estimating equations, working "
            f"{chosen.working_correlation}, covariance by Mancl and DeRouen, t with between-{unit} degrees of "
            f"freedom; risks standardised over the {unit}s in the model, delta-method intervals"
        ),
        "ordinal": (
            f"proportional odds at each visit{adjusted}; levels with fewer than {MIN_UNITS} {unit}s merged with a "
            f"neighbour; probabilities standardised over the {unit}s in the model, delta-method intervals"
        ),
        "nominal": (
            f"multinomial logistic regression at each visit{adjusted}; probabilities standardised over the {unit}s in "
            "the model, delta-method intervals"
        ),
        "count": (
            f"negative binomial regression at each visit{adjusted}, Poisson where there is no overdispersion; t "
            f"distribution; means standardised over the {unit}s in the model, delta-method intervals"
        ),
    }


def _bayesian_models(study: Study, adjusted: str) -> dict[str, str]:
    """Return method → what it does, of the Bayesian models."""
    unit = study.config.study.unit
    return {
        "bayes_mmrm": (
            f"arm by visit{adjusted}; unstructured covariance of the visits, values that are missing integrated out"
        ),
        "bayes_joint": (
            f"all outcomes in one model, arm by visit{adjusted}; effects partially pooled within and over domains, "
            f"outcomes of one {unit} correlated by a factor per domain and visit"
        ),
        "bayes_logistic": (
            f"logistic regression at each visit{adjusted}; risks standardised over the {unit}s in the model"
        ),
        "bayes_therapist": (
            f"arm by visit{adjusted}; unstructured covariance of the visits, and a random effect of the therapist for "
            "those who had one"
        ),
    }


def _descriptions(study: Study) -> dict[str, str]:
    """Return method → what it does, of those that fit no model of an effect."""
    unit = study.config.study.unit
    return {
        "descriptives": "observed values",
        "baseline": "observed values",
        "double_programming": (
            "each estimate computed a second time from the analysis dataset by code that shares nothing with the first"
        ),
        "adherence": "sessions on record; Clopper-Pearson limits of a proportion",
        "flow": f"numbers of {unit}s",
        "protocol_deviations": f"numbers of {unit}s, of rows of the raw files, and of data queries",
        "completeness": "values present and missing",
        "recruitment": "dates of randomisation",
        "reliable_change": "change from baseline beyond measurement error (Jacobson and Truax 1991), observed values",
        "measurement": "all arms together, forms as observed",
        "service_use": (
            f"{unit}s counted once however many contacts they had; Clopper-Pearson limits of a proportion, Newcombe's "
            "of a difference, Welch's of a difference of contacts; no test is made"
        ),
        "harms": (
            f"{unit}s counted once however many events they had; Clopper-Pearson limits of a proportion, Newcombe's of "
            "a difference; no test is made"
        ),
    }


def _imputation(unit: str, chosen: Analysis, adjusted: str) -> str:
    """Return what an analysis by reference-based imputation does."""
    if chosen.imputations:
        return (
            f"missing values drawn {chosen.imputations:,} times from their distribution given the {unit}'s observed "
            f"ones, as a mixed model for repeated measures (arm by visit{adjusted}; unstructured covariance) and the "
            "strategy have it, parameters drawn from their posterior distribution (flat prior for means, Jeffreys' for "
            "the covariance); then least squares at each visit with the same adjustment, pooled by Rubin's rules, t "
            "with Barnard and Rubin's degrees of freedom"
        )
    return (
        f"missing values imputed by their mean given the {unit}'s observed ones, as a mixed model for repeated "
        f"measures (arm by visit{adjusted}; unstructured covariance, REML) and the strategy have it; then least "
        f"squares at each visit with the same adjustment; standard errors by the jackknife over {unit}s, t distribution"
    )


def _standard_errors(study: Study, chosen: Analysis) -> str:
    if chosen.cluster is None:
        errors = "model-based" if chosen.standard_error == "model" else "HC3"
        return f"{errors} standard errors, t with residual degrees of freedom"
    by = mid_sentence(characteristic_label(study, chosen.cluster))
    return f"standard errors robust to correlation within {by} (CR2, Satterthwaite degrees of freedom)"


def _covariance(chosen: Analysis) -> str:
    fallback = ", then ".join(STRUCTURE_NAMES[structure] for structure in chosen.fallback)
    planned = f" (where it does not converge: {fallback})" if fallback else ""
    return f"{STRUCTURE_NAMES[chosen.covariance]} covariance of the visits{planned}, {DF_NAMES[chosen.df]} inference"


def _adjustment(study: Study, chosen: Analysis) -> str:
    terms = []
    if chosen.baseline and chosen.method not in ("clda", "growth", "nominal"):
        by_visit = chosen.baseline_by_visit and chosen.method not in ONE_VISIT
        of = chosen.baseline_score
        named = f"{characteristic_label(study, of)} at baseline" if of else "baseline"
        terms.append(f"{named} by visit" if by_visit else named)
    names = [*(study.config.randomisation.strata if chosen.strata else []), *chosen.covariates]
    for name in names:
        label = mid_sentence(characteristic_label(study, name))
        terms.append(f"{label} at baseline" if name in study.scores else label)
    return f", adjusted for {', '.join(terms)}" if terms else ""
