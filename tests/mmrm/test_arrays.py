"""Codes in small integer types, and a design matrix that is made again when it is needed."""

import numpy as np
import pytest

from pipanalysis.mmrm.arrays import DesignMatrix, compact


@pytest.mark.parametrize(
    ("number", "dtype"), [(0, np.int8), (2, np.int8), (128, np.int8), (129, np.int16), (32_769, np.int32)]
)
def test_codes_take_the_smallest_type_that_holds_them_and_missing(number: int, dtype: type) -> None:
    codes = np.arange(-1, number)
    found = compact(codes, number)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, codes)


def test_a_design_matrix_is_made_again_only_where_it_was_let_go() -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.eye(3)

    matrix = DesignMatrix(np.eye(3), make)
    np.testing.assert_array_equal(matrix.values, np.eye(3))
    assert not made
    matrix.release()
    for _ in range(2):
        np.testing.assert_array_equal(matrix.values, np.eye(3))
    assert len(made) == 1


def test_a_design_matrix_that_cannot_be_made_again_is_held() -> None:
    given = np.eye(2)
    matrix = DesignMatrix(given)
    matrix.release()
    assert matrix.values is given
