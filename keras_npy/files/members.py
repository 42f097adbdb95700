"""Read one array out of an archive, whether its member is stored or compressed."""

import contextlib
import functools
import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from keras_npy.files.archive import (
    DAMAGE,
    MEMBER_MARK,
    check_readable,
    damaged,
    extent_of,
    find_in,
    open_archive,
)
from keras_npy.files.header import (
    START_BYTES,
    NpyHeader,
    check_streamable,
    look_behind,
    parse_header,
)
from keras_npy.files.place import Place, fingerprint_of

# Bytes that are unpacked at a time.
PIECE_BYTES = 1 << 20


class Member:
    """An array of one sample in an open archive; `open_member` makes one.

    Args:
        file: The archive.
        opened: Its directory.
        path: Its path.
        member: Name of the member.
        stored_dtype: As `header.read_header` takes it.
        looks_behind: As `header.read_header` takes it.

    Raises:
        NpyFileError: If there is no such member, or it is encrypted.
    """

    start: bytes
    """The first bytes of the member: all of its header, and some of its data."""

    def __init__(
        self,
        file: BinaryIO,
        opened: zipfile.ZipFile,
        path: str,
        member: str,
        stored_dtype: str | None,
        looks_behind: bool,
    ) -> None:
        self._file, self._opened, self._path = file, opened, path
        self._looks_behind = looks_behind
        self._stored_dtype = stored_dtype
        self._info = info = find_in(opened, path, member)
        self._name = f"{path}{MEMBER_MARK}{member}"
        check_readable(self._name, path, info)
        self._packed = opened.open(info)
        self.start = self._packed.read(min(START_BYTES, info.file_size))

    @property
    def size_bytes(self) -> int:
        return self._info.file_size

    @property
    def is_compressed(self) -> bool:
        return self._info.compress_type != zipfile.ZIP_STORED

    @functools.cached_property
    def place(self) -> Place:
        """Where the member lies. If it is compressed, as if it were a file of its own."""
        begin = 0
        if not self.is_compressed:
            begin = extent_of(self._file, self._name, self._info).start_bytes
        fingerprint = fingerprint_of(os.fstat(self._file.fileno()))
        return Place(self._path, self._name, begin, self._info.file_size, fingerprint)

    @functools.cached_property
    def header(self) -> NpyHeader:
        """The header of the array.

        Raises:
            NpyFileError: If the member is no array of one sample.
        """
        header = parse_header(self.start, self.place, self._stored_dtype, is_sample=True)
        check_streamable(header, is_sample=True, may_be_empty=False)
        if header.trailing_bytes and self._looks_behind:
            with self._opened.open(self._info) as again:
                return look_behind(header, again, self.size_bytes)
        return header

    def read_into(self, out: NDArray[np.uint8], head_bytes: int) -> None:
        """Copy what lies behind the first bytes, once, in the order in which it lies there.

        Raises:
            EOFError: If the member ends before.
            zipfile.BadZipFile: If its checksum does not match.
        """
        piece, at = self.start[head_bytes : head_bytes + len(out)], 0
        while piece:
            out[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
            piece = self._packed.read(min(PIECE_BYTES, len(out) - at))
        if at < len(out):
            raise EOFError("it ends too early")
        # zipfile compares the checksum when the end is read.
        self._packed.read()


@contextlib.contextmanager
def open_member(
    file: BinaryIO,
    path: str,
    member: str,
    stored_dtype: str | None = None,
    *,
    looks_behind: bool = True,
) -> Iterator[Member]:
    """Open an array in an archive that is open.

    Raises:
        NpyFileError: If it cannot be read, here or within the `with` block.
    """
    with open_archive(path, file) as opened:
        try:
            yield Member(file, opened, path, member, stored_dtype, looks_behind)
        except DAMAGE as error:
            raise damaged(f"{path}{MEMBER_MARK}{member}", f"a damaged one ({error})") from error
