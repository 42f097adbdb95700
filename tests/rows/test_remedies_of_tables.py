"""What an error says of sparse matrices, tables of text, and files of one value, is done here."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import NpyFileError, NpySequence, open_rows

SPARSE = np.array([[0, 3, 0], [5, 0, 0], [0, 0, 0]], "float32")


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "lil"])
@pytest.mark.parametrize("is_matrix", [True, False], ids=["matrix", "array"])
def test_sparse_matrix_is_made_dense(kind: str, is_matrix: bool) -> None:
    """NumPy makes an object of it; the remedies lead on from there, and in a list, too."""
    sparse = pytest.importorskip("scipy.sparse")
    source = getattr(sparse, f"{kind}_{'matrix' if is_matrix else 'array'}")(SPARSE)
    wrapped = np.empty((), object)
    wrapped[()] = source
    given: Any
    for given, code in (
        (source, r"source\.toarray\(\)"),
        (wrapped, r"array\.item\(\)\.toarray\(\)"),
        ([source, source], r"\[one\.toarray\(\) for one in source\]"),
    ):
        with pytest.raises(TypeError, match=code) as caught:
            NpySequence(given)
        found = re.search(code, str(caught.value))
        assert found is not None
        dense = open_rows(eval(found[0], {"source": given, "array": given}))
        assert SPARSE.tolist() == dense[:3].tolist()


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("is_matrix", [True, False], ids=["matrix", "array"])
def test_file_of_a_sparse_matrix_is_read_by_scipy(
    tmp_path: Path, kind: str, is_matrix: bool
) -> None:
    """Its members are no rows: those of column numbers would train without a word."""
    sparse = pytest.importorskip("scipy.sparse")
    path, new = tmp_path / "x.npz", tmp_path / "new.npy"
    sparse.save_npz(path, getattr(sparse, f"{kind}_{'matrix' if is_matrix else 'array'}")(SPARSE))
    with pytest.raises(NpyFileError, match=r"x\.npz: .*a sparse matrix, .*save_npz") as caught:
        open_rows(path)
    (line,) = re.findall(r"np\.save\(new, .*\)(?=\.$)", str(caught.value))
    import scipy

    eval(line, {"np": np, "scipy": scipy, "path": path, "new": new})
    assert SPARSE.tolist() == open_rows(new)[:].tolist()


def test_archive_with_names_like_those_of_a_sparse_matrix_is_none(tmp_path: Path) -> None:
    """It lacks some."""
    np.savez(tmp_path / "x.npz", data=SPARSE, shape=np.array([3, 3]), indices=np.arange(3))
    with pytest.raises(NpyFileError, match="Name one of them"):
        open_rows(tmp_path / "x.npz")


def test_one_value_in_each_file_is_a_sample(tmp_path: Path, monkeypatch: Any) -> None:
    """Such as a label in each archive."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        np.savez(f"c{number}.npz", image=SPARSE, label=np.int64(7 + number))
        np.save(f"n{number}.npy", np.int64(number))
    for source, expected in (("c*.npz::label", [7, 8, 9]), ("n*.npy", [0, 1, 2])):
        with pytest.raises(NpyFileError, match=r"Pass keras_npy\.samples\(\.\.\.\) if each file"):
            open_rows(source)
        assert expected == keras_npy.samples(source)[:].tolist()


TABLES = [
    pytest.param("1,cat\n2,dog\n3,cat\n", [1, 2, 3], [0, 1, 0], id="csv"),
    pytest.param("id,kind\n1,cat\n2,ant\n", [1, 2], [1, 0], id="header"),
    pytest.param("1\tcat\t0.5\n2\tdog\t1.5\n", [[1, 0.5], [2, 1.5]], [0, 1], id="tabs"),
    pytest.param('"a","b"\n1,"x, y"\n2,"x"\n', [1, 2], [1, 0], id="quoted"),
    pytest.param("2021-01-02;1.5\n2021-01-01;1.6\n", [1.5, 1.6], [1, 0], id="dates"),
]


@pytest.mark.parametrize(("text", "numbers", "names"), TABLES)
def test_table_with_names_names_the_calls_that_read_it(
    tmp_path: Path, text: str, numbers: Any, names: Any
) -> None:
    """The columns of numbers, and a column of names."""
    path, new = tmp_path / "x.csv", tmp_path / "new.npy"
    path.write_text(text)
    with pytest.raises(NpyFileError, match="takes the numbers; ") as caught:
        open_rows(path)
    known = {"np": np, "path": path, "new": new}
    found = re.search(
        r"(np\.save\(new, .*\)) takes.*(np\.unique\(.*\)\[1\]) num", str(caught.value)
    )
    assert found is not None
    eval(found[1], known)
    assert numbers == open_rows(new)[:].tolist()
    assert names == eval(found[2], known).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1,2\n3,\n", [[1, 2], [3, np.nan]], id="csv"),
        pytest.param("a;b\n;3\n4;5\n", [[np.nan, 3], [4, 5]], id="header"),
    ],
)
def test_table_with_an_empty_cell_names_the_call_that_reads_it(
    tmp_path: Path, text: str, expected: Any
) -> None:
    """np.loadtxt refuses it."""
    path, new = tmp_path / "x.csv", tmp_path / "new.npy"
    path.write_text(text)
    with pytest.raises(NpyFileError, match="makes NaN of empty cells") as caught:
        open_rows(path)
    (line,) = re.findall(r"np\.save\(new, .*\)(?= makes)", str(caught.value))
    eval(line, {"np": np, "path": path, "new": new})
    np.testing.assert_array_equal(expected, open_rows(new)[:])
