"""The analyses of treatment received: what they read of the sessions, and their fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.errors import PlanError, Problem
from pipanalysis.estimate.cace import METHOD as CACE
from pipanalysis.estimate.cace import cace, exposures
from pipanalysis.estimate.comparison import planned_effects
from pipanalysis.estimate.model_result import Effect, ModelResult, Status
from pipanalysis.estimate.sessions import MASKED, attended_by, read_sessions, therapists
from pipanalysis.estimate.therapist import METHOD as THERAPIST
from pipanalysis.estimate.therapist import therapist_effects

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis


def received(trial: TrialData, analysis: Analysis, frame: AnalysisFrame) -> list[ModelResult]:
    """Carry out a therapist or complier analysis of one outcome: a result for each visit.

    While the allocation is masked the sessions are not opened: the results are failed ones that say so.

    Raises:
        DataError: the sessions are missing or damaged.
        PlanError: the study has no sessions.
    """
    declared = trial.study.config.sessions
    if declared is None:
        where = f"config/analysis.yaml, analysis {analysis.name}"
        raise PlanError(Problem(where, "no sessions", "study.yaml must say where sessions are recorded"))
    records = read_sessions(trial, declared)
    if records is None:
        return [_masked(analysis, frame, visit, declared.arm) for visit in frame.visits]
    if analysis.exposure is None:
        level = trial.study.plan.conf_level
        return therapist_effects(frame, therapists(records), declared.arm, level, records.notes)
    units = trial.participants["unit"].astype(str)
    by_visit = {}
    for visit in frame.visits:
        number, notes = attended_by(trial, records, visit)
        by_visit[visit] = dict(zip(units, number.tolist(), strict=True)), [*records.notes, *notes]
    return cace(frame, analysis.exposure, declared.arm, by_visit)


def _masked(analysis: Analysis, frame: AnalysisFrame, visit: str, arm: str) -> ModelResult:
    effects, method = planned_effects(frame.at(visit)), THERAPIST
    if analysis.exposure is not None:
        contexts, method = exposures(analysis.exposure).values(), CACE
        effects = [Effect(visit, arm, frame.reference, context=context) for context in contexts]
    return ModelResult(method, Status.failed, effects, error=MASKED, visit=visit)
