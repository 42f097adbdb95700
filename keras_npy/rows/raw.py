"""`raw`: rows of files that hold bare values, without a header."""

import math
import os
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError, check_integer, check_io, cut
from keras_npy.files import foreign
from keras_npy.files.header import MAGIC, SUPPORTED_DTYPES, NpyHeader, bfloat16, is_supported
from keras_npy.files.layout import name_of_converted, warn_of_layout
from keras_npy.files.place import local_path, open_regular, place_of
from keras_npy.files.wav import find_samples
from keras_npy.rows.base import Rows
from keras_npy.rows.shards import join_files
from keras_npy.rows.sources import expand_all, is_pattern, named_paths
from keras_npy.rows.stored import open_file
from keras_npy.types import Io, Path


def raw(
    source: Path | Sequence[Path],
    *,
    dtype: Any,
    shape: Sequence[int] = (-1,),
    offset: int = 0,
    io: Io = "auto",
) -> Rows:
    """Read files of bare values, as `ndarray.tofile` and `np.memmap` write them.

    Args:
        source: The path of a file; or a pattern, or a list of paths and patterns, whose rows are
            joined along axis 0 as those of `.npy` files are.
        dtype: dtype of the values, such as `"uint16"` or `">f4"`, or `"bfloat16"`.
        shape: Shape of the array in each file. Axis 0 may be -1, for as many rows as the file
            holds.
        offset: Bytes at the start of each file to skip.
        io: As `open_rows` takes it.

    Returns:
        Rows for `NpySequence`, `open_rows`, `windows` and `convert`.

    Raises:
        NpyFileError: If a file holds fewer or more bytes than the array takes, or is of another
            format, such as `.npy`, `.npz`, gzip, or IDX, PGM or PFM without `offset`, or a WAV file
            with more than samples behind `offset`.
        ValueError: If an argument has a wrong value.
        TypeError: If an argument has a wrong type, or no tensor can have the dtype.
        OSError: If the system refuses access; `FileNotFoundError` is one.

    Example:

    >>> np.arange(6, dtype="uint16").tofile("train.bin")
    >>> raw("train.bin", dtype="uint16")[2:4]
    array([2, 3], dtype=uint16)
    >>> raw("train.bin", dtype="uint16", shape=(-1, 2))[-1]
    array([4, 5], dtype=uint16)
    """
    check_io(io)
    checked = _checked_dtype(dtype, offset)
    _check_shape(shape)
    check_integer("offset", offset, at_least=0)
    layout = checked, tuple(int(size) for size in shape), int(offset)
    if isinstance(source, str | os.PathLike) and not is_pattern(source):
        header = _header(source, *layout)
        rows = open_file(header, io)
        remedy = _remedy(source, header, *layout)
        warn_of_layout(header, is_mapped=rows.io == "map", remedy=remedy)
        return rows
    paths, are_found = expand_all(named_paths(source, "raw"))
    headers = [_header(path, *layout) for path in paths]
    rows = join_files(headers, io, are_found=are_found)
    for header in headers:
        remedy = _remedy(source, header, *layout)
        warn_of_layout(header, is_mapped=rows.io == "map", remedy=remedy)
    return rows


