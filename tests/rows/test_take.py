"""`take`: rows by number, of any source, below any other."""

import re
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


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "take": take,
    "index": lambda rows, indices: open_rows(rows)[indices],
    "indices": lambda rows, indices: NpySequence(rows, indices=indices),
    "subset": lambda rows, indices: NpySequence(rows).subset(indices),
}


def rows_of(taken: Any) -> Any:
    """The values of what one of these ways gives, in order."""
    return np.concatenate(list(taken)) if isinstance(taken, NpySequence) else taken[:]


def remedy_of(error: BaseException) -> str:
    """The code at the end of a message."""
    return re.split(r": pass |: indices = |numbers: ", str(error))[-1].removesuffix(".")


IDS = [3, 1, 20, 20, 7]


@SOURCES
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_ids_that_count_from_1_are_said_to(
    tmp_path: Path, make: Callable[[Path], Any], way: str
) -> None:
    """Without the last one, as "leave out" has it, each would be the row behind it."""
    rows = make(tmp_path)
    for indices in (np.array(IDS, "uint8"), IDS, range(1, 21), np.arange(1, 21)):
        with pytest.raises(
            IndexError, match=r"< 20, the .*Received: 1 to 20, and no 0\. They seem to count from 1"
        ) as caught:
            WAYS[way](rows, indices)
        mended = eval(remedy_of(caught.value), {"np": np, "indices": indices})
        expected = ROWS[[number - 1 for number in indices]]
        np.testing.assert_array_equal(expected, rows_of(WAYS[way](rows, mended)))


def test_ids_of_windows_that_count_from_1_are_said_to() -> None:
    """The number of windows is what counts."""
    rows = windows(np.arange(20), sequence_length=3)
    with pytest.raises(IndexError, match=r"index < 18.*1 to 18, and no 0.*pass indices - 1\.$"):
        take(rows, np.arange(1, 19))


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    ("indices", "received"),
    [
        pytest.param([0, 1, 20], 20, id="from-0"),
        pytest.param([2, 20], 20, id="from-2"),
        pytest.param([1, 21], 21, id="two-beyond"),
        pytest.param([-21, 20], -21, id="before"),
        pytest.param([-1, 1, 20], 20, id="from-the-end"),
        pytest.param(range(21), 20, id="range"),
    ],
)
def test_other_rows_that_do_not_exist_are_left_out(way: str, indices: Any, received: int) -> None:
    """What they count is not known."""
    with pytest.raises(IndexError, match=rf"Received: {received}\. Leave out rows that do not e"):
        WAYS[way](ROWS, indices)


def test_ids_from_1_that_all_exist_are_rows() -> None:
    """So are they in NumPy. Of a single row, there is nothing to count."""
    np.testing.assert_array_equal(ROWS[[1, 19]], take(ROWS, [1, 19])[:])
    with pytest.raises(IndexError, match=r"Received: 1\. Leave out"):
        take(ROWS[:1], [1])


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    ("indices", "message", "expected"),
    [
        pytest.param(
            np.array([0.0, 3.0]),
            "all whole. Pass row numbers: indices.astype(int).",
            [0, 3],
            id="array",
        ),
        pytest.param(
            [5.0, 3.0, -1.0], "row numbers: np.asarray(indices, int).", [5, 3, 19], id="list"
        ),
        pytest.param(
            np.array([2, np.nan, 4], "float32"),
            "with 1 NaN among whole numbers. Leave those rows out of x and y alike: "
            "indices = indices[~np.isnan(indices)].astype(int).",
            [2, 4],
            id="nan",
        ),
        pytest.param(
            [2, np.nan, 4],
            "indices = np.asarray(indices)[~np.isnan(indices)].astype(int).",
            [2, 4],
            id="nan-in-list",
        ),
        pytest.param(
            np.array([0.0, 1.0] * 10),
            "float64. Pass row numbers, or a mask by astype(bool).",
            None,
            id="mask",
        ),
        pytest.param([0.5, 2], "float64. Pass row numbers, or a mask by as", None, id="fraction"),
        pytest.param([np.inf, 2], "float64. Pass row numbers, or a mask by as", None, id="inf"),
        pytest.param([0.5, np.nan], "with 1 NaN. Pass row numbers, or a mask,", None, id="neither"),
        pytest.param([1.0, np.nan] * 10, "with 10 NaN. Pass row numbers, or", None, id="nan-mask"),
        pytest.param(["1", "2"], "<U1. Pass row numbers, or a mask by astype", None, id="words"),
    ],
)
def test_floats_are_no_row_numbers_but_may_become_some(
    way: str, indices: Any, message: str, expected: list[int] | None
) -> None:
    """Whole ones do; ids of a table that has gaps are floats with NaN."""
    with pytest.raises(TypeError, match=re.escape(message)) as caught:
        WAYS[way](ROWS, indices)
    if expected is not None:
        mended = eval(remedy_of(caught.value), {"np": np, "indices": indices})
        np.testing.assert_array_equal(ROWS[expected], rows_of(WAYS[way](ROWS, mended)))


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
