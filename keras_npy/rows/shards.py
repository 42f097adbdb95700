"""Rows of many files, joined along axis 0.

Headers are read once. Where `shard_maps` can lay the files out as one array with gaps, rows are
gathered from it as from one file; else they are copied from the mappings of their files.
"""

import ctypes
import functools
import pickle
import time
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError
from keras_npy.files import advice as read_ahead
from keras_npy.files import header as npy_file
from keras_npy.files.header import NpyHeader
from keras_npy.files.shard_maps import Maps, make_arena
from keras_npy.files.values import as_bytes, make_native
from keras_npy.rows.base import Rows
from keras_npy.rows.stored import ArrayRows
from keras_npy.types import Array, Indices

# A file whose rows are read in block after block is looked at again after this time. Looking at
# 470 files takes 2 ms, as long as gathering 4 batches of 3 MB.
CHECK_AGAIN_S = 1.0

# Rows up to this size are gathered by one NumPy call over all memory: 863 us for 4,096 rows of
# 784 bytes in 1,000 files, where a loop takes 4,560 and np.take over one file 601. For rows of
# 49 kB the loop was the faster one (466 us for 64 rows against 1,258).
GATHER_ROW_BYTES_MAX = 16 << 10

# What the gather makes at a time, before it is copied into the batch: it stays in the cache.
_GATHER_BYTES = 128 << 10

# Where addresses are counted from, and how many there are: 48 bits on the machines of today.
_FIRST_ADDRESS = 4096
_ADDRESSES = (1 << 48) - _FIRST_ADDRESS


