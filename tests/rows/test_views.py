"""Views of mapped files as sources: their values, and a warning where they cannot be fast."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from keras_npy import NpyLayoutWarning, NpySequence, convert, open_rows

STORED = np.arange(40 * 6 * 8, dtype="int32").reshape(40, 6, 8)


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "x.npy", STORED)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda array: array, id="all"),
        pytest.param(lambda array: array[5:], id="rows"),
        pytest.param(lambda array: array[::3], id="every-third"),
        pytest.param(lambda array: array[..., -1], id="last-column"),
        pytest.param(lambda array: array[..., :-1], id="all-but-the-last"),
        pytest.param(lambda array: array[..., 2], id="one-channel"),
        pytest.param(lambda array: array.swapaxes(1, 2), id="channels-first"),
        pytest.param(lambda array: sliding_window_view(array, 9, axis=0), id="windows"),
    ],
)
def test_view_serves_its_values_without_a_warning(
    mapped: np.ndarray, view: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Where a row lies together, or nearly so."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence(view(mapped), batch_size=7, shuffle=True, seed=0)
    np.testing.assert_array_equal(view(STORED), open_rows(view(mapped))[:])
    served = np.concatenate(list(seq))
    np.testing.assert_array_equal(np.sort(view(STORED), axis=None), np.sort(served, axis=None))


def test_view_whose_rows_are_spread_over_the_file_is_warned_of(mapped: np.ndarray) -> None:
    """With the command that mends it; in memory it is fine."""
    spread = np.moveaxis(mapped.reshape(6 * 40, 8), -1, 0)
    with pytest.warns(NpyLayoutWarning, match=r"x\.npy of shape \(8, 240\).*960 bytes") as warned:
        rows = open_rows(spread)
    np.testing.assert_array_equal(STORED.reshape(240, 8).T, rows[:])
    call = re.search(r"keras_npy\.(convert\(view, 'x\.npy'\))", str(warned[0].message))
    assert call
    path = Path(spread.filename).with_name("new.npy")
    eval(call[1].replace("'x.npy'", "path"), {"convert": convert, "view": spread, "path": path})
    np.testing.assert_array_equal(STORED.reshape(240, 8).T, np.load(path), strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_rows(np.array(spread, order="F"))
