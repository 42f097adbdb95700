"""Rows of one file or array: make values of bytes, for any byte order and order of axes."""

from typing import Any

import numpy as np

from keras_npy.files.header import NpyHeader
from keras_npy.files.store import MappedStore, MemoryStore, Store
from keras_npy.files.values import as_bytes, as_stored, copy_values, make_native
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices


def open_file(header: NpyHeader) -> Rows:
    """Rows of one `.npy` file, or of one member of an archive, mapped read-only."""
    store = MappedStore(header)
    if header.fortran_order:
        return FortranRows(store, header)
    return StoredRows(store, name=header.name, shape=header.shape, stored_dtype=header.dtype)


def open_array(array: Array) -> Rows:
    """Rows of an array in memory."""
    name = "array in memory"
    if not array.flags.c_contiguous:
        return StridedRows(array, name)
    store = MemoryStore(as_bytes(array))
    return StoredRows(store, name=name, shape=array.shape, stored_dtype=array.dtype)


class StoredRows(Rows):
    """Rows whose bytes lie in a store, in C order.

    Args:
        store: Fetches the bytes.
        name: Name of the rows in messages.
        shape: `(N, ...)`.
        stored_dtype: dtype of the values as stored, in their byte order.
    """

    def __init__(
        self, store: Store, *, name: str, shape: tuple[int, ...], stored_dtype: np.dtype[Any]
    ) -> None:
        self.name = name
        self.shape = shape
        self.dtype = stored_dtype.newbyteorder("=")
        self._store = store
        self._stored_dtype = stored_dtype

    def read_into(self, indices: Indices, out: Array) -> None:
        self._store.fetch(indices, as_bytes(out))
        make_native(out, self._stored_dtype)

    def prepare(self, indices: Indices) -> None:
        self._store.prepare(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._store.check_unchanged(indices)

    def alias(self) -> Array | None:
        data = self._store.alias()
        # A bool file may hold bytes other than 0 and 1. Only `read_into` makes booleans of them.
        if data is None or self.dtype.kind == "b" or not self._stored_dtype.isnative:
            return None
        return np.ndarray(self.shape, self.dtype, data)


class StridedRows(Rows):
    """Rows of an array in memory that is not C-contiguous."""

    def __init__(self, array: Array, name: str) -> None:
        self.name = name
        self.shape = array.shape
        self.dtype = array.dtype.newbyteorder("=")
        self._array = array

    def read_into(self, indices: Indices, out: Array) -> None:
        copy_values(self._array[indices], out)


class FortranRows(StridedRows):
    """Rows of a mapped file in Fortran order.

    The values of a row are spread over the whole file, so nothing is read ahead.
    """

    def __init__(self, store: MappedStore, header: NpyHeader) -> None:
        super().__init__(as_stored(store.alias(), header), header.name)
        self._store, self._header = store, header

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._store.check_unchanged()

    def __reduce__(self) -> tuple[Any, ...]:
        return FortranRows, (self._store, self._header)
