"""Windows of a series as rows: where each begins, and which timesteps it holds."""

import bisect
import functools
import mmap
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_npy.files.store import FileList
from keras_npy.order.selection import ascending, rows_at
from keras_npy.rows.base import ROWS_AT_ONCE, Rows, Timesteps
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import sources_of
from keras_npy.types import Array, Indices


class Starts:
    """The timestep at which each window begins.

    Args:
        firsts: The timestep at which the first window of each file begins, `(num_files,)`.
        counts: Windows in each file, `(num_files,)`, at least one in all.
        stride: Timesteps between the beginnings of two windows of a file.
    """

    def __init__(self, firsts: Indices, counts: Indices, stride: int) -> None:
        self.num_files = len(counts)
        self.files = np.flatnonzero(counts)
        self.counts = counts[self.files]
        self._firsts, self._stride = firsts[self.files], stride
        self._stops = np.cumsum(self.counts)
        # Window i of a file begins at its origin, plus i strides.
        self._origins = self._firsts - (self._stops - self.counts) * stride

    def __len__(self) -> int:
        return int(self._stops[-1])

    def at(self, indices: Indices) -> Indices:
        """The timesteps at which these windows begin."""
        if len(self._stops) == 1:
            return int(self._origins[0]) + indices * self._stride
        files = np.searchsorted(self._stops, indices, side="right")
        return self._origins[files] + indices * self._stride

    def numbers_at(self, steps: Indices) -> Indices:
        """The numbers of the windows that begin at one of these timesteps."""
        files = np.maximum(np.searchsorted(self._firsts, steps, side="right") - 1, 0)
        numbers, rest = np.divmod(steps - self._origins[files], self._stride)
        stops = self._stops[files]
        does_begin = (rest == 0) & (stops - self.counts[files] <= numbers) & (numbers < stops)
        return np.unique(numbers[does_begin])

    def __reduce__(self) -> tuple[Any, ...]:
        # Many files have one length: the differences of these numbers then compress to nothing.
        rises = np.diff(np.stack([self.files, self._firsts, self._stops]), prepend=0)
        return _unpack, (zlib.compress(rises.tobytes()), self.num_files, self._stride)


def _unpack(packed: bytes, num_files: int, stride: int) -> Starts:
    rises = np.frombuffer(zlib.decompress(packed), np.int64).reshape(3, -1)
    firsts, counts = np.zeros((2, num_files), np.int64)
    files, firsts_there, _ = np.cumsum(rises, axis=1)
    firsts[files], counts[files] = firsts_there, rises[2]
    return Starts(firsts, counts, stride)


class WindowRows(ForwardingRows):
    """Rows of which each is a window of a series.

    Args:
        series: The series.
        starts: The row of the series at which each window begins.
        length: Samples in a window. `None` for only its first row, without an axis for samples.
        rate: Rows between two samples of a window.
        shift: Rows to add to each number of a row.
    """

    def __init__(
        self,
        series: Rows,
        starts: Starts,
        length: int | None = None,
        rate: int = 1,
        *,
        shift: int = 0,
    ) -> None:
        window = () if length is None else (length,)
        shape = (len(starts), *window, *series.row_shape)
        super().__init__(series, name=f"windows of {series.name}", shape=shape, dtype=series.dtype)
        self._starts = starts
        self._steps = shift + np.arange(length or 1, dtype=np.int64) * rate
        self._length, self._rate, self._shift = length, rate, shift

    def __reduce__(self) -> tuple[Any, ...]:
        # The steps take eight bytes each, and a window may be long.
        arguments = self.source, self._starts, self._length, self._rate
        return functools.partial(WindowRows, shift=self._shift), arguments

    def read_into(self, indices: Indices, out: Array) -> None:
        flat = out.reshape(-1, *self.source.row_shape)
        self.source.read_steps_into(self._starts.at(indices), self._steps, flat)

    @property
    def files(self) -> FileList | None:
        files, starts = self.source.files, self._starts
        if files is None or len(files.paths) != starts.num_files:
            return None
        paths = [files.paths[number] for number in starts.files.tolist()]
        return files._replace(paths=paths, lengths=starts.counts)

    @property
    def files_beneath(self) -> FileList | None:
        return self.files or self.source.files_beneath

    @property
    def shard_lengths(self) -> Indices:
        return self._starts.counts

    @property
    def file_paths(self) -> None:
        # A window is no file, even if its timesteps are.
        return None

    def _file_of(self, index: int) -> tuple[str, int]:
        return self.source.file_of(int(self._starts.at(np.array([index]))[0] + self._steps[0]))

    def timesteps(self, indices: Indices) -> Timesteps:
        starts, steps = self._starts.at(indices), self._steps
        first = self.source.timesteps(starts + int(steps[0]))
        last = self.source.timesteps(starts + int(steps[-1]))
        # A series of chosen rows may go back in time.
        begins = np.minimum(first.begins, last.begins)
        return Timesteps(begins, np.maximum(first.ends, last.ends), first.num_steps)

    def read_once(self, indices: range | Indices) -> Iterator[tuple[Rows, range | Indices]]:
        wanted = ascending(indices)
        reach = int(self._steps[-1] - self._steps[0])

        def begin(position: int) -> int:
            return int(self._starts.at(rows_at(wanted, np.array([position])))[0] + self._steps[0])

        first, stop = begin(0), begin(len(wanted) - 1) + reach + 1
        at_once = max(ROWS_AT_ONCE, reach)
        for low in range(first, stop, at_once):
            high = min(low + at_once, stop)
            # Windows that begin before these timesteps reach into them.
            used = (
                bisect.bisect_left(range(len(wanted)), edge, key=begin)
                for edge in (low - reach, high)
            )
            begins = self._starts.at(rows_at(wanted, np.arange(*used))) + self._steps[0]
            covered = _covered(
                begins - (low - reach), high - low + reach, len(self._steps), self._rate
            )
            rows = low + np.flatnonzero(covered[reach:])
            if len(rows):
                yield from self.source.read_once(rows)

    def numbers_with(self, part: Rows, indices: Indices) -> Indices:
        steps = self.source.numbers_with(part, indices)
        return self._starts.numbers_at((steps[:, None] - self._steps).reshape(-1))

    def _rows(self, indices: Indices, steps: Indices) -> Indices:
        """The rows of the series at these steps of these windows."""
        rows: Indices = (self._starts.at(indices)[:, None] + steps).reshape(-1)
        return rows

    def source_indices(self, indices: Indices) -> Indices:
        """Enough rows of each window to touch every page of it."""
        page_rows = max(1, mmap.PAGESIZE // (self.source.row_bytes * self._rate))
        steps = np.append(self._steps[::page_rows], self._steps[-1])
        return self._rows(indices, steps)


def _covered(begins: Indices, size: int, length: int, rate: int) -> Array:
    """Which of `size` timesteps lie in a window that begins at one of these."""
    change = np.zeros((-(-size // rate) + length, rate), np.int64)
    change.reshape(-1)[begins] += 1
    change.reshape(-1)[begins + length * rate] -= 1
    covered: Array = np.cumsum(change, axis=0).reshape(-1)[:size] > 0
    return covered


def are_windows(rows: Rows) -> Iterator[bool]:
    """Of each source that rows are joined of, whether it is of windows, or of their targets."""
    for source in sources_of(rows):
        if isinstance(source, ForwardingRows) and not isinstance(source, WindowRows):
            # They may be chosen of a list.
            yield from are_windows(source.source)
        else:
            yield isinstance(source, WindowRows)
