"""Rows of many files, joined along axis 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.files.header import NpyHeader
from keras_npy.files.shard_maps import Maps
from keras_npy.files.shards import Shards, open_shards
from keras_npy.files.values import as_stored
from keras_npy.rows.base import Rows
from keras_npy.rows.stored import StoredRows, StridedRows
from keras_npy.types import Array, Indices


def join_files(headers: Sequence[NpyHeader]) -> Rows:
    """Rows of many `.npy` files, in the order of the files.

    Args:
        headers: The headers of the files. Files without rows are skipped.

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
    shards = Shards(filled)
    name = filled[0].name + (f" and {len(headers) - 1} more" if len(headers) > 1 else "")
    # Files that are stored alike can be read as bytes of one store.
    if any(header.fortran_order or header.dtype != filled[0].dtype for header in filled):
        return UnlikeShardRows(shards, name)
    shape = (shards.num_rows, *filled[0].shape[1:])
    return StoredRows(open_shards(shards), name=name, shape=shape, stored_dtype=filled[0].dtype)


class UnlikeShardRows(Rows):
    """Rows of files that differ in byte order, or lie in Fortran order."""

    def __init__(self, shards: Shards, name: str) -> None:
        first = shards.headers[0]
        self.name = name
        self.shape = (shards.num_rows, *first.shape[1:])
        self.dtype = first.dtype.newbyteorder("=")
        self._shards = shards
        self._maps = Maps(shards.headers)

    def read_into(self, indices: Indices, out: Array) -> None:
        # Read so few rows at a time that their files may all be mapped at once.
        for start in range(0, len(indices), self._maps.maps_max):
            piece = slice(start, start + self._maps.maps_max)
            self._read_piece(indices[piece], out[piece])

    def _read_piece(self, indices: Indices, out: Array) -> None:
        shards, rows = self._shards.locate(indices)
        _, maps = self._maps.borrow(shards)
        for shard in np.unique(shards).tolist():
            here = shards == shard
            stored = as_stored(maps[shard], self._shards.headers[shard])
            out[here] = StridedRows(stored, self.name).take(rows[here])

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._shards.check_unchanged(indices)

    def __reduce__(self) -> tuple[Any, ...]:
        return UnlikeShardRows, (self._shards, self.name)


def _check_alike(headers: Sequence[NpyHeader]) -> None:
    first = headers[0]
    for header in headers:
        same_dtype = header.dtype.newbyteorder("=") == first.dtype.newbyteorder("=")
        if not same_dtype or header.shape[1:] != first.shape[1:]:
            raise NpyFileError(
                f"{header.name}: shards must have one dtype, and one shape but for axis 0. "
                f"Received: {first.name} of {first.dtype} {first.shape}, {header.name} of "
                f"{header.dtype} {header.shape}. Convert one of them, or leave it out."
            )
