"""What an error says to do is done here, and then the data can be served."""

import json
import os
import pathlib
import pickle
import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import (
    NpyFileError,
    NpyLayoutWarning,
    NpySequence,
    open_rows,
    samples,
    take,
    windows,
)
from keras_npy.tools.cli import main
from tests.rows.contract import assert_same


def objects(items: list[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An array of objects, which NumPy does not look into."""
    array = np.empty(len(items), object)
    for at, item in enumerate(items):
        array[at] = item
    return array if shape is None else array.reshape(shape)


BFLOAT16 = np.array([0x3F80, 0x4000], "uint16").view("V2")

ARRAYS = [
    pytest.param(
        np.array(["b", "a", "b"]), "np.unique(array, return_inverse=True)[1]", [1, 0, 1], id="names"
    ),
    pytest.param(
        np.array([b"b", b"a"]), "np.unique(array, return_inverse=True)[1]", [1, 0], id="bytes"
    ),
    pytest.param(np.array(["1", "2.5"]), "array.astype('float64')", [1, 2.5], id="numbers-as-text"),
    pytest.param(
        np.array(["9007199254740993", "9007199254740992"]),
        *("array.astype('int64')", [2**53 + 1, 2**53]),
        id="ids-as-text",
    ),
    pytest.param(np.array([b"7", b"12"]), "array.astype('int64')", [7, 12], id="digits-as-bytes"),
    pytest.param(
        np.array(["18446744073709551615", "1"]),
        "array.astype('uint64')",
        [2**64 - 1, 1],
        id="uint64",
    ),
    pytest.param(
        np.array(["18446744073709551617", "18446744073709551616"]),
        *("np.unique(array, return_inverse=True)[1]", [1, 0]),
        id="ids-of-more-bits",
    ),
    pytest.param(
        np.array(["07", "7", "8"]),
        *("np.unique(array, return_inverse=True)[1]", [0, 1, 2]),
        id="names-of-digits",
    ),
    pytest.param(np.array(["07", "8"]), "array.astype('int64')", [7, 8], id="leading-zeros"),
    pytest.param(np.array(["1970-01-03"], "M8[D]"), "array.astype('int64')", [2], id="dates"),
    pytest.param(
        np.array(["1970-01-03", "NaT", "1970-01-02"], "M8[D]"),
        "array[~np.isnat(array)].astype('int64')",
        [2, 1],
        id="dates-of-which-one-is-missing",
    ),
    pytest.param(
        np.array([[3, 4], [5, "NaT"]], "m8[s]"),
        "array[~np.isnat(array).reshape(len(array), -1).any(axis=1)].astype('int64')",
        [[3, 4]],
        id="durations-in-columns",
    ),
    pytest.param(np.array([3, 4], ">m8[s]"), "array.astype('int64')", [3, 4], id="durations"),
    pytest.param(np.array([1, 2], np.longdouble), "array.astype('float64')", [1, 2], id="long"),
    pytest.param(np.array([1j], np.clongdouble), "array.astype('complex128')", [1j], id="complex"),
    pytest.param(BFLOAT16, "array.view('bfloat16')", [1, 2], id="bfloat16"),
    pytest.param(np.array([(1, 2)], [("a", "f4"), ("b", "i4")]), "array['a']", [1], id="fields"),
    pytest.param(np.array({"x": [5, 6]}, object), "array.item()", {"x": [5, 6]}, id="dict"),
    pytest.param(objects([1, 2.5]), "array.astype('float64')", [1, 2.5], id="objects-of-numbers"),
    pytest.param(
        objects([2**60 + 1, 2**60 + 2, np.int32(3)]),
        *("array.astype('int64')", [2**60 + 1, 2**60 + 2, 3]),
        id="objects-of-ids",
    ),
    pytest.param(objects([2**63, 1]), "array.astype('uint64')", [2**63, 1], id="objects-of-uint64"),
    pytest.param(
        objects([2**64 + 1, 2**64]),
        *("np.unique(array, return_inverse=True)[1]", [1, 0]),
        id="objects-of-more-bits",
    ),
    pytest.param(
        # A fraction behind all that are looked at.
        objects([*range(2000), 0.5]),
        *("array.astype('float64')", [*range(2000), 0.5]),
        id="objects-and-a-fraction",
    ),
    pytest.param(
        objects([2**60 + 1, None, 2**60 + 2]),
        "np.array([-1 if item is None else item for item in array.flat]).reshape(array.shape)",
        [2**60 + 1, -1, 2**60 + 2],
        id="ids-and-none",
    ),
    pytest.param(objects([1, None]), "array.astype('float64')", [1, np.nan], id="number-and-none"),
    pytest.param(
        objects(["b", "a"]),
        "np.unique(array.astype(str), return_inverse=True)[1]",
        [1, 0],
        id="objects-of-names",
    ),
    pytest.param(
        objects(["1", "2"]), "array.astype(str).astype('int64')", [1, 2], id="objects-of-text"
    ),
    pytest.param(
        objects([np.array([1, 2]), np.array([3, 4])]),
        "np.stack(list(array))",
        [[1, 2], [3, 4]],
        id="objects-of-arrays",
    ),
    pytest.param(
        objects([[1, 2], [3]]),
        "keras.utils.pad_sequences(array, dtype='int64')",
        [[1, 2], [0, 3]],
        id="ragged-lists",
    ),
    pytest.param(
        objects([[0.5, 2], [3]]),
        "keras.utils.pad_sequences(array, dtype='float64')",
        [[0.5, 2], [0, 3]],
        id="ragged-floats",
    ),
    pytest.param(
        objects([np.arange(2), np.arange(3)]),
        "keras.utils.pad_sequences(array, dtype='int64')",
        [[0, 0, 1], [0, 1, 2]],
        id="ragged-arrays",
    ),
    pytest.param(objects([[[1], [2, 3]]]), "such as with np.pad", None, id="ragged-twice"),
    pytest.param(objects([1, [2]]), "such as with np.pad", None, id="numbers-and-lists"),
    pytest.param(
        np.array([[1, [2]], [3, [4, 5]]], object),
        "such as with np.pad",
        None,
        id="lists-in-a-table",
    ),
    pytest.param(
        objects([np.ones((2, 3)), np.ones((1, 4))]), "such as with np.pad", None, id="ragged-wide"
    ),
    pytest.param(
        objects([np.ones((2, 1)), np.ones((1, 1))]),
        "keras.utils.pad_sequences(array, dtype='float64')",
        [[[1], [1]], [[0], [1]]],
        id="ragged-columns",
    ),
    pytest.param(
        objects([{"x": [1, 2]}, {"x": [3, 4]}]),
        "np.stack([d['x'] for d in array])",
        [[1, 2], [3, 4]],
        id="dicts",
    ),
    pytest.param(np.array(3.0), "array.reshape(1)", [3], id="one-number"),
]


@pytest.mark.parametrize(("array", "remedy", "expected"), ARRAYS)
def test_array_of_another_kind_names_what_makes_numbers_of_it(
    array: np.ndarray, remedy: str, expected: Any
) -> None:
    """By its dtype and what it holds; each is executed."""
    import ml_dtypes  # noqa: F401 # The remedy for bfloat16 says so.

    with pytest.raises(
        (TypeError, ValueError), match=re.escape(f"{array.dtype} {array.shape}")
    ) as caught:
        NpySequence(array)
    assert remedy in str(caught.value)
    if expected is None:
        # Only the user knows how to pad what has no shape at all.
        return
    value = eval(remedy, {"np": np, "keras": keras, "array": array})
    if isinstance(value, dict):
        assert expected == value
        return
    # NumPy makes one float64 of whole numbers and others, in which ids are equal.
    expected = np.asarray(expected, value.dtype)
    np.testing.assert_array_equal(expected, NpySequence(value).x[:].astype(value.dtype))


FILES = [
    pytest.param(np.array(["b", "a"]), [1, 0], id="names"),
    pytest.param(np.array(["1970-01-03"], "M8[D]"), [2], id="dates"),
    pytest.param(np.array([(1, 2)], [("a", "f4"), ("b", "i4")]), [1], id="fields"),
    pytest.param(objects([[1, 2], [3, 4]]), [[1, 2], [3, 4]], id="objects"),
]


@pytest.mark.parametrize(("array", "expected"), FILES)
def test_file_of_another_kind_names_what_makes_numbers_of_it(
    tmp_path: Path, array: np.ndarray, expected: Any
) -> None:
    """As one line, with the array of the file."""
    path, new = tmp_path / "x.npy", tmp_path / "new.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(NpyFileError, match=r"x\.npy: .*np\.save\(new, ") as caught:
        open_rows(path)
    (line,) = re.findall(r"np\.save\(new, .*\)(?=\.$)", str(caught.value))
    eval(line, {"np": np, "path": path, "new": new, "array": array})
    np.testing.assert_array_equal(expected, open_rows(new)[:])


def test_file_of_pickled_dicts_is_taken_apart_by_key(tmp_path: Path) -> None:
    """What np.stack makes of a list of them is objects again."""
    np.save(tmp_path / "x.npy", objects([{"x": 1}, {"x": 2}]), allow_pickle=True)
    with pytest.raises(NpyFileError, match=r"x\.npy: .*take dicts apart: np\.stack") as caught:
        open_rows(tmp_path / "x.npy")
    (call,) = re.findall(r"np\.stack\(\[.* array\]\)", str(caught.value))
    array = np.load(tmp_path / "x.npy", allow_pickle=True)
    assert [1, 2] == eval(call, {"np": np, "array": array, "key": "x"}).tolist()


def test_file_of_numbers_as_text_names_what_reads_them(tmp_path: Path) -> None:
    """To number them as names would give other values; the header says only that it is text."""
    array = np.array(["10", "9.5"])
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(
        NpyFileError, match=r"x\.npy: .*save array\.astype\('int64'\), or 'float64'"
    ):
        open_rows(tmp_path / "x.npy")
    assert [10, 9.5] == open_rows(array.astype("float64"))[:].tolist()


def test_file_of_a_pickled_dict_is_taken_apart(tmp_path: Path) -> None:
    """The commonest object file: np.save of a dict."""
    path = tmp_path / "data.npy"
    np.save(path, {"x": np.arange(3)}, allow_pickle=True)
    with pytest.raises(
        NpyFileError, match=r"data\.npy: .*pickled object, such as a dict.*"
    ) as caught:
        open_rows(path)
    (call,) = re.findall(r"np\.load\(.*\.item\(\)", str(caught.value))
    taken = eval(call, {"np": np, "path": path})
    assert [0, 1, 2] == NpySequence(taken["x"]).x[:].tolist()


TEXTS = [
    pytest.param("1,2\n3,4\n", [[1, 2], [3, 4]], id="csv"),
    pytest.param("label;pixel\n1;2\n3;4\n", [[1, 2], [3, 4]], id="csv-with-a-header"),
    pytest.param("a b\n1 2\n3 4\n", [[1, 2], [3, 4]], id="columns-with-a-header"),
    pytest.param("1.5\n2.5\n", [1.5, 2.5], id="numbers"),
    pytest.param("[[1, 2],\n [3, 4]]\n", [[1, 2], [3, 4]], id="json"),
    pytest.param("Dear all,\nthe data is on the disk.\n", None, id="a-letter"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_text_names_the_call_that_reads_it(tmp_path: Path, text: str, expected: Any) -> None:
    """With its delimiter, and without its header."""
    path, new = tmp_path / "x.csv", tmp_path / "x.npy"
    path.write_text(text)
    with pytest.raises(NpyFileError, match="Received: text: ") as caught:
        open_rows(path)
    if expected is None:
        assert "Pass the file that holds the array." in str(caught.value)
        return
    (line,) = re.findall(r"np\.save\(new, .*\)(?=\.$)", str(caught.value))
    eval(line, {"np": np, "path": path, "new": new, "json": json, "pathlib": pathlib})
    np.testing.assert_array_equal(expected, open_rows(new)[:])


@pytest.mark.parametrize(
    ("data", "received"),
    [
        pytest.param(b"0123456789" * 300, "text: ", id="like-text"),
        pytest.param(bytes(3000), "zeros at the beginning", id="zeros"),
        pytest.param(b"\x80" + bytes(range(1, 100)), r"b'\\x80\\x01", id="like-a-pickle"),
        pytest.param(bytes(range(200, 250)), r"b'\\xc8", id="other"),
    ],
)
def test_raw_values_name_the_call_that_reads_them(
    tmp_path: Path, data: bytes, received: str
) -> None:
    """Whatever their first bytes look like."""
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(NpyFileError, match=f"Received: {received}.*bare values") as caught:
        open_rows(path)
    (call,) = re.findall(r"keras_npy\.raw\(.*\)(?=\.$)", str(caught.value))
    call = call.replace("dtype=...", "dtype='uint8'").replace("shape=...", "shape=(-1,)")
    assert data == eval(call, {"keras_npy": keras_npy, "path": path})[:].tobytes()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [[1, 2], {"x": np.arange(3)}, "text"], ids=["list", "dict", "str"]
)
def test_pickles_are_called_pickles(tmp_path: Path, protocol: int, value: Any) -> None:
    """Of any protocol that begins with its number."""
    (tmp_path / "x.npy").write_bytes(pickle.dumps(value, protocol))
    with pytest.raises(NpyFileError, match=r"Received: a Python pickle\. Load it where you trust"):
        open_rows(tmp_path / "x.npy")


@pytest.mark.parametrize("read", [open_rows, samples, NpySequence, lambda path: open_rows([path])])
@pytest.mark.parametrize("name", ["folder", "a [1]"])
def test_folder_names_the_pattern_of_its_files(tmp_path: Path, read: Any, name: str) -> None:
    """As shards, or as samples."""
    folder = tmp_path / name
    folder.mkdir()
    for number in range(2):
        np.save(folder / f"{number}.npy", np.array([number]))
    with pytest.raises(NpyFileError, match=r"Received: a directory.*joins their rows") as caught:
        read(folder)
    pattern, call = re.findall(
        r"('.*\*\.npy') joins.* and (samples\(.*\)) takes", str(caught.value)
    )[0]
    assert [0, 1] == open_rows(eval(pattern))[:].tolist()
    assert [[0], [1]] == eval(call, {"samples": samples})[:].tolist()


def paths_in(folder: Path) -> list[str]:
    """Two files of one row each, under relative paths, which messages show whole."""
    for number in range(2):
        np.save(folder / f"{number}.npy", np.array([number]))
    np.savez(folder / "data.npz", x=np.array([0]))
    return ["0.npy", "1.npy"]


OTHER_KINDS = [
    pytest.param(tuple, r"list\(source\)", [0, 1], id="tuple"),
    # As of Path.glob, in the order of the file system.
    pytest.param(lambda paths: iter(paths[::-1]), r"sorted\(source\)", [0, 1], id="iterator"),
    pytest.param(set, r"sorted\(source\)", [0, 1], id="set"),
    pytest.param(np.array, r"\w+\.tolist\(\)", [0, 1], id="array-of-paths"),
    pytest.param(lambda paths: paths[1].encode(), r"os\.fsdecode\(source\)", [1], id="bytes"),
    pytest.param(lambda paths: {"a": paths[1]}, r"source\['a'\]", [1], id="dict"),
    pytest.param(lambda _: np.load("data.npz"), r'"data\.npz::x"', [0], id="archive"),
]


@pytest.mark.parametrize("read", [open_rows, samples, lambda source: take(source, [0])])
@pytest.mark.parametrize(("make", "remedy", "expected"), OTHER_KINDS)
def test_source_of_another_kind_names_what_makes_one_of_it(
    tmp_path: Path, monkeypatch: Any, read: Any, make: Any, remedy: str, expected: list[int]
) -> None:
    """Paths in another container than a list; each remedy is executed."""
    monkeypatch.chdir(tmp_path)
    source = make(paths_in(tmp_path))
    with pytest.raises(TypeError, match=remedy) as caught:
        read(source)
    getattr(source, "close", lambda: None)()
    found = re.search(remedy, str(caught.value))
    value = eval(found[0], {"source": source, "array": source, "os": os})
    assert expected == open_rows(value, io="read")[:].tolist()


PAIRS = [
    pytest.param(lambda pair: take(pair, [0]), r"source\[0\]", id="take"),
    pytest.param(lambda pair: open_rows([None, pair.x]), "Leave None out", id="none-in-a-list"),
    pytest.param(lambda _: open_rows(range(3)), r"np\.asarray\(source\)", id="range"),
]


@pytest.mark.parametrize(("read", "remedy"), PAIRS)
def test_source_of_no_paths_names_what_makes_one_of_it(read: Any, remedy: str) -> None:
    """Windows with their targets are two sources, and None is none."""
    pair = windows(np.arange(9), sequence_length=2, predict_next=True)
    with pytest.raises(TypeError, match=remedy):
        read(pair)


def two_paths(folder: Path, shapes: Any) -> list[Any]:
    for name, shape in zip("ab", shapes, strict=True):
        np.save(folder / f"{name}2.npy", np.zeros(shape))
    return [folder / "a2.npy", folder / "b2.npy"]


def two_arrays(folder: Path, shapes: Any) -> list[Any]:
    return [np.zeros(shape) for shape in shapes]


def two_rows(folder: Path, shapes: Any) -> list[Any]:
    return [open_rows(path) for path in two_paths(folder, shapes)]


@pytest.mark.parametrize("make", [two_paths, two_arrays, two_rows])
@pytest.mark.parametrize("shapes", [[(6, 3), (6, 3)], [(6, 3), (6, 4)]], ids=["alike", "unlike"])
def test_list_that_was_meant_as_two_inputs_is_told_of_a_tuple(
    tmp_path: Path, make: Any, shapes: Any
) -> None:
    """Keras takes a list of arrays as several inputs; here it joins their rows."""
    sources = make(tmp_path, shapes)
    for y in (np.arange(6), np.zeros((6, 1))):
        with pytest.raises(ValueError, match=r"several inputs or outputs.*tuple"):
            NpySequence(sources, y)
    x, _ = NpySequence(tuple(sources), y)[0]
    assert [tuple(shape) for shape in shapes] == [part.shape for part in x]


# Files of which each is a series or a class: to join them would lose where each begins.


def write_apart(folder: Path, kind: str, num_files: int) -> list[np.ndarray]:
    """Files `r0` and so on with 5 rows each, as archives or in Fortran order."""
    folder.mkdir()
    arrays = [np.arange(10).reshape(5, 2) + 100 * number for number in range(num_files)]
    for number, array in enumerate(arrays):
        if kind == "npz":
            np.savez_compressed(folder / f"r{number}.npz", x=array)
        else:
            np.save(folder / f"r{number}.npy", np.asfortranarray(array))
    return arrays


def follow(found: Any, paths: list[str]) -> None:
    """Run what a message says between backticks."""
    printed = str(found).split("`")[1]
    if printed.startswith("keras-npy"):
        for command in printed.split("; "):
            assert 0 == main(shlex.split(command)[1:])
    else:
        exec(printed, {"paths": paths})


def refused_or_warned(kind: str, call: Any) -> str:
    """What is said of compressed members, which are refused, or of Fortran order, which warns."""
    if kind == "npz":
        with pytest.raises(NpyFileError, match=r"compressed member.*To convert each") as refused:
            call()
        return str(refused.value)
    with pytest.warns(NpyLayoutWarning, match=r"Fortran order.*To convert each") as warned:
        call()
    return str(warned[0].message)


@pytest.mark.parametrize("kind", ["npz", "npy"])
@pytest.mark.parametrize(
    ("num_files", "given"), [(2, "list"), (5, "list"), (5, "patterns"), (2, "pattern")]
)
def test_windows_of_several_files_to_convert_convert_each(
    tmp_path: Path, kind: str, num_files: int, given: str
) -> None:
    """No window crosses from one file to the next, before and after."""
    folder = tmp_path / "it's x"
    arrays = write_apart(folder, kind, num_files)
    expected = np.concatenate([windows(array, sequence_length=3)[:] for array in arrays])
    member = "::x" if kind == "npz" else ""
    paths: list[Any] = [f"{folder}/r{number}.{kind}{member}" for number in range(num_files)]
    if given == "patterns":
        paths = [f"{folder}/r[0-2].{kind}{member}", f"{folder}/r[34].{kind}{member}"]
    elif kind == "npy":
        paths = list(map(Path, paths))
    data: Any = f"{folder}/r*.{kind}{member}" if given == "pattern" else paths
    follow(refused_or_warned(kind, lambda: windows(data, sequence_length=3)), paths)
    end = "_x.npy" if kind == "npz" else ".npy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(expected, windows(f"{folder}/r?{end}", sequence_length=3)[:])
    assert num_files == len(list(folder.glob("*.npy")))


def test_windows_across_files_to_convert_join_them(tmp_path: Path) -> None:
    """With join=True the files are one series, and one file may take their place.

    Targets are as the series: each file has its own.
    """
    write_apart(tmp_path / "r", "npz", 2)
    for arguments, said in (({"join": True}, "all"), ({}, "each")):
        with pytest.raises(NpyFileError, match=f"To convert {said}"):
            windows(f"{tmp_path}/r/*.npz::x", sequence_length=3, **arguments)
    targets = f"{tmp_path}/r/*.npz::x"
    with pytest.raises(NpyFileError, match="To convert each"):
        windows([np.arange(5), np.arange(5)], sequence_length=3, targets=targets)


CLASS_FILES: list[Any] = [
    pytest.param(lambda folder, kind: f"{folder}/*.{kind}" + "::x" * (kind == "npz"), id="pattern"),
    pytest.param(lambda folder, kind: folder, id="directory"),
    pytest.param(
        lambda folder, kind: {
            f"r{number}": f"{folder}/r{number}.{kind}" + "::x" * (kind == "npz")
            for number in range(2)
        },
        id="dict",
    ),
]


@pytest.mark.parametrize("kind", ["npz", "npy"])
@pytest.mark.parametrize("source", CLASS_FILES)
def test_class_files_to_convert_convert_each(tmp_path: Path, kind: str, source: Any) -> None:
    """Each class has a file before and after, and its name."""
    folder = tmp_path / "it's x"
    arrays = write_apart(folder, kind, 2)
    data = source(folder, kind)
    member = {"member": "x"} if data is folder and kind == "npz" else {}
    said = refused_or_warned(kind, lambda: NpySequence.from_class_files(data, **member))
    follow(said, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence.from_class_files(folder, shuffle=False)
    names = ["r0_x", "r1_x"] if kind == "npz" and isinstance(data, dict) else ["r0", "r1"]
    assert names == seq.class_names
    assert_same(np.concatenate(arrays), seq.x[:])
    assert [0] * 5 + [1] * 5 == seq.y[:].tolist()
