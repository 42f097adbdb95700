"""Look into a file whose inode or modification time differs, although nobody may have touched it.

Some mounts give a file a new inode whenever they are asked (rclone, go-fuse, CIFS), or another time
(sshfs, NFS). A local disk does neither.
"""

import contextlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_npy.errors import NpyLayoutWarning, warn_once
from keras_npy.files import mounts

if TYPE_CHECKING:
    from keras_npy.files.place import Fingerprint, Place

# Bytes at the start of a file that are remembered: its header, and the rows behind it.
HEAD_BYTES = 8 << 10

# Rows of a file that are remembered when they are first read.
ROWS_NOTED = 16

# Files that are remembered, those that were opened last. Each takes up to 3 kB.
FILES_NOTED_MAX = 4096


@dataclass(frozen=True)
class Note:
    """Bytes that a file held."""

    offset_bytes: int
    size_bytes: int
    checksum: int


_Key = tuple[str, "Fingerprint"]
_NOTES: dict[_Key, list[Note]] = {}

# The state in which a file was last found to be what it was.
_ACCEPTED: "dict[_Key, Fingerprint]" = {}


def note(place: "Place", offset_bytes: int, data: memoryview) -> None:
    """Remember bytes of a file, unless enough of it are remembered."""
    notes = _NOTES.setdefault((place.path, place.fingerprint), [])
    _forget_oldest(_NOTES)
    if len(notes) < ROWS_NOTED:
        notes.append(Note(offset_bytes, len(data), zlib.crc32(data)))


def is_same(place: "Place", now: "Fingerprint") -> bool:
    """Whether a file in another state than it was opened in holds the same; say so if it does.

    Args:
        place: The file as it was opened.
        now: Its state.

    Raises:
        OSError: If the file cannot be read.
    """
    key = (place.path, place.fingerprint)
    last = _ACCEPTED.get(key, place.fingerprint)
    if now.size_bytes != last.size_bytes:
        return False
    if now.mtime_ns != last.mtime_ns:
        # On a local disk somebody has written to it. A look at a part of it would not find where.
        if not mounts.is_remote(place.path, now.device):
            return False
    elif key in _ACCEPTED:
        # The inodes of this mount are known to mean nothing.
        return True
    head = Note(place.start_bytes, place.head_bytes, place.head_checksum)
    if not _holds(place.path, [head, *_NOTES.get(key, ())]):
        return False
    _ACCEPTED[key] = now
    _forget_oldest(_ACCEPTED)
    say(place.name, "inode" if now.mtime_ns == last.mtime_ns else "modification time")
    return True


def _forget_oldest(known: dict[_Key, Any]) -> None:
    # Another thread may forget the same one, or add another meanwhile.
    with contextlib.suppress(KeyError, RuntimeError, StopIteration):
        while len(known) > FILES_NOTED_MAX:
            del known[next(iter(known))]


def say(name: str, what: str) -> None:
    """Say once that a file is used although it looks changed."""
    warn_once(
        "look",
        f"{name}: a file must not change while it is in use. Received: another {what}, but the "
        "same size and, where they were compared, the same bytes, so it is used on. "
        "Copy the file to a local disk if its mount does this to files that nobody touches.",
        NpyLayoutWarning,
    )


def _holds(path: str, notes: Sequence[Note]) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return all(
            one.checksum == zlib.crc32(os.pread(descriptor, one.size_bytes, one.offset_bytes))
            for one in notes
        )
    finally:
        os.close(descriptor)
