"""Batches as NumPy arrays, for JAX and torch, gathered while the device works."""

from collections.abc import Iterator
from typing import Any

from keras_npy.feeds import cores
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import Allocate, BufferPool, aligned_memory, is_aligned
from keras_npy.feeds.chunks import CHUNK_BYTES, Gather, chunk_batches
from keras_npy.feeds.read_ahead import READ_AHEAD_CHUNKS, HandOver, HoldBack, ReadAhead
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices


def make_pool(
    batches: Batches,
    user: object = None,
    allocate: Allocate = aligned_memory,
    chunk_bytes: int | None = None,
    in_use_max: int = 0,
) -> BufferPool:
    """A pool for the batches of one feed, which all its passes share while `user` lives.

    `chunk_bytes` is the size of the feed's chunks, if it is not that of the host's. `in_use_max` is
    the number of arrays of one size that the backend may keep in use.
    """
    chunk_bytes = chunk_bytes or CHUNK_BYTES
    # Besides the chunks read ahead, one is in use, and one more because backends release late.
    num_chunks = max(READ_AHEAD_CHUNKS, cores.num_readers(batches.batch_bytes)) + 2
    return BufferPool(
        max(num_chunks * chunk_batches(batches, chunk_bytes), in_use_max),
        max(num_chunks * max(chunk_bytes, batches.batch_bytes), in_use_max * batches.batch_bytes),
        user=user,
        allocate=allocate,
    )


def gather_into(pool: BufferPool) -> Gather:
    """Copy rows, and what a map returns, into recycled 64-byte-aligned arrays.

    On the CPU, JAX and `torch.from_numpy` use aligned memory in place. So memory is reused only
    when nothing refers to the array in it.
    """

    def gather(rows: Rows, indices: Indices) -> Any:
        array = pool.lend((len(indices), *rows.row_shape), rows.dtype)
        rows.read_into(indices, array)
        return array

    def place(array: Array, is_ours: bool) -> Any:
        if is_ours and is_aligned(array) and array.dtype.isnative:
            return array
        copy = pool.lend(array.shape, array.dtype.newbyteorder("="))
        copy[...] = array
        return copy

    return Gather(gather, place)


def iterate(
    batches: Batches,
    gather: Gather,
    hold_back: HoldBack | None = None,
    hand_over: HandOver | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Yield each batch as arrays of its own, in the structure of a batch.

    The iterator reads nothing and starts no thread before its first batch is asked for: at the
    end of a pass Keras makes an iterator and throws it away (Keras 3.15). Its threads end with
    the iterator, however that ends: exhausted, closed, abandoned or interrupted.

    Args:
        batches: What to read.
        gather: Copies rows into new or recycled memory; several threads may call it at once.
        hold_back: Says when to wait with the next batch.
        hand_over: Moves gathered batches to a device, in the threads that gather.

    Raises:
        NpyFileError: From `next`, if a file changed. Any other error of reading comes so too.
    """
    ahead = ReadAhead(batches, batches.position(), gather, hold_back, hand_over)
    try:
        ahead.start()
        while (chunk := ahead.next_chunk()) is not None:
            # Bind no name to a batch here: it would keep the batch's memory in use for longer.
            while chunk.batches:
                yield chunk.batches.popleft()
    finally:
        ahead.stop()
