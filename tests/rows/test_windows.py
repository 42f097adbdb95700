"""Windows of a series: those of Keras, read from the file when they are needed."""

import itertools
import os
import pickle
import re
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence, open_rows, samples, take, windows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.window_rows import Starts

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


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("is_file", [False, True], ids=["array", "file"])
@pytest.mark.parametrize(
    ("dtype", "num_values", "length"),
    [
        pytest.param("<i4", 1, 7, id="tokens"),
        pytest.param(">i4", 3, 4096, id="long-and-big-endian"),
        pytest.param("?", 1, 40, id="bool"),
        pytest.param("<i4", 33, 9, id="wide-rows"),
    ],
)
def test_windows_in_any_order_are_slices_of_the_series_and_of_the_next_steps(
    tmp_path: Path, dtype: str, num_values: int, length: int, is_file: bool
) -> None:
    """However they are copied: gathered, by a loop, or row by row. More than are copied at once."""
    num_steps = 5000
    series = np.arange(num_steps * num_values).reshape(num_steps, num_values)
    series = (series % 3 == 0 if dtype == "?" else series).astype(dtype)
    np.save(tmp_path / "s.npy", series)
    source = tmp_path / "s.npy" if is_file else series
    x, y = windows(source, sequence_length=length, predict_next=True)
    indices = np.random.default_rng(0).permutation(len(x))[:700]
    for rows, shift in ((x, 0), (y, 1)):
        got = rows.take(indices)
        assert (series.dtype.newbyteorder("="), len(indices)) == (got.dtype, len(got))
        for index, window in zip(indices.tolist(), got, strict=True):
            np.testing.assert_array_equal(series[index + shift :][:length], window)


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


