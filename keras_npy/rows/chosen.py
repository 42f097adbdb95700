"""Some of the rows of a source, in an order of their own."""

import numpy as np

from keras_npy.order.selection import rows_at, to_array
from keras_npy.rows.base import Rows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.types import Array, Indices


class ChosenRows(ForwardingRows):
    """Rows that are some of the rows of `source`.

    Args:
        source: The rows to choose from.
        indices: Numbers of the chosen rows, `(N,)`, each in `0 <= index < len(source)`.
    """

    def __init__(self, source: Rows, indices: range | Indices) -> None:
        shape = (len(indices), *source.row_shape)
        super().__init__(source, name=source.name, shape=shape, dtype=source.dtype)
        self._indices = indices

    @property
    def shard_lengths(self) -> Indices:
        """Runs of chosen rows that lie in one file."""
        stops = np.cumsum(self.source.shard_lengths)
        if len(stops) == 1:
            return super().shard_lengths
        files = np.searchsorted(stops, to_array(self._indices), side="right")
        begins = np.flatnonzero(np.diff(files, prepend=-1))
        return np.diff(begins, append=len(files))

    def source_indices(self, indices: Indices) -> Indices:
        return rows_at(self._indices, indices)

    def read_into(self, indices: Indices, out: Array) -> None:
        self.source.read_into(self.source_indices(indices), out)
