"""Arrays inside `.npz` archives: members that are not compressed are read in place.

`"data.npz::x"` names member `x`. The checksum of a member is not verified, because that would mean
to read all of it.
"""

import itertools
import os
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from keras_npy.errors import NpyFileError, cut
from keras_npy.files import header
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import Files, convert_remedy
from keras_npy.files.place import Extent, local_path, open_regular
from keras_npy.types import Path

MEMBER_MARK = "::"

# More threads than cores, because to open a file is to wait: milliseconds on a network.
HEADER_THREADS = 16

# Headers that one thread reads before it asks for more.
HEADERS_AT_ONCE = 64

_LOCAL_HEADER_BYTES = 30
_LOCAL_MAGIC = b"PK\3\4"
_ENCRYPTED_FLAG = 0x1


def read_header(
    path: Path,
    *,
    stored_dtype: str | None = None,
    may_be_empty: bool = False,
    is_sample: bool = False,
    files: Files | None = None,
    looks_behind: bool = True,
) -> NpyHeader:
    """The header of an `.npy` file or of a stored member of an archive.

    Args:
        path: The file, or the archive and its member.
        stored_dtype: As `header.read_header` takes it.
        may_be_empty: Whether the array may have no rows.
        is_sample: Whether the array is one sample.
        files: The pattern or list that the file belongs to.
        looks_behind: As `header.read_header` takes it.

    Raises:
        NpyFileError: If the file or member cannot be streamed.
        OSError: If the system refuses access; `FileNotFoundError` is one.
    """
    archive, member = split_member(path)
    extent = None
    if member is not None:
        extent = find_stored(archive, member, files)
    elif archive.lower().endswith(".npz"):
        _refuse_whole(archive)
    return header.read_header(
        archive,
        extent=extent,
        is_sample=is_sample,
        stored_dtype=stored_dtype,
        may_be_empty=may_be_empty,
        looks_behind=looks_behind,
    )


