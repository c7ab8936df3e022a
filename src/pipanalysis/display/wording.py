"""Sentences of the displays made from the configuration: marks, estimands, methods, labels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipanalysis.estimate.describe import BINARY_LEVELS, nominal_levels
from pipanalysis.estimate.ordinal import MIN_UNITS
from pipanalysis.study.plan_lock import listed
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.estimands import Estimand
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome, Plan

DF_NAMES = {
    "kenward-roger": "Kenward-Roger",
    "kenward-roger-linear": "linear Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "between-within": "between-within",
    "residual": "residual",
}
STRUCTURES = {
    "us": "unstructured",
    "toep": "Toeplitz",
    "toeph": "heterogeneous Toeplitz",
    "ar1": "first-order autoregressive",
    "ar1h": "heterogeneous first-order autoregressive",
    "cs": "compound symmetry",
    "csh": "heterogeneous compound symmetry",
    "ad": "ante-dependence",
    "adh": "heterogeneous ante-dependence",
}
ONE_VISIT = ("ancova", "rerandomisation", "logistic", "ordinal", "count", "therapist", "cace")
"""methods that compare arms one visit at a time, adjusted for baseline"""
STRATEGIES = {
    "treatment_policy": "treatment policy",
    "hypothetical": "hypothetical (values after it are left out)",
    "composite": "composite (from then on the worst value of the score)",
    "while_on_treatment": "while on treatment (the last value before it stays)",
    "principal_stratum": "principal stratum",
}


def marks(study: Study, allocation: dict[str, Any]) -> list[str]:
    """Return what every display must say on its face.

    Args:
        study: the configuration.
        allocation: the record that `allocate` wrote.
    """
    said = []
    if study.config.study.data == "synthetic":
        said.append("SYNTHETIC DATA: a made-up trial with made-up effects. Nothing here is a finding.")
    if study.config.study.data == "twin":
        said.append("SYNTHETIC TWIN: made-up data in the shape of confidential ones. Nothing here is a finding.")
    if study.masked or allocation.get("allocation") != "real":
        said.append("MASKED ALLOCATION: arms are a random dummy. Differences between arms mean nothing.")
        waiting = [set_label(study, name) for name in allocation.get("sets_without_their_condition_on_sessions", [])]
        if waiting:
            said.append(f"Masked too: the condition on sessions of the analysis set '{', '.join(waiting)}'.")
    if study.config.study.data == "real" and (reason := allocation.get("without_lock")):
        why = reason.rstrip(".")
        said.append(f"NO PLAN LOCK: the allocation was read although the plan was not locked. Reason: {why}.")
    return said


def estimand_line(plan: Plan, estimand: Estimand) -> str:
    """Return the five attributes of an estimand (ICH E9(R1)) as one line."""
    labels = {event.name: event.label for event in plan.intercurrent_events}
    events = "; ".join(f"{labels[e.event]}: {STRATEGIES[e.strategy]}" for e in estimand.intercurrent_events)
    parts = [
        f"population: {estimand.population}",
        f"treatments: {estimand.treatments}",
        f"variable: {estimand.variable}",
        *([f"intercurrent events: {events}"] if events else []),
        f"summary: {estimand.summary}",
    ]
    return f"Estimand, {estimand.label}: " + ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def set_label(study: Study, name: str) -> str:
    """Return an analysis set's label."""
    return next(chosen.label for chosen in study.plan.analysis_sets if chosen.name == name)


def analysis_label(study: Study, name: str) -> str:
    """Return an analysis's label."""
    return analysis(study, name).label


def analysis(study: Study, name: str) -> Analysis:
    """Return an analysis of the plan."""
    return next(chosen for chosen in study.plan.analyses if chosen.name == name)


def outcome_label(study: Study, outcome: Outcome) -> str:
    """Return an outcome's label with its role and which direction is better."""
    better = study.scores[outcome.score].better
    said = [
        *(["primary outcome"] if outcome.role == "primary" else []),
        *([f"{better} is better"] if better else []),
    ]
    return outcome.label + (f" ({'; '.join(said)})" if said else "")


def characteristic_label(study: Study, name: str) -> str:
    """Return the label of a baseline characteristic: a variable, an age in months, or a score."""
    if name in study.scores:
        outcome = next((o for o in study.plan.outcomes if o.score == name), None)
        instrument = study.instruments[name.partition(".")[0]]
        return outcome.label if outcome else f"{instrument.label}: {study.scores[name].label}"
    for variable in study.config.variables:
        if variable.name == name:
            return variable.label + (f" ({variable.unit})" if variable.unit else "")
        if variable.age_name == name:
            return f"{variable.age_label or variable.age_name} (months)"
    return name


