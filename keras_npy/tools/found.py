"""What a folder or an archive that a user names holds: its arrays, as sources."""

import itertools
import os
import stat
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from keras_npy.files import archive
from keras_npy.files.place import local_path, open_regular
from keras_npy.rows.sources import natural_order
from keras_npy.rows.walk import shown
from keras_npy.tools import output

# How long the headers of a folder are read, unless all are wanted.
LOOK_S = 1.0

# Headers that one thread reads before it asks for more.
LOOKED_AT_ONCE = 64

# NumPy writes headers of this size, unless the array has many axes.
HEADER_BYTES = 128


def list_arrays(path: str) -> list[str]:
    """The `.npy` files and members of archives below a folder, in natural order."""
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        found += [os.path.join(folder, name) for name in names if _is_array(name)]
    return [array for name in natural_order(found) for array in _arrays_in(name)]


def members_of(path: str) -> list[str]:
    """The arrays in an archive, as sources; the path itself if it is no archive.

    Raises:
        NpyFileError: If the archive is damaged.
    """
    if not path.lower().endswith(".npz") or not os.path.isfile(path):
        return [path]
    with open_regular(local_path(path)) as file:
        if not zipfile.is_zipfile(file):
            return [path]
        with archive.open_archive(path, file) as opened:
            names = [name.removesuffix(".npy") for name in opened.namelist()]
    return [f"{path}{archive.MEMBER_MARK}{name}" for name in names] or [path]


@dataclass
class Group:
    """Files of one folder whose arrays differ in nothing but their number of rows."""

    folder: str
    what: str
    """The shape of a row and the dtype, or what is wrong."""
    is_fault: bool
    names: list[str] = field(default_factory=list)
    num_rows: int = 0
    nbytes: int = 0


def group_arrays(arrays: Sequence[str], *, look_at_all: bool) -> tuple[list[Group], int]:
    """Read headers and group the files that are alike; also return how many were looked at."""
    groups: dict[tuple[str, str], Group] = {}
    stop_s = time.monotonic() + LOOK_S
    num_looked_at, looks = 0, _Looks()
    at_once = LOOKED_AT_ONCE * archive.HEADER_THREADS
    with ThreadPoolExecutor(archive.HEADER_THREADS) as threads:
        for start in shown(range(0, len(arrays), at_once), "headers"):
            if not look_at_all and time.monotonic() > stop_s:
                break
            some = arrays[start : start + at_once]
            parts = [some[at : at + LOOKED_AT_ONCE] for at in range(0, len(some), LOOKED_AT_ONCE)]
            seen = itertools.chain.from_iterable(threads.map(looks.at_some, parts))
            for array, look in zip(some, seen, strict=True):
                _add(groups, array, look)
            num_looked_at += len(some)
    return list(groups.values()), num_looked_at


class _Look(NamedTuple):
    """What a header says."""

    what: str
    is_fault: bool
    num_rows: int
    nbytes: int


def _add(groups: dict[tuple[str, str], Group], array: str, look: _Look) -> None:
    folder, name = os.path.split(array)
    group = groups.get((folder, look.what))
    if group is None:
        group = groups[folder, look.what] = Group(folder, look.what, look.is_fault)
    group.names.append(name)
    group.num_rows += look.num_rows
    group.nbytes += look.nbytes


class _Looks:
    """Look at arrays from many threads.

    A file as long as another one, with the same header, is not parsed again: that takes 60 us, and
    to read its header 15.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, int], _Look] = {}

    def at_some(self, arrays: Sequence[str]) -> list[_Look]:
        """What the headers of some arrays say."""
        return [self._at(array) for array in arrays]

    def _at(self, array: str) -> _Look:
        key = _start_of(array)
        look = self._known.get(key) if key else None
        if look is None:
            look, is_plain = _look_at(array)
            if key and is_plain:
                self._known[key] = look
        return look


def _start_of(array: str) -> tuple[bytes, int] | None:
    """The first bytes of a file and its size; `None` if it is no file that can be read."""
    try:
        # Neither wait for the writer of a FIFO, nor read from it.
        descriptor = os.open(array, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        is_file = stat.S_ISREG(status.st_mode)
        return (os.pread(descriptor, HEADER_BYTES, 0), status.st_size) if is_file else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _look_at(array: str) -> tuple[_Look, bool]:
    """What the header says, and whether it lies in the first bytes and says all."""
    try:
        header = archive.read_header(array)
    except (ValueError, OSError) as error:
        return _Look(str(error), True, 0, 0), False
    order = ", Fortran order" if header.fortran_order else ""
    shape = output.shape(header.shape[1:])
    what = f"{shape}, {header.dtype}{order}"
    is_plain = header.offset_bytes <= HEADER_BYTES and not header.trailing_bytes
    return _Look(what, False, header.shape[0], header.data_bytes), is_plain


def _arrays_in(path: str) -> Iterator[str]:
    try:
        yield from members_of(path)
    except (ValueError, OSError):
        # Reading its header says what is wrong.
        yield path


def _is_array(name: str) -> bool:
    return name.lower().endswith((".npy", ".npz"))
