"""Batches for JAX: the NumPy feed, held back while JAX has not used what it was given.

JAX runs steps later than Python asks for them, up to 32 on the CPU (jaxlib 0.10), and each keeps
its batch until then. A feed that is faster than the model would fill memory with batches.
"""

import gc
import time
import warnings
from collections.abc import Iterator
from typing import Any

from keras_npy.batches import Batches
from keras_npy.buffers import BufferPool
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.order import Indices
from keras_npy.rows import Rows

# Two gathered ahead, one being gathered, one handed over, and two steps that wait to be run.
IN_USE_BATCHES_MAX = 6
# Of smaller batches, JAX's 32 are no matter.
HELD_BACK_BATCH_BYTES = 256 << 10
# Batches may be kept for good, and a step may take seconds. They are taken to be kept when nothing
# came back for this long, which doubles each time, and for so many times the longest that it took.
PATIENCE_S = 0.5
PATIENCE_STEPS = 4
POLL_S = 0.0005


def iterate(batches: Batches, pool: BufferPool) -> Iterator[tuple[Any, ...]]:
    """As `numpy_feed.iterate`, with memory of `pool`.

    Dtypes are left as they are stored: JAX itself makes of them what it makes of Keras's arrays
    (Keras 3.15), which without jax_enable_x64 is 32 bits of every 64.
    """
    for rows in batches.rows:
        if rows.dtype.name == "uint64":
            _warn_of_uint64(rows.name)
    gather = numpy_feed.gather_into(pool)
    batch_bytes = batches.order.batch_size * sum(rows.row_bytes for rows in batches.rows)
    if batch_bytes < HELD_BACK_BATCH_BYTES:
        return numpy_feed.iterate(batches, gather)
    in_use_least = in_use_max = IN_USE_BATCHES_MAX * len(batches.rows)
    patience_s = PATIENCE_S

    def gather_when_free(rows: Rows, indices: Indices) -> Any:
        nonlocal in_use_max, patience_s
        num_lent, since_s = pool.num_lent, time.monotonic()
        while num_lent >= in_use_max:
            # JAX lets go of what its steps have used when Python collects garbage (jax 0.10).
            gc.collect(0)
            time.sleep(POLL_S)
            waited_s = time.monotonic() - since_s
            if pool.num_lent < num_lent:
                # They do come back: what was lent in impatience is not lent again.
                num_lent, since_s = pool.num_lent, time.monotonic()
                patience_s = max(patience_s, PATIENCE_STEPS * waited_s)
                in_use_max = max(in_use_least, num_lent)
            elif waited_s >= patience_s:
                # They are kept. All waits together are as many times PATIENCE_S as there are times
                # IN_USE_BATCHES_MAX batches kept.
                in_use_max *= 2
                patience_s *= 2
        return gather(rows, indices)

    return numpy_feed.iterate(batches, gather_when_free)


_SAID: set[str] = set()


def _warn_of_uint64(name: str) -> None:
    """Say once that values wrap. int64 does too, but holds labels, which everyone has."""
    import jax

    if "uint64" not in _SAID and not jax.config.jax_enable_x64:
        _SAID.add("uint64")
        warnings.warn(
            "JAX holds 64-bit integers in 32 bits, as it does those of arrays: larger values "
            f"wrap. Received: {name} of dtype uint64. Call "
            'jax.config.update("jax_enable_x64", True) first, or save the array as uint32.',
            stacklevel=4,
        )
