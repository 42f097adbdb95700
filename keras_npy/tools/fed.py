"""The batches that Keras is handed in `fit`, on the backend that is in use."""

from collections.abc import Callable, Iterable
from typing import Any

import keras

from keras_npy.boundary.adapter import NpyDataAdapter
from keras_npy.rows.base import Rows
from keras_npy.sequence import NpySequence
from keras_npy.types import Indices


def feed_of_fit(rows: list[Rows], part: Indices, batch_size: int) -> Callable[[], Iterable[Any]]:
    """A function that gives the batches of one shuffled pass after the other, as Keras asks.

    Args:
        rows: Inputs, and targets if there are any.
        part: The rows to serve.
        batch_size: Rows in a batch.
    """
    # Rows that are chosen by number take another path than all rows of a file.
    indices = None if len(part) == len(rows[0]) else part
    seq = NpySequence(*rows, batch_size=batch_size, seed=0, indices=indices, check_names=False)
    adapter = NpyDataAdapter(seq, shuffle=True)
    backend = keras.backend.backend()
    if backend == "jax":
        iterate: Callable[[], Iterable[Any]] = adapter.get_jax_iterator
        return iterate
    # Keras makes these once, and iterates them in each epoch.
    batches = adapter.get_torch_dataloader() if backend == "torch" else adapter.get_tf_dataset()
    return lambda: batches
