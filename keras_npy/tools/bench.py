"""How fast batches of a source can be had: from the disk, from memory, and by a model."""

import itertools
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_npy.files.advice import are_resident
from keras_npy.machine import free_memory_bytes
from keras_npy.order.order import Order
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import check_pairs
from keras_npy.tools import output
from keras_npy.tools.source import open_source

# Bytes that are read at a time, as one stream.
STREAMED_AT_ONCE_BYTES = 8 << 20

# The part of the rows that is timed warm has at most so many bytes. It must fit into memory twice.
PART_BYTES_MAX = 256 << 20

# A disk and what lies before it keep fewer bytes in caches that nobody can empty.
COLD_BYTES_MIN = 64 << 20

# Batches whose rows are asked of the disk together, as `fit` does.
ANNOUNCED_BATCHES = 8

# Nothing limits if it is less than so much slower than what stands behind it.
_SLOWER = 0.7


@dataclass(frozen=True)
class Rate:
    """How fast something was."""

    rows_per_s: float
    bytes_per_s: float
    batch_ms: float


@dataclass
class Timed:
    """What was timed, each `None` where it could not be."""

    num_rows: int
    row_bytes: int
    batch_size: int
    disk_bytes_per_s: float | None = None
    """One stream of large reads."""
    first_batch_ms: float = 0.0
    """Opening the files, and the first batch, cold if possible."""
    is_cold: bool = False
    """Whether the page cache could be emptied of the files."""
    cold: Rate | None = None
    warm: Rate | None = None
    in_memory: Rate | None = None
    """`np.take` from an array of the same rows."""
    fed: Rate | None = None
    """What Keras is handed, on this backend."""

    @property
    def limit(self) -> tuple[str, str]:
        """What limits: `"disk"`, `"gather"` or `"hand-over"`, and why."""
        if self.warm is None:
            return "unknown", "nothing was timed"
        fastest = self.warm.rows_per_s
        cold = self.cold.rows_per_s if self.cold is not None and self.is_cold else None
        fed = fastest if self.fed is None else min(self.fed.rows_per_s, fastest)
        if cold is not None and cold < _SLOWER * fed and not self.fits_in_memory:
            return "disk", "the rows do not fit into free memory, so each epoch reads them again"
        if self.fed is not None and self.fed.rows_per_s < _SLOWER * fastest:
            return "hand-over", "gathering rows is faster than what the backend takes"
        is_slower = cold is not None and cold < _SLOWER * fed and not self.is_small
        behind = "; until then the disk is slower than that" if is_slower else ""
        return "gather", f"rows are in memory once they were read{behind}"

    @property
    def is_small(self) -> bool:
        """Whether so few bytes say nothing of a disk, which may have them in a cache of its own."""
        return self.num_rows * self.row_bytes < COLD_BYTES_MIN

    @property
    def fits_in_memory(self) -> bool:
        """Whether the page cache can hold all rows."""
        return self.num_rows * self.row_bytes < free_memory_bytes()

    def waits(self, step_ms: float) -> dict[str, float]:
        """How long a step of a model waits for its batch, which is gathered during the last."""
        is_cold = self.is_cold and not self.is_small
        rates = {"warm": self.fed or self.warm, "cold": self.cold if is_cold else None}
        return {
            name: max(0.0, rate.batch_ms - step_ms)
            for name, rate in rates.items()
            if rate is not None
        }

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        limit, why = self.limit
        derived = {"limit": limit, "why": why, "fits": self.fits_in_memory}
        return {**asdict(self), **derived, "is_small": self.is_small}


