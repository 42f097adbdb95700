"""Put batches on a CUDA device from the threads that read ahead, beside the steps of the model.

Keras moves each batch from the thread that dispatches the steps, on the stream of the model: the
copy then begins when the step before it has ended.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_npy.feeds.in_flight import InFlight


class Placement:
    """How tensors get to a CUDA device.

    Args:
        device: The device.
    """

    def __init__(self, device: Any) -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._in_flight = InFlight(lambda event: event.query(), lambda event: event.synchronize())

    def put(self, tensors: list[Any]) -> tuple[list[Any], Any]:
        """Tensors on the device, and the event after which they are there.

        The memory of `tensors` is kept until then.
        """
        import torch

        with torch.cuda.stream(self._stream):
            placed = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
            copied = torch.cuda.Event()
            copied.record(self._stream)
        self._in_flight.add(copied, tensors)
        return placed, copied

    def claim(self, tensors: Iterable[Any], copied: Any) -> None:
        """Let the calling thread's stream wait for tensors, and tell torch that it uses them."""
        import torch

        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(copied)
        for tensor in tensors:
            # Otherwise the stream of the copies gets the memory back as soon as Python has let go
            # of it, while the steps that use it only wait to be run.
            tensor.record_stream(stream)

    def drain(self) -> None:
        """Wait until nothing reads the memory of what was put."""
        self._in_flight.drain()


def find_placement() -> Placement | None:
    """How batches get to the device of Keras; `None` unless CUDA runs it."""
    device = keras_device()
    return Placement(device) if device.type == "cuda" else None


def pinned_memory(nbytes: int) -> NDArray[np.uint8]:
    """Uninitialised memory from which CUDA copies fast."""
    import torch

    memory: NDArray[np.uint8] = torch.empty(nbytes, dtype=torch.uint8, pin_memory=True).numpy()
    return memory


def keras_device() -> Any:
    """The device on which Keras puts tensors; no public function of Keras names it."""
    import torch

    if keras.backend.backend() != "torch":
        return torch.device("cpu")
    return keras.ops.convert_to_tensor(torch.empty(0)).device
