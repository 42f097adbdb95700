"""Rows that are read once, in file order, and then served from memory."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_npy.machine import free_memory_bytes
from keras_npy.order.slots import Slots
from keras_npy.rows.base import Rows
from keras_npy.rows.drawn import DrawnRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.walk import shown
from keras_npy.types import Array, Indices

# Bytes that are read at a time.
BLOCK_BYTES = 16 << 20
# Fewer are read before a progress bar would have been seen.
SHOWN_BYTES_MIN = 256 << 20


class CachedRows(ForwardingRows):
    """Rows of `source` in memory, as they were when they were read.

    A copy in another process has no memory: it reads from the source.

    Args:
        source: What is read, once.
        slots: Which rows to read. No others can be served.
    """

    _array: Array | None

    def __init__(self, source: Rows, slots: Slots) -> None:
        super().__init__(source, name=source.name, shape=source.shape, dtype=source.dtype)
        self._slots = slots
        self._array = np.empty((len(slots), *source.row_shape), source.dtype)
        for start, indices in blocks_of(source, slots, "read into memory:"):
            source.read_into(indices, self._array[start : start + len(indices)])
        self._array.flags.writeable = False

    @property
    def of_all(self) -> Rows:
        """Rows that serve all numbers: these, or the source if only some are in memory."""
        return self if self._slots.are_all else self.source

    def locate(self, index: int) -> str:
        return self.source.locate(index)

    def prepare(self, indices: Indices) -> None:
        if self._array is None:
            self.source.prepare(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        if self._array is None:
            self.source.check_unchanged(indices)

    def read_into(self, indices: Indices, out: Array) -> None:
        if self._array is None:
            self.source.read_into(indices, out)
            return
        # Its default, mode="raise", gathers into a buffer of its own first (NumPy 2.4).
        np.take(self._array, self._slots.of(indices), axis=0, out=out, mode="clip")

    def alias(self) -> Array | None:  # type: ignore[override] # Here the values are the source's.
        return self._array if self._slots.are_all else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": None}


def of_all(rows: Rows) -> Rows:
    """Rows that serve all numbers, in place of some that may be in memory only in part."""
    return rows.of_all if isinstance(rows, CachedRows) else rows


def cache_in_memory(sources: list[Rows], slots: Slots) -> dict[int, Rows]:
    """Rows in memory for each source, by its `id`; one that lies there already stays as it is.

    Raises:
        TypeError: If rows differ from pass to pass.
        ValueError: If memory has no room for all of them.
        NpyFileError: If a file has changed.
    """
    refuse_drawn(sources)
    distinct = {id(rows): rows for rows in sources}
    on_disk = [rows for rows in distinct.values() if rows.io is not None or rows.alias() is None]
    refuse_too_many('cache="ram"', "memory", on_disk, len(slots), free_memory_bytes())
    cached = {id(rows): CachedRows(rows, slots) for rows in on_disk}
    return {**distinct, **cached}


def refuse_too_many(
    argument: str, place: str, sources: Iterable[Rows], num_rows: int, free_bytes: float
) -> None:
    """Raise `ValueError` if so many rows of all these sources need more bytes than are free."""
    asked_bytes = num_rows * sum(rows.row_bytes for rows in sources)
    if asked_bytes > free_bytes:
        raise ValueError(
            f"{argument} keeps all rows in {place}, and all of them must fit. "
            f"Received: rows of {asked_bytes:,} bytes, where {int(free_bytes):,} are free. "
            "Leave cache out, which reads each batch from the files, or choose fewer rows with "
            "indices=."
        )


def refuse_drawn(sources: Iterable[Rows]) -> None:
    """Raise `TypeError` if the values of rows depend on the pass in which they are read."""
    for rows in sources:
        if isinstance(rows, DrawnRows):
            raise TypeError(
                f"{rows.name}: cache keeps rows that are the same in each pass. Received: random "
                "crops. Leave cache out, or pass crop='start' or 'center' to samples."
            )


def blocks_of(rows: Rows, slots: Slots, title: str) -> Iterator[tuple[int, Indices]]:
    """Yield the first place and the rows of each block, whose files are checked and advised.

    While one block is read, the kernel reads the next one. A terminal shows the progress.
    """
    step = max(1, BLOCK_BYTES // max(rows.row_bytes, 1))
    starts = range(0, len(slots), step)
    rows.prepare(slots.between(0, step))
    is_long = len(slots) * rows.row_bytes >= SHOWN_BYTES_MIN
    for start in shown(starts, f"{title} {rows.name}") if is_long else starts:
        if start + step < len(slots):
            rows.prepare(slots.between(start + step, start + 2 * step))
        yield start, slots.between(start, start + step)
    rows.check_unchanged(slots.between(starts[-1], len(slots)))
