"""Write any source as one plain `.npy`: C order, this machine's byte order, 64-byte aligned."""

import contextlib
import dataclasses
import errno
import itertools
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO

import numpy as np

from keras_npy.errors import NpyFileError, cut
from keras_npy.files import archive
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
from keras_npy.rows.joined import join_rows
from keras_npy.rows.shards import join_files
from keras_npy.rows.sources import Source, is_path, named_files, open_rows

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
        progress: Called with the bytes written so far and the bytes in all.

    Returns:
        The rows of the source, still open.

    Raises:
        FileExistsError: If there is a file at `path` and `force` is false.
        FileNotFoundError: If the folder of `path` does not exist.
        NpyFileError: If the source cannot be read.

    Example:

    >>> from keras_npy import convert
    >>> np.savez_compressed("data.npz", x=np.arange(6).reshape(2, 3))
    >>> convert("data.npz::x", "x.npy").shape
    (2, 3)
    >>> np.load("x.npy").tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    path = check_new(path, force)
    folder = os.path.dirname(path)
    with _open_any(source, stored_dtype, folder) as rows, _new_file(path, force) as file:
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
        return rows


def check_new(path: str | os.PathLike[str], force: bool) -> str:
    """The absolute path of a new file, after a check that it can be written.

    Raises:
        FileExistsError: If there is a file at `path` and `force` is false.
        FileNotFoundError: If the folder of `path` does not exist.
    """
    path = local_path(path)
    _check_free(path, force)
    folder = os.path.dirname(path)
    if not _is_folder(folder):
        raise FileNotFoundError(
            f"{path}: the folder of a new file must exist. Received: {folder}, which is no folder. "
            "Make that folder first, or choose another path."
        )
    return path


def _is_folder(path: str) -> bool:
    # os.path.isdir would say no whatever the system says, such as that a disk has failed.
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _open_any(source: Any, stored_dtype: str | None, folder: str) -> Iterator[Rows]:
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
    paths = named_files(source, "convert") if is_named else []
    if not any(map(_is_compressed, paths)):
        return _open(source, stored_dtype)
    may_be_empty = len(paths) > 1
    headers = [
        _header(path, stored_dtype, folder, unpacked, may_be_empty=may_be_empty) for path in paths
    ]
    return join_files(headers, "read")


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
        tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp") as unpacked,
    ):
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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise NpyFileError(
            f"{name}: a compressed member must unpack to what was packed. "
            f"Received: {cut(str(error))}. Copy the archive again, or write it again."
        ) from error


def _open(source: Any, stored_dtype: str | None) -> Rows:
    # Read files instead of mapping them: a failing disk, from which files are to be saved, is then
    # an error that names the row, and not the end of the process.
    is_open = isinstance(source, Rows)
    return open_rows(source, stored_dtype=stored_dtype, io="auto" if is_open else "read")


@contextlib.contextmanager
def _new_file(path: str, force: bool) -> Iterator[BinaryIO]:
    """Open a file that gets its name once it is complete; an error leaves nothing behind."""
    partial = f"{path}.{os.getpid()}.partial"
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check_free(path, force)
        os.replace(partial, path)
        _sync_folder(os.path.dirname(path))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def _sync_folder(folder: str) -> None:
    """Make the new name of a file survive a power cut, as its bytes do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        # This folder can be written but not read. The name cannot be synced, but it is there.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems can sync only files.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _check_free(path: str, force: bool) -> None:
    if os.path.lexists(path) and not force:
        raise FileExistsError(
            f"{path}: convert replaces a file only if it is told to. Received: the path of a file "
            "that exists. "
            "Choose another name, or pass force=True (--force)."
        )
