"""Windows over rows that were picked out: those that jump over rows give a warning."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take, windows
from keras_npy.rows.base import Rows

SERIES = np.arange(50)
MASK = (SERIES < 20) | (SERIES >= 27)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A series in one file, in two, and in a file for each timestep."""
    monkeypatch.chdir(tmp_path)
    np.save("s.npy", SERIES)
    np.save("part-1.npy", SERIES[:25])
    np.save("part-2.npy", SERIES[25:])
    for number in SERIES:
        np.save(f"frame-{number + 10}.npy", np.array([number]))
    return tmp_path


def part_of(x: Any) -> Any:
    """The rows of `split` to train with, of which a random fifth is missing."""
    return NpySequence(x).split(0.2)[0].x


def num_jumping(rows: np.ndarray) -> int:
    """Windows with unequal distances, of a series that counts its timesteps."""
    steps = np.diff(rows.reshape(len(rows), -1), axis=1)
    return int((steps != 1).any(axis=1).sum())


JUMPING = [
    pytest.param(lambda: part_of("s.npy"), {}, id="split"),
    pytest.param(lambda: part_of(SERIES), {}, id="split-of-an-array"),
    pytest.param(lambda: part_of("part-*.npy"), {}, id="split-of-two-files"),
    pytest.param(lambda: part_of(samples("frame-*.npy")), {}, id="split-of-samples"),
    pytest.param(lambda: part_of(part_of("s.npy")), {}, id="split-twice"),
    pytest.param(lambda: [part_of("part-1.npy"), "part-2.npy"], {}, id="list"),
    pytest.param(lambda: take("s.npy", MASK), {}, id="mask"),
    pytest.param(lambda: take("s.npy", MASK), {"sequence_length": 2}, id="mask-of-pairs"),
    pytest.param(
        lambda: take("s.npy", MASK), {"sequence_length": 5, "sequence_stride": 3}, id="stride"
    ),
    pytest.param(lambda: take("s.npy", MASK), {"start_index": 17}, id="start"),
    pytest.param(
        lambda: take("s.npy", np.random.default_rng(0).permutation(50)[:40]),
        {},
        id="permutation-of-some",
    ),
    pytest.param(lambda: take("s.npy", [0, 1, 2, 2, 3, 4, 5]), {}, id="one-twice"),
]


@pytest.mark.parametrize(("make", "arguments"), JUMPING)
def test_windows_that_jump_over_rows_give_a_warning(make: Any, arguments: dict[str, int]) -> None:
    """It counts them, and names where the first one jumps."""
    arguments = {"sequence_length": 5, **arguments}
    source = make()
    with pytest.warns(UserWarning, match="windows that jump") as found:
        rows = windows(source, **arguments)
    message = str(found[0].message)
    received = re.search(r"(\d+) of (\d+) windows that jump, such as from row \d+ of ", message)
    assert received is not None
    assert (num_jumping(rows[:]), len(rows)) == tuple(map(int, received.groups()))
    is_one = len(source.shard_lengths if isinstance(source, Rows) else source) == 1
    assert is_one == ("join=True says that the rows make one series" in message)
    assert is_one != ("[windows(take(path, rows), ..., join=True) for path, rows" in message)


def test_warning_of_jumps_names_the_rows_and_remedies_that_end_it() -> None:
    """Windows of all rows are cut by time; `join=True` says that the rows are meant."""
    with pytest.warns(UserWarning, match="windows that jump") as found:
        windows(take("s.npy", MASK), sequence_length=5)
    message = str(found[0].message)
    assert re.search(
        r"4 of 39 windows that jump, such as from row 19 of \S*s.npy to row 27", message
    )
    assert "NpySequence(windows(path, ...)).split(0.2, in_order=True)" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = NpySequence(windows("s.npy", sequence_length=5)).split(0.2, in_order=True)
        assert [0, 0] == [num_jumping(part.x[:]) for part in parts]
        rows = windows(take("s.npy", MASK), sequence_length=5, join=True)
    assert (39, 4) == (len(rows), num_jumping(rows[:]))