@pytest.mark.parametrize(
    "data", [SERIES, [SERIES[:40], SERIES[40:]]], ids=["one-file", "two-files"]
)
@pytest.mark.parametrize(
    "cut",
    [{"sequence_stride": 5}, {"sequence_stride": 10, "sampling_rate": 2}],
    ids=["overlapping", "sampled"],
)
def test_windows_with_a_target_for_each_window_are_refused(data: Any, cut: Any) -> None:
    """Four of nineteen would be served, with the targets of others; the remedy serves all."""
    inputs = windows(data, sequence_length=10, **cut)
    labels = np.arange(len(inputs))
    as_given = (
        labels if data is SERIES else [labels[: -len(inputs) // 2], labels[-len(inputs) // 2 :]]
    )
    with pytest.raises(
        ValueError, match=r"NpySequence\(windows\(\.\.\.\), targets\) takes a target f"
    ):
        windows(data, sequence_length=10, targets=as_given, **cut)
    _, y = NpySequence(inputs, labels, batch_size=32)[0]
    assert labels.tolist() == y.tolist()


def test_windows_of_each_timestep_take_as_many_targets_as_windows() -> None:
    """Then both mean the same: the label of the last step of each window."""
    x, y = windows(SERIES, sequence_length=10, targets=np.arange(91))
    assert (91, list(range(91))) == (len(x), y[:].tolist())


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


# Files are series of their own.

LENGTHS = [10, 1, 13, 4, 10]
RECORDINGS = np.split(np.arange(76).reshape(38, 2), np.cumsum(LENGTHS)[:-1])


def as_list(folder: Path, parts: list[np.ndarray]) -> Any:
    for number, part in enumerate(parts):
        np.save(folder / f"r-{number}.npy", part)
    return [folder / f"r-{number}.npy" for number in range(len(parts))]


def as_pattern(folder: Path, parts: list[np.ndarray]) -> Any:
    as_list(folder, parts)
    return f"{folder}/r-*.npy"


def as_members(folder: Path, parts: list[np.ndarray]) -> Any:
    np.savez(folder / "r.npz", **{f"part{number}": part for number, part in enumerate(parts)})
    return [f"{folder}/r.npz::part{number}" for number in range(len(parts))]


def as_fortran_files(folder: Path, parts: list[np.ndarray]) -> Any:
    return as_list(folder, [np.asfortranarray(part) for part in parts])


def as_arrays(folder: Path, parts: list[np.ndarray]) -> Any:
    return parts


def as_rows(folder: Path, parts: list[np.ndarray]) -> Any:
    return [open_rows(path) for path in as_list(folder, parts)]


def as_a_mixture(folder: Path, parts: list[np.ndarray]) -> Any:
    paths = as_list(folder, parts)
    return [*paths[:2], parts[2], [paths[3], open_rows(paths[4])]]


def as_rows_of_a_subset(folder: Path, parts: list[np.ndarray]) -> Any:
    """The first file is left out, and stands for a file of the list."""
    other = parts[0] + 1000
    return NpySequence(as_list(folder, [other, *parts])).subset(slice(len(other), None)).x


SOURCES = [
    *(as_list, as_pattern, as_members, as_fortran_files, as_arrays, as_rows, as_a_mixture),
    as_rows_of_a_subset,
]

CUTS = [
    pytest.param({"sequence_length": 4}, id="every-window"),
    pytest.param({"sequence_length": 1}, id="single-steps"),
    pytest.param({"sequence_length": 3, "sequence_stride": 3, "sampling_rate": 2}, id="sampled"),
    pytest.param({"sequence_length": 2, "sequence_stride": 7}, id="gaps"),
    pytest.param({"sequence_length": 11}, id="one-file-is-long-enough"),
]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("cut", CUTS)
def test_windows_never_cross_from_one_file_to_the_next(
    tmp_path: Path, make: Any, cut: dict[str, int]
) -> None:
    """They are the windows of each file alone, one file after the other, also with targets."""
    length, rate = cut["sequence_length"], cut.get("sampling_rate", 1)

    def expected(reach: int, shift: int = 0) -> np.ndarray:
        """Slices of the files, in which `reach` timesteps behind the first one must lie."""
        slices = [
            part[begin + shift :][: 1 + (length - 1) * rate : rate]
            for part in RECORDINGS
            for begin in range(0, len(part) - reach, cut.get("sequence_stride", 1))
        ]
        return np.stack(slices)

    source = make(tmp_path, RECORDINGS)
    span = (length - 1) * rate
    np.testing.assert_array_equal(expected(span), windows(source, **cut)[:])
    x, y = windows(source, predict_next=True, **cut)
    np.testing.assert_array_equal(expected(span + rate), x[:])
    np.testing.assert_array_equal(expected(span + rate, rate), y[:])


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param(LENGTHS, id="one-for-each-timestep"),
        pytest.param([8, 1, 13, 1, 7], id="fewer-in-some-files"),
        pytest.param([38], id="one-array-for-all-files"),
        pytest.param([20, 18], id="other-files-of-the-same-length"),
    ],
)
def test_windows_of_files_take_the_target_of_their_timestep(
    tmp_path: Path, lengths: list[int]
) -> None:
    """The target with the number of the first timestep in the same file."""
    cut: Any = {"sequence_length": 3, "sequence_stride": 2}
    targets = np.split(np.arange(sum(lengths)) * 7, np.cumsum(lengths)[:-1])
    x, y = windows(as_list(tmp_path, RECORDINGS), targets=targets, **cut)
    if len(lengths) != len(LENGTHS):
        targets = np.split(np.arange(38) * 7, np.cumsum(LENGTHS)[:-1])
    pairs = [
        windows(part, targets=of_part, **cut)
        for part, of_part in zip(RECORDINGS, targets, strict=True)
        if len(part) > 2
    ]
    np.testing.assert_array_equal(np.concatenate([pair.x[:] for pair in pairs]), x[:])
    np.testing.assert_array_equal(np.concatenate([pair.y[:] for pair in pairs]), y[:])


