"""Parse the header of an `.npy` file: bytes in, `NpyHeader` out.

This file raises `NpyFileError` for whatever is wrong with the contents of a file, before the first
batch. A header may lie: nothing is read or allocated because of it before it is checked.

Reference:
    The docstring of `numpy.lib.format` describes the format.
"""

import ast
import dataclasses
import functools
import math
import re
import warnings
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np

from keras_npy.errors import NpyFileError, cut
from keras_npy.files import foreign
from keras_npy.files.behind import find_data
from keras_npy.files.place import Extent, Place, local_path, open_regular, place_of, unreadable
from keras_npy.locks import make_lock
from keras_npy.types import Path

MAGIC = b"\x93NUMPY"

# NumPy sets the same limit, because ast.literal_eval can crash on longer texts. But NumPy checks it
# after reading: a header that declares 1 GiB takes 2 GB of memory (NumPy 2.4).
HEADER_BYTES_MAX = 10_000

# Every NumPy allows this many axes (1.26: 32, 2: 64). Tensors have fewer.
AXES_MAX = 32

# The dtypes that np.memmap and the three backends share. Longer floats have no tensor dtype.
SUPPORTED_DTYPES = "bool, int8-64, uint8-64, float16-64, complex64-128"

# Magic, version and the length of the header, in any version of the format.
PREFIX_BYTES_MAX = 12

# Bytes in which any header that is allowed ends.
START_BYTES = PREFIX_BYTES_MAX + HEADER_BYTES_MAX

# Threads read the headers of many files, but only one may parse at a time. If two leave
# `catch_warnings` in another order than they entered it, the process gives no warning any more. If
# two parse while one collects garbage, Python raises SystemError (python/cpython#106905,
# Python 3.11).
_ONE_LITERAL = make_lock()

_FLOAT_NAMES = ("bfloat16", "float16", "float32", "float64", "complex64", "complex128")


def is_supported(dtype: np.dtype[Any]) -> bool:
    """Whether rows of this dtype can become a tensor."""
    return dtype.kind in "biu" or dtype.name in _FLOAT_NAMES


def bfloat16() -> np.dtype[Any]:
    """The bfloat16 dtype of TensorFlow and JAX, which NumPy saves as `|V2`."""
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


@dataclass(frozen=True)
class NpyHeader:
    """What a valid `.npy` header says, and where the data lies."""

    place: Place
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """The dtype as stored, in the file's byte order."""
    fortran_order: bool
    offset_bytes: int
    """Where the data begins, counted from the start of the file."""
    has_data_behind: bool = False
    """Whether bytes that are no zeros lie behind the data."""

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return self.place.name

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the data read in C order: `shape`, reversed for Fortran order."""
        return self.shape[::-1] if self.fortran_order else self.shape

    @property
    def row_bytes(self) -> int:
        """Bytes of one index of axis 0."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def trailing_bytes(self) -> int:
        """Bytes after the data, which the header does not mention."""
        return self.place.stop_bytes - self.offset_bytes - self.data_bytes


def read_header(
    path: Path,
    *,
    extent: Extent | None = None,
    is_sample: bool = False,
    may_be_empty: bool = False,
    stored_dtype: str | None = None,
    looks_behind: bool = True,
) -> NpyHeader:
    """Read and validate the header of one `.npy` file.

    Args:
        path: The file. A relative path is resolved now, so that a later `os.chdir` does no harm.
        extent: The part of the file that holds the `.npy`. `None` for all of it.
        is_sample: Whether the array is one sample, which may be 0-d, instead of rows of samples.
        may_be_empty: Whether the array may have no rows.
        stored_dtype: `"bfloat16"` for a file whose header says `|V2`, as NumPy writes it for
            dtypes that it does not know.
        looks_behind: Whether to read what lies behind the data, which may be MiB of zeros.

    Returns:
        The header of a file that holds at least one row, and all the bytes that it promises.

    Raises:
        NpyFileError: If the file is not `.npy`, is damaged, or cannot be streamed.
        OSError: If the system refuses access; `FileNotFoundError` is one.

    Example:

    >>> np.save("x.npy", np.zeros((5, 28, 28), "uint8"))
    >>> read_header("x.npy").shape
    (5, 28, 28)
    """
    path = local_path(path)
    with open_regular(path) as file:
        place = place_of(file, path, extent)
        start = _read_start(file, place)
        header = parse_header(start, place, stored_dtype, is_sample=is_sample)
        check_streamable(header, is_sample=is_sample, may_be_empty=may_be_empty)
        return look_behind(header, file, place.stop_bytes) if looks_behind else header


