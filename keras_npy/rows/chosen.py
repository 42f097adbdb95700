"""Some of the rows of a source, in an order of their own."""

from collections.abc import Iterator

import numpy as np

from keras_npy.files.store import FileList
from keras_npy.order.selection import ascending, choose, chosen_rows, rows_at, to_array
from keras_npy.rows.base import Rows
from keras_npy.rows.drawn import Draw, DrawnRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.sources import Source, open_rows
from keras_npy.types import Array, Indices, Io


def take(source: Source, indices: object, *, io: Io = "auto") -> Rows:
    """Rows of a source by their numbers, as `np.take` gives them on axis 0, but read on demand.

    Row i is row `indices[i]` of the source. So one image serves several captions, two views of one
    file make pairs, and rare rows of one input come more often.

    Args:
        source: As `open_rows` takes it.
        indices: A slice, a range, integers (negative ones count from the end) or a boolean mask, in
            any order and as often as needed. They take 8 bytes a row, or none as a slice or range.
        io: How files are read, as in `open_rows`.

    Returns:
        Rows for `NpySequence` and `open_rows`.

    Raises:
        IndexError: If a number is out of range.
        ValueError: If no row is selected, the indices have more than one axis, or a mask is of
            integers.
        TypeError: If `indices` is none of these.
        NpyFileError: If the source cannot be streamed.

    Example:

    >>> np.save("images.npy", np.array([[10, 10], [20, 20]]))
    >>> take("images.npy", [0, 0, 0, 1, 1])[2:4]
    array([[10, 10],
           [20, 20]])
    """
    rows = open_rows(source, io=io)
    return choose_rows(rows, chosen_rows(indices, len(rows)))


def choose_rows(rows: Rows, indices: range | Indices) -> Rows:
    """Some rows, whose numbers the caller has checked."""
    if isinstance(rows, DrawnRows):
        return ChosenDrawnRows(rows, indices)
    return ChosenRows(rows, indices)


class ChosenRows(ForwardingRows):
    """Rows that are some of the rows of `source`.

    Args:
        source: The rows to choose from.
        indices: Numbers of the chosen rows, `(N,)`, each in `0 <= index < len(source)`.
    """

    def __init__(self, source: Rows, indices: range | Indices) -> None:
        shape = (len(indices), *source.row_shape)
        super().__init__(source, name=source.name, shape=shape, dtype=source.dtype)
        self.indices = indices

    @property
    def files(self) -> FileList | None:
        files = self.source.files
        if files is None:
            return None
        numbers, lengths = self.runs(files.lengths)
        paths = [files.paths[number] for number in numbers.tolist()]
        return files._replace(paths=paths, lengths=lengths, are_chosen=True)

    @property
    def files_beneath(self) -> FileList | None:
        # Which files are beneath chosen windows is not computed.
        return self.files

    @property
    def file_paths(self) -> list[str] | None:
        paths = self.source.file_paths
        return None if paths is None else [paths[row] for row in to_array(self.indices).tolist()]

    def _file_of(self, index: int) -> tuple[str, int]:
        return self.source.file_of(int(self.indices[index]))

    def locate(self, index: int) -> str:
        return self.source.locate(int(self.indices[index]))

    @property
    def shard_lengths(self) -> Indices:
        return self.runs(self.source.shard_lengths)[1]

    def runs(self, lengths: Indices) -> tuple[Indices, Indices]:
        """The file and the length of each run of chosen rows that lie in one file."""
        rows = self.indices
        if isinstance(rows, range) and rows.step > 0:
            # A part of a large file is a range, whose row numbers would take 8 bytes each.
            behind = -((rows.start - np.cumsum(lengths)) // rows.step)
            stops: Indices = np.clip(behind, 0, len(rows))
            counts: Indices = np.diff(stops, prepend=0)
            used = np.flatnonzero(counts)
            return used, counts[used]
        numbers = np.searchsorted(np.cumsum(lengths), to_array(self.indices), side="right")
        begins = np.flatnonzero(np.diff(numbers, prepend=-1))
        return numbers[begins], np.diff(begins, append=len(numbers))

    def read_once(self, indices: range | Indices) -> Iterator[tuple[Rows, range | Indices]]:
        yield from self.source.read_once(ascending(choose(self.indices, indices)))

    def numbers_with(self, part: Rows, indices: Indices) -> Indices:
        numbers = self.source.numbers_with(part, indices)
        return np.flatnonzero(np.isin(to_array(self.indices), numbers))

    def source_indices(self, indices: Indices) -> Indices:
        return rows_at(self.indices, indices)

    def read_into(self, indices: Indices, out: Array) -> None:
        self.source.read_into(self.source_indices(indices), out)


def base_of(rows: Rows) -> Rows:
    """The rows that these were chosen from: all parts of a sequence have them in common."""
    return base_of(rows.source) if isinstance(rows, ChosenRows) else rows


class ChosenDrawnRows(ChosenRows, DrawnRows):
    """As `ChosenRows`, of rows that differ from pass to pass."""

    source: DrawnRows

    def read_drawn(self, indices: Indices, out: Array, keys: Indices, draw: Draw) -> None:
        self.source.read_drawn(self.source_indices(indices), out, keys, draw)

    @property
    def crop_lengths(self) -> Indices | None:
        return self.source.crop_lengths

    def sizes_at(self, indices: Indices) -> Indices:
        return self.source.sizes_at(self.source_indices(indices))