def level_labels(study: Study, name: str) -> list[str]:
    """Return the labels of a categorical score or variable in the order of the configuration; none for others."""
    if name in study.scores:
        kind = study.scores[name].type
        return list(BINARY_LEVELS.values()) if kind == "binary" else nominal_levels(study, name)
    variable = study.variables.get(name)
    if variable is not None and variable.role == "site":
        return [site.label for site in study.config.sites]
    return list(variable.levels.values()) if variable is not None else []


def _imputation(study: Study, chosen: Analysis, adjusted: str) -> str:
    """Return what an analysis by reference-based imputation does."""
    unit = study.config.study.unit
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


def method_sentence(study: Study, name: str) -> str:
    """Return what an analysis of the plan does, as a sentence."""
    chosen = analysis(study, name)
    adjusted = _adjustment(study, chosen)
    by = chosen.subgroup or chosen.moderator
    moderator = f" by {mid_sentence(characteristic_label(study, by))}" if by else ""
    sentences = {
        "mmrm": f"arm by visit{moderator}{adjusted}; {_covariance(chosen)}, REML",
        "clda": (
            f"the baseline is an outcome, with one mean in all arms, then arm by visit{adjusted}; "
            f"{_covariance(chosen)}, REML"
        ),
        "mixed_model": (
            f"random intercept per {study.config.study.unit}, arm by visit{adjusted}; REML, t with "
            f"between-{study.config.study.unit} degrees of freedom"
        ),
        "growth": (
            f"random intercept and slope per {study.config.study.unit} in time since baseline, which is an occasion "
            f"with one mean in all arms, then arm by time{adjusted}; REML, t with between-{study.config.study.unit} "
            "degrees of freedom"
        ),
        "reference_based": _imputation(study, chosen, adjusted),
        "ancova": (f"least squares at each visit{adjusted}; " + _standard_errors(study, chosen)),
        "rerandomisation": (
            f"t statistic of the analysis of covariance{adjusted}, among those of {chosen.allocations:,} allocations "
            "drawn anew within the strata (each one there is, where there are no more), so that the Monte Carlo "
            f"standard error of P is at most {0.5 / chosen.allocations**0.5:.1g}"
        ),
        "bayes_mmrm": (
            f"arm by visit{adjusted}; unstructured covariance of the visits, values that are missing integrated out"
        ),
        "bayes_joint": (
            f"all outcomes in one model, arm by visit{adjusted}; effects partially pooled within and over domains, "
            f"outcomes of one {study.config.study.unit} correlated by a factor per domain and visit"
        ),
        "bayes_logistic": (
            f"logistic regression at each visit{adjusted}; risks standardised over the {study.config.study.unit}s in "
            "the model"
        ),
        "bayes_therapist": (
            f"arm by visit{adjusted}; unstructured covariance of the visits, and a random effect of the therapist for "
            "those who had one"
        ),
        "logistic": (
            f"logistic regression at each visit{adjusted}; risks standardised over the {study.config.study.unit}s in "
            "the model, delta-method intervals, those of risk differences by t"
            + (
                f"; bootstrap intervals bias-corrected and accelerated, {chosen.bootstrap:,} resamples within arms"
                if chosen.bootstrap
                else ""
            )
        ),
        "gee": (
            f"arm by visit in one marginal logistic model{adjusted}; generalised estimating equations, working "
            f"{chosen.working_correlation}, covariance by Mancl and DeRouen, t with between-{study.config.study.unit} "
            f"degrees of freedom; risks standardised over the {study.config.study.unit}s in the model, delta-method "
            "intervals"
        ),
        "ordinal": (
            f"proportional odds at each visit{adjusted}; levels with fewer than {MIN_UNITS} "
            f"{study.config.study.unit}s merged with a neighbour; probabilities standardised over the "
            f"{study.config.study.unit}s in the model, delta-method intervals"
        ),
        "nominal": (
            f"multinomial logistic regression at each visit{adjusted}; probabilities standardised over the "
            f"{study.config.study.unit}s in the model, delta-method intervals"
        ),
        "count": (
            f"negative binomial regression at each visit{adjusted}, Poisson where there is no overdispersion; t "
            f"distribution; means standardised over the {study.config.study.unit}s in the model, delta-method intervals"
        ),
        "effect_size": "Hedges' g of the observed values at the visit, unadjusted",
        "therapist": (
            f"at each visit{adjusted}: therapists as a random effect in the arm that has sessions, a residual variance "
            "for each arm (heteroscedastic partially nested model), REML, Kenward-Roger inference"
        ),
        "cace": (
            f"two-stage least squares at each visit{adjusted}, allocation the instrument for the sessions attended; "
            "HC3 standard errors, t with residual degrees of freedom"
        ),
        "dyadic": (
            "effects by one mixed model of all roles and visits, each with its own baseline and strata, unstructured "
            f"covariance of role by visit, {DF_NAMES[chosen.df]} inference, REML; limits of correlations by Fisher's "
            "z, "
            "of their difference by Zou's method (2007), of a covariance between arms by draws from the joint "
            "distribution of the effects"
        ),
        "descriptives": "observed values",
        "baseline": "observed values",
        "double_programming": (
            "each estimate computed a second time from the analysis dataset by code that shares nothing with the first"
        ),
        "adherence": "sessions on record; Clopper-Pearson limits of a proportion",
        "flow": f"numbers of {study.config.study.unit}s",
        "protocol_deviations": f"numbers of {study.config.study.unit}s, of rows of the raw files, and of data queries",
        "completeness": "values present and missing",
        "recruitment": "dates of randomisation",
        "reliable_change": "change from baseline beyond measurement error (Jacobson and Truax 1991), observed values",
        "measurement": "all arms together, forms as observed",
        "service_use": (
            f"{study.config.study.unit}s counted once however many contacts they had; Clopper-Pearson limits of a "
            "proportion, Newcombe's of a difference, Welch's of a difference of contacts; no test is made"
        ),
        "harms": (
            f"{study.config.study.unit}s counted once however many events they had; Clopper-Pearson limits of a "
            "proportion, Newcombe's of a difference; no test is made"
        ),
    }
    found = study.statuses[name]
    planned = {
        "post_hoc": " Not prespecified." if study.lock is None else " Post hoc: not in the locked plan.",
        "changed": f" Changed after the plan was locked: {listed(found.differences)}.",
    }.get(found.status, "")
    said, named = sentences[chosen.method], mid_sentence(chosen.label)
    # A sentence that begins with the analysis's label does not say it twice.
    said = chosen.label + said.removeprefix(named) if said.startswith(named) else f"{chosen.label}: {said}"
    return f"{said}. {set_label(study, chosen.analysis_set)}.{planned}"


