"""Put batches on a CUDA device from the threads that read ahead, beside the steps of the model.

Keras moves each batch from the thread that dispatches the steps, on the stream of the model: the
copy then begins when the step before it has ended.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_npy.feeds.buffers import Allocate, aligned_memory


class Placement:
    """How tensors get to a CUDA device.

    Args:
        device: The device.
    """

    def __init__(self, device: Any) -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.Stream(device)

    def put(self, move_all: Callable[[Callable[[Any], Any]], Any]) -> Any:
        """Move tensors, and wait until nothing reads their memory on the host any more.

        Args:
            move_all: Calls the function that it is given for each tensor; its result is returned.
        """
        import torch

        with torch.cuda.stream(self._stream):
            placed = move_all(lambda tensor: tensor.to(self._device, non_blocking=True))
            copied = torch.cuda.Event()
            copied.record(self._stream)
        copied.synchronize()
        return placed

    def claim(self, tensor: Any) -> None:
        """Tell torch that the calling thread's stream uses a tensor, whose memory is ours."""
        import torch

        # Otherwise the stream of the copies gets the memory back as soon as Python has let go of
        # it, while the steps that use it only wait to be run.
        tensor.record_stream(torch.cuda.current_stream(self._device))


def find_placement() -> Placement | None:
    """How batches get to the device of Keras; `None` unless CUDA runs it."""
    device = keras_device()
    return Placement(device) if device.type == "cuda" else None


def allocator() -> Allocate:
    """What makes memory from which the device of Keras copies fast."""
    return _pinned_memory if keras_device().type == "cuda" else aligned_memory


def _pinned_memory(nbytes: int) -> NDArray[np.uint8]:
    import torch

    memory: NDArray[np.uint8] = torch.empty(nbytes, dtype=torch.uint8, pin_memory=True).numpy()
    return memory


def keras_device() -> Any:
    """The device on which Keras puts tensors; no public function of Keras names it."""
    import torch

    if keras.backend.backend() != "torch":
        return torch.device("cpu")
    return keras.ops.convert_to_tensor(torch.empty(0)).device
