"""Small super-batches on JAX's CPU as arrays of JAX: several made in one call, ahead of their use.

Keras puts each leaf of a super-batch by a call of its own, in the thread that dispatches the steps
(Keras 3.16): 240 us for two leaves of 24 kB together, but 90 if they are arrays of JAX already. One
compiled call makes eight super-batches in 270 us, in the thread that reads ahead.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_npy.feeds import jax_placement
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.chunks import CHUNK_BYTES
from keras_npy.feeds.in_flight import InFlight
from keras_npy.feeds.jax_placement import are_ready, borrowed, wait_for
from keras_npy.order.super_batches import SuperBatchOrder
from keras_npy.types import Array

# Larger super-batches are used in place: to copy them takes longer than Keras's calls. They are
# also held back, because JAX may be 32 executions behind.
STACKED_BYTES_MAX = 256 << 10

# Each number of super-batches is compiled, so only this one is made in one call.
MADE_TOGETHER = 8


class StackedOnHost:
    """As `HandOver`: super-batches as arrays of JAX, or NumPy arrays where few are left.

    Args:
        batches: What to read, in the order of the super-batches.
        order: The order of `batches`.
        stack: Makes the super-batch of a number, or a list of batches, from its rows.
    """

    def __init__(
        self, batches: Batches, order: SuperBatchOrder, stack: Callable[[int, Any], Any]
    ) -> None:
        import jax

        self.chunk_bytes = CHUNK_BYTES
        self._batches, self._order, self._stack = batches, order, stack
        # The configuration belongs to a thread, and the reader has another one.
        self._device = jax.config.jax_default_device
        self._in_flight = InFlight(are_ready, wait_for)

    def put_rows(self, first: int, arrays: list[Array]) -> Iterable[Any]:
        size = self._order.batch_size
        made: list[Any] = []
        for start in range(0, len(arrays[0]), MADE_TOGETHER * size):
            rows = [array[start : start + MADE_TOGETHER * size] for array in arrays]
            number = first + start // size
            is_cut = len(rows[0]) == MADE_TOGETHER * size and all(
                map(self._order.is_even, range(number, number + MADE_TOGETHER))
            )
            made += self._cut(rows) if is_cut else self._in_place(number, rows)
        return made

    def put_batches(self, first: int, batches: list[Any]) -> Iterable[Any]:
        return [self._stack(first + at, batch) for at, batch in enumerate(batches)]

    def drain(self) -> None:
        """Wait until nothing reads the memory from which super-batches were made."""
        self._in_flight.drain()

    def _cut(self, rows: list[Array]) -> list[Any]:
        import jax

        with jax.default_device(self._device):
            made = _cut()(tuple(map(borrowed, rows)), self._order.num_parts)
        self._in_flight.add(made, rows)
        return [self._pack(leaves) for leaves in made]

    def _in_place(self, number: int, rows: list[Array]) -> Iterable[Any]:
        starts = range(0, len(rows[0]), self._order.batch_size)
        parts = [
            [leaf[start : start + self._order.batch_size] for leaf in rows] for start in starts
        ]
        return self.put_batches(number, list(map(self._pack, parts)))

    def _pack(self, leaves: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(leaves) if self._batches.is_flat else self._batches.pack(list(leaves))


def is_stacked_on_host(batches: Batches) -> bool:
    """Whether super-batches of this size are made by JAX, for the CPU of this one process."""
    if keras.backend.backend() != "jax" or batches.batch_bytes >= STACKED_BYTES_MAX:
        return False
    import jax

    # With 64 bits only in some threads, the reader thread would cut them off.
    return (
        jax.process_count() == 1
        and not jax.config.jax_enable_x64
        and keras.distribution.distribution() is None
        and not jax_placement.is_accelerator(jax_placement.device_of_thread())
    )


# Compiled once for each shape, by all feeds of the process.
@functools.cache
def _cut() -> Any:
    import jax

    def cut(arrays: tuple[Any, ...], num_parts: int) -> list[tuple[Any, ...]]:
        num_rows = len(arrays[0]) // (MADE_TOGETHER * num_parts)
        stacked = [
            array.reshape(MADE_TOGETHER, num_parts, num_rows, *array.shape[1:]) for array in arrays
        ]
        return list(zip(*stacked, strict=True))

    return jax.jit(cut, static_argnums=1)
