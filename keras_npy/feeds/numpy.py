"""Batches as an iterator of NumPy arrays, for JAX and torch, gathered while the device works.

A thread gathers the next three batches into recycled memory, and whoever would wait for it gathers
one of them meanwhile. Batches of a few kilobytes are handed over many at a time: a hand-over
between threads costs as much as gathering one of them.
"""

import collections
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from keras_npy.batches import Batches
from keras_npy.buffers import ALIGNMENT_BYTES, BufferPool
from keras_npy.order import Indices
from keras_npy.rows import Rows

Gather: TypeAlias = Callable[[Rows, Indices], Any]

# What is gathered while the device works on what came before. With two, the thread and a caller
# who gathers too wait for each other: 383 us a batch of 3 MB on JAX instead of 322 (two cores).
READ_AHEAD_CHUNKS = 3

# Batches are handed over together up to this size, and one by one above it.
CHUNK_BYTES = 1 << 20

# Batches are copied together up to this size, and are slices of one array then: to make an array
# and fill it takes 10 us. Who keeps one of them keeps the memory of all.
GROUP_BYTES = 256 << 10

# Below, to gather is mostly the interpreter's work, which two threads do no faster than one:
# 91 us a batch of 25 kB on JAX instead of 67 if the caller gathers too, but of 200 kB 117, not 145.
HELPED_BATCH_BYTES = 128 << 10

# A thread that was told to stop does so after the batch that it is gathering. Who waits for it may
# be a garbage collection, which must not wait for ever.
STOP_TIMEOUT_S = 5.0


def make_pool(batches: Batches) -> BufferPool:
    """Memory for the batches of one feed, pass after pass."""
    # One more chunk than is read ahead is in use, and backends let go of arrays late.
    num_chunks = READ_AHEAD_CHUNKS + 2
    return BufferPool(
        num_chunks * _chunk_batches(batches), num_chunks * max(CHUNK_BYTES, batches.batch_bytes)
    )


def gather_into(pool: BufferPool) -> Gather:
    """A function that copies rows into recycled 64-byte-aligned arrays.

    Memory is used again only when nothing refers to the array in it any more: JAX uses aligned
    host memory in place on CPU, and so does `torch.from_numpy`.
    """

    def gather(rows: Rows, indices: Indices) -> Any:
        return rows.take(indices, pool.lend((len(indices), *rows.row_shape), rows.dtype))

    return gather


class HoldBack(Protocol):
    """Says when no more should be gathered, for a backend that lets go of batches late."""

    def has_room(self, num_batches: int) -> bool:
        """Whether so many may be gathered now."""

    def wait(self) -> None:
        """Return when one may be gathered."""


