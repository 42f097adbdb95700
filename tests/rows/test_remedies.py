"""What an error says to do is done here, and then the data can be served."""

import json
import os
import pathlib
import pickle
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpyFileError, NpySequence, open_rows, samples, take, windows


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
    pytest.param(np.array(["1970-01-03"], "M8[D]"), "array.astype('int64')", [2], id="dates"),
    pytest.param(np.array([3, 4], ">m8[s]"), "array.astype('int64')", [3, 4], id="durations"),
    pytest.param(np.array([1, 2], np.longdouble), "array.astype('float64')", [1, 2], id="long"),
    pytest.param(np.array([1j], np.clongdouble), "array.astype('complex128')", [1j], id="complex"),
    pytest.param(BFLOAT16, "array.view('bfloat16')", [1, 2], id="bfloat16"),
    pytest.param(np.array([(1, 2)], [("a", "f4"), ("b", "i4")]), "array['a']", [1], id="fields"),
    pytest.param(np.array({"x": [5, 6]}, object), "array.item()", {"x": [5, 6]}, id="dict"),
    pytest.param(objects([1, 2.5]), "array.astype('float64')", [1, 2.5], id="objects-of-numbers"),
    pytest.param(
        objects(["b", "a"]),
        "np.unique(array.astype(str), return_inverse=True)[1]",
        [1, 0],
        id="objects-of-names",
    ),
    pytest.param(
        objects(["1", "2"]), "array.astype(str).astype('float64')", [1, 2], id="objects-of-text"
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
    pytest.param(
        objects([[[1], [2, 3]]]), "keras.utils.pad_sequences(array,", None, id="ragged-twice"
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


def test_file_of_numbers_as_text_names_what_reads_them(tmp_path: Path) -> None:
    """To number them as names would give other values; the header says only that it is text."""
    array = np.array(["10", "9.5"])
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(NpyFileError, match=r"x\.npy: .*save array\.astype\('float64'\)\."):
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
    pytest.param(iter, r"list\(source\)", [0, 1], id="iterator"),
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
