"""Super-batches for `steps_per_execution` on JAX: several batches on a new axis 0.

Keras 3.16 runs the steps of one execution as a `lax.scan` over that axis. Keras's own adapters
stack copies of batches. This feed gathers the rows of all batches into one array and reshapes it.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds import jax_cache, jax_placement, jax_stacked
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool
from keras_npy.feeds.jax_placement import Placement
from keras_npy.feeds.nests import leaves_of, map_leaves
from keras_npy.feeds.read_ahead import PLACED_CHUNK_BYTES
from keras_npy.order.position import Position
from keras_npy.order.super_batches import SuperBatchOrder, super_batches
from keras_npy.types import Array

MakeList = Callable[[list[Any]], Any]
Stack = Callable[[int, Any], Any]

# One in use, one ready and one being gathered. Each is as large as several batches.
IN_USE_SUPER_BATCHES_MAX = 3


class SuperBatches:
    """The super-batches of one adapter.

    Args:
        batches: What to read.
        num_parts: Batches in a super-batch, n.
        make_list: Makes the list in which Keras takes batches that are not stacked.
    """

    def __init__(self, batches: Batches, num_parts: int, make_list: MakeList) -> None:
        self._batches = batches
        self._num_parts = num_parts
        self._make_list = make_list
        # All passes share it, so that a pass begins with the memory of the one before.
        largest = batches if batches.map is not None else self._from(Position())[1]
        self._pool: BufferPool = jax_feed.make_pool(largest, self)

    def iterate(self) -> Iterator[Any]:
        """Yield super-batches in the structure of `batches.data`, each leaf `(n, B, ...)`.

        If there are fewer than n batches, or one of them is short, they come as a list. Nothing is
        read or started before the first super-batch is asked for.
        """
        if self._batches.map is not None:
            yield from self._stacked()
            return
        order, batches = self._from(self._batches.position())
        if batches.cache is not None:
            gathered = jax_cache.iterate_super_batches(batches, order, batches.cache)
            yield from map(self._listed, gathered)
            return
        # `map` keeps no reference to a batch that it has yielded, so its memory is free earlier.
        yield from map(self._listed, self._gathered(batches, order))

    def _gathered(self, batches: Batches, order: SuperBatchOrder) -> Iterator[Any]:
        """Super-batches, on the accelerator if there is one."""
        stack = functools.partial(_stack, order)
        if jax_stacked.is_stacked_on_host(batches):
            on_host = jax_stacked.StackedOnHost(batches, order, stack)
            return jax_feed.iterate_placed(batches, self._pool, on_host, on_host.drain)
        placement = jax_placement.find_placement()
        if placement is None or placement.is_divided:
            gathered = jax_feed.iterate_on_host(batches, self._pool, IN_USE_SUPER_BATCHES_MAX)
            return map(stack, itertools.count(), gathered)
        on_device = _StackedOnDevice(batches, placement, stack)
        return jax_feed.iterate_placed(batches, self._pool, on_device, placement.drain)

    def _listed(self, stacked: Any) -> Any:
        return self._make_list(stacked) if isinstance(stacked, list) else stacked

    def _stacked(self) -> Iterator[Any]:
        """As `iterate`, where a map makes each batch: these are copied onto the new axis."""
        batches = jax_feed.iterate_on_host(self._batches, self._pool)
        while parts := self._copied(itertools.islice(batches, self._num_parts)):
            yield parts

    def _copied(self, batches: Iterator[tuple[Any, ...]]) -> Any:
        """The next super-batch, or `None` if there are no more batches."""
        memory: list[Array] = []
        sizes: list[int] = []
        # Copy each batch before the next one is taken: the feed waits for the memory of batches.
        for batch in batches:
            leaves = leaves_of(batch)
            memory = memory or [self._lend(leaf) for leaf in leaves]
            for leaf, stacked in zip(leaves, memory, strict=True):
                stacked[len(sizes), : len(leaf)] = leaf
            sizes.append(len(leaves[0]))
        pack = self._batches.pack
        if len(sizes) == self._num_parts and len(set(sizes)) == 1:
            return pack([stacked[:, : sizes[0]] for stacked in memory])
        parts = [pack([stacked[at, :size] for stacked in memory]) for at, size in enumerate(sizes)]
        return self._make_list(parts) if parts else None

    def _lend(self, leaf: Array) -> Array:
        order = self._batches.order
        num_rows = min(order.batch_size, order.num_samples)
        return self._pool.lend((self._num_parts, num_rows, *leaf.shape[1:]), leaf.dtype)

    def _from(self, start: Position) -> tuple[SuperBatchOrder, Batches]:
        """What to read from a position on, with all its passes as one pass of super-batches."""
        order = super_batches(
            self._batches.order,
            self._num_parts,
            first_part=start.batch,
            is_endless=self._batches.is_endless,
        )
        return order, dataclasses.replace(
            self._batches, order=order, is_endless=False, position=lambda: Position(start.epoch)
        )


class _StackedOnDevice:
    """As `HandOver`: super-batches on the device, stacked before they are put there."""

    def __init__(self, batches: Batches, placement: Placement, stack: Stack) -> None:
        self.chunk_bytes = PLACED_CHUNK_BYTES
        self._batches, self._placement, self._stack = batches, placement, stack

    def put_rows(self, first: int, arrays: list[Array]) -> Any:
        size = self._batches.order.batch_size
        starts = range(0, len(arrays[0]), size)
        parts = [[array[start : start + size] for array in arrays] for start in starts]
        return self.put_batches(first, [self._batches.pack(part) for part in parts])

    def put_batches(self, first: int, batches: list[Any]) -> Any:
        return self._placement.put(list(map(self._stack, itertools.count(first), batches)))


def followed_by(
    super_batches: Iterator[Any], last: Iterator[Any], make_list: MakeList
) -> Iterator[Any]:
    """Yield super-batches of one pass, and the batch in `last` with those that are not stacked."""
    unstacked: Any = []
    for parts in super_batches:
        if isinstance(parts, list):
            unstacked = parts
        else:
            yield parts
    yield make_list([*unstacked, *last])


def _stack(order: SuperBatchOrder, number: int, gathered: Any) -> Any:
    """Make one super-batch from the rows gathered for it, or a list of unequal batches."""
    if order.is_even(number):
        return map_leaves(functools.partial(_reshape, order.num_parts), gathered)
    sizes = order.part_sizes(number)
    part_size = order.batch_size // order.num_parts
    starts = range(0, len(sizes) * part_size, part_size)
    return [
        map_leaves(functools.partial(_slice, start, size), gathered)
        for start, size in zip(starts, sizes, strict=True)
    ]


def _reshape(num_parts: int, leaf: Array) -> Array:
    return leaf.reshape(num_parts, len(leaf) // num_parts, *leaf.shape[1:])


def _slice(start: int, size: int, leaf: Array) -> Array:
    return leaf[start : start + size]
