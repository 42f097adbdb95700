"""Rows that lie on the device: a batch is gathered there, from the numbers of its rows."""

import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import keras

from keras_npy.locks import make_lock
from keras_npy.order.slots import Slots
from keras_npy.rows.base import Rows
from keras_npy.rows.cached import refuse_too_many


def check_cache(cache: object) -> None:
    """Raise unless `cache` names a place to keep rows that the backend can read, or none."""
    if cache not in (None, "ram", "device"):
        raise ValueError(
            "cache must be 'ram', 'device' or None. "
            f"Received: cache={cache!r:.100}. Leave it out to read each batch from the files."
        )
    backend = keras.backend.backend()
    if cache == "device" and backend not in ("jax", "torch"):
        raise ValueError(
            'cache="device" needs the JAX or the torch backend: a tf.data pipeline runs on the CPU '
            "and cannot gather from the memory of an accelerator. "
            f'Received: cache="device" on the {backend} backend. '
            'Pass cache="ram", or set KERAS_BACKEND to jax or torch.'
        )


class Device(Protocol):
    """What a backend does with the rows of a device."""

    @property
    def key(self) -> object:
        """The same for the same device."""

    def free_bytes(self) -> float:
        """Bytes that may still be allocated there."""

    def load(self, rows: Rows, slots: Slots) -> Any:
        """An array on the device that holds these rows."""


class DeviceCache:
    """The rows of a sequence and of all its parts, put on a device when they are first asked for.

    A copy in another process has none: it puts them there itself.

    Args:
        slots: The rows that are put there.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._forget()

    def arrays(self, sources: Sequence[Rows], device: Device) -> list[Any]:
        """An array on the device for each source, the same each time.

        Raises:
            ValueError: If the device has no room for those that are missing.
            NpyFileError: If a file has changed.
        """
        with self._lock:
            missing = {
                id(rows): rows for rows in sources if self._held.get(rows, _NONE)[0] != device.key
            }
            free_bytes = device.free_bytes() if missing else 0
            refuse_too_many(
                'cache="device"',
                "the memory of the device",
                missing.values(),
                len(self.slots),
                free_bytes,
            )
            for rows in missing.values():
                self._held[rows] = device.key, device.load(rows, self.slots)
            return [self._held[rows][1] for rows in sources]

    def _forget(self) -> None:
        self._lock = make_lock()
        # By the object: weights of classes are rows of one adapter, and end with it.
        self._held: weakref.WeakKeyDictionary[Rows, tuple[object, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"slots": self.slots}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.slots = state["slots"]
        self._forget()


def refuse_map(cache: DeviceCache | None) -> None:
    """Raise `ValueError` if rows are kept on the device, where no function of `map` gets them."""
    if cache is not None:
        raise ValueError(
            'A function of map gets NumPy arrays, and cache="device" keeps rows on the device. '
            'Received: map of a sequence with cache="device". '
            'Pass cache="ram" instead, or make the function a layer of the model.'
        )


_NONE: tuple[object, Any] = (None, None)
