"""Imputation of missing outcomes under stated assumptions about what follows an intercurrent event."""
