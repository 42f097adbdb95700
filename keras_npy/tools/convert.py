"""Write any source as one plain `.npy`: C order, this machine's byte order, 64-byte aligned."""

import contextlib
import dataclasses
import itertools
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from keras_npy.errors import cut
from keras_npy.files import archive
from keras_npy.files.appended import warn_of_data_behind
from keras_npy.files.header import (
    START_BYTES,
    NpyHeader,
    check_streamable,
    parse_header,
    read_header,
)
from keras_npy.files.place import Extent, Place, local_path, open_regular, place_of
from keras_npy.files.values import as_bytes
from keras_npy.rows.base import Rows
from keras_npy.rows.cast import cast
from keras_npy.rows.joined import JoinedRows, join_rows
from keras_npy.rows.shards import join_files
from keras_npy.rows.sources import Source, expand_all, is_path, named_paths, open_rows
from keras_npy.rows.time_order import warn_of_lost_times
from keras_npy.rows.window_rows import WindowRows
from keras_npy.tools.new_files import UNPACKED_SUFFIX, check_new, lock, new_file

# Bytes that are read and written at a time.
BLOCK_BYTES = 8 << 20

# Called after each block with the bytes written so far, and the bytes in all.
Progress = Callable[[int, int], None]


def convert(
    source: Source,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    stored_dtype: str | None = None,
    dtype: str | None = None,
    may_round: bool = False,
    progress: Progress | None = None,
) -> Rows:
    """Write a source as one plain `.npy`, in blocks, as `keras-npy convert` does.

    A half-written file never appears at `path`: the rows go to a temporary file in the same folder,
    which is renamed once all of them are on the disk. The folder is synced too, so that a power cut
    after `convert` has returned loses neither rows nor name.

    Args:
        source: As `open_rows` takes it; here a member of an archive may be compressed.
        path: The new file.
        force: Whether to replace a file at `path`.
        stored_dtype: As `open_rows` takes it.
        dtype: The dtype of the new file, such as `"uint8"`. `None` keeps that of the source. Each
            value is checked: one that would become another one is an error.
        may_round: Whether values may be rounded to the nearest one that `dtype` has. Values beyond
            its range are errors all the same.
        progress: Called with the bytes written so far and the bytes in all.

    Returns:
        The rows of the source, still open.

    Raises:
        FileExistsError: If there is a file at `path` and `force` is false.
        FileNotFoundError: If the folder of `path` does not exist.
        NpyFileError: If the source cannot be read.
        ValueError: If `dtype` would change a value.

    Example:

    >>> from keras_npy import convert
    >>> np.savez_compressed("data.npz", x=np.arange(6).reshape(2, 3))
    >>> convert("data.npz::x", "x.npy").shape
    (2, 3)
    >>> np.load("x.npy").tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    path = check_new(path, force)
    with open_any(source, stored_dtype, os.path.dirname(path)) as rows:
        _warn_of_lost_times(rows)
        if dtype is not None:
            rows = cast(rows, dtype, may_round=may_round)
        write_rows(rows, path, force, progress)
        return rows


def _warn_of_lost_times(rows: Rows) -> None:
    sources = rows.sources if isinstance(rows, JoinedRows) else [rows]
    # Windows are of series of their own, or `windows` has warned of them.
    warn_of_lost_times([source for source in sources if not isinstance(source, WindowRows)])


def write_rows(rows: Rows, path: str, force: bool, progress: Progress | None = None) -> None:
    """Write rows as one plain `.npy`, which appears once it is complete."""
    with new_file(path, force) as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(rows.dtype),
            "fortran_order": False,
            "shape": rows.shape,
        }
        np.lib.format.write_array_header_1_0(file, header)
        step = max(1, BLOCK_BYTES // rows.row_bytes)
        for start in range(0, len(rows), step):
            indices = np.arange(start, min(start + step, len(rows)))
            rows.check_unchanged(indices)
            file.write(as_bytes(rows.take(indices)).data)
            if progress is not None:
                progress(int(indices[-1] + 1) * rows.row_bytes, rows.nbytes)


@contextlib.contextmanager
def open_any(source: Any, stored_dtype: str | None, folder: str) -> Iterator[Rows]:
    """Open a source; first unpack compressed members, into the folder of the new file."""
    with contextlib.ExitStack() as unpacked:
        yield _opened(source, stored_dtype, folder, unpacked)


def _opened(
    source: Any, stored_dtype: str | None, folder: str, unpacked: contextlib.ExitStack
) -> Rows:
    if isinstance(source, list) and not all(map(is_path, source)):
        groups = [
            (are_paths, list(group)) for are_paths, group in itertools.groupby(source, is_path)
        ]
        # Files beside each other are opened together, as `open_rows` does.
        parts = [part for are_paths, group in groups for part in ([group] if are_paths else group)]
        return join_rows([_opened(part, stored_dtype, folder, unpacked) for part in parts])
    is_named = is_path(source) or (isinstance(source, list) and source)
    paths, are_found = expand_all(named_paths(source, "convert")) if is_named else ([], False)
    if not any(map(_is_compressed, paths)):
        return _open(source, stored_dtype)
    may_be_empty = len(paths) > 1
    headers = [
        _header(path, stored_dtype, folder, unpacked, may_be_empty=may_be_empty) for path in paths
    ]
    warn_of_data_behind(headers)
    return join_files(headers, "read", are_found=are_found)


def _header(
    path: Any,
    stored_dtype: str | None,
    folder: str,
    unpacked: contextlib.ExitStack,
    *,
    may_be_empty: bool,
) -> NpyHeader:
    """The header of a file, or of what a compressed member is unpacked to."""
    if not _is_compressed(path):
        return archive.read_header(path, stored_dtype=stored_dtype, may_be_empty=may_be_empty)
    file, extent = unpacked.enter_context(_unpacked(path, folder, stored_dtype))
    return read_header(file, extent=extent, stored_dtype=stored_dtype, may_be_empty=may_be_empty)


def _is_compressed(path: Any) -> bool:
    """Whether a path names a member that must be unpacked to be read."""
    file_path, member = archive.split_member(path)
    if member is None:
        return False
    file_path = local_path(file_path)
    with open_regular(file_path) as file:
        info = archive.find_member(file_path, file, member)
    return info.compress_type != zipfile.ZIP_STORED and not archive.is_encrypted(info)


@contextlib.contextmanager
def _unpacked(path: Any, folder: str, stored_dtype: str | None) -> Iterator[tuple[str, Extent]]:
    """A temporary file with the contents of a compressed member, and its name in messages."""
    file_path, member = archive.split_member(path)
    file_path = local_path(file_path)
    with (
        open_regular(file_path) as file,
        archive.open_archive(file_path, file) as opened,
        tempfile.NamedTemporaryFile(dir=folder, suffix=UNPACKED_SUFFIX) as unpacked,
    ):
        lock(unpacked)
        info = archive.find_in(opened, file_path, str(member))
        name = f"{file_path}{archive.MEMBER_MARK}{member}"
        _unpack(opened, info, place_of(file, file_path), name, unpacked, stored_dtype)
        unpacked.flush()
        yield unpacked.name, Extent(name, 0, info.file_size)


def _unpack(
    opened: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    place: Place,
    name: str,
    out: IO[bytes],
    stored_dtype: str | None,
) -> None:
    """Unpack a compressed member, once its first bytes have shown that it is an array.

    A small archive may hold terabytes of zeros.
    """
    try:
        with opened.open(info) as packed:
            start = packed.read(START_BYTES)
            inside = dataclasses.replace(place, name=name, start_bytes=0, size_bytes=info.file_size)
            header = parse_header(start, inside, stored_dtype)
            check_streamable(header, may_be_empty=True)
            out.write(start)
            shutil.copyfileobj(packed, out, BLOCK_BYTES)
    except archive.DAMAGE as error:
        raise archive.damaged(name, f"a damaged one ({cut(str(error))})") from error


def _open(source: Any, stored_dtype: str | None) -> Rows:
    # Read files instead of mapping them: a failing disk, from which files are to be saved, is then
    # an error that names the row, and not the end of the process.
    is_open = isinstance(source, Rows)
    return open_rows(source, stored_dtype=stored_dtype, io="auto" if is_open else "read")