def _header(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> NpyHeader:
    """What the header of a file would say, if it had one."""
    path = local_path(path)
    with open_regular(path) as file:
        place = place_of(file, path)
        start = file.read(foreign.LOOK_AT_BYTES)
        _check_bare(path, start, place.size_bytes, offset, dtype.itemsize)
        _check_wav(path, find_samples(file, place.size_bytes), place.size_bytes, offset, dtype)
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    held = place.size_bytes - offset
    num_rows = held // row_bytes if shape[0] == -1 else shape[0]
    if held <= 0 or num_rows * row_bytes != held:
        raise NpyFileError(
            f"{path}: a raw file must hold as many bytes as its array. Received: "
            f"{place.size_bytes} bytes, of which {offset} are skipped, for shape {cut(shape)} of "
            f"{dtype}, in which a row takes {row_bytes} bytes. Correct dtype, shape or offset; for "
            "a part of a file pass np.memmap(path, dtype, 'r', offset, shape) itself."
        )
    return NpyHeader(place, (num_rows, *shape[1:]), dtype, False, offset)


def _check_bare(path: str, start: bytes, size_bytes: int, offset: int, itemsize: int) -> None:
    """Raise if a file holds another format, whose bytes would train as values without a word."""
    if start.startswith(MAGIC) and not _is_behind_header(start, offset):
        raise NpyFileError(
            f"{path}: raw reads files without a header. Received: an .npy file, which has one. "
            "Open it by its path alone."
        )
    found = foreign.identify_raw(start, size_bytes, offset, itemsize)
    if found:
        raise NpyFileError(
            f"{path}: raw reads files of bare values. Received: {found[0]}. {found[1]} If its "
            f"bytes are the values, pass np.memmap(path, dtype, 'r', {offset}).reshape(shape) "
            "itself."
        )


def _check_wav(
    path: str,
    found: tuple[int, int] | None,
    size_bytes: int,
    offset: int,
    dtype: np.dtype[Any],
) -> None:
    """Raise if bytes of a WAV file would be served as sound that are none."""
    if found is None or (found[0] <= offset and size_bytes == found[1]):
        return
    begin, end = found
    name = dtype.name if dtype.isnative else dtype.str
    counted = (max(end - max(begin, offset), 0) // dtype.itemsize,)
    one = f"pass np.memmap(path, {name!r}, 'r', {max(begin, offset)}, {counted}) itself"
    behind = f", and {size_bytes - end} bytes of notes behind them" if end < size_bytes else ""
    remedy = f"Pass offset={begin} if it is that of all files"
    if behind:
        remedy = f"Of one file, {one}"
    raise NpyFileError(
        f"{path}: raw reads all bytes from offset on as values. Received: offset={offset} of a WAV "
        f"file whose samples begin at byte {begin} and end at byte {end}{behind}. {remedy}; or "
        "read each file with soundfile.read or scipy.io.wavfile, and np.save its samples."
    )


def _is_behind_header(start: bytes, offset: int) -> bool:
    """Whether what is skipped is the header of an .npy file, whose count of rows is too low."""
    prefix_bytes = 10 if start[6:7] == b"\x01" else 12
    return offset == prefix_bytes + int.from_bytes(start[8:prefix_bytes], "little")


def _checked_dtype(dtype: Any, offset: int) -> np.dtype[Any]:
    try:
        found = bfloat16() if dtype == "bfloat16" else np.dtype(dtype)
    except TypeError as error:
        raise TypeError(
            f"dtype must be one of {SUPPORTED_DTYPES}. Received: dtype={dtype!r:.100}. "
            "Pass a name such as 'uint16'."
        ) from error
    # NumPy takes None as float64.
    if dtype is None or not is_supported(found):
        raise TypeError(
            f"dtype must be one of {SUPPORTED_DTYPES}. Received: dtype={dtype!r:.100}. "
            f"{_remedy_of_dtype(np.dtype(dtype), offset)}"
        )
    return found


def _remedy_of_dtype(dtype: np.dtype[Any], offset: int) -> str:
    """How to read values that are no numbers."""
    if dtype.names is not None:
        # Mostly the signal, beside a time and a status.
        largest = max(dtype.names, key=lambda name: dtype[name].itemsize)
        skipped = f", {offset}" if offset else ""
        field = f"np.memmap(path, dtype, 'r'{skipped})[{largest!r}]"
        return f"Pass a field of a map in place of raw: {field}."
    if dtype.kind in "mM":
        return f"Count them in integers: dtype='{dtype.byteorder.strip('|=')}i8'."
    if dtype.kind in "SV" and dtype.itemsize:
        return f"Read their bytes: dtype='uint8', shape=(-1, {dtype.itemsize})."
    return "Pass a name such as 'uint16'."


def _check_shape(shape: Any) -> None:
    sizes = tuple(shape) if isinstance(shape, tuple | list) else ()
    if not sizes or not all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes
    ):
        raise TypeError(
            "shape must be a tuple of integers, of which the first counts the rows. "
            f"Received: shape={shape!r:.100}. Pass (-1,), or (-1, ...) with the shape of a row."
        )
    if (sizes[0] < 1 and sizes[0] != -1) or any(size < 1 for size in sizes[1:]):
        raise ValueError(
            "shape must hold sizes of at least 1; only the first may be -1, for all rows. "
            f"Received: shape={shape!r:.100}. Pass (-1, ...) with the shape of a row."
        )


def _remedy(
    source: Any, header: NpyHeader, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int
) -> str:
    name = dtype.name if dtype.isnative else dtype.str
    new = name_of_converted(header.name)
    if isinstance(source, str | os.PathLike):
        sizes = "x".join(map(str, shape))
        spelled = f"raw,dtype={name},shape={sizes},offset={offset}:{os.fsdecode(source)}"
        return f"To convert it: `keras-npy convert {shlex.quote(spelled)} {shlex.quote(new)}`"
    return (
        "To convert it, in Python: `from keras_npy import convert, raw; convert(raw(paths, "
        f"dtype={name!r}, shape={shape}, offset={offset}), {new!r})`"
    )
