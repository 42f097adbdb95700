"""Where JAX wants its batches: on an accelerator, put there by the threads that read ahead.

Keras puts each batch from the thread that dispatches the steps: 2,600 us a step with 12.6 MB on an
H100, whose step takes 600. An array that is on the device already is used as it is (Keras 3.12 to
3.16).
"""

import ctypes
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_npy.feeds.buffers import Allocate, aligned_memory
from keras_npy.feeds.in_flight import InFlight
from keras_npy.feeds.nests import map_leaves
from keras_npy.feeds.registered import registered_memory
from keras_npy.types import Array

ACCELERATORS = ("gpu", "cuda", "rocm", "tpu")

ShardingOf = Callable[[Any], Any]


class Placement:
    """How arrays get to the default device, or to the devices of a distribution.

    Args:
        device: The default device of the thread that asks for batches, as JAX's configuration has
            it: `None` for the first one.
        sharding_of: Returns how a distribution divides an array; `None` without a distribution.
    """

    def __init__(self, device: Any, sharding_of: ShardingOf | None) -> None:
        self._device = device
        self._sharding_of = sharding_of
        self._in_flight = InFlight(are_ready, wait_for)

    @property
    def is_divided(self) -> bool:
        """Whether several devices share each batch."""
        return self._sharding_of is not None

    def put(self, arrays: Any) -> Any:
        """A nest of arrays on the device. Their memory is kept until they are there."""
        import jax

        # One call for all of them: each call takes the interpreter from the steps.
        with jax.default_device(self._device):
            placed = jax.device_put(map_leaves(borrowed, arrays), self._targets(arrays))
        self._in_flight.add(placed, arrays)
        return placed

    def drain(self) -> None:
        """Wait until nothing reads the memory of what was put."""
        self._in_flight.drain()

    def _targets(self, arrays: Any) -> Any:
        return None if self._sharding_of is None else map_leaves(self._sharding_of, arrays)


def borrowed(array: Array) -> Array:
    """An array over the same memory that does not keep it.

    JAX lets go of an array that it has copied only when Python collects garbage (jax 0.11). Until
    then its memory would count as used, and new memory would have to be made for each batch.
    """
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    return np.ndarray(array.shape, array.dtype, memoryview(memory))


def are_ready(placed: Any) -> bool:
    """Whether JAX has computed a nest of arrays."""
    import jax

    return all(array.is_ready() for array in jax.tree_util.tree_leaves(placed))


def wait_for(placed: Any) -> None:
    """Wait until JAX has computed a nest of arrays."""
    import jax

    jax.block_until_ready(placed)


def find_placement() -> Placement | None:
    """How the calling thread's batches get to an accelerator; `None` where they stay on the host.

    They stay if the device is the CPU, which uses the memory of batches in place, and if several
    processes put together one batch. On another backend JAX need not be installed.
    """
    if keras.backend.backend() != "jax":
        return None
    import jax

    if jax.process_count() > 1 or not is_accelerator(device_of_thread()):
        return None
    distribution = keras.distribution.distribution()
    if distribution is None:
        return Placement(jax.config.jax_default_device, None)
    return Placement(None, lambda array: distribution.get_data_layout(array.shape).backend_layout)


def is_accelerator(device: Any) -> bool:
    """Whether a device has memory of its own, to which JAX copies."""
    return device.platform in ACCELERATORS


def allocator() -> Allocate:
    """What makes memory from which the device copies fast."""
    if getattr(device_of_thread(), "platform", None) in ("gpu", "cuda"):
        return registered_memory
    return aligned_memory


def device_of_thread() -> Any:
    """The device on which JAX puts arrays of this thread."""
    import jax

    device = jax.config.jax_default_device
    if isinstance(device, str):
        return jax.local_devices(backend=device)[0]
    return device or jax.local_devices()[0]
