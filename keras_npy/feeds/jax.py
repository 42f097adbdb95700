"""Batches for JAX: on an accelerator already, or as NumPy arrays that JAX uses in place.

On an accelerator, the threads that read ahead put batches there. On the CPU this is the NumPy feed,
held back while JAX still keeps earlier batches. Python may be up to 32 steps ahead of JAX (jaxlib
0.10), and each waiting step keeps its batch. Without a limit, a feed that is faster than the model
would fill the memory with batches.
"""

import functools
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_npy.errors import warn_once
from keras_npy.feeds import jax_cache, jax_placement
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool
from keras_npy.feeds.chunks import chunk_batches
from keras_npy.feeds.jax_placement import Placement
from keras_npy.feeds.nests import map_leaves
from keras_npy.feeds.read_ahead import PLACED_CHUNK_BYTES, READ_AHEAD_CHUNKS, HandOver
from keras_npy.order.position import Position
from keras_npy.types import Array

# Batches gathered ahead or being gathered, one handed over, and two of waiting steps.
IN_USE_BATCHES_MAX = READ_AHEAD_CHUNKS + 3
# Smaller batches are not held back: 32 of them take little memory.
HELD_BACK_BATCH_BYTES = 256 << 10
# A batch that does not come back is either kept for good or used by a step that takes seconds. The
# feed assumes that it is kept when no batch has come back for PATIENCE_S, which doubles each time,
# and for at least PATIENCE_STEPS times the longest wait after which a batch did come back.
PATIENCE_S = 0.5
PATIENCE_STEPS = 4
POLL_S = 0.0005


def make_pool(batches: Batches, user: object) -> BufferPool:
    """A pool for the batches of one feed, in memory from which the device copies fast."""
    if jax_placement.find_placement() is None:
        # Between passes, keep all that a pass had in use. What is freed instead stays with the
        # thread of that pass in the C library, which has a heap for each of eight threads a core:
        # 17 passes of 12 MB in use held 40 MB more than the first.
        in_use_max = IN_USE_BATCHES_MAX * _batch_arrays(batches)
        return numpy_feed.make_pool(batches, user, in_use_max=in_use_max)
    return numpy_feed.make_pool(batches, user, jax_placement.allocator(), PLACED_CHUNK_BYTES)


def iterate(batches: Batches, pool: BufferPool) -> Iterator[tuple[Any, ...]]:
    """As `numpy_feed.iterate`, of arrays on the accelerator if there is one.

    Dtypes stay as they are stored. JAX converts them as it converts arrays that Keras feeds
    (Keras 3.15): without jax_enable_x64 it keeps 32 of every 64 bits.
    """
    if batches.cache is not None:
        _warn_of_dtypes(batches)
        return jax_cache.iterate(batches, batches.cache)
    placement = jax_placement.find_placement()
    if placement is None:
        return iterate_on_host(batches, pool)
    return iterate_placed(batches, pool, _OnDevice(batches, placement), placement.drain)


def iterate_placed(
    batches: Batches, pool: BufferPool, hand_over: HandOver, drain: Callable[[], None]
) -> Iterator[Any]:
    """As `numpy_feed.iterate`, of what `hand_over` makes of each batch.

    `drain` waits until nothing reads the memory from which it was made.
    """
    _warn_of_dtypes(batches)
    try:
        yield from numpy_feed.iterate(batches, numpy_feed.gather_into(pool), hand_over=hand_over)
    finally:
        # The memory is lent to the next pass.
        drain()


class _OnDevice:
    """As `HandOver`: batches on the device."""

    def __init__(self, batches: Batches, placement: Placement) -> None:
        self._batches = batches
        self._placement = placement
        self.chunk_bytes = PLACED_CHUNK_BYTES
        self._num_together = chunk_batches(batches, self.chunk_bytes)

    def put_rows(self, first: int, arrays: list[Array]) -> list[Any]:
        batch_size, num_rows = self._batches.order.batch_size, len(arrays[0])
        is_whole = num_rows == batch_size * self._num_together > batch_size
        if is_whole and not self._placement.is_divided:
            # Two copies and one dispatch for all batches. Each shape is compiled, so only the size
            # that most chunks have is cut on the device.
            parts = _cut()(self._placement.put(tuple(arrays)), self._num_together)
        else:
            starts = range(0, num_rows, batch_size)
            parts = self._placement.put(
                [tuple(a[start : start + batch_size] for a in arrays) for start in starts]
            )
        return parts if self._batches.is_flat else [self._batches.pack(list(p)) for p in parts]

    def put_batches(self, first: int, batches: list[Any]) -> list[Any]:
        placed: list[Any] = self._placement.put(batches)
        return placed


