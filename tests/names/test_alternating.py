"""Files of several series that take turns are told from those of one series."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from keras_npy import open_rows, samples, take, windows
from keras_npy.names.alternating import num_alternating
from keras_npy.rows.sources import natural_order


def turns(pattern: str, words: str, num_rounds: int = 4) -> list[str]:
    """Names of some rounds, of which each has all words."""
    return [pattern.format(number, word) for number in range(num_rounds) for word in words.split()]


SEVERAL = [
    pytest.param(turns("f{}_{}", "l r"), 2, id="sides"),
    pytest.param(turns("{1}/f{0:03}_{1}", "left right")[::2], 1, id="one-of-them"),
    pytest.param(turns("frame{}-{}", "left right", 50), 2, id="many-rounds"),
    pytest.param(turns("t{:04}_{}_v2", "depth rgb"), 2, id="in-the-middle"),
    pytest.param(turns("{}{}", "X Y Z"), 3, id="axes"),
    pytest.param(turns("2021010{}_{}", "VH VV"), 2, id="bands-of-a-date"),
    pytest.param(turns("{}_{}", "blue green nir red", 3), 4, id="bands"),
]

ONE = [
    pytest.param(turns("f{}{}", "a b c"), id="letters"),
    pytest.param(turns("day{}_{}", "am pm"), id="halves-of-a-day"),
    pytest.param(turns("week{}_{}", "mon tue wed"), id="days"),
    pytest.param(turns("page{}_{}", "r v"), id="pages"),
    pytest.param(turns("f{}_{}", "l r", 2), id="two-rounds"),
    pytest.param([*turns("f{}_{}", "l r"), "f4_l"], id="a-round-cut-off"),
    pytest.param(turns("f{}_{}", "l r")[1:], id="a-round-begun"),
    pytest.param([f"f{at}" for at in range(9)], id="numbers"),
    pytest.param([f"f{at}_{'lr'[at % 2]}" for at in range(8)], id="a-number-for-each"),
    pytest.param([f"v{v}_{at}" for v in range(2) for at in range(4)], id="two-in-turn"),
    pytest.param(["alpha", "beta", "gamma", "delta"], id="words"),
]


@pytest.mark.parametrize(("names", "series"), SEVERAL)
def test_names_of_series_that_take_turns(names: list[str], series: int) -> None:
    """A word goes round, while a number counts the rounds."""
    assert series == num_alternating(natural_order([f"/data/{name}.npy" for name in names]))


@pytest.mark.parametrize("names", ONE)
def test_names_of_one_series(names: list[str]) -> None:
    """Whatever comes one after another, and rounds that are not whole."""
    assert 1 == num_alternating([f"/data/{name}.npy" for name in names])


@pytest.mark.parametrize("words", ["l r", "x y z"])
def test_windows_over_series_that_take_turns_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """The list that the warning prints has windows of each series alone, and says nothing."""
    monkeypatch.chdir(tmp_path)
    for at, name in enumerate(turns("f{:02}_{}", words, 12)):
        np.save(name, np.full((2, 2), at))
    frames = samples("f*.npy")
    with pytest.warns(UserWarning, match="take turns") as caught:
        rows = windows(frames, sequence_length=3)
    assert 1 == len(caught)
    message = str(caught[0].message)
    assert f"{len(rows)} of {len(rows)} windows with several" in message
    code = re.findall(r"each series: (\[.*\]), in which", message)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = code.replace("...", "sequence_length=3")
        each = open_rows(eval(code, {"windows": windows, "take": take, "frames": frames}))
        assert len(rows) == len(windows(frames, sequence_length=3, join=True))
        windows(frames, sequence_length=1)
        # Each window then has the frames of one series.
        windows(frames, sequence_length=3, sampling_rate=len(words.split()))
    num_series = len(words.split())
    steps = np.arange(12 * num_series).reshape(12, num_series).T
    wanted = np.concatenate(np.lib.stride_tricks.sliding_window_view(steps, 3, axis=1))
    np.testing.assert_array_equal(wanted, each[:][:, :, 0, 0])
