"""Rows in a wider dtype, for a backend that does not support the dtype of the file."""

from typing import Any

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.types import Array, Indices

# The last values are widened at once. Both arrays overlap there, so NumPy copies the values first.
_OVERLAP_VALUES = 4096


class WidenedRows(ForwardingRows):
    """The rows of `source` in a wider dtype, which holds all their values."""

    def __init__(self, source: Rows, dtype: np.dtype[Any]) -> None:
        super().__init__(source, name=source.name, shape=source.shape, dtype=dtype)

    def read_into(self, indices: Indices, out: Array) -> None:
        # Read the narrow rows into the end of `out` and widen them in place. A batch then needs no
        # other memory: the first touch of new memory costs more than the rows do.
        narrow_bytes = len(indices) * self.source.row_bytes
        end = out.reshape(-1).view(np.uint8)[out.nbytes - narrow_bytes :]
        narrow = end.view(self.source.dtype)
        self.source.read_into(indices, narrow.reshape(len(indices), *self.row_shape))
        _widen_in_place(narrow, out.reshape(-1))


def _widen_in_place(narrow: Array, wide: Array) -> None:
    """Widen values that lie at the end of the memory of `wide`.

    Each step writes only up to the first value that is not read yet: half of what is left.
    """
    at = 0
    while (num_left := len(wide) - at) > _OVERLAP_VALUES:
        free_bytes = num_left * (wide.itemsize - narrow.itemsize)
        num_free = free_bytes // wide.itemsize
        wide[at : at + num_free] = narrow[at : at + num_free]
        at += num_free
    wide[at:] = narrow[at:]
