"""Batches as a `torch.utils.data.DataLoader` that needs no workers.

On the CPU, tensors use the memory into which the rows are gathered, without another copy. For a
CUDA device that memory is pinned, and the threads that read ahead copy batches to the device.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds import torch_cache, torch_placement
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool
from keras_npy.feeds.chunks import Gather
from keras_npy.feeds.maps import Leaf
from keras_npy.feeds.nests import leaves_of, map_leaves
from keras_npy.feeds.read_ahead import PLACED_CHUNK_BYTES
from keras_npy.feeds.torch_dtypes import WIDER_DTYPES
from keras_npy.feeds.torch_placement import Placement
from keras_npy.rows.base import Rows
from keras_npy.rows.widened import WidenedRows
from keras_npy.types import Array, Indices


def make_loader(batches: Batches, gather: Gather) -> Any:
    """A `DataLoader` of batches of tensors, in the structure of a batch.

    Each iteration is a pass of its own, or many passes if `batches.is_endless`. Nothing is read
    before its first batch is asked for. uint16 comes as int32 and uint32 as int64.

    Args:
        batches: What to read.
        gather: As `numpy_feed.gather_into` makes it of `make_pool`.

    Raises:
        ValueError: If torch has no dtype for a source.
    """
    for leaf in batches.leaves:
        _check_dtype(leaf)
    tensor_batches = batches
    if batches.map is None and batches.cache is None:
        # A map gets rows as they are stored; what it returns is widened when it is handed over.
        data = map_leaves(_readable, batches.data)
        tensor_batches = dataclasses.replace(batches, data=data)

    passes_class, loader_class = _classes()
    return loader_class(passes_class(tensor_batches, gather), batch_size=None)


# Make the classes once. A class is part of a reference cycle: a class for each loader would keep
# the memory of its batches until the next garbage collection.
@functools.cache
def _classes() -> tuple[Any, Any]:
    from torch.utils.data import DataLoader, IterableDataset

    class Passes(IterableDataset):  # type: ignore[misc] # Its types are not followed.
        """Whole batches, pass after pass."""

        def __init__(self, batches: Batches, gather: Gather) -> None:
            self._batches, self._gather = batches, gather

        def __iter__(self) -> Iterator[Any]:
            return _iterate(self._batches, self._gather)

    class Loader(DataLoader):  # type: ignore[misc] # Its types are not followed.
        """Hands over what its dataset yields: batches, which need no collating."""

        # torch's own iterator marks each batch for the profiler and collates it: that takes 60 us
        # a batch (torch 2.13, two cores) and turns a tuple of inputs into a list.
        def __iter__(self) -> Any:
            return iter(self.dataset)

    return Passes, Loader


def make_pool(batches: Batches, user: object) -> BufferPool:
    """A pool for the batches of one feed, in memory from which the device copies fast."""
    if torch_placement.keras_device().type != "cuda":
        return numpy_feed.make_pool(batches, user)
    return numpy_feed.make_pool(batches, user, torch_placement.pinned_memory, PLACED_CHUNK_BYTES)


def _iterate(batches: Batches, gather: Gather) -> Iterator[Any]:
    if batches.cache is not None:
        return torch_cache.iterate(batches, batches.cache)
    placement = torch_placement.find_placement()
    if placement is not None:
        return _iterate_placed(batches, gather, placement)

    def gather_tensor(rows: Rows, indices: Indices) -> Any:
        return _tensor_of(gather(rows, indices))

    def place_tensor(array: Array, is_ours: bool) -> Any:
        return _tensor_of(_place_widened(gather, array, is_ours))

    rows = gather_tensor if batches.map is None else gather
    tensors = numpy_feed.iterate(batches, Gather(rows, place_tensor))
    device = torch_placement.keras_device()
    if device.type == "cpu":
        return tensors
    return map(functools.partial(map_leaves, lambda tensor: tensor.to(device)), tensors)


def _iterate_placed(batches: Batches, gather: Gather, placement: Placement) -> Iterator[Any]:
    """Batches that the threads that read ahead have copied to the device."""
    placing = Gather(gather, functools.partial(_place_widened, gather))
    on_device = _OnDevice(batches, placement)
    try:
        # `map` keeps no reference to a batch that it has yielded.
        yield from map(on_device.claim, numpy_feed.iterate(batches, placing, hand_over=on_device))
    finally:
        # The memory is lent to the next pass.
        placement.drain()


class _OnDevice:
    """As `HandOver`: the leaves of batches on the device, and the event to wait for."""

    def __init__(self, batches: Batches, placement: Placement) -> None:
        self.chunk_bytes = PLACED_CHUNK_BYTES
        self._batches, self._placement = batches, placement

    def put_rows(self, first: int, arrays: list[Array]) -> list[Any]:
        """Batches are slices of the tensors of their chunk."""
        placed, copied = self._placement.put(list(map(_tensor_of, arrays)))
        parts = (tensor.split(self._batches.order.batch_size) for tensor in placed)
        return [(leaves, copied) for leaves in zip(*parts, strict=True)]

    def put_batches(self, first: int, batches: list[Any]) -> list[Any]:
        arrays = [leaves_of(batch) for batch in batches]
        return [self._placement.put(list(map(_tensor_of, leaves))) for leaves in arrays]

    def claim(self, placed: tuple[Sequence[Any], Any]) -> tuple[Any, ...]:
        """A batch that the stream of the calling thread may use."""
        leaves, copied = placed
        self._placement.claim(leaves, copied)
        return tuple(leaves) if self._batches.is_flat else self._batches.pack(list(leaves))


def _place_widened(gather: Gather, array: Array, is_ours: bool) -> Array:
    """What a map returned, in a dtype that torch computes with, in memory of ours."""
    wider = WIDER_DTYPES.get(array.dtype.name)
    placed: Array = gather.place(
        array if wider is None else array.astype(wider), is_ours and wider is None
    )
    return placed


def _tensor_of(array: Array) -> Any:
    """A tensor over an array."""
    import torch

    # torch does not know NumPy's bfloat16, but the bits are the same.
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _check_dtype(leaf: Rows | Leaf) -> None:
    if leaf.dtype.name == "uint64":
        raise ValueError(
            "The torch backend has no uint64. "
            f"Received: {leaf.name} of dtype uint64. "
            'Save the array as int64 with array.astype("int64").'
        )


def _readable(rows: Rows) -> Rows:
    """The rows in a dtype that torch computes with."""
    wider = WIDER_DTYPES.get(rows.dtype.name)
    return rows if wider is None else WidenedRows(rows, wider)
