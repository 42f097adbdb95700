"""Rows of many files, joined along axis 0."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.files.header import NpyHeader
from keras_npy.files.mounts import may_fall_back, should_read
from keras_npy.files.reading import open_shards
from keras_npy.files.shard_maps import Maps
from keras_npy.files.shards import Shards
from keras_npy.files.store import FileList, Places
from keras_npy.files.values import as_stored
from keras_npy.rows.base import Rows
from keras_npy.rows.stored import StoredRows, StridedRows, open_file
from keras_npy.types import Array, Indices, Io


def join_files(headers: Sequence[NpyHeader], io: Io = "auto", *, are_found: bool = False) -> Rows:
    """Rows of many `.npy` files, in the order of the files.

    Args:
        headers: The headers of the files. Files without rows are skipped.
        io: Whether to map the files, to read them, or to decide.
        are_found: Whether a pattern found the files.

    Raises:
        NpyFileError: If dtype or row shape differ, or no file has a row.
    """
    _check_alike(headers)
    filled = [header for header in headers if header.shape[0]]
    if not filled:
        raise NpyFileError(
            f"{headers[0].name}: shards must hold at least one row in all. "
            f"Received: {len(headers)} files without rows. Leave the empty files out."
        )
    shards = Shards(filled, are_found=are_found)
    name = filled[0].name + (f" and {len(headers) - 1} more" if len(headers) > 1 else "")
    # Files that are stored alike can be read as bytes of one store.
    if any(header.fortran_order or header.dtype != filled[0].dtype for header in filled):
        return UnlikeShardRows(shards, name, io)
    return ShardRows(shards, name, io)


class ShardRows(StoredRows):
    """Rows of files that are stored alike, in C order."""

    def __init__(self, shards: Shards, name: str, io: Io) -> None:
        first = shards.headers[0]
        shape = (shards.num_rows, *first.shape[1:])
        super().__init__(open_shards(shards, io), name=name, shape=shape, stored_dtype=first.dtype)
        self._shards = shards

    @property
    def shard_lengths(self) -> Indices:
        return self._shards.lengths

    def _file_of(self, index: int) -> tuple[str, int]:
        return self._shards.name_of(index)


class UnlikeShardRows(Rows):
    """Rows of files that differ in byte order, or lie in Fortran order."""

    def __init__(self, shards: Shards, name: str, io: Io = "auto") -> None:
        first = shards.headers[0]
        self.name = name
        self.shape = (shards.num_rows, *first.shape[1:])
        self.dtype = first.dtype.newbyteorder("=")
        self._shards = shards
        self._io = io
        is_mapped = io == "map" or (io == "auto" and not should_read(shards.headers))
        self._maps = Maps(shards.headers) if is_mapped else None

    def read_into(self, indices: Indices, out: Array) -> None:
        # Read so few rows at a time that their files may all be mapped at once.
        at_once = len(self._shards.headers) if self._maps is None else self._maps.maps_max
        for start in range(0, len(indices), at_once):
            piece = slice(start, start + at_once)
            self._read_piece(indices[piece], out[piece])

    def _read_piece(self, indices: Indices, out: Array) -> None:
        shards, rows = self._shards.locate(indices)
        opened = self._open(shards)
        for shard in np.unique(shards).tolist():
            here = shards == shard
            out[here] = opened(shard).take(rows[here])

    def _open(self, shards: Indices) -> Callable[[int], Rows]:
        """A function that gives the rows of each of these files."""
        headers = self._shards.headers
        if self._maps is not None:
            try:
                _, maps = self._maps.borrow(shards)
                return lambda shard: StridedRows(as_stored(maps[shard], headers[shard]), self.name)
            except OSError as error:
                if self._io == "map" or not may_fall_back(error, self.name):
                    raise
                self._maps = None
        return lambda shard: open_file(headers[shard], "read")

    def locate(self, index: int) -> str:
        name, row = self._shards.name_of(index)
        return f"{name}, row {row}"

    def _file_of(self, index: int) -> tuple[str, int]:
        return self._shards.name_of(index)

    @property
    def io(self) -> Literal["map", "read"] | None:
        return "read" if self._maps is None else "map"

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._shards.check_unchanged(indices)

    @property
    def shard_lengths(self) -> Indices:
        return self._shards.lengths

    @property
    def files(self) -> FileList:
        return self._shards.files

    @property
    def places(self) -> Places:
        return self._shards.places

    def __reduce__(self) -> tuple[Any, ...]:
        return UnlikeShardRows, (self._shards, self.name, self._io)


def _check_alike(headers: Sequence[NpyHeader]) -> None:
    first = headers[0]
    for header in headers:
        same_dtype = header.dtype.newbyteorder("=") == first.dtype.newbyteorder("=")
        if not same_dtype or header.shape[1:] != first.shape[1:]:
            raise NpyFileError(
                f"{header.name}: shards must have one dtype, and one shape but for axis 0. "
                f"Received: {first.name} of {first.dtype} {first.shape}, {header.name} of "
                f"{header.dtype} {header.shape}. Convert one of them, or leave it out; several "
                "inputs or outputs are a tuple or a dict, not a list."
            )
