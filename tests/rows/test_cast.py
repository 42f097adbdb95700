"""Rows in another dtype: a value that would be lost is named with its row."""

import re
from typing import Any

import numpy as np
import pytest

from keras_npy import open_rows
from keras_npy.rows.cast import cast
from tests.rows.contract import assert_same


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0.0, 255.0], "uint8", [0, 255]),
        ([True, False], "uint8", [1, 0]),
        ([0, 1], "bool", [False, True]),
        ([-128, 127], "int8", [-128, 127]),
        ([0.5, np.nan, np.inf], "float16", [0.5, np.nan, np.inf]),
        ([2**53], "float64", [2.0**53]),
        (np.array([1, 2**64 - 1], "uint64"), "uint64", np.array([1, 2**64 - 1], "uint64")),
    ],
)
def test_cast_that_keeps_values(values: Any, dtype: str, expected: Any) -> None:
    """Nothing is asked, nothing is lost."""
    rows = cast(open_rows(np.array(values)), dtype, may_round=False)
    assert_same(np.array(expected, dtype), rows[:])


@pytest.mark.parametrize(
    ("values", "dtype", "rounded"),
    [
        pytest.param([0.0, 1.5], "uint8", 2, id="fraction"),
        pytest.param([0.0, -0.4], "uint8", 0, id="below-zero-rounds-to-zero"),
        pytest.param([0.0, 0.1], "float32", np.float32(0.1), id="fewer-digits"),
        pytest.param([0, 2**53 + 1], "float64", 2.0**53, id="long-integer"),
        pytest.param([0.0, 256.0], "uint8", None, id="above"),
        pytest.param([0, -1], "uint8", None, id="below"),
        pytest.param([0, -1], "uint64", None, id="sign"),
        pytest.param([0.0, np.nan], "int64", None, id="nan"),
        pytest.param([0.0, np.inf], "int64", None, id="infinity"),
        pytest.param([0.0, 2.0**63], "int64", None, id="two-to-63"),
        pytest.param([0.0, 1e300], "float32", None, id="overflow"),
        pytest.param([0, 2], "bool", None, id="not-boolean"),
    ],
)
def test_cast_that_loses_values_is_an_error(values: Any, dtype: str, rounded: Any) -> None:
    """Rounding must be allowed; what is out of range is an error all the same."""
    source = open_rows(np.array(values).reshape(2, 1))
    remedy = "mend the value" if rounded is None else r"allow rounding: may_round=True \(--round\)"
    message = (
        rf"row 1: a value must stay .*Received: .* of .*Choose a dtype that holds it,.* {remedy}"
    )
    with pytest.raises(ValueError, match=message):
        cast(source, dtype, may_round=False)[:]
    if rounded is None:
        with pytest.raises(ValueError, match="row 1: a value must stay"):
            cast(source, dtype, may_round=True)[:]
    else:
        assert_same(np.array([[0], [rounded]], dtype), cast(source, dtype, may_round=True)[:])


@pytest.mark.parametrize("dtype", ["text", "object", "U3", "float128"])
def test_cast_unknown_dtype_is_refused(dtype: str) -> None:
    """And complex numbers stay so."""
    with pytest.raises(ValueError, match=re.escape(f"Received: dtype='{dtype}' for int64")):
        cast(open_rows(np.arange(3)), dtype, may_round=False)
    with pytest.raises(ValueError, match="complex numbers stay complex"):
        cast(open_rows(np.ones(3, "complex64")), "float32", may_round=True)
