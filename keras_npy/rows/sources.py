"""`open_rows`: turn what a user may give as data into rows."""

import glob
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from keras_npy.errors import NpyFileError, check_io
from keras_npy.files import archive
from keras_npy.files.appended import warn_of_data_behind
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import Apart, Files, warn_of_layout
from keras_npy.rows.arrays import checked_array
from keras_npy.rows.base import Rows
from keras_npy.rows.joined import join_rows
from keras_npy.rows.no_source import no_paths, no_source
from keras_npy.rows.plain_lists import check_no_values
from keras_npy.rows.shards import join_files
from keras_npy.rows.stored import open_array, open_file
from keras_npy.types import Array, Indices, Io, Path

Source: TypeAlias = Path | list[Any] | Array | Rows


def open_rows(source: Source, *, stored_dtype: str | None = None, io: Io = "auto") -> Rows:
    """Open a source as rows that are read when they are asked for.

    Args:
        source: The path of one `.npy` file; `"data.npz::x"` for an uncompressed member of an
            archive; a pattern (`*`, `?`, `[]`, `**`), whose files are joined along axis 0; an
            array; rows, as `samples(...)` and `windows(...)` return them; or a list of any of
            these, which are joined along axis 0.
        stored_dtype: `"bfloat16"` for files whose header says `|V2`, as NumPy writes it for dtypes
            that it does not know. `None` for all other files.
        io: `"map"` maps files into memory. `"read"` reads them by position: a cut file, a failing
            disk or a lost mount is then an error and never the end of the process, and no page of a
            file counts as memory of the process. `"auto"` maps files, but reads those on network
            and FUSE mounts, and those that the system refuses to map; it says so once.

    Returns:
        The virtual array: `shape`, `dtype`, `len`, and NumPy indexing on axis 0.

    Raises:
        NpyFileError: If a file cannot be streamed. It is a `ValueError`.
        ValueError: If a list is empty, an array has no rows, or rows are open in another way.
        TypeError: If `source` is something else, or no tensor can have the dtype of an array.

    Example:

    >>> np.save("x-1.npy", np.arange(6).reshape(2, 3))
    >>> np.save("x-2.npy", np.arange(6, 12).reshape(2, 3))
    >>> open_rows("x-1.npy")[0]
    array([0, 1, 2])
    >>> open_rows("x-*.npy")[1:3]
    array([[3, 4, 5],
           [6, 7, 8]])
    """
    return _open(source, stored_dtype, io)


def open_series(source: Source, io: Io) -> Rows:
    """As `open_rows`, of files that each are a series of its own: no remedy joins them."""
    return _open(source, None, io, stay_apart=True)


def _open(source: Source, stored_dtype: str | None, io: Io, stay_apart: bool = False) -> Rows:
    check_io(io)
    if isinstance(source, str | os.PathLike):
        if is_pattern(source):
            files = Apart(source) if stay_apart else source
            return _join(expand(source), files, stored_dtype, io, are_found=True)
        header = archive.read_header(source, stored_dtype=stored_dtype)
        rows = open_file(header, io)
        warn_of_data_behind([header])
        warn_of_layout(header, is_mapped=rows.io == "map")
        return rows
    if isinstance(source, list):
        return _open_list(source, stored_dtype, io, stay_apart)
    if stored_dtype is not None:
        raise ValueError(
            "stored_dtype= says what the bytes of a file are. "
            f"Received: stored_dtype={stored_dtype!r:.100} for {type(source).__name__}. "
            "Leave it out."
        )
    if isinstance(source, Rows):
        _check_open_rows(source, io)
        return source
    if isinstance(source, np.ndarray):
        return open_array(checked_array(source))
    raise no_source(source)


def named_files(source: object, caller: str) -> list[Path]:
    """As `named_paths`, and the files that match its patterns.

    Raises:
        TypeError: If it names no files.
        ValueError: If it is an empty list.
        NpyFileError: If nothing matches a pattern.
    """
    return expand_all(named_paths(source, caller))[0]


