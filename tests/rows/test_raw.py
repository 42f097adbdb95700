"""`raw`: files of bare values, checked against their size, wherever a file can stand."""

import bz2
import gzip
import io
import lzma
import pickle
import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import (
    NpyFileError,
    NpyLayoutWarning,
    NpySequence,
    convert,
    errors,
    open_rows,
    raw,
    windows,
)
from keras_npy.tools.cli import main

TOKENS = np.arange(1000, 1060, dtype="uint16")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    TOKENS.tofile(tmp_path / "train.bin")
    return tmp_path / "train.bin"


@pytest.mark.parametrize(
    ("dtype", "shape", "offset"),
    [
        pytest.param("uint16", (-1,), 0, id="flat"),
        pytest.param(np.uint16, [60], 0, id="exact"),
        pytest.param("<u2", (-1, 5, 2), 0, id="rows"),
        pytest.param("float32", (-1, 3), 0, id="float32"),
        pytest.param("uint8", (2, 60), 0, id="bytes"),
        pytest.param("bool", (-1, 6), 0, id="bool"),
        pytest.param("uint16", (-1,), 8, id="offset"),
        pytest.param("float64", (-1,), 64, id="aligned-offset"),
    ],
)
def test_raw_is_the_memmap_of_the_same_arguments(
    path: Path, dtype: Any, shape: Any, offset: int
) -> None:
    """Of a file that begins at any byte."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = raw(path, dtype=dtype, shape=shape, offset=offset)
    expected = np.fromfile(path, dtype, offset=offset).reshape(shape)
    if dtype == "bool":
        expected = expected.view("uint8") != 0
    np.testing.assert_array_equal(expected, rows[:], strict=True)
    np.testing.assert_array_equal(expected[::-1], rows[::-1], strict=True)


def test_raw_other_byte_order_is_swapped(path: Path) -> None:
    """With a warning whose remedy is run."""
    with pytest.warns(NpyLayoutWarning, match="byte order") as warned:
        rows = raw(path, dtype=">u2")
    np.testing.assert_array_equal(TOKENS.byteswap(), rows[:])
    _run_remedy(str(warned[0].message), {})
    np.testing.assert_array_equal(
        TOKENS.byteswap(), np.load(path.with_name("train_converted.npy")), strict=True
    )


def _run_remedy(message: str, names: dict[str, Any]) -> None:
    found = re.search(r"`(.*)`", message)
    assert found, message
    if found[1].startswith("keras-npy "):
        assert 0 == main(shlex.split(found[1])[1:])
    else:
        exec(found[1], names)


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("kind", ["list", "pattern", "list-of-patterns"])
def test_raw_files_are_joined_as_shards(tmp_path: Path, kind: str) -> None:
    """In natural order, or that of the list, each without its own header."""
    for number in (10, 2, 1):
        head = b"head" + bytes([number])
        values = np.full((number, 2), number, "int16")
        (tmp_path / f"part-{number}.bin").write_bytes(head + values.tobytes())
    source: Any = str(tmp_path / "part-*.bin")
    order = [1, 2, 10]
    if kind == "list":
        order = [10, 1, 2]
        source = [tmp_path / f"part-{number}.bin" for number in order]
    if kind == "list-of-patterns":
        order = [10, 1, 2]
        source = [tmp_path / "part-10.bin", str(tmp_path / "part-[12].bin")]
    rows = raw(source, dtype="int16", shape=(-1, 2), offset=5)
    expected = np.repeat(order, order)[:, None] * np.ones((1, 2), "int16")
    np.testing.assert_array_equal(expected, rows[:])


def test_raw_list_that_is_misaligned_says_how_to_convert_it(tmp_path: Path) -> None:
    """With the list as paths, as it was given."""
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" + np.full(3, number, "int16").tobytes())
    with pytest.warns(NpyLayoutWarning, match="64 bytes") as warned:
        raw(paths, dtype="int16", offset=1)
    _run_remedy(str(warned[0].message), {"paths": paths})
    assert [0, 0, 0, 1, 1, 1] == np.load(tmp_path / "a_converted.npy").tolist()
    errors.SAID.clear()
    with pytest.warns(NpyLayoutWarning, match="64 bytes") as warned:
        raw(f"{tmp_path}/[ab].bin", dtype="int16", offset=1)
    (tmp_path / "a_converted.npy").unlink()
    _run_remedy(str(warned[0].message), {})
    assert [0, 0, 0, 1, 1, 1] == np.load(tmp_path / "a_converted.npy").tolist()


def test_raw_tokens_train_as_windows(path: Path) -> None:
    """As language models read them."""
    seq = NpySequence(
        windows(raw(path, dtype="uint16"), sequence_length=4, sequence_stride=4, predict_next=True),
        batch_size=5,
    )
    x, y = seq[0]
    np.testing.assert_array_equal(TOKENS[:20].reshape(5, 4), x)
    np.testing.assert_array_equal(TOKENS[1:21].reshape(5, 4), y)


def test_raw_is_converted(path: Path, tmp_path: Path) -> None:
    """To a file that says what it holds."""
    convert(raw(path, dtype="uint16", shape=(-1, 3)), tmp_path / "x.npy")
    np.testing.assert_array_equal(TOKENS.reshape(-1, 3), np.load(tmp_path / "x.npy"), strict=True)


def test_raw_bfloat16_has_its_name(tmp_path: Path) -> None:
    """NumPy has none for it."""
    np.array([1.0, -2.0], "float32").view("uint16")[1::2].tofile(tmp_path / "x.bin")
    assert [1.0, -2.0] == raw(tmp_path / "x.bin", dtype="bfloat16")[:].astype(float).tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param(
            {"dtype": "uint16", "shape": (-1, 7)},
            NpyFileError,
            r"^/.*train\.bin: a raw file must hold.*Received: 120 bytes, of which 0 are skipped, "
            r"for shape \(-1, 7\) of uint16, in which a row takes 14 bytes\. Correct dtype",
            id="half-a-row",
        ),
        pytest.param({"dtype": "uint32", "shape": (31,)}, NpyFileError, "120 bytes", id="too-few"),
        pytest.param({"dtype": "uint32", "shape": (29,)}, NpyFileError, "120 bytes", id="too-many"),
        pytest.param({"dtype": "uint8", "offset": 120}, NpyFileError, "120 are skip", id="nothing"),
        pytest.param({"dtype": "uint8", "offset": 121}, NpyFileError, "121 are skip", id="behind"),
        pytest.param(
            {"dtype": "u2", "shape": ()}, TypeError, r"shape must be a tuple", id="no-axis"
        ),
        pytest.param({"dtype": "u2", "shape": -1}, TypeError, r"shape=-1\. Pass \(-1,\)", id="int"),
        pytest.param({"dtype": "u2", "shape": (-1, -1)}, ValueError, "only the first", id="two"),
        pytest.param({"dtype": "u2", "shape": (0,)}, ValueError, "at least 1", id="zero"),
        pytest.param(
            {"dtype": "u2", "offset": -1}, ValueError, "offset must be at least", id="neg"
        ),
        pytest.param({"dtype": "u2", "offset": 2.0}, TypeError, "offset must be an int", id="2.0"),
        pytest.param({"dtype": "words"}, TypeError, r"dtype='words'.*such as 'uint16'", id="name"),
        pytest.param({"dtype": None}, TypeError, r"dtype=None", id="none"),
        pytest.param({"dtype": object}, TypeError, r"dtype must be one of bool", id="object"),
        pytest.param({"dtype": "S2"}, TypeError, r"dtype must be one of bool", id="bytes"),
        pytest.param({"dtype": "V"}, TypeError, r"Pass a name such as 'uint16'", id="void"),
    ],
)
def test_raw_that_cannot_be_is_refused(
    path: Path, arguments: Any, error: type[Exception], message: str
) -> None:
    """Before the first batch."""
    with pytest.raises(error, match=message):
        raw(path, **arguments)


def test_raw_remedy_for_a_part_of_a_file_works(path: Path) -> None:
    """A memmap is a source."""
    with pytest.raises(NpyFileError, match=r"np\.memmap\(path, dtype, 'r', offset, shape\)"):
        raw(path, dtype="uint16", shape=(10,))
    part = open_rows(np.memmap(path, "uint16", "r", 4, (10,)))
    np.testing.assert_array_equal(TOKENS[2:12], part[:])


RECORDS = np.dtype([("time", "<i8"), ("wave", "<f4", (3,)), ("state", "u1")])


@pytest.mark.parametrize("offset", [0, 7])
@pytest.mark.parametrize("dtype", [RECORDS, RECORDS.descr], ids=["dtype", "list"])
def test_raw_of_records_names_a_field_of_their_map(tmp_path: Path, dtype: Any, offset: int) -> None:
    """The largest one, which mostly is the signal."""
    records = np.zeros(4, RECORDS)
    records["wave"] = np.arange(12).reshape(4, 3)
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(offset) + records.tobytes())
    with pytest.raises(TypeError, match=r"dtype=.*np\.memmap\(.*\['wave'\]\.$") as caught:
        raw(path, dtype=dtype, offset=offset)
    found = re.search(r"np\.memmap\(.*\]", str(caught.value))
    assert found is not None
    rows = open_rows(eval(found[0], {"np": np, "path": path, "dtype": dtype}))
    assert records["wave"].tolist() == rows[:].tolist()


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("dtype", [">M8[s]", "<m8[ms]", "S3"])
def test_raw_of_values_that_are_no_numbers_names_the_dtype_that_reads_them(
    tmp_path: Path, dtype: str
) -> None:
    """Times are counted, text is bytes."""
    path = tmp_path / "x.bin"
    stored = np.array([1, 2, 3], ">i8" if ">" in dtype else "<i8") if "8" in dtype else b"abcdef"
    path.write_bytes(bytes(stored))
    with pytest.raises(TypeError, match=r"dtype='.?[iu].*'") as caught:
        raw(path, dtype=dtype)
    found = re.search(r"(dtype='[iu><].*)\.$", str(caught.value).split("Received")[1][12:])
    assert found is not None
    rows = eval(f"raw(path, {found[1]})", {"raw": raw, "path": path})
    expected = [[97, 98, 99], [100, 101, 102]] if "S" in dtype else [1, 2, 3]
    assert expected == rows[:].tolist()


@pytest.mark.parametrize("source", [[], 3, ("a", "b"), [3]], ids=repr)
def test_raw_of_what_is_no_file_is_refused(source: Any) -> None:
    """As other sources are."""
    with pytest.raises((TypeError, ValueError), match=r"Received.*Pass the (files'|path)"):
        raw(source, dtype="uint8")


def test_raw_of_an_npy_file_is_refused(tmp_path: Path) -> None:
    """Its header is no data."""
    np.save(tmp_path / "x.npy", TOKENS)
    with pytest.raises(NpyFileError, match=r"x\.npy: .*Received: an \.npy file.*path alone"):
        raw(tmp_path / "x.npy", dtype="uint16")


def archive(**members: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **members)
    return file.getvalue()


IDX = np.array([0x801, 56], ">u4").tobytes() + bytes(range(56))


@pytest.mark.parametrize(
    ("contents", "offset", "received"),
    [
        pytest.param(archive(x=TOKENS), 0, r"a zip archive \(\.npz\)\. Name its member", id="npz"),
        pytest.param(gzip.compress(IDX), 0, r"a gzip file\. Unpack it", id="gzip"),
        pytest.param(gzip.compress(IDX), 8, r"a gzip file\. Unpack it", id="gzip-offset"),
        pytest.param(bz2.compress(IDX), 8, r"a bzip2 file\. Unpack it", id="bzip2-offset"),
        pytest.param(lzma.compress(IDX), 0, r"an xz file\. Unpack it", id="xz"),
        pytest.param(IDX, 0, r"an IDX file .*offset=8 for labels", id="idx"),
        pytest.param(pickle.dumps(list(range(99))), 0, r"a Python pickle\. Load", id="pickle"),
        pytest.param(b"RIFF....WAVEfmt " + bytes(40), 0, r"a WAV file\. Read", id="wav"),
        pytest.param(bytes(128) + b"DICM" + bytes(40), 0, r"a DICOM file\. Read", id="dicom"),
    ],
)
def test_raw_of_another_format_is_refused(
    tmp_path: Path, contents: bytes, offset: int, received: str
) -> None:
    """Its header, or what is packed, would train as values; a memmap is the way round."""
    (tmp_path / "x.bin").write_bytes(contents)
    with pytest.raises(
        NpyFileError, match=rf"x\.bin: .*bare values\. Received: {received}"
    ) as caught:
        raw(tmp_path / "x.bin", dtype="uint8", offset=offset)
    call = re.search(r"pass (np\.memmap\(.*\)) itself", str(caught.value))
    assert call
    names = {"np": np, "path": tmp_path / "x.bin", "dtype": "uint8", "shape": (-1, 1)}
    rows = open_rows(eval(call[1], names))
    assert contents[offset:] == rows[:].tobytes()


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        pytest.param(np.frombuffer(IDX, "uint8"), 8, id="idx-behind-its-header"),
        pytest.param(np.array([0, 8, 5, 6], "uint16"), 0, id="begins-like-idx"),
        pytest.param(np.array([0x0480, 0x2895, 99, 99, 99, 99], "uint16"), 0, id="like-a-pickle"),
        pytest.param(np.array([0x8B1F, 9], "uint16"), 0, id="like-gzip"),
        pytest.param(np.array([0, 0, 8], "uint8"), 0, id="no-more-than-like-idx"),
        pytest.param(np.frombuffer(b"<html>To be, or not to be", "uint8"), 0, id="text"),
        pytest.param(
            np.frombuffer(b"RIFF....WAVE" + bytes(52), "int16"), 44 // 2, id="wav-samples"
        ),
    ],
)
def test_raw_values_are_not_taken_for_another_format(
    tmp_path: Path, values: np.ndarray, offset: int
) -> None:
    """Any values may come first, and a model may read the bytes of text."""
    values.tofile(tmp_path / "x.bin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = raw(tmp_path / "x.bin", dtype=values.dtype, offset=offset * values.itemsize)
    np.testing.assert_array_equal(values[offset:], rows[:])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(40, "uint16"), id="zeros"),
        pytest.param(np.frombuffer(b"To be, or not to be", "uint8"), id="text"),
        pytest.param(np.arange(40, dtype="float32") - 3, id="numbers"),
        pytest.param(np.array([0x0480, 5, 6], "uint16"), id="like-a-pickle"),
    ],
)
def test_file_without_a_header_is_told_of_raw(tmp_path: Path, values: np.ndarray) -> None:
    """Where its first bytes are no certain mark of another format; the remedy is followed."""
    values.tofile(tmp_path / "x.npy")
    with pytest.raises(NpyFileError, match=r"keras_npy\.raw\(path, dtype=\.\.\., shape=\.\.\.\)"):
        open_rows(tmp_path / "x.npy")
    np.testing.assert_array_equal(values, raw(tmp_path / "x.npy", dtype=values.dtype)[:])


def test_idx_file_is_read_as_its_remedy_says(tmp_path: Path) -> None:
    """MNIST as it is published, unpacked."""
    images = np.arange(2 * 784, dtype="uint16").astype("uint8").reshape(2, 28, 28)
    head = np.array([0x803, 2, 28, 28], ">u4").tobytes()
    (tmp_path / "images").write_bytes(head + images.tobytes())
    with pytest.raises(NpyFileError, match=r"an IDX file") as raised:
        open_rows(tmp_path / "images")
    call = re.search(r"keras_npy\.(raw\(path, dtype='uint8', .*?offset=16\))", str(raised.value))
    assert call
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        rows = eval(call[1], {"raw": raw, "path": tmp_path / "images"})
    np.testing.assert_array_equal(images, rows[:])


def test_warning_is_given_once(path: Path) -> None:
    """For each kind of layout."""
    with pytest.warns(NpyLayoutWarning):
        raw(path, dtype="uint16", offset=2)
    raw(path, dtype="uint16", offset=4)
    assert {"layout: alignment"} == errors.SAID
