"""What was fitted, in words: the results know a method by a machine name, as `mmrm us kenward-roger reml`."""

from __future__ import annotations

from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

DF_NAMES = {
    "kenward-roger": "Kenward-Roger",
    "kenward-roger-linear": "linear Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "between-within": "between-within",
    "residual": "residual",
}
MODELS = {
    "mmrm": "MMRM",
    "clda": "cLDA",
    "mixed_model random-intercept": "Random intercept",
    "growth random-intercept-and-slope": "Random intercept and slope",
    "growth random-intercept": "Random intercept alone",
    "conditional mean": "Conditional means",
    "multiple imputation": "Multiple imputation",
    "ancova ols": "ANCOVA, least squares",
    "rerandomisation ancova": "Re-randomisation test of ANCOVA",
    "logistic": "Logistic regression",
    "gee": "GEE",
    "ordinal proportional-odds": "Proportional odds",
    "nominal multinomial": "Multinomial logistic",
    "count negative-binomial": "Negative binomial regression",
    "count poisson": "Poisson regression",
    "therapist partially-nested": "Partially nested mixed model",
    "cace iv2sls": "Two-stage least squares",
    "dyadic": "Mixed model of all roles",
    "bayes_mmrm": "Bayesian MMRM",
    "bayes_joint": "Joint Bayesian model",
    "bayes_logistic": "Bayesian logistic regression",
    "bayes_therapist": "Bayesian MMRM with therapist effects",
}
"""how a machine name begins → the model"""
DETAILS = {
    **STRUCTURE_NAMES,
    **DF_NAMES,
    "residual": "residual degrees of freedom",
    "reml": "REML",
    "ml": "ML",
    "firth": "Firth's penalised likelihood",
    "jeffreys": "Jeffreys' penalty",
    "profile": "profile likelihood intervals",
    "delta": "delta method",
    "t": "t",
    "jackknife": "jackknife",
    "posterior": "drawn from the posterior",
    "rubin": "Rubin's rules",
    "exchangeable": "exchangeable",
    "independence": "independence",
    "mancl-derouen": "Mancl-DeRouen",
    "model": "model-based standard errors",
    "HC3": "HC3 standard errors",
    "cluster": "cluster-robust (CR2) standard errors",
    "nutpie": "sampled by nutpie",
    "pymc": "sampled by PyMC",
    "eti": "equal-tailed intervals",
    "hdi": "highest-density intervals",
}
"""a later word of a machine name → what it says"""


def method_label(name: str) -> str:
    """Return the machine name of a fitted model in words, as `MMRM, unstructured, Kenward-Roger, REML`.

    Words that are not known stay as they are: a later version's results can be shown too.
    """
    known = [begins for begins in MODELS if f"{name} ".startswith(f"{begins} ")]
    if not known:
        return name
    begins = max(known, key=len)
    rest = name.removeprefix(begins).split()
    return ", ".join([MODELS[begins], *(DETAILS.get(word, word) for word in rest)])
