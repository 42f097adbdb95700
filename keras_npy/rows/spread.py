"""Some rows from all over a source, as many as a short look may take."""

import time

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import base_of
from keras_npy.types import Array, Indices

# So many bytes are always read, and so many more until the time is up.
BYTES = 4 << 20
BYTES_MAX = 16 << 20
MORE_S = 0.008
# Small rows that lie side by side are read together: 64 runs take 64 seeks of a cold disk.
RUN_BYTES = 64 << 10
RUN_ROWS = 1024
# Runs, of which each may lie in a file of its own.
RUNS, RUNS_MAX = BYTES // RUN_BYTES, BYTES_MAX // RUN_BYTES


def read_spread(rows: Rows) -> Array:
    """Rows at equal distances from the first to the last one, or all if there are few.

    A large row is read alone, and small ones in runs, so that few pages are touched.
    """
    run = max(1, min(RUN_ROWS, RUN_BYTES // max(1, rows.row_bytes)))
    if base_of(rows).file_paths is not None:
        run = 1
    num_runs = -(-len(rows) // run)
    run_bytes = max(1, run * rows.row_bytes)
    first = _evenly(num_runs, min(RUNS, BYTES // run_bytes))
    more = np.setdiff1d(_evenly(num_runs, min(RUNS_MAX, BYTES_MAX // run_bytes)), first)
    # In another order, so that no end of the source is left out if time is up.
    more = more[np.argsort(np.arange(len(more)) * 0.618 % 1)]
    begin_s = time.perf_counter()
    found = [_read(rows, first, run)]
    at_once = max(1, (1 << 20) // run_bytes)
    for at in range(0, len(more), at_once):
        if time.perf_counter() - begin_s > MORE_S:
            break
        found.append(_read(rows, np.sort(more[at : at + at_once]), run))
    return np.concatenate(found) if len(found) > 1 else found[0]


def _evenly(num_runs: int, number: int) -> Indices:
    """The numbers of some runs, of which there is at least one."""
    number = min(num_runs, max(1, number))
    return np.linspace(0, num_runs - 1, number).astype(np.int64)


def _read(rows: Rows, runs: Indices, run: int) -> Array:
    numbers = (runs[:, np.newaxis] * run + np.arange(run)).reshape(-1)
    numbers = numbers[numbers < len(rows)]
    # It also asks the disk for all of them at once.
    rows.prepare(numbers)
    return rows.take(numbers)
