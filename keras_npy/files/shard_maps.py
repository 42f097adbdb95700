"""Map many files into one process, as one array with gaps or one by one.

A file is mapped when one of its rows is first read. Files of one layout are mapped at such
distances from each other that they form one array with gaps. If there are more files than may be
mapped, those that were read longest ago are unmapped.
"""

import math
import mmap
import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_npy.files import mapping
from keras_npy.files.header import NpyHeader
from keras_npy.files.store import map_rows
from keras_npy.locks import make_lock
from keras_npy.types import Indices

# Files of one source that may be mapped at a time.
MAPS_MAX = 12_288

# Mappings for all shards of a process, out of the 65,530 that it may have (vm.max_map_count). The
# others are for libraries and threads, and for sources that are opened when all of these are taken:
# each of those still gets MAPS_MIN.
MAPPINGS_MAX = 57_344
MAPS_MIN = 64

# Addresses that one source may reserve for its array, out of the 2**47 of a process.
RESERVED_BYTES_MAX = 1 << 44

# Files that may be joined without gaps. Where two of them meet, a page of memory holds the end of
# one and the beginning of the other.
JOINED_MAX = 4_096

# How many mappings are set aside for each living object. They are free again when it ends, in
# whichever thread that is.
_MAPPINGS: "weakref.WeakKeyDictionary[Arena | Maps, int]" = weakref.WeakKeyDictionary()
_COUNTING = make_lock()


def num_mappings() -> int:
    """The number of mappings set aside in this process; the caller must hold `_COUNTING`."""
    return sum(_MAPPINGS.values())


