"""Batches as an iterator of NumPy arrays, for JAX and torch."""

from collections.abc import Iterator
from typing import Any

from keras_npy.batches import Batches
from keras_npy.order import Indices


def iterate(batches: Batches) -> Iterator[tuple[Any, ...]]:
    """Yield each batch as new arrays, in the structure of `batches.data`.

    Nothing is read or counted before the first batch is asked for: at the end of a pass Keras
    makes an iterator and throws it away (Keras 3.15).
    """
    batch_size = batches.order.batch_size
    epoch = batches.start_pass()
    while True:
        for rows in _blocks(batches, epoch):
            for start in range(0, len(rows), batch_size):
                yield batches.take(rows[start : start + batch_size])
        if not batches.is_endless:
            return
        epoch += 1
        batches.note_pass(epoch)


def _blocks(batches: Batches, epoch: int) -> Iterator[Indices]:
    """Rows of each block of a pass; those of the next one are being read ahead meanwhile."""
    order, block_batches = batches.order, batches.block_batches
    ready = None
    for first in range(0, order.num_batches, block_batches):
        rows = order.rows(epoch, first, min(first + block_batches, order.num_batches))
        batches.advise(rows)
        if ready is not None:
            batches.check_unchanged(ready)
            yield ready
        ready = rows
    if ready is not None:
        batches.check_unchanged(ready)
        yield ready
