"""Messages of the mixed-model engine in the study's words: the engine calls columns and levels as the frame does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipanalysis.estimate.analysis_data import AnalysisFrame

BASELINE = "(baseline)"
"""level of the visit that a constrained analysis adds for the baseline; no visit of a study can have this name"""


def in_study_terms(text: str, frame: AnalysisFrame, roles: Mapping[str, str] | None = None) -> str:
    """Return a message in one line, with labels for visits (after that word), for covariates and for coefficients.

    Args:
        text: the message.
        frame: what was fitted.
        roles: name → label of the roles of a dyad, where the model is of several: its visits are role:visit.
    """
    levels = {visit: frame.terms.visit(visit) for visit in frame.visits} | {BASELINE: "baseline"}
    for role, label in (roles or {}).items():
        levels |= {role: label}
        levels |= {f"{role}:{visit}": f"{label} {frame.terms.at(visit)}" for visit in frame.visits}
    level = _one_of(levels)
    text = text.replace("\n", "; ")
    listed = rf"\b(?:visit|member)s? {level}(?:(?:, | and ){level})*"
    text = re.sub(listed, lambda found: re.sub(level, lambda one: levels[one[0]], found[0]), text)
    parts = _parts(frame, levels)
    part = _one_of(parts)
    return re.sub(rf"{part}(?::{part})*", lambda found: _coefficient(re.findall(part, found[0]), parts, frame), text)


def _parts(frame: AnalysisFrame, levels: Mapping[str, str]) -> dict[str, str]:
    """Return what a coefficient's name is made of → what to call it."""
    parts = {f"arm{arm}": frame.terms.arm(arm) for arm in frame.arms} | {"baseline": "baseline"}
    parts |= {f"{'cell' if ':' in name else 'visit'}{name}": label for name, label in levels.items()}
    for covariate in frame.covariates:
        parts[covariate.column] = covariate.said
        parts |= {f"{covariate.column}{level}": covariate.at(level) for level in covariate.levels}
    return parts


def _coefficient(names: list[str], parts: Mapping[str, str], frame: AnalysisFrame) -> str:
    """Return what to call a product of columns: when it is stands last."""
    visits = {f"visit{visit}": frame.terms.at(visit) for visit in frame.visits} | {f"visit{BASELINE}": "at baseline"}
    what = [parts[name] for name in names if name not in visits]
    when = [visits[name] for name in names if name in visits]
    return " ".join([" by ".join(what), *when]) if what else parts[names[0]]


def _one_of(names: Iterable[str]) -> str:
    """Return a pattern of names that are no part of a longer word."""
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)"
