"""What the Bayesian models refuse."""

from __future__ import annotations

from collections.abc import Sequence


class BayesInputError(ValueError):
    """Data or priors that a model cannot be built from; `problems` lists each in a sentence."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))
