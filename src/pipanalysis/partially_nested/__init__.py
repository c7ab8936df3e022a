"""Mixed models of partially nested data: clusters in some units alone, as therapists in one arm of a trial.

    from pipanalysis.partially_nested import fit_partially_nested
    fit = fit_partially_nested(y, X, group, cluster)
    fit.t_test(contrast), fit.icc, fit.icc_interval(0.95)

The package knows of no trial and of no file: arrays in, result objects out.
"""

from pipanalysis.partially_nested.fit import NotEstimableError, PartiallyNestedFit, fit_partially_nested

__all__ = ["NotEstimableError", "PartiallyNestedFit", "fit_partially_nested"]
