"""Open a file, or say why not (`ulimit -n`); whether it is unchanged since it was opened.

This file does not know what the bytes mean. If the system refuses access, its `OSError` passes.
"""

import contextlib
import errno
import glob
import os
import re
import resource
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from keras_npy.errors import NpyFileError, cut
from keras_npy.files import looks
from keras_npy.types import Path

# What opening a file or asking for its state answers if a disk or mount has failed.
LOST = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ECONNABORTED),
        *(errno.ECONNRESET, errno.ENETDOWN, errno.ENETUNREACH),
        getattr(errno, "EREMOTEIO", errno.EIO),
    }
)


@dataclass(frozen=True)
class Fingerprint:
    """Identifies a file and its state, so that a change can be noticed."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file with this status is the same file in the same state."""
        return (
            status.st_mtime_ns == self.mtime_ns
            and status.st_size == self.size_bytes
            and status.st_ino == self.inode
            and status.st_dev == self.device
        )


@dataclass(frozen=True)
class Extent:
    """The wanted part of a file, and its name in messages."""

    name: str
    start_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class Place:
    """A file or a part of one, as it was when it was opened."""

    path: str
    name: str
    """Its name in messages: the path, or the path and the member of an archive."""
    start_bytes: int
    size_bytes: int
    fingerprint: Fingerprint
    head_bytes: int = 0
    """How many of its first bytes `head_checksum` is the checksum of."""
    head_checksum: int = 0

    @property
    def stop_bytes(self) -> int:
        return self.start_bytes + self.size_bytes

    def open_unchanged(self) -> BinaryIO:
        """Open the file again.

        Raises:
            NpyFileError: If the file has changed or has been replaced.
        """
        return _as_file(self.open_descriptor())

    def open_descriptor(self) -> int:
        """As `open_unchanged`, for a caller that reads by position and closes the descriptor."""
        descriptor = _open_regular(self.path)
        try:
            self.check_open(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check_open(self, descriptor: int) -> None:
        """Raise `NpyFileError` if the file that is open here has changed, or is another one."""
        self._check(os.fstat(descriptor))

    def check_unchanged(
        self, *, is_mapped: bool = True, are_there: Callable[[], bool] | None = None
    ) -> None:
        """Raise if the file has been replaced or written to.

        A file may be deleted, or its folder closed to this process: its data stays whole for as
        long as it is mapped, or open. If only its inode or time differ, `looks` decides.

        Args:
            is_mapped: Whether the file is mapped, so that a disk or mount that is lost must be
                noticed before the file is touched.
            are_there: Whether the mapped bytes can be read, although the mount does not know the
                file any more (ESTALE).

        Raises:
            NpyFileError: If it is another file than the one that was opened, or changed.
        """
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        except OSError as error:
            if error.errno not in LOST:
                raise
            if not is_mapped:
                return
            if error.errno == errno.ESTALE and are_there is not None and are_there():
                return
            raise unreadable(self.name, "when its state was asked for", error) from error
        self._check(status)

    def _check(self, status: os.stat_result) -> None:
        if self.fingerprint.is_of(status):
            return
        try:
            is_same = looks.is_same(self, fingerprint_of(status))
        except OSError:
            # What cannot be read cannot be known to be the same.
            is_same = False
        if not is_same:
            raise changed(self.path)


def place_of(file: BinaryIO, path: str, extent: Extent | None = None) -> Place:
    """The place of an open file, or of the part of an extent that the file holds."""
    fingerprint = fingerprint_of(os.fstat(file.fileno()))
    extent = extent or Extent(path, 0, fingerprint.size_bytes)
    # Reading mapped bytes beyond the end of the file would end the process.
    held_bytes = max(0, fingerprint.size_bytes - extent.start_bytes)
    size_bytes = min(extent.size_bytes, held_bytes)
    head = b""
    with contextlib.suppress(OSError):
        # If it cannot be read, reading the header will say so.
        head_bytes = min(looks.HEAD_BYTES, size_bytes)
        head = os.pread(file.fileno(), head_bytes, extent.start_bytes) if head_bytes else b""
    return Place(
        path,
        extent.name,
        extent.start_bytes,
        size_bytes,
        fingerprint,
        len(head),
        zlib.crc32(head),
    )


def changed(
    path: str,
    received: str = "another inode, size or modification time than when it was opened",
) -> NpyFileError:
    """The error for a file that is no longer the one that was opened."""
    return NpyFileError(
        f"{path}: a file must not change while it is in use. Received: {received}. "
        "Write new data to another path, and build a new NpySequence to use it."
    )


def unreadable(name: str, where: str, error: OSError) -> NpyFileError:
    """The error for a file that the system does not give; the caller chains `error` to it."""
    return NpyFileError(
        f"{name}: the system must be able to read a file while it is in use. "
        f"Received: {error.strerror or error}, {where}. "
        "Look at the disk or the mount (`dmesg`, `mount`), or read a copy of the file."
    )


def cut_short(name: str, where: str) -> NpyFileError:
    """The error for a file that ends before the data that its header promised."""
    return changed(name, f"the end of the file, {where}")


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """What differs if another file lies there, or the file was written to."""
    return Fingerprint(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def local_path(path: Path) -> str:
    """The absolute path; raise `NpyFileError` if it cannot be a file of this machine."""
    path = os.fsdecode(path)
    if not path:
        # abspath would make the working directory of it.
        raise NpyFileError(
            "A path must name a file. Received: an empty string. Pass the path of one .npy file."
        )
    # pathlib turns "gs://bucket" into "gs:/bucket". A scheme has at least two letters, a drive one.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        raise NpyFileError(
            f"{path}: only files of this machine can be mapped. Received: an address. "
            "Mount the storage, or copy the file to a local disk."
        )
    if "\0" in path:
        raise NpyFileError(
            f"{cut(path)}: a path must hold no NUL. Received: {len(path)} characters with one. "
            "Pass the path of one .npy file."
        )
    return os.path.abspath(path)


def open_regular(path: str) -> BinaryIO:
    """Open a regular file for reading; refuse a directory, a FIFO or a device."""
    return _as_file(_open_regular(path))


def open_to_read(path: str) -> int:
    """A descriptor of a file. Opening does not wait, such as for the writer of a FIFO."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        remedy = f", or raise the limit with `ulimit -n {most}`" if most != limit else ""
        raise OSError(
            error.errno,
            f"{path}: a process may have {limit} files open (`ulimit -n`, RLIMIT_NOFILE). "
            f"Received: {error.strerror}, of which keras_npy takes a quarter at most. "
            f"Close some of the others{remedy}",
        ) from error


def _as_file(descriptor: int) -> BinaryIO:
    try:
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _open_regular(path: str) -> int:
    # Check before opening, because opening can block (FIFO) or have an effect (device). Check again
    # afterwards, because the file may have been replaced in between.
    _check_regular(path, os.stat(path))
    descriptor = open_to_read(path)
    try:
        _check_regular(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = (name for is_kind, name in _KINDS if is_kind(status.st_mode))
        raise NpyFileError(
            f"{path}: only regular files can be mapped. "
            f"Received: {next(kinds, 'no regular file')}. {_remedy(path, status)}"
        )


def _remedy(path: str, status: os.stat_result) -> str:
    if not stat.S_ISDIR(status.st_mode):
        return "Pass the path of one .npy file."
    pattern = os.path.join(glob.escape(path), "*.npy")
    return (
        f"Pass its files: {pattern!r} joins their rows, and samples({pattern!r}) takes each file "
        "as one sample."
    )


_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)
