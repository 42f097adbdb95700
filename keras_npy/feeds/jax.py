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
# No longer than this is waited for a batch, which may be kept for good.
PATIENCE_S = 0.25
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
    in_use_max = IN_USE_BATCHES_MAX * len(batches.rows)

    def gather_when_free(rows: Rows, indices: Indices) -> Any:
        nonlocal in_use_max
        deadline = time.monotonic() + PATIENCE_S
        while pool.num_lent >= in_use_max:
            if time.monotonic() >= deadline:
                # They are kept, or the steps are long ones: a few waits, not one for each.
                in_use_max *= 2
                break
            # JAX lets go of what its steps have used when Python collects garbage (jax 0.10).
            gc.collect(0)
            time.sleep(POLL_S)
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
