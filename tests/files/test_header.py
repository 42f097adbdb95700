"""One `.npy` file: what is read from it, and every file that is refused by name."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import random
import re
import shutil
import signal
import socket
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy.errors import NpyFileError
from keras_npy.files.header import HEADER_BYTES_MAX, NpyHeader, parse_header, read_header
from keras_npy.files.store import map_rows
from keras_npy.files.values import as_stored

MAGIC = b"\x93NUMPY"
NO_NPY = "an .npy file begins with"
NO_HEADER = "an .npy header must be a literal dict of descr, fortran_order and shape"
NO_DTYPE = "a streamed dtype must be one of"
SAVE_AGAIN = "Save the array again with np.save"


def map_data(header: NpyHeader) -> np.ndarray:
    """The mapped data of a file, as the array that its header promises."""
    return as_stored(map_rows(header), header)


def saved(array: Any, version: tuple[int, int] | None = None) -> bytes:
    """The bytes of a file that NumPy writes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version=version)
    return file.getvalue()


def npy(text: str, data: bytes = bytes(64), version: int = 1, header_bytes: int = 0) -> bytes:
    """A file whose header is `text`, padded to `header_bytes`."""
    raw = text.encode().ljust(header_bytes - 1) + b"\n"
    length = len(raw).to_bytes(2 if version == 1 else 4, "little")
    return MAGIC + bytes([version, 0]) + length + raw + data