def make_arena(headers: Sequence[NpyHeader]) -> "Arena | None":
    """Lay the files out as one array with gaps, or return `None` if that is impossible.

    Args:
        headers: The headers of the files: one dtype and row shape, C order, at least one row each.
    """
    first = headers[0]
    if len(headers) > MAPS_MAX or any(
        header.offset_bytes != first.offset_bytes for header in headers
    ):
        return None
    joined = _join(headers)
    if joined is not None:
        # Each file takes a mapping, and the page between two files another one.
        return _reserve(headers, joined, 2 * len(headers))
    # A slot is a whole number of pages, because a mapping is. It is also a whole number of rows, so
    # that the rows of all files lie at multiples of the row's size.
    slot_bytes = math.lcm(mmap.ALLOCATIONGRANULARITY, first.row_bytes)
    stops = [header.offset_bytes + header.data_bytes for header in headers]
    starts = np.cumsum([0, *(-(-stop // slot_bytes) for stop in stops)], dtype=object) * slot_bytes
    if starts[-1] > RESERVED_BYTES_MAX:
        return None
    # Each file takes a mapping, and so does the hole after it, if there is one.
    holes = [-stop % slot_bytes >= mmap.ALLOCATIONGRANULARITY for stop in stops]
    return _reserve(headers, starts.astype(np.int64), len(headers) + sum(holes))


def _join(headers: Sequence[NpyHeader]) -> Indices | None:
    """Where files begin if their rows follow each other without a gap; `None` if they cannot."""
    sizes = [header.data_bytes for header in headers]
    if len(headers) > JOINED_MAX or any(size % mmap.PAGESIZE for size in sizes[:-1]):
        return None
    starts = np.cumsum([0, *sizes], dtype=np.int64)
    starts[-1] += headers[-1].offset_bytes
    return starts if starts[-1] <= RESERVED_BYTES_MAX else None


def _reserve(headers: Sequence[NpyHeader], starts: Indices, num_needed: int) -> "Arena | None":
    with _COUNTING:
        if num_needed > MAPPINGS_MAX - num_mappings():
            return None
        try:
            arena = Arena(headers, starts)
        except OSError:
            # RLIMIT_AS forbids it. The files are then mapped one by one.
            return None
        _MAPPINGS[arena] = num_needed
        return arena


class Arena:
    """Files mapped into one array with gaps. May be used from any thread.

    `rows` is that array, uint8 `(places, row_bytes)`, at `address`. If the rows of each file follow
    those of the one before it, `is_joined`, it has no gaps. Of two files that meet within a page,
    that page is a copy.

    Args:
        headers: The headers of the files: one dtype, row shape and data offset, C order.
        starts: Where each file begins in the array, in bytes, and where the last one ends.
    """

    def __init__(self, headers: Sequence[NpyHeader], starts: Indices) -> None:
        first = headers[0]
        self._headers = headers
        self._starts = starts
        self._reserved = mapping.Reservation(int(starts[-1]))
        data = self._reserved.bytes[first.offset_bytes :]
        num_places = len(data) // first.row_bytes
        self.rows = data[: num_places * first.row_bytes].reshape(num_places, first.row_bytes)
        self.address: int = self.rows.ctypes.data
        self._first_rows = starts[:-1] // first.row_bytes
        ends = starts[:-1] + [header.data_bytes for header in headers]
        self.is_joined = bool(np.array_equal(starts[1:-1], ends[:-1]))
        self._is_mapped = np.zeros(len(headers), bool)
        self._lock = make_lock()

    def places(self, shards: Indices, rows: Indices) -> Indices:
        """Map the files if needed, and return where in `rows` these rows of theirs lie."""
        is_mapped = self._is_mapped[shards]
        if not is_mapped.all():
            with self._lock:
                for shard in np.unique(shards[~is_mapped]).tolist():
                    if not self._is_mapped[shard]:
                        self._map(shard)
        places: Indices = self._first_rows[shards] + rows
        return places

    def address_of(self, shard: int) -> int:
        """Where the rows of a file are mapped, or 0."""
        if not self._is_mapped[shard]:
            return 0
        return self.address + int(self._first_rows[shard]) * self._headers[shard].row_bytes

    def map_all(self) -> None:
        """Map all files.

        Raises:
            OSError: If the system refuses.
            NpyFileError: If a file is no longer the one whose header was read.
        """
        self.places(np.arange(len(self._headers)), np.zeros(1, np.int64))

    def _map(self, shard: int) -> None:
        header = self._headers[shard]
        start, size_bytes = int(self._starts[shard]), header.offset_bytes + header.data_bytes
        with header.place.open_unchanged() as file:
            if self.is_joined:
                self._map_joined(shard, file.fileno(), start, size_bytes)
            else:
                self._reserved.map_file(start, file.fileno(), size_bytes, header.name)
        self._is_mapped[shard] = True

    def _map_joined(self, shard: int, descriptor: int, start: int, stop: int) -> None:
        """Map the pages that hold nothing but this file, and copy the rest of its rows."""
        header, ahead = self._headers[shard], self._headers[shard].offset_bytes
        first, last = -(-ahead // mmap.PAGESIZE) * mmap.PAGESIZE, stop
        if shard == 0:
            first = 0
        elif first > ahead:
            size = min(first, stop) - ahead
            self._reserved.copy_file(start + ahead, descriptor, size, header.name, ahead)
        if shard < len(self._headers) - 1:
            last = stop - stop % mmap.PAGESIZE
            if last < stop:
                self._reserved.copy_file(start + last, descriptor, stop - last, header.name, last)
        if first < last:
            self._reserved.map_file(start + first, descriptor, last - first, header.name, first)


class Maps:
    """Files that are mapped one by one. May be used from any thread.

    Args:
        headers: The headers of the files. No call may need more than `maps_max` files.
    """

    def __init__(self, headers: Sequence[NpyHeader]) -> None:
        self._headers = headers
        with _COUNTING:
            # Take half of what is left, so that the next source gets some too.
            share = max(MAPS_MIN, (MAPPINGS_MAX - num_mappings()) // 2)
            self.maps_max = min(MAPS_MAX, len(headers), share)
            _MAPPINGS[self] = self.maps_max
        self._lock = make_lock()
        self._maps: dict[int, NDArray[np.uint8]] = {}
        # For each file, the address of its first row, or 0 if it is not mapped; and the number of
        # the call that last borrowed it.
        self._addresses = np.zeros(len(headers), np.int64)
        self._used_at = np.zeros(len(headers), np.int64)
        self._num_calls = 0

    def borrow(self, shards: Indices) -> tuple[Indices, dict[int, NDArray[np.uint8]]]:
        """Map the files of some rows.

        Args:
            shards: The file of each row.

        Returns:
            The address of each row's file, and the files as `map_rows` gives them. While the
            dict lives, none of them is unmapped.
        """
        with self._lock:
            self._num_calls += 1
            self._used_at[shards] = self._num_calls
            missing = np.unique(shards[self._addresses[shards] == 0])
            if len(self._maps) + len(missing) > self.maps_max:
                self._unmap_oldest(len(missing))
            for shard in missing.tolist():
                self._map(shard)
            addresses = self._addresses[shards]
            if self.maps_max == len(self._headers):
                # All files fit, so none of them is ever unmapped.
                return addresses, self._maps
            return addresses, {shard: self._maps[shard] for shard in np.unique(shards).tolist()}

    def address_of(self, shard: int) -> int:
        """Where the rows of a file are mapped, or 0."""
        return int(self._addresses[shard])

    def _map(self, shard: int) -> None:
        self._maps[shard] = map_rows(self._headers[shard])
        self._addresses[shard] = self._maps[shard].ctypes.data

    def _unmap_oldest(self, num_missing: int) -> None:
        """Make more room than needed, because finding the oldest files takes time."""
        mapped = np.fromiter(self._maps, np.int64)
        old = mapped[self._used_at[mapped] < self._num_calls]
        how_many = min(len(old), len(mapped) + num_missing - self.maps_max // 4 * 3)
        oldest = np.argpartition(self._used_at[old], how_many - 1)[:how_many]
        for shard in old[oldest].tolist():
            # A thread that reads from the file still holds its array. The file is unmapped when the
            # last such thread releases it. Forget the address first: a fork may come in between.
            self._addresses[shard] = 0
            del self._maps[shard]
