"""A store in which each file is one row, and is opened only when its row is fetched.

One system call reads a file's header and its data; the data goes straight into the batch. The
header is compared with that of the first file. If reading means waiting, several threads read the
files of a batch.
"""

import dataclasses
import os
import pickle
import time
import zlib
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError
from keras_npy.files import looks
from keras_npy.files.appended import warn_of_data_behind
from keras_npy.files.archive import read_header, split_member
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import (
    FILES_NAMED_MAX,
    Joined,
    convert_remedy,
    each_remedy,
    warn_of_layout,
)
from keras_npy.files.mapping import map_bytes
from keras_npy.files.members import Member, open_member
from keras_npy.files.mounts import is_remote
from keras_npy.files.place import (
    LOST,
    changed,
    fingerprint_of,
    open_regular,
    open_to_read,
    unreadable,
)
from keras_npy.files.reading import Stopped, read_data, read_whole
from keras_npy.files.sample_files import Fault, absolute_path, read_first, turned_remedy
from keras_npy.files.side_by_side import SideBySide
from keras_npy.files.store import FileList, Places, Store, map_rows
from keras_npy.files.values import as_stored
from keras_npy.types import Indices, Path

# A compressed sample is unpacked whole each time that it is read, at 120 MB/s on one core, so that
# larger ones would keep the model waiting.
UNPACKED_BYTES_MAX = 16 << 20


class HowToRead(TypedDict, total=False):
    """How `SampleStore` reads its files."""

    stored_dtype: str | None
    """As `open_rows` takes it."""
    is_mapped: bool
    """Whether to map each file instead of reading it."""
    unpack: bool
    """Whether samples that are compressed may be of any size."""
    are_found: bool
    """Whether patterns alone put the files in order."""


class SampleState(NamedTuple):
    """What is pickled of a store."""

    paths: list[str]
    pattern: Path | None
    first: NpyHeader
    """The header of the first file, as it was read."""
    head: bytes
    """What stands before the data in the first file."""
    is_mapped: bool
    are_found: bool