def _read_start(file: BinaryIO, place: Place) -> bytes:
    file.seek(place.start_bytes)
    try:
        return file.read(min(START_BYTES, place.size_bytes))
    except OSError as error:
        # The system does not say which file it was.
        raise unreadable(place.name, "in its header", error) from error


def parse_header(
    start: bytes, place: Place, stored_dtype: str | None = None, *, is_sample: bool = False
) -> NpyHeader:
    """Parse the first bytes of an `.npy`, without a check that the data is there.

    Args:
        start: As many bytes as a header may take, or the whole file if it is shorter.
        place: Where the bytes lie.
        stored_dtype: As `read_header` takes it.
        is_sample: As `read_header` takes it.

    Raises:
        NpyFileError: If the bytes are not a header.
    """
    text, header_bytes = _header_text(start, place, is_sample)
    shape, dtype, fortran_order = _parse_text(place.name, text, stored_dtype)
    return NpyHeader(place, shape, dtype, fortran_order, place.start_bytes + header_bytes)


def _header_text(start: bytes, place: Place, is_sample: bool) -> tuple[str, int]:
    """The header's text, and the offset of the data after it."""
    path, size_bytes = place.name, place.size_bytes
    if not start.startswith(MAGIC):
        raise _not_npy(path, start[: foreign.LOOK_AT_BYTES], is_sample)
    prefix_bytes = 10 if start[6:7] == b"\x01" else 12
    if len(start) < prefix_bytes:
        raise _truncated(path, f"at least {prefix_bytes} bytes of header", len(start))
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise NpyFileError(
            f"{path}: the .npy format has versions 1.0, 2.0 and 3.0. "
            f"Received: version {version[0]}.{version[1]}. Save the array again with np.save."
        )
    header_bytes = int.from_bytes(start[8:prefix_bytes], "little")
    offset_bytes = prefix_bytes + header_bytes
    if offset_bytes > size_bytes:
        raise _truncated(path, f"{header_bytes} bytes of header", size_bytes)
    if header_bytes > HEADER_BYTES_MAX:
        raise NpyFileError(
            f"{path}: a header may take {HEADER_BYTES_MAX} bytes. "
            f"Received: a declared length of {header_bytes} bytes. "
            "Save the array again with np.save."
        )
    raw = start[prefix_bytes:offset_bytes]
    if raw.endswith((b"\r", b"\r\n")):
        raise NpyFileError(
            f"{path}: a header must end in a line feed. Received: CR LF, the mark of a "
            "text-mode transfer, which shifts every value behind it. "
            "Copy the file again in binary mode."
        )
    try:
        return raw.decode("utf-8" if version == (3, 0) else "latin-1"), offset_bytes
    except UnicodeDecodeError as error:
        raise _bad_header(path, "bytes that are no UTF-8") from error


def _parse_text(
    path: str, text: str, wanted: str | None
) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    fields = _literal(path, text)
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _bad_header(path, f"{cut(text)}, not a dict of descr, fortran_order and shape")
    shape, fortran_order = fields["shape"], fields["fortran_order"]
    if not isinstance(shape, tuple) or not all(type(size) is int for size in shape):
        raise _bad_header(path, f"shape {cut(shape)}, not a tuple of integers")
    if any(size < 0 for size in shape):
        raise _bad_header(path, f"shape {cut(shape)}, with a negative axis")
    if any(size >= 1 << 63 for size in shape):
        raise _bad_header(path, f"shape {cut(shape)}, with an axis of 2**63 or more")
    if len(shape) > AXES_MAX:
        raise _bad_header(path, f"shape {cut(shape)}, of {len(shape)} axes")
    if type(fortran_order) is not bool:
        raise _bad_header(path, f"fortran_order {cut(fortran_order)}, neither True nor False")
    return shape, _parse_dtype(path, fields["descr"], shape, wanted), fortran_order


