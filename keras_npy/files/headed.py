"""Name files that begin with a header of text or numbers, and what lies behind it."""

import re
from typing import NamedTuple

import numpy as np

_DECODE = "Decode it and np.save the pixels."
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_PIXELS = re.compile(rb"P([56])%b(\d{1,9})%b(\d{1,9})%b(\d{1,5})\s" % ((_SPACE,) * 3))
_FLOATS = re.compile(rb"P([fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s")
_OTHER_PIXELS = re.compile(rb"P[1-4]\r?\n(?:#[^\n]*\n)*\d{1,9}\s+\d{1,9}\s|P7\n(?:#|WIDTH|HEIGHT)")
_META = re.compile(rb"(?:ObjectType\s*=\s*Image|NDims\s*=\s*\d+)\s*\n")
# Sizes of the second header of a BMP.
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
# Tokens of llm.c: the first of 256 int32, and the dtype behind them.
_TOKENS = {20240520: "uint16", 20240801: "uint32"}
_TOKENS_HEADER_BYTES = 1024


class _Array(NamedTuple):
    """What lies behind a header."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    note: str = ""

    def remedy(self, size_bytes: int | None) -> str | None:
        """How to read it, unless the file has another size."""
        itemsize = np.dtype(self.dtype).itemsize
        held = self.offset + int(np.prod(self.shape, dtype=object)) * itemsize
        if size_bytes not in (None, held):
            return None
        return (
            f"Read it with keras_npy.raw(path, dtype={self.dtype!r}, shape={self.shape}, "
            f"offset={self.offset}){self.note}, if all files have this header; or decode it and "
            "np.save the pixels."
        )


def identify_headed(start: bytes, size_bytes: int | None = None) -> tuple[str, str] | None:
    r"""The format of a file that has such a header, and the remedy.

    No values begin like one by chance.

    Args:
        start: The first bytes of the file.
        size_bytes: The size of the file, if it is known.

    Example:

    >>> identify_headed(b"P5\n640 480\n255\n")[0]
    'a PGM image'
    """
    found = _image(start, size_bytes)
    if found:
        return found
    if _META.match(start):
        return (
            "a MetaImage (.mha)",
            "Read it with SimpleITK and np.save the data: "
            "np.save(new, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))).",
        )
    if _is_edf(start):
        return "an EDF file", "Read it with mne or pyedflib and np.save the signals."
    return _tokens(start, size_bytes)


def _image(start: bytes, size_bytes: int | None) -> tuple[str, str] | None:
    if pixels := _PIXELS.match(start):
        width, height, most = (int(size) for size in pixels.groups()[1:])
        shape = (1, height, width) if pixels[1] == b"5" else (1, height, width, 3)
        array = _Array("uint8" if most < 256 else ">u2", shape, pixels.end())
        name = "a PGM image" if pixels[1] == b"5" else "a PPM image"
        return name, array.remedy(size_bytes) or _DECODE
    if floats := _FLOATS.match(start):
        width, height = int(floats[2]), int(floats[3])
        shape = (1, height, width) if floats[1] == b"f" else (1, height, width, 3)
        dtype = "<f4" if floats[4].startswith(b"-") else ">f4"
        array = _Array(dtype, shape, floats.end(), ", whose lines go from the bottom up")
        return "a PFM image", array.remedy(size_bytes) or _DECODE
    if _OTHER_PIXELS.match(start):
        return "a PNM image", _DECODE
    if start.startswith(b"BM") and int.from_bytes(start[14:18], "little") in _BMP_HEADERS:
        if size_bytes in (None, int.from_bytes(start[2:6], "little")):
            return "a BMP image", _DECODE
    return None


def _is_edf(start: bytes) -> bool:
    """Whether its header counts its own bytes: 256, and as many for each signal."""
    if not start.startswith((b"0       ", b"\xffBIOSEMI")) or len(start) < 256:
        return False
    held, signals = start[184:192].strip(), start[252:256].strip()
    return held.isdigit() and signals.isdigit() and int(held) == 256 * (int(signals) + 1)


def _tokens(start: bytes, size_bytes: int | None) -> tuple[str, str] | None:
    """Tokens of llm.c, which count themselves."""
    if len(start) < 12:
        return None
    magic, _, count = np.frombuffer(start, "<i4", 3).tolist()
    dtype = _TOKENS.get(magic)
    if dtype is None:
        return None
    held = _TOKENS_HEADER_BYTES + count * np.dtype(dtype).itemsize
    if size_bytes not in (None, held):
        return None
    return (
        "tokens of llm.c, with a header",
        f"Read them with keras_npy.raw(path, dtype={dtype!r}, offset={_TOKENS_HEADER_BYTES}).",
    )
