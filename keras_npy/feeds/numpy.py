"""Batches as an iterator of NumPy arrays, for JAX and torch, gathered while the device works.

A thread gathers the next two batches into recycled memory. Batches of a few kilobytes are handed
over many at a time: a hand-over between threads costs as much as gathering one of them.
"""

import collections
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from keras_npy.batches import Batches
from keras_npy.buffers import BufferPool
from keras_npy.order import Indices
from keras_npy.rows import Rows

Gather: TypeAlias = Callable[[Rows, Indices], Any]

# What is gathered while the device works on what came before.
READ_AHEAD_CHUNKS = 2

# Batches are handed over together up to this size, and one by one above it.
CHUNK_BYTES = 1 << 20

# A thread that was told to stop does so after the batch that it is gathering. Who waits for it may
# be a garbage collection, which must not wait for ever.
STOP_TIMEOUT_S = 5.0


def make_pool(batches: Batches) -> BufferPool:
    """Memory for the batches of one feed, pass after pass."""
    # One more chunk than is read ahead is in use, and backends let go of arrays late.
    return BufferPool(idle_max=(READ_AHEAD_CHUNKS + 2) * _chunk_batches(batches))


def gather_into(pool: BufferPool) -> Gather:
    """A function that copies rows into recycled 64-byte-aligned arrays.

    Memory is used again only when nothing refers to the array in it any more: JAX uses aligned
    host memory in place on CPU, and so does `torch.from_numpy`.
    """

    def gather(rows: Rows, indices: Indices) -> Any:
        return rows.take(indices, pool.lend((len(indices), *rows.row_shape), rows.dtype))

    return gather


def iterate(batches: Batches, gather: Gather) -> Iterator[tuple[Any, ...]]:
    """Yield each batch as arrays of its own, in the structure of `batches.data`.

    Nothing is read, counted or started before the first batch is asked for: at the end of a pass
    Keras makes an iterator and throws it away (Keras 3.15). The thread ends with the iterator,
    whether that is exhausted, closed, abandoned or interrupted.

    Args:
        batches: What to read.
        gather: Copies rows into memory of their own, in a thread of its own.

    Raises:
        NpyFileError: From `next`, if a file changed; likewise whatever else reading raises.
    """
    ahead = _ReadAhead(batches, batches.start_pass(), gather)
    try:
        ahead.start()
        while (chunk := ahead.next_chunk()) is not None:
            if chunk.begun_epoch is not None:
                batches.note_pass(chunk.begun_epoch)
            # No name is bound to a batch here: its memory would be in use for one batch more.
            while chunk.batches:
                yield chunk.batches.popleft()
    finally:
        ahead.stop()


class _Chunk:
    """Batches that are handed over together.

    Args:
        begun_epoch: The epoch of a later pass of an endless feed that begins with the chunk.
    """

    def __init__(self, begun_epoch: int | None) -> None:
        self.begun_epoch = begun_epoch
        self.batches: collections.deque[tuple[Any, ...]] = collections.deque()


class _ReadAhead:
    """The thread behind one iterator, which knows nothing of the iterator itself.

    So an iterator that nobody uses any more is collected, and its end stops the thread.
    """

    def __init__(self, batches: Batches, epoch: int, gather: Gather) -> None:
        self._batches = batches
        self._rows = batches.rows
        self._is_flat = all(isinstance(part, Rows) for part in batches.data)
        self._gather = gather
        self._is_stopped = False
        # SimpleQueue may be used by finalisers that interrupt it; its put never blocks.
        self._ready: queue.SimpleQueue[_Chunk | BaseException | None] = queue.SimpleQueue()
        self._free_slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(READ_AHEAD_CHUNKS):
            self._free_slots.put(None)
        # A daemon: the interpreter would wait for any other before it frees a forgotten iterator.
        self._thread = threading.Thread(
            target=self._run, args=(epoch,), name="keras_npy read-ahead", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def next_chunk(self) -> _Chunk | None:
        """Wait for the next batches; `None` after the last. Raise what stopped the thread."""
        chunk = self._ready.get()
        if isinstance(chunk, BaseException):
            try:
                raise chunk
            finally:
                # The exception's traceback holds this frame: without the name, no circle.
                del chunk
        self._free_slots.put(None)
        return chunk

    def stop(self) -> None:
        """End the thread and wait for it; again is no harm."""
        self._is_stopped = True
        self._free_slots.put(None)
        # A garbage collection may run in the thread itself, and none runs at interpreter exit.
        if (
            self._thread.is_alive()
            and self._thread is not threading.current_thread()
            and not sys.is_finalizing()
        ):
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self, epoch: int) -> None:
        try:
            self._read(epoch)
        except BaseException as error:
            self._ready.put(error)
        else:
            self._ready.put(None)

    def _read(self, epoch: int) -> None:
        batch_size = self._batches.order.batch_size
        chunk_rows = batch_size * _chunk_batches(self._batches)
        begun_epoch = None
        while True:
            for rows in _blocks(self._batches, epoch):
                for start in range(0, len(rows), chunk_rows):
                    self._free_slots.get()
                    chunk = _Chunk(begun_epoch)
                    begun_epoch = None
                    for first in range(start, min(start + chunk_rows, len(rows)), batch_size):
                        if self._is_stopped:
                            return
                        chunk.batches.append(self._take(rows[first : first + batch_size]))
                    self._ready.put(chunk)
            if not self._batches.is_endless:
                return
            epoch += 1
            begun_epoch = epoch

    def _take(self, indices: Indices) -> tuple[Any, ...]:
        leaves = [self._gather(rows, indices) for rows in self._rows]
        return tuple(leaves) if self._is_flat else self._batches.pack(leaves)


def _chunk_batches(batches: Batches) -> int:
    batch_bytes = batches.order.batch_size * sum(rows.row_bytes for rows in batches.rows)
    return max(1, min(CHUNK_BYTES // max(batch_bytes, 1), batches.block_batches))


def _blocks(batches: Batches, epoch: int) -> Iterator[Indices]:
    """Rows of each block of a pass; those of the next one are being read ahead meanwhile."""
    order, block_batches = batches.order, batches.block_batches
    ready = None
    for first in range(0, order.num_batches, block_batches):
        rows = order.rows(epoch, first, min(first + block_batches, order.num_batches))
        batches.advise(rows)
        if ready is not None:
            batches.check_unchanged(ready)
            yield ready
        ready = rows
    if ready is not None:
        batches.check_unchanged(ready)
        yield ready
