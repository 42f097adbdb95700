"""Chunks are batches that one thread hands to another together; groups are copied together.

To hand over a batch costs as much as to gather a batch of a few kilobytes. To make an array for it
costs as much again.
"""

import collections
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.maps import lies_in
from keras_npy.feeds.plan import Plan
from keras_npy.files.layout import ALIGNMENT_BYTES
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices


@dataclass(frozen=True)
class Gather:
    """How rows get into memory that a backend uses.

    Args:
        read: Copies rows of one source into new or recycled memory. A map gets them there.
        place: Hands over an array that a map returned. It is told whether the array lies in memory
            from `read`; all other memory is the user's, and must be copied.
    """

    read: Callable[[Rows, Indices], Any]
    place: Callable[[Array, bool], Any]

    def __call__(self, rows: Rows, indices: Indices) -> Any:
        return self.read(rows, indices)


# Bytes of a chunk. A larger batch is a chunk of its own.
CHUNK_BYTES = 1 << 20

# Bytes of a group. Its batches are slices of one array, because making and filling an array takes
# 10 us. A user who keeps one of them keeps the memory of all.
GROUP_BYTES = 256 << 10

NO_ROWS: Indices = np.empty(0, np.int64)
START = Position()


class Chunk:
    """Batches that are handed over together: their rows, and the outcome of gathering them.

    Args:
        number: Number of the chunk in its iterator.
        start: Its first batch.
        rows: The rows of all its batches.
    """

    def __init__(self, number: int, start: Position = START, rows: Indices = NO_ROWS) -> None:
        self.number = number
        self.start = start
        self.rows = rows
        self.batches: collections.deque[tuple[Any, ...]] = collections.deque()
        self.error: BaseException | None = None
        # Locked until the chunk is finished. An Event would cost more: it is a lock and a list.
        self._pending = threading.Lock()
        self._pending.acquire()

    def finish(self, error: BaseException | None = None) -> None:
        """Say that the batches are gathered, or that this error stopped it."""
        self.error = error
        self._pending.release()

    @property
    def is_finished(self) -> bool:
        return not self._pending.locked()

    def wait(self) -> None:
        """Wait until the chunk is finished."""
        with self._pending:
            return


class Chunks:
    """The chunks of the passes of one iterator.

    Args:
        batches: What to read.
        gather: Copies rows into new or recycled memory.
        chunk_batches: Batches in a chunk.
    """

    def __init__(self, batches: Batches, gather: Gather, chunk_batches: int) -> None:
        self._batches = batches
        self._gather = gather
        self._batch_size = batches.order.batch_size
        self._chunk_rows = self._batch_size * chunk_batches
        self._group_rows = self._batch_size * max(1, GROUP_BYTES // max(batches.batch_bytes, 1))

    def plan(self, start: Position) -> Iterator[Chunk]:
        """Yield the chunks from a position on, not yet gathered."""
        number = 0
        for block, rows in Plan(self._batches, start).walk():
            for first in range(0, len(rows), self._chunk_rows):
                at = self._after(block, first)
                yield Chunk(number, at, rows[first : first + self._chunk_rows])
                number += 1

    def groups(self, chunk: Chunk) -> Iterator[tuple[Position, Indices]]:
        """Yield the first batch and the rows of each group of the chunk."""
        for first in range(0, len(chunk.rows), self._group_rows):
            at = self._after(chunk.start, first)
            yield at, chunk.rows[first : first + self._group_rows]

    @property
    def are_mapped(self) -> bool:
        """Whether a map makes each batch."""
        return self._batches.map is not None

    def gather_rows(self, chunk: Chunk) -> list[Any]:
        """Copy the rows of a whole chunk; return an array for each leaf of `data`."""
        return [self._gather(rows, chunk.rows) for rows in self._batches.rows]

    def gather(self, start: Position, indices: Indices) -> Iterable[tuple[Any, ...]]:
        """Copy a group; return its batches in the structure of a batch."""
        taken = [self._take(rows, indices) for rows in self._batches.rows]
        batches: Iterable[tuple[Any, ...]] = zip(*taken, strict=True)
        if self._batches.map is not None:
            batches = map(
                self._mapped, batches, itertools.count(start.batch), itertools.repeat(start.epoch)
            )
        return map(self._pack, batches)

    def _mapped(self, arrays: tuple[Any, ...], batch: int, epoch: int) -> tuple[Any, ...]:
        """What `map` makes of the rows of a batch, in memory that the backend may use."""
        rows = list(arrays)
        leaves = self._batches.apply(rows, Position(epoch, batch))
        return tuple(self._gather.place(leaf, lies_in(leaf, rows)) for leaf in leaves)

    def _after(self, start: Position, num_rows: int) -> Position:
        """The batch that begins this many rows after another one of the same pass."""
        return Position(start.epoch, start.batch + num_rows // self._batch_size)

    def _take(self, rows: Rows, indices: Indices) -> list[Any]:
        """Copy these rows of one leaf; return an array for each batch."""
        batch_size = self._batch_size
        if len(indices) <= batch_size:
            return [self._gather(rows, indices)]
        starts = range(0, len(indices), batch_size)
        if batch_size * rows.row_bytes % ALIGNMENT_BYTES:
            return [self._gather(rows, indices[at : at + batch_size]) for at in starts]
        group = self._gather(rows, indices)
        return [group[start : start + batch_size] for start in starts]

    def _pack(self, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
        return leaves if self._batches.is_flat else self._batches.pack(list(leaves))


def chunk_batches(batches: Batches, chunk_bytes: int | None = None) -> int:
    """The number of batches that make one hand-over worth its cost."""
    most = (chunk_bytes or CHUNK_BYTES) // max(batches.batch_bytes, 1)
    return max(1, min(most, batches.block_batches))
