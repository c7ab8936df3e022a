"""Operating characteristics of the estimators by simulation, all in one table: docs/simulations.md."""
