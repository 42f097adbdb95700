"""Class numbers in memory, served as one-hot rows."""

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices


class OneHotRows(Rows):
    """Class numbers in memory, served as float32 rows of one 1 among 0.

    Args:
        classes: `(N,)` integers in 0 <= class < num_classes, which the caller has ensured.
        num_classes: Length of a row.
    """

    def __init__(self, classes: NDArray[np.int32], num_classes: int) -> None:
        self.name = "one-hot labels"
        self.shape = (len(classes), num_classes)
        self.dtype = np.dtype(np.float32)
        self._classes = classes

    def take(self, indices: Indices, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((len(indices), *self.row_shape), self.dtype)
        out[...] = 0
        out[np.arange(len(indices)), self._classes[indices]] = 1
        return out
