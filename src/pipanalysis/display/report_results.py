"""A paragraph of results for each outcome: every number in a sentence is a row of the results.

What an interval does and does not show is read off its limits; no result is called significant.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

from pipanalysis.display import rounding
from pipanalysis.display.multiplicity import adjusted_row
from pipanalysis.display.report_bayes import CAUTION, PROBABILITY, bayes_sentence
from pipanalysis.display.report_model import Block, Paragraph, Subheading
from pipanalysis.display.wording import analysis_label, outcome_label
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.terms import at_visit, mid_sentence

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome

CONFIRMING = ("primary", "secondary")
"""roles of the analyses that a paragraph is written from; an outcome without them is told from an exploratory one"""
NEITHER = "it shows neither a difference nor that there is none"
RISK = "measure=risk_difference"


def results_in_words(study: Study, results: ResultsIndex) -> list[Block]:
    """Return a paragraph an outcome, by domain; outcomes that no analysis compares are named at the end.

    Before them, where Bayesian analyses give probabilities, what these are and are not.
    """
    blocks: list[Block] = []
    untold, cautioned = [], False
    for domain in study.plan.domains:
        told = []
        for outcome in study.plan.outcomes:
            if outcome.domain != domain.name:
                continue
            bayesian = bayes_sentence(study, results, outcome)
            cautioned = cautioned or PROBABILITY in bayesian
            sentences = [*_sentences(study, results, outcome), *([bayesian] if bayesian else [])]
            if sentences:
                told.append(Paragraph(" ".join(sentences), lead=f"{outcome_label(study, outcome)}."))
            else:
                untold.append(outcome.label)
        if told:
            blocks += [Subheading(domain.label), *told]
    if untold:
        blocks.append(Paragraph(f"Described in the tables, without a comparison of arms here: {', '.join(untold)}."))
    return [Paragraph(CAUTION), *blocks] if cautioned else blocks


def _sentences(study: Study, results: ResultsIndex, outcome: Outcome) -> Iterator[str]:
    chosen = [a for a in study.plan.analyses if a.role in CONFIRMING] or list(study.plan.analyses)
    names = [a.name for a in chosen if results.visits(a.name, outcome.name) and not a.subgroup]
    if not names:
        exploratory = [a for a in study.plan.analyses if a.role == "exploratory" and not a.subgroup]
        names = [a.name for a in exploratory if results.visits(a.name, outcome.name)]
    for name in names:
        for visit in study.visits:
            for arm in list(study.arms)[1:]:
                yield from _comparison(study, results, outcome, name, visit, arm)


def _comparison(
    study: Study, results: ResultsIndex, outcome: Outcome, name: str, visit: str, arm: str
) -> Iterator[str]:
    contrast = contrast_name(arm, study.reference_arm.name)
    where = {"visit": visit, "contrast": contrast}
    own, context = results.row(name, outcome.name, "estimate", **where), ""
    if own is None:
        own, context = results.row(name, outcome.name, "estimate", **where, context=RISK), RISK
    if own is None:
        return
    at = at_visit(study.visits[visit].label)
    at = at[0].upper() + at[1:]
    if len(study.arms) > 2:
        at += f", {study.arms[arm].label} against {study.reference_arm.label},"
    if own["error"]:
        yield f"{at} no difference was estimated: {rounding.with_minus(str(own['error']))}."
        return
    adjusted = adjusted_row(study, results, name, outcome.name, visit, contrast)
    rejected = adjusted is not None and adjusted["stat"] <= 1 - study.plan.conf_level
    yield f"{at} {_estimated(study, results, outcome, name, visit, arm, context)}"
    yield _meaning(study, results, outcome, name, visit, arm, context, rejected=rejected)
    if adjusted is not None and isfinite(adjusted["stat"]):
        rejects = "rejects" if rejected else "does not reject"
        p = _p(adjusted["stat"], study.displays.digits.p_value)
        yield f"Adjusted for multiplicity {p}: the plan's procedure {rejects} the hypothesis of no difference."


def _estimated(
    study: Study, results: ResultsIndex, outcome: Outcome, name: str, visit: str, arm: str, context: str
) -> str:
    """Return the sentence with means or risks, difference, interval, P and standardised difference."""
    digits = study.displays.digits
    contrast = contrast_name(arm, study.reference_arm.name)
    of = "risk" if context else "mean"
    each, sizes, means = [], [], []
    for one in (study.reference_arm.name, arm):
        risk = "measure=risk" if context else ""
        mean = results.stat(name, outcome.name, "estimate", visit=visit, arm=one, context=risk)
        n = results.stat(name, outcome.name, "n", visit=visit, arm=one)
        label, observed = study.arms[one].label, f"n\u00a0=\u00a0{rounding.count(n)}"
        each.append(f"{rounding.fixed(mean, digits.estimate)} in {label} ({observed})")
        sizes.append(f"{observed} in {label}")
        means.append(mean)
    where = {"visit": visit, "contrast": contrast}
    names = ("estimate", "conf_low", "conf_high", "p_value")
    s = results.stats(name, outcome.name, names, **where, context=context)
    level = rounding.level(study.plan.conf_level)
    limits = rounding.interval(s["conf_low"], s["conf_high"], digits.estimate)
    difference = f"difference {rounding.fixed(s['estimate'], digits.estimate)} ({level} CI {limits}"
    p = f"; {_p(s['p_value'], digits.p_value)}" if isfinite(s["p_value"]) else ""
    known = all(map(isfinite, means))
    compared = f"the adjusted {of} was {each[0]} and {each[1]}" if known else f"with {sizes[0]} and {sizes[1]}"
    text = f"{compared}: {difference}{p})"
    size = results.stats(name, outcome.name, ("effect_size", "effect_size_low", "effect_size_high"), **where)
    if not context and isfinite(size["effect_size"]):
        shown = rounding.interval(size["effect_size_low"], size["effect_size_high"], digits.effect_size)
        text += f", {rounding.fixed(size['effect_size'], digits.effect_size)} ({shown}) standard deviations at baseline"
    return f"{text} ({mid_sentence(analysis_label(study, name))})."


def _meaning(
    study: Study,
    results: ResultsIndex,
    outcome: Outcome,
    name: str,
    visit: str,
    arm: str,
    context: str,
    *,
    rejected: bool,
) -> str:
    """Return what the interval shows, and what it does not; `rejected`: by the plan's procedure for multiplicity."""
    contrast = contrast_name(arm, study.reference_arm.name)
    where = {"visit": visit, "contrast": contrast, "context": context}
    low, high = results.stats(name, outcome.name, ("conf_low", "conf_high"), **where).values()
    if not (isfinite(low) and isfinite(high)):
        return "It has no interval, so that how precise it is cannot be said."
    digits = study.displays.digits.estimate
    better = study.scores[outcome.score].better
    names = {"arm": study.arms[arm].label, "reference": study.reference_arm.label}
    near, far = sorted((abs(low), abs(high)))
    between = f"{rounding.fixed(near, digits)} to {rounding.fixed(far, digits)}"
    if low > 0 or high < 0:
        if better is None:
            higher = names["arm"] if low > 0 else names["reference"]
            side = f"higher values in {higher}, by {between}"
        else:
            favoured = names["arm"] if (low > 0) == (better == "higher") else names["reference"]
            side = f"differences in favour of {favoured}, of {between}"
        shows = "it shows a difference" if rejected else "taken by itself it speaks for a difference"
        return f"The interval includes only {side}: {shows}, and does not say whether its size matters."
    if better is None:
        return f"The interval includes differences on both sides of zero: {NEITHER}."
    gain, loss = (high, -low) if better == "higher" else (-low, high)
    return (
        f"The interval includes differences from {rounding.fixed(gain, digits)} in favour of {names['arm']} to "
        f"{rounding.fixed(loss, digits)} in favour of {names['reference']}: {NEITHER}."
    )


def _p(value: float, digits: int) -> str:
    shown = rounding.p_value(value, digits)
    said = f"P {shown[0]} {shown[1:]}" if shown[0] in "<>" else f"P = {shown}"
    return said.replace(" ", "\u00a0")
