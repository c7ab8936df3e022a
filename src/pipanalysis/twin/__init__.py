"""A synthetic data set of the shape of a confidential one, for those who may not see it."""
