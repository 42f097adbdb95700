"""Rows of an array in memory, and of one mapped file."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_npy.files import advice
from keras_npy.files import header as npy_file
from keras_npy.files.values import as_bytes, copy_values, make_native
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices


class ArrayRows(Rows):
    """Rows of an array in memory."""

    def __init__(self, array: Array, name: str = "array in memory") -> None:
        self.name = name
        self.shape = array.shape
        self.dtype = array.dtype.newbyteorder("=")
        self._array = array

    def take(self, indices: Indices, out: Array | None = None) -> Array:
        out = self.empty(len(indices)) if out is None else out
        if self._array.flags.c_contiguous:
            # As bytes, so that no alignment and no dtype costs np.take a copy of the whole array.
            # mode="raise", the default, gathers into a buffer of its own first (NumPy 2.4).
            np.take(as_bytes(self._array), indices, axis=0, out=as_bytes(out), mode="clip")
            make_native(out, self._array.dtype)
        else:
            copy_values(self._array[indices], out)
        return out


class FileRows(ArrayRows):
    """Rows of one `.npy` file, or of one member of an archive, mapped read-only."""

    def __init__(self, header: npy_file.NpyHeader) -> None:
        self.header = header
        super().__init__(npy_file.map_data(header), name=header.name)

    @property
    def array(self) -> Array | None:
        array = self._array
        # A bool file may hold bytes other than 0 and 1, which only `take` makes booleans.
        if self.dtype.kind == "b" or not array.flags.c_contiguous or not array.dtype.isnative:
            return None
        return array

    def advise(self, indices: Indices) -> None:
        # The rows of a Fortran-order file are strewn over all of it: there is nothing to ask for.
        if self._array.flags.c_contiguous:
            advice.advise_rows(self._array.ctypes.data, self.row_bytes, indices, self._are_resident)

    def _are_resident(self, offsets: Sequence[int]) -> bool:
        first = self.header.offset_bytes
        return advice.are_resident(self.header.path, [first + offset for offset in offsets])

    def check_unchanged(self, indices: Indices | None = None) -> None:
        npy_file.check_unchanged(self.header)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickling a mapped array would send the whole file; send the header and map again.
        return FileRows, (self.header,)