def header(descr: str = "'|u1'", fortran_order: str = "False", shape: str = "(3,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran_order}, 'shape': {shape}, }}"


def archive(array: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, x=array)
    return file.getvalue()


def empty_archive() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


def num_open_files() -> int:
    """Descriptors of this process; what earlier tests left may be closed at any time."""
    return len(os.listdir("/proc/self/fd"))


def sentences(path: object, rule: str, received: str, remedy: str) -> str:
    """A pattern for a message whose first line says path, rule, received and remedy."""
    rule, received, remedy = map(re.escape, (rule, received, remedy))
    return rf"\A{re.escape(str(path))}: .*{rule}.*Received: .*{received}.*{remedy}.*\Z"


def assert_refused(path: str | Path, rule: str, received: str, remedy: str) -> None:
    """Refused in one line that says all, with nothing left open; pickles only for who trusts."""
    num_open = num_open_files()
    with pytest.raises(NpyFileError, match=sentences(path, rule, received, remedy)) as refusal:
        read_header(path)
    message = str(refusal.value)
    assert "allow_pickle" not in message or "Where you trust the file" in message
    assert num_open >= num_open_files()


# What is read.


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_read_header_each_version_reads_what_numpy_wrote(
    tmp_path: Path, version: tuple[int, int], order: str
) -> None:
    """Header versions 1, 2 and 3 give the shape, dtype, order and values that were saved."""
    array = np.asarray(np.arange(24).reshape(4, 3, 2), ">i2", order=order)
    path = tmp_path / "x.npy"
    path.write_bytes(saved(array, version))
    read = read_header(path)
    assert (str(path), (4, 3, 2), np.dtype(">i2"), order == "F") == (
        read.place.path,
        read.shape,
        read.dtype,
        read.fortran_order,
    )
    assert len(path.read_bytes()) == read.offset_bytes + read.data_bytes
    np.testing.assert_array_equal(array, map_data(read))


@pytest.mark.parametrize(
    ("contents", "shape"),
    [
        pytest.param(npy(header(shape="(60000L,)"), bytes(60000)), (60000,), id="python-2-long"),
        pytest.param(npy(header(shape="(2L, 3L)")), (2, 3), id="python-2-longs"),
        pytest.param(npy(header("('|u1', ())")), (3,), id="dtype-of-empty-subarray"),
        pytest.param(npy(header(), header_bytes=HEADER_BYTES_MAX), (3,), id="longest-header"),
        pytest.param(npy(header(), version=2, header_bytes=300), (3,), id="version-2"),
        pytest.param(npy(header().replace(",", ",\n ")), (3,), id="header-of-many-lines"),
        pytest.param(npy(header())[:-64] + bytes(3), (3,), id="not-a-byte-more"),
        pytest.param(npy(header(shape=f"(3,{'1,' * 31})")), (3, *[1] * 31), id="32-axes"),
    ],
)
def test_read_header_unusual_but_valid_file_is_read(
    tmp_path: Path, contents: bytes, shape: tuple[int, ...]
) -> None:
    """What other writers may put into a header is read, and its data mapped."""
    path = tmp_path / "x.npy"
    path.write_bytes(contents)
    assert shape == map_data(read_header(path)).shape


def test_read_header_relative_path_survives_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means the directory in which it was given."""
    np.save(tmp_path / "x.npy", np.arange(3))
    monkeypatch.chdir(tmp_path)
    read = read_header("x.npy")
    monkeypatch.chdir("/")
    assert [0, 1, 2] == map_data(read).tolist()


def test_read_header_link_to_file_is_followed(tmp_path: Path) -> None:
    """A symbolic link is as good as the file that it leads to."""
    np.save(tmp_path / "x.npy", np.arange(3))
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    assert [0, 1, 2] == map_data(read_header(tmp_path / "link.npy")).tolist()


# What is refused: paths.


def test_read_header_missing_file_lets_the_systems_error_pass(tmp_path: Path) -> None:
    """A missing file is a `FileNotFoundError` that names it."""
    num_open = num_open_files()
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "x.npy"))):
        read_header(tmp_path / "x.npy")
    assert num_open >= num_open_files()


@contextmanager
def killed_if_it_blocks() -> Iterator[None]:
    """SIGALRM ends the process after 30 s, where opening a FIFO would wait for ever."""
    signal.alarm(30)
    try:
        yield
    finally:
        signal.alarm(0)


def test_read_header_fifo_is_refused_without_blocking(tmp_path: Path) -> None:
    """A FIFO is not opened, which would wait for a writer."""
    os.mkfifo(tmp_path / "x.npy")
    with killed_if_it_blocks():
        assert_refused(tmp_path / "x.npy", "only regular files", "a FIFO", "one .npy file")


def test_read_header_directory_is_refused(tmp_path: Path) -> None:
    """A directory is called one."""
    assert_refused(tmp_path, "only regular files", "a directory", "joins their rows")


def test_read_header_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unix socket is called one."""
    # Its own path may take 108 bytes, which that of a test can exceed.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("x.npy")
        assert_refused(tmp_path / "x.npy", "only regular files", "a socket", "one .npy file")


def test_read_header_device_is_refused() -> None:
    """A device, which has no end, is not read."""
    assert_refused("/dev/zero", "only regular files", "a character device", "one .npy file")


@pytest.mark.parametrize("address", ["https://example.org/x.npy", "gs://bucket/x.npy"])
def test_read_header_address_is_refused(address: str) -> None:
    """An address is not taken for a missing local file."""
    assert_refused(address, "only files of this machine", "an address", "copy the file")


# What is refused: contents.

FOREIGN = [
    pytest.param(b"", "an empty file", "Write it again with np.save", id="empty"),
    pytest.param(
        b"\n <!DOCTYPE html><title>404</title>", "an HTML page", "Download the file", id="html"
    ),
    pytest.param(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a git-lfs pointer",
        "git lfs pull",
        id="git-lfs-pointer",
    ),
    pytest.param(archive([1, 2]), "a zip archive (.npz)", "data.npz::x", id="npz"),
    pytest.param(empty_archive(), "an empty zip archive (.npz)", "np.save", id="empty-npz"),
    pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "with h5py", id="hdf5"),
    pytest.param(gzip.compress(saved([1, 2])), "a gzip file", "gunzip", id="gzip"),
    pytest.param(pickle.dumps([1, 2]), "a Python pickle", "where you trust it", id="pickle"),
    pytest.param(b"label,pixel\n1,255\n", "text: b'label,pixel", "np.loadtxt", id="csv"),
    pytest.param(b"1.5 2.5\n" * 999, "text: b'1.5 2.5", "np.loadtxt", id="long-text"),
    pytest.param(bytes(4096), "zeros at the beginning", "Copy the file again", id="zeros"),
    pytest.param(
        b"\x00\x00\x08\x03" + bytes(12), "an IDX file", "keras_npy.raw", id="mnist-as-idx"
    ),
    pytest.param(b"\x89PNG\r\n\x1a\n", "a PNG image", "np.save the pixels", id="png"),
    pytest.param(b"\xff\x00\x01\x02" * 9, "xff", "Save the array with np.save", id="raw-bytes"),
]


