"""P values adjusted for multiplicity within the plan's families of hypotheses, and behind their gates.

The adjusted P value of a hypothesis is the smallest level alpha at which the whole procedure rejects it, so that
it is at most alpha exactly when the hypothesis is rejected at alpha.

Within a family: Bonferroni; Holm (Scand J Stat 1979;6:65-70); Hochberg (Biometrika 1988;75:800-802); Benjamini and
Hochberg (J R Stat Soc B 1995;57:289-300), all by statsmodels; fixed sequence (Maurer, Hothorn and Lehmacher 1995), the
running maximum of the P values in their order.

Between families, each with one gate (Dmitrienko and Tamhane, Pharm Stat 2007;6:171-180): behind `gate: all` a family
has the level of the family before it where that one is rejected whole, else none (serial gatekeeping). Behind
`gate: any` it has the share of that level that belongs to the rejected hypotheses, as Bonferroni shares it out
(parallel gatekeeping; Dmitrienko, Offen and Westfall, Stat Med 2003;22:2387-2400). At the full level behind one
rejection of several, the probability of a false rejection would not be held: a true hypothesis of the first family and
one of the second could each be rejected at alpha.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.errors import DataError, Problem
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.planning import P_VALUE_OF_METHOD, tested_hypotheses
from pipanalysis.mmrm.multiplicity import adjust_p
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.hypotheses import Hypothesis
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import HypothesisFamily


def within_family(p: FloatArray, method: str) -> FloatArray:
    """Return P values adjusted within one family, shape (m,), in the order given.

    Args:
        p: raw P values, shape (m,), none missing; for a fixed sequence in the order of testing.
        method: a method of HypothesisFamily.
    """
    if method == "fixed_sequence":
        return np.maximum.accumulate(p)
    if method == "benjamini_hochberg":
        from statsmodels.stats.multitest import multipletests  # seconds to import, and seldom asked for

        return np.asarray(multipletests(p, method="fdr_bh")[1], dtype=np.float64)
    return adjust_p(p, method)


def adjusted_p(families: Sequence[HypothesisFamily], raw: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the adjusted P values of every family by its name.

    Args:
        families: the families; the gates (`after`) are among them and not in a circle.
        raw: raw P values by family, none missing, at least one a family.
    """
    by_name = {family.name: family for family in families}
    within = {name: within_family(raw[name], family.method) for name, family in by_name.items()}

    def smallest_level(family: HypothesisFamily, own: FloatArray) -> FloatArray:
        """Return the smallest level of the procedure at which the family's own level is at least `own`."""
        if family.after is None:
            return own
        gate, before = by_name[family.after], np.sort(within[family.after])
        if family.gate == "all":
            return smallest_level(gate, np.maximum(own, before[-1]))
        m = before.size
        # with k of m rejected the family has k/m of its gate's level
        shares = [smallest_level(gate, np.maximum(own * m / k, before[k - 1])) for k in range(1, m + 1)]
        return np.asarray(np.min(shares, axis=0), dtype=np.float64)

    return {name: np.minimum(1.0, smallest_level(family, within[name])) for name, family in by_name.items()}


def adjusted_rows(study: Study, results: pd.DataFrame) -> list[Row]:
    """Return a row for every hypothesis of the plan's families: its adjusted P value.

    A hypothesis without a P value (its fit failed) stays in its family as not rejected, with P = 1, and its row says
    so in the warning.

    Args:
        study: the configuration.
        results: the results of all method families.

    Raises:
        DataError: the results do not have a planned comparison at all.
    """
    keys = ("analysis", "outcome", "visit", "contrast")
    context = {a.name: P_VALUE_OF_METHOD.get(a.method, "") for a in study.plan.analyses}
    of_comparison = results["context"] == results["analysis"].map(context)
    tested = results[(results["stat_name"] == "p_value") & of_comparison]
    found = dict(zip(zip(*(tested[key] for key in keys), strict=True), tested.to_dict("records"), strict=True))
    rows: dict[str, list[dict[Any, Any]]] = {}
    for family in study.plan.families:
        planned = [_key(study, hypothesis) for hypothesis in tested_hypotheses(study, family)]
        if absent := [" ".join(key) for key in planned if key not in found]:
            where = f"results of the family of hypotheses {family.name}"
            raise DataError([Problem(where, f"no P value row of {a}", "", "run `estimate` again") for a in absent])
        rows[family.name] = [found[key] for key in planned]
    raw = {name: np.array([row["stat"] for row in chosen], dtype=np.float64) for name, chosen in rows.items()}
    adjusted = adjusted_p(study.plan.families, {name: np.where(np.isnan(p), 1.0, p) for name, p in raw.items()})
    return [
        _row(study, name, row, float(value))
        for name, chosen in rows.items()
        for row, value in zip(chosen, adjusted[name], strict=True)
    ]


def _key(study: Study, hypothesis: Hypothesis) -> tuple[str, str, str, str]:
    contrast = contrast_name(hypothesis.arm, study.reference_arm.name)
    return hypothesis.analysis, hypothesis.outcome, hypothesis.visit, contrast


def _row(study: Study, family: str, raw: Mapping[Any, Any], value: float) -> Row:
    analysis = next(a for a in study.plan.analyses if a.name == raw["analysis"])
    scope = Scope(analysis, str(raw["outcome"]), str(raw["domain"]), study.plan.conf_level, str(raw["method"]))
    warning = ""
    if np.isnan(raw["stat"]):
        why = f" ({raw['error']})" if raw["error"] else ""
        warning = f"no P value{why}: counts in its family as not rejected"
    where = {"visit": str(raw["visit"]), "contrast": str(raw["contrast"]), "context": f"family={family}"}
    return scope.row("p_value_adjusted", value, warning=warning, **where)
