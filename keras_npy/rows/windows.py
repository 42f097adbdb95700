"""`windows`: a series as overlapping windows, with a target for each.

Windows are never stored. For each batch, only the rows of its windows are read from the series.
"""

import os
from typing import Literal, NamedTuple, overload

import numpy as np

from keras_npy.errors import check_bool
from keras_npy.rows.base import Rows
from keras_npy.rows.beside_windows import repeat_for_each
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.jumps import warn_of_crossings, warn_of_jumps
from keras_npy.rows.sources import Source, open_rows, open_series
from keras_npy.rows.time_axis import transposed, warn_of_time_on_axis_1
from keras_npy.rows.time_order import warn_of_time_order
from keras_npy.rows.window_rows import Starts, WindowRows
from keras_npy.types import Indices, Io


class WindowsAndTargets(NamedTuple):
    """Windows of a series and their targets, for `NpySequence(...)` or `x, y = ...`."""

    x: Rows
    y: Rows


@overload
def windows(
    data: Source,
    *,
    sequence_length: int,
    targets: None = None,
    predict_next: Literal[False] = False,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    start_index: int | None = None,
    end_index: int | None = None,
    join: bool = False,
    io: Io = "auto",
) -> Rows: ...


@overload
def windows(
    data: Source,
    *,
    sequence_length: int,
    targets: Source,
    predict_next: Literal[False] = False,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    start_index: int | None = None,
    end_index: int | None = None,
    join: bool = False,
    io: Io = "auto",
) -> WindowsAndTargets: ...


@overload
def windows(
    data: Source,
    *,
    sequence_length: int,
    targets: None = None,
    predict_next: Literal[True],
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    start_index: int | None = None,
    end_index: int | None = None,
    join: bool = False,
    io: Io = "auto",
) -> WindowsAndTargets: ...


def windows(
    data: Source,
    *,
    sequence_length: int,
    targets: Source | None = None,
    predict_next: bool = False,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    start_index: int | None = None,
    end_index: int | None = None,
    join: bool = False,
    io: Io = "auto",
) -> Rows | WindowsAndTargets:
    """Serve a series as overlapping windows, without copying the file.

    Arguments and results are those of `keras.utils.timeseries_dataset_from_array`, except for
    `predict_next`. Window i holds the timesteps
    `start_index + i * sequence_stride + j * sampling_rate` for each j in
    `0 <= j < sequence_length`.

    A window never crosses from one file to the next, nor from one source of a list to the next:
    each is a series of its own, whose first window begins at its first timestep. A file that is
    shorter than a window has none.

    Args:
        data: The series: a path, shards, a member of an archive, an array, or a list of these,
            `(T, ...)`. With `samples(...)`, each file is one timestep.
        sequence_length: Timesteps in a window.
        targets: A source of targets. `targets[start]` is the target of the window that begins at
            timestep `start`, in the same file if there are as many. `None` for windows without
            targets. Targets of which each belongs to a window are a `y` of `NpySequence`.
        predict_next: Whether the target of a window is the same window one sample later. Then the
            target of each position is the value after it, as language models need.
        sequence_stride: Timesteps between the beginnings of two windows.
        sampling_rate: Timesteps between two samples of a window.
        start_index: The first timestep to use, counted over all files.
        end_index: The first timestep not to use.
        join: Whether the files are one long series that was cut into parts, so that windows cross
            from one to the next. It also says that rows which were picked out, by `take` or as a
            part, make one series: windows that jump over rows give a warning otherwise. And that
            each row is a timestep, where a few rows are many times longer than they are many.
        io: How files are read, as in `open_rows`.

    Returns:
        Rows `(num_windows, sequence_length, ...)`. With targets, a pair of these rows and the
        targets; `NpySequence` takes the pair as it is, or use `x, y = windows(...)`.

    Raises:
        ValueError: If an argument has a wrong value, or the series is too short for a window.
        NpyFileError: If a source cannot be streamed.
        FileNotFoundError: If a file does not exist.

    Example:

    >>> tokens = np.arange(10)
    >>> x, y = windows(tokens, sequence_length=4, sequence_stride=4, predict_next=True)
    >>> x[:]
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]])
    >>> y[:]
    array([[1, 2, 3, 4],
           [5, 6, 7, 8]])
    """
    check_bool("join", join, "Pass True for one series that goes on from file to file.")
    series = _open(data, join, io)
    _check_between("sequence_length", sequence_length, 1, None)
    _check_between("sequence_stride", sequence_stride, 1, len(series))
    _check_between("sampling_rate", sampling_rate, 1, len(series))
    start, end = _bounds(start_index, end_index, len(series))
    _check_targets(targets, predict_next)
    opened = None if targets is None else _open(targets, join, io)
    if join or len(series.shard_lengths) == 1:
        warn_of_time_order([series], "a series that goes on from file to file")
    lengths = np.array([len(series)]) if join else series.shard_lengths
    span = (sequence_length - 1 + bool(predict_next)) * sampling_rate
    files = _Files(lengths, start, end)
    num_starts = files.num_steps - span
    counts = _counts(num_starts, sequence_stride)
    if opened is not None:
        num_with_target, target_firsts = _targets_of(files, opened, series)
        with_target = _counts(np.minimum(num_starts, num_with_target), sequence_stride)
        _check_per_timestep(opened, series, counts.sum(), with_target.sum())
        counts = with_target
    if not counts.any():
        raise _no_window(series, files, span + 1)
    starts = Starts(files.firsts, counts, sequence_stride)
    if not join:
        warn_of_time_on_axis_1(series, opened)
        warn_of_crossings(series, starts, span, sampling_rate)
        warn_of_jumps(series, starts, span)
    x = WindowRows(series, starts, sequence_length, sampling_rate)
    if predict_next:
        y = WindowRows(series, starts, sequence_length, sampling_rate, shift=sampling_rate)
        return WindowsAndTargets(x, y)
    if opened is None:
        return x
    of_targets = Starts(target_firsts, counts, sequence_stride)
    _check_last_target(opened, int(of_targets.at(np.array([len(starts) - 1]))[0]), start, span)
    return WindowsAndTargets(x, WindowRows(opened, of_targets))


