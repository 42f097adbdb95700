"""Some of the rows of a source, in an order of their own."""

import numpy as np

from keras_npy.files.store import FileList
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
    def files(self) -> FileList | None:
        files = self.source.files
        if files is None:
            return None
        numbers, lengths = self._runs(files.lengths)
        return FileList([files.paths[number] for number in numbers.tolist()], lengths)

    @property
    def file_paths(self) -> list[str] | None:
        paths = self.source.file_paths
        return None if paths is None else [paths[row] for row in to_array(self._indices).tolist()]

    def _file_of(self, index: int) -> tuple[str, int]:
        return self.source.file_of(int(self._indices[index]))

    @property
    def shard_lengths(self) -> Indices:
        return self._runs(self.source.shard_lengths)[1]

    def _runs(self, lengths: Indices) -> tuple[Indices, Indices]:
        """The file and the length of each run of chosen rows that lie in one file."""
        rows = self._indices
        if isinstance(rows, range) and rows.step > 0:
            # A part of a large file is a range, whose row numbers would take 8 bytes each.
            behind = -((rows.start - np.cumsum(lengths)) // rows.step)
            stops: Indices = np.clip(behind, 0, len(rows))
            counts: Indices = np.diff(stops, prepend=0)
            used = np.flatnonzero(counts)
            return used, counts[used]
        numbers = np.searchsorted(np.cumsum(lengths), to_array(self._indices), side="right")
        begins = np.flatnonzero(np.diff(numbers, prepend=-1))
        return numbers[begins], np.diff(begins, append=len(numbers))

    def source_indices(self, indices: Indices) -> Indices:
        return rows_at(self._indices, indices)

    def read_into(self, indices: Indices, out: Array) -> None:
        self.source.read_into(self.source_indices(indices), out)
