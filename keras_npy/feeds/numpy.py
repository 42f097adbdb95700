"""Batches as an iterator of NumPy arrays, for JAX and torch, gathered while the device works.

A thread gathers the next three chunks of batches into recycled memory, and whoever would wait for
it gathers some of them meanwhile: large batches, each of which is a chunk.
"""

import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool
from keras_npy.feeds.chunks import CHUNK_BYTES, Chunk, Chunks, Gather, chunk_batches
from keras_npy.rows.base import Rows
from keras_npy.types import Indices

# What is gathered while the device works on what came before. With two, the thread and a caller
# who gathers too wait for each other: 383 us a batch of 3 MB on JAX instead of 322 (two cores).
READ_AHEAD_CHUNKS = 3

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
        num_chunks * chunk_batches(batches), num_chunks * max(CHUNK_BYTES, batches.batch_bytes)
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


class _ReadAhead:
    """The thread behind one iterator, which knows nothing of the iterator itself.

    So an iterator that nobody uses any more is collected, and its end stops the thread.
    """

    def __init__(
        self, batches: Batches, epoch: int, gather: Gather, hold_back: HoldBack | None
    ) -> None:
        # Held back by batches, they are handed over one by one.
        self._chunks = Chunks(batches, gather, 1 if hold_back else chunk_batches(batches))
        self._is_helped = batches.batch_bytes >= HELPED_BATCH_BYTES
        self._hold_back = hold_back
        self._is_stopped = False
        self._failure: BaseException | None = None
        # SimpleQueue may be used by finalisers that interrupt it; its put never blocks.
        # All chunks in order, then None.
        self._planned: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        # Those that nobody gathers yet. Who takes one off gathers it.
        self._not_begun: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
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

    def next_chunk(self) -> Chunk | None:
        """The next batches; `None` after the last. Raise what stopped their being gathered.

        Whoever finds them not ready gathers what comes behind them, instead of only waiting.
        """
        chunk = self._planned.get()
        if chunk is None:
            return None
        self._finish(chunk)
        # In no other frame and in no object: the traceback, which holds them, were a circle.
        error, chunk.error = chunk.error or self._failure, None
        if error is not None:
            try:
                raise error
            finally:
                # The exception's traceback holds this frame: without the names, no circle.
                del error, chunk
        self._free_slots.put(None)
        return chunk

    def _finish(self, chunk: Chunk) -> None:
        """Return when a chunk is gathered, or its error known."""
        while not chunk.is_begun_by_caller and self._done.empty() and self._help():
            pass
        if not chunk.is_begun_by_caller:
            self._done.get()

    def _help(self) -> bool:
        """Gather the next chunk in the caller's thread; whether there was one that may be."""
        if not self._is_helped:
            return False
        # For this one, and for one that the thread may have begun.
        if self._hold_back and not self._hold_back.has_room(2):
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
            self._planned.put(Chunk())
            self._done.put(None)

    def _read(self, epoch: int) -> None:
        chunks = self._chunks.plan(epoch)
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

    def _plan_one(self, chunks: Iterator[Chunk]) -> bool:
        """Plan a chunk; whether there was one left."""
        try:
            chunk = next(chunks, None)
        except BaseException as error:
            chunk = Chunk(error=error)
        if chunk is not None:
            # In this order: who waits for it must not find that nobody may begin it.
            self._not_begun.put(chunk)
        self._planned.put(chunk)
        return chunk is not None

    def _fill(self, chunk: Chunk, hold_back: HoldBack | None) -> None:
        for indices in self._chunks.groups(chunk):
            if self._is_stopped:
                return
            if hold_back:
                hold_back.wait()
            chunk.batches.extend(self._chunks.gather(indices))