def _counts(num_starts: Indices, stride: int) -> Indices:
    """Windows of each file."""
    counts: Indices = np.maximum(0, -(-num_starts // stride))
    return counts


def _check_per_timestep(targets: Rows, series: Rows, num_windows: int, num_served: int) -> None:
    """Raise if there is a target for each window: most of them would be taken for others."""
    if num_served < num_windows == len(targets):
        raise ValueError(
            f"{targets.name}: windows takes a target for each timestep, of which a window gets "
            f"that at its begin. Received: {len(targets)} targets, one for each of the "
            f"{num_windows} windows, for {len(series)} timesteps. Leave targets= out here: "
            "NpySequence(windows(...), targets) takes a target for each window."
        )


def _open(source: Source, join: bool, io: Io) -> Rows:
    return open_rows(source, io=io) if join else open_series(source, io)


def _check_targets(targets: object, predict_next: object) -> None:
    check_bool("predict_next", predict_next, "Pass a bool; the data of targets is targets=.")
    # Before predict_next, targets="next" said the same.
    if isinstance(targets, str) and targets == "next" and not os.path.exists(targets):
        raise ValueError(
            "targets must be the data of the targets. "
            "Received: targets='next', which is no file. "
            "Pass predict_next=True for targets that are the next values of the series."
        )
    if predict_next and targets is not None:
        raise ValueError(
            "A window has one target: the next values of the series, or those of targets. "
            "Received: predict_next=True, and targets= as well. Leave one of them out."
        )


def _check_last_target(targets: Rows, begin: int, start: int, span: int) -> None:
    """Raise if the last window begins behind the last target.

    Args:
        targets: The targets of one file.
        begin: The timestep at which the last window begins.
        start: The first timestep that is used.
        span: Timesteps from the first to the last one of a window.
    """
    if begin >= len(targets):
        remedy = (
            f"end_index={len(targets) + span}" if start < len(targets) else "an earlier start_index"
        )
        raise ValueError(
            f"{targets.name}: each window must have a target, at the timestep that it begins "
            f"with. Received: {len(targets)} targets, and a window that begins at timestep "
            f"{begin}. Pass {remedy}."
        )


class _Files:
    """The timesteps of each file of a series that may be used.

    Args:
        lengths: Timesteps of each file.
        start: The first timestep to use, counted over all files.
        end: The first timestep not to use.
    """

    def __init__(self, lengths: Indices, start: int, end: int) -> None:
        stops = np.cumsum(lengths)
        self.lengths = lengths
        self.begins: Indices = stops - lengths
        self.firsts: Indices = np.maximum(self.begins, start)
        self.num_steps: Indices = np.minimum(stops, end) - self.firsts


def _targets_of(files: _Files, targets: Rows, series: Rows) -> tuple[Indices, Indices]:
    """The number of window starts that have a target, and the target of the first, for each file.

    Raises:
        ValueError: If it is not certain which target belongs to which timestep.
    """
    if len(files.lengths) == 1:
        # Count as Keras 3.15 does: no more starts than targets, even if `start_index` skips some.
        # A last window without a target then is an error there too, though of TensorFlow's, in
        # the middle of an epoch (`_check_last_target`).
        return np.array([len(targets)]), files.firsts
    lengths = targets.shard_lengths
    are_pairs = len(lengths) == len(files.lengths)
    is_across = _is_across_files(targets)
    if len(targets) == len(series) and (is_across or not are_pairs):
        return files.num_steps, files.firsts
    skipped = files.firsts - files.begins
    if isinstance(targets, ChosenRows) and np.array_equal(
        targets.source.shard_lengths, files.lengths
    ):
        # One shift for all files: each has as many targets fewer.
        part = targets.indices
        if isinstance(part, range) and part.step == 1:
            num_targets = np.minimum(files.lengths, part.stop - files.begins) - part.start
            return num_targets - skipped, files.firsts
    if are_pairs and np.all(lengths <= files.lengths) and not is_across:
        return lengths - skipped, np.cumsum(lengths) - lengths + skipped
    remedy = "Save one file of targets for each file of the series."
    if len(targets) == len(files.lengths):
        remedy = (
            "Leave targets= out if there is one for each file, and pass them to NpySequence(x, y): "
            f"{repeat_for_each('y')}."
        )
    elif is_across:
        remedy = "Take from each file for itself: targets=[take(path, ...) for path in paths]."
    elif are_pairs:
        at = int(np.argmax(lengths > files.lengths))
        longer, _ = targets.file_of(int(np.sum(lengths[:at])))
        remedy = (
            f"{longer} holds {lengths[at]} for the {files.lengths[at]} timesteps of "
            f"{series.file_of(int(np.sum(files.lengths[:at])))[0]}: trim it, or give the files of "
            "targets in the order of those of the series."
        )
    raise ValueError(
        f"{targets.name}: a series of several files needs a target for each timestep, or targets "
        f"in as many files, each no longer than its series. Received: {len(targets)} targets in "
        f"{len(lengths)} files, for {len(series)} timesteps in {len(files.lengths)} files of "
        f"{series.name}. {remedy}"
    )


def _is_across_files(rows: Rows) -> bool:
    """Whether rows were chosen by numbers that count over several files."""
    if isinstance(rows, JoinedRows):
        return any(map(_is_across_files, rows.sources))
    return isinstance(rows, ChosenRows) and len(rows.source.shard_lengths) > 1


def _no_window(series: Rows, files: _Files, num_steps: int) -> ValueError:
    where = f"{files.num_steps[0]} timesteps"
    remedy = "Pass a smaller sequence_length"
    if len(files.lengths) > 1:
        where = f"{len(files.lengths)} files of at most {max(files.num_steps)} timesteps"
        remedy += ", or join=True if the files are one long series"
    are_samples = series.file_paths is not None and len(series.shard_lengths) < len(series)
    if are_samples and series.row_shape and series.row_shape[0] >= num_steps:
        where += f", each a file of shape {series.row_shape}"
        remedy = (
            "Of samples each file is one timestep: leave samples out, windows(pattern, ...), if "
            "each file is a series of its own. Else pass a smaller sequence_length"
        )
    elif series.ndim == 2 and series.shape[1] >= num_steps:
        remedy = f"If time runs along axis 1, {transposed(series)}. Else pass a smaller " + (
            remedy.removeprefix("Pass a smaller ")
        )
    return ValueError(
        f"{series.name}: a series must hold at least one window. Received: {where}, of which a "
        f"window takes {num_steps}. {remedy}."
    )


def _bounds(start_index: int | None, end_index: int | None, num_rows: int) -> tuple[int, int]:
    start = 0 if start_index is None else start_index
    end = num_rows if end_index is None else end_index
    _check_between("start_index", start, 0, num_rows)
    _check_between("end_index", end, start + 1, num_rows + 1)
    return start, end


def _check_between(name: str, value: object, first: int, below: int | None) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(
            f"{name} must be an integer. Received: {name}={value!r:.100}. Pass a whole number."
        )
    if value < first or (below is not None and value >= below):
        most = "" if below is None else f" < {below}"
        raise ValueError(
            f"{name} must be in {first} <= {name}{most}. Received: {name}={value}. "
            "Pass one within the series."
        )
