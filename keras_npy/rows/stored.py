"""Rows of one file or array: make values of bytes, for any byte order and order of axes."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from keras_npy.files.header import NpyHeader
from keras_npy.files.memory import address_of
from keras_npy.files.mounts import may_fall_back, should_read
from keras_npy.files.reading import ReadStore, read_file
from keras_npy.files.shards import Shards
from keras_npy.files.store import (
    FileList,
    MappedStore,
    MemoryStore,
    Places,
    Store,
    one_place,
    places_of,
)
from keras_npy.files.values import as_bytes, as_stored, copy_values, make_native
from keras_npy.rows.base import Rows, Timesteps
from keras_npy.rows.scratch import Scratch
from keras_npy.types import Array, Indices, Io


def open_file(header: NpyHeader, io: Io = "auto") -> Rows:
    """Rows of one `.npy` file, or of one member of an archive.

    Args:
        header: The header of the file.
        io: Whether to map the file, to read it, or to decide.
    """
    if io == "auto" and should_read([header]):
        io = "read"
    if io != "read":
        try:
            return _open_mapped(header)
        except OSError as error:
            if io == "map" or not may_fall_back(error, header.name):
                raise
    if header.fortran_order:
        return FortranReadRows(header)
    return _stored(read_file(header), header)


def _open_mapped(header: NpyHeader) -> Rows:
    store = MappedStore(header)
    return FortranRows(store, header) if header.fortran_order else _stored(store, header)


def _stored(store: Store, header: NpyHeader) -> Rows:
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

    def read_steps_into(self, starts: Indices, steps: Indices, out: Array) -> None:
        is_run = steps[-1] - steps[0] == len(steps) - 1
        if is_run and self._store.fetch_runs(starts + steps[0], len(steps), as_bytes(out)):
            make_native(out, self._stored_dtype)
        else:
            super().read_steps_into(starts, steps, out)

    def prepare(self, indices: Indices) -> None:
        self._store.prepare(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._store.check_unchanged(indices)

    @property
    def files(self) -> FileList | None:
        return self._store.files

    @property
    def places(self) -> Places:
        return self._store.places

    def locate(self, index: int) -> str:
        name, row = self._store.locate(index) or (self.name, index)
        return f"{name}, row {row}"

    @property
    def io(self) -> Literal["map", "read"] | None:
        return self._store.io

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
        self._num_steps = _num_steps(array)

    def read_into(self, indices: Indices, out: Array) -> None:
        copy_values(self._array[indices], out)

    def timesteps(self, indices: Indices) -> Timesteps:
        ends = indices + self._num_steps
        return Timesteps(indices, ends, len(self) + self._num_steps - 1)

    @property
    def places(self) -> Places:
        home, start_bytes = address_of(self._array)
        stride = self._array.strides[0]
        if stride <= 0:
            return one_place((home, start_bytes, self._array.strides, self.shape), 0, 1, len(self))
        # Rows lie between each other: those of other columns or steps are on another line.
        start, phase = divmod(start_bytes, stride)
        line = (home, phase, self._array.strides, self.row_shape, self._array.itemsize)
        return one_place(line, start, 1, len(self) + self._num_steps - 1)


def _num_steps(array: Array) -> int:
    """How many rows further a row reaches in memory than the next one begins: 1 without overlap.

    So it is with windows that overlap, as `sliding_window_view` gives them.
    """
    num_rows, by = len(array), array.strides[0]
    axes = [
        (size, abs(stride))
        for size, stride in zip(array.shape[1:], array.strides[1:], strict=True)
        if size > 1 and stride
    ]
    # Some steps along the axis lead to the same value as some rows do.
    do_overlap = by > 0 and any(
        math.lcm(by, stride) < min(num_rows * by, size * stride) for size, stride in axes
    )
    return 1 + sum((size - 1) * stride for size, stride in axes) // by if do_overlap else 1


class FortranRows(StridedRows):
    """Rows of a mapped file in Fortran order.

    The values of a row are spread over the whole file, so nothing is read ahead.
    """

    def __init__(self, store: MappedStore, header: NpyHeader) -> None:
        super().__init__(as_stored(store.alias(), header), header.name)
        self._store, self._header = store, header

    @property
    def io(self) -> Literal["map", "read"] | None:
        return self._store.io

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._store.check_unchanged()

    @property
    def files(self) -> FileList:
        return FileList([self._header.name], np.array([len(self)]))

    @property
    def places(self) -> Places:
        return places_of([self._header])

    def __reduce__(self) -> tuple[Any, ...]:
        return FortranRows, (self._store, self._header)


class FortranReadRows(Rows):
    """Rows of a file in Fortran order that is read by position.

    The file is N first values, N second values, and so on. Value j of a row lies in column j, far
    from the others, and each column is read for itself.
    """

    def __init__(self, header: NpyHeader) -> None:
        self.name = header.name
        self.shape = header.shape
        self.dtype = header.dtype.newbyteorder("=")
        self._header = header
        self._store = _ValueStore(header)
        self._scratch = Scratch()

    @property
    def files(self) -> FileList:
        return FileList([self._header.name], np.array([len(self)]))

    @property
    def places(self) -> Places:
        return places_of([self._header])

    def read_into(self, indices: Indices, out: Array) -> None:
        num_columns = math.prod(self.row_shape)
        order = np.argsort(indices, kind="stable")
        with self._scratch.lend((num_columns, len(indices)), self._header.dtype) as columns:
            step = max(1, _VALUES_AT_ONCE // max(1, len(indices)))
            for first in range(0, num_columns, step):
                numbers = np.arange(first, min(first + step, num_columns))
                values = (numbers[:, np.newaxis] * len(self) + indices[order]).reshape(-1)
                self._store.fetch(values, as_bytes(columns[first : first + step].reshape(-1)))
            rows = columns.reshape(*reversed(self.row_shape), len(indices)).T
            for at, place in enumerate(order.tolist()):
                copy_values(rows[at : at + 1], out[place : place + 1])

    @property
    def io(self) -> Literal["map", "read"] | None:
        return self._store.io

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._store.check_unchanged()

    def __reduce__(self) -> tuple[Any, ...]:
        return FortranReadRows, (self._header,)


# Values whose places in the file are computed at a time. Each takes several times eight bytes.
_VALUES_AT_ONCE = 1 << 13


class _ValueStore(ReadStore):
    """All values of a file in Fortran order, as it holds them: each is a row of the store."""

    def __init__(self, header: NpyHeader) -> None:
        flat = dataclasses.replace(header, shape=(math.prod(header.shape),), fortran_order=False)
        super().__init__(Shards([flat]))
        self._num_rows = header.shape[0]

    def row_of(self, index: int) -> int:
        return index % self._num_rows