def iterate(
    batches: Batches, gather: Gather, hold_back: HoldBack | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yield each batch as arrays of its own, in the structure of `batches.data`.

    Nothing is read, counted or started before the first batch is asked for: at the end of a pass
    Keras makes an iterator and throws it away (Keras 3.15). The thread ends with the iterator,
    whether that is exhausted, closed, abandoned or interrupted.

    Args:
        batches: What to read.
        gather: Copies rows into memory of their own, in two threads at once.
        hold_back: Says when to wait with the next batch.

    Raises:
        NpyFileError: From `next`, if a file changed; likewise whatever else reading raises.
    """
    ahead = _ReadAhead(batches, batches.start_pass(), gather, hold_back)
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
    """Batches that are handed over together: the rows of all, and later their copies.

    Args:
        begun_epoch: The epoch of a later pass of an endless feed that begins with the chunk.
    """

    def __init__(self, rows: Indices, begun_epoch: int | None) -> None:
        self.rows = rows
        self.begun_epoch = begun_epoch
        self.batches: collections.deque[tuple[Any, ...]] = collections.deque()
        self.error: BaseException | None = None
        self.is_begun_by_caller = False


class _ReadAhead:
    """The thread behind one iterator, which knows nothing of the iterator itself.

    So an iterator that nobody uses any more is collected, and its end stops the thread.
    """

    def __init__(
        self, batches: Batches, epoch: int, gather: Gather, hold_back: HoldBack | None
    ) -> None:
        self._batches = batches
        self._rows = batches.rows
        self._is_flat = all(isinstance(part, Rows) for part in batches.data)
        # Held back by batches: JAX has room for six.
        self._chunk_batches = 1 if hold_back else _chunk_batches(batches)
        group_batches = max(1, GROUP_BYTES // max(batches.batch_bytes, 1))
        self._group_rows = batches.order.batch_size * group_batches
        self._is_helped = batches.batch_bytes >= HELPED_BATCH_BYTES
        self._gather = gather
        self._hold_back = hold_back
        self._is_stopped = False
        self._failure: BaseException | None = None
        # SimpleQueue may be used by finalisers that interrupt it; its put never blocks.
        # All chunks in order, then the error that ended the planning, or None.
        self._planned: queue.SimpleQueue[_Chunk | BaseException | None] = queue.SimpleQueue()
        # Those that nobody gathers yet. Who takes one off gathers it.
        self._not_begun: queue.SimpleQueue[_Chunk] = queue.SimpleQueue()
        # One for each chunk that the thread is done with, which it is in their order.
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Taken for each chunk that is begun, and given back when it is handed over.
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
        """The next batches; `None` after the last. Raise what stopped their being gathered.

        Whoever finds them not ready gathers what comes behind them, instead of only waiting.
        """
        planned = self._planned.get()
        if isinstance(planned, _Chunk):
            self._finish(planned)
            # Both here and nowhere else: a frame of the traceback that held it were a circle.
            chunk, error, planned.error = planned, planned.error or self._failure, None
        else:
            chunk, error = None, planned
        del planned
        if error is not None:
            try:
                raise error
            finally:
                # The exception's traceback holds this frame: without the names, no circle.
                del error, chunk
        self._free_slots.put(None)
        return chunk

    def _finish(self, chunk: _Chunk) -> None:
        """Return when a chunk is gathered, or its error known."""
        while not chunk.is_begun_by_caller and self._done.empty() and self._help():
            pass
        if not chunk.is_begun_by_caller:
            self._done.get()

    def _help(self) -> bool:
        """Gather the next chunk in the caller's thread; whether there was one that may be."""
        if not self._is_helped:
            return False
        # The thread may have begun one and still need room for all of it.
        if self._hold_back and not self._hold_back.has_room(2 * self._chunk_batches):
            return False
        try:
            self._free_slots.get_nowait()
        except queue.Empty:
            return False
        try:
            chunk = self._not_begun.get_nowait()
        except queue.Empty:
            self._free_slots.put(None)
            return False
        chunk.is_begun_by_caller = True
        try:
            self._fill(chunk, None)
        except Exception as error:
            # Raised when its turn comes. Ctrl-C is not: it ends the pass here.
            chunk.error = error
        return True

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
            # Of no chunk, such as a MemoryError: whoever waits for one must not wait for ever.
            self._failure = error
            self._planned.put(error)
            self._done.put(None)

    def _read(self, epoch: int) -> None:
        chunks = self._plan(epoch)
        has_more = True
        while not self._is_stopped:
            # Planned before it is needed: a caller who has nothing to do gathers, and plans not.
            while has_more and self._not_begun.qsize() < READ_AHEAD_CHUNKS:
                has_more = self._plan_one(chunks)
            if not has_more and self._not_begun.empty():
                return
            self._free_slots.get()
            try:
                chunk = self._not_begun.get_nowait()
            except queue.Empty:
                self._free_slots.put(None)
                continue
            try:
                self._fill(chunk, self._hold_back)
            except BaseException as error:
                chunk.error = error
            self._done.put(None)

    def _plan_one(self, chunks: Iterator[_Chunk]) -> bool:
        """Plan a chunk; whether there was one left."""
        try:
            chunk = next(chunks, None)
        except BaseException as error:
            self._planned.put(error)
            return False
        if chunk is not None:
            # In this order: who waits for it must not find that nobody may begin it.
            self._not_begun.put(chunk)
        self._planned.put(chunk)
        return chunk is not None

    def _plan(self, epoch: int) -> Iterator[_Chunk]:
        chunk_rows = self._batches.order.batch_size * self._chunk_batches
        begun_epoch = None
        while True:
            for rows in _blocks(self._batches, epoch):
                for start in range(0, len(rows), chunk_rows):
                    yield _Chunk(rows[start : start + chunk_rows], begun_epoch)
                    begun_epoch = None
            if not self._batches.is_endless:
                return
            epoch += 1
            begun_epoch = epoch

    def _fill(self, chunk: _Chunk, hold_back: HoldBack | None) -> None:
        for first in range(0, len(chunk.rows), self._group_rows):
            if self._is_stopped:
                return
            if hold_back:
                hold_back.wait()
            indices = chunk.rows[first : first + self._group_rows]
            chunk.batches.extend(
                map(
                    self._pack,
                    zip(*[self._take(rows, indices) for rows in self._rows], strict=True),
                )
            )

    def _take(self, rows: Rows, indices: Indices) -> list[Any]:
        """One array for each batch of these rows."""
        batch_size = self._batches.order.batch_size
        if len(indices) <= batch_size:
            return [self._gather(rows, indices)]
        starts = range(0, len(indices), batch_size)
        if batch_size * rows.row_bytes % ALIGNMENT_BYTES:
            return [self._gather(rows, indices[start : start + batch_size]) for start in starts]
        group = self._gather(rows, indices)
        return [group[start : start + batch_size] for start in starts]

    def _pack(self, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
        return leaves if self._is_flat else self._batches.pack(list(leaves))


def _chunk_batches(batches: Batches) -> int:
    return max(1, min(CHUNK_BYTES // max(batches.batch_bytes, 1), batches.block_batches))


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
