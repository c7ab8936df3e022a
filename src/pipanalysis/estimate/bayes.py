"""The Bayesian analyses of the plan, in one process: a model is compiled once and sampled for every outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pipanalysis.bayes.compiler import set_up_compiler
from pipanalysis.estimate.analysis_results import Row, as_results
from pipanalysis.progress_bar import steps

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.bayes.sampler import Sampler
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis


def bayes_results(trial: TrialData, sampler: Sampler | None = None, *, progress: bool = False) -> pd.DataFrame:
    """Return the results of every Bayesian analysis of the plan, and write their draws to results/bayes.

    Args:
        trial: the analysis dataset.
        sampler: in the place of the plan's.
        progress: show a bar.
    """
    set_up_compiler()
    from threadpoolctl import threadpool_limits

    from pipanalysis.estimate.bayes_files import write_draws
    from pipanalysis.estimate.bayes_joint import BayesJoint
    from pipanalysis.estimate.bayes_logistic import BayesLogistic
    from pipanalysis.estimate.bayes_mmrm import BayesMMRM

    study = trial.study
    kinds: dict[str, Callable[[TrialData, Analysis, Sampler | None], BayesMMRM | BayesJoint | BayesLogistic]] = {
        "bayes_mmrm": BayesMMRM,
        "bayes_therapist": BayesMMRM,
        "bayes_joint": BayesJoint,
        "bayes_logistic": BayesLogistic,
    }
    models = [
        kinds[analysis.method](trial.under(analysis.estimand), analysis, sampler)
        for analysis in study.family_analyses("bayes")
    ]
    work: list[Callable[[], Iterator[Row]]] = [part for one in models for part in one.work()]
    rows: list[Row] = []
    with threadpool_limits(limits=1):
        for part in steps(work, "bayes", show=progress):
            rows += part()
    for one in models:
        about = {
            "study": study.config.study.id,
            "analysis": one.analysis.name,
            "data": study.config.study.data,
            "allocation": "masked" if study.masked else "real",
            "effect": "standardised difference between arms, positive where it is benefit",
        }
        write_draws(study.layout.draws(one.analysis.name), one.kept, about)
    return as_results(rows)
