"""Where JAX wants its batches: on an accelerator, put there by the threads that read ahead.

Keras puts each batch from the thread that dispatches the steps: 2,600 us a step with 12.6 MB on an
H100, whose step takes 600. An array that is on the device already is used as it is (Keras 3.12 to
3.16).
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_npy.feeds.buffers import Allocate, aligned_memory
from keras_npy.feeds.nests import map_leaves
from keras_npy.feeds.registered import registered_memory

ShardingOf = Callable[[Any], Any]


class Placement:
    """How batches get to the default device, or to the devices of a distribution.

    Args:
        device: The default device of the thread that asks for batches, as JAX's configuration has
            it: `None` for the first one.
        sharding_of: Returns how a distribution divides an array; `None` without a distribution.
    """

    def __init__(self, device: Any, sharding_of: ShardingOf | None) -> None:
        self._device = device
        self._sharding_of = sharding_of

    @property
    def is_divided(self) -> bool:
        """Whether several devices share each batch."""
        return self._sharding_of is not None

    def put(self, batches: list[Any]) -> list[Any]:
        """Copy the arrays of these batches to the device, and wait until they are there."""
        import jax

        # One call for all of them: each call takes the interpreter from the steps.
        # `may_alias=False`, since a device that is the CPU must not use the memory that is lent
        # again.
        with jax.default_device(self._device):
            placed: list[Any] = jax.device_put(batches, self._targets(batches), may_alias=False)
            jax.block_until_ready(placed)
        return placed

    def _targets(self, batches: list[Any]) -> Any:
        if self._sharding_of is None:
            return None
        return map_leaves(self._sharding_of, batches)


def find_placement() -> Placement | None:
    """How the calling thread's batches get to an accelerator; `None` where they stay on the host.

    They stay if the device is the CPU, which uses the memory of batches in place, and if several
    processes put together one batch.
    """
    import jax

    if jax.process_count() > 1 or not is_accelerator(device_of_thread()):
        return None
    distribution = keras.distribution.distribution()
    if distribution is None:
        return Placement(jax.config.jax_default_device, None)
    return Placement(None, lambda array: distribution.get_data_layout(array.shape).backend_layout)


def is_accelerator(device: Any) -> bool:
    """Whether a device has memory of its own."""
    return bool(device.platform != "cpu")


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