def _standard_errors(study: Study, chosen: Analysis) -> str:
    if chosen.cluster is None:
        errors = "model-based" if chosen.standard_error == "model" else "HC3"
        return f"{errors} standard errors, t with residual degrees of freedom"
    by = mid_sentence(characteristic_label(study, chosen.cluster))
    return f"standard errors robust to correlation within {by} (CR2, Satterthwaite degrees of freedom)"


def _covariance(chosen: Analysis) -> str:
    fallback = ", then ".join(STRUCTURES[structure] for structure in chosen.fallback)
    planned = f" (where it does not converge: {fallback})" if fallback else ""
    return f"{STRUCTURES[chosen.covariance]} covariance of the visits{planned}, {DF_NAMES[chosen.df]} inference"


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


def enumerated(parts: list[str]) -> str:
    """Return what belongs together in a sentence, as a, b and c."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def numbered_title(model: TableModel) -> str:
    """Return a table's title with its number."""
    return f"Table {model.number}. {model.title}"


def mark_line(said: list[str]) -> str:
    """Return the marks as one line."""
    return " ".join(said)


def wrapped(text: str, letters: int) -> str:
    """Return a text in lines of so many letters at most, broken between words; narrow lines keep words whole."""
    return "\n".join(textwrap.wrap(text, letters, break_long_words=letters > 20)) or text


def analyses_line(study: Study, names: Iterable[str]) -> str:
    """Return what a figure's numbers come from, as `All randomised dyads: Growth model, Analysis of covariance.`"""
    by_set: dict[str, dict[str, None]] = {}
    for name in names:
        chosen = analysis(study, name)
        by_set.setdefault(set_label(study, chosen.analysis_set), {})[chosen.label] = None
    return " ".join(f"{chosen}: {', '.join(labels)}." for chosen, labels in by_set.items())