@pytest.mark.parametrize(("contents", "received", "remedy"), FOREIGN)
def test_read_header_foreign_file_is_called_by_its_kind(
    tmp_path: Path, contents: bytes, received: str, remedy: str
) -> None:
    """A file that is no `.npy` is said to be what it is, with what to do about it."""
    (tmp_path / "x.npy").write_bytes(contents)
    assert_refused(tmp_path / "x.npy", NO_NPY, received, remedy)


VALID = saved(np.arange(6, dtype="<i4"))

DAMAGED = [
    pytest.param(VALID[:3], "promises 6 bytes of magic, the file holds 3 bytes", id="magic"),
    pytest.param(VALID[:6], "at least 12 bytes of header, the file holds 6", id="no-version"),
    pytest.param(VALID[:9], "at least 10 bytes of header, the file holds 9", id="length"),
    pytest.param(
        npy(header(), version=2)[:11], "12 bytes of header, the file holds 11", id="length-2"
    ),
    pytest.param(VALID[:90], "promises 118 bytes of header, the file holds 90 bytes", id="header"),
    pytest.param(
        MAGIC + b"\1\0\xff\xff{}", "promises 65535 bytes of header, the file holds 12", id="longer"
    ),
    pytest.param(
        MAGIC + b"\2\0\xff\xff\xff\xff{}", "4294967295 bytes of header, the file holds", id="huge"
    ),
    pytest.param(VALID[:-1], "promises 24 bytes of data for shape (6,) int32, the file holds 23"),
    pytest.param(VALID[:128], "24 bytes of data for shape (6,) int32, the file holds 0", id="data"),
    pytest.param(
        npy(header(shape="(2**62, 2**62)".replace("2**62", str(2**62)))),
        f"promises {2**124} bytes of data",
        id="overflowing-shape",
    ),
    pytest.param(
        npy(header("'<f8'", shape=f"({2**61},)")), f"promises {2**64} bytes", id="just-overflowing"
    ),
]


@pytest.mark.parametrize(("contents", "rule"), DAMAGED)
def test_read_header_truncated_file_is_refused_with_both_sizes(
    tmp_path: Path, contents: bytes, rule: str
) -> None:
    """A file that ends too early says how many bytes it promises and how many it holds."""
    (tmp_path / "x.npy").write_bytes(contents)
    assert_refused(tmp_path / "x.npy", rule, "a truncated file", "Copy or write it again")


