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
