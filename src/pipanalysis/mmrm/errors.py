"""What can go wrong in a fit, in words for a statistician."""


class MMRMError(Exception):
    """A mixed model that cannot be fitted as asked."""


class InvalidArrays(MMRMError, ValueError):  # noqa: N818
    """Arrays that are no data set of a repeated-measures model; `problems` lists what was found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


class SingularData(MMRMError):  # noqa: N818
    """The data do not determine the model: collinear columns, a response without error, visits never observed."""


class NonConvergence(MMRMError):  # noqa: N818
    """No optimiser found a maximum of the likelihood."""


class UnavailableMethod(MMRMError, ValueError):  # noqa: N818
    """The method is not defined for this fit, or has no such name."""