class SampleStore(Store):
    """Serves the data of each file as one row, in the byte and axis order of the first file.

    Args:
        paths: The files.
        pattern: The pattern that found them, if any.
        **how: How the files are read.

    Raises:
        NpyFileError: If the first file cannot be read, or is a large compressed member.
    """

    first: NpyHeader
    """The header of the first file. All files must have its shape and dtype."""
    fit: Any = None
    """How samples are cropped and padded, if they are."""

    def __init__(
        self, paths: Sequence[Path], pattern: Path | None = None, **how: Unpack[HowToRead]
    ) -> None:
        absolute = [absolute_path(path) for path in paths]
        first, head, is_compressed = read_first(os.fsdecode(paths[0]), how.get("stored_dtype"))
        self._unpack = how.get("unpack", False)
        self._check_small(first, is_compressed, pattern or absolute)
        is_mapped, are_found = how.get("is_mapped", False), how.get("are_found", False)
        self._set_up(SampleState(absolute, pattern, first, head, is_mapped, are_found))
        warn_of_layout(
            first,
            self._files,
            are_samples=True,
            is_compressed=is_compressed,
            remedy=self._remedy(first, self._files),
        )

    def _check_small(self, header: NpyHeader, is_compressed: bool, files: Joined) -> None:
        if is_compressed and not self._unpack and header.data_bytes > UNPACKED_BYTES_MAX:
            raise NpyFileError(
                f"{header.name}: a compressed sample is unpacked each time that it is read, and "
                f"must hold at most {UNPACKED_BYTES_MAX} bytes. Received: {header.data_bytes} "
                f"bytes. {self._how_to_unpack(header, files)}; unpack=True takes them as they are."
            )

    def _remedy(self, header: NpyHeader, files: Joined) -> str | None:
        """How to convert the files, if it is not the usual command."""
        return None

    def _how_to_unpack(self, header: NpyHeader, files: Joined) -> str:
        if isinstance(files, str | os.PathLike) or len(files) <= FILES_NAMED_MAX:
            usual = convert_remedy(header.name, files, are_samples=True)
            return self._remedy(header, files) or usual
        return each_remedy(header, files)

    def _set_up(self, state: SampleState) -> None:
        self._state = state
        self.first, self._head = state.first, state.head
        self.num_rows, self.row_bytes = len(state.paths), state.first.data_bytes
        self._paths, self._pattern = state.paths, state.pattern
        # Where a stored member begins in its archive, once it was read; 0 before.
        self._begins = np.zeros(self.num_rows, np.int64)
        # A mark of each file's state when it was last read, to notice a change; 0 before.
        self._seen = np.zeros(self.num_rows, np.int64)
        self._behind: set[str] = set()
        # Whether it is known what lies behind the data of a file. To find that out may read MiB of
        # zeros, too much for each epoch.
        self._is_looked_at = np.zeros(self.num_rows, bool)
        self._threads = SideBySide()
        self.io = "map" if state.is_mapped else "read"

    @property
    def _files(self) -> Joined:
        """The pattern or list that names the files."""
        return self._pattern or self._paths

    @property
    def files(self) -> FileList:
        ones = np.ones(self.num_rows, np.int64)
        return FileList(self._paths, ones, are_found=self._state.are_found)

    @property
    def places(self) -> Places:
        zeros, ones = np.zeros(self.num_rows, np.int64), np.ones(self.num_rows, np.int64)
        return Places(self._homes(), zeros, ones, ones)

    def _homes(self) -> list[Hashable]:
        """What tells files apart, also if one has two names. 100,000 take 0.2 s on a local disk."""
        paths = [split_member(path) for path in self._paths]
        if is_remote(self._paths[0], self.first.place.fingerprint.device):
            # Each question is a call over the network.
            return list(paths)
        found = {file: _identity(file) for file in dict.fromkeys(file for file, _ in paths)}
        return [(found[file], member) for file, member in paths]

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        numbers = indices.tolist()

        def read(first: int, last: int) -> None:
            for at in range(first, last):
                self._read_one(numbers[at], out[at])

        self._threads.run(read, len(numbers))

    def locate(self, index: int) -> tuple[str, int]:
        return self._paths[index], index

    def _read_one(self, index: int, out: NDArray[np.uint8]) -> None:
        """Read a file into `out`, `(row_bytes,)`."""
        path = self._paths[index]
        archive, member = split_member(path)
        if member is not None:
            self._read_member(index, archive, member, out)
            return
        try:
            descriptor = open_to_read(path)
            try:
                is_alike = self._read_alike(index, descriptor, out)
            finally:
                os.close(descriptor)
        except Stopped as stopped:
            raise stopped.fault(path, f"at byte {stopped.position}") from stopped.error
        except OSError as error:
            if error.errno not in LOST:
                raise
            raise unreadable(path, "when it was read", error) from error
        if not is_alike:
            self._read_other(index, out)

    def _read_alike(self, index: int, descriptor: int, out: NDArray[np.uint8]) -> bool:
        """Read an open file into `out`; return whether its size and header are the first one's."""
        status = os.fstat(descriptor)
        self._note(index, status)
        head = bytearray(len(self._head))
        # A directory or FIFO does not have the right size, and is refused by name later.
        if status.st_size != len(head) + self.row_bytes:
            return False
        if self.io == "map":
            mapped = map_bytes(descriptor, 0, status.st_size, self._paths[index])
            head[:], out[...] = mapped[: len(head)].tobytes(), mapped[len(head) :]
        else:
            # One call is enough, unless a read is short.
            if os.preadv(descriptor, (head, out.data), 0) < status.st_size:
                read_whole(descriptor, memoryview(head), 0)
                read_whole(descriptor, out.data, len(head))
        after = os.fstat(descriptor)
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise changed(self._paths[index])
        return head == self._head

    def _read_member(self, index: int, archive: str, member: str, out: NDArray[np.uint8]) -> None:
        with open_regular(archive) as file:
            self._note(index, os.fstat(file.fileno()))
            if self._begins[index] and self._read_again(index, file, out):
                return
            with self._open_member(index, file, archive, member) as opened:
                self._read_opened(index, opened, out)

    def _open_member(
        self, index: int, file: BinaryIO, archive: str, member: str
    ) -> AbstractContextManager[Member]:
        looks_behind = not self._is_looked_at[index]
        return open_member(file, archive, member, self._stored_dtype, looks_behind=looks_behind)

    def _read_again(self, index: int, file: BinaryIO, out: NDArray[np.uint8]) -> bool:
        """Read a stored member whose place is known; return whether it was whole."""
        head = bytearray(len(self._head))
        begin = int(self._begins[index])
        is_whole = os.preadv(file.fileno(), [head, out.data], begin) == len(head) + len(out)
        return is_whole and head == self._head

    def _read_opened(self, index: int, opened: Member, out: NDArray[np.uint8]) -> None:
        head, first = self._head, self.first
        if opened.size_bytes == len(head) + len(out) and opened.start.startswith(head):
            opened.read_into(out, len(head))
            if not opened.is_compressed:
                self._begins[index] = opened.place.start_bytes
            return
        header = opened.header
        self._check_alike(header)
        self._say_once(index, header)
        data = np.empty(self.row_bytes, np.uint8)
        opened.read_into(data, header.offset_bytes - header.place.start_bytes)
        as_stored(out, first)[...] = as_stored(data, header)

    def _read_other(self, index: int, out: NDArray[np.uint8]) -> None:
        """Read a file whose header differs from the first one's in writing or in meaning."""
        header = self._header_of(index)
        self._check_alike(header)
        self._say_once(index, header)
        warn_of_layout(header, self._files, are_samples=True)
        data = map_rows(header) if self.io == "map" else read_data(header)
        values = as_stored(data, header)
        # Convert the values to the byte order and the order of axes of the first file.
        as_stored(out, self.first)[...] = values

    def _header_of(self, index: int) -> NpyHeader:
        """The header of a file that is read. What lies behind its data is looked at once."""
        is_known = bool(self._is_looked_at[index])
        header = read_header(
            self._paths[index],
            is_sample=True,
            stored_dtype=self._stored_dtype,
            looks_behind=not is_known,
        )
        if is_known and header.name in self._behind:
            return dataclasses.replace(header, has_data_behind=True)
        return header

    def _say_once(self, index: int, header: NpyHeader) -> None:
        """Warn of values behind the data of a file that is read, and look at them no more."""
        self._say_behind(header)
        self._is_looked_at[index] = True

    @property
    def _stored_dtype(self) -> str | None:
        return "bfloat16" if self.first.dtype.name == "bfloat16" else None

    def faults(self, limit_s: float | None) -> list[Fault]:
        """Compare the headers of all files with the first one, or of as many as there is time for.

        Returns:
            The files that differ or cannot be read, each with the error that says so.
        """
        found: list[Fault] = []
        behind = [self._state.first]
        self._is_looked_at[0] = True
        start_s = time.perf_counter()
        for index, path in enumerate(self._paths[1:], 1):
            try:
                header = self._check_one(path)
                self._note_shape(index, header.shape)
                self._is_looked_at[index] = True
                if header.has_data_behind:
                    behind.append(header)
            except (NpyFileError, OSError) as error:
                found.append((path, error))
            if limit_s is not None and time.perf_counter() - start_s > limit_s:
                break
        self._say_behind(*behind)
        return found

    def _say_behind(self, *headers: NpyHeader) -> None:
        """Warn of files with values behind their data, of each once."""
        new = [header for header in headers if header.has_data_behind]
        new = [header for header in new if header.name not in self._behind]
        self._behind.update(header.name for header in new)
        warn_of_data_behind(new, are_samples=True)

    def _note_shape(self, index: int, shape: tuple[int, ...]) -> None:
        """Take note of the shape of a sample, as it is stored, if samples may differ in it."""

    def _check_one(self, path: str) -> NpyHeader:
        """Raise if a file does not hold a sample like the first one; return its header.

        It is that of the first file where both say the same.
        """
        try:
            descriptor = open_to_read(path)
        except FileNotFoundError:
            # It may be a member of an archive.
            return self._check_header(path)
        try:
            size_bytes = os.fstat(descriptor).st_size
            is_alike = size_bytes == len(self._head) + self._state.first.data_bytes and (
                self._head == os.pread(descriptor, len(self._head), 0)
            )
        except IsADirectoryError:
            is_alike = False
        finally:
            os.close(descriptor)
        return self._state.first if is_alike else self._check_header(path)

    def _check_header(self, path: str) -> NpyHeader:
        header, _, is_compressed = read_first(path, self._stored_dtype)
        self._check_alike(header)
        self._check_small(header, is_compressed, self._files)
        return header

    def _check_alike(self, header: NpyHeader) -> None:
        first = self.first
        if (header.shape, _native(header)) != (first.shape, _native(first)):
            remedy = "leave it out, or pass length= for samples of different length"
            if header.shape == first.shape:
                remedy = "or leave it out"
            raise NpyFileError(
                f"{header.name}: each sample must have the shape and dtype of the first file. "
                f"Received: {header.dtype} {header.shape} here, but {_native(first)} "
                f"{first.shape} in {first.name}. {turned_remedy(header, first.shape)}Convert this "
                f"file, {remedy}."
            )

    def _note(self, index: int, status: os.stat_result) -> None:
        # Make the mark odd, so that it is never 0.
        mark = hash(fingerprint_of(status)) | 1
        if self._seen[index] not in (0, mark):
            path = self._paths[index]
            is_sized = status.st_size == len(self._head) + self.row_bytes
            if not is_sized or not is_remote(path, status.st_dev):
                raise changed(path)
            looks.say(path, "inode or modification time")
        self._seen[index] = mark

    def __reduce__(self) -> tuple[Any, ...]:
        # Paths have much in common, so they compress to a few bytes a file.
        packed = zlib.compress(pickle.dumps((self.fit, self._state)))
        return _opened_again, (type(self), packed)


def _opened_again(kind: type[SampleStore], packed: bytes) -> SampleStore:
    fit, state = pickle.loads(zlib.decompress(packed))
    state.first.place.check_unchanged()
    store = kind.__new__(kind)
    store.fit = fit
    store._set_up(state)
    return store


def _native(header: NpyHeader) -> np.dtype[Any]:
    return header.dtype.newbyteorder("=")


def _identity(path: str) -> Hashable:
    """What is the same for all names of a file, or its name if it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        # Whoever reads it says what is wrong.
        return path
    return status.st_dev, status.st_ino
