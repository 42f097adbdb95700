"""Wider rows: read and widened in the memory of the batch itself."""

from typing import Any

import numpy as np
import pytest

from keras_npy import open_rows
from keras_npy.rows.widened import WidenedRows
from tests.conftest import peak_bytes_of


@pytest.mark.parametrize(("dtype", "wider"), [("uint16", "int32"), ("uint32", "int64")])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 63, 64, 65, 200, 1000])
def test_widened_batches_of_any_size_keep_every_value(
    dtype: str, wider: str, num_rows: int
) -> None:
    """Values are moved over the memory that they lie in, from the front on."""
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (1000, 129), dtype)
    rows = WidenedRows(open_rows(array), np.dtype(wider))
    indices = np.random.default_rng(1).integers(0, 1000, num_rows)
    np.testing.assert_array_equal(array[indices], rows.take(indices))


@pytest.mark.parametrize(("dtype", "wider"), [("uint16", "int32"), ("uint32", "int64")])
def test_widened_batch_takes_no_memory_but_its_own(dtype: Any, wider: Any) -> None:
    """Of 8 MiB of values, what NumPy copies at a time is a few pages."""
    rows = WidenedRows(open_rows(np.ones((64, 1 << 16), dtype)), np.dtype(wider))
    indices, out = np.arange(64), np.empty(rows.shape, wider)
    assert 128 << 10 > peak_bytes_of(lambda: rows.read_into(indices, out))
    assert (out == 1).all()
