"""What can be wrong with the input of a model: every problem found, in one error."""

from collections.abc import Sequence

from pipanalysis.mmrm.errors import MMRMError


class ModelInputError(MMRMError, ValueError):
    """A model that cannot be set up; `problems` lists everything that was found, one sentence each."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class FormulaError(ModelInputError):
    """The formula cannot be read, or asks for something that formulas may not do."""


class DesignError(ModelInputError):
    """The formula does not suit the columns of the data."""


class ModelDataError(ModelInputError):
    """The data do not suit the model."""


class OptionError(ModelInputError):
    """An option of a fit or of an analysis of it has no such value."""


class ComparisonError(ModelInputError):
    """Two fits that no likelihood ratio can compare."""


def checked_level(level: float) -> float:
    """Give back a confidence level; raises OptionError unless it lies between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise OptionError(f"confidence level {level!r} must lie between 0 and 1, e.g. 0.95")
    return level
