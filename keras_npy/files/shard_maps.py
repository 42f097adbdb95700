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
    # A slot is a whole number of pages, because a mapping is. It is also a whole number of rows, so
    # that the rows of all files lie at multiples of the row's size.
    slot_bytes = math.lcm(mmap.ALLOCATIONGRANULARITY, first.row_bytes)
    stops = [header.offset_bytes + header.data_bytes for header in headers]
    starts = np.cumsum([0, *(-(-stop // slot_bytes) for stop in stops)], dtype=object) * slot_bytes
    if starts[-1] > RESERVED_BYTES_MAX:
        return None
    # Each file takes a mapping, and so does the hole after it, if there is one.
    holes = [-stop % slot_bytes >= mmap.ALLOCATIONGRANULARITY for stop in stops]
    num_needed = len(headers) + sum(holes)
    with _COUNTING:
        if num_needed > MAPPINGS_MAX - num_mappings():
            return None
        try:
            arena = Arena(headers, starts.astype(np.int64))
        except OSError:
            # RLIMIT_AS forbids it. The files are then mapped one by one.
            return None
        _MAPPINGS[arena] = num_needed
        return arena


class Arena:
    """Files mapped into one array with gaps. May be used from any thread.

    `rows` is that array, uint8 `(places, row_bytes)`, at `address`.

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

    def _map(self, shard: int) -> None:
        header = self._headers[shard]
        size_bytes = header.offset_bytes + header.data_bytes
        with header.place.open_unchanged() as file:
            start = int(self._starts[shard])
            self._reserved.map_file(start, file.fileno(), size_bytes, header.name)
        self._is_mapped[shard] = True


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
