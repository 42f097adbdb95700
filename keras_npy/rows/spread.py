"""Some rows from all over a source, as many as a short look may take."""

import time

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.joined import stored_beneath
from keras_npy.types import Array, Indices

# So many bytes are always read, in so many files, and so many more until the time is up.
BYTES = 4 << 20
BYTES_MAX = 16 << 20
FILES = 64
MORE_S = 0.008
# Small rows that lie side by side are read together: 64 runs take 64 seeks of a cold disk.
RUN_BYTES = 64 << 10
RUN_ROWS = 1024
# Runs, of which each may lie in a file of its own.
RUNS, RUNS_MAX = BYTES // RUN_BYTES, BYTES_MAX // RUN_BYTES
# Runs between two looks at the clock.
RUNS_AT_ONCE = 16


def is_cheap(rows: Rows, indices: range | Indices | None = None) -> bool:
    """Whether to read these rows takes up to 20 ms; `None` for all of them."""
    num_rows = len(rows) if indices is None else len(indices)
    if num_rows * rows.row_bytes > BYTES:
        return False
    # Few rows may lie anywhere in many files, and each of theirs is opened alone.
    lengths = _file_lengths(rows)
    return len(lengths) <= FILES or num_rows * _files_of_a_row(rows, lengths) <= FILES


def read_spread(rows: Rows) -> Array:
    """Rows at equal distances from the first to the last one, or all if there are few.

    A large row is read alone, and small ones in runs, so that few pages are touched. A run ends
    where its file does: to open another one takes as long as to read it.
    """
    lengths = _file_lengths(rows)
    run = max(1, min(RUN_ROWS, RUN_BYTES // max(1, rows.row_bytes)))
    files_of_a_run = 1
    if len(lengths) > FILES:
        run = min(run, -(-len(rows) // len(lengths)))
        files_of_a_run = min(FILES, _files_of_a_row(rows, lengths))
    num_runs = -(-len(rows) // run)
    run_bytes = max(1, run * rows.row_bytes)
    most, most_in_all = RUNS // files_of_a_run, RUNS_MAX // files_of_a_run
    first = _evenly(num_runs, min(most, BYTES // run_bytes))
    more = np.setdiff1d(_evenly(num_runs, min(most_in_all, BYTES_MAX // run_bytes)), first)
    # In another order, so that no end of the source is left out if time is up.
    more = more[np.argsort(np.arange(len(more)) * 0.618 % 1)]
    begin_s = time.perf_counter()
    found = [_read(rows, first, run, lengths)]
    at_once = max(1, min(RUNS_AT_ONCE // files_of_a_run, (1 << 20) // run_bytes))
    for at in range(0, len(more), at_once):
        if time.perf_counter() - begin_s > MORE_S:
            break
        found.append(_read(rows, np.sort(more[at : at + at_once]), run, lengths))
    return np.concatenate(found) if len(found) > 1 else found[0]


def _file_lengths(rows: Rows) -> Indices:
    """Timesteps in each of the files that rows are made of."""
    stored = [(one, one.files) for one in stored_beneath(rows)]
    nothing = np.empty(0, np.int64)
    return np.concatenate(
        [
            np.array([one.timesteps(nothing).num_steps]) if files is None else files.lengths
            for one, files in stored
        ]
    )


def _files_of_a_row(rows: Rows, lengths: Indices) -> int:
    """In how many files a row lies at most, of some rows from all over."""
    first, last = _files(rows, _evenly(len(rows), FILES), lengths)
    return int((last - first).max()) + 1


def _files(rows: Rows, numbers: Indices, lengths: Indices) -> tuple[Indices, Indices]:
    """The numbers of the first and the last file of each of these rows."""
    steps, stops = rows.timesteps(numbers), np.cumsum(lengths)
    first, last = (
        np.searchsorted(stops, edges, side="right") for edges in (steps.begins, steps.ends - 1)
    )
    return first, last


def _evenly(num_runs: int, number: int) -> Indices:
    """The numbers of some runs, of which there is at least one."""
    number = min(num_runs, max(1, number))
    return np.linspace(0, num_runs - 1, number).astype(np.int64)


def _read(rows: Rows, runs: Indices, run: int, lengths: Indices) -> Array:
    numbers = runs[:, np.newaxis] * run + np.arange(run)
    are_read = numbers < len(rows)
    if len(lengths) > FILES:
        inside = np.minimum(numbers, len(rows) - 1)
        first, last = (
            files.reshape(inside.shape) for files in _files(rows, inside.reshape(-1), lengths)
        )
        are_here = (first >= first[:, :1]) & (last <= last[:, :1])
        are_read &= np.logical_and.accumulate(are_here, axis=1)
    chosen = numbers[are_read]
    # It also asks the disk for all of them at once.
    rows.prepare(chosen)
    return rows.take(chosen)
