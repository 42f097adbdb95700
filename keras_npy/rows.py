"""Rows addressed by index, whatever they lie in: a mapped file or an array in memory.

Every source becomes a `Rows`: an array whose first axis is read a batch at a time. Floors
above know rows by their shape, their dtype and `take`, and never see a file.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy import npy_file, read_ahead
from keras_npy.npy_file import NpyFileError
from keras_npy.order import to_indices

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

    def check_unchanged(self) -> None:
        """Raise `NpyFileError` if the rows are no longer those that were opened."""
        return

    def advise(self, indices: NDArray[np.int64]) -> None:
        """Say which rows will be read soon, so that a cold file is read ahead."""
        return

    @property
    def array(self) -> Array | None:
        """All rows as one read-only C-contiguous array of `dtype`, if they lie so in memory."""
        return None

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


Source: TypeAlias = str | os.PathLike[str] | Array | Rows


class ArrayRows(Rows):
    """Rows of an array in memory."""

    def __init__(self, array: Array, name: str = "array in memory") -> None:
        self.name = name
        self.shape = array.shape
        self.dtype = array.dtype.newbyteorder("=")
        self._array = array

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((len(indices), *self.row_shape), self.dtype)
        if self.dtype.kind == "b":
            np.not_equal(self._array.view(np.uint8)[indices], 0, out=out)
        elif self._array.dtype.isnative and _is_behaved(self._array):
            # mode="raise", the default, gathers into a buffer of its own first (NumPy 2.4).
            np.take(self._array, indices, axis=0, out=out, mode="clip")
        else:
            out[...] = self._array[indices]
        return out


def _is_behaved(array: Array) -> bool:
    # np.take copies the whole of any other array first (NumPy 2.4).
    return array.flags.c_contiguous and array.flags.aligned


class FileRows(ArrayRows):
    """Rows of one `.npy` file, mapped read-only."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.header = npy_file.read_header(path)
        self._map()

    def _map(self) -> None:
        super().__init__(npy_file.map_data(self.header), name=self.header.path)

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

    def check_unchanged(self) -> None:
        npy_file.check_unchanged(self.header)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickling a mapped array would send the whole file; send the header and map again.
        return _reopen, (self.header,)


def _reopen(header: npy_file.NpyHeader) -> FileRows:
    rows = FileRows.__new__(FileRows)
    rows.header = header
    rows._map()
    return rows


def open_rows(source: Source) -> Rows:
    """Open a source as rows that are read when they are asked for.

    Args:
        source: The path of one `.npy` file, or an array.

    Returns:
        The virtual array: `shape`, `dtype`, `len`, and NumPy indexing on axis 0.

    Raises:
        NpyFileError: If the file or array cannot be streamed.
        TypeError: If `source` is something else.

    Example:

    >>> np.save("x.npy", np.arange(12).reshape(4, 3))
    >>> open_rows("x.npy")[1:3]
    array([[3, 4, 5],
           [6, 7, 8]])
    """
    if isinstance(source, Rows):
        return source
    if isinstance(source, str | os.PathLike):
        return FileRows(source)
    if isinstance(source, np.ndarray):
        return ArrayRows(_checked_array(source))
    raise TypeError(
        "A source must be the path of an .npy file or a NumPy array. "
        f"Received: {type(source).__name__}. Pass a path, or np.asarray(...) of the data."
    )


def _checked_array(array: Array) -> Array:
    received = f"Received: an array of {array.dtype} {array.shape}."
    if not npy_file.is_supported(array.dtype):
        raise NpyFileError(
            f"An array must have one of the dtypes {npy_file.SUPPORTED_DTYPES}. {received} "
            "Convert it with astype first."
        )
    if isinstance(array, np.ma.MaskedArray):
        raise NpyFileError(
            f"An array must have no mask, which would be lost. {received} "
            "Fill it with array.filled(value) first."
        )
    if array.ndim == 0 or 0 in array.shape:
        raise NpyFileError(
            f"An array must hold at least one row, and a row one value. {received} "
            "Axis 0 counts the samples."
        )
    # A subclass would bring its own indexing with it.
    return np.asarray(array)
