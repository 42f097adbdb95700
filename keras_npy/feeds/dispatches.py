"""Which batches one dispatch gathers from rows on the device."""

from collections.abc import Iterator

import numpy as np

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.plan import Plan
from keras_npy.order.slots import Slots
from keras_npy.types import Indices

# What one dispatch gathers: so many bytes that it costs each batch little, and few enough for the
# memory of the device.
GATHERED_BYTES = 64 << 20
GATHERED_BATCHES_MAX = 32


def slots_of_dispatches(batches: Batches, slots: Slots) -> Iterator[Indices]:
    """Yield where the rows of batches lie, `(n, b)` for `n` batches that are gathered together.

    `n` is the same for all but the last ones of a pass, which come one by one: a backend that
    compiles, such as JAX, compiles for each shape.
    """
    order = batches.order
    num_together = batches_together(batches)
    plan = Plan(batches, batches.position(), num_together)
    for number in plan.numbers():
        first, last = plan.bounds(number)
        places = slots.of(order.rows(first.epoch, first.batch, last))
        if len(places) == num_together * order.batch_size:
            yield places.reshape(num_together, -1)
            continue
        for start in range(0, len(places), order.batch_size):
            yield places[np.newaxis, start : start + order.batch_size]


def batches_together(batches: Batches) -> int:
    """The number of batches that one dispatch gathers."""
    most = min(GATHERED_BATCHES_MAX, GATHERED_BYTES // max(batches.batch_bytes, 1))
    num_full = batches.order.num_samples // batches.order.batch_size
    return max(1, min(most, num_full))