@pytest.mark.parametrize("cut", [{}, {"start_index": 4, "end_index": 33}], ids=["all", "cut"])
@pytest.mark.parametrize(
    ("how", "shift"), [("over-all", 0), ("over-all", 2), ("over-all", 5), ("each", 2), ("each", 3)]
)
def test_windows_of_files_take_targets_that_are_shifted_in_each_file(
    how: str, shift: int, cut: dict[str, int]
) -> None:
    """The last label, or the next value. A slice of all files drops the first ones of each."""
    series = [np.arange(length) + 100 * number for number, length in enumerate(LENGTHS)]
    taken: Any = take(series, slice(shift, None))
    if how == "each":
        taken = [take(part, slice(shift, None)) if len(part) > shift else part for part in series]
    x, y = windows(series, targets=taken, sequence_length=3, **cut)
    expected = [
        begin
        for number, part in enumerate(series)
        for at, begin in enumerate(part.tolist())
        if at + max(2, shift) < len(part)
        and cut.get("start_index", 0) <= at + sum(LENGTHS[:number])
        and at + 2 + sum(LENGTHS[:number]) < cut.get("end_index", 100)
    ]
    assert expected == x[:][:, 0].tolist()
    assert [begin + shift for begin in expected] == y[:].tolist()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda series: take(series, slice(0, None, 2)), id="every-second"),
        pytest.param(lambda series: take(series, np.arange(3, 38)), id="numbers"),
        pytest.param(
            lambda series: [take(series[:2], slice(2, None)), *series[2:]], id="in-a-list"
        ),
    ],
)
def test_windows_of_files_with_targets_taken_otherwise_are_told_to_take_from_each(
    make: Any,
) -> None:
    """Those of the second file would belong to other timesteps."""
    series = list(RECORDINGS)
    with pytest.raises(ValueError, match=r"targets=\[take\(path, \.\.\.\) for path in paths\]"):
        windows(series, targets=make(series), sequence_length=2)


@pytest.mark.parametrize("lengths", [[37], [30, 7], [1] * 40], ids=["37", "30-7", "40"])
def test_windows_of_files_with_targets_of_no_certain_timestep_are_refused(
    lengths: list[int],
) -> None:
    """A wrong guess would train each window on the target of another."""
    targets = [np.arange(length) for length in lengths]
    with pytest.raises(ValueError, match=r"target for each timestep.*Save one file of targets"):
        windows(list(RECORDINGS), targets=targets, sequence_length=2)


def test_windows_of_files_name_the_targets_that_are_longer_than_their_file(tmp_path: Path) -> None:
    """In the order of the series they fit; so do trimmed ones."""
    for name, length in (("a", 10), ("b", 12), ("ya", 12), ("yb", 10)):
        np.save(tmp_path / f"{name}.npy", np.arange(length))
    series, targets = (
        [str(tmp_path / f"{name}.npy") for name in (*ab,)] for ab in (["a", "b"], ["ya", "yb"])
    )
    message = (
        r"ya\.npy holds 12 for the 10 timesteps of .*a\.npy: trim it, or give the files of targ"
    )
    with pytest.raises(ValueError, match=message):
        windows(series, targets=targets, sequence_length=4)
    assert 7 + 9 == len(windows(series, targets=targets[::-1], sequence_length=4).x)
    trimmed = [take(targets[0], range(10)), targets[1]]
    assert 7 + 9 == len(windows(series, targets=trimmed, sequence_length=4).x)


@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_windows_join_makes_one_series_of_all_files(tmp_path: Path, make: Any) -> None:
    """As over one file that holds them all."""
    cut: Any = {"sequence_length": 5, "sequence_stride": 2, "sampling_rate": 2}
    whole = np.concatenate(RECORDINGS)
    rows = windows(make(tmp_path, RECORDINGS), join=True, **cut)
    np.testing.assert_array_equal(windows(whole, **cut)[:], rows[:])


def test_windows_start_and_end_count_over_all_files() -> None:
    """They cut the file in which they lie, and leave out those before and behind."""
    rows = windows(list(RECORDINGS), sequence_length=3, start_index=8, end_index=16)
    whole = np.concatenate(RECORDINGS)
    expected = [whole[at : at + 3] for at in (11, 12, 13)]
    np.testing.assert_array_equal(expected, rows[:])


@pytest.mark.parametrize("step", [1, 2, 5, 20, -1, -3])
def test_rows_of_a_subset_keep_the_files_apart(step: int) -> None:
    """A range, whose row numbers are not made, gives what its row numbers give."""
    rows = open_rows([np.zeros(length) for length in (3, 5, 1, 7)])
    for start in range(16):
        chosen = range(start, 16, step) if step > 0 else range(start, -1, step)
        one, other = ChosenRows(rows, chosen), ChosenRows(rows, np.array(chosen))
        files = np.searchsorted([3, 8, 9, 16], list(chosen), side="right")
        runs = [len(list(group)) for _, group in itertools.groupby(files)]
        assert runs == one.shard_lengths.tolist() == other.shard_lengths.tolist()


