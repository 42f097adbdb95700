"""`Store`: rows as bytes, wherever they lie. `rows/` says what the bytes mean."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.files import advice, mapping
from keras_npy.files.header import NpyHeader
from keras_npy.files.memory import address_of
from keras_npy.types import Array, Indices

# Runs of rows up to this size are copied as a whole: 256 runs of 128 tokens in 26 us, row by row in
# 73. With rows of 256 bytes there is no difference.
NARROW_ROW_BYTES = 128

# Runs up to this size are gathered by NumPy, so many bytes at a time that they stay in the cache
# until they are copied on. Larger ones are copied by a loop.
GATHERED_RUN_BYTES_MAX = 16 << 10
_GATHER_BYTES = 128 << 10


class FileList(NamedTuple):
    """The files that hold rows, one file after the other."""

    paths: Sequence[str]
    """Their names in messages."""
    lengths: Indices
    """Rows of each file."""
    are_found: bool = False
    """Whether a pattern found the files, and natural order sorted them."""
    are_chosen: bool = False
    """Whether the user chose among them by number."""


class Places(NamedTuple):
    """Where rows lie: in runs, each of rows that follow each other in one file or one memory."""

    homes: Sequence[Hashable]
    """What holds each run. It is the same for one file, however it is named or opened."""
    starts: Indices
    """Where its first row begins there."""
    strides: Indices
    """How far the next row lies behind a row."""
    lengths: Indices
    """Its rows."""


def places_of(headers: Sequence[NpyHeader]) -> Places:
    """Where the rows of files lie, in bytes. The rows of Fortran order lie between each other."""
    files = [header.place.fingerprint for header in headers]
    homes: list[Hashable] = []
    layouts: list[tuple[int, int, int]] = []
    for file, header in zip(files, headers, strict=True):
        home = (file.device, file.inode)
        if header.fortran_order:
            homes.append((*home, header.offset_bytes))
            layouts.append((0, 1, header.shape[0]))
        else:
            homes.append(home)
            layouts.append((header.offset_bytes, header.row_bytes, header.shape[0]))
    starts, strides, lengths = np.array(layouts, np.int64).T
    return Places(homes, starts, strides, lengths)


def one_place(home: Hashable, start: int, stride: int, num_rows: int) -> Places:
    """Where rows lie that are one run."""
    start_of, stride_of, length_of = np.array([[start], [stride], [num_rows]], np.int64)
    return Places([home], start_of, stride_of, length_of)


class Store(ABC):
    """Rows of `row_bytes` bytes each, fetched by row number."""

    num_rows: int
    row_bytes: int
    io: Literal["map", "read"] | None = None
    """How its files are read, or `None` if its rows lie in memory."""

    @property
    def files(self) -> FileList | None:
        """The files of the rows, or `None` if they are in no file."""
        return None

    @property
    @abstractmethod
    def places(self) -> Places:
        """Where the rows lie."""

    @abstractmethod
    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        """Copy rows into `out`, from any thread.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < num_rows`, which the caller has ensured.
            out: C-contiguous `(b, row_bytes)`.
        """

    def fetch_runs(self, starts: Indices, length: int, out: NDArray[np.uint8]) -> bool:
        """Copy `length` rows from each start into `out`, if that is faster than row by row.

        Args:
            starts: int64 `(b,)`; each run lies in `0 <= row < num_rows`.
            length: Rows of a run.
            out: C-contiguous `(b * length, row_bytes)`.

        Returns:
            Whether the rows were copied. If not, `fetch` has to.
        """
        return False

    def prepare(self, indices: Indices) -> None:
        """Announce the rows that will be fetched soon: check their files, and read them ahead.

        Raises:
            NpyFileError: If a file with one of these rows is no longer the one that was opened.
        """
        self.check_unchanged(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        """Raise `NpyFileError` if a file of these rows has changed; without rows, check all."""
        return

    def locate(self, index: int) -> tuple[str, int] | None:
        """The name of the file of a row, and the row's number in it; `None` for one file."""
        return None

    def alias(self) -> NDArray[np.uint8] | None:
        """All rows as read-only `(num_rows, row_bytes)`, or `None` if memory holds no such map."""
        return None


class MemoryStore(Store):
    """Rows that are contiguous in memory.

    Args:
        data: C-contiguous `(N, row_bytes)`.
    """

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.num_rows, self.row_bytes = data.shape
        self._data = data

    @property
    def places(self) -> Places:
        home, start_bytes = address_of(self._data)
        return one_place(home, start_bytes, self.row_bytes, self.num_rows)

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        # Gather bytes: with some dtypes and alignments np.take copies the whole array first. Its
        # default, mode="raise", gathers into a buffer of its own first (NumPy 2.4).
        np.take(self._data, indices, axis=0, out=out, mode="clip")

    def fetch_runs(self, starts: Indices, length: int, out: NDArray[np.uint8]) -> bool:
        if length < 2 or self.row_bytes > NARROW_ROW_BYTES:
            return False
        if length * self.row_bytes > GATHERED_RUN_BYTES_MAX:
            for at, start in enumerate(starts.tolist()):
                out[at * length : (at + 1) * length] = self._data[start : start + length]
            return True
        # The rows as an array of runs, of which one begins at every row.
        run = np.dtype((np.void, length * self.row_bytes))
        runs: Array = np.ndarray(
            (self.num_rows - length + 1,), run, self._data, strides=(self.row_bytes,)
        )
        taken = out.reshape(-1).view(run)
        step = max(1, _GATHER_BYTES // run.itemsize)
        for at in range(0, len(starts), step):
            taken[at : at + step] = runs[starts[at : at + step]]
        return True


class MappedStore(MemoryStore):
    """One file, or one member of an archive, mapped read-only.

    Its rows are those of the array as it lies in the file. For Fortran order they are the rows of
    the transpose.

    Raises:
        NpyFileError: If the file is no longer the one whose header was read.
    """

    io = "map"

    def __init__(self, header: NpyHeader) -> None:
        super().__init__(map_rows(header))
        self._header = header

    def prepare(self, indices: Indices) -> None:
        self.check_unchanged()
        if self._data.nbytes <= advice.WHOLE_BYTES_MAX:
            advice.advise_whole(self._data.ctypes.data, self._data.nbytes)
        else:
            advice.advise_rows(self._data.ctypes.data, self.row_bytes, indices, self._are_resident)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._header.place.check_unchanged(are_there=self._are_there)

    def alias(self) -> NDArray[np.uint8]:
        return self._data

    @property
    def places(self) -> Places:
        # By the file: one that is opened twice is mapped at two addresses.
        return places_of([self._header])

    @property
    def files(self) -> FileList:
        return FileList([self._header.name], np.array([self._header.shape[0]]))

    def _are_there(self) -> bool:
        return advice.can_be_read(self._data.ctypes.data, self._data.nbytes)

    def _are_resident(self, offsets: Sequence[int]) -> bool:
        first = self._header.offset_bytes
        return advice.mapped_are_resident(
            self._header.place.path, [first + offset for offset in offsets]
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickling a mapped array would send the whole file; send the header and map again.
        return MappedStore, (self._header,)


def map_rows(header: NpyHeader) -> NDArray[np.uint8]:
    """Map the data of a file read-only, as rows of `header.stored_shape`.

    Returns:
        `(N, row_bytes)`, or `(1, row_bytes)` for a 0-d array.

    Raises:
        NpyFileError: If the file is no longer the one whose header was read.
    """
    num_rows = header.stored_shape[0] if header.shape else 1
    with header.place.open_unchanged() as file:
        if header.data_bytes == 0:
            return np.empty((num_rows, header.row_bytes), np.uint8)
        data = mapping.map_bytes(file.fileno(), header.offset_bytes, header.data_bytes, header.name)
    return data.reshape(num_rows, -1)
