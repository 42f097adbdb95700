"""Batches as a `torch.utils.data.DataLoader` that needs no workers.

Tensors use the memory into which the rows are gathered, without another copy: recycled NumPy
buffers on the CPU, and torch's own pinned memory for a CUDA device.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.chunks import Gather
from keras_npy.feeds.maps import Leaf
from keras_npy.feeds.nests import map_leaves
from keras_npy.rows.base import Rows
from keras_npy.rows.widened import WidenedRows
from keras_npy.types import Array, Indices

# Torch can store these dtypes but hardly compute with them. Keras widens them too (Keras 3.15).
_WIDER_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("int32"), "uint32": np.dtype("int64")}


def make_loader(batches: Batches, gather: Gather) -> Any:
    """A `DataLoader` of batches of tensors, in the structure of a batch.

    Each iteration is a pass of its own, or many passes if `batches.is_endless`. Nothing is read
    before its first batch is asked for. uint16 comes as int32 and uint32 as int64.

    Args:
        batches: What to read.
        gather: As `numpy_feed.gather_into` makes it, for tensors that stay on the CPU.

    Raises:
        ValueError: If torch has no dtype for a source.
    """
    for leaf in batches.leaves:
        _check_dtype(leaf)
    tensor_batches = batches
    if batches.map is None:
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


def _iterate(batches: Batches, gather: Gather) -> Iterator[Any]:
    import torch

    device = _keras_device()

    # torch does not know NumPy's bfloat16, but the bits are the same.
    def tensor_of(array: Array) -> Any:
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)

    def gather_tensor(rows: Rows, indices: Indices) -> Any:
        return tensor_of(gather(rows, indices))

    def place_tensor(array: Array, is_ours: bool) -> Any:
        wider = _WIDER_DTYPES.get(array.dtype.name)
        is_as_it_is = is_ours and wider is None
        return tensor_of(gather.place(array if wider is None else array.astype(wider), is_as_it_is))

    def gather_pinned(rows: Rows, indices: Indices) -> Any:
        # Take pinned memory from torch, not from a pool of ours: torch reuses it only when the
        # copies from it are done, and Python does not know when that is.
        pinned, array = pinned_memory((len(indices), *rows.row_shape), rows.dtype)
        rows.read_into(indices, array)
        return pinned

    def place_pinned(array: Array, is_ours: bool) -> Any:
        dtype = _WIDER_DTYPES.get(array.dtype.name, array.dtype.newbyteorder("="))
        pinned, memory = pinned_memory(array.shape, dtype)
        memory[...] = array
        return pinned

    def pinned_memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Any, Array]:
        is_bfloat16 = dtype.name == "bfloat16"
        bits = np.dtype(np.int16) if is_bfloat16 else dtype
        torch_dtype = torch.from_numpy(np.empty(0, bits)).dtype
        pinned = torch.empty(shape, dtype=torch_dtype, device="cpu", pin_memory=True)
        memory: Array = pinned.numpy().view(dtype)
        return (pinned.view(torch.bfloat16) if is_bfloat16 else pinned), memory

    def move(batch: Any) -> Any:
        return map_leaves(
            lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"), batch
        )

    if device.type == "cuda":
        rows = gather_pinned if batches.map is None else gather
        return map(move, numpy_feed.iterate(batches, Gather(rows, place_pinned)))
    rows = gather_tensor if batches.map is None else gather
    tensors = numpy_feed.iterate(batches, Gather(rows, place_tensor))
    return tensors if device.type == "cpu" else map(move, tensors)


def _keras_device() -> Any:
    """The device on which Keras puts tensors; no public function of Keras names it."""
    import torch

    if keras.backend.backend() != "torch":
        return torch.device("cpu")
    return keras.ops.convert_to_tensor(torch.empty(0)).device


def _check_dtype(leaf: Rows | Leaf) -> None:
    if leaf.dtype.name == "uint64":
        raise ValueError(
            "The torch backend has no uint64. "
            f"Received: {leaf.name} of dtype uint64. "
            'Save the array as int64 with array.astype("int64").'
        )


def _readable(rows: Rows) -> Rows:
    """The rows in a dtype that torch computes with."""
    wider = _WIDER_DTYPES.get(rows.dtype.name)
    return rows if wider is None else WidenedRows(rows, wider)
