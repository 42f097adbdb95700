"""A store whose files are read by position, and not mapped.

Whatever happens to a file then is an exception: a cut, a failing disk, a mount that is gone. A
mapped file reports these by SIGBUS, which ends the process.
"""

import errno
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError
from keras_npy.files import advice, looks, spans
from keras_npy.files.header import NpyHeader
from keras_npy.files.mounts import is_remote, may_fall_back, should_read
from keras_npy.files.open_files import OpenFile, OpenFiles
from keras_npy.files.place import LOST, cut_short, unreadable
from keras_npy.files.shards import Shards, ShardStore, map_shards
from keras_npy.files.side_by_side import SideBySide
from keras_npy.files.spans import (
    Reads,
    Spans,
    by_file,
    find_runs,
    follow_the_last,
    rows_anywhere,
)
from keras_npy.files.store import Store
from keras_npy.locks import make_lock
from keras_npy.types import Indices, Io

# If the rows come from so small a part of the file, all of it is read by one call. To put the rows
# in order first would take 60 ns for each.
PART_BYTES_MAX = 1 << 20

# A file of small rows that is no larger is read once and kept: labels, for example. All files that
# are kept take no more than the second figure.
KEPT_BYTES_MAX = 1 << 20
ALL_KEPT_BYTES_MAX = 32 << 20

# Bytes, and calls, that make a piece of reading.
PIECE_BYTES = 128 << 10
PIECE_CALLS = 64


class Stopped(Exception):
    """Reading stopped at a byte of a file: at its end, or by an error of the system."""

    def __init__(self, position: int, error: OSError | None) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error

    def fault(self, name: str, where: str) -> NpyFileError:
        """What to raise from `error`."""
        if self.error is None:
            return cut_short(name, where)
        return unreadable(name, where, self.error)


def read_whole(descriptor: int, out: memoryview, offset_bytes: int) -> None:
    """Fill memory with the bytes of an open file from an offset on.

    A read may be short of what was asked for: after 2 GiB, by a signal, or before a bad block. What
    is missing is read again, until it is there or the system says why it is not.

    Raises:
        Stopped: If the file ends, or cannot be read.
    """
    try:
        num_read = os.preadv(descriptor, (out,), offset_bytes)
        while num_read < len(out):
            out = out[num_read:]
            offset_bytes += num_read
            num_read = os.preadv(descriptor, (out,), offset_bytes)
            if num_read == 0:
                raise Stopped(offset_bytes, None)
    except OSError as error:
        raise Stopped(offset_bytes, error) from error


def _read_parts(descriptor: int, reads: Reads, memory: memoryview) -> None:
    # Reading small rows takes as long as this loop does, so it calls as little as it can.
    preadv, offset_bytes = os.preadv, 0
    try:
        for offset_bytes, start, stop in zip(*reads, strict=True):
            if preadv(descriptor, (memory[start:stop],), offset_bytes) != stop - start:
                read_whole(descriptor, memory[start:stop], offset_bytes)
    except OSError as error:
        raise Stopped(offset_bytes, error) from error


# The bytes of each living store that keeps its file.
_KEPT: "weakref.WeakKeyDictionary[ReadStore, int]" = weakref.WeakKeyDictionary()
_COUNTING = make_lock()


def _may_keep(store: "ReadStore") -> bool:
    """Whether a store may keep its file in memory; count it if it may."""
    num_bytes = store.num_rows * store.row_bytes
    if store.row_bytes > spans.GAP_BYTES_MAX or num_bytes > KEPT_BYTES_MAX:
        return False
    with _COUNTING:
        if kept_bytes() + num_bytes > ALL_KEPT_BYTES_MAX:
            return False
        _KEPT[store] = num_bytes
    return True


def kept_bytes() -> int:
    """Bytes of all small files that are kept."""
    return sum(_KEPT.values())


