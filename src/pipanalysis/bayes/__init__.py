"""Bayesian models of a trial's outcomes: arrays in, posterior draws and what follows from them out.

The models are written in PyMC and sampled by nutpie (or PyMC's own sampler); `docs/bayes.md` says what they are and how
they were checked. Importing this package loads no PyMC: the modules that build models do.
"""