def bench(
    sources: list[str], *, batch_size: int, seconds: float, feed: bool, tell: Callable[[str], None]
) -> Timed:
    """Time how fast shuffled batches of some sources can be had.

    Args:
        sources: The inputs and labels, as a source is spelled.
        batch_size: Rows in a batch.
        seconds: How long each thing is timed at most.
        feed: Whether to time what Keras is handed, too, for which Keras is imported.
        tell: Called with what is timed next.

    Raises:
        UsageError: If a source is spelled wrongly.
        NpyFileError: If it cannot be read.
    """
    opened = [open_source(source) for source in sources]
    # Keras would be imported before the sequence refuses them.
    check_pairs(opened, check_names=False)
    paths = _paths_of(opened)
    tell("disk")
    disk = _time_disk(paths, seconds) if _drop(paths) else None
    is_cold = _drop(paths)
    tell("first batch, cold rows")
    started = time.perf_counter()
    rows = [open_source(source) for source in sources]
    num_rows = len(rows[0])
    order = Order(num_rows, min(batch_size, num_rows), seed=0).shuffled("rows")
    cold_started = time.perf_counter()
    num_first = _read(rows, order, 0)
    first_batch_ms = (time.perf_counter() - started) * 1000
    row_bytes = sum(one.row_bytes for one in rows)
    timed = Timed(num_rows, row_bytes, order.batch_size, disk, first_batch_ms, is_cold)
    cold = _Clock(seconds, timed, cold_started)
    cold.count(num_first)
    last = _last_batch(order, row_bytes)
    for batch in range(1, last):
        if not cold.has_time:
            break
        cold.count(_read(rows, order, batch))
    timed.cold = cold.rate()
    tell("warm rows")
    num_batches = max(1, cold.num_batches)
    timed.warm = _time_warm(rows, order, num_batches, seconds, timed)
    tell("arrays in memory")
    timed.in_memory = _time_memory(rows, order, num_batches, seconds, timed)
    if feed:
        tell("Keras (imported first)")
        part = order.rows(0, 0, num_batches)
        timed.fed = _time_feed(rows, part, order.batch_size, seconds, timed)
    return timed


class _Clock:
    """Counts rows for as long as there is time."""

    def __init__(self, seconds: float, timed: Timed, started: float | None = None) -> None:
        self._timed, self._seconds = timed, seconds
        self.num_rows = self.num_batches = 0
        self._started = time.perf_counter() if started is None else started
        self._elapsed_s = 0.0

    @property
    def has_time(self) -> bool:
        return self._elapsed_s < self._seconds

    def count(self, num_rows: int) -> None:
        self.num_rows += num_rows
        self.num_batches += 1
        self._elapsed_s = time.perf_counter() - self._started

    def rate(self) -> Rate | None:
        if not self.num_batches:
            return None
        elapsed_s = max(self._elapsed_s, 1e-9)
        rows_per_s = self.num_rows / elapsed_s
        return Rate(
            rows_per_s, rows_per_s * self._timed.row_bytes, elapsed_s / self.num_batches * 1000
        )


def _read(rows: list[Rows], order: Order, batch: int) -> int:
    """Gather a batch; ask the disk for the next ones at the beginning of a block of them."""
    if batch % ANNOUNCED_BATCHES == 0:
        stop = min(batch + 2 * ANNOUNCED_BATCHES, order.num_batches)
        announced = order.rows(0, batch, stop)
        for one in rows:
            one.prepare(announced)
    indices = order.rows(0, batch, batch + 1)
    for one in rows:
        one.take(indices)
    return len(indices)


def _last_batch(order: Order, row_bytes: int) -> int:
    part = PART_BYTES_MAX // max(1, row_bytes * order.batch_size)
    return min(order.num_batches, max(2, part))


def _time_warm(
    rows: list[Rows], order: Order, num_batches: int, seconds: float, timed: Timed
) -> Rate | None:
    """Gather again what was read just now, into memory that is used again."""
    outs = [np.empty((order.batch_size, *one.row_shape), one.dtype) for one in rows]

    def gather(batch: int) -> int:
        indices = order.rows(0, batch, batch + 1)
        for one, out in zip(rows, outs, strict=True):
            one.read_into(indices, out[: len(indices)])
        return len(indices)

    return _time_passes(gather, num_batches, _Clock(seconds, timed))


