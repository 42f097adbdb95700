"""Rows of many files, joined along axis 0.

Headers are read once; files are mapped when one of their rows is first read, and of more than
`MAPS_MAX` files those that were read longest ago are unmapped.
"""

import ctypes
import functools
import pickle
import threading
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy import npy_file, read_ahead
from keras_npy.npy_file import NpyFileError, NpyHeader
from keras_npy.order import Indices
from keras_npy.rows import Array, ArrayRows, Rows, as_bytes, make_native

# Files of one source that are mapped at a time. A process may map 65,530 (vm.max_map_count), so
# that five sources of more shards than this fit beside all else.
MAPS_MAX = 12_288

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
        self.name = f"{filled[0].name} and {len(headers) - 1} more"
        self.shape = (int(stops[-1]), *filled[0].shape[1:])
        self.dtype = filled[0].dtype.newbyteorder("=")
        self._stops = stops
        self._starts = np.concatenate(([0], stops[:-1]))
        # Shards that are stored alike are read as bytes, whichever they lie in.
        self._are_alike = not any(header.fortran_order for header in filled) and (
            1 == len({header.dtype for header in filled})
        )
        self._maps = _Maps(filled, as_raw=self._are_alike)

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        out = self.empty(len(indices)) if out is None else out
        # No piece needs more files at once than may be mapped.
        for start in range(0, len(indices), MAPS_MAX):
            piece = slice(start, start + MAPS_MAX)
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
        if indices is None:
            touched = self.headers
        else:
            touched = [self.headers[shard] for shard in np.unique(self._locate(indices)[0])]
        for header in touched:
            npy_file.check_unchanged(header)

    def advise(self, indices: NDArray[np.int64]) -> None:
        if not self._are_alike:
            return
        for start in range(0, len(indices), MAPS_MAX):
            shards, rows = self._locate(indices[start : start + MAPS_MAX])
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
        shards = np.searchsorted(self._stops, indices, side="right")
        return shards, indices - self._starts[shards]

    def __reduce__(self) -> tuple[Any, ...]:
        # Paths and headers alone, which have much in common: 30 bytes a file.
        return _unpack, (zlib.compress(pickle.dumps(self.headers)),)


def _unpack(packed: bytes) -> ShardRows:
    return ShardRows(pickle.loads(zlib.decompress(packed)))


class _Maps:
    """The files that are mapped at present. May be used from any thread.

    Args:
        headers: The files.
        as_raw: Whether their data are wanted as bytes, `(N, row_bytes)`.
    """

    def __init__(self, headers: Sequence[NpyHeader], *, as_raw: bool) -> None:
        self._headers = headers
        self._as_raw = as_raw
        self._is_bounded = len(headers) > MAPS_MAX
        self._lock = threading.Lock()
        self._arrays: dict[int, Array] = {}
        # Address of each file's first row, or 0; and when it was last borrowed, counted in calls.
        self._addresses = np.zeros(len(headers), np.int64)
        self._used_at = np.zeros(len(headers), np.int64)
        self._num_calls = 0

    def borrow(self, shards: Indices) -> tuple[Indices, dict[int, Array]]:
        """Map the files of some rows.

        Args:
            shards: The file of each row.

        Returns:
            Address of each row's file, and the arrays by file. Nothing is unmapped before the
            dict is gone.
        """
        with self._lock:
            missing = self._addresses[shards] == 0
            if missing.any():
                for shard in np.unique(shards[missing]).tolist():
                    self._map(shard)
            addresses = self._addresses[shards]
            if not self._is_bounded:
                # They stay mapped for as long as these rows live.
                return addresses, self._arrays
            held = {shard: self._arrays[shard] for shard in np.unique(shards).tolist()}
            self._num_calls += 1
            self._used_at[shards] = self._num_calls
            if len(self._arrays) > MAPS_MAX:
                self._unmap_oldest(len(self._arrays) - MAPS_MAX // 4 * 3)
            return addresses, held

    def _map(self, shard: int) -> None:
        array = npy_file.map_data(self._headers[shard])
        self._arrays[shard] = as_bytes(array) if self._as_raw else array
        self._addresses[shard] = array.ctypes.data

    def _unmap_oldest(self, how_many: int) -> None:
        mapped = np.fromiter(self._arrays, np.int64)
        oldest = np.argpartition(self._used_at[mapped], how_many - 1)[:how_many]
        for shard in mapped[oldest].tolist():
            # Who reads from it now still holds the array; the last one who does unmaps it.
            del self._arrays[shard]
            self._addresses[shard] = 0


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
