"""What a user can get wrong, and the exit status that tells which it was.

Each error carries a list of problems, so that one run shows everything there is to mend. The command line prints
them without a traceback; a trial manager or a workflow can tell the kind from the exit status alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing to mend: where it is, what was found, what is allowed, and (where known) the nearest valid name.

    `rule` is the id of the rule of the plan that is broken, "" for none (`docs/plan-rules.md`).
    """

    where: str
    found: str
    allowed: str = ""
    hint: str = ""
    rule: str = ""

    def __str__(self) -> str:
        """Return the problem as the lines a user reads."""
        lines = [self.where, f"  found:   {self.found}"]
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.hint:
            lines.append(f"  hint:    {self.hint}")
        if self.rule:
            lines.append(f"  rule:    {self.rule}")
        return "\n".join(lines)


class PipError(Exception):
    """A refusal that the user can act on."""

    exit_status = 1
    kind = "error"

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...]
        if isinstance(problems, str):
            self.summary, self.problems = problems, ()
        else:
            self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
            n = len(self.problems)
            self.summary = f"{n} problem{'' if n == 1 else 's'}"
        super().__init__(self.summary)

    def __str__(self) -> str:
        """Return the summary line and every problem below it."""
        return "\n".join([f"{self.kind}: {self.summary}", *(str(problem) for problem in self.problems)])


class ConfigError(PipError):
    """The study folder's configuration is not valid."""

    exit_status = 10
    kind = "configuration"


class DataError(PipError):
    """A raw or derived data file cannot be used."""

    exit_status = 11
    kind = "data"


class PlanError(PipError):
    """The analysis plan asks for something that cannot be carried out."""

    exit_status = 12
    kind = "plan"


class FitError(PipError):
    """A model could not be fitted."""

    exit_status = 13
    kind = "fit"


class DisclosureError(PipError):
    """An output would disclose information on a participant."""

    exit_status = 14
    kind = "disclosure"
