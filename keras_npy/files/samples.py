"""A store in which each file is one row, and is opened only when its row is fetched.

One system call reads a file's header and its data; the data goes straight into the batch. The
header is compared with that of the first file. If reading means waiting, several threads read the
files of a batch.
"""

import itertools
import os
import pickle
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError, context_of_caller
from keras_npy.files.header import NpyHeader, read_header
from keras_npy.files.layout import Files, warn_of_layout
from keras_npy.files.place import changed, fingerprint_of, open_regular
from keras_npy.files.store import Store, map_rows
from keras_npy.files.values import as_stored
from keras_npy.types import Indices, Path

# Files that are read at the same time. Reads from a disk or a network wait more than they compute.
READ_THREADS = 8

# If a file takes longer than this, it is large or has to be waited for, and threads help. A file in
# memory takes 5 to 10 us. For such files eight threads take twice as long as one, because they wait
# for Python's lock.
SLOW_FILE_S = 200e-6
FILES_LOOKED_AT = 4


class SampleStore(Store):
    """Serves the data of each file as one row, in the byte and axis order of the first file.

    Args:
        paths: The files.
        pattern: The pattern that found them, if any.
        stored_dtype: As `open_rows` takes it.

    Raises:
        NpyFileError: If the first file cannot be read.
    """

    first: NpyHeader
    """The header of the first file. All files must have its shape and dtype."""

    def __init__(
        self,
        paths: Sequence[Path],
        pattern: Path | None = None,
        *,
        stored_dtype: str | None = None,
    ) -> None:
        first = read_header(paths[0], is_sample=True, stored_dtype=stored_dtype)
        absolute = [os.path.abspath(os.fsdecode(path)) for path in paths]
        self._set_up(absolute, pattern, first)
        warn_of_layout(first, self._files, are_samples=True)

    def _set_up(self, paths: list[str], pattern: Path | None, first: NpyHeader) -> None:
        self.first = first
        self.num_rows, self.row_bytes = len(paths), first.data_bytes
        self._paths, self._pattern = paths, pattern
        with open_regular(first.place.path) as file:
            self._head = file.read(first.offset_bytes)
        # A mark of each file's state when it was first read, to notice a change; 0 before.
        self._seen = np.zeros(len(paths), np.int64)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_process = -1
        self._lock = threading.Lock()

    @property
    def _files(self) -> Files:
        """The pattern or list that names the files."""
        return self._pattern or self._paths

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        start_s = time.perf_counter()
        for at, index in enumerate(indices.tolist()):
            self._read_one(index, out[at])
            num_read = at + 1
            if num_read >= FILES_LOOKED_AT and (
                time.perf_counter() - start_s > num_read * SLOW_FILE_S
            ):
                self._read_side_by_side(indices[num_read:], out[num_read:])
                break

    def _read_side_by_side(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        cuts = np.linspace(0, len(indices), READ_THREADS + 1).astype(int)
        context = context_of_caller()
        reads = [
            # Each thread needs a copy: a context runs one function at a time.
            self._threads().submit(
                context.copy().run, self._read, indices[start:stop], out[start:stop]
            )
            for start, stop in itertools.pairwise(cuts.tolist())
        ]
        # Wait for all reads before raising an error of one, because they write into `out`.
        errors = [read.exception() for read in reads]
        for error in errors:
            if error is not None:
                raise error

    def _read(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        for at, index in enumerate(indices.tolist()):
            self._read_one(index, out[at])

    def _read_one(self, index: int, out: NDArray[np.uint8]) -> None:
        """Read a file into `out`, `(row_bytes,)`."""
        head = bytearray(len(self._head))
        descriptor = os.open(self._paths[index], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            self._note(index, status)
            # A directory or FIFO does not have the right size, and is refused by name below.
            size_bytes = len(head) + self.row_bytes
            is_alike = status.st_size == size_bytes and size_bytes == os.preadv(
                descriptor, [head, out.data], 0
            )
        finally:
            os.close(descriptor)
        if not is_alike or head != self._head:
            self._read_other(self._paths[index], out)

    def _read_other(self, path: str, out: NDArray[np.uint8]) -> None:
        """Read a file whose header differs from the first one's in writing or in meaning."""
        first = self.first
        stored_dtype = "bfloat16" if first.dtype.name == "bfloat16" else None
        header = read_header(path, is_sample=True, stored_dtype=stored_dtype)
        if (header.shape, _native(header)) != (first.shape, _native(first)):
            raise NpyFileError(
                f"{path}: each sample must have the shape and dtype of the first file. "
                f"Received: {header.dtype} {header.shape} here, but {_native(first)} "
                f"{first.shape} in {first.name}. Convert this file, or leave it out."
            )
        warn_of_layout(header, self._files, are_samples=True)
        values = as_stored(map_rows(header), header)
        # Convert the values to the byte order and the order of axes of the first file.
        as_stored(out, first)[...] = values

    def _note(self, index: int, status: os.stat_result) -> None:
        # Make the mark odd, so that it is never 0.
        mark = hash(fingerprint_of(status)) | 1
        if self._seen[index] == 0:
            self._seen[index] = mark
        elif self._seen[index] != mark:
            raise changed(self._paths[index])

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool_process != os.getpid():
                # In a forked child the threads of the parent's pool do not exist.
                self._pool = ThreadPoolExecutor(READ_THREADS, "keras_npy-samples")
                self._pool_process = os.getpid()
            return self._pool

    def __reduce__(self) -> tuple[Any, ...]:
        # Paths have much in common, so they compress to a few bytes a file.
        return _unpack, (zlib.compress(pickle.dumps((self._paths, self._pattern, self.first))),)


def _unpack(packed: bytes) -> SampleStore:
    paths, pattern, first = pickle.loads(zlib.decompress(packed))
    first.place.check_unchanged()
    store = SampleStore.__new__(SampleStore)
    store._set_up(paths, pattern, first)
    return store


def _native(header: NpyHeader) -> np.dtype[Any]:
    return header.dtype.newbyteorder("=")
