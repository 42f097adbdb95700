"""`Scratch`: working memory that is reused from batch to batch."""

import collections
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Array

# Buffers kept from batch to batch: one for each thread that reads a source at the same time.
IDLE_MAX = 2


class Scratch:
    """Lends working memory to any thread, and lends it again once it is returned.

    The first touch of new memory costs more than writing to it. Thread-local memory would be new
    for each batch on TensorFlow, because Python sees a new thread at each call from there.
    """

    def __init__(self) -> None:
        # The methods of a deque are atomic, so no lock is needed.
        self._idle: collections.deque[NDArray[np.uint8]] = collections.deque(maxlen=IDLE_MAX)

    @contextlib.contextmanager
    def lend(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Array]:
        """Lend an uninitialised array until the end of the `with` block."""
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
