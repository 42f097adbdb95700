"""Which bytes of files to read for a batch of rows, and where in memory each belongs.

Rows that follow each other are one read; small rows that lie close together are read with what lies
between them. Nothing here opens a file.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Array, Indices

# Bytes that are copied in the time that a call takes, 1.6 us. Rows that lie closer together are
# read with what lies between them.
CALL_BYTES = 6 << 10

# Rows that are larger, or lie further apart, are read by a call for each.
GAP_BYTES_MAX = 4 << 10

# Bytes that are read before they are sorted into the batch. They stay in the processor's cache, and
# the C library takes more than 128 kB from the system anew each time.
SPAN_BYTES = 64 << 10

# Bytes that one call reads, so that threads can share the work if the disk has to be waited for.
RUN_BYTES = 1 << 20


class Reads(NamedTuple):
    """Parts of files, and where in memory each of them goes, in bytes.

    They are no arrays: to make one takes as long as reading a small row.
    """

    offsets: Sequence[int]
    """Where they begin in their file."""
    starts: Sequence[int]
    stops: Sequence[int]

    def part(self, here: slice) -> "Reads":
        """Some of them."""
        return Reads(self.offsets[here], self.starts[here], self.stops[here])


class Spans:
    """Stretches of files that hold rows which lie close together.

    Several spans make a group, which is read into one piece of memory.

    Args:
        shards: The file of each row, in rising order.
        offsets: Where each row begins in its file, in rising order within a file.
        row_bytes: Bytes of a row.
    """

    def __init__(self, shards: Indices, offsets: Indices, row_bytes: int) -> None:
        is_first = np.ones(len(offsets), bool)
        is_first[1:] = (
            (offsets[1:] > offsets[:-1] + row_bytes + GAP_BYTES_MAX)
            | (shards[1:] != shards[:-1])
            # Cut a long span where a new stretch of the file begins.
            | (offsets[1:] // SPAN_BYTES != offsets[:-1] // SPAN_BYTES)
        )
        self._firsts = np.flatnonzero(is_first)
        lasts = np.append(self._firsts[1:], len(offsets)) - 1
        self._shards = shards[self._firsts]
        self._starts = offsets[self._firsts]
        self._sizes = offsets[lasts] + row_bytes - self._starts
        # Where the spans would lie if all were read into one piece of memory.
        self._ends = np.cumsum(self._sizes)
        begins = self._ends - self._sizes
        span_of_row = np.cumsum(is_first) - 1
        self._rows = offsets - self._starts[span_of_row] + begins[span_of_row]
        groups = begins // SPAN_BYTES
        self._group_firsts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
        self._group_ends = np.append(self._group_firsts[1:], len(groups))
        self.num_groups = len(self._group_firsts)
        # To sort a row into the batch takes as long as copying a few hundred bytes.
        sorted_bytes = 512 * len(offsets)
        self.num_bytes = len(self._firsts) * CALL_BYTES + int(self._ends[-1]) + sorted_bytes
        """Bytes that can be copied in the time that it takes to read all spans."""

    def scratch_bytes(self, group: int) -> int:
        first, end = self._group_firsts[group], self._group_ends[group]
        return int(self._sizes[first:end].sum())

    def runs(self, group: int) -> tuple[Indices, Reads]:
        """The files of the spans of a group, and where each goes in the memory of the group."""
        spans = slice(self._group_firsts[group], self._group_ends[group])
        stops = np.cumsum(self._sizes[spans])
        columns = (self._starts[spans], stops - self._sizes[spans], stops)
        return self._shards[spans], Reads(*(column.tolist() for column in columns))

    def rows(self, group: int) -> tuple[slice, Indices]:
        """Which rows lie in the group, and where in its memory."""
        first, end = self._group_firsts[group], self._group_ends[group]
        last = self._firsts[end] if end < len(self._firsts) else len(self._rows)
        rows = slice(int(self._firsts[first]), int(last))
        return rows, self._rows[rows] - (self._ends[first] - self._sizes[first])


def follow_the_last(shards: Indices | None, offsets: Indices, row_bytes: int) -> NDArray[np.bool_]:
    """Whether each row but the first follows the row before it in a file, too."""
    follows: NDArray[np.bool_] = offsets[1:] == offsets[:-1] + row_bytes
    if shards is not None:
        follows &= shards[1:] == shards[:-1]
    return follows


def find_runs(
    shards: Indices | None, offsets: Indices, follows: NDArray[np.bool_], row_bytes: int
) -> tuple[Indices | None, Reads]:
    """The files and places of rows. Those that follow each other in a file and here are one."""
    num_bytes = len(offsets) * row_bytes
    # `any` takes three times as long.
    if not np.count_nonzero(follows):
        starts = range(0, num_bytes, row_bytes)
        stops = range(row_bytes, num_bytes + row_bytes, row_bytes)
        return shards, Reads(offsets.tolist(), starts, stops)
    is_first = np.append(True, ~follows)
    is_first[:: max(1, RUN_BYTES // row_bytes)] = True
    firsts = np.flatnonzero(is_first)
    begins = (firsts * row_bytes).tolist()
    files = None if shards is None else shards[firsts]
    return files, Reads(offsets[firsts].tolist(), begins, [*begins[1:], num_bytes])


def by_file(shards: Indices) -> list[tuple[int, slice]]:
    """Each file, and where in `shards` it stands, as often as another one stands between."""
    firsts = np.flatnonzero(np.append(True, shards[1:] != shards[:-1])).tolist()
    ends = [*firsts[1:], len(shards)]
    return [
        (int(shards[first]), slice(first, end)) for first, end in zip(firsts, ends, strict=True)
    ]


def rows_anywhere(memory: NDArray[np.uint8], row_bytes: int) -> Array:
    """Memory as an array with a row that begins at every byte."""
    row = np.dtype((np.void, row_bytes))
    rows: Array = np.ndarray(
        (memory.nbytes - row_bytes + 1,), row, buffer=memory.reshape(-1), strides=(1,)
    )
    return rows
