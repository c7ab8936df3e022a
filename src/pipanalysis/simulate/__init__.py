"""Synthetic trials with a known truth."""
