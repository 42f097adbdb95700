"""What a folder or an archive that a user names holds: its arrays, as sources."""

import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from keras_npy.files import archive
from keras_npy.files.place import local_path, open_regular
from keras_npy.rows.sources import natural_order
from keras_npy.tools import output

# How long the headers of a folder are read, unless all are wanted. 100,000 take 8 s.
LOOK_S = 1.0


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


def group_arrays(arrays: Iterable[str], *, look_at_all: bool) -> tuple[list[Group], int]:
    """Read headers and group the files that are alike; also return how many were looked at."""
    groups: dict[tuple[str, str], Group] = {}
    stop_s = time.monotonic() + LOOK_S
    num_looked_at = 0
    for array in arrays:
        if not look_at_all and time.monotonic() > stop_s:
            break
        num_looked_at += 1
        folder, name = os.path.split(array)
        what, is_fault, num_rows, nbytes = _look_at(array)
        key = (folder, what)
        group = groups.setdefault(key, Group(folder, what, is_fault))
        group.names.append(name)
        group.num_rows += num_rows
        group.nbytes += nbytes
    return list(groups.values()), num_looked_at


def _look_at(array: str) -> tuple[str, bool, int, int]:
    try:
        header = archive.read_header(array)
    except (ValueError, OSError) as error:
        return str(error), True, 0, 0
    order = ", Fortran order" if header.fortran_order else ""
    shape = output.shape(header.shape[1:])
    return f"{shape}, {header.dtype}{order}", False, header.shape[0], header.data_bytes


def _arrays_in(path: str) -> Iterator[str]:
    try:
        yield from members_of(path)
    except (ValueError, OSError):
        # Reading its header says what is wrong.
        yield path


def _is_array(name: str) -> bool:
    return name.lower().endswith((".npy", ".npz"))
