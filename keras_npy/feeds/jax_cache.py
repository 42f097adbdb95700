"""Batches that JAX gathers from rows on the device, several in one dispatch.

One dispatch for each batch would cost more than its rows: 200 us beside a step of 430 (H100).
"""

import collections
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_npy.feeds import jax_placement
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.device_cache import DeviceCache
from keras_npy.feeds.dispatches import slots_of_dispatches
from keras_npy.machine import free_memory_bytes
from keras_npy.order.slots import Slots
from keras_npy.order.super_batches import SuperBatchOrder
from keras_npy.rows.base import Rows
from keras_npy.rows.cached import blocks_of
from keras_npy.types import Indices


def iterate(batches: Batches, cache: DeviceCache) -> Iterator[Any]:
    """Yield batches on the device, in the structure of a batch.

    Nothing is put there before the first batch is asked for.

    Raises:
        ValueError: If several devices share a batch, or the device has no room for the rows.
    """
    arrays = _arrays(batches, cache)
    for slots in slots_of_dispatches(batches, cache.slots):
        gathered = collections.deque(_gather_each()(arrays, _numbers(slots)))
        # Bind no name to a batch here: it would keep the batch's memory in use for longer.
        while gathered:
            yield _pack(batches, gathered.popleft())


def iterate_super_batches(
    batches: Batches, order: SuperBatchOrder, cache: DeviceCache
) -> Iterator[Any]:
    """Yield super-batches on the device; a list of batches where these are not alike.

    Args:
        batches: What to read, in the order of the super-batches.
        order: The order of `batches`.
        cache: The rows.
    """
    arrays = _arrays(batches, cache)
    epoch = batches.position().epoch
    for number in range(order.num_batches):
        slots = cache.slots.of(order.rows(epoch, number, number + 1))
        if order.is_even(number):
            yield _pack(batches, _gather()(arrays, _numbers(slots.reshape(order.num_parts, -1))))
            continue
        sizes = order.part_sizes(number)
        starts = range(0, len(slots), order.batch_size // order.num_parts)
        parts = [slots[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        yield [_pack(batches, _gather()(arrays, _numbers(part))) for part in parts]


def _pack(batches: Batches, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
    return leaves if batches.is_flat else batches.pack(list(leaves))


def _numbers(slots: Indices) -> Any:
    # JAX holds them in 32 bits anyway, unless it is told otherwise.
    return slots.astype(np.int32)


def _arrays(batches: Batches, cache: DeviceCache) -> tuple[Any, ...]:
    if keras.distribution.distribution() is not None:
        raise ValueError(
            'cache="device" keeps all rows on one device. '
            "Received: a keras.distribution, which divides each batch among devices. "
            'Leave cache out, or pass cache="ram".'
        )
    return tuple(cache.arrays(batches.rows, JaxDevice(jax_placement.device_of_thread())))


# Functions that are compiled once for each shape, by all feeds of the process.
@functools.cache
def _gather() -> Any:
    import jax

    # All numbers are those of rows that are there.
    return jax.jit(
        lambda arrays, slots: tuple(array.at[slots].get(mode="clip") for array in arrays)
    )


@functools.cache
def _gather_each() -> Any:
    import jax

    gather = _gather()
    return jax.jit(lambda arrays, slots: [gather(arrays, one) for one in slots])


@functools.cache
def _put_block() -> Any:
    import jax

    def put(array: Any, block: Any, start: Any) -> Any:
        return jax.lax.dynamic_update_slice_in_dim(array, block, start, axis=0)

    # In place: the device never holds the rows twice.
    return jax.jit(put, donate_argnums=0)


class JaxDevice:
    """As `Device`: the default device of JAX in this thread."""

    def __init__(self, device: Any) -> None:
        self._device = device

    @property
    def key(self) -> object:
        return self._device

    def free_bytes(self) -> float:
        """What JAX may still allocate there; on the CPU, what the process may."""
        counts = self._device.memory_stats() or {}
        if "bytes_limit" not in counts:
            return free_memory_bytes()
        return int(counts["bytes_limit"]) - int(counts["bytes_in_use"])

    def load(self, rows: Rows, slots: Slots) -> Any:
        """All rows on the device, in the dtype in which JAX holds them."""
        import jax

        dtype = jax.dtypes.canonicalize_dtype(rows.dtype)
        array = jax.numpy.zeros((len(slots), *rows.row_shape), dtype)
        for start, indices in blocks_of(rows, slots, "read onto the device:"):
            array = _put_block()(array, rows.take(indices), start)
        return array
