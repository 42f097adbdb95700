"""Stores for the rows of many files, joined along axis 0, as bytes.

If `shard_maps` can lay the files out as one array with gaps, rows are gathered from it as from one
file. Otherwise each row is copied from the mapping of its file.
"""

import ctypes
import functools
import pickle
import time
import zlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.files import advice
from keras_npy.files.header import NpyHeader
from keras_npy.files.shard_maps import Arena, Maps, make_arena
from keras_npy.files.store import FileList, Places, Store, places_of
from keras_npy.types import Array, Indices

# A file in use is checked again at most once in this time. To check 470 files takes 2 ms, as long
# as gathering 4 batches of 3 MB.
CHECK_AGAIN_S = 1.0

# Rows up to this size are gathered by one NumPy call over all memory: 863 us for 4,096 rows of
# 784 bytes in 1,000 files. A loop takes 4,560 us, np.take over one file 601. For rows of 49 kB the
# loop is faster: 466 us for 64 rows, against 1,258.
GATHER_ROW_BYTES_MAX = 16 << 10

# Bytes that are gathered at a time, before they are copied into the batch: they stay in the cache.
_GATHER_BYTES = 128 << 10

# The first address, and the number of addresses: 48 bits on today's machines.
_FIRST_ADDRESS = 4096
_ADDRESSES = (1 << 48) - _FIRST_ADDRESS


class Shards:
    """Which file each row lies in, and whether the files are unchanged.

    Args:
        headers: The headers of the files, each with at least one row.
        are_found: Whether a pattern found the files.
    """

    lengths: Indices
    """Rows of each file."""

    def __init__(self, headers: Sequence[NpyHeader], *, are_found: bool = False) -> None:
        self.headers = headers
        self._are_found = are_found
        lengths = self.lengths = np.array([header.shape[0] for header in headers], np.int64)
        self._stops: Indices = np.cumsum(lengths)
        self._starts = self._stops - lengths
        self.num_rows = int(self._stops[-1])
        is_equal = np.all(lengths[:-1] == lengths[0]) and lengths[-1] <= lengths[0]
        self._equal_length = int(lengths[0]) if is_equal else 0
        self._checked_at_s = np.full(len(headers), -np.inf)

    @property
    def files(self) -> FileList:
        names = [header.name for header in self.headers]
        return FileList(names, self.lengths, are_found=self._are_found)

    @property
    def places(self) -> Places:
        return places_of(self.headers)

    def locate(self, indices: Indices) -> tuple[Indices, Indices]:
        """The file that holds each row, and the number of the row in it."""
        if self._equal_length:
            # A division is 45 ns a row faster than a search.
            return np.divmod(indices, self._equal_length)
        shards = np.searchsorted(self._stops, indices, side="right")
        return shards, indices - self._starts[shards]

    def check_unchanged(
        self,
        indices: Indices | None = None,
        *,
        is_mapped: bool = True,
        are_there: Callable[[int], bool] | None = None,
    ) -> None:
        """Check the files of these rows that were not just checked; without rows, check all.

        Args:
            indices: The rows.
            is_mapped: As `Place.check_unchanged` takes it.
            are_there: As `Place.check_unchanged` takes it, for the file of a number.

        Raises:
            NpyFileError: If a file is no longer the one that was opened.
        """
        now_s = time.monotonic()
        is_due = np.full(len(self.headers), indices is None)
        if indices is not None:
            shards = self.locate(indices)[0]
            again_s = CHECK_AGAIN_S if len(self.headers) > 1 else 0
            is_due[shards] = self._checked_at_s[shards] <= now_s - again_s
        for shard in np.flatnonzero(is_due).tolist():
            self.headers[shard].place.check_unchanged(
                is_mapped=is_mapped,
                are_there=None if are_there is None else functools.partial(are_there, shard),
            )
        self._checked_at_s[is_due] = now_s

    def name_of(self, index: int) -> tuple[str, int]:
        """The name of the file of a row, and the row's number in it."""
        (shard,), (row,) = self.locate(np.array([index]))
        return self.headers[shard].name, int(row)

    def are_resident(self, shards: Indices, rows: Indices, places: Indices) -> bool:
        """Whether the rows at these places of `shards` and `rows` are in memory."""
        looks = zip(shards[places].tolist(), rows[places].tolist(), strict=True)
        return all(_is_resident(self.headers[shard], row) for shard, row in looks)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle only paths and headers. They have much in common and take 30 bytes a file.
        packed = zlib.compress(pickle.dumps(list(self.headers)))
        return _unpack, (packed, self._are_found)


