"""Covariance structures of repeated measures."""

from collections.abc import Callable
from functools import lru_cache

from pipanalysis.mmrm.covariance.base import CovarianceStructure
from pipanalysis.mmrm.covariance.kronecker import DirectProduct
from pipanalysis.mmrm.covariance.shapes import AnteDependence, Autoregressive, CompoundSymmetry, Shape, Toeplitz
from pipanalysis.mmrm.covariance.spatial import SpatialStructure
from pipanalysis.mmrm.covariance.structures import Shaped, Unstructured
from pipanalysis.mmrm.errors import UnavailableMethod
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

_SHAPES: dict[str, Callable[[int], Shape]] = {
    "toep": Toeplitz,
    "ar1": Autoregressive,
    "cs": CompoundSymmetry,
    "ad": AnteDependence,
}
_LINEAR = ("cs", "toep")
_SPATIAL = ("sp_exp", "sp_gau")
_PRODUCTS = ("un@un", "un@cs", "un@ar1")
STRUCTURES = tuple(STRUCTURE_NAMES)


@lru_cache(maxsize=16)  # a structure holds no data: fits of one shape share it
def make_structure(
    name: str, n_visits: int, dims: tuple[int, int] | None = None
) -> CovarianceStructure | SpatialStructure:
    """Make a covariance structure.

    name: us, toep, toeph, ar1, ar1h, cs, csh, ad, adh (h: a variance for each visit), sp_exp, sp_gau, or un@un, un@cs,
    un@ar1. n_visits: rows of the matrix. dims: (members, visits) of a direct product, its cells by member.
    Raises UnavailableMethod for other names or sizes.
    """
    if name in _SPATIAL:
        return SpatialStructure(name)
    if name in _PRODUCTS:
        if dims is None or dims[0] * dims[1] != n_visits:
            raise UnavailableMethod(f"{name} needs dims=(members, visits) whose product is {n_visits}, not {dims}")
        members, visits = dims
        second = name.removeprefix("un@")
        factor: Unstructured | Shaped
        if second == "un":
            factor = Unstructured(visits, unit_first=True)
        else:
            factor = Shaped(second, _SHAPES[second](visits), heterogeneous=False, unit_scale=True)
        return DirectProduct(name, Unstructured(members), factor)
    if name == "us" or (n_visits == 1 and name in STRUCTURES):
        return Unstructured(n_visits)
    base = name.removesuffix("h")
    if base not in _SHAPES:
        raise UnavailableMethod(f"no covariance structure {name!r}; there are {', '.join(STRUCTURES)}")
    return Shaped(name, _SHAPES[base](n_visits), heterogeneous=name != base, linear=name in _LINEAR)


__all__ = ["STRUCTURES", "CovarianceStructure", "SpatialStructure", "make_structure"]
