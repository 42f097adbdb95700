"""Files beneath windows that cross files are compared by name, length and order, as others are."""

import glob
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, windows

Make = Callable[[], Any]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, numbers, length in (
        *(("rgb", (1, 2, 3, 4), 0), ("depth", (1, 3, 4, 5), 0), ("flow", (1, 2, 3, 4), 0)),
        *(("day", (1, 2, 3, 4), 10), ("lab", (1, 3, 4, 5), 10), ("tag", (1, 2, 3, 4), 10)),
        *(("fast", (1, 2, 3, 4), 40), ("many", range(1, 13), 3)),
    ):
        os.mkdir(folder)
        for number in numbers:
            steps = np.arange(length) + 100 * number if length else np.full(2, number)
            np.save(f"{folder}/{folder}{number}.npy", steps)
    os.mkdir("cut")
    for number, length in ((1, 10), (2, 9), (3, 11), (4, 10)):
        np.save(f"cut/cut{number}.npy", np.arange(length) + 100 * number)
    for folder, first in (("row", 7), ("early", 8)):
        # A row for each window of four days, and days of which the first two are missing.
        os.mkdir(folder)
        for number in (1, 2, 3, 4):
            np.save(f"{folder}/{folder}{number}.npy", np.arange(first if number == 1 else 10))
    os.mkdir("late")
    for number, length in ((1, 10), (2, 10), (3, 10), (4, 8)):
        np.save(f"late/late{number}.npy", np.arange(length) + 100 * number)


def of_days(pattern: str, **arguments: Any) -> Any:
    return windows(pattern, sequence_length=4, join=True, **arguments)


def of_frames(folder: str, **arguments: Any) -> Any:
    return windows(samples(f"{folder}/*.npy"), sequence_length=2, **arguments)


def in_order_of_text(pattern: str) -> np.ndarray:
    return np.concatenate([np.load(path).reshape(-1)[:3] for path in sorted(glob.glob(pattern))])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: (of_frames("rgb"), of_frames("depth")), id="frames"),
        pytest.param(lambda: of_frames("rgb", targets=samples("depth/*.npy")), id="frame-targets"),
        pytest.param(
            lambda: ({"a": of_frames("rgb"), "b": of_frames("depth")}, None), id="frames-in-a-dict"
        ),
        pytest.param(lambda: of_days("day/*.npy", targets="lab/*.npy"), id="targets"),
        pytest.param(lambda: (of_days("day/*.npy"), of_days("lab/*.npy")), id="both"),
        pytest.param(
            lambda: (of_days("many/*.npy"), of_days(sorted(glob.glob("many/*.npy")))),
            id="two-orders",
        ),
        pytest.param(
            lambda: (
                [of_frames("rgb"), of_frames("flow")],
                [of_frames("flow"), of_frames("depth")],
            ),
            id="lists",
        ),
    ],
)
def test_files_beneath_windows_that_are_no_partners_are_refused(make: Make) -> None:
    """Of windows that cross files no file has rows of its own, but the names count as much."""
    made = make()
    with pytest.raises(ValueError, match=r"files are paired in order, and their names must agree"):
        NpySequence(*made) if isinstance(made, tuple) and len(made) == 2 else NpySequence(made)


def test_series_whose_files_differ_in_length_are_in_doubt() -> None:
    """All windows behind the first such file may get targets of another time."""
    for made in (
        of_days("day/*.npy", targets="cut/*.npy"),
        (of_days("day/*.npy"), of_days("cut/*.npy")),
    ):
        with pytest.warns(UserWarning, match=r"cut2\.npy: two series .*N=10, .*N=9, so that rows"):
            NpySequence(*made)
    # The remedy.
    for number in (2, 3):
        np.save(f"cut/cut{number}.npy", np.arange(10) + 100 * number)
    x, y = NpySequence(of_days("day/*.npy", targets="cut/*.npy"), batch_size=100)[0]
    np.testing.assert_array_equal(x[:, 0], y)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(
            lambda: of_days("many/*.npy", targets=in_order_of_text("many/*.npy")),
            "many2",
            id="days",
        ),
        pytest.param(
            lambda: (of_days("many/*.npy"), in_order_of_text("many/*.npy")[:33]), "many2", id="y"
        ),
        pytest.param(
            lambda: windows(samples("many/*.npy"), targets=np.arange(12), sequence_length=2),
            "many2",
            id="frames",
        ),
    ],
)
def test_targets_in_an_order_of_their_own_beside_such_windows_give_a_warning(
    make: Make, name: str
) -> None:
    """A pattern has natural order, and an array perhaps that of sorted paths."""
    made = make()
    with pytest.warns(UserWarning, match=rf"{name}\.npy: a pattern gives files in natural order"):
        NpySequence(*made) if isinstance(made, tuple) else NpySequence(made)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: of_frames("rgb", predict_next=True), id="next-frame"),
        pytest.param(lambda: of_frames("rgb", targets=samples("flow/*.npy")), id="frame-targets"),
        pytest.param(lambda: of_days("day/*.npy", predict_next=True), id="next-day"),
        pytest.param(lambda: of_days("day/*.npy", targets="tag/*.npy"), id="targets"),
        pytest.param(lambda: of_days("day/*.npy", targets="late/*.npy"), id="last-file-shorter"),
        pytest.param(lambda: of_days("day/*.npy", targets=np.arange(40)), id="array"),
        pytest.param(
            lambda: (
                windows("fast/*.npy", sequence_length=16, sequence_stride=4, join=True),
                of_days("day/*.npy"),
            ),
            id="two-rates",
        ),
        pytest.param(lambda: (of_days("day/*.npy"), sorted(glob.glob("row/*.npy"))), id="one-each"),
        pytest.param(
            lambda: (of_days("day/*.npy", start_index=2), of_days("early/*.npy", end_index=38)),
            id="other-begin",
        ),
        pytest.param(
            lambda: (of_days("day/*.npy", end_index=20), of_days("tag/*.npy", end_index=20)),
            id="cut",
        ),
    ],
)
def test_windows_that_cross_files_which_are_partners_are_paired(make: Make) -> None:
    """Without a word."""
    made = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", category=UserWarning, message=".*file order")
        x, y = NpySequence(*made, batch_size=100)[0]
    assert len(x) == len(y)
