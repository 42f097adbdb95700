"""Batches for JAX: the NumPy feed, held back while JAX has not used what it was given.

JAX runs steps later than Python asks for them, up to 32 on the CPU (jaxlib 0.10), and each keeps
its batch until then. A feed that is faster than the model would fill memory with batches.
"""

import gc
import time
from collections.abc import Iterator
from typing import Any

from keras_npy.errors import warn_once
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool

# Three gathered ahead or being gathered, one handed over, and two steps that wait to be run.
IN_USE_BATCHES_MAX = 6
# Of smaller batches, JAX's 32 are no matter.
HELD_BACK_BATCH_BYTES = 256 << 10
# Batches may be kept for good, and a step may take seconds. They are taken to be kept when nothing
# came back for this long, which doubles each time, and for so many times the longest that it took.
PATIENCE_S = 0.5
PATIENCE_STEPS = 4
POLL_S = 0.0005


def iterate(
    batches: Batches, pool: BufferPool, in_use_max: int = IN_USE_BATCHES_MAX
) -> Iterator[tuple[Any, ...]]:
    """As `numpy_feed.iterate`, with memory of `pool`, of `in_use_max` batches at once.

    Dtypes are left as they are stored: JAX itself makes of them what it makes of Keras's arrays
    (Keras 3.15), which without jax_enable_x64 is 32 bits of every 64.
    """
    for rows in batches.rows:
        if rows.dtype.name == "uint64":
            _warn_of_uint64(rows.name)
    gather = numpy_feed.gather_into(pool)
    if batches.batch_bytes < HELD_BACK_BATCH_BYTES:
        return numpy_feed.iterate(batches, gather)
    return numpy_feed.iterate(batches, gather, _HoldBack(pool, len(batches.rows), in_use_max))


class _HoldBack:
    """As many arrays in use as `in_use_max` batches have, unless more are kept.

    Args:
        pool: Lends the memory.
        batch_arrays: Arrays of a batch.
        in_use_max: Batches in use at once.
    """

    def __init__(self, pool: BufferPool, batch_arrays: int, in_use_max: int) -> None:
        self._pool = pool
        self._batch_arrays = batch_arrays
        self._in_use_least = self._in_use_max = in_use_max * batch_arrays
        self._patience_s = PATIENCE_S

    def has_room(self, num_batches: int) -> bool:
        """Whether so many may be gathered now."""
        return self._pool.num_lent + num_batches * self._batch_arrays <= self._in_use_max

    def wait(self) -> None:
        """Return when one may be gathered, or patience has come to its end."""
        num_lent, since_s = self._pool.num_lent, time.monotonic()
        while not self.has_room(1):
            # JAX lets go of what its steps have used when Python collects garbage (jax 0.10).
            gc.collect(0)
            time.sleep(POLL_S)
            waited_s = time.monotonic() - since_s
            if self._pool.num_lent < num_lent:
                # They do come back: what was lent in impatience is not lent again.
                num_lent, since_s = self._pool.num_lent, time.monotonic()
                self._patience_s = max(self._patience_s, PATIENCE_STEPS * waited_s)
                self._in_use_max = max(self._in_use_least, num_lent)
            elif waited_s >= self._patience_s:
                # They are kept. All waits together are as many times PATIENCE_S as there are times
                # the most batches at once kept.
                self._in_use_max *= 2
                self._patience_s *= 2


def _warn_of_uint64(name: str) -> None:
    """Say once that values wrap. int64 does too, but holds labels, which everyone has."""
    import jax

    if not jax.config.jax_enable_x64:
        warn_once(
            "JAX uint64",
            "JAX holds 64-bit integers in 32 bits, as it does those of arrays: larger values "
            f"wrap. Received: {name} of dtype uint64. Call "
            'jax.config.update("jax_enable_x64", True) first, or save the array as uint32.',
        )
