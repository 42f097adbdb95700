"""One file is one sample: files are opened when their sample is read, and not before.

Each file is opened, compared with the first one's header and read straight into the batch by
one system call. Files of a batch are read side by side where reading is waiting.
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

from keras_npy.errors import NpyFileError
from keras_npy.files import header as npy_file
from keras_npy.files.layout import Files, warn_of_layout
from keras_npy.files.values import copy_values, make_native
from keras_npy.rows.base import Rows
from keras_npy.rows.sources import expand, is_pattern
from keras_npy.types import Array, Indices, Path

# Files that are read side by side: reads of a disk or a network wait more than they compute.
READ_THREADS = 8

# A file that takes longer than this is waited for, or large: then threads help. Files in memory
# take 5 to 10 us each, and eight threads twice as long as one, since they wait for Python's lock.
SLOW_FILE_S = 200e-6
FILES_LOOKED_AT = 4


def samples(source: Path | Sequence[Path], dtype: str | None = None) -> "SampleRows":
    """Take each file as one sample.

    The first file says which shape and dtype all have. The others are looked at when they are
    read, so that 100,000 files are there at once; one that differs is named then.

    Args:
        source: A pattern (`*`, `?`, `[]`, `**`), whose files come in natural order (`x-2` before
            `x-10`); or a list of paths, in its own order.
        dtype: `"bfloat16"` for files whose header says `|V2`, as `open_rows` takes it.

    Returns:
        Rows for `NpySequence` and `open_rows`: row i is what file i holds.

    Raises:
        NpyFileError: If nothing matches, or the first file cannot be read.

    Example:

    >>> for number in range(3):
    ...     np.save(f"sample-{number}.npy", np.full((2, 2), number))
    >>> samples("sample-*.npy").shape
    (3, 2, 2)
    """
    if isinstance(source, str | os.PathLike):
        if is_pattern(source):
            return SampleRows(expand(source), source, dtype=dtype)
        return SampleRows([source], dtype=dtype)
    if isinstance(source, list) and all(isinstance(path, str | os.PathLike) for path in source):
        if source:
            return SampleRows(source, dtype=dtype)
        raise ValueError(
            "samples needs at least one file. Received: an empty list. Pass the files' paths."
        )
    raise TypeError(
        "samples takes a pattern or a list of paths. "
        f"Received: {type(source).__name__}. Pass 'folder/*.npy', or open one array by its path."
    )


class SampleRows(Rows):
    """Rows of which each is the whole array of one file.

    Args:
        paths: The files.
        pattern: What they were found by.
        dtype: As `samples` takes it.
    """

    def __init__(
        self, paths: Sequence[Path], pattern: Path | None = None, *, dtype: str | None = None
    ) -> None:
        self._paths = [os.path.abspath(os.fsdecode(path)) for path in paths]
        self._pattern = pattern
        self._first = npy_file.read_header(paths[0], is_sample=True, dtype=dtype)
        warn_of_layout(self._first, self._files, are_samples=True)
        self._set_up()

    def _set_up(self) -> None:
        header = self._first
        more = len(self._paths) - 1
        self.name = header.name + (f" and {more} more sample{'s' * (more > 1)}" if more else "")
        self.shape = (len(self._paths), *header.shape)
        self.dtype = header.dtype.newbyteorder("=")
        with npy_file.open_regular(header.path) as file:
            self._head = file.read(header.offset_bytes)
        # What tells each file from a changed one, noted when it is first read; 0 before.
        self._seen = np.zeros(len(self._paths), np.int64)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_process = -1
        self._lock = threading.Lock()

    @property
    def _files(self) -> Files:
        """What they were named by."""
        return self._pattern or self._paths

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        out = self.empty(len(indices)) if out is None else out
        start_s = time.perf_counter()
        for at, index in enumerate(indices.tolist()):
            self._read_one(index, out[at : at + 1])
            num_read = at + 1
            if num_read >= FILES_LOOKED_AT and (
                time.perf_counter() - start_s > num_read * SLOW_FILE_S
            ):
                self._read_side_by_side(indices[num_read:], out[num_read:])
                break
        return out

    def _read_side_by_side(self, indices: Indices, out: Array) -> None:
        cuts = np.linspace(0, len(indices), READ_THREADS + 1).astype(int)
        reads = [
            self._threads().submit(self._read, indices[start:stop], out[start:stop])
            for start, stop in itertools.pairwise(cuts.tolist())
        ]
        # All are waited for, since they write into `out`, before one's error is raised.
        errors = [read.exception() for read in reads]
        for error in errors:
            if error is not None:
                raise error

    def _read(self, indices: Indices, out: Array) -> None:
        for at, index in enumerate(indices.tolist()):
            self._read_one(index, out[at : at + 1])

    def _read_one(self, index: int, out: Array) -> None:
        """Read a file into `out`, `(1, *row)`."""
        path, first = self._paths[index], self._first
        is_direct = not first.fortran_order
        data = out if is_direct else np.empty(first.data_bytes, np.uint8)
        head = bytearray(len(self._head))
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            self._note(index, status)
            # A directory or FIFO is no file of the right size, and is refused by name below.
            size_bytes = len(head) + first.data_bytes
            is_alike = status.st_size == size_bytes and size_bytes == os.preadv(
                descriptor, [head, _buffer(data)], 0
            )
        finally:
            os.close(descriptor)
        if not is_alike or head != self._head:
            self._read_other(path, out)
            return
        if not is_direct:
            copy_values(np.ndarray((1, *first.shape), first.dtype, data, order="F"), out)
        else:
            make_native(out, first.dtype)

    def _read_other(self, path: str, out: Array) -> None:
        """Read a file whose header is written otherwise, or holds something else."""
        is_bfloat16 = self.dtype.name == "bfloat16"
        header = npy_file.read_header(
            path, is_sample=True, dtype="bfloat16" if is_bfloat16 else None
        )
        dtype = header.dtype.newbyteorder("=")
        if (header.shape, dtype) != (self._first.shape, self.dtype):
            raise NpyFileError(
                f"{path}: each sample must have the shape and dtype of the first file. "
                f"Received: {self._first.name} of {self.dtype} {self._first.shape}, this one of "
                f"{header.dtype} {header.shape}. Convert it, or leave it out."
            )
        warn_of_layout(header, self._files, are_samples=True)
        copy_values(npy_file.map_data(header)[np.newaxis], out)

    def _note(self, index: int, status: os.stat_result) -> None:
        # Odd, so that it is never 0.
        mark = hash(npy_file.fingerprint_of(status)) | 1
        if self._seen[index] == 0:
            self._seen[index] = mark
        elif self._seen[index] != mark:
            raise npy_file.changed(self._paths[index])

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool_process != os.getpid():
                # A forked child has none of its parent's threads.
                self._pool = ThreadPoolExecutor(READ_THREADS, "keras_npy-samples")
                self._pool_process = os.getpid()
            return self._pool

    def __reduce__(self) -> tuple[Any, ...]:
        # Paths have much in common: a few bytes a file are left of them.
        return _unpack, (zlib.compress(pickle.dumps((self._paths, self._pattern, self._first))),)


def _unpack(packed: bytes) -> SampleRows:
    rows = SampleRows.__new__(SampleRows)
    rows._paths, rows._pattern, rows._first = pickle.loads(zlib.decompress(packed))
    npy_file.check_unchanged(rows._first)
    rows._set_up()
    return rows


def _buffer(array: Array) -> memoryview:
    # bfloat16 has no buffer format of its own; bytes have.
    return array.reshape(-1).view(np.uint8).data