def _literal(path: str, text: str) -> object:
    try:
        return _evaluated(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        if "np.int64(" in text:
            raise NpyFileError(
                f"{path}: a header must hold plain integers. Received: {cut(text)}, written by "
                "np.lib.format.open_memmap from NumPy scalars in the shape (numpy/numpy#28334). "
                "Write the file again with a shape of Python integers."
            ) from error
        # Python 2 wrote long integers as 60000L.
        without_suffix = re.sub(r"(?<=\d)L\b", "", text)
        if without_suffix != text:
            return _literal(path, without_suffix)
        raise _bad_header(path, f"{cut(text)}, which is no Python literal") from error


# Headers of many files say the same, and to evaluate one takes half of the time of reading it.
@functools.lru_cache(maxsize=64)
def _evaluated(text: str) -> object:
    with _ONE_LITERAL, warnings.catch_warnings():
        # Python would warn of unknown escapes in the text as if they stood in the program.
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def _parse_dtype(
    path: str, descr: object, shape: tuple[int, ...], wanted: str | None
) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(descr)  # type: ignore[arg-type] # NumPy's stub wants a str or list; any literal may stand in a file.
    except Exception as error:  # NumPy's parser leaks TypeError, ValueError, KeyError and more.
        raise _bad_header(path, f"dtype {cut(descr)}, which NumPy does not know") from error
    is_two_bytes = dtype.kind == "V" and dtype.itemsize == 2 and dtype.fields is None
    if is_two_bytes and wanted == "bfloat16":
        return bfloat16()
    if wanted is not None and wanted != dtype.name:
        raise NpyFileError(
            f"{path}: stored_dtype= says what values of |V2 are, whose header does not: "
            f"'bfloat16'. Received: stored_dtype={cut(wanted)} for a file of {cut(dtype)}. "
            "Leave stored_dtype= out."
        )
    if is_supported(dtype):
        return dtype
    raise NpyFileError(
        f"{path}: a streamed dtype must be one of {SUPPORTED_DTYPES}. "
        f"Received: {cut(dtype)}. {_dtype_remedy(dtype, shape)}"
    )


def _dtype_remedy(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """What makes a file of numbers of one that holds something else."""
    if dtype.names is not None:
        return f"Save each field as a file of its own: np.save(new, array[{dtype.names[0]!r}])."
    if dtype.kind == "O" and shape == ():
        return (
            "It is a pickled object, such as a dict. Where you trust the file, take it apart and "
            "save its arrays: np.load(path, allow_pickle=True).item(); of a sparse matrix, save "
            "what its toarray() returns."
        )
    if dtype.kind == "O":
        return (
            "It holds pickled objects, such as lists of unequal length. Where you trust the file, "
            "load it and pad them to one shape, or take dicts apart: np.stack([item[key] for item "
            "in array]); those that have one shape: np.save(new, "
            "np.stack(list(np.load(path, allow_pickle=True))))."
        )
    if dtype.kind in "SUT":
        return (
            "If it holds numbers as text, save array.astype('int64'), or 'float64' if they are not "
            "whole. Number the names otherwise: np.save(new, np.unique(array, "
            "return_inverse=True)[1])."
        )
    if dtype.kind in "mM":
        return (
            "If np.isnat(array).any(), leave out those rows, which would be -2**63, and their "
            "partners. Save it as int64: np.save(new, array.view('int64'))."
        )
    if dtype.kind == "V" and dtype.itemsize == 2:
        return (
            "If it is bfloat16, say so: open_rows(path, stored_dtype='bfloat16'), or "
            "samples(paths, stored_dtype='bfloat16') where each file is one sample; keras-npy "
            "convert takes --stored-dtype bfloat16."
        )
    return "Save it as float32 or float64."


def check_streamable(
    header: NpyHeader, *, is_sample: bool = False, may_be_empty: bool = False
) -> None:
    """Raise `NpyFileError` unless the array has rows, and its place is as long as it says."""
    path, shape = header.name, header.shape
    if is_sample:
        if 0 in shape:
            raise NpyFileError(
                f"{path}: a sample must hold at least one value. Received: shape {cut(shape)}. "
                "Leave the empty file out."
            )
    elif not shape:
        raise NpyFileError(
            f"{path}: axis 0 of the array counts the samples. Received: a 0-d array. "
            "Pass keras_npy.samples(...) if each file is one sample, or save the values of all "
            "with a first axis of samples."
        )
    elif shape[0] == 0 and not may_be_empty:
        raise NpyFileError(
            f"{path}: a file must hold at least one row. Received: shape {cut(shape)}. "
            "Leave the empty file out."
        )
    elif 0 in shape[1:]:
        raise NpyFileError(
            f"{path}: a row must hold at least one value. Received: shape {cut(shape)}. "
            "Save rows that are not empty."
        )
    promised, held = header.data_bytes, header.place.stop_bytes - header.offset_bytes
    if promised > held:
        raise NpyFileError(
            f"{path}: the header promises {promised} bytes of data for shape {cut(shape)} "
            f"{header.dtype}, the file holds {held}. Received: a truncated file. "
            "Copy or write it again; do not open it with mode 'r+', which pads it with zeros."
        )


def look_behind(header: NpyHeader, file: IO[bytes], stop_bytes: int) -> NpyHeader:
    """The header, with what lies behind the data; both end at `stop_bytes` of `file`.

    Raises:
        NpyFileError: If it is another array.
    """
    if not header.trailing_bytes:
        return header
    zeros, found = find_data(file, stop_bytes - header.trailing_bytes, stop_bytes)
    if MAGIC in found:
        remedy = "Write each array to a file of its own."
        if not zeros and found.startswith(MAGIC):
            remedy = _remedy_of_several(header.place, found)
        raise NpyFileError(
            f"{header.name}: a file must hold one array. Received: another array behind the "
            f"{header.data_bytes} bytes of {header.dtype} {cut(header.shape)}, as np.save leaves "
            f"it in a file that is open already. {remedy}"
        )
    return dataclasses.replace(header, has_data_behind=bool(found))


def _remedy_of_several(place: Place, second: bytes) -> str:
    """Code that loads the arrays of a file, or a member, of which the second begins with this."""
    opened = f"open({place.name!r}, 'rb')"
    if place.name != place.path:
        # The member may have been unpacked to another path.
        archive, _, member = place.name.rpartition("::")
        file = f"{member}.npy"
        opened = f"zipfile.ZipFile({archive!r}) as archive, archive.open({file!r})"
    if b"'|O'" in second[:128]:
        return (
            "The next one holds Python objects. Load the first one, and save it in a file of its "
            f"own: `with {opened} as file: array = np.load(file)`."
        )
    return (
        f"Load them all and save each in a file of its own: `with {opened} as file: "
        "arrays = [np.load(file) for _ in iter(lambda: file.peek(1), b'')]`."
    )


def _not_npy(path: str, start: bytes, is_sample: bool) -> NpyFileError:
    if not start:
        return NpyFileError(
            f"{path}: an .npy file begins with {MAGIC!r}. Received: an empty file. "
            "Write it again with np.save."
        )
    if MAGIC.startswith(start):
        return _truncated(path, f"{len(MAGIC)} bytes of magic", len(start))
    looks_like, remedy = foreign.identify(start, is_sample=is_sample)
    return NpyFileError(
        f"{path}: an .npy file begins with {MAGIC!r}. Received: {looks_like}. {remedy}"
    )


def _truncated(path: str, promised: str, held_bytes: int) -> NpyFileError:
    return NpyFileError(
        f"{path}: the header promises {promised}, the file holds {held_bytes} bytes. "
        "Received: a truncated file. Copy or write it again."
    )


def _bad_header(path: str, received: str) -> NpyFileError:
    return NpyFileError(
        f"{path}: an .npy header must be a literal dict of descr, fortran_order and shape. "
        f"Received: {received}. Save the array again with np.save."
    )
