"""Which batches are handed over together, and which of them are copied together.

A hand-over between threads costs as much as gathering a batch of a few kilobytes, and so does an
array of its own.
"""

import collections
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.plan import Plan
from keras_npy.files.layout import ALIGNMENT_BYTES
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.types import Indices

Gather: TypeAlias = Callable[[Rows, Indices], Any]

# Batches are handed over together up to this size, and one by one above it.
CHUNK_BYTES = 1 << 20

# Batches are copied together up to this size, and are slices of one array then: to make an array
# and fill it takes 10 us. A user who keeps one of them keeps the memory of all.
GROUP_BYTES = 256 << 10

NO_ROWS: Indices = np.empty(0, np.int64)


class Chunk:
    """Batches that are handed over together: what they hold, and what came of gathering them.

    Args:
        number: Its number among the chunks of an iterator.
        rows: Of all its batches.
    """

    def __init__(self, number: int, rows: Indices = NO_ROWS) -> None:
        self.number = number
        self.rows = rows
        self.batches: collections.deque[tuple[Any, ...]] = collections.deque()
        self.error: BaseException | None = None
        # A lock that is held until then costs less than an event, which is a lock and a list.
        self._pending = threading.Lock()
        self._pending.acquire()

    def finish(self, error: BaseException | None = None) -> None:
        """Its batches are there, or an error is."""
        self.error = error
        self._pending.release()

    @property
    def is_finished(self) -> bool:
        return not self._pending.locked()

    def wait(self) -> None:
        """Return when it is finished."""
        with self._pending:
            return


class Chunks:
    """The chunks of the passes of one iterator.

    Args:
        batches: What to read.
        gather: Copies rows into memory of their own.
        chunk_batches: Batches of a chunk.
    """

    def __init__(self, batches: Batches, gather: Gather, chunk_batches: int) -> None:
        self._batches = batches
        self._gather = gather
        self._is_flat = all(isinstance(part, Rows) for part in batches.data)
        self._batch_size = batches.order.batch_size
        self._chunk_rows = self._batch_size * chunk_batches
        self._group_rows = self._batch_size * max(1, GROUP_BYTES // max(batches.batch_bytes, 1))

    def plan(self, start: Position) -> Iterator[Chunk]:
        """The chunks from a position on, of which no thread has gathered any."""
        number = 0
        for rows in Plan(self._batches, start).walk():
            for first in range(0, len(rows), self._chunk_rows):
                yield Chunk(number, rows[first : first + self._chunk_rows])
                number += 1

    def groups(self, chunk: Chunk) -> Iterator[Indices]:
        """The rows of each of its groups of batches that are copied together."""
        for first in range(0, len(chunk.rows), self._group_rows):
            yield chunk.rows[first : first + self._group_rows]

    def gather(self, indices: Indices) -> Iterable[tuple[Any, ...]]:
        """The batches of a group, in the structure of `batches.data`."""
        taken = [self._take(rows, indices) for rows in self._batches.rows]
        return map(self._pack, zip(*taken, strict=True))

    def _take(self, rows: Rows, indices: Indices) -> list[Any]:
        """One array for each batch of these rows."""
        batch_size = self._batch_size
        if len(indices) <= batch_size:
            return [self._gather(rows, indices)]
        starts = range(0, len(indices), batch_size)
        if batch_size * rows.row_bytes % ALIGNMENT_BYTES:
            return [self._gather(rows, indices[start : start + batch_size]) for start in starts]
        group = self._gather(rows, indices)
        return [group[start : start + batch_size] for start in starts]

    def _pack(self, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
        return leaves if self._is_flat else self._batches.pack(list(leaves))


def chunk_batches(batches: Batches) -> int:
    """Batches that are worth one hand-over."""
    return max(1, min(CHUNK_BYTES // max(batches.batch_bytes, 1), batches.block_batches))