BAD_HEADERS = [
    pytest.param(npy("hello"), "hello, which is no Python literal", id="no-literal"),
    pytest.param(npy("{'descr': "), "which is no Python literal", id="cut-literal"),
    pytest.param(npy(header("__import__('os').abort()")), "which is no Python literal", id="code"),
    pytest.param(npy("(" * 9000), "which is no Python literal", id="deep-brackets"),
    pytest.param(npy("-" * 9000 + "1"), "which is no Python literal", id="deep-signs"),
    pytest.param(npy(header(shape="(3LL,)")), "which is no Python literal", id="no-python-2-long"),
    pytest.param(npy("{'a': 1}\0"), "which is no Python literal", id="null-byte"),
    pytest.param(npy("{{}: 1}"), "which is no Python literal", id="unhashable-key"),
    pytest.param(npy("[1, 2]"), "[1, 2], not a dict of", id="list"),
    pytest.param(npy("{'descr': '|u1', 'shape': (3,)}"), "not a dict of", id="key-missing"),
    pytest.param(npy(header()[:-1] + "'x': 1}"), "not a dict of", id="key-too-many"),
    pytest.param(npy("{1: 2, b'descr': 3, None: 4}"), "not a dict of", id="keys-of-other-kinds"),
    pytest.param(npy(header(shape="(-1,)")), "shape (-1,), with a negative axis", id="negative"),
    pytest.param(npy(header(shape="(True,)")), "shape (True,), not a tuple of int", id="bool-axis"),
    pytest.param(npy(header(shape="(3.0,)")), "shape (3.0,), not a tuple of int", id="float-axis"),
    pytest.param(npy(header(shape="[3]")), "shape [3], not a tuple of int", id="list-as-shape"),
    pytest.param(npy(header(shape="3")), "shape 3, not a tuple of int", id="int-as-shape"),
    pytest.param(npy(header(fortran_order="0")), "fortran_order 0, neither True", id="order-0"),
    pytest.param(npy(header(fortran_order="None")), "fortran_order None, nei", id="order-none"),
    pytest.param(npy(header("'<f3'")), "<f3", id="unknown-dtype"),
    pytest.param(npy(header("None")), "dtype None, which NumPy does not know", id="dtype-none"),
    pytest.param(npy(header("[('a',)]")), "dtype [('a',)], which NumPy", id="broken-field"),
    pytest.param(npy(header("('<i4', -1)")), "dtype ('<i4', -1), which NumPy", id="broken-tuple"),
    pytest.param(npy("{}", version=3)[:12] + b"\xff}\n", "bytes that are no UTF-8", id="utf-8"),
    # Beyond what NumPy holds, or Python prints: each leaked a plain ValueError.
    pytest.param(npy(header(shape=f"({'1,' * 65})")), "shape", id="65-axes"),
    pytest.param(npy(header(shape=f"({'9' * 4000}, {'9' * 4000})")), "shape", id="digits"),
    pytest.param(npy(header(shape=f"(0x{'f' * 8000},)")), "shape", id="hexadecimal"),
    pytest.param(npy(header(shape=f"(-0x{'f' * 8000},)")), "shape", id="negative-hexadecimal"),
    pytest.param(npy(header(shape=f"(0, 0x{'f' * 8000})")), "shape", id="0-by-hexadecimal"),
    pytest.param(npy(header(f"0x{'f' * 8000}")), "dtype", id="hexadecimal-dtype"),
    pytest.param(
        npy(header(fortran_order=f"0x{'f' * 8000}")), "fortran_order", id="hexadecimal-order"
    ),
    # The message must stay one line, and no control sequence may reach the terminal.
    pytest.param(npy("{'descr': '|u1',\n 'shape': (3,)}"), "not a dict of", id="line-feed"),
    pytest.param(npy("\x1b[2J{"), r"\x1b[2J", id="terminal-control"),
]


@pytest.mark.parametrize(("contents", "received"), BAD_HEADERS)
def test_read_header_broken_header_is_refused_in_one_line(
    tmp_path: Path, contents: bytes, received: str
) -> None:
    """Whatever stands in a header, the error says what, in one printable line."""
    (tmp_path / "x.npy").write_bytes(contents)
    assert_refused(tmp_path / "x.npy", NO_HEADER, received, SAVE_AGAIN)


@pytest.mark.parametrize(
    ("contents", "rule", "received", "remedy"),
    [
        pytest.param(
            npy(header(), version=4),
            "has versions 1.0, 2.0 and 3.0",
            "version 4.0",
            SAVE_AGAIN,
            id="version-4",
        ),
        pytest.param(
            MAGIC + b"\1\1" + VALID[8:],
            "has versions 1.0, 2.0 and 3.0",
            "version 1.1",
            SAVE_AGAIN,
            id="version-1.1",
        ),
        pytest.param(
            npy(header(), header_bytes=HEADER_BYTES_MAX + 1),
            "may take 10000 bytes",
            "10001 bytes",
            SAVE_AGAIN,
            id="header-a-byte-too-long",
        ),
        pytest.param(
            npy(header(shape="(np.int64(3),)")),
            "must hold plain integers",
            "(np.int64(3),)",
            "a shape of Python integers",
            id="numpy-integer",
        ),
        pytest.param(
            saved(np.float32(1)),
            "axis 0 of the array counts the samples",
            "a 0-d array",
            "a first axis of samples",
            id="0-d",
        ),
        pytest.param(
            saved(np.zeros((0, 3))),
            "at least one row",
            "shape (0, 3)",
            "Leave the empty file out",
            id="no-rows",
        ),
        pytest.param(
            saved(np.zeros((3, 0, 2))),
            "at least one value",
            "shape (3, 0, 2)",
            "rows that are not empty",
            id="rows-without-values",
        ),
    ],
)
def test_read_header_unusable_header_is_refused_with_its_remedy(
    tmp_path: Path, contents: bytes, rule: str, received: str, remedy: str
) -> None:
    """A header that is well formed, but of a kind that cannot be streamed, is refused."""
    (tmp_path / "x.npy").write_bytes(contents)
    assert_refused(tmp_path / "x.npy", rule, received, remedy)