class ReadStore(ShardStore):
    """Rows of one file or of shards in C order, of one dtype and row shape, read by position.

    Args:
        shards: The files.
    """

    io = "read"

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards)
        self._data_offsets = np.array([header.offset_bytes for header in shards.headers])
        self._files = OpenFiles(shards.headers)
        self._threads = SideBySide()
        places = (shards.headers[0].place, shards.headers[-1].place)
        # Only there do files seem to change that nobody touched.
        self._is_noted = any(is_remote(each.path, each.fingerprint.device) for each in places)
        self._is_kept = len(shards.headers) == 1 and _may_keep(self)
        self._kept: NDArray[np.uint8] | None = None

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        if not len(indices):
            return
        if self._is_kept:
            np.take(self._all_rows(), indices, axis=0, out=out, mode="clip")
            self._check_read(None)
            return
        shards, offsets = self._locate(indices)
        follows = follow_the_last(shards, offsets, self.row_bytes)
        is_together = False
        if self.row_bytes <= spans.GAP_BYTES_MAX:
            num_runs = len(offsets) - int(np.count_nonzero(follows))
            is_together = self._read_together(shards, offsets, num_runs * spans.CALL_BYTES, out)
        if not is_together:
            self._read_runs(*find_runs(shards, offsets, follows, self.row_bytes), out)
        if self._is_noted:
            self._note(shards, offsets, out)
        self._check_read(shards)

    def _all_rows(self) -> NDArray[np.uint8]:
        rows = self._kept
        if rows is None:
            rows = np.empty((self.num_rows, self.row_bytes), np.uint8)
            self._read_part(int(self._data_offsets[0]), rows.reshape(-1))
            # A file that changes meanwhile may have been read in two states.
            self._check_read(None)
            self._kept = rows
        return rows

    def _read_part(self, offset_bytes: int, out: NDArray[np.uint8]) -> None:
        """Read one stretch of the only file."""
        self._read(None, Reads([offset_bytes], [0], [len(out)]), out.data)

    def _note(self, shards: Indices | None, offsets: Indices, out: NDArray[np.uint8]) -> None:
        """Remember some of the rows, to recognise their files by them."""
        for at in range(min(len(offsets), looks.ROWS_NOTED)):
            number = 0 if shards is None else int(shards[at])
            looks.note(self._shards.headers[number].place, int(offsets[at]), out[at].data)

    def _read_together(
        self, shards: Indices | None, offsets: Indices, worth_bytes: int, out: NDArray[np.uint8]
    ) -> bool:
        """Read rows with what lies between them, if they lie close together.

        Args:
            shards: The file of each row, or `None` if all lie in one.
            offsets: Where it begins in the file.
            worth_bytes: Do it only if far fewer bytes than this have to be copied.
            out: As in `fetch`.

        Returns:
            Whether it was done.
        """
        if worth_bytes < 2 * out.nbytes:
            return False
        if shards is None:
            start, stop = int(offsets.min()), int(offsets.max()) + self.row_bytes
            if stop - start > 4 * worth_bytes:
                # They lie far apart, so do not spend time on a closer look.
                return False
            if stop - start < min(worth_bytes // 2, PART_BYTES_MAX):
                part = np.empty((stop - start) // self.row_bytes * self.row_bytes, np.uint8)
                self._read_part(start, part)
                rows = part.reshape(-1, self.row_bytes)
                np.take(rows, (offsets - start) // self.row_bytes, axis=0, out=out, mode="clip")
                return True
            order, shards = offsets.argsort(), np.zeros(len(offsets), np.int64)
        else:
            order = np.lexsort((offsets, shards))
        stretches = Spans(shards[order], offsets[order], self.row_bytes)
        if stretches.num_bytes > worth_bytes // 2:
            return False
        self._read_spans(stretches, order, out)
        return True

    def row_of(self, index: int) -> int:
        """The number by which an error names a row of a file."""
        return index

    def prepare(self, indices: Indices) -> None:
        self.check_unchanged(indices)
        if not len(indices):
            return
        shards, offsets = self._locate(np.sort(indices))
        groups = [(0, slice(None))] if shards is None else by_file(shards)
        try:
            if not self._are_resident(shards, offsets):
                for shard, here in groups:
                    file = self._files.get(shard)
                    advice.advise_file(file.descriptor, offsets[here], self.row_bytes)
        except OSError:
            # If a file cannot be opened, only time is lost. Reading it will raise the error.
            return

    def check_unchanged(self, indices: Indices | None = None) -> None:
        # What has become of the mount, reading finds out, and names the row.
        self._shards.check_unchanged(indices, is_mapped=False)

    def _locate(self, indices: Indices) -> tuple[Indices | None, Indices]:
        """The file of each row, or `None` if there is only one, and where the row begins in it."""
        if len(self._data_offsets) == 1:
            return None, indices * self.row_bytes + self._data_offsets[0]
        shards, rows = self._shards.locate(indices)
        return shards, rows * self.row_bytes + self._data_offsets[shards]

    def _read_runs(self, shards: Indices | None, runs: Reads, out: NDArray[np.uint8]) -> None:
        """Read rows straight into the batch."""
        num_runs = len(runs.offsets)
        # Pieces are so large that to share them out costs little beside reading them.
        step = min(max(1, PIECE_BYTES * num_runs // out.nbytes), PIECE_CALLS)
        memory = out.reshape(-1).data

        def read(first: int, last: int) -> None:
            here = slice(first * step, last * step)
            self._read(None if shards is None else shards[here], runs.part(here), memory)

        self._threads.run(read, -(-num_runs // step))

    def _read_spans(self, stretches: Spans, order: Indices, out: NDArray[np.uint8]) -> None:
        """Read stretches of the files, and copy their rows to where they belong."""

        def read(first: int, last: int) -> None:
            for number in range(first, last):
                scratch = np.empty(stretches.scratch_bytes(number), np.uint8)
                self._read(*stretches.runs(number), scratch.data)
                rows, positions = stretches.rows(number)
                rows_anywhere(out, self.row_bytes)[order[rows] * self.row_bytes] = rows_anywhere(
                    scratch, self.row_bytes
                )[positions]

        self._threads.run(read, stretches.num_groups)

    def _read(self, shards: Indices | None, reads: Reads, memory: memoryview) -> None:
        if shards is None:
            self._read_from(0, reads, memory)
            return
        for shard, here in by_file(shards):
            self._read_from(shard, reads.part(here), memory)

    def _read_from(self, shard: int, reads: Reads, memory: memoryview) -> None:
        # The file is open for as long as this name refers to it.
        file = self._open(shard, reads.offsets[0])
        try:
            _read_parts(file.descriptor, reads, memory)
        except Stopped as stopped:
            where = self._where(shard, stopped.position)
            raise stopped.fault(self._shards.headers[shard].name, where) from stopped.error

    def _open(self, shard: int, offset_bytes: int) -> OpenFile:
        try:
            return self._files.get(shard)
        except OSError as error:
            if error.errno not in LOST:
                raise
            raise self._lost(shard, offset_bytes, error) from error

    def _check_read(self, shards: Indices | None) -> None:
        """Raise `NpyFileError` if a file was written to before the last of these rows was read."""
        for shard in [0] if shards is None else np.unique(shards).tolist():
            header = self._shards.headers[shard]
            file = self._open(shard, header.offset_bytes)
            try:
                header.place.check_open(file.descriptor)
            except OSError as error:
                # The mount does not know the file any more, but these rows were read all the same.
                if error.errno != errno.ESTALE:
                    raise self._lost(shard, header.offset_bytes, error) from error

    def _lost(self, shard: int, position: int, error: OSError) -> NpyFileError:
        name = self._shards.headers[shard].name
        return unreadable(name, self._where(shard, position), error)

    def _where(self, shard: int, position: int) -> str:
        header = self._shards.headers[shard]
        row = self.row_of((position - header.offset_bytes) // header.row_bytes)
        return f"at row {row} (byte {position})"

    def _are_resident(self, shards: Indices | None, offsets: Indices) -> bool:
        """Whether those of the rows that are looked at are in memory."""
        num_looks = min(advice.RESIDENCY_LOOKS, len(offsets))
        for look in np.linspace(0, len(offsets) - 1, num_looks).astype(np.int64).tolist():
            file = self._files.get(0 if shards is None else int(shards[look]))
            if not advice.are_resident_in(file.descriptor, [int(offsets[look])]):
                return False
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        # Open the files again in the other process, by their paths.
        return type(self), (self._shards,)


def read_data(header: NpyHeader) -> NDArray[np.uint8]:
    """All bytes of the data of a file, in new memory.

    Raises:
        NpyFileError: If the file is no longer the one whose header was read, or cannot be read.
    """
    data = np.empty(header.data_bytes, np.uint8)
    file = OpenFile(header.place)
    try:
        read_whole(file.descriptor, data.data, header.offset_bytes)
    except Stopped as stopped:
        raise stopped.fault(header.name, f"at byte {stopped.position}") from stopped.error
    header.place.check_open(file.descriptor)
    return data


def read_file(header: NpyHeader) -> ReadStore:
    """A store that reads one file, or one member of an archive."""
    return ReadStore(Shards([header]))


def open_shards(shards: Shards, io: Io = "auto") -> Store:
    """A store for files in C order, of one dtype and row shape.

    Args:
        shards: The files.
        io: Whether to map the files, to read them, or to decide.
    """
    if io == "map":
        return map_shards(shards)
    if io == "read" or should_read(shards.headers):
        return ReadStore(shards)
    return MapOrReadStore(shards)


class MapOrReadStore(ShardStore):
    """Rows of files that are mapped when they are first read, or read if they cannot be mapped."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards)
        self._store: Store = map_shards(shards)
        self.io = self._store.io

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        try:
            self._store.fetch(indices, out)
        except OSError as error:
            self._fall_back(error)
            self._store.fetch(indices, out)

    def prepare(self, indices: Indices) -> None:
        try:
            self._store.prepare(indices)
        except OSError as error:
            self._fall_back(error)
            self._store.prepare(indices)

    def alias(self) -> NDArray[np.uint8] | None:
        return self._store.alias()

    def _fall_back(self, error: OSError) -> None:
        if not may_fall_back(error, self._shards.headers[0].name):
            raise error
        self._store = ReadStore(self._shards)
        self.io = "read"

    def __reduce__(self) -> tuple[Any, ...]:
        return MapOrReadStore, (self._shards,)
