"""Bayesian effects: posterior differences with the probabilities that decisions rest on, under every set of priors."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.bayes_places import OVERALL, Place, context_of, places
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow, noted
from pipanalysis.display.wording import estimand_line, marks, outcome_label
from pipanalysis.study.terms import counted, mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.bayes_plan import BayesPlan, PriorSet
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

EFFECT = (
    "posterior_mean",
    "posterior_sd",
    "cred_low",
    "cred_high",
    "mcse",
    "mcid",
    "rope",
    "p_benefit",
    "p_beyond_mcid",
    "p_harm_beyond_mcid",
    "p_equivalence",
    "sensitivity_prior",
    "sensitivity_likelihood",
)
STANDARDISED = ("posterior_mean", "cred_low", "cred_high")
SENSITIVE = 0.05
"""power-scaling sensitivity from which a posterior is said to move with its prior (Kallioinen 2024)"""
STANDARDISED_HEAD, BEYOND_MCID, EQUIVALENCE = "Standardised benefit", "Benefit beyond the MCID", "Practical equivalence"
KINDS = {"eti": "equal-tailed", "hdi": "highest-density"}


def bayes_effects_table(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out the effects of the table's Bayesian analyses by domain, outcome and visit."""
    plan = study.plan.bayes
    assert plan is not None  # the study was refused without it
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [], [])
    level = f"{rounding.level(plan.interval.probability)} CrI"
    default, *others = plan.prior_sets
    model.columns = [
        Column(f"Difference ({level})"),
        Column(f"{STANDARDISED_HEAD} ({level})"),
        Column("Any benefit", "Probability of"),
        Column(BEYOND_MCID, "Probability of"),
        Column(EQUIVALENCE, "Probability of"),
    ]
    model.columns += [Column(each.label, "Any benefit, by prior") for each in others]
    chosen = [a for a in study.plan.analyses if a.name in table.analyses]
    used = {a.estimand for a in chosen}
    model.lead = [estimand_line(study.plan, estimand) for estimand in study.plan.estimands if estimand.name in used]
    overall = RowGroup("All domains")
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        group.rows += _rows(study, model, results, plan, table, domain.name, "The domain's effect, pooled")
        for outcome in study.plan.outcomes:
            if outcome.domain == domain.name and (table.outcomes == "all" or outcome.name in table.outcomes):
                group.rows += _rows(study, model, results, plan, table, outcome.name, outcome_label(study, outcome))
        if group.rows:
            model.groups.append(group)
    overall.rows += _rows(study, model, results, plan, table, OVERALL, "The overall effect, pooled over the domains")
    if overall.rows:
        model.groups.append(overall)
    if not model.empty:
        model.drop_columns_without_values()
    binary = any(a.method == "bayes_logistic" for a in chosen)
    model.notes = [
        *_notes(study, plan, default, level, model, binary=binary),
        *(method_sentence(study, a.name) for a in chosen),
    ]
    model.notes += table.footnotes
    return model


def _rows(
    study: Study,
    model: TableModel,
    results: ResultsIndex,
    plan: BayesPlan,
    table: Table,
    outcome: str,
    label: str,
) -> list[TableRow]:
    found = list(places(study, results, table.analyses, table.visits, outcome, plan.prior_sets[0]))
    rows = [TableRow(label)] if found else []
    return rows + [_row(study, model, results, plan, place) for place in found]


def _row(study: Study, model: TableModel, results: ResultsIndex, plan: BayesPlan, place: Place) -> TableRow:
    digits = study.displays.digits
    found = {each.name: _stats(results, place, each) for each in plan.prior_sets}
    default = found[plan.prior_sets[0].name]
    low, high = default["cred_low"], default["cred_high"]
    mean, size_low, size_high = (default[f"standardised_{name}"] for name in STANDARDISED)
    own = results.row(
        place.analysis, place.outcome, "p_benefit", visit=place.visit, contrast=place.contrast,
        context=place.context(plan.prior_sets[0]),
    )  # fmt: skip
    error, warning = ("", "") if own is None else (str(own["error"]), str(own["warning"]))
    in_units = rounding.with_interval(default["posterior_mean"], low, high, digits.estimate)
    if place.outcome not in study.outcomes:
        in_units = rounding.ABSENT  # of several outcomes together there is no unit but the standardised one
    cells = [
        "not estimated" if error else in_units,
        rounding.with_interval(mean, size_low, size_high, digits.effect_size),
        *(rounding.posterior_probability(default[name], 2) for name in ("p_benefit", "p_beyond_mcid", "p_equivalence")),
        *(rounding.posterior_probability(found[each.name]["p_benefit"], 2) for each in plan.prior_sets[1:]),
    ]
    for each in plan.prior_sets:
        record = {"outcome": place.outcome, "visit": place.visit, "analysis": place.analysis}
        record |= {"contrast": place.contrast, "measure": place.measure.removeprefix("measure="), "prior": each.name}
        model.records.append(record | found[each.name] | {"warning": warning, "error": error})
    moves = isfinite(default["sensitivity_prior"]) and default["sensitivity_prior"] >= SENSITIVE
    sensitive = "the posterior moves with the prior of the effect (power scaling)" if moves else ""
    notes = noted(error, warning, sensitive)
    return TableRow(place.label, tuple(cells), 1, notes)


def _stats(results: ResultsIndex, place: Place, priors: PriorSet) -> dict[str, float]:
    where = {"visit": place.visit, "contrast": place.contrast}
    found = results.stats(place.analysis, place.outcome, EFFECT, context=place.context(priors), **where)
    for name in STANDARDISED:
        context = context_of(priors.name, "measure=standardised")
        value = results.stat(place.analysis, place.outcome, name, context=context, **where)
        found[f"standardised_{name}"] = value
    return found


def _notes(
    study: Study, plan: BayesPlan, default: PriorSet, level: str, model: TableModel, *, binary: bool
) -> list[str]:
    reference = study.reference_arm.label
    others = study.terms.others
    rope = rounding.fixed(plan.rope, 2)
    said = f"Difference: {others} minus {reference}, posterior mean. {level}: credible interval, "
    said += f"{KINDS[plan.interval.kind]}."
    explained = {
        f"{STANDARDISED_HEAD} ({level})": "in standard deviations at baseline, positive where better.",
        BEYOND_MCID: "more than the smallest benefit that matters (MCID), fixed in the plan.",
        EQUIVALENCE: f"less than {rope} standard deviations either way.",
    }
    heads = {column.label for column in model.columns}
    for head, words in explained.items():
        said += f" {head.partition(' (')[0]}: {words}" if head in heads else ""
    notes = [f"{said} No probability here is a P value."]
    priors = [f"{each.label}: {_mixture(each)}" for each in plan.prior_sets]
    notes.append(
        f"Prior: {mid_sentence(default.label)}, except where another is named. Priors of an effect, standardised, "
        f"positive where it is benefit, as normal(mean, standard deviation): {'; '.join(priors)}."
        + (" A log odds ratio has the prior of an effect times π/√3." if binary else "")
    )
    return notes


def _mixture(priors: PriorSet) -> str:
    parts = []
    for c in priors.effect:
        share = f"{rounding.fixed(100 * c.weight, 0)}% " if len(priors.effect) > 1 else ""
        parts.append(f"{share}normal({rounding.fixed(c.mean, 2)}, {rounding.fixed(c.sd, 2)})")
    own = (
        f" (another for {counted(sum(len(o.outcomes) for o in priors.for_outcomes), 'outcome')})"
        if priors.for_outcomes
        else ""
    )
    return " + ".join(parts) + own