def read_headers(
    paths: Sequence[Path], files: Files, *, stored_dtype: str | None = None
) -> list[NpyHeader]:
    """The headers of many files, read in parallel; files without rows are allowed."""

    def read(path: Path) -> NpyHeader:
        return read_header(path, stored_dtype=stored_dtype, may_be_empty=True, files=files)

    def read_some(some: Sequence[Path]) -> list[NpyHeader]:
        return [read(path) for path in some]

    threads = min(HEADER_THREADS, len(paths))
    # To hand a file to a thread takes as long as to read a header that is in the page cache.
    at_once = max(1, min(HEADERS_AT_ONCE, len(paths) // (4 * threads)))
    some = [paths[at : at + at_once] for at in range(0, len(paths), at_once)]
    with ThreadPoolExecutor(threads) as pool:
        return list(itertools.chain.from_iterable(pool.map(read_some, some)))


def split_member(path: Path) -> tuple[str, str | None]:
    """Split a path into archive and member; the member is `None` if a file has that very name.

    Example:

    >>> split_member("data.npz::x_train")
    ('data.npz', 'x_train')
    """
    path = os.fsdecode(path)
    archive, mark, member = path.partition(MEMBER_MARK)
    if not mark or os.path.lexists(path):
        return path, None
    return archive, member


def find_stored(archive: str, member: str, files: Files | None = None) -> Extent:
    """Find where a stored member lies in its archive.

    Args:
        archive: The path of the archive.
        member: The name of the member.
        files: The pattern or list that the member belongs to, for the remedy.

    Raises:
        NpyFileError: If there is no such member, or it is compressed or encrypted.
    """
    archive = local_path(archive)
    with open_regular(archive) as file:
        info = find_member(archive, file, member)
        name = f"{archive}{MEMBER_MARK}{member}"
        check_readable(name, archive, info)
        if info.compress_type != zipfile.ZIP_STORED:
            raise NpyFileError(
                f"{name}: a member must be stored, so that its rows can be read in place. "
                f"Received: a compressed member. {convert_remedy(name, files)}."
            )
        return extent_of(file, name, info)


def extent_of(file: BinaryIO, name: str, info: zipfile.ZipInfo) -> Extent:
    """Where a stored member lies in its open archive.

    Raises:
        NpyFileError: If it does not lie there.
    """
    file.seek(max(0, info.header_offset))
    local = file.read(_LOCAL_HEADER_BYTES)
    is_there = info.header_offset >= 0 and local.startswith(_LOCAL_MAGIC)
    if not is_there or info.compress_size != info.file_size:
        stored = f"{info.file_size} bytes, stored in {info.compress_size}"
        raise damaged(name, f"a damaged archive ({stored} at byte {info.header_offset})")
    # In this local header, name and extra field may be longer than in the archive's directory.
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return Extent(name, info.header_offset + _LOCAL_HEADER_BYTES + lengths, info.file_size)


# What reading a damaged member of an archive raises.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


def damaged(name: str, received: str) -> NpyFileError:
    """The error for a member of an archive that cannot be what was written."""
    return NpyFileError(
        f"{name}: a member must be whole. Received: {received}. "
        "Copy the archive again, or write it again with np.savez."
    )


def _refuse_whole(path: str) -> None:
    """Raise for a path of an archive that names no member of it."""
    path = local_path(path)
    with open_regular(path) as file:
        if file.read(len(_LOCAL_MAGIC)) != _LOCAL_MAGIC:
            return
        file.seek(0)
        with open_archive(path, file) as opened:
            names = [name.removesuffix(".npy") for name in opened.namelist()]
    if _are_of_sparse(names):
        raise NpyFileError(
            f"{path}: a source is one array. Received: a sparse matrix, as scipy.sparse.save_npz "
            f"writes it, in the members {', '.join(names)}. "
            "np.save(new, scipy.sparse.load_npz(path).toarray(order='C'))."
        )
    if names:
        raise NpyFileError(
            f"{path}: a source is one array. Received: a zip archive (.npz) with the members "
            f"{', '.join(names)[:1000]}. Name one of them behind the path or pattern, as in "
            f'"{os.path.basename(path)}{MEMBER_MARK}{names[0]}".'
        )


def _are_of_sparse(members: list[str]) -> bool:
    """Whether an archive holds one sparse matrix: its members are no arrays to train on."""
    places = ({"indices", "indptr"}, {"row", "col"}, {"offsets"})
    return {"format", "shape", "data"} <= {*members} and any(one <= {*members} for one in places)


def is_encrypted(info: zipfile.ZipInfo) -> bool:
    """Whether a member can be read only with a password."""
    return bool(info.flag_bits & _ENCRYPTED_FLAG)


def find_member(archive: str, file: BinaryIO, member: str) -> zipfile.ZipInfo:
    """The entry of `member`, whose name may omit the `.npy` that `np.savez` adds."""
    with open_archive(archive, file) as opened:
        return find_in(opened, archive, member)


def open_archive(path: str, file: BinaryIO) -> zipfile.ZipFile:
    """Read the directory of an archive; closing the result leaves `file` open."""
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise NpyFileError(
            f"{path}: a path with {MEMBER_MARK} names a member of a zip archive. "
            f"Received: {cut(str(error))}. Write the archive again with np.savez, or name no "
            "member if it is an .npy file."
        ) from error


def find_in(opened: zipfile.ZipFile, archive: str, member: str) -> zipfile.ZipInfo:
    """As `find_member`, in an archive that is open."""
    entries = opened.NameToInfo
    found = entries.get(member) or entries.get(f"{member}.npy")
    if found is None:
        names = ", ".join(name.removesuffix(".npy") for name in entries) or "none"
        raise NpyFileError(
            f"{archive}: a member must be in the archive. Received: {cut(member)}. "
            f"Its members are: {names[:1000]}."
        )
    return found


def check_readable(name: str, archive: str, info: zipfile.ZipInfo) -> None:
    """Raise for a member that is encrypted."""
    if is_encrypted(info):
        raise NpyFileError(
            f"{name}: a member must be readable as it is. Received: an encrypted member. "
            f"Decrypt it: `unzip {archive} {info.filename}` asks for the password."
        )