has_long_floats = pytest.mark.skipif(
    np.dtype("longdouble").itemsize == 8, reason="long floats are doubles on this machine"
)


@pytest.mark.parametrize(
    ("array", "received", "remedy"),
    [
        pytest.param(
            np.array([1, "a"], "O"), "dtype('O')", "It holds pickled objects", id="object"
        ),
        pytest.param(
            np.zeros(3, "<i4,<f4"), "('f0', '<i4')", "each field as a file", id="structured"
        ),
        pytest.param(np.array([b"ab"]), "dtype('S2')", "Number the names", id="bytes"),
        pytest.param(np.array(["ab"], "<U2"), "dtype('<U2')", "Number the names", id="unicode"),
        pytest.param(
            np.zeros(3, "<M8[s]"), "dtype('<M8[s]')", "array.view('int64')", id="datetime"
        ),
        pytest.param(
            np.zeros(3, "<m8[s]"),
            "dtype('<m8[s]')",
            "If np.isnat(array).any(), leave out those rows, which would be -2**63",
            id="timedelta",
        ),
        pytest.param(
            np.zeros(3, "longdouble"),
            "float",
            "float32 or float64",
            id="longdouble",
            marks=has_long_floats,
        ),
        pytest.param(
            np.zeros(3, "clongdouble"),
            "complex",
            "float32 or float64",
            id="complex-longdouble",
            marks=has_long_floats,
        ),
        pytest.param(np.zeros(3, "V2"), "dtype('V2')", "If it is bfloat16", id="bfloat16"),
        pytest.param(np.zeros(3, "V3"), "dtype('V3')", "float32 or float64", id="void"),
    ],
)
def test_read_header_other_dtype_is_refused_with_its_remedy(
    tmp_path: Path, array: np.ndarray, received: str, remedy: str
) -> None:
    """A dtype that has no tensor is refused, with how to store such values instead."""
    np.save(tmp_path / "x.npy", array)
    assert_refused(tmp_path / "x.npy", NO_DTYPE, received, remedy)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_read_header_text_mode_transfer_is_refused(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    """A file whose every LF became CR LF is refused, where NumPy reads shifted values."""
    contents = saved(np.arange(300, dtype="<i4"), version)
    (tmp_path / "x.npy").write_bytes(contents.replace(b"\n", b"\r\n"))
    assert_refused(tmp_path / "x.npy", "must end in a line feed", "CR LF", "again in binary mode")


def test_read_header_declared_gibibyte_is_not_read(tmp_path: Path) -> None:
    """A header that is declared as 1 GiB, and is there, costs no memory."""
    path = tmp_path / "x.npy"
    path.write_bytes(MAGIC + b"\2\0" + (1 << 30).to_bytes(4, "little"))
    os.truncate(path, 2 << 30)
    tracemalloc.start()
    try:
        assert_refused(path, "may take 10000 bytes", "length of 1073741824 bytes", SAVE_AGAIN)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


TOKENS = [b"(", b")", b"-", b"L", b"0x", b"'", b"\\", b"\n", b"9" * 30, b"{", b"1,", b"#", b"True"]


def mutated(contents: bytes, rng: random.Random) -> bytes:
    """The file with one to three bytes of its first 200 flipped, inserted or deleted."""
    damaged = bytearray(contents)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(200)
        kind = rng.choice(["flip", "insert", "delete", "insert token"])
        if kind == "flip":
            damaged[at] = rng.randrange(256)
        elif kind == "insert":
            damaged.insert(at, rng.randrange(256))
        elif kind == "delete":
            del damaged[at]
        else:
            damaged[at:at] = rng.choice(TOKENS)
    return bytes(damaged)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_read_header_mutated_file_is_read_or_refused(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    """Of 1,000 damaged files each is mapped whole or refused; no other error comes out."""
    rng = random.Random(version[0])
    contents = saved(np.arange(100, dtype="<u2").reshape(20, 5), version)
    path = tmp_path / "x.npy"
    outcomes = {"read": 0, "refused": 0}
    num_open = num_open_files()
    for _ in range(1000):
        damaged = mutated(contents, rng)
        # ext4 flushes a file that is overwritten, which takes 3 ms.
        path.unlink(missing_ok=True)
        path.write_bytes(damaged)
        try:
            array = map_data(read_header(path))
            assert len(damaged) >= array.nbytes
            array.tobytes()
            outcomes["read"] += 1
            del array
        except NpyFileError as error:
            first_line = str(error).splitlines()[0]
            assert first_line.startswith(f"{path}: "), damaged
            assert "Received: " in first_line, damaged
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{damaged!r}") from error
    assert num_open >= num_open_files()
    # Both happen often, or the mutations test nothing.
    assert min(outcomes.values()) > 100, outcomes


@pytest.mark.parametrize(
    ("start", "looks_like"),
    [
        pytest.param(b"\xff" * 600, "b'\\\\xff", id="white-pixels"),
        pytest.param("\ufeff<!DOCTYPE html>".encode(), "an HTML page", id="html-behind-a-bom"),
        pytest.param("1;2;é\n".encode() * 100, "text: b.1;2;", id="utf-8-cut-in-a-character"),
    ],
)
def test_read_header_other_files_are_not_mistaken(
    tmp_path: Path, start: bytes, looks_like: str
) -> None:
    """Bytes are called text only if they are UTF-8 that can be printed."""
    path = tmp_path / "x.npy"
    path.write_bytes(start)
    with pytest.raises(NpyFileError, match=rf"Received: {looks_like}"):
        read_header(path)


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr(name, b"contents")
    return file.getvalue()


@pytest.mark.parametrize(
    ("contents", "received"),
    [
        pytest.param(
            zipped("archive/data.pkl"), r"torch\.save\. .*torch\.load\(path\)", id="torch"
        ),
        pytest.param(zipped("metadata.json"), "a Keras model", id="keras"),
        pytest.param(zipped("[Content_Types].xml"), "an Excel file", id="excel"),
        pytest.param(zipped("x.npy"), r"a zip archive \(\.npz\). Name its member", id="npz"),
        pytest.param(b"MATLAB 5.0 MAT-file" + bytes(99), "a MATLAB file", id="matlab"),
        pytest.param(b"II*\0" + bytes(99), "a TIFF image", id="tiff"),
        pytest.param(bytes(257) + b"ustar" + bytes(250), "a tar archive", id="tar"),
        pytest.param(b"\x5c\1" + bytes(342) + b"n+1\0" + bytes(4), "a NIfTI image", id="nifti"),
    ],
)
def test_read_header_of_a_file_of_another_library_names_it(
    tmp_path: Path, contents: bytes, received: str
) -> None:
    """Under the name that somebody gave it: what reads an archive or bare values would not help."""
    (tmp_path / "x.npy").write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"x\.npy: .*Received: .*{received}"):
        read_header(tmp_path / "x.npy")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_parse_header_of_any_bytes_is_a_header_or_an_npy_file_error(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    """Bytes in, a header out: without a file, and whatever the bytes are."""
    (tmp_path / "x.npy").write_bytes(VALID)
    place = read_header(tmp_path / "x.npy").place
    contents = saved(np.arange(100, dtype="<u2").reshape(20, 5), version)
    rng, refusals, num_read = random.Random(10 + version[0]), [], 0
    for _ in range(10_000):
        damaged = mutated(contents, rng)
        try:
            header = parse_header(damaged, replace(place, size_bytes=len(damaged)))
            num_read += 0 <= header.offset_bytes <= len(damaged)
        except NpyFileError as error:
            refusals.append(str(error))
    assert 10_000 == num_read + len(refusals)
    assert all("Received: " in refusal for refusal in refusals)


def test_read_header_address_as_a_path_object_is_refused() -> None:
    """pathlib folds the two slashes of an address into one."""
    with pytest.raises(NpyFileError, match=r"^gs:/bucket/x\.npy: only files of this machine"):
        read_header(Path("gs://bucket/x.npy"))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_command_for_a_compressed_file_unpacks_it_whatever_its_name_is(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Of a name that does not end with `.gz` or the like, gunzip would unpack nothing."""
    (tmp_path / "x.npy").write_bytes(compress(saved([1, 2])))
    with pytest.raises(NpyFileError, match="Unpack it: ") as caught:
        read_header(tmp_path / "x.npy")
    command = str(caught.value).split("Unpack it: ")[1].removesuffix(".")
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"{command.split()[0]} is not installed.")
    command = command.replace("FILE", "x.npy").replace("NEW", "new.npy")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, timeout=30)
    assert [1, 2] == np.load(tmp_path / "new.npy").tolist()
