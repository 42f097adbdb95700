"""Rows addressed by index, whatever they lie in; here a mapped file or an array in memory.

Every source becomes a `Rows`: an array whose first axis is read a batch at a time. Floors
above know rows by their shape, their dtype and `take`, and never see a file.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.files import advice as read_ahead
from keras_npy.files import header as npy_file
from keras_npy.order.order import to_indices

Array: TypeAlias = NDArray[Any]


class Rows(ABC):
    """A virtual array that is read by rows: `shape`, `dtype`, `len` and slicing.

    `dtype` is what `take` gives, always in this machine's byte order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        """Copy rows into a new array, or into `out`.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.
            out: C-contiguous `(b, *row)` of this dtype.

        Returns:
            `(b, *row)`, never a view of the source.
        """

    def check_unchanged(self, indices: NDArray[np.int64] | None = None) -> None:
        """Raise `NpyFileError` if rows are no longer those that were opened.

        Args:
            indices: The rows that will be read next; of many files only theirs are looked at.
                `None` for all rows.
        """
        return

    def advise(self, indices: NDArray[np.int64]) -> None:
        """Say which rows will be read soon, so that a cold file is read ahead."""
        return

    @property
    def array(self) -> Array | None:
        """All rows as one read-only C-contiguous array of `dtype`, if they lie so in memory."""
        return None

    def empty(self, num_rows: int) -> Array:
        """An uninitialised array of that many rows."""
        return np.empty((num_rows, *self.row_shape), self.dtype)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.shape[1:]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Rows by integer, slice, integers or boolean mask, with NumPy's meaning; at least one."""
        if isinstance(index, tuple):
            raise TypeError(
                "Rows are indexed on axis 0 alone. "
                f"Received: a tuple of {len(index)} indices. Take the rows first: rows[i][:, j]."
            )
        if isinstance(index, int | np.integer):
            row: Array = self.take(to_indices([index], len(self)))[0]
            return row
        return self.take(to_indices(index, len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.dtype} {self.shape})"


class ArrayRows(Rows):
    """Rows of an array in memory."""

    def __init__(self, array: Array, name: str = "array in memory") -> None:
        self.name = name
        self.shape = array.shape
        self.dtype = array.dtype.newbyteorder("=")
        self._array = array

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        out = self.empty(len(indices)) if out is None else out
        if self._array.flags.c_contiguous:
            # As bytes, so that no alignment and no dtype costs np.take a copy of the whole array.
            # mode="raise", the default, gathers into a buffer of its own first (NumPy 2.4).
            np.take(as_bytes(self._array), indices, axis=0, out=as_bytes(out), mode="clip")
            make_native(out, self._array.dtype)
        else:
            copy_values(self._array[indices], out)
        return out


def as_bytes(array: Array) -> NDArray[np.uint8]:
    """The memory of a C-contiguous array `(n, *row)` as uint8 `(n, row_bytes)`."""
    row_bytes = array.itemsize * math.prod(array.shape[1:])
    return array.reshape(len(array), -1).view(np.uint8).reshape(len(array), row_bytes)


def make_native(out: Array, stored: np.dtype[Any]) -> None:
    """Turn bytes of dtype `stored`, which were copied into `out`, into values of its own dtype."""
    if not stored.isnative:
        out.byteswap(inplace=True)
    if out.dtype.kind == "b":
        # Any byte but 0 is true; frameworks rely on 1.
        np.not_equal(out.view(np.uint8), 0, out=out)


def copy_values(stored: Array, out: Array) -> None:
    """Copy an array of any layout into `out`, of its dtype in this machine's byte order."""
    if out.dtype.kind == "b":
        # As in make_native; NumPy copies booleans byte by byte.
        np.not_equal(stored.view(np.uint8), 0, out=out)
    else:
        out[...] = stored


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

    def advise(self, indices: NDArray[np.int64]) -> None:
        # The rows of a Fortran-order file are strewn over all of it: there is nothing to ask for.
        if self._array.flags.c_contiguous:
            read_ahead.advise_rows(
                self._array.ctypes.data, self.row_bytes, indices, self._are_resident
            )

    def _are_resident(self, offsets: Sequence[int]) -> bool:
        first = self.header.offset_bytes
        return read_ahead.are_resident(self.header.path, [first + offset for offset in offsets])

    def check_unchanged(self, indices: NDArray[np.int64] | None = None) -> None:
        npy_file.check_unchanged(self.header)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickling a mapped array would send the whole file; send the header and map again.
        return FileRows, (self.header,)