def test_windows_of_many_files_are_pickled_small() -> None:
    """Row numbers of 100,000 recordings, not one object for each."""
    starts = Starts(np.arange(100_000) * 10, np.full(100_000, 7), 1)
    pickled = pickle.dumps(starts)
    assert 8192 > len(pickled)
    again = pickle.loads(pickled)
    indices = np.array([0, 6, 7, 699_999])
    assert [0, 6, 10, 999_996] == starts.at(indices).tolist() == again.at(indices).tolist()


def test_windows_of_many_timesteps_are_pickled_small(tmp_path: Path) -> None:
    """Not the number of each timestep of a window."""
    np.save(tmp_path / "x.npy", np.arange(70_000))
    pair = windows(tmp_path / "x.npy", sequence_length=60_000, predict_next=True)
    pickled = pickle.dumps(NpySequence(pair))
    assert 4096 > len(pickled)
    again = pickle.loads(pickled)
    assert [5, 60_004] == again.x[5][[0, -1]].tolist()
    assert [6, 60_005] == again.y[5][[0, -1]].tolist()


def test_windows_of_files_that_are_all_too_short_are_refused() -> None:
    """The longest is named, and the way to join them."""
    with pytest.raises(ValueError, match=r"5 files of at most 13.*takes 14.*or join=True"):
        windows(list(RECORDINGS), sequence_length=14)