def _unpack(packed: bytes, are_found: bool) -> Shards:
    return Shards(pickle.loads(zlib.decompress(packed)), are_found=are_found)


def _is_resident(header: NpyHeader, row: int) -> bool:
    offset_bytes = header.offset_bytes + row * header.row_bytes
    return advice.mapped_are_resident(header.place.path, [offset_bytes])


def map_shards(shards: Shards) -> Store:
    """A store that maps files in C order, of one dtype and row shape, when they are first read."""
    arena = make_arena(shards.headers)
    return MapsStore(shards) if arena is None else ArenaStore(shards, arena)


class ShardStore(Store):
    """What every store of shards says of its files, however it reads them.

    Args:
        shards: The files, of one dtype and row shape.
    """

    def __init__(self, shards: Shards) -> None:
        self.num_rows = shards.num_rows
        self.row_bytes = shards.headers[0].row_bytes
        self._shards = shards

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._shards.check_unchanged(indices)

    @property
    def files(self) -> FileList:
        return self._shards.files

    @property
    def places(self) -> Places:
        return self._shards.places

    def locate(self, index: int) -> tuple[str, int]:
        return self._shards.name_of(index)


class _MappedShardStore(ShardStore):
    io = "map"

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._shards.check_unchanged(indices, are_there=self._are_there)

    def _are_there(self, shard: int) -> bool:
        address = self._address_of(shard)
        return bool(address) and advice.can_be_read(address, self._shards.headers[shard].data_bytes)

    @abstractmethod
    def _address_of(self, shard: int) -> int:
        """Where the rows of a file are mapped, or 0."""

    def _advise(self, addresses: Indices, shards: Indices, rows: Indices) -> None:
        look = functools.partial(self._shards.are_resident, shards, rows)
        advice.advise_at(addresses, self.row_bytes, look)

    def __reduce__(self) -> tuple[Any, ...]:
        return map_shards, (self._shards,)


class ArenaStore(_MappedShardStore):
    """Rows of files that are mapped into one array with gaps."""

    def __init__(self, shards: Shards, arena: Arena) -> None:
        super().__init__(shards)
        self._arena = arena

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        places = self._arena.places(*self._shards.locate(indices))
        np.take(self._arena.rows, places, axis=0, out=out, mode="clip")

    def alias(self) -> NDArray[np.uint8] | None:
        if not self._arena.is_joined:
            return None
        try:
            self._arena.map_all()
        except OSError:
            # There is no room for so many mappings at once. Rows are copied then.
            return None
        return self._arena.rows[: self.num_rows]

    def _address_of(self, shard: int) -> int:
        return self._arena.address_of(shard)

    def prepare(self, indices: Indices) -> None:
        self.check_unchanged(indices)
        shards, rows = self._shards.locate(indices)
        places = self._arena.places(shards, rows)
        self._advise(self._arena.address + places * self.row_bytes, shards, rows)


class MapsStore(_MappedShardStore):
    """Rows of files that are mapped one by one, as many at a time as allowed."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards)
        self._maps = Maps(shards.headers)

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        for start in range(0, len(indices), self._maps.maps_max):
            piece = slice(start, start + self._maps.maps_max)
            self._fetch_piece(indices[piece], out[piece])

    def _address_of(self, shard: int) -> int:
        return self._maps.address_of(shard)

    def _fetch_piece(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        """Fetch rows of at most as many files as may be mapped at once."""
        shards, rows = self._shards.locate(indices)
        addresses, maps = self._maps.borrow(shards)
        if self.row_bytes <= GATHER_ROW_BYTES_MAX:
            _gather(addresses + rows * self.row_bytes, out)
            return
        pairs = zip(shards.tolist(), rows.tolist(), strict=True)
        for at, (shard, row) in enumerate(pairs):
            out[at] = maps[shard][row]

    def prepare(self, indices: Indices) -> None:
        self.check_unchanged(indices)
        for start in range(0, len(indices), self._maps.maps_max):
            shards, rows = self._shards.locate(indices[start : start + self._maps.maps_max])
            addresses, held = self._maps.borrow(shards)
            self._advise(addresses + rows * self.row_bytes, shards, rows)
            del held


def _gather(addresses: Indices, out: NDArray[np.uint8]) -> None:
    """Copy the bytes at each address into a row of `out`.

    The caller must ensure that all bytes of these rows are mapped, and stay mapped meanwhile.
    """
    row = np.dtype((np.void, out.shape[1]))
    # All memory of this process, as an array with a row that begins at every byte. Only the rows
    # at the addresses are touched.
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
