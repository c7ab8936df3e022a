"""Collected results of a study made in memory, for tests of figures and of the report."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from statistics import NormalDist
from typing import Any

from estimate import trials
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.estimate.analysis_results import Row, Scope, as_results
from pipanalysis.estimate.bayes_quantiles import PROBABILITIES
from pipanalysis.estimate.courses import CONTEXT, course_context
from pipanalysis.estimate.delta_adjustment import delta_context
from pipanalysis.study.bayes_plan import BayesPlan
from pipanalysis.study.displays import Displays
from pipanalysis.study.load import Study

OPEN = {"allocation": "real"}
CONTRAST = "treated - control"
VISITS = {"baseline": 0.0, "month6": 6.0, "month12": 12.0}
ANALYSES: list[dict[str, Any]] = [
    {"name": "flow", "method": "flow", "role": "descriptive", "label": "Flow"},
    {"name": "recruitment", "method": "recruitment", "role": "descriptive", "label": "Recruitment"},
    {"name": "completeness", "method": "completeness", "role": "descriptive", "label": "Completeness"},
    {"name": "descriptives", "method": "descriptives", "role": "descriptive", "label": "Observed", "courses": 10},
    {
        "name": "primary",
        "method": "mmrm",
        "role": "primary",
        "label": "Mixed model",
        "delta_adjustments": [{"outcome": "o0", "deltas": [-5, 0, 5]}],
    },
    {"name": "ancova", "method": "ancova", "role": "sensitivity", "label": "Analysis of covariance"},
    {"name": "bayes", "method": "bayes_mmrm", "role": "sensitivity", "label": "Bayesian mixed model"},
]
PRIORS = {"weak": ("Weakly informative", 1.0), "sceptical": ("Sceptical", 0.2)}


def study(labels: list[str], figures: list[dict[str, Any]], visits: dict[str, float] = VISITS, **options: Any) -> Study:
    """A study with an outcome for each label, whose scores are better high and low in turn."""
    names = [f"o{i}" for i in range(len(labels))]
    outcomes = [
        {"name": name, "label": label, "domain": "health", "score": f"form.{name}"}
        for name, label in zip(names, labels, strict=True)
    ]
    made = trials.study(
        ANALYSES,
        visits=visits,
        outcomes=outcomes,
        scores=dict.fromkeys(names, "continuous"),
        better="lower",
        **options,
    )
    sets = [
        {"name": name, "label": label, "effect": [{"mean": 0, "sd": sd}], "source": "made up"}
        for name, (label, sd) in PRIORS.items()
    ]
    made = replace(made, plan=made.plan.model_copy(update={"bayes": BayesPlan.model_validate({"prior_sets": sets})}))
    tables = [{"name": "t", "number": "1", "kind": "effects", "title": "T", "analyses": ["primary"]}]
    return replace(made, displays=Displays.model_validate({"tables": tables, "figures": figures}))


def figure(kind: str, *analyses: str, **options: Any) -> dict[str, Any]:
    return {"name": kind, "number": "1", "kind": kind, "title": kind.title(), "analyses": list(analyses), **options}


def scope(made: Study, name: str, outcome: str) -> Scope:
    chosen = next(analysis for analysis in made.plan.analyses if analysis.name == name)
    return Scope(chosen, outcome, "health", 0.95, chosen.method)


def effects(made: Study, name: str = "primary") -> list[Row]:
    """Standardised effects of every outcome at both visits after baseline, none like another."""
    rows = []
    for i, outcome in enumerate(made.plan.outcomes):
        of = scope(made, name, outcome.name)
        for j, visit in enumerate(list(made.visits)[1:]):
            size = round(-0.8 + 0.05 * i + 0.011 * j, 3)
            numbers = {"effect_size": size, "effect_size_low": size - 0.4, "effect_size_high": size + 0.4}
            numbers |= {"estimate": 10 * size, "conf_low": 10 * size - 4, "conf_high": 10 * size + 4, "p_value": 0.04}
            rows += [of.row(k, v, visit=visit, contrast=CONTRAST) for k, v in numbers.items()]
            rows += [of.row("n", 30 + i, visit=visit, arm=arm) for arm in made.arms]
    return rows


def means(made: Study) -> list[Row]:
    """Observed means with limits of every outcome by arm and visit."""
    rows = []
    for i, outcome in enumerate(made.plan.outcomes):
        of = scope(made, "descriptives", outcome.name)
        for a, arm in enumerate(made.arms):
            for v, visit in enumerate(made.visits):
                mean = 20.0 + i + a - 2 * v
                numbers = {"mean": mean, "conf_low": mean - 1.5, "conf_high": mean + 1.5}
                numbers |= {"q1": mean - 6.25, "q3": mean + 7.125}
                rows += [of.row(k, value, visit=visit, arm=arm) for k, value in numbers.items()]
    return rows


def courses(made: Study, n: dict[str, int]) -> list[Row]:
    """Two courses of 12 and the rest in the arms that have 20 units or more with a value at every visit, of 38.

    n: arm → units with a value at every visit.
    """
    rows = []
    for i, outcome in enumerate(made.plan.outcomes):
        of = scope(made, "descriptives", outcome.name)
        for a, (arm, complete) in enumerate(n.items()):
            counts = {"n_all_visits": complete, "n_set": 38}
            rows += [of.row(name, value, arm=arm, context=CONTEXT) for name, value in counts.items()]
            for number in (1, 2) if complete >= 20 else ():
                where = {"arm": arm, "context": course_context(number)}
                rows.append(of.row("n_in_course", 12 if number == 1 else complete - 12, **where))
                for v, visit in enumerate(made.visits):
                    rows.append(of.row("course_mean", 10.5 + i + a + number - v, visit=visit, **where))
    return rows


def single_courses(made: Study, arm: str, n: int) -> list[Row]:
    """Courses of n single units of an arm, of 38; the first has no value at the second visit."""
    rows = []
    for i, outcome in enumerate(made.plan.outcomes):
        of = scope(made, "descriptives", outcome.name)
        counts = {"n_two_visits": n, "n_set": 38}
        rows += [of.row(name, value, arm=arm, context=CONTEXT) for name, value in counts.items()]
        for number in range(1, n + 1):
            for v, visit in enumerate(made.visits):
                if (number, v) != (1, 1):
                    where = {"arm": arm, "context": course_context(number)}
                    rows.append(of.row("course_value", 10.25 + i + number - v, visit=visit, **where))
    return rows


def flow(made: Study) -> list[Row]:
    """A flow whose counts add up: 100 screened, 40 randomised, 20 an arm."""
    of = scope(made, "flow", "participants")

    def at(stage: str, n: float, **where: str) -> Row:
        return of.row("n_stage", n, context=f"stage={stage}", **where)

    before = {"screened": 100, "excluded": 60, "not_eligible": 35, "not_consented": 25, "consented": 40}
    rows = [at(stage, n) for stage, n in before.items()]
    rows += [at("not_eligible; reason=Other α", 35), at("randomised", 40)]
    for arm, lost in zip(made.arms, (3, 5), strict=False):
        rows.append(at("allocated", 20, arm=arm))
        for k, visit in enumerate(("month6", "month12"), start=1):
            where = {"visit": visit, "arm": arm}
            rows += [at("assessed", 20 - k * lost, **where), at("not_assessed", k * lost, **where)]
            rows += [at("withdrawn", lost, **where), at("withdrawn; reason=Moved", lost, **where)]
            rows.append(at("missed", (k - 1) * lost, **where))
        rows += [at("in_set; set=all_randomised", 20, arm=arm), at("not_in_set; set=all_randomised", 0, arm=arm)]
    return rows


def completeness(made: Study) -> list[Row]:
    """Two patterns of every outcome."""
    rows = []
    for outcome in made.plan.outcomes:
        of = scope(made, "completeness", outcome.name)
        for pattern, n in (("baseline month6 month12", 15), ("baseline", 5)):
            for arm in made.arms:
                rows.append(of.row("n_level", n, arm=arm, context=f"pattern={pattern}"))
                rows.append(of.row("percent", 100 * n / 20, arm=arm, context=f"pattern={pattern}"))
    return rows


def recruitment(made: Study) -> list[Row]:
    of = scope(made, "recruitment", "participants")
    rows = []
    for i, month in enumerate(("2020-11", "2020-12", "2021-01")):
        rows.append(of.row("n_cumulative", 10 * i + 7, context=f"month={month}"))
        rows.append(of.row("n_target", 13.5 * i, context=f"month={month}"))
    return rows


def posteriors(made: Study) -> list[Row]:
    """Priors and posteriors of every outcome at both visits after baseline, under each set of priors."""
    rows = []
    for i, outcome in enumerate(made.plan.outcomes):
        of = scope(made, "bayes", outcome.name)
        for k, (prior, (_, sd)) in enumerate(PRIORS.items()):
            own = f"prior={prior}"
            for p in PROBABILITIES:
                at = NormalDist(0, 10 * sd).inv_cdf(p)
                rows.append(of.row("prior_quantile", at, contrast=CONTRAST, context=f"{own}, probability={p:g}"))
            for j, visit in enumerate(list(made.visits)[1:]):
                where = {"visit": visit, "contrast": CONTRAST}
                posterior = NormalDist(-4 + 0.21 * i + 0.1 * k + j, 2 + 0.5 * j)
                for p in PROBABILITIES:
                    at = posterior.inv_cdf(p)
                    rows.append(of.row("posterior_quantile", at, **where, context=f"{own}, probability={p:g}"))
                numbers = {"mcid": 5.0, "rope": 1.0, "p_benefit": posterior.cdf(0), "p_beyond_mcid": posterior.cdf(-5)}
                numbers["p_equivalence"] = posterior.cdf(1) - posterior.cdf(-1)
                numbers |= {"posterior_mean": posterior.mean}
                numbers |= {"cred_low": posterior.inv_cdf(0.025), "cred_high": posterior.inv_cdf(0.975)}
                rows += [of.row(name, value, **where, context=own) for name, value in numbers.items()]
                sizes = {"posterior_mean": 0.4 - 0.02 * i, "cred_low": -0.1 - 0.02 * i, "cred_high": 0.9 - 0.02 * i}
                context = f"{own}, measure=standardised"
                rows += [of.row(name, value, **where, context=context) for name, value in sizes.items()]
    return rows


def deltas(made: Study) -> list[Row]:
    """The first outcome's differences by the shifts of both arms: 10 of 40 missing in one, 4 of 40 in the other."""
    of, rows = scope(made, "primary", "o0"), []
    for visit in list(made.visits)[1:]:
        for arm, missing in zip(made.arms, (10, 4), strict=False):
            counted = {"n": 40.0 - missing, "n_missing": float(missing)}
            rows += [of.row(name, n, visit=visit, arm=arm, context="delta") for name, n in counted.items()]
        for d0, d1 in product((-5, 0, 5), repeat=2):
            estimate = -2.75 + d1 / 10 - d0 / 4
            numbers = {"estimate": estimate, "conf_low": estimate - 3, "conf_high": estimate + 3, "p_value": 0.07}
            where = {"visit": visit, "contrast": CONTRAST, "context": delta_context(d0, d1)}
            rows += [of.row(name, value, **where) for name, value in numbers.items()]
    return rows


def index(*rows: list[Row]) -> ResultsIndex:
    return ResultsIndex(as_results([row for part in rows for row in part]))
