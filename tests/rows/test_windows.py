"""Windows of a series: those of Keras, read from the file when they are needed."""

import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence, windows

SERIES = np.arange(200, dtype="float32").reshape(100, 2)


def of_keras(data: np.ndarray, targets: Any, **arguments: Any) -> Any:
    """What `keras.utils.timeseries_dataset_from_array` gives, joined."""
    batches = list(
        keras.utils.timeseries_dataset_from_array(data, targets, batch_size=7, **arguments)
    )
    if targets is None:
        return np.concatenate([x.numpy() for x in batches])
    return tuple(np.concatenate([batch[at].numpy() for batch in batches]) for at in (0, 1))


CASES = [
    pytest.param({"sequence_length": 10}, id="every-window"),
    pytest.param({"sequence_length": 1}, id="single-steps"),
    pytest.param({"sequence_length": 10, "sequence_stride": 10}, id="side-by-side"),
    pytest.param({"sequence_length": 5, "sequence_stride": 3, "sampling_rate": 4}, id="sampled"),
    pytest.param({"sequence_length": 5, "start_index": 20, "end_index": 60}, id="a-part"),
    pytest.param({"sequence_length": 100}, id="one-window"),
]


@pytest.mark.parametrize("arguments", CASES)
@pytest.mark.parametrize("series", [SERIES, SERIES[:, 0]], ids=["2-d", "1-d"])
def test_windows_equal_those_of_keras(
    tmp_path: Path, arguments: dict[str, int], series: np.ndarray
) -> None:
    """The same windows in the same order, with the same argument names."""
    np.save(tmp_path / "s.npy", series)
    rows = windows(tmp_path / "s.npy", **arguments)
    expected = of_keras(series, None, **arguments)
    assert (expected.shape, expected.dtype) == (rows.shape, rows.dtype)
    np.testing.assert_array_equal(expected, rows[:])


@pytest.mark.parametrize("arguments", CASES)
@pytest.mark.parametrize("num_targets", [100, 97], ids=["full", "short"])
def test_windows_with_targets_equal_those_of_keras(
    tmp_path: Path, arguments: dict[str, int], num_targets: int
) -> None:
    """Targets belong to the timestep that a window begins with, and end the series."""
    np.save(tmp_path / "s.npy", SERIES)
    np.save(tmp_path / "y.npy", np.arange(num_targets) * 7)
    x, y = windows(tmp_path / "s.npy", targets=tmp_path / "y.npy", **arguments)
    expected_x, expected_y = of_keras(SERIES, np.arange(num_targets) * 7, **arguments)
    np.testing.assert_array_equal(expected_x, x[:])
    np.testing.assert_array_equal(expected_y, y[:])


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_windows_any_cut_is_the_slice_of_the_series(data: st.DataObject) -> None:
    """Each window is `series[begin : begin + length * rate : rate]`, and the next is one later."""
    series = np.arange(data.draw(st.integers(20, 60), "timesteps"))
    length = data.draw(st.integers(1, 5), "length")
    stride = data.draw(st.integers(1, 9), "stride")
    rate = data.draw(st.integers(1, 3), "rate")
    sizes = {"sequence_length": length, "sequence_stride": stride, "sampling_rate": rate}
    x, y = windows(series, predict_next=True, **sizes)
    span = length * rate
    begins = range(0, len(series) - span, stride)
    assert len(begins) == len(x) == len(y)
    index = data.draw(st.integers(0, len(x) - 1), "window")
    expected = series[begins[index] : begins[index] + span : rate]
    np.testing.assert_array_equal(expected, x[index])
    np.testing.assert_array_equal(expected + rate, y[index])


def test_windows_next_serves_every_token_but_the_first_as_target(tmp_path: Path) -> None:
    """Windows side by side: each target is the token behind its input, none is lost."""
    tokens = np.arange(1001, dtype="uint16")
    np.save(tmp_path / "tokens.npy", tokens)
    pair = windows(tmp_path / "tokens.npy", predict_next=True, sequence_length=8, sequence_stride=8)
    assert ((125, 8), "uint16") == (pair.x.shape, pair.x.dtype.name)
    np.testing.assert_array_equal(tokens[:-1], pair.x[:].reshape(-1))
    np.testing.assert_array_equal(tokens[1:], pair.y[:].reshape(-1))


