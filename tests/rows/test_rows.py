"""Rows by index: those that `np.load` gives, whatever they lie in and whoever reads them."""

import os
import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_npy import NpyFileError, open_rows
from tests.rows.contract import DTYPES, assert_same, random_values, write_npy

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


# Values.


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@given(data=st.data())
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_open_rows_any_array_equals_load(directory: Path, data: st.DataObject) -> None:
    """Whatever the shape, dtype, orders, offset and indices, rows are those of `np.load`."""
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), "shape")
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES), "dtype"))
    stored = dtype.newbyteorder(data.draw(st.sampled_from("<>"), "byte order"))
    values = random_values(shape, dtype.name, data.draw(st.integers(0, 999), "seed"))
    array = np.asarray(values.astype(stored), order=data.draw(st.sampled_from("CF"), "order"))
    indices = data.draw(
        st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=9), "indices"
    )
    path = directory / "x.npy"
    # Not over the file that the last example may still have mapped.
    path.unlink(missing_ok=True)
    write_npy(path, array, data.draw(st.integers(96, 224), "offset"))
    assert_same(np.load(path)[indices], open_rows(path)[indices])
    assert_same(array[indices], open_rows(array)[indices])


# Indexing.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 10 rows of 3 int32."""
    np.save(tmp_path / "x.npy", np.arange(30, dtype="int32").reshape(10, 3))
    return tmp_path / "x.npy"


@pytest.mark.parametrize(
    ("error", "index", "message"),
    [
        pytest.param(IndexError, 10, "-10 <= index < 10.*Received: 10", id="too-high"),
        pytest.param(IndexError, -11, "-10 <= index < 10.*Received: -11", id="too-low"),
        pytest.param(IndexError, [0, 10], "Received: 10", id="list-too-high"),
        pytest.param(ValueError, [True], "a mask of shape .* for 10 rows", id="short-mask"),
        pytest.param(TypeError, 1.0, "Received: float", id="float"),
        pytest.param(TypeError, "a", "Received: str", id="string"),
        # NumPy reads a tuple as one index per axis; rows 0 and 1 would be another thing.
        pytest.param(TypeError, (0, 1), "Received: .*tuple", id="tuple"),
    ],
)
def test_getitem_no_row_index_is_refused(
    path: Path, error: type[Exception], index: Any, message: str
) -> None:
    """What is out of range, or would mean something else in NumPy, is refused."""
    rows = open_rows(path)
    with pytest.raises(error, match=message):
        rows[index]


def test_iteration_gives_each_row_and_ends(path: Path) -> None:
    """A loop over the rows ends with the last one."""
    assert np.load(path).tolist() == [row.tolist() for row in open_rows(path)]


def test_rows_say_their_size_and_where_they_come_from(path: Path) -> None:
    """`shape`, sizes in bytes and `repr` are those of the array in the file."""
    rows = open_rows(path)
    assert ((10, 3), (3,), 12, 120) == (rows.shape, rows.row_shape, rows.row_bytes, rows.nbytes)
    assert f"Rows({path}, int32 (10, 3))" == repr(rows)
    assert str(path) == rows.name


# Memory: views, copies and what is held.


# Sources.


def test_open_rows_array_is_read_in_place() -> None:
    """An array is not copied, and what is written to it later is read."""
    array = np.arange(6).reshape(3, 2)
    rows = open_rows(array)
    assert rows.alias() is None
    array[2] = 9
    assert [[9, 9], [0, 1]] == rows[[2, 0]].tolist()
    rows.check_unchanged()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda array: array.T, id="transposed"),
        pytest.param(lambda array: array[::-2], id="reversed"),
        pytest.param(lambda array: array[:, 1::2], id="strided"),
        pytest.param(lambda array: array.astype(">i8"), id="big-endian"),
        pytest.param(lambda array: np.broadcast_to(array[0], array.shape), id="broadcast"),
        pytest.param(lambda array: array % 2 == 0, id="bool"),
        pytest.param(lambda array: array[0], id="1-d"),
    ],
)
def test_open_rows_array_in_any_layout_keeps_its_rows(make: Callable[..., np.ndarray]) -> None:
    """Views of every kind give the rows that they show, and no view that is none."""
    array = make(np.arange(36).reshape(6, 6))
    assert_same(array[[2, 0, 1]], open_rows(array)[[2, 0, 1]])


def test_open_rows_memmap_becomes_a_plain_array(path: Path) -> None:
    """A subclass of an array, which would bring its own indexing, is read as an array."""
    rows = open_rows(np.load(path, mmap_mode="r"))
    assert np.ndarray is type(rows[:2])
    assert_same(np.load(path)[[7, 2]], rows[[7, 2]])


def test_open_rows_of_rows_are_the_same_rows(path: Path) -> None:
    """Rows that are open already are handed back."""
    rows = open_rows(path)
    assert open_rows(rows) is rows


@pytest.mark.parametrize("convert", [str, Path, os.fspath], ids=["str", "Path", "fspath"])
def test_open_rows_path_of_either_type_is_a_file(path: Path, convert: Callable[..., Any]) -> None:
    """A path may be a string or path-like."""
    assert str(path) == open_rows(convert(path)).name


