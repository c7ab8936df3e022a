"""Mixed models for repeated measures: covariance across visits, Kenward-Roger inference, marginal means.

    from pipanalysis.mmrm import MMRM
    fit = MMRM("score ~ baseline * visit + arm * visit", data, subject="id", visit="visit").fit()
    fit.emmeans("arm", by="visit").contrasts("reference")

The package knows of no trial and of no file: data frames in, result objects out.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipanalysis.mmrm.fit import MMRMFit
    from pipanalysis.mmrm.model import MMRM

__all__ = ["MMRM", "MMRMFit"]


def __getattr__(name: str) -> Any:
    """Import the classes when they are first asked for: the import of the package alone costs nothing."""
    if name in __all__:
        from pipanalysis.mmrm import fit, model

        return getattr(model if name == "MMRM" else fit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
