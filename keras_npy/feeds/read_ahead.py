"""The threads that gather batches ahead of their use, and the caller that helps them."""

import collections
import itertools
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

from keras_npy import errors
from keras_npy.feeds import cores
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.chunks import Chunk, Chunks, Gather, chunk_batches
from keras_npy.order.position import Position
from keras_npy.types import Array

# Chunks that are gathered while the device works on an earlier one. With two, the thread and a
# caller that helps wait for each other: 383 us for a batch of 3 MB on JAX, against 322 with three
# (two cores).
READ_AHEAD_CHUNKS = 3

# Bytes of a chunk that threads put on a device; a larger batch is a chunk of its own. Each call of
# a thread takes the interpreter from the steps, so small batches are put there together.
PLACED_CHUNK_BYTES = 16 << 20

Batch: TypeAlias = tuple[Any, ...]


class HandOver(Protocol):
    """Puts what a thread has gathered where the backend wants it, in that thread."""

    chunk_bytes: int
    """Bytes of a chunk, as far as it holds more than one batch."""

    def put_rows(self, first: int, arrays: list[Array]) -> Iterable[Any]:
        """The batches of a chunk, of its rows: an array for each leaf. `first` numbers them."""

    def put_batches(self, first: int, batches: list[Batch]) -> Iterable[Any]:
        """The same, of batches that a map has made."""


# The caller helps with batches of this size and above. Gathering smaller ones is mostly work of the
# interpreter, which two threads do no faster than one. With help, a batch of 25 kB on JAX takes
# 91 us instead of 67, but one of 200 kB takes 117 instead of 145.
HELPED_BATCH_BYTES = 128 << 10

# A stopped thread first finishes the batch that it is gathering. The caller that waits for it may
# be a garbage collection, which must not wait for ever.
STOP_TIMEOUT_S = 5.0


class HoldBack(Protocol):
    """Says when to gather no more, for a backend that releases batches late."""

    def has_room(self, num_batches: int) -> bool:
        """Whether this many batches may be gathered now."""

    def wait(self, is_stopped: Callable[[], bool]) -> None:
        """Wait until a batch may be gathered, or nobody wants it any more."""


