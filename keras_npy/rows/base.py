"""`Rows`: the interface of every source of rows.

Every source becomes a `Rows`, an array whose first axis is read a batch at a time. The rooms above
use its shape, its dtype and `read_into`, and never see a file.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from keras_npy.files.store import FileList, Places, one_place
from keras_npy.order.selection import ascending, to_indices
from keras_npy.types import Array, Indices

# Row numbers to make at a time. Each takes eight bytes, while a token may take two.
ROWS_AT_ONCE = 1 << 18


class Timesteps(NamedTuple):
    """The timesteps of its series that each of some rows is made of."""

    begins: Indices
    """The first timestep of each row."""
    ends: Indices
    """The timestep behind the last one."""
    num_steps: int
    """Timesteps of the series."""


class Sized:
    """What follows from the shape and the dtype of an array whose first axis counts rows."""

    name: str
    """The name of the rows in messages, usually a path."""
    shape: tuple[int, ...]
    """`(N, ...)`, the shape of the array."""
    dtype: np.dtype[Any]
    """The dtype of the rows as they are read, always in this machine's byte order."""

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.shape[1:]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all rows once they are read."""
        return self.shape[0] * self.row_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of the rows where they lie: rows that overlap count once."""
        return self.nbytes

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))


class Rows(Sized, ABC):
    """A virtual array that is read by rows; `open_rows` returns one.

    It has the `shape`, `dtype`, `ndim`, `size`, `nbytes` and `len` of the array that it stands
    for. Indexing on axis 0 reads the selected rows, and `np.asarray` reads all rows, as new arrays
    in this machine's byte order. Reading a file that changed since it was opened raises
    `NpyFileError`.

    A new kind of source implements `read_into`. If it reads files, it also implements `prepare` and
    `check_unchanged`. All other methods use these.

    Example:

    >>> from keras_npy import open_rows
    >>> np.save("x.npy", np.arange(6).reshape(3, 2))
    >>> rows = open_rows("x.npy")
    >>> rows.shape, rows.ndim, rows.size
    ((3, 2), 2, 6)
    >>> rows[[2, 0]]
    array([[4, 5],
           [0, 1]])
    >>> np.asarray(rows).sum()
    np.int64(15)
    """

    @abstractmethod
    def read_into(self, indices: Indices, out: Array) -> None:
        """Copy rows into memory of the caller. May be called from any thread.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.
            out: C-contiguous `(b, *row)` of this dtype.
        """

    def read_steps_into(self, starts: Indices, steps: Indices, out: Array) -> None:
        """As `read_into`, of the rows at these steps from each start: those of windows.

        Args:
            starts: int64 `(b,)`.
            steps: int64 `(n,)`, rising by the same number. Each row is in `0 <= row < N`.
            out: C-contiguous `(b * n, *row)` of this dtype.
        """
        num_steps = len(steps)
        at_once = max(1, ROWS_AT_ONCE // num_steps)
        for at in range(0, len(starts), at_once):
            rows = (starts[at : at + at_once, None] + steps).reshape(-1)
            self.read_into(rows, out[at * num_steps : at * num_steps + len(rows)])

    def take(self, indices: Indices) -> Array:
        """Read rows into a new array. Indexing checks the range first, and the files.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.

        Returns:
            An array `(b, *row)` of this dtype.
        """
        out = np.empty((len(indices), *self.row_shape), self.dtype)
        self.read_into(indices, out)
        return out

    def prepare(self, indices: Indices) -> None:
        """Announce the rows that will be read soon: check their files, and read cold ones ahead.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.

        Raises:
            NpyFileError: If a file with one of these rows is no longer the one that was opened.
        """
        self.check_unchanged(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        """Raise `NpyFileError` if a file has changed since it was opened.

        Args:
            indices: The rows that will be read next: only their files are checked. `None` for all.
        """
        return

    def alias(self) -> Array | None:
        """All rows as a read-only C-contiguous array, or `None` if memory holds no such array."""
        return None

    def locate(self, index: int) -> str:
        """The name of a row in messages: its file, and its number in it.

        Args:
            index: The number of the row, in `0 <= index < N`.
        """
        return f"{self.name}, row {index}"

    def locate_among_all(self, index: int) -> str:
        """As `locate`, with the number that `indices=` takes where its file counts another.

        Args:
            index: The number of the row, in `0 <= index < N`.
        """
        place = self.locate(index)
        if place.endswith(f", row {index}"):
            return place
        return f"{place}, which is row {index} of the source"

    @property
    def io(self) -> Literal["map", "read"] | None:
        """How their files are read: mapped, or by position; `None` if they lie in memory."""
        return None

    @property
    def files(self) -> FileList | None:
        """The files of the rows, in order, or `None` if not all rows lie in files."""
        return None

    @property
    def files_beneath(self) -> FileList | None:
        """The files, also where a row reaches over several: then lengths are those of the series.

        So it is with windows that cross files.
        """
        return self.files

    @property
    def file_paths(self) -> list[str] | None:
        """The file of each row, or `None` if not each row is a file of its own."""
        files = self.files
        return None if files is None or np.any(files.lengths != 1) else list(files.paths)

    def file_of(self, index: int) -> tuple[str, int]:
        """The file that holds a row, and the number of the row in it.

        For a window it is the timestep with which the window begins. Rows that lie in memory have
        the name of their source.

        Args:
            index: The number of the row; a negative one counts from the end.

        Returns:
            The absolute path of the file, and the number of the row in that file.

        Raises:
            IndexError: If there is no such row.

        Example:

        >>> from keras_npy import open_rows, windows
        >>> np.save("x-1.npy", np.arange(6))
        >>> np.save("x-2.npy", np.arange(6, 12))
        >>> path, row = open_rows("x-*.npy").file_of(8)
        >>> path[-7:], row
        ('x-2.npy', 2)
        >>> windows("x-*.npy", sequence_length=4).file_of(-1)[1]
        2
        """
        return self._file_of(int(to_indices([index], len(self))[0]))

    def _file_of(self, index: int) -> tuple[str, int]:
        """`file_of` for a row that exists."""
        files = self.files
        if files is None:
            return self.name, index
        stops = np.cumsum(files.lengths)
        number = int(np.searchsorted(stops, index, side="right"))
        return files.paths[number], index - int(stops[number] - files.lengths[number])

    @property
    def places(self) -> Places:
        """Where the timesteps lie that rows are made of; by default in these rows alone."""
        return one_place(id(self), 0, 1, len(self))

    def timesteps(self, indices: Indices) -> Timesteps:
        """The timesteps that rows are made of; by default each row is one of its own.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.
        """
        return Timesteps(indices, indices + 1, len(self))

    def read_once(self, indices: range | Indices) -> Iterator[tuple["Rows", range | Indices]]:
        """What holds each value of these rows once, in ascending order: rows, and their numbers.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.
        """
        yield self, ascending(indices)

    def numbers_with(self, part: "Rows", indices: Indices) -> Indices:
        """The numbers of the rows that hold one of these rows of what `read_once` gives.

        Args:
            part: Rows that `read_once` gave, of these rows or of others.
            indices: int64 `(b,)`, rows of `part`.

        Returns:
            int64, ascending, each once; none if these rows do not read from `part`.
        """
        return np.unique(indices) if part is self else np.empty(0, np.int64)

    @property
    def shard_lengths(self) -> Indices:
        """Rows of each file or source that is joined here, in order; a single one if none is."""
        return np.array([len(self)], np.int64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Read at least one row, by integer, slice, integers or boolean mask, as in NumPy."""
        if isinstance(index, tuple):
            raise TypeError(
                "Rows are indexed on axis 0 alone. "
                f"Received: a tuple of {len(index)} indices. Take the rows first: rows[i][:, j]."
            )
        if isinstance(index, int | np.integer):
            row: Array = self._checked(to_indices([index], len(self)))[0]
            return row
        return self._checked(to_indices(index, len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all rows into memory, for `np.asarray(rows)`.

        Raises:
            ValueError: If `copy=False`, because rows are always read into a new array.
        """
        if copy is False:
            raise ValueError(
                "Rows are read into a new array, which copy=False forbids. "
                f"Received: copy=False for {self.name}. Use np.asarray(rows)."
            )
        array = self._checked(np.arange(len(self)))
        return array if dtype is None else array.astype(dtype, copy=False)

    def _checked(self, indices: Indices) -> Array:
        """`take` for a user, who has not prepared anything."""
        # A truncated file would end the process: there is nothing behind its mapping.
        self.check_unchanged(indices)
        return self.take(indices)

    def __repr__(self) -> str:
        return f"Rows({self.name}, {self.dtype} {self.shape})"
