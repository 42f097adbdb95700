"""Arrays inside `.npz` archives: members that are not compressed are read in place.

`"data.npz::x"` names member `x`. The checksum of a member is not verified, because that would mean
to read all of it.
"""

import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from keras_npy.errors import NpyFileError, cut
from keras_npy.files import header
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import convert_command
from keras_npy.files.place import Extent, local_path, open_regular
from keras_npy.types import Path

MEMBER_MARK = "::"

# More threads than cores, because to open a file is to wait: milliseconds on a network.
HEADER_THREADS = 16

_LOCAL_HEADER_BYTES = 30
_LOCAL_MAGIC = b"PK\3\4"
_ENCRYPTED_FLAG = 0x1


def read_header(
    path: Path, *, stored_dtype: str | None = None, may_be_empty: bool = False
) -> NpyHeader:
    """The header of an `.npy` file or of a stored member of an archive.

    Raises:
        NpyFileError: If the file or member cannot be streamed.
        OSError: If the system refuses access; `FileNotFoundError` is one.
    """
    archive, member = split_member(path)
    if member is None:
        return header.read_header(path, stored_dtype=stored_dtype, may_be_empty=may_be_empty)
    extent = find_stored(archive, member)
    return header.read_header(
        archive, extent=extent, stored_dtype=stored_dtype, may_be_empty=may_be_empty
    )


def read_headers(paths: Sequence[Path], *, stored_dtype: str | None = None) -> list[NpyHeader]:
    """The headers of many files, read in parallel; files without rows are allowed."""

    def read(path: Path) -> NpyHeader:
        return read_header(path, stored_dtype=stored_dtype, may_be_empty=True)

    with ThreadPoolExecutor(min(HEADER_THREADS, len(paths))) as pool:
        return list(pool.map(read, paths))


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


def find_stored(archive: str, member: str) -> Extent:
    """Find where a stored member lies in its archive.

    Raises:
        NpyFileError: If there is no such member, or it is compressed or encrypted.
    """
    archive = local_path(archive)
    with open_regular(archive) as file:
        info = find_member(archive, file, member)
        name = f"{archive}{MEMBER_MARK}{member}"
        if is_encrypted(info):
            raise NpyFileError(
                f"{name}: a member must be readable as it is. Received: an encrypted member. "
                f"Decrypt it: `unzip {archive} {info.filename}` asks for the password."
            )
        if info.compress_type != zipfile.ZIP_STORED:
            raise NpyFileError(
                f"{name}: a member must be stored, so that its rows can be read in place. "
                f"Received: a compressed member. To convert it: `{convert_command(name)}`."
            )
        file.seek(max(0, info.header_offset))
        local = file.read(_LOCAL_HEADER_BYTES)
    is_there = info.header_offset >= 0 and local.startswith(_LOCAL_MAGIC)
    if not is_there or info.compress_size != info.file_size:
        raise NpyFileError(
            f"{name}: a stored member must lie where the archive says, as long as it says. "
            f"Received: a damaged archive ({info.file_size} bytes, stored in "
            f"{info.compress_size} at byte {info.header_offset}). "
            "Copy the archive again, or write it again with np.savez."
        )
    # In this local header, name and extra field may be longer than in the archive's directory.
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return Extent(name, info.header_offset + _LOCAL_HEADER_BYTES + lengths, info.file_size)


def is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & _ENCRYPTED_FLAG)


def find_member(archive: str, file: BinaryIO, member: str) -> zipfile.ZipInfo:
    """The entry of `member`, whose name may omit the `.npy` that `np.savez` adds."""
    try:
        with zipfile.ZipFile(file) as opened:
            entries = {info.filename: info for info in opened.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise NpyFileError(
            f"{archive}: a path with {MEMBER_MARK} names a member of a zip archive. "
            f"Received: {cut(str(error))}. Write the archive again with np.savez, or leave "
            f"{MEMBER_MARK}{member} out if it is an .npy file."
        ) from error
    found = entries.get(member) or entries.get(f"{member}.npy")
    if found is None:
        names = ", ".join(name.removesuffix(".npy") for name in entries) or "none"
        raise NpyFileError(
            f"{archive}: a member must be in the archive. Received: {cut(member)}. "
            f"Its members are: {names[:1000]}."
        )
    return found