class ReadAhead:
    """The threads behind one iterator. They hold no reference to the iterator.

    So Python frees an iterator that is no longer used, and the end of the iterator stops the
    threads.

    The first thread plans chunks in order. Whichever thread claims a chunk gathers it: one of
    these, or a caller that would otherwise wait. At most `READ_AHEAD_CHUNKS` chunks are claimed
    but not yet handed over, or as many as there are threads.

    Args:
        batches: What to read.
        start: Where to begin.
        gather: Copies rows into new or recycled memory; several threads may call it at once.
        hold_back: Says when to wait with the next batch.
        hand_over: Moves gathered batches to a device. The caller then gathers none: it is the one
            that dispatches the steps.
    """

    def __init__(
        self,
        batches: Batches,
        start: Position,
        gather: Gather,
        hold_back: HoldBack | None,
        hand_over: HandOver | None = None,
    ) -> None:
        chunk_bytes = None if hand_over is None else hand_over.chunk_bytes
        # A feed that is held back counts single batches, so each batch is a chunk of its own.
        num_batches = 1 if hold_back else chunk_batches(batches, chunk_bytes)
        self._chunks = Chunks(batches, gather, num_batches)
        self._is_helped = hand_over is None and batches.batch_bytes >= HELPED_BATCH_BYTES
        self._hold_back, self._hand_over = hold_back, hand_over
        self._is_stopped = False
        # A SimpleQueue may be used by a finaliser that interrupts it, and its put never blocks.
        # All chunks in order, then None.
        self._planned: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._has_more = True
        # Chunks that no thread has claimed, in order. A thread claims a chunk by taking it off.
        self._unclaimed: collections.deque[Chunk] = collections.deque()
        self._claiming = threading.Lock()
        self._num_handed_over = 0
        readers = cores.num_readers(batches.batch_bytes)
        self._num_ahead = max(READ_AHEAD_CHUNKS, readers)
        # An item tells the thread that waits for it to look again.
        self._news: list[queue.SimpleQueue[None]] = [queue.SimpleQueue() for _ in range(readers)]
        plan = self._chunks.plan(start)
        self._threads = [
            self._thread(plan if number == 0 else None, news)
            for number, news in enumerate(self._news)
        ]
        self._process = os.getpid()

    def _thread(
        self, plan: Iterator[Chunk] | None, news: queue.SimpleQueue[None]
    ) -> threading.Thread:
        # A daemon thread, because the interpreter waits for all others before it frees an iterator
        # that was never closed.
        return threading.Thread(
            target=errors.context_of_caller().run,
            args=(self._run, plan, news),
            name="keras_npy read-ahead",
            daemon=True,
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def next_chunk(self) -> Chunk | None:
        """Return the next chunk, or `None` after the last; raise the error that stopped it.

        If the chunk is not ready, the caller gathers it, or a later one, in the meantime.

        Raises:
            RuntimeError: In a forked child, which has no copy of the thread.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                "A pass ends in the process that began it, because a forked process has no copy "
                f"of the thread that reads ahead. Received: an iterator of process "
                f"{self._process} in process {os.getpid()}. Make a new iterator in the child."
            )
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
        """End the threads and wait for them. Idempotent."""
        self._is_stopped = True
        self._tell()
        for thread in self._threads:
            # A garbage collection may call this in the thread itself, and at interpreter exit the
            # threads no longer run: waiting would never end. `start` may have been interrupted.
            if (
                thread.is_alive()
                and thread is not threading.current_thread()
                and not sys.is_finalizing()
            ):
                thread.join(STOP_TIMEOUT_S)
        self._drop_errors()

    def _drop_errors(self) -> None:
        """Forget the errors of chunks that are not handed over.

        Such an error's traceback refers to frames that refer to its chunk. The reference cycle
        would keep memory of batches in use until a garbage collection.
        """
        while not self._planned.empty():
            chunk = self._planned.get()
            if chunk is not None:
                chunk.error = None

    def _tell(self) -> None:
        # One item is enough: a thread looks at everything after it has taken it.
        for news in self._news:
            if news.empty():
                news.put(None)

    def _claim(self) -> Chunk | None:
        """Claim the first unclaimed chunk, if it may be gathered already."""
        with self._claiming:
            if self._unclaimed and (
                self._unclaimed[0].number < self._num_handed_over + self._num_ahead
            ):
                return self._unclaimed.popleft()
        return None

    def _help(self) -> bool:
        """Gather a chunk in the caller's thread; return whether there was one."""
        if not self._is_helped:
            return False
        # Room for this chunk, and for one that the thread may be gathering.
        if self._hold_back and not self._hold_back.has_room(2):
            return False
        chunk = self._claim()
        if chunk is None:
            return False
        # There may be none left to claim, and the thread waits until it may plan more.
        self._tell()
        try:
            self._fill(chunk, None)
        except Exception as error:
            # The error is raised when the chunk's turn comes. Ctrl-C ends the pass at once.
            chunk.finish(error)
        else:
            chunk.finish()
        return True

    def _is_over(self) -> bool:
        return self._is_stopped

    def _run(self, plan: Iterator[Chunk] | None, news: queue.SimpleQueue[None]) -> None:
        try:
            self._read(plan, news)
        except BaseException as error:
            # This thread itself failed, for example with a MemoryError. The caller may be waiting
            # for any chunk and must not wait for ever. With the lock: a caller that claims the
            # last chunk in between would end this loop with an IndexError.
            with self._claiming:
                while self._unclaimed:
                    self._unclaimed.popleft().finish(error)
            self._planned.put(_failed(error))
            self._has_more = False
            self._tell()

    def _read(self, plan: Iterator[Chunk] | None, news: queue.SimpleQueue[None]) -> None:
        while not self._is_stopped:
            if plan is not None:
                self._plan_ahead(plan)
            chunk = self._claim()
            if chunk is not None:
                self._gather(chunk)
            elif self._has_more or self._unclaimed:
                news.get()
            else:
                # The other threads may wait for chunks that this one has claimed.
                self._tell()
                return

    def _plan_ahead(self, plan: Iterator[Chunk]) -> None:
        # Plan ahead here, because a caller that helps only gathers; it never plans.
        while self._has_more and len(self._unclaimed) < self._num_ahead:
            self._has_more = self._plan_one(plan)
            if len(self._threads) > 1:
                self._tell()

    def _plan_one(self, chunks: Iterator[Chunk]) -> bool:
        """Plan a chunk; return whether there was one left."""
        try:
            chunk = next(chunks, None)
        except BaseException as error:
            # The caller raises the error after the chunks that were planned before it.
            self._planned.put(_failed(error))
            return False
        if chunk is not None:
            # Add it to the unclaimed chunks first: a caller that gets it must be able to claim it.
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
        if self._hand_over is not None:
            chunk.batches.extend(self._placed(chunk, self._hand_over))
            return
        for start, indices in self._chunks.groups(chunk):
            if hold_back:
                hold_back.wait(self._is_over)
            if self._is_stopped:
                return
            chunk.batches.extend(self._chunks.gather(start, indices))

    def _placed(self, chunk: Chunk, hand_over: HandOver) -> Iterable[Any]:
        first = chunk.start.batch
        if not self._chunks.are_mapped:
            return hand_over.put_rows(first, self._chunks.gather_rows(chunk))
        groups = itertools.starmap(self._chunks.gather, self._chunks.groups(chunk))
        return hand_over.put_batches(first, list(itertools.chain.from_iterable(groups)))


def _failed(error: BaseException) -> Chunk:
    """A chunk without batches that raises an error when its turn comes."""
    chunk = Chunk(-1)
    chunk.finish(error)
    return chunk
