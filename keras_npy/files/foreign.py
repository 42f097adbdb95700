"""Guess the format of a file that is not `.npy` from its first bytes, with a remedy."""

import csv
import math

import numpy as np

from keras_npy.errors import cut
from keras_npy.files.headed import identify_headed

# Any bytes may be values. These starts are short, or those of common values.
_RAW = (
    "If it holds bare values, as ndarray.tofile writes them, pass "
    "keras_npy.raw(path, dtype=..., shape=...)."
)

# Rows of `raw` would be joined, and where each sample ends be lost.
RAW_SAMPLES = (
    "If each file holds the bare values of one sample, as ndarray.tofile writes them, save each as "
    "an array, with their dtype and the values in a row: `for path in paths: np.save(path + "
    "'.npy', np.fromfile(path, 'float32').reshape(-1, 4))`; then pass these files to samples."
)

_ZIP = b"PK\x03\x04"
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"
_IDX = b"\x00\x00\x08"

# By its standard input: a file of another name than file.gz would be left as it is.
_UNPACK = "Unpack it: {} < FILE > NEW."

# First bytes of other formats, the format's name, and the remedy.
_FOREIGN_STARTS = (
    (b"version https://git-lfs", "a git-lfs pointer", "Fetch the file with `git lfs pull`."),
    (b"PK\x05\x06", "an empty zip archive (.npz)", "Save the array with np.save."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "Read it with h5py and np.save the data set."),
    (_GZIP, "a gzip file", _UNPACK.format("gunzip")),
    (_BZIP2, "a bzip2 file", _UNPACK.format("bunzip2")),
    (_XZ, "an xz file", _UNPACK.format("unxz")),
    (_ZSTD, "a zstd file", _UNPACK.format("unzstd")),
    (b"\x89PNG", "a PNG image", "Decode it and np.save the pixels."),
    (b"\xff\xd8\xff", "a JPEG image", "Decode it and np.save the pixels."),
    (b"GIF8", "a GIF image", "Decode it and np.save the pixels."),
    (b"II*\0", "a TIFF image", "Decode it and np.save the pixels."),
    (b"MM\0*", "a TIFF image", "Decode it and np.save the pixels."),
    (
        _IDX,
        "an IDX file (as MNIST has)",
        "Read it with keras_npy.raw(path, dtype='uint8', shape=(-1, 28, 28), offset=16) for images "
        "of 28x28, or shape=(-1,), offset=8 for labels.",
    ),
    (b"MATLAB 5.0", "a MATLAB file", "Read it with scipy.io.loadmat and np.save each array."),
    (b"SIMPLE  =", "a FITS file", "Read it with astropy and np.save the data."),
    (b"NRRD000", "an NRRD file", "Read it with pynrrd and np.save the data."),
    (b"ARROW1", "an Arrow file", "Read it with pyarrow and np.save the column."),
    (b"v/1\x01", "an OpenEXR image", "Decode it and np.save the pixels."),
    (b"#?RADIANCE", "a Radiance image (.hdr)", "Decode it and np.save the pixels."),
    (b"fLaC\0", "a FLAC file", "Read it with soundfile.read and np.save the samples."),
    (b"OggS\0", "an Ogg file", "Read it with soundfile.read and np.save the samples."),
    (b"PAR1", "a Parquet file", "Read it with pyarrow and np.save the column."),
)

# Marks further behind, with their place.
_FOREIGN_MARKS = (
    (8, b"WAVE", "a WAV file", "Read it with scipy.io.wavfile and np.save the samples."),
    (8, b"WEBP", "a WebP image", "Decode it and np.save the pixels."),
    (128, b"DICM", "a DICOM file", "Read it with pydicom and np.save its pixel_array."),
    (4, b"n+2\0\r\n", "a NIfTI image", "Read it with nibabel and np.save the data."),
    (344, b"n+1\0", "a NIfTI image", "Read it with nibabel and np.save the data."),
    (257, b"ustar", "a tar archive", "Unpack it with `tar -xf`, and pass the files in it."),
)

# Bytes that `identify` looks at.
LOOK_AT_BYTES = 512


def identify(start: bytes, *, is_sample: bool = False) -> tuple[str, str]:
    r"""The likely format of a file with these first bytes, and the remedy.

    Args:
        start: The first bytes of the file.
        is_sample: Whether the file is to be one sample.

    Example:

    >>> identify(b"PK\x03\x04")[0]
    'a zip archive (.npz)'
    """
    marked = _identify_mark(start) or identify_headed(start)
    if marked:
        return marked
    bare = RAW_SAMPLES if is_sample else _RAW
    if _is_pickle(start):
        return "a Python pickle", "Load it where you trust it and np.save the array."
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "an HTML page", "Download the file itself, not the page about it."
    if not start.strip(b"\0"):
        remedy = f"Copy the file again if its contents were never written. {bare}"
        return "zeros at the beginning", remedy
    if _is_text(start):
        return f"text: {cut(start)}", _remedy_of_text(start.decode("utf-8", "ignore"), bare)
    return f"{start[:8]!r}", f"Save the array with np.save. {bare}"


