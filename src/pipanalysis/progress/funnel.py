"""From screening to enrolment, with the reasons for loss: every row of the log is counted once at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.progress.data import ProgressData

NOT_SAID = "Reason not recorded"


@dataclass(frozen=True)
class Step:
    """A step of the funnel and what became of those who did not get to the next one.

    Attributes:
        name: screened, eligible, consented or enrolled.
        n: how many got here.
        lost: reason → how many went no further.
        waiting: how many are not yet known to go further or not.
    """

    name: str
    n: int
    lost: dict[str, int]
    waiting: int


@dataclass(frozen=True)
class Funnel:
    """The whole of it.

    Attributes:
        steps: `n` of a step is that of the next plus lost plus waiting.
        enrolled: people enrolled, whether or not the log has them.
        not_in_log: of those, how many the log does not show as eligible and consented.
    """

    steps: tuple[Step, ...]
    enrolled: int
    not_in_log: int


def funnel(data: ProgressData) -> Funnel | None:
    """Count the screening log; None where the study has none."""
    log = data.screening
    if log is None:
        return None
    enrolled = set(data.enrolled["unit"])
    eligible = log[log["eligible"].eq(True)]
    consented = eligible[eligible["consented"].eq(True)]
    inside = consented[consented["unit"].isin(enrolled)]
    steps = (
        _step("screened", log, "eligible", "not_eligible_reason"),
        _step("eligible", eligible, "consented", "declined_reason"),
        Step("consented", len(consented), {}, len(consented) - len(inside)),
        Step("enrolled", len(inside), {}, 0),
    )
    return Funnel(steps, len(enrolled), len(enrolled) - inside["unit"].nunique())


def _step(name: str, rows: pd.DataFrame, answer: str, reason: str) -> Step:
    refused = rows[rows[answer].eq(False)]
    reasons = refused[reason].where(refused[reason].ne(""), NOT_SAID).value_counts()
    lost = {str(why): int(n) for why, n in sorted(reasons.items(), key=lambda item: (-item[1], str(item[0])))}
    return Step(name, len(rows), lost, int(rows[answer].isna().sum()))