def _time_memory(
    rows: list[Rows], order: Order, num_batches: int, seconds: float, timed: Timed
) -> Rate | None:
    """`np.take` from arrays, into memory that is used again: as fast as it can be."""
    chosen = np.sort(order.rows(0, 0, num_batches))
    arrays = [one.take(chosen) for one in rows]
    outs = [np.empty((order.batch_size, *one.shape[1:]), one.dtype) for one in arrays]
    shuffled = np.random.default_rng(0).permutation(len(chosen))

    def gather(batch: int) -> int:
        start = batch * order.batch_size
        indices = shuffled[start : start + order.batch_size]
        for array, out in zip(arrays, outs, strict=True):
            np.take(array, indices, axis=0, out=out[: len(indices)], mode="clip")
        return len(indices)

    return _time_passes(gather, num_batches, _Clock(seconds, timed))


def _time_passes(gather: Callable[[int], int], num_batches: int, clock: _Clock) -> Rate | None:
    """Gather batch after batch, which returns its rows, pass after pass, until time is up."""
    for batch in itertools.cycle(range(num_batches)):
        if not clock.has_time:
            break
        clock.count(gather(batch))
    return clock.rate()


def _time_feed(
    rows: list[Rows], part: Any, batch_size: int, seconds: float, timed: Timed
) -> Rate | None:
    """What Keras is handed in `fit`, of the same rows, without a model."""
    from keras_npy.tools.fed import feed_of_fit

    iterate = feed_of_fit(rows, part, batch_size)
    # The first pass traces, and fills what is filled once.
    for _ in _lengths(iterate()):
        pass
    clock = _Clock(seconds, timed)
    while clock.has_time:
        # Whole passes: what is read ahead at the end of one is nobody's.
        for num_rows in _lengths(iterate()):
            clock.count(num_rows)
    return clock.rate()


def _lengths(batches: Iterable[Any]) -> Iterable[int]:
    for batch in batches:
        x = batch[0] if isinstance(batch, tuple | list) else batch
        yield int(x.shape[0])


def _time_disk(paths: list[str], seconds: float) -> float | None:
    """Bytes a second of one stream of large reads, or `None` if there are too few."""
    buffer = bytearray(STREAMED_AT_ONCE_BYTES)
    num_bytes, started = 0, time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while read := file.readinto(buffer):
                num_bytes += read
                if time.perf_counter() - started > seconds:
                    break
        if time.perf_counter() - started > seconds:
            break
    return num_bytes / (time.perf_counter() - started) if num_bytes else None


def _drop(paths: list[str]) -> bool:
    """Empty the page cache of files; whether that worked for the first of them."""
    if not hasattr(os, "posix_fadvise") or not paths:
        return False
    for path in paths:
        with open(path, "rb") as file:
            # Pages that are not on the disk yet cannot be dropped.
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return not _is_resident(paths[0])


def _is_resident(path: str) -> bool:
    # The last byte: to look at the first one reads ahead (Linux 6).
    return are_resident(path, [max(0, os.path.getsize(path) - 1)])


def _paths_of(rows: list[Rows]) -> list[str]:
    """The files of all rows, without the names of members."""
    names = [name for one in rows if one.files is not None for name in one.files.paths]
    paths = dict.fromkeys(name if os.path.exists(name) else name.split("::")[0] for name in names)
    return list(paths)


def _cold_name(timed: Timed) -> str:
    if not timed.is_cold:
        return "as it was found"
    return "cold, too small to tell" if timed.is_small else "cold"


def describe(timed: Timed) -> tuple[list[str], list[list[str]]]:
    """The columns and lines of a table of what was timed."""
    lines = []
    if timed.disk_bytes_per_s is not None:
        speed = f"{output.size(timed.disk_bytes_per_s)}/s"
        rows = output.number(round(timed.disk_bytes_per_s / timed.row_bytes))
        lines.append(["disk, one stream of large reads", rows, speed, ""])
    named = (
        (_cold_name(timed), timed.cold),
        ("warm, gathered from the page cache", timed.warm),
        ("arrays in memory, np.take", timed.in_memory),
        ("handed to Keras", timed.fed),
    )
    for name, rate in named:
        if rate is not None:
            speed = f"{output.size(rate.bytes_per_s)}/s"
            ms = output.number(float(f"{rate.batch_ms:.3g}"))
            lines.append([name, output.number(round(rate.rows_per_s)), speed, ms])
    return ["shuffled batches", "rows/s", "bytes/s", "ms/batch"], lines