# Compiled once for each shape, by all feeds of the process.
@functools.cache
def _cut() -> Any:
    import jax

    def cut(arrays: tuple[Any, ...], num_parts: int) -> list[Any]:
        parts = [jax.numpy.split(array, num_parts) for array in arrays]
        return list(zip(*parts, strict=True))

    return jax.jit(cut, static_argnums=1)


def iterate_on_host(
    batches: Batches, pool: BufferPool, in_use_max: int = IN_USE_BATCHES_MAX
) -> Iterator[tuple[Any, ...]]:
    """As `numpy_feed.iterate`, but with at most `in_use_max` batches of `pool` in use at once."""
    _warn_of_dtypes(batches)
    gather = numpy_feed.gather_into(pool)
    if batches.batch_bytes < HELD_BACK_BATCH_BYTES:
        return numpy_feed.iterate(batches, gather)
    hold_back = _HoldBack(pool, _batch_arrays(batches), in_use_max)
    return numpy_feed.iterate(batches, gather, hold_back)


def _batch_arrays(batches: Batches) -> int:
    """Arrays of the pool in a batch."""
    # While a batch is mapped, its rows are in use beside what the map returns.
    return len(batches.rows) + (0 if batches.map is None else len(batches.leaves))


class Whole(np.ndarray):
    """Rows that each device gets all of, because the devices cannot share them evenly."""


def take_whole(batches: Batches, position: Position) -> tuple[Any, ...]:
    """One batch in new memory, marked as `Whole`.

    Raises:
        NpyFileError: If a file changed.
    """
    rows = batches.order.rows(position.epoch, position.batch, position.batch + 1)
    batches.check_unchanged(rows)
    return tuple(
        map_leaves(lambda leaf: leaf.view(Whole), part) for part in batches.take(rows, position)
    )


class _HoldBack:
    """Limits the batches in use to `in_use_max`, or to more if the user keeps batches.

    Args:
        pool: Lends the memory.
        batch_arrays: Arrays in a batch.
        in_use_max: Batches that may be in use at once.
    """

    def __init__(self, pool: BufferPool, batch_arrays: int, in_use_max: int) -> None:
        self._pool = pool
        self._batch_arrays = batch_arrays
        self._in_use_least = self._in_use_max = in_use_max * batch_arrays
        self._patience_s = PATIENCE_S

    def has_room(self, num_batches: int) -> bool:
        """Whether this many batches may be gathered now."""
        return self._pool.num_lent + num_batches * self._batch_arrays <= self._in_use_max

    def wait(self, is_stopped: Callable[[], bool]) -> None:
        """Wait until a batch may be gathered, or it is clear that batches are kept, or to stop."""
        num_lent, since_s = self._pool.num_lent, time.monotonic()
        while not self.has_room(1) and not is_stopped():
            # JAX releases the batches of finished steps when Python collects garbage (jax 0.10).
            gc.collect(0)
            time.sleep(POLL_S)
            waited_s = time.monotonic() - since_s
            if self._pool.num_lent < num_lent:
                # Batches do come back, so the limit falls again to what is really in use.
                num_lent, since_s = self._pool.num_lent, time.monotonic()
                self._patience_s = max(self._patience_s, PATIENCE_STEPS * waited_s)
                self._in_use_max = max(self._in_use_least, num_lent)
            elif waited_s >= self._patience_s:
                # The batches are kept. Limit and patience double together: if m times the first
                # limit is kept, all waits together take about m times PATIENCE_S.
                self._in_use_max *= 2
                self._patience_s *= 2


def _warn_of_dtypes(batches: Batches) -> None:
    for leaf in batches.leaves:
        if leaf.dtype.name == "uint64":
            _warn_of_uint64(leaf.name)


def _warn_of_uint64(name: str) -> None:
    """Warn once that large values wrap. int64 wraps too, but it mostly holds small labels."""
    import jax

    if not jax.config.jax_enable_x64:
        warn_once(
            "JAX uint64",
            "JAX holds 64-bit integers in 32 bits, as it does those of arrays: larger values "
            f"wrap. Received: {name} of dtype uint64. Call "
            'jax.config.update("jax_enable_x64", True) first, or save the array as uint32.',
        )