class ShardRows(Rows):
    """Rows of many `.npy` files, in the order of the files.

    Args:
        headers: The files. Those without rows are skipped.

    Raises:
        NpyFileError: If dtype or row shape differ, or no file has a row.
    """

    def __init__(self, headers: Sequence[NpyHeader]) -> None:
        _check_alike(headers)
        filled = [header for header in headers if header.shape[0]]
        if not filled:
            raise NpyFileError(
                f"{headers[0].name}: shards must hold at least one row in all. "
                f"Received: {len(headers)} files without rows. Leave the empty files out."
            )
        self.headers = filled
        stops = np.cumsum([header.shape[0] for header in filled])
        more = f" and {len(headers) - 1} more" if len(headers) > 1 else ""
        self.name = filled[0].name + more
        self.shape = (int(stops[-1]), *filled[0].shape[1:])
        self.dtype = filled[0].dtype.newbyteorder("=")
        self._stops = stops
        lengths = {header.shape[0] for header in filled[:-1]} or {filled[0].shape[0]}
        is_equal = 1 == len(lengths) and filled[-1].shape[0] <= max(lengths)
        self._equal_length = max(lengths) if is_equal else 0
        self._starts = np.concatenate(([0], stops[:-1]))
        # Shards that are stored alike are read as bytes, whichever they lie in.
        self._are_alike = not any(header.fortran_order for header in filled) and (
            1 == len({header.dtype for header in filled})
        )
        self._arena = make_arena(filled) if self._are_alike else None
        if self._arena is None:
            self._maps = Maps(filled, as_raw=self._are_alike)
        self._checked_at_s = np.full(len(filled), -np.inf)

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        out = self.empty(len(indices)) if out is None else out
        if self._arena is not None:
            rows = as_bytes(self._arena.rows)
            np.take(
                rows,
                self._arena.places(*self._locate(indices)),
                axis=0,
                out=as_bytes(out),
                mode="clip",
            )
            make_native(out, self.headers[0].dtype)
            return out
        # No piece needs more files at once than may be mapped.
        for start in range(0, len(indices), self._maps.maps_max):
            piece = slice(start, start + self._maps.maps_max)
            self._take(indices[piece], out[piece])
        return out

    def _take(self, indices: Indices, out: Array) -> None:
        shards, rows = self._locate(indices)
        addresses, arrays = self._maps.borrow(shards)
        if not self._are_alike:
            for shard in np.unique(shards):
                here = shards == shard
                out[here] = ArrayRows(arrays[shard]).take(rows[here])
            return
        taken = as_bytes(out)
        if self.row_bytes <= GATHER_ROW_BYTES_MAX:
            _gather(addresses + rows * self.row_bytes, taken)
        else:
            pairs = zip(shards.tolist(), rows.tolist(), strict=True)
            for at, (shard, row) in enumerate(pairs):
                taken[at] = arrays[shard][row]
        make_native(out, self.headers[0].dtype)

    def check_unchanged(self, indices: NDArray[np.int64] | None = None) -> None:
        now_s = time.monotonic()
        is_due = np.full(len(self.headers), indices is None)
        if indices is not None:
            shards = self._locate(indices)[0]
            is_due[shards] = self._checked_at_s[shards] < now_s - CHECK_AGAIN_S
        for shard in np.flatnonzero(is_due).tolist():
            npy_file.check_unchanged(self.headers[shard])
        self._checked_at_s[is_due] = now_s

    def advise(self, indices: NDArray[np.int64]) -> None:
        if not self._are_alike:
            return
        if self._arena is not None:
            shards, rows = self._locate(indices)
            addresses = self._arena.address + self._arena.places(shards, rows) * self.row_bytes
            look = functools.partial(self._are_resident, shards, rows)
            read_ahead.advise_at(addresses, self.row_bytes, look)
            return
        for start in range(0, len(indices), self._maps.maps_max):
            shards, rows = self._locate(indices[start : start + self._maps.maps_max])
            addresses, held = self._maps.borrow(shards)
            addresses += rows * self.row_bytes
            look = functools.partial(self._are_resident, shards, rows)
            read_ahead.advise_at(addresses, self.row_bytes, look)
            del held

    def _are_resident(self, shards: Indices, rows: Indices, places: Indices) -> bool:
        looks = zip(shards[places].tolist(), rows[places].tolist(), strict=True)
        return all(
            read_ahead.are_resident(
                self.headers[shard].path,
                [self.headers[shard].offset_bytes + row * self.row_bytes],
            )
            for shard, row in looks
        )

    def _locate(self, indices: Indices) -> tuple[Indices, Indices]:
        """The file that each row lies in, and its number there."""
        if self._equal_length:
            # A search takes 45 ns a row more.
            return np.divmod(indices, self._equal_length)
        shards = np.searchsorted(self._stops, indices, side="right")
        return shards, indices - self._starts[shards]

    def __reduce__(self) -> tuple[Any, ...]:
        # Paths and headers alone, which have much in common: 30 bytes a file.
        return _unpack, (zlib.compress(pickle.dumps(self.headers)),)


def _unpack(packed: bytes) -> ShardRows:
    return ShardRows(pickle.loads(zlib.decompress(packed)))


def _gather(addresses: Indices, out: NDArray[np.uint8]) -> None:
    """Copy the bytes at each address into a row of `out`.

    Every address must lie in memory that is mapped and kept so, up to `row_bytes` behind it.
    """
    row = np.dtype((np.void, out.shape[1]))
    # All memory of this process, as one row that begins at each of its bytes. Only the rows at
    # the addresses are touched.
    rows: Array = np.ndarray(
        (_ADDRESSES - row.itemsize + 1,), row, buffer=_all_memory(), strides=(1,)
    )
    firsts, taken = addresses - _FIRST_ADDRESS, out.view(row)[:, 0]
    step = max(1, _GATHER_BYTES // row.itemsize)
    for start in range(0, len(firsts), step):
        taken[start : start + step] = rows[firsts[start : start + step]]


def _all_memory() -> NDArray[np.uint8]:
    memory = (ctypes.c_char * _ADDRESSES).from_address(_FIRST_ADDRESS)
    return np.frombuffer(memoryview(memory).toreadonly(), np.uint8)


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
