"""Carries out the analysis plan: from the analysis dataset to one tidy row per statistic."""
