"""What can go wrong in a fit, in words for a statistician."""


class MMRMError(Exception):
    """A mixed model that cannot be fitted as asked."""


class InvalidArrays(MMRMError, ValueError):
    """Arrays that are no data set of a repeated-measures model; `problems` lists what was found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


class SingularData(MMRMError):
    """The data do not determine the model: collinear columns, a response without error, visits never observed."""


class NonConvergence(MMRMError):
    """No optimiser found a maximum of the likelihood."""


class UnavailableMethod(MMRMError, ValueError):
    """The method is not defined for this fit, or has no such name."""
