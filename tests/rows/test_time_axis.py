"""Windows over a few rows of many values warn: rows of a series are timesteps, and not channels."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import NpyLayoutWarning, open_rows, samples, windows

CHANNELS = np.arange(20 * 6000, dtype="int16").reshape(20, 6000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def windows_of_time(series: np.ndarray) -> np.ndarray:
    """The windows of 4 that are meant, `(num_windows, 4, channels)`."""
    return np.lib.stride_tricks.sliding_window_view(series, 4, axis=0).swapaxes(1, 2)


SOURCES = ["file", "array", "archive", "list", "two"]


# A transposed view is slow, and data in an archive may lie anywhere.
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("how", SOURCES)
def test_windows_over_channels_warn(how: str) -> None:
    """What the warning names makes windows over time, and says nothing."""
    np.save("eeg.npy", CHANNELS)
    np.save("eeg2.npy", CHANNELS)
    np.savez("eeg.npz", x=CHANNELS)
    paths = ["eeg.npy", "eeg2.npy"]
    source: Any = {"file": "eeg.npy", "array": CHANNELS, "archive": "eeg.npz::x"}.get(how, paths)
    if how == "list":
        source = paths[:1]
    with pytest.warns(UserWarning, match="rows of windows are timesteps") as caught:
        windows(source, sequence_length=4)
    (message,) = [str(one.message) for one in caught if one.category is UserWarning]
    code = re.findall(r"axis 1, as in \(.*?\), pass (.*?)(?:, in which|; )", message)
    names = {"np": np, "array": CHANNELS, "paths": paths, "keras_npy": keras_npy}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = windows(eval(code[0], names), sequence_length=4)
        meant = re.findall(r"; (.*) says that each is one timestep", message)[0]
        if how == "two":
            code_meant = meant.replace("...", "sequence_length=4")
            each = open_rows(eval(code_meant, {"windows": windows, "paths": paths}))
            # No window crosses from the channels of one recording to those of the next.
            assert 2 * (20 - 3) == len(each)
        else:
            assert "join=True" == meant
            windows(source, sequence_length=4, join=True)
        windows(source, sequence_length=4, targets=np.arange(len(open_rows(source))))
    times = 2 if how == "two" else 1
    np.testing.assert_array_equal(np.concatenate([windows_of_time(CHANNELS.T)] * times), rows[:])


def test_windows_over_recordings_of_a_file_each_warn() -> None:
    """Without `samples`, each is a series."""
    for at in range(5):
        np.save(f"rec{at}.npy", np.arange(6000) + at)
    with pytest.warns(UserWarning, match=r"5 samples, each a file of 6000 values.*leave samples"):
        windows(samples("rec*.npy"), sequence_length=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rows = windows("rec*.npy", sequence_length=4)
    assert 5 * (6000 - 3) == len(rows)


QUIET = [
    pytest.param(np.zeros((6000, 20)), id="time-first"),
    pytest.param(np.zeros((100, 768)), id="embeddings"),
    pytest.param(np.zeros((20, 50_176), "uint8"), id="pixels"),
    pytest.param(np.zeros((300, 12_000)), id="many-rows"),
    pytest.param(np.zeros((20, 80, 80)), id="frames"),
    pytest.param(np.zeros(20), id="one-axis"),
]


@pytest.mark.parametrize("series", QUIET)
def test_windows_over_time_say_nothing(series: np.ndarray) -> None:
    """Narrow rows, many rows, and images."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        windows(series, sequence_length=4)