def test_sequence_of_windows_and_a_row_for_each_timestep_is_told_of_targets() -> None:
    """To trim it would be wrong where windows have a stride, or lie in several files."""
    cut: Any = {"sequence_length": 4, "sequence_stride": 2}
    y = np.arange(38) * 7
    for source in (list(RECORDINGS), np.concatenate(RECORDINGS)):
        with pytest.raises(ValueError, match=r"a row for each timestep.*targets= of windows"):
            NpySequence(windows(source, **cut), y)
        x, y_of_x = NpySequence(windows(source, targets=y, **cut))[0]
        np.testing.assert_array_equal(x[:, 0, 0] // 2 * 7, y_of_x)


def test_sequence_takes_a_list_of_windows_with_targets(tmp_path: Path) -> None:
    """The same batches as windows of a list of files."""
    paths = as_list(tmp_path, [part for part in RECORDINGS if len(part) > 4])
    cut: Any = {"sequence_length": 4, "predict_next": True}
    expected = NpySequence(windows(paths, **cut), batch_size=5)
    seq = NpySequence([windows(path, **cut) for path in paths], batch_size=5)
    assert 21 == seq.num_samples == expected.num_samples
    for (x, y), (expected_x, expected_y) in zip(seq, expected, strict=True):
        np.testing.assert_array_equal(expected_x, x)
        np.testing.assert_array_equal(expected_y, y)
    # As one of several inputs.
    both = NpySequence({"a": [pair.x for pair in [windows(path, **cut) for path in paths]]})
    np.testing.assert_array_equal(expected.x[:], both[0]["a"])


@pytest.mark.parametrize("shuffle", [False, True])
def test_sequence_takes_windows_with_their_targets(tmp_path: Path, shuffle: bool) -> None:
    """As one argument, or as x and y: the same batches through the TensorFlow feed."""
    for number, part in enumerate(np.split(np.arange(300, dtype="int32"), [100, 101])):
        np.save(tmp_path / f"t-{number}.npy", part)
    pair = windows(str(tmp_path / "t-*.npy"), predict_next=True, sequence_length=16, join=True)
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
        pytest.param({"sequence_length": 2, "join": 1}, TypeError, "join must be.*1 of", id="join"),
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


@pytest.mark.parametrize(
    ("cut", "begin", "remedy"),
    [
        pytest.param({"start_index": 20}, 69, {"end_index": 53}, id="one-by-one"),
        pytest.param({"start_index": 1}, 50, {"end_index": 53}, id="a-single-window"),
        pytest.param({"start_index": 20, "sequence_stride": 7}, 69, {"end_index": 53}, id="stride"),
        pytest.param({"start_index": 20, "sampling_rate": 3}, 69, {"end_index": 59}, id="rate"),
    ],
)
def test_windows_without_a_target_for_each_are_refused(
    cut: dict[str, int], begin: int, remedy: dict[str, int]
) -> None:
    """Keras would read past the end of the targets here. The remedy keeps all that have one."""
    how: Any = {"targets": np.arange(50), "sequence_length": 4, **cut}
    (end,) = remedy.values()
    message = rf"must have a target.*50 targets.*timestep {begin}\. Pass end_index={end}\.$"
    with pytest.raises(ValueError, match=message):
        windows(SERIES, **how)
    served = windows(SERIES, **how, **remedy)
    begins = range(cut["start_index"], 50, cut.get("sequence_stride", 1))
    np.testing.assert_array_equal(begins, served.y[:])
    np.testing.assert_array_equal(SERIES[begins], served.x[:][:, 0])


def test_windows_that_begin_behind_the_last_target_are_refused() -> None:
    """None of them has one."""
    with pytest.raises(ValueError, match=r"timestep 79\. Pass an earlier start_index\.$"):
        windows(SERIES, targets=np.arange(50), sequence_length=4, start_index=60, end_index=83)


def test_sequence_windows_with_targets_and_y_are_refused() -> None:
    """Two targets for one input are a mistake."""
    with pytest.raises(ValueError, match=r"brings its own y.*y= as well"):
        NpySequence(windows(SERIES, predict_next=True, sequence_length=4), np.arange(96))
    with pytest.raises(ValueError, match=r"brings its own y.*y= as well"):
        NpySequence([windows(SERIES, predict_next=True, sequence_length=4)], np.arange(96))


def test_windows_and_those_behind_them_are_cut_in_each_file(tmp_path: Path) -> None:
    """A forecast over several files; bounds that count over all files are told so."""
    paths = [tmp_path / f"s{number}.npy" for number in range(2)]
    for number, path in enumerate(paths):
        np.save(path, np.arange(30.0) + 100 * number)
    past = [windows(path, sequence_length=8, end_index=27) for path in paths]
    future = [windows(path, sequence_length=3, start_index=8) for path in paths]
    x, y = NpySequence(past, future, batch_size=64)[0]
    assert [*range(20), *range(100, 120)] == x[:, 0].tolist()
    np.testing.assert_array_equal(x[:, -1:] + [[1, 2, 3]], y)
    over_all = windows(paths, sequence_length=8, end_index=53)
    with pytest.raises(
        ValueError, match=r"cut each for itself, \[windows\(path, \.\.\.\) for path"
    ):
        NpySequence(over_all, windows(paths, sequence_length=3, start_index=8, end_index=57))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda pair: NpySequence({"a": pair}), id="dict"),
        pytest.param(lambda pair: NpySequence((pair, pair)), id="tuple"),
        pytest.param(lambda pair: NpySequence(pair.x, pair), id="y"),
        pytest.param(lambda pair: NpySequence(pair.x, pair.y, pair), id="weights"),
    ],
)
def test_sequence_windows_with_targets_among_other_sources_are_refused(build: Any) -> None:
    """Their targets would become an input, or their windows a target."""
    pair = windows(np.arange(9.0), sequence_length=3, predict_next=True)
    with pytest.raises(ValueError, match=r"`\.x` of them as input, and `\.y` as target"):
        build(pair)
    x, y = NpySequence({"a": pair.x}, {"b": pair.y})[0]
    np.testing.assert_array_equal(x["a"] + 1, y["b"])


def test_sequence_list_of_windows_with_and_without_targets_is_refused() -> None:
    """Some rows would have no target."""
    pair = windows(SERIES, predict_next=True, sequence_length=4)
    with pytest.raises(ValueError, match=r"1 with targets, of 2 sources\. Pass .*`\.x`"):
        NpySequence([pair, windows(SERIES, sequence_length=4)])
    assert 192 == NpySequence([pair.x, pair.x]).num_samples


def test_windows_over_samples_of_several_folders_give_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is one timestep, so windows cross folders; a list of folders, or join=, ends it."""
    monkeypatch.chdir(tmp_path)
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for step in range(3):
            np.save(f"{folder}/{step}.npy", np.array(step + 10 * (folder == "b")))
    with pytest.warns(UserWarning, match=r"2 folders, such as \S+/a and \S+/b\..*join=True"):
        windows(samples("*/*.npy"), sequence_length=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 5 == len(windows(samples("*/*.npy"), sequence_length=2, join=True))
        patterns = ["a/*.npy", "b/*.npy"]
        apart = open_rows([windows(samples(pattern), sequence_length=2) for pattern in patterns])
    assert [[0, 1], [1, 2], [10, 11], [11, 12]] == apart[:].tolist()
