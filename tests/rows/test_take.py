"""`take`: rows by number, of any source, below any other."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, convert, open_rows, samples, take, windows

ROWS = np.arange(60, dtype="int32").reshape(20, 3)
NUMBERS = [5, 5, 0, -1, 19, 7, 5]


def one_file(folder: Path) -> Any:
    np.save(folder / "x.npy", ROWS)
    return folder / "x.npy"


def shards(folder: Path) -> Any:
    for number, rows in enumerate(np.array_split(ROWS, 3)):
        np.save(folder / f"x-{number}.npy", rows)
    return [folder / f"x-{number}.npy" for number in range(3)]


def member(folder: Path) -> Any:
    np.savez(folder / "x.npz", x=ROWS)
    return f"{folder / 'x.npz'}::x"


def one_file_a_sample(folder: Path) -> Any:
    for number, row in enumerate(ROWS):
        np.save(folder / f"row-{number}.npy", row)
    return samples(str(folder / "row-*.npy"))


SOURCES = pytest.mark.parametrize(
    "make",
    [
        one_file,
        shards,
        member,
        one_file_a_sample,
        pytest.param(lambda folder: ROWS, id="array"),
        pytest.param(lambda folder: np.asfortranarray(ROWS), id="fortran-array"),
        pytest.param(lambda folder: take(ROWS[::-1], range(19, -1, -1)), id="taken"),
    ],
)


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@SOURCES
def test_take_of_any_source_is_np_take(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """Read, trained on and converted."""
    taken = take(make(tmp_path), NUMBERS)
    np.testing.assert_array_equal(ROWS[NUMBERS], np.asarray(taken), strict=True)
    seq = NpySequence(taken, np.arange(7), batch_size=4, shuffle=True, seed=1, check_names=False)
    for x, y in seq:
        np.testing.assert_array_equal(ROWS[NUMBERS][y], x)
    np.testing.assert_array_equal(ROWS[NUMBERS][3:6], seq.subset(slice(3, 6)).x)
    convert(taken, tmp_path / "converted.npy")
    np.testing.assert_array_equal(ROWS[NUMBERS], np.load(tmp_path / "converted.npy"))


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        pytest.param(slice(3, None, 5), [3, 8, 13, 18], id="slice"),
        pytest.param(range(19, 0, -9), [19, 10, 1], id="range"),
        pytest.param(np.arange(20) > 17, [18, 19], id="mask"),
        pytest.param(np.array([2, 2], "uint8"), [2, 2], id="uint8"),
    ],
)
def test_take_indices_are_those_of_numpy(indices: Any, expected: list[int]) -> None:
    """In their order."""
    np.testing.assert_array_equal(ROWS[expected], take(ROWS, indices)[:])


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        pytest.param([20], IndexError, r"-20 <= index < 20.*Received: 20", id="beyond"),
        pytest.param([-21], IndexError, r"Received: -21", id="before"),
        pytest.param([], ValueError, r"at least one row", id="none"),
        pytest.param([[0, 1]], ValueError, r"one axis.*\(1, 2\)", id="two-axes"),
        pytest.param([0.5], TypeError, r"integers or a boolean mask", id="floats"),
        pytest.param(np.ones(3, bool), ValueError, r"shape \(3,\) for 20 rows", id="mask"),
    ],
)
def test_take_of_rows_that_do_not_exist_is_refused(
    indices: Any, error: type[Exception], message: str
) -> None:
    """At once."""
    with pytest.raises(error, match=message):
        take(ROWS, indices)


def test_take_of_pairs_names_each_column() -> None:
    """Flat, they would be twice as many rows as there are pairs."""
    indices = np.array([[0, 1], [2, 3], [4, 5]])
    with pytest.raises(ValueError, match=r"\(3, 2\)\. Choose with .*: indices\[:, 0\], ind.*1\]\."):
        take(ROWS, indices)
    np.testing.assert_array_equal(ROWS[[1, 3, 5]], take(ROWS, indices[:, 1])[:])
    with pytest.raises(ValueError, match=r"\(3, 1\)\. Pass them flat: np\.ravel\(indices\)"):
        take(ROWS, indices[:, :1])
    np.testing.assert_array_equal(ROWS[[0, 2, 4]], take(ROWS, np.ravel(indices[:, :1]))[:])


def test_windows_of_taken_rows_are_those_of_the_array() -> None:
    """Every second timestep, as a series."""
    rows = windows(take(np.arange(20), slice(0, None, 2)), sequence_length=3)
    np.testing.assert_array_equal([[0, 2, 4], [2, 4, 6]], rows[:2])


def test_take_of_windows_takes_windows() -> None:
    """Of the windows, not of the timesteps."""
    rows = take(windows(np.arange(20), sequence_length=3), [17, 0])
    np.testing.assert_array_equal([[17, 18, 19], [0, 1, 2]], rows[:])


def test_take_gives_pairs_of_one_file(tmp_path: Path) -> None:
    """Two inputs over the same open file, as a siamese net takes them."""
    rows = open_rows(one_file(tmp_path))
    first, second = [0, 0, 4], [1, 2, 4]
    seq = NpySequence((take(rows, first), take(rows, second)), np.array([0, 0, 1]))
    (a, b), same = seq[0]
    np.testing.assert_array_equal(ROWS[first], a)
    np.testing.assert_array_equal(ROWS[second], b)
    assert [0, 0, 1] == same.tolist()


def test_validate_names_the_row_of_the_file(tmp_path: Path) -> None:
    """Not the place in the numbers that were given."""
    data = np.ones((10, 2))
    data[7] = np.nan
    np.save(tmp_path / "x.npy", data)
    with pytest.raises(ValueError, match=r"x\.npy, row 7"):
        NpySequence(take(tmp_path / "x.npy", [3, 7, 0]), validate=True)


def test_permuted_rows_share_nothing(tmp_path: Path) -> None:
    """A random split of rows in another order leaks no timestep; of repeated rows it does."""
    order = np.random.default_rng(0).permutation(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(take(np.arange(100), order)).split(0.2)
    with pytest.warns(UserWarning, match="served more than once"):
        NpySequence(take(np.arange(100), [*order, *order])).split(0.2)


def test_windows_with_targets_of_take_part_in_time(tmp_path: Path) -> None:
    """The next value as the target, by number: training ends before validation begins."""
    np.save(tmp_path / "series.npy", np.arange(60.0))
    path = tmp_path / "series.npy"
    seq = NpySequence(windows(path, sequence_length=8, targets=take(path, slice(8, None))))
    train, held_out = seq.split(0.3, in_order=True)
    last = max(max(x.max(), y.max()) for x, y in train)
    first = min(min(x.min(), y.min()) for x, y in held_out)
    assert last < first


def test_file_paths_of_an_input_that_is_none(tmp_path: Path) -> None:
    """`None` stays where it is."""
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.zeros(2))
    seq = NpySequence({"a": samples(str(tmp_path / "*.npy")), "b": None})
    paths = seq.file_paths
    assert paths["b"] is None
    assert [str(tmp_path / f"{number}.npy") for number in range(3)] == paths["a"]
