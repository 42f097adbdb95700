"""Batches that torch gathers from rows on the device, several at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_npy.feeds import torch_placement
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.device_cache import DeviceCache
from keras_npy.feeds.dispatches import slots_of_dispatches
from keras_npy.feeds.torch_dtypes import WIDER_DTYPES
from keras_npy.machine import free_memory_bytes
from keras_npy.order.slots import Slots
from keras_npy.rows.base import Rows
from keras_npy.rows.cached import blocks_of
from keras_npy.types import Array

# torch selects rows of signed integers only, and computes with these in wider ones. The bits are
# the same.
_KEPT_AS = {"bfloat16": "int16", "uint16": "int16", "uint32": "int32"}


def iterate(batches: Batches, cache: DeviceCache) -> Iterator[Any]:
    """Yield batches on the device, in the structure of a batch.

    Nothing is put there before the first batch is asked for. The batches of one call are slices of
    one tensor.

    Raises:
        ValueError: If the device has no room for the rows.
    """
    import torch

    device = torch_placement.keras_device()
    kept = list(zip(batches.rows, cache.arrays(batches.rows, TorchDevice(device)), strict=True))
    for slots in slots_of_dispatches(batches, cache.slots):
        # A copy, since the numbers may be shared and torch takes no read-only array.
        numbers = torch.from_numpy(slots.flatten()).to(device)
        leaves = [_served(rows, tensor.index_select(0, numbers)) for rows, tensor in kept]
        del numbers
        parts = zip(*[leaf.split(slots.shape[1]) for leaf in leaves], strict=True)
        del leaves
        for batch in parts:
            yield batch if batches.is_flat else batches.pack(list(batch))


class TorchDevice:
    """As `Device`: a device of torch."""

    def __init__(self, device: Any) -> None:
        self._device = device

    @property
    def key(self) -> object:
        return self._device

    def free_bytes(self) -> float:
        """What is free on a CUDA device; on others, what the process may allocate."""
        import torch

        if self._device.type != "cuda":
            return free_memory_bytes()
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        # torch keeps memory that tensors no longer use.
        unused_bytes = torch.cuda.memory_reserved(self._device)
        unused_bytes -= torch.cuda.memory_allocated(self._device)
        return int(free_bytes + unused_bytes)

    def load(self, rows: Rows, slots: Slots) -> Any:
        """All rows on the device, bit by bit as they are stored."""
        import torch

        dtype = torch.from_numpy(_bits(np.empty(0, rows.dtype))).dtype
        shape = (len(slots), *rows.row_shape)
        tensor = torch.empty(shape, dtype=dtype, device=self._device)
        for start, indices in blocks_of(rows, slots, "read onto the device:"):
            block = torch.from_numpy(_bits(rows.take(indices)))
            tensor[start : start + len(indices)].copy_(block)
        return tensor.view(torch.bfloat16) if rows.dtype.name == "bfloat16" else tensor


def _bits(array: Array) -> Array:
    """The same bits in a dtype that torch selects rows of."""
    return array.view(_KEPT_AS.get(array.dtype.name, array.dtype))


def _served(rows: Rows, tensor: Any) -> Any:
    """A batch in the dtype in which it is served."""
    import torch

    wider = WIDER_DTYPES.get(rows.dtype.name)
    if wider is None:
        return tensor
    return tensor.to(getattr(torch, wider.name)).bitwise_and_(np.iinfo(rows.dtype).max)