@pytest.mark.parametrize("shuffle", [False, True])
def test_sequence_takes_windows_with_their_targets(tmp_path: Path, shuffle: bool) -> None:
    """As one argument, or as x and y: the same batches through the TensorFlow feed."""
    for number, part in enumerate(np.split(np.arange(300, dtype="int32"), [100, 101])):
        np.save(tmp_path / f"t-{number}.npy", part)
    pair = windows(str(tmp_path / "t-*.npy"), predict_next=True, sequence_length=16)
    for seq in (
        NpySequence(pair, batch_size=32, seed=0),
        NpySequence(pair.x, pair.y, batch_size=32, seed=0),
    ):
        begins = []
        for x, y in NpyDataAdapter(seq, shuffle).get_tf_dataset():
            np.testing.assert_array_equal(x + 1, y)
            np.testing.assert_array_equal(x[:, :1] + np.arange(16), x)
            begins += x[:, 0].numpy().tolist()
        assert list(range(284)) == sorted(begins)
        assert shuffle != (list(range(284)) == begins)


def test_fit_learns_from_windows_of_a_file(tmp_path: Path) -> None:
    """Keras trains on them as they are."""
    np.save(tmp_path / "tokens.npy", np.arange(500) % 5)
    pair = windows(tmp_path / "tokens.npy", predict_next=True, sequence_length=4)
    model = keras.Sequential([keras.layers.Embedding(5, 8), keras.layers.Dense(5)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    history = model.fit(NpySequence(pair, batch_size=16, seed=0), epochs=3, verbose=0)
    assert 0.9 < history.history["accuracy"][-1]


def test_take_of_long_windows_takes_the_memory_of_a_batch(tmp_path: Path) -> None:
    """Row numbers of windows take eight bytes each; they are made in pieces."""
    np.save(tmp_path / "s.npy", np.zeros(200_000, "uint8"))
    rows = windows(tmp_path / "s.npy", sequence_length=50_000)
    tracemalloc.start()
    try:
        rows.take(np.arange(200))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 200 * 50_000 + 16 * (1 << 20)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({}, TypeError, r"missing.*'sequence_length'", id="no-length"),
        pytest.param({"sequence_length": 0}, ValueError, "length=0", id="no-timesteps"),
        pytest.param({"sequence_length": 1.5}, TypeError, "length=1.5", id="float"),
        pytest.param({"sequence_length": 101}, ValueError, "100 timesteps.*101", id="too-long"),
        pytest.param({"sequence_length": 2, "sequence_stride": 0}, ValueError, "e=0", id="stride"),
        pytest.param({"sequence_length": 2, "sampling_rate": 100}, ValueError, "=100", id="rate"),
        pytest.param({"sequence_length": 2, "start_index": -1}, ValueError, "-1", id="start"),
        pytest.param({"sequence_length": 2, "end_index": 101}, ValueError, "=101", id="end"),
        pytest.param(
            {"sequence_length": 100, "predict_next": True}, ValueError, "takes 101", id="next"
        ),
        pytest.param(
            {"sequence_length": 2, "predict_next": SERIES}, TypeError, "True or False", id="no-bool"
        ),
        pytest.param(
            {"sequence_length": 2, "predict_next": True, "targets": SERIES},
            ValueError,
            "one target.*targets= as well",
            id="two-targets",
        ),
    ],
)
def test_windows_wrong_argument_is_refused(arguments: Any, error: Any, message: str) -> None:
    """What gives no window is named with what was received."""
    with pytest.raises(error, match=message):
        windows(SERIES, **arguments)


def test_windows_targets_next_is_told_of_predict_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former way to say it; a file of that name is a file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"targets='next', which is no file\. Pass predict_next="):
        windows(SERIES, targets="next", sequence_length=4)
    np.save(tmp_path / "next.npy", np.arange(100))
    os.rename(tmp_path / "next.npy", tmp_path / "next")
    assert [0, 1] == windows(SERIES, targets="next", sequence_length=4).y[:2].tolist()


@pytest.mark.parametrize(
    "targets",
    ["y", "y.npy", "y-*", "d.npz::y", "s3://y"],
)
def test_windows_missing_targets_are_missing_files(targets: str) -> None:
    """What cannot be opened is told of as a file."""
    with pytest.raises((FileNotFoundError, NpyFileError), match=re.escape(targets[:2])):
        windows(SERIES, targets=targets, sequence_length=4)


def test_windows_without_a_target_for_each_are_refused() -> None:
    """Keras would read past the end of the targets here."""
    with pytest.raises(ValueError, match=r"must have a target.*50 targets.*timestep 69"):
        windows(SERIES, targets=np.arange(50), sequence_length=4, start_index=20)


def test_sequence_windows_with_targets_and_y_are_refused() -> None:
    """Two targets for one input are a mistake."""
    with pytest.raises(ValueError, match=r"brings its own y.*y= as well"):
        NpySequence(windows(SERIES, predict_next=True, sequence_length=4), np.arange(96))
