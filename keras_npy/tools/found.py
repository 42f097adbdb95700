"""What a folder or an archive that a user names holds: its arrays, as sources."""

import fnmatch
import glob
import itertools
import os
import re
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

# Arrays that are alike are listed by name if they have so few, without their numbers.
NAMES_MAX = 8

# Of so many groups each pattern is compared with all names.
GROUPS_NAMED_MAX = 100

_DIGITS = re.compile(r"\d+")

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
    pattern: str = ""
    """What names these files and no others of the folder, if there is such a pattern."""


def group_arrays(arrays: Sequence[str], *, look_at_all: bool) -> tuple[list[Group], int]:
    """Read headers and group the files that are alike; also return how many were looked at."""
    groups: dict[tuple[str, str, str], Group] = {}
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
    merged = _merge_unlike(groups)
    _find_patterns(merged, arrays)
    return merged, num_looked_at


class _Look(NamedTuple):
    """What a header says."""

    what: str
    is_fault: bool
    num_rows: int
    nbytes: int


def _add(groups: dict[tuple[str, str, str], Group], array: str, look: _Look) -> None:
    folder, name = os.path.split(array)
    key = folder, look.what, _DIGITS.sub("*", name)
    group = groups.get(key)
    if group is None:
        group = groups[key] = Group(folder, look.what, look.is_fault)
    group.names.append(name)
    group.num_rows += look.num_rows
    group.nbytes += look.nbytes


def _merge_unlike(groups: dict[tuple[str, str, str], Group]) -> list[Group]:
    """Groups by name as well, but for arrays with so many names that these say nothing."""
    alike: dict[tuple[str, str], list[Group]] = {}
    for (folder, what, _), group in groups.items():
        alike.setdefault((folder, what), []).append(group)
    return [one for some in alike.values() for one in _merged(some)]


def _merged(groups: list[Group]) -> list[Group]:
    if len(groups) <= NAMES_MAX:
        return groups
    first = groups[0]
    names = natural_order([name for group in groups for name in group.names])
    num_rows, nbytes = sum(one.num_rows for one in groups), sum(one.nbytes for one in groups)
    return [Group(first.folder, first.what, first.is_fault, names, num_rows, nbytes)]


def _find_patterns(groups: list[Group], arrays: Sequence[str]) -> None:
    if len(groups) > GROUPS_NAMED_MAX:
        return
    names: dict[str, list[str]] = {}
    for array in arrays:
        folder, name = os.path.split(array)
        names.setdefault(folder, []).append(name)
    for group in groups:
        if len(group.names) > 1:
            group.pattern = _pattern_of(group.names, names[group.folder])


def _pattern_of(names: Sequence[str], all_names: Sequence[str]) -> str:
    """The pattern of some names, if there is one that none of the others has."""
    member = {name.partition(archive.MEMBER_MARK)[2] for name in names}
    if len(member) > 1:
        return ""
    for digits in ("*", "[0-9]*"):
        patterns = {_pattern_with(digits, name) for name in names}
        if len(patterns) > 1:
            return ""
        (pattern,) = patterns
        if len(fnmatch.filter(all_names, pattern)) == len(names):
            return pattern
    return ""


def _pattern_with(digits: str, name: str) -> str:
    """A name with a pattern instead of each number, but for those of a member."""
    path, mark, member = name.partition(archive.MEMBER_MARK)
    return digits.join(map(glob.escape, _DIGITS.split(path))) + mark + member


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
