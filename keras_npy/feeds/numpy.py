"""Batches as an iterator of NumPy arrays, for JAX and torch."""

from collections.abc import Iterator
from typing import Any

from keras_npy.batches import Batches


def iterate(batches: Batches) -> Iterator[tuple[Any, ...]]:
    """Yield each batch as new arrays, in the structure of `batches.data`.

    Nothing is read or counted before the first batch is asked for: at the end of a pass Keras
    makes an iterator and throws it away (Keras 3.15).
    """
    order = batches.order
    epoch = batches.start_pass()
    while True:
        for index in range(order.num_batches):
            batches.check_unchanged()
            yield batches.take(order.rows(epoch, index, index + 1))
        if not batches.is_endless:
            return
        epoch += 1
        batches.note_pass(epoch)