@pytest.mark.parametrize(
    ("source", "received"),
    [
        pytest.param(None, r"NoneType\. Pass the path", id="none"),
        pytest.param([None, "x.npy"], r"a list with NoneType\. Leave None out", id="none-in-list"),
        pytest.param([[1, 2], [3, 4]], r"a list with int\. Pass the path", id="list"),
        pytest.param([np.arange(3), 4], r"a list with int\. Pass the path", id="number-in-list"),
        pytest.param(3, r"int\. Pass the path", id="integer"),
        pytest.param(b"x.npy", r"bytes\. Pass os\.fsdecode", id="bytes"),
        pytest.param(np.float32(3), r"float32\. Pass the path", id="numpy-scalar"),
        pytest.param(iter([1]), r"list_iterator\. Pass sorted\(source\)", id="iterator"),
    ],
)
def test_open_rows_other_type_is_refused(source: Any, received: str) -> None:
    """What is neither a path nor an array is called by its type, with what makes one of it."""
    with pytest.raises(TypeError, match=rf"path .* or a NumPy array.*Received: {received}"):
        open_rows(source)


@pytest.mark.parametrize(
    ("error", "array", "message"),
    [
        pytest.param(
            TypeError, np.array([1, "a"], "O"), r"dtypes .*object \(2,\).*astype", id="object"
        ),
        pytest.param(TypeError, np.array(["ab"]), r"dtypes .*<U2 \(1,\).*np.unique", id="string"),
        pytest.param(
            TypeError,
            np.zeros(2, "<i4,<f4"),
            r"dtypes .*'f0'.* \(2,\).*array\['f0'\]",
            id="structured",
        ),
        pytest.param(
            TypeError, np.zeros(2, "M8[s]"), r"dtypes .*datetime64.* \(2,\)", id="datetime"
        ),
        pytest.param(TypeError, np.zeros(2, "V2"), r"dtypes .*\|V2 \(2,\)", id="void"),
        pytest.param(ValueError, np.array(5), r"at least one row.* int64 \(\)\. Axis 0", id="0-d"),
        pytest.param(
            ValueError,
            np.zeros((0, 3)),
            r"at least one row.* \(0, 3\)\. Leave the empty",
            id="no-rows",
        ),
        pytest.param(ValueError, np.zeros((3, 0)), r"a row one value.* \(3, 0\)\.", id="no-values"),
    ],
)
def test_open_rows_array_that_cannot_be_streamed_is_refused(
    error: type[Exception], array: np.ndarray, message: str
) -> None:
    """An array is held to the same rules as a file, and is none in the error."""
    with pytest.raises(error, match=message) as refusal:
        open_rows(array)
    assert not isinstance(refusal.value, NpyFileError)


@pytest.mark.parametrize("dtype", [None, "float64"])
def test_array_of_rows_is_all_of_them(path: Path, dtype: Any) -> None:
    """NumPy functions take rows as an array, which is new."""
    array = np.asarray(open_rows(path), dtype)
    assert_same(np.load(path).astype(dtype or "int32"), array)
    assert array.flags.writeable
    assert 435 == np.sum(open_rows(path))


def test_array_of_rows_without_a_copy_is_refused(path: Path) -> None:
    """Rows are read: there is nothing to be shared."""
    with pytest.raises(ValueError, match=r"new array.*copy=False for .*x\.npy.*np\.asarray"):
        open_rows(path).__array__(copy=False)


# Other processes.


def test_pickle_of_a_relative_path_is_read_from_another_directory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pickle knows the file, not the directory that it was opened from."""
    monkeypatch.chdir(path.parent)
    pickled = pickle.dumps(open_rows("x.npy"))
    monkeypatch.chdir("/")
    assert [[0, 1, 2]] == pickle.loads(pickled)[[0]].tolist()


def test_unpickle_of_a_replaced_file_is_refused(path: Path) -> None:
    """Another file at the same path is not taken for the one that was pickled."""
    pickled = pickle.dumps(open_rows(path))
    np.save(path.with_name("new.npy"), np.load(path))
    os.replace(path.with_name("new.npy"), path)
    message = rf"^{re.escape(str(path))}: .*must not change.*Received: another inode.*new Npy"
    with pytest.raises(NpyFileError, match=message):
        pickle.loads(pickled)


READ_IN_A_CHILD = """
    import multiprocessing
    import sys

    from keras_npy import open_rows


    def send(rows, connection):
        connection.send(rows[[9, 0, 4]].tolist())


    if __name__ == "__main__":
        method, path = sys.argv[1:]
        context = multiprocessing.get_context(method)
        receiver, sender = context.Pipe(duplex=False)
        rows = open_rows(path)
        child = context.Process(target=send, args=(rows, sender))
        child.start()
        assert receiver.poll(60), "the child sent nothing"
        print(receiver.recv())
        child.join(60)
        assert 0 == child.exitcode, child.exitcode
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_rows_in_a_child_process_are_the_same(path: Path, method: str) -> None:
    """A child that inherits the rows, or is sent them, reads what its parent reads."""
    script = path.with_name("read_in_a_child.py")
    script.write_text(textwrap.dedent(READ_IN_A_CHILD))
    # Of its own, since a fork of this process would copy the threads' locks without the threads.
    finished = subprocess.run(
        [sys.executable, script, method, path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert 0 == finished.returncode, finished.stderr[-3000:]
    assert str(np.load(path)[[9, 0, 4]].tolist()) == finished.stdout.splitlines()[-1]


def test_open_rows_masked_array_is_refused() -> None:
    """A mask would be lost without a word."""
    with pytest.raises(TypeError, match=r"no mask.*Received: an array of.*filled"):
        open_rows(np.ma.array([1, 2, 3], mask=[0, 1, 0]))
