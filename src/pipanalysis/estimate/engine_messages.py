"""What the mixed-model engine calls by the frame's columns and levels, in the study's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipanalysis.estimate.analysis_data import AnalysisFrame

BASELINE = "(baseline)"
"""level of the visit that a constrained analysis adds for the baseline; no visit of a study can have this name"""


def level_labels(frame: AnalysisFrame, roles: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return level → what the engine's messages are to call it, of visits, and of roles and cells of a dyad.

    Args:
        frame: what is fitted.
        roles: name → label of the roles of a dyad, where the model is of several: its cells are role:visit.
    """
    labels = {visit: frame.terms.visit(visit) for visit in frame.visits} | {BASELINE: "baseline"}
    for role, label in (roles or {}).items():
        labels |= {role: label}
        labels |= {f"{role}:{visit}": f"{label} {frame.terms.at(visit)}" for visit in frame.visits}
    return labels


def coefficient_label(parts: Sequence[str], frame: AnalysisFrame, roles: Mapping[str, str] | None = None) -> str:
    """Return what to call a coefficient: its factors, and when it is last.

    Args:
        parts: of its name, a column of a factor each, as `armtreated` and `visitmonth6`.
        frame: what was fitted.
        roles: as in `level_labels`.
    """
    when = {f"visit{visit}": frame.terms.at(visit) for visit in frame.visits} | {f"visit{BASELINE}": "at baseline"}
    levels = level_labels(frame, roles)
    labels = {f"{'cell' if ':' in level else 'visit'}{level}": said for level, said in levels.items()}
    labels |= {f"arm{arm}": frame.terms.arm(arm) for arm in frame.arms} | {"baseline": "baseline"}
    for covariate in frame.covariates:
        labels |= {covariate.column: covariate.said}
        labels |= {f"{covariate.column}{level}": covariate.at(level) for level in covariate.levels}
    what = [labels.get(part, part) for part in parts if part not in when]
    if not what:
        return " ".join(labels[part] for part in parts)
    return " ".join([" by ".join(what), *(when[part] for part in parts if part in when)])
