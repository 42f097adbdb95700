"""`windows`: a series as overlapping windows, with a target for each.

Windows are never stored. For each batch, only the rows of its windows are read from the series.
"""

import mmap
import os
from typing import Literal, NamedTuple, overload

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.sources import Source, open_rows
from keras_npy.types import Array, Indices, Io

# Row numbers to make at a time. Each takes eight bytes, while a token may take two.
_ROWS_AT_ONCE = 1 << 18


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
    io: Io = "auto",
) -> Rows | WindowsAndTargets:
    """Serve a series as overlapping windows, without copying the file.

    Arguments and results are those of `keras.utils.timeseries_dataset_from_array`, except for
    `predict_next`. Window i holds the timesteps
    `start_index + i * sequence_stride + j * sampling_rate` for each j in
    `0 <= j < sequence_length`.

    Args:
        data: The series: a path, shards, a member of an archive or an array, `(T, ...)`.
        sequence_length: Timesteps in a window.
        targets: A source of targets. `targets[start]` is the target of the window that begins at
            timestep `start`. `None` for windows without targets.
        predict_next: Whether the target of a window is the same window one sample later. Then the
            target of each position is the value after it, as language models need.
        sequence_stride: Timesteps between the beginnings of two windows.
        sampling_rate: Timesteps between two samples of a window.
        start_index: The first timestep to use.
        end_index: The first timestep not to use.
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
    series = open_rows(data, io=io)
    _check_between("sequence_length", sequence_length, 1, None)
    _check_between("sequence_stride", sequence_stride, 1, len(series))
    _check_between("sampling_rate", sampling_rate, 1, len(series))
    start, end = _bounds(start_index, end_index, len(series))
    _check_targets(targets, predict_next)
    opened = None if targets is None else open_rows(targets, io=io)
    span = (sequence_length - 1 + bool(predict_next)) * sampling_rate
    # Count as Keras does: no more starts than targets, even if `start_index` skips some of these.
    num_starts = end - start - span
    if opened is not None:
        num_starts = min(num_starts, len(opened))
    num_windows = -(-num_starts // sequence_stride)
    if num_windows < 1:
        raise ValueError(
            f"{series.name}: a series must hold at least one window. Received: {end - start} "
            f"timesteps, of which a window takes {span + 1}. Pass a smaller sequence_length."
        )
    cut = (sequence_stride, num_windows)
    x = WindowRows(series, start, *cut, sequence_length, sampling_rate)
    if predict_next:
        later = start + sampling_rate
        return WindowsAndTargets(x, WindowRows(series, later, *cut, sequence_length, sampling_rate))
    if opened is None:
        return x
    _check_last_target(opened, start + (num_windows - 1) * sequence_stride)
    return WindowsAndTargets(x, WindowRows(opened, start, *cut))


def _check_targets(targets: object, predict_next: object) -> None:
    if not isinstance(predict_next, bool | np.bool_):
        raise TypeError(
            "predict_next must be True or False. "
            f"Received: {predict_next!r:.100}. Pass a bool; the data of targets is targets=."
        )
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


def _check_last_target(targets: Rows, begin: int) -> None:
    if begin >= len(targets):
        raise ValueError(
            f"{targets.name}: each window must have a target, at the timestep that it begins "
            f"with. Received: {len(targets)} targets, and a window that begins at timestep "
            f"{begin}. Pass an earlier end_index."
        )


class WindowRows(ForwardingRows):
    """Rows of which each is a window of a series.

    Args:
        series: The series.
        start: Row of the series at which the first window begins.
        stride: Rows between the beginnings of two windows.
        num_windows: Number of windows.
        length: Samples in a window. `None` for only its first row, without an axis for samples.
        rate: Rows between two samples of a window.
    """

    def __init__(
        self,
        series: Rows,
        start: int,
        stride: int,
        num_windows: int,
        length: int | None = None,
        rate: int = 1,
    ) -> None:
        window = () if length is None else (length,)
        shape = (num_windows, *window, *series.row_shape)
        super().__init__(series, name=f"windows of {series.name}", shape=shape, dtype=series.dtype)
        self._start, self._stride = start, stride
        self._steps = np.arange(length or 1, dtype=np.int64) * rate

    def read_into(self, indices: Indices, out: Array) -> None:
        flat = out.reshape(-1, *self.source.row_shape)
        num_steps = len(self._steps)
        step = max(1, _ROWS_AT_ONCE // num_steps)
        for at in range(0, len(indices), step):
            rows = self._rows(indices[at : at + step], self._steps)
            self.source.read_into(rows, flat[at * num_steps : at * num_steps + len(rows)])

    def _rows(self, indices: Indices, steps: Indices) -> Indices:
        """The rows of the series at these steps of these windows."""
        begins = self._start + indices * self._stride
        rows: Indices = (begins[:, None] + steps).reshape(-1)
        return rows

    def source_indices(self, indices: Indices) -> Indices:
        """Enough rows of each window to touch every page of it."""
        rate = int(self._steps[1]) if len(self._steps) > 1 else 1
        page_rows = max(1, mmap.PAGESIZE // (self.source.row_bytes * rate))
        steps = np.append(self._steps[::page_rows], self._steps[-1])
        return self._rows(indices, steps)


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