def test_rows_picked_out_of_several_files_stay_apart_by_the_remedy() -> None:
    """`join=True` over all of them would let windows cross from file to file."""
    paths = ["part-1.npy", "part-2.npy"]
    mask = (SERIES < 10) | (SERIES > 13)
    with pytest.warns(UserWarning, match=r"pass a list .* as \[windows\(take\(path, rows\)"):
        rows = windows(take(paths, mask), sequence_length=5)
    masks = zip(paths, (mask[:25], mask[25:]), strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        each = [windows(take(path, mask), sequence_length=5, join=True) for path, mask in masks]
        np.testing.assert_array_equal(rows[:], NpySequence(each).x[:])


SHUFFLED = np.random.default_rng(0).permutation(50)

EVEN = [
    pytest.param(lambda: take("s.npy", SHUFFLED), id="sorted-by-time"),
    pytest.param(lambda: take(samples("frame-*.npy"), SHUFFLED), id="samples-sorted-by-time"),
    pytest.param(lambda: NpySequence("s.npy").subset(SHUFFLED).x, id="sequence-sorted-by-time"),
    pytest.param(lambda: take(take("s.npy", SHUFFLED), SHUFFLED), id="sorted-twice"),
    pytest.param(
        lambda: [take(f"part-{part}.npy", np.argsort(SHUFFLED[:25])) for part in (1, 2)],
        id="list-sorted-by-time",
    ),
    pytest.param(
        lambda: take("part-*.npy", np.append(SHUFFLED[SHUFFLED < 25], SHUFFLED[SHUFFLED >= 25])),
        id="files-sorted-by-time",
    ),
    pytest.param(
        lambda: take("part-*.npy", np.append(np.argsort(SHUFFLED[:25]), np.arange(25, 50, 3))),
        id="one-file-sorted-and-every-third-of-the-other",
    ),
    pytest.param(
        lambda: take(take("s.npy", slice(0, 30)), np.argsort(SHUFFLED[:30])), id="part-sorted"
    ),
    pytest.param(lambda: "s.npy", id="file"),
    pytest.param(lambda: "part-*.npy", id="files"),
    pytest.param(lambda: take("s.npy", slice(None, None, 2)), id="every-second"),
    pytest.param(lambda: take("s.npy", np.arange(0, 50, 2)), id="every-second-by-number"),
    pytest.param(lambda: take("s.npy", SERIES % 2 == 0), id="every-second-by-mask"),
    pytest.param(lambda: take("s.npy", SERIES[::-1]), id="backwards"),
    pytest.param(lambda: take("s.npy", (SERIES > 5) & (SERIES < 30)), id="one-stretch"),
    pytest.param(
        lambda: [take("part-1.npy", np.arange(0, 25, 2)), take("part-2.npy", np.arange(0, 25, 3))],
        id="other-steps-in-each-source",
    ),
    pytest.param(lambda: [take("s.npy", slice(0, 9)), take("s.npy", slice(12, 30))], id="pieces"),
    pytest.param(lambda: take("part-*.npy", (SERIES < 20) | (SERIES > 24)), id="jump-at-a-border"),
    pytest.param(lambda: NpySequence("s.npy").split(0.2, in_order=True)[1].x, id="in-order"),
    pytest.param(lambda: NpySequence("s.npy", cache="ram").subset(SERIES[9:]).x, id="cached"),
    pytest.param(lambda: take("s.npy", [3, 5, 6, 7, 8, 9, 10]), id="no-window-there"),
]


@pytest.mark.parametrize("make", EVEN)
def test_windows_over_rows_at_equal_distances_give_no_warning(make: Any) -> None:
    """Also where distances differ from file to file, or before the first window."""
    source = make()
    start = 1 if len(NpySequence(source).x) == 7 else 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows(source, sequence_length=4, start_index=start)