def identify_raw(
    start: bytes, size_bytes: int, offset: int, itemsize: int
) -> tuple[str, str] | None:
    """The format of a file that cannot hold bare values alone, and the remedy.

    Short marks may be values, so only those count that no values begin with by chance. Text may be
    what a model of bytes reads; of wider values, lines of numbers are none.

    Args:
        start: The first bytes of the file.
        size_bytes: The size of the file.
        offset: Bytes that the user skips, such as those of a header. What is packed is no array
            behind them either.
        itemsize: Bytes of one value.
    """
    if offset and not start.startswith((_GZIP + b"\x08", _BZIP2, _XZ, _ZSTD)):
        return None
    if start.startswith(_IDX):
        is_certain = _is_idx(start, size_bytes)
    elif start[:1] == b"\x80":
        is_certain = _is_pickle(start) and int.from_bytes(start[3:11], "little") < size_bytes
    else:
        is_certain = not start.startswith(_GZIP) or start[2:3] == b"\x08"
        found = _identify_mark(start) or identify_headed(start, size_bytes)
        if found is None and itemsize > 1:
            found = _identify_numbers(start)
        return found if is_certain else None
    return identify(start) if is_certain else None


def _identify_numbers(start: bytes) -> tuple[str, str] | None:
    """Text of several lines of numbers, such as CSV."""
    # The bytes of values that are all alike may be text as well.
    if not start.isascii() or not _is_text(start) or len(set(start)) < 4:
        return None
    remedy = _remedy_of_text(start.decode("ascii"), "")
    is_table = start.count(b"\n") > 1 and remedy.startswith("np.save(new, np.loadtxt(path")
    return (f"text: {cut(start)}", remedy) if is_table else None


def _is_idx(start: bytes, size_bytes: int) -> bool:
    if len(start) < 4:
        return False
    sizes = np.frombuffer(start, ">u4", min(start[3], len(start) // 4 - 1), 4)
    return bool(size_bytes == 4 + sizes.nbytes + math.prod(sizes.tolist()))


def _identify_mark(start: bytes) -> tuple[str, str] | None:
    if start.startswith(_ZIP):
        return _identify_zip(start)
    for signature, name, remedy in _FOREIGN_STARTS:
        if start.startswith(signature):
            return name, remedy
    for place, signature, name, remedy in _FOREIGN_MARKS:
        if start[place:].startswith(signature):
            return name, remedy
    return None


def _identify_zip(start: bytes) -> tuple[str, str]:
    """What a zip archive is, by the name of its first file."""
    first = start[30 : 30 + int.from_bytes(start[26:28], "little")]
    if first.endswith(b"/data.pkl"):
        return (
            "a file of torch.save",
            "Where you trust it, save its tensor: np.save(new, torch.load(path).numpy()).",
        )
    if first in (b"metadata.json", b"config.json"):
        return "a Keras model", "Pass the file that holds the array."
    if first == b"[Content_Types].xml":
        return "an Excel file", "Read it with pandas.read_excel and np.save its values."
    return "a zip archive (.npz)", 'Name its member: "data.npz::x".'


def _is_pickle(start: bytes) -> bool:
    # Protocols 4 and 5 begin with a frame, or like 2 and 3 with the letter of an operation.
    protocol = start[1:2]
    if start[:1] != b"\x80" or protocol not in (b"\2", b"\3", b"\4", b"\5"):
        return False
    return start[2:3] == b"\x95" or b" " < start[2:3] < b"\x7f"


def _remedy_of_text(text: str, bare: str) -> str:
    if text.lstrip()[:1] in ("[", "{"):
        return (
            "If it is JSON: np.save(new, np.asarray(json.loads(pathlib.Path(path).read_text())))."
        )
    lines = text.splitlines()
    if len(lines) < 2:
        return f"Read it with np.loadtxt and np.save the array. {bare}"
    for delimiter, argument in ((",", ", delimiter=','"), (";", ", delimiter=';'"), (None, "")):
        rows = [_are_numbers(line, delimiter) for line in lines[:2]]
        if rows[1]:
            header = "" if rows[0] else ", skiprows=1"
            return f"np.save(new, np.loadtxt(path{argument}{header}))."
    return _remedy_of_table(lines) or "Pass the file that holds the array."


def _remedy_of_table(lines: list[str]) -> str | None:
    """How to read a table of which some cells hold no numbers; `None` if it is none."""
    for delimiter in (",", ";", "\t"):
        first, row = (next(csv.reader([line], delimiter=delimiter), []) for line in lines[:2])
        numbers = [at for at, cell in enumerate(row) if _are_numbers(cell, delimiter)]
        if len(row) < 2 or len(first) != len(row) or not numbers:
            continue
        is_header = not all(_are_numbers(first[at], delimiter) or not first[at] for at in numbers)
        of_text = f", delimiter={delimiter!r}"
        names = [at for at, cell in enumerate(row) if at not in numbers and cell.strip()]
        if not names:
            skipped = ", skip_header=1" if is_header else ""
            read = f"np.save(new, np.genfromtxt(path{of_text}{skipped}))"
            return f"{read} makes NaN of empty cells."
        if any('"' in line for line in lines):
            of_text += ", quotechar='\"'"
        of_text += ", skiprows=1" if is_header else ""
        text = f"np.loadtxt(path, str{of_text}, usecols={names[0]})"
        return (
            f"np.save(new, np.loadtxt(path{of_text}, usecols={numbers})) takes the numbers; "
            f"np.unique({text}, return_inverse=True)[1] numbers the names in column {names[0]}."
        )
    return None


def _are_numbers(line: str, delimiter: str | None) -> bool:
    try:
        return bool([float(value) for value in line.split(delimiter)])
    except ValueError:
        return False


def _is_text(start: bytes) -> bool:
    # `start` may end in the middle of a character, which "ignore" drops. Nothing else may be lost.
    decoded = start.decode("utf-8", "ignore")
    is_whole = len(decoded.encode()) > len(start) - 4
    return is_whole and all(char in "\t\n\r" or char.isprintable() for char in decoded)