def named_paths(source: object, caller: str) -> list[Path]:
    """A path, a pattern or a list of these as a list, where only files will do.

    Args:
        source: What the user passed.
        caller: The function that takes it, for messages.

    Raises:
        TypeError: If it names no files.
        ValueError: If it is an empty list.
    """
    if is_path(source):
        return [source]
    if not isinstance(source, list) or not all(map(is_path, source)):
        raise no_paths(caller, source)
    if not source:
        raise ValueError(
            f"{caller} needs at least one file. Received: an empty list. Pass the files' paths."
        )
    return list(source)


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern. A path that exists under that very name is not one."""
    # Brackets in the name of a member do not make a pattern.
    file, _ = archive.split_member(path)
    return glob.has_magic(file) and not os.path.lexists(file)


def expand(pattern: Path) -> list[str]:
    """The files that match a pattern, in natural order, with the member that it names, if any.

    Raises:
        NpyFileError: If no file matches.
    """
    pattern = os.fsdecode(pattern)
    files, mark, member = pattern.partition(archive.MEMBER_MARK)
    # With two `**`, glob returns a file once for each way to divide its folders between them.
    paths = {f"{path}{mark}{member}" for path in glob.glob(files, recursive=True)}
    if not paths:
        raise NpyFileError(
            f"{pattern}: a pattern must match at least one file. Received: no match in "
            f"{os.getcwd()}. Look with `ls`, and write [*], [?] or [[] for "
            "the characters themselves."
        )
    return natural_order(paths)


def expand_all(sources: Sequence[Path]) -> tuple[list[Path], bool]:
    """The files that paths and patterns name, and whether patterns alone put them in order.

    They do if the files of one pattern follow those of another in sorted order too, so that natural
    order is the only other order that rows which belong to them may have.
    """
    found = [list(_found(path)) for path in sources]
    paths = [path for group in found for path in group]
    if not all(map(is_pattern, sources)):
        return paths, False
    by_text = [path for group in found for path in sorted(map(os.fsdecode, group))]
    return paths, by_text == sorted(by_text)


def natural_order(paths: Iterable[str]) -> list[str]:
    """Sort names by the numbers in them.

    Example:

    >>> natural_order(["x-10.npy", "x-2.npy", "x-1.npy"])
    ['x-1.npy', 'x-2.npy', 'x-10.npy']
    """
    return sorted(paths, key=_natural_key)


def _natural_key(path: str) -> tuple[list[Any], str]:
    # Text and numbers alternate, so that text is compared with text and numbers with numbers.
    parts = _NUMBERS.split(path)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], path


# ASCII digits, at most 18 at a time, because int() refuses very long numbers. A longer run is
# several numbers.
_NUMBERS = re.compile(r"([0-9]{1,18})")


_SOURCE_TYPES = (str, os.PathLike, list, np.ndarray, Rows)


def _open_list(
    sources: list[Any], stored_dtype: str | None, io: Io, stay_apart: bool = False
) -> Rows:
    if not sources:
        raise ValueError(
            "A list of sources must name at least one file. "
            "Received: an empty list. Pass the files' paths."
        )
    check_no_values(sources)
    if not all(isinstance(source, _SOURCE_TYPES) for source in sources):
        raise no_source(sources)
    opened: list[Rows] = []
    # Files beside each other are opened together: 100,000 files then are one source.
    for are_paths, group in itertools.groupby(sources, is_path):
        if are_paths:
            paths, are_found = expand_all(list(group))
            files = Apart(paths) if stay_apart else paths
            opened.append(_join(paths, files, stored_dtype, io, are_found=are_found))
        else:
            opened += [_open(source, stored_dtype, io, stay_apart) for source in group]
    return join_rows(opened)


def is_path(source: object) -> TypeGuard[Path]:
    """Whether a source is a path or a pattern."""
    return isinstance(source, str | os.PathLike)


def _found(path: Path) -> Sequence[Path]:
    return expand(path) if is_pattern(path) else [path]


def _check_open_rows(rows: Rows, io: Io) -> None:
    if io != "auto" and rows.io not in (None, io):
        raise ValueError(
            f"{rows.name}: rows that are open stay as they were opened. "
            f"Received: io={io!r} for rows that were opened with io={rows.io!r}. "
            f"Pass io={io!r} where they are opened: open_rows, samples, windows, take or raw."
        )


def open_groups(
    groups: Sequence[Sequence[Path]], io: Io, apart: Apart | None = None
) -> tuple[Rows, Indices]:
    """The rows of groups of files, joined as one source, and the number of rows of each group.

    Args:
        groups: The files of each group.
        io: As `open_rows` takes it.
        apart: What found the files, or `None` for a list of the user's own.

    Raises:
        NpyFileError: If a file cannot be streamed, or files differ.
    """
    paths = [path for group in groups for path in group]
    files = apart or Apart(paths)
    headers = archive.read_headers(paths, files)
    ends = np.cumsum([0, *(header.shape[0] for header in headers)])
    edges = np.cumsum([0, *map(len, groups)])
    return _join_headers(headers, files, io, are_found=False), np.diff(ends[edges])


def _join(
    paths: list[Any], files: Files, stored_dtype: str | None, io: Io, *, are_found: bool
) -> Rows:
    headers = archive.read_headers(paths, files, stored_dtype=stored_dtype)
    return _join_headers(headers, files, io, are_found=are_found)


def _join_headers(headers: list[NpyHeader], files: Files, io: Io, *, are_found: bool) -> Rows:
    rows = join_files(headers, io, are_found=are_found)
    warn_of_data_behind(headers)
    for header in headers:
        if header.shape[0]:
            warn_of_layout(header, files, is_mapped=rows.io == "map")
    return rows
