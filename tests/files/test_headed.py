"""Files that begin with a header of another format: what messages call them, and what reads it."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpyFileError, NpyLayoutWarning, open_rows, raw

PIXELS = np.arange(12, dtype="uint8").reshape(1, 3, 4)
DEPTHS = np.arange(12, dtype="<f4").reshape(1, 3, 4)
COLOURS = np.arange(36).reshape(1, 3, 4, 3)
TOKENS = np.arange(60, dtype="uint16")


def tokens_header(magic: int, count: int) -> bytes:
    header = np.zeros(256, "<i4")
    header[:3] = magic, 1, count
    return header.tobytes()


@pytest.mark.parametrize(
    ("contents", "name", "values"),
    [
        pytest.param(b"Pf\n4 3\n-1.0\n" + DEPTHS.tobytes(), "a PFM image", DEPTHS, id="pfm"),
        pytest.param(
            b"PF\n4 3\n1\n" + COLOURS.astype(">f4").tobytes(),
            "a PFM image",
            COLOURS.astype("f4"),
            id="pfm-of-colours",
        ),
        pytest.param(b"P5\n4 3\n255\n" + PIXELS.tobytes(), "a PGM image", PIXELS, id="pgm"),
        pytest.param(
            b"P5\n# GIMP\n4 # wide\n3\n65535\n" + PIXELS.astype(">u2").tobytes(),
            "a PGM image",
            PIXELS.astype("u2"),
            id="pgm-of-two-bytes",
        ),
        pytest.param(
            b"P6 4 3 255\n" + COLOURS.astype("u1").tobytes(),
            "a PPM image",
            COLOURS.astype("u1"),
            id="ppm",
        ),
        pytest.param(
            tokens_header(20240520, 60) + TOKENS.tobytes(), "tokens of llm.c", TOKENS, id="tokens"
        ),
        pytest.param(
            tokens_header(20240801, 60) + TOKENS.astype("u4").tobytes(),
            "tokens of llm.c",
            TOKENS.astype("u4"),
            id="wide-tokens",
        ),
    ],
)
@pytest.mark.parametrize("how", ["raw", "path"])
def test_header_is_refused_with_the_call_that_skips_it(
    tmp_path: Path, contents: bytes, name: str, values: np.ndarray, how: str
) -> None:
    """By `raw` without offset, and as a path, whose error names `raw`."""
    path = tmp_path / "x.bin"
    path.write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"x\.bin: .*Received: .*{name}.*\. Read ") as caught:
        raw(path, dtype="uint8") if how == "raw" else open_rows(path)
    call = re.search(r"keras_npy\.(raw\(path, .*?offset=\d+\))", str(caught.value))
    assert call
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = eval(call[1], {"raw": raw, "path": path})[:]
    np.testing.assert_array_equal(values, rows)


BMP = b"BM" + (58).to_bytes(4, "little") + bytes(8) + (40).to_bytes(4, "little") + bytes(40)
EDF = b"0       ".ljust(184) + b"512     ".ljust(68) + b"1   " + bytes(300)


@pytest.mark.parametrize(
    ("contents", "dtype", "received"),
    [
        pytest.param(BMP, "uint8", r"a BMP image\. Decode", id="bmp"),
        pytest.param(b"P2\n2 2\n9\n1 2 3 4\n", "uint8", r"a PNM image\. Decode", id="pgm-of-text"),
        pytest.param(b"P4\n8 2\n\x0f\xf0", "uint8", r"a PNM image\. Decode", id="bits"),
        pytest.param(b"P7\nWIDTH 2\nHEIGHT 1\n\1\2", "uint8", r"a PNM image\. Decode", id="pam"),
        pytest.param(b"P5\n4 3\n255\n" + bytes(24), "uint8", r"a PGM image\. Decode", id="two"),
        pytest.param(
            b"ObjectType = Image\nNDims = 3\n" + bytes(8), "int8", r"a MetaImage.*Read", id="mha"
        ),
        pytest.param(b"NDims = 3\n" + bytes(8), "int8", r"a MetaImage.*SimpleITK", id="mha-short"),
        pytest.param(EDF, "int16", r"an EDF file\. Read it with mne", id="edf"),
        pytest.param(b"v/1\x01" + bytes(8), "float32", r"an OpenEXR image\. Decode", id="exr"),
        pytest.param(b"fLaC\0" + bytes(7), "int16", r"a FLAC file\. Read", id="flac"),
        pytest.param(bytes(4) + b"n+2\0\r\n" + bytes(6), "int16", r"a NIfTI image", id="nifti-2"),
        pytest.param(b"1.5,2.5\n3.5,4.5\n", "float32", r"text: .*np\.loadtxt", id="csv"),
        pytest.param(b"a;b\n1;2\n3;4\n", "int16", r"text: .*skiprows=1", id="csv-of-names"),
    ],
)
def test_other_headers_are_refused(
    tmp_path: Path, contents: bytes, dtype: str, received: str
) -> None:
    """A memmap is the way round."""
    (tmp_path / "x.bin").write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"x\.bin: .*bare values\. Received: {received}"):
        raw(tmp_path / "x.bin", dtype=dtype)


def test_numbers_of_text_are_saved_as_the_remedy_says(tmp_path: Path) -> None:
    """They are read as numbers, not as their bytes."""
    (tmp_path / "x.csv").write_text("a,b\n1.5,2.5\n3.5,4.5\n")
    with pytest.raises(NpyFileError, match=r"Received: text") as caught:
        raw(tmp_path / "x.csv", dtype="float32")
    call = re.search(r"np\.save\(new, .*?\)\)", str(caught.value))
    assert call
    new = tmp_path / "x.npy"
    eval(call[0], {"np": np, "path": tmp_path / "x.csv", "new": new})
    assert [[1.5, 2.5], [3.5, 4.5]] == np.load(new).tolist()


@pytest.mark.parametrize(
    ("contents", "dtype", "offset"),
    [
        pytest.param(b"P5\n4 3\n255\n" + bytes(12), "uint8", 11, id="behind-a-header"),
        pytest.param(b"P5" + bytes(range(20)), "uint8", 0, id="like-pgm"),
        pytest.param(b"P5 is what they say here 12 13", "uint8", 0, id="text-like-pgm"),
        pytest.param(b"P2 10 20 and so on", "uint8", 0, id="text-like-pnm"),
        pytest.param(b"BM" + bytes(range(20)), "uint16", 0, id="like-bmp"),
        pytest.param(BMP + bytes(2), "uint8", 0, id="bmp-of-another-size"),
        pytest.param(tokens_header(20240520, 60), "int32", 0, id="only-a-number-of-llm-c"),
        pytest.param(b"0       " * 64, "uint8", 0, id="like-edf"),
        pytest.param(b"1,2\n3,4\n", "uint8", 0, id="bytes-of-text"),
        pytest.param(b"To be, or\nnot to be.\n.", "int16", 0, id="words-as-values"),
        pytest.param(np.full(20, 0x0A31, "uint16").tobytes(), "uint16", 0, id="alike"),
        pytest.param(np.arange(40, dtype="f4").tobytes(), "float32", 0, id="floats"),
    ],
)
def test_values_are_not_taken_for_a_header(
    tmp_path: Path, contents: bytes, dtype: str, offset: int
) -> None:
    """Any values may come first."""
    (tmp_path / "x.bin").write_bytes(contents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = raw(tmp_path / "x.bin", dtype=dtype, offset=offset)
    assert contents[offset:] == rows[:].tobytes()
