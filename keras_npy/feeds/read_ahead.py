"""The thread that gathers batches ahead of their use, and the caller that helps it."""

import collections
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Protocol

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.chunks import Chunk, Chunks, Gather, chunk_batches
from keras_npy.order.position import Position

# What is gathered while the device works on what came before. With two, the thread and a caller
# that gathers too wait for each other: 383 us a batch of 3 MB on JAX instead of 322 (two cores).
READ_AHEAD_CHUNKS = 3

# Below, to gather is mostly the interpreter's work, which two threads do no faster than one:
# 91 us a batch of 25 kB on JAX instead of 67 if the caller gathers too, but of 200 kB 117, not 145.
HELPED_BATCH_BYTES = 128 << 10

# A thread that was told to stop does so after the batch that it is gathering. A garbage collection
# may be what waits for it, which must not wait for ever.
STOP_TIMEOUT_S = 5.0


class HoldBack(Protocol):
    """Says when no more should be gathered, for a backend that lets go of batches late."""

    def has_room(self, num_batches: int) -> bool:
        """Whether so many may be gathered now."""

    def wait(self) -> None:
        """Return when one may be gathered."""


class ReadAhead:
    """The thread behind one iterator, which knows nothing of the iterator itself.

    So an iterator that nobody uses any more is collected, and its end stops the thread.

    The thread plans chunks in order. A chunk is gathered by whichever thread claims it: this one,
    or a caller that would only wait. At most `READ_AHEAD_CHUNKS` are claimed and not handed over.

    Args:
        batches: What to read.
        start: Where to begin.
        gather: Copies rows into memory of their own, in two threads at once.
        hold_back: Says when to wait with the next batch.
    """

    def __init__(
        self, batches: Batches, start: Position, gather: Gather, hold_back: HoldBack | None
    ) -> None:
        # Held back by batches, they are handed over one by one.
        self._chunks = Chunks(batches, gather, 1 if hold_back else chunk_batches(batches))
        self._is_helped = batches.batch_bytes >= HELPED_BATCH_BYTES
        self._hold_back = hold_back
        self._is_stopped = False
        # SimpleQueue may be used by finalisers that interrupt it; its put never blocks.
        # All chunks in order, then None.
        self._planned: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        # Tells the thread, which may wait, that it should look again.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Those that no thread has claimed, in order. Whichever thread takes one off has claimed it.
        self._unclaimed: collections.deque[Chunk] = collections.deque()
        self._claiming = threading.Lock()
        self._num_handed_over = 0
        # A daemon: the interpreter would wait for any other before it frees a forgotten iterator.
        self._thread = threading.Thread(
            target=self._run, args=(start,), name="keras_npy read-ahead", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def next_chunk(self) -> Chunk | None:
        """The next batches; `None` after the last. Raise what stopped their being gathered.

        A caller that finds them not ready gathers them, or what comes behind them.
        """
        chunk = self._planned.get()
        if chunk is None:
            return None
        while not chunk.is_finished and self._help():
            pass
        chunk.wait()
        # Keep no other reference to the exception: its traceback refers to this frame, and the
        # two would form a reference cycle.
        error, chunk.error = chunk.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error, chunk
        self._num_handed_over += 1
        self._tell()
        return chunk

    def stop(self) -> None:
        """End the thread and wait for it. Idempotent."""
        self._is_stopped = True
        self._tell()
        # A garbage collection may run in the thread itself, and none runs at interpreter exit.
        if (
            self._thread.is_alive()
            and self._thread is not threading.current_thread()
            and not sys.is_finalizing()
        ):
            self._thread.join(STOP_TIMEOUT_S)

    def _tell(self) -> None:
        # One word is enough: the thread looks at everything after it has taken it.
        if self._news.empty():
            self._news.put(None)

    def _claim(self) -> Chunk | None:
        """The first chunk that no thread has claimed, if it may be gathered already."""
        with self._claiming:
            if self._unclaimed and (
                self._unclaimed[0].number < self._num_handed_over + READ_AHEAD_CHUNKS
            ):
                return self._unclaimed.popleft()
        return None

    def _help(self) -> bool:
        """Gather a chunk in the caller's thread; whether there was one to gather."""
        if not self._is_helped:
            return False
        # For this one, and for one that the thread may have begun.
        if self._hold_back and not self._hold_back.has_room(2):
            return False
        chunk = self._claim()
        if chunk is None:
            return False
        try:
            self._fill(chunk, None)
        except Exception as error:
            # Raised when its turn comes. Ctrl-C is not: it ends the pass here.
            chunk.finish(error)
        else:
            chunk.finish()
        return True

    def _run(self, start: Position) -> None:
        try:
            self._read(self._chunks.plan(start))
        except BaseException as error:
            # An error of this thread itself, such as a MemoryError. The caller, which may wait for
            # any chunk, must not wait for ever.
            # With the lock: a caller that claims the last of them meanwhile would end this thread.
            with self._claiming:
                while self._unclaimed:
                    self._unclaimed.popleft().finish(error)
            self._planned.put(_failed(error))

    def _read(self, chunks: Iterator[Chunk]) -> None:
        has_more = True
        while not self._is_stopped:
            # Plan ahead here, because a caller that helps only gathers; it never plans.
            while has_more and len(self._unclaimed) < READ_AHEAD_CHUNKS:
                has_more = self._plan_one(chunks)
            chunk = self._claim()
            if chunk is not None:
                self._gather(chunk)
            elif has_more or self._unclaimed:
                self._news.get()
            else:
                return

    def _plan_one(self, chunks: Iterator[Chunk]) -> bool:
        """Plan a chunk; whether there was one left."""
        try:
            chunk = next(chunks, None)
        except BaseException as error:
            # Raised behind the chunks that were planned before.
            self._planned.put(_failed(error))
            return False
        if chunk is not None:
            # In this order: a caller that waits for it must find that it may claim it.
            self._unclaimed.append(chunk)
        self._planned.put(chunk)
        return chunk is not None

    def _gather(self, chunk: Chunk) -> None:
        try:
            self._fill(chunk, self._hold_back)
        except BaseException as error:
            chunk.finish(error)
        else:
            chunk.finish()

    def _fill(self, chunk: Chunk, hold_back: HoldBack | None) -> None:
        for indices in self._chunks.groups(chunk):
            if self._is_stopped:
                return
            if hold_back:
                hold_back.wait()
            chunk.batches.extend(self._chunks.gather(indices))


def _failed(error: BaseException) -> Chunk:
    """A chunk of no batches, in whose place an error is raised."""
    chunk = Chunk(-1)
    chunk.finish(error)
    return chunk
