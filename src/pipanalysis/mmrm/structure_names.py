"""The covariance structures by name: as options and configurations have them, and as a sentence says them."""

STRUCTURE_NAMES = {
    "us": "unstructured",
    "toep": "Toeplitz",
    "toeph": "heterogeneous Toeplitz",
    "ar1": "first-order autoregressive",
    "ar1h": "heterogeneous first-order autoregressive",
    "cs": "compound symmetry",
    "csh": "heterogeneous compound symmetry",
    "ad": "ante-dependence",
    "adh": "heterogeneous ante-dependence",
    "sp_exp": "spatial exponential",
    "sp_gau": "spatial Gaussian",
    "un@un": "direct product (unstructured by member, unstructured by visit)",
    "un@cs": "direct product (unstructured by member, compound symmetry by visit)",
    "un@ar1": "direct product (unstructured by member, first-order autoregressive by visit)",
}
"""name → words that go before "covariance"; in a dyad a member is a role"""
