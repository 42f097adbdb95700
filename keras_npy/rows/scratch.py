"""Memory to work in, used again from batch to batch."""

import collections
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Array

# As many threads as read one source at once keep their memory from batch to batch.
IDLE_MAX = 4


class Scratch:
    """Lends memory to whichever thread asks, the same to the next when it is given back.

    The first touch of new memory costs more than what is written to it. Thread-local memory would
    be new each time on TensorFlow, whose threads Python sees as new ones at each call.
    """

    def __init__(self) -> None:
        # Its methods are atomic: no lock is needed.
        self._idle: collections.deque[NDArray[np.uint8]] = collections.deque(maxlen=IDLE_MAX)

    @contextlib.contextmanager
    def lend(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Array]:
        """An uninitialised array, until the end of the `with` block."""
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = np.empty(nbytes, np.uint8)
        if len(memory) < nbytes:
            memory = np.empty(nbytes, np.uint8)
        try:
            yield np.ndarray(shape, dtype, memory)
        finally:
            self._idle.append(memory)

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()
