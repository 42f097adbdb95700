"""Rows by index: those that `np.load` gives, whatever they lie in and whoever reads them."""

import os
import pickle
import re
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_npy import NpyFileError, open_rows

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


def random_values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Any bit patterns, NaN and infinity among them; of booleans the two that NumPy writes."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype) == bool:
        return rng.random(shape) < 0.5
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(rng.bytes(nbytes), dtype).reshape(shape)


def assert_same(expected: np.ndarray, rows: np.ndarray) -> None:
    """The same shape and bits, in this machine's byte order."""
    native = expected.dtype.newbyteorder("=")
    assert (expected.shape, native) == (rows.shape, rows.dtype)
    assert rows.dtype.isnative
    assert expected.astype(native).tobytes() == rows.tobytes()


def write_npy(path: Path, array: np.ndarray, offset_bytes: int) -> None:
    """A file as other writers leave it, whose data begins at `offset_bytes`."""
    order = array.flags.f_contiguous and not array.flags.c_contiguous
    text = f"{{'descr':'{array.dtype.str}','fortran_order':{order},'shape':{array.shape}}}"
    raw = text.encode().ljust(offset_bytes - 11) + b"\n"
    assert offset_bytes == 10 + len(raw)
    path.write_bytes(
        b"\x93NUMPY\1\0" + len(raw).to_bytes(2, "little") + raw + array.tobytes(order="A")
    )


# Values.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("byte_order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_open_rows_each_dtype_and_order_equals_load(
    tmp_path: Path, dtype: str, byte_order: str, order: str
) -> None:
    """Rows are those of `np.load` for each dtype, byte order and memory order."""
    stored = np.dtype(dtype).newbyteorder(byte_order)
    array = np.asarray(random_values((7, 3, 2), dtype).astype(stored), order=order)
    np.save(tmp_path / "x.npy", array)
    rows, loaded = open_rows(tmp_path / "x.npy"), np.load(tmp_path / "x.npy")
    assert ((7, 3, 2), np.dtype(dtype), 7) == (rows.shape, rows.dtype, len(rows))
    for indices in ([4, 0, 6, 4], [2], [0, 1, 2, 3, 4, 5, 6]):
        assert_same(loaded[indices], rows[indices])
        out = np.empty((len(indices), 3, 2), dtype)
        rows.read_into(np.array(indices), out)
        assert_same(loaded[indices], out)


@pytest.mark.parametrize("offset_bytes", [80, 82, 83])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["|u1", "|b1", "<i2", "<f4", ">f4", "<f8", "<c16"])
def test_open_rows_data_at_any_offset_equals_load(
    tmp_path: Path, offset_bytes: int, order: str, dtype: str
) -> None:
    """Data that starts at no multiple of its own size, as old writers left it, is read."""
    array = np.asarray(random_values((6, 4), dtype), order=order)
    write_npy(tmp_path / "x.npy", array, offset_bytes)
    rows, loaded = open_rows(tmp_path / "x.npy"), np.load(tmp_path / "x.npy")
    assert_same(loaded[[5, 0, 3]], rows[[5, 0, 3]])
    assert_same(loaded, rows[:])


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


@pytest.mark.parametrize("order", ["C", "F"])
def test_take_bool_file_with_other_bytes_gives_booleans(tmp_path: Path, order: Any) -> None:
    """Any byte but 0 is true, and is handed over as 1, which frameworks rely on."""
    stored = np.array([[0, 1], [2, 255], [128, 0]], "uint8").view(bool)
    write_npy(tmp_path / "x.npy", np.asarray(stored, order=order), offset_bytes=128)
    rows = open_rows(tmp_path / "x.npy")
    assert [[1, 0], [0, 1], [1, 1]] == rows[[2, 0, 1]].view(np.uint8).tolist()
    assert rows.alias() is None
    out = np.empty((1, 2), bool)
    rows.read_into(np.array([1]), out)
    assert [[1, 1]] == out.view(np.uint8).tolist()


# Indexing.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 10 rows of 3 int32."""
    np.save(tmp_path / "x.npy", np.arange(30, dtype="int32").reshape(10, 3))
    return tmp_path / "x.npy"


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(4, id="integer"),
        pytest.param(-1, id="negative-integer"),
        pytest.param(np.int64(4), id="numpy-integer"),
        pytest.param(np.uint8(4), id="numpy-uint8"),
        pytest.param(slice(None), id="all"),
        pytest.param(slice(2, 5), id="slice"),
        pytest.param(slice(-3, None), id="slice-from-the-end"),
        pytest.param(slice(None, None, -3), id="slice-backwards"),
        pytest.param(slice(8, 99), id="slice-past-the-end"),
        pytest.param([9, 0, 9, -10], id="list"),
        pytest.param(np.array([3, 1]), id="array"),
        pytest.param(range(1, 9, 4), id="range"),
        pytest.param(np.arange(10) % 4 == 1, id="mask"),
        pytest.param([True, False] * 5, id="list-as-mask"),
    ],
)
def test_getitem_index_means_what_it_means_in_numpy(path: Path, index: Any) -> None:
    """Integers, slices, lists and masks give what the loaded array gives for them."""
    assert_same(np.load(path)[index], open_rows(path)[index])


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


def test_take_never_gives_a_view(path: Path) -> None:
    """Rows that were taken can be written to, and leave the file and the source alone."""
    array = np.arange(6).reshape(3, 2)
    for rows in (open_rows(path), open_rows(array)):
        before = rows[:]
        for taken in (rows[:], rows[1:2], rows.take(np.arange(len(rows)))):
            assert not np.shares_memory(array, taken)
            taken[...] = 0
        np.testing.assert_array_equal(before, rows[:])


def test_array_of_plain_file_is_the_mapped_data(path: Path) -> None:
    """`array` is all rows at once, read-only and C-contiguous, without a copy."""
    array = open_rows(path).alias()
    assert array is not None
    assert (True, False, False) == (
        array.flags.c_contiguous,
        array.flags.writeable,
        array.flags.owndata,
    )
    assert_same(np.load(path), array)


@pytest.mark.parametrize(
    ("dtype", "order"),
    [
        pytest.param("<f4", "F", id="fortran"),
        pytest.param(">f4", "C", id="big-endian"),
        pytest.param("|b1", "C", id="bool"),
    ],
)
def test_array_of_file_that_must_be_copied_is_none(tmp_path: Path, dtype: str, order: str) -> None:
    """There is no `array` where the mapped data are not yet the rows."""
    write_npy(tmp_path / "x.npy", np.asarray(random_values((5, 4), dtype), order=order), 128)
    assert open_rows(tmp_path / "x.npy").alias() is None


def strided(path: Path, array: np.ndarray) -> Any:
    doubled = np.zeros((len(array), 2 * array.shape[1]), array.dtype)
    doubled[:, ::2] = array
    return doubled[:, ::2]


def stored_as(dtype: str, order: str, offset_bytes: int) -> Callable[[Path, np.ndarray], Any]:
    def store(path: Path, array: np.ndarray) -> Any:
        write_npy(path, np.asarray(array.astype(dtype), order=order), offset_bytes)
        return path

    return store


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(stored_as("<f4", "C", 128), id="plain"),
        pytest.param(stored_as("<f4", "F", 128), id="fortran"),
        pytest.param(stored_as(">f4", "C", 128), id="big-endian"),
        pytest.param(stored_as(">f4", "F", 128), id="big-endian-fortran"),
        pytest.param(stored_as("<f4", "C", 82), id="misaligned"),
        pytest.param(stored_as("<f4", "F", 82), id="misaligned-fortran"),
        pytest.param(stored_as("|b1", "C", 128), id="bool"),
        pytest.param(stored_as("|b1", "F", 128), id="bool-fortran"),
        pytest.param(strided, id="strided-array"),
    ],
)
def test_take_few_rows_takes_the_memory_of_few_rows(
    tmp_path: Path, store: Callable[[Path, np.ndarray], Any]
) -> None:
    """Taking 10 of 1,000 rows never costs a copy of the file, however it is stored."""
    array = np.arange(1_000_000, dtype="float32").reshape(1000, 1000)
    rows = open_rows(store(tmp_path / "x.npy", array))
    indices = np.arange(5, 995, 100)
    tracemalloc.start()
    try:
        taken = rows.take(indices)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(array[indices].astype(taken.dtype), taken)
    assert peak_bytes < 4 * 10 * rows.row_bytes


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
    "source",
    [
        pytest.param(None, id="none"),
        pytest.param([[1, 2], [3, 4]], id="list"),
        pytest.param(3, id="integer"),
        pytest.param(b"x.npy", id="bytes"),
        pytest.param(np.float32(3), id="numpy-scalar"),
        pytest.param(iter([1]), id="iterator"),
    ],
)
def test_open_rows_other_type_is_refused(source: Any) -> None:
    """What is neither a path nor an array is called by its type."""
    received = re.escape(type(source).__name__)
    with pytest.raises(TypeError, match=rf"path .* or a NumPy array.*: {received}\. Pass a path"):
        open_rows(source)


@pytest.mark.parametrize(
    ("error", "array", "message"),
    [
        pytest.param(
            TypeError, np.array([1, "a"], "O"), r"dtypes .*object \(2,\).*astype", id="object"
        ),
        pytest.param(TypeError, np.array(["ab"]), r"dtypes .*<U2 \(1,\).*astype", id="string"),
        pytest.param(
            TypeError, np.zeros(2, "<i4,<f4"), r"dtypes .*'f0'.* \(2,\).*astype", id="structured"
        ),
        pytest.param(
            TypeError, np.zeros(2, "M8[s]"), r"dtypes .*datetime64.* \(2,\)", id="datetime"
        ),
        pytest.param(TypeError, np.zeros(2, "V2"), r"dtypes .*\|V2 \(2,\)", id="void"),
        pytest.param(ValueError, np.array(5), r"at least one row.* int64 \(\)\. Axis 0", id="0-d"),
        pytest.param(
            ValueError, np.zeros((0, 3)), r"at least one row.* \(0, 3\)\. Axis 0", id="no-rows"
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


# Other processes.


def test_pickle_of_a_file_is_small_and_reads_the_same(tmp_path: Path) -> None:
    """Rows of a megabyte are pickled in under 4 kB, and read the same rows elsewhere."""
    array = np.arange(1 << 18, dtype="int32").reshape(1 << 10, -1)
    np.save(tmp_path / "x.npy", array)
    rows = open_rows(tmp_path / "x.npy")
    pickled = pickle.dumps(rows)
    assert len(pickled) < 4096
    copy = pickle.loads(pickled)
    assert (rows.shape, rows.dtype, rows.name) == (copy.shape, copy.dtype, copy.name)
    np.testing.assert_array_equal(array[[1000, 3]], copy[[1000, 3]])


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


def test_check_unchanged_of_a_changed_file_is_refused(path: Path) -> None:
    """Rows that are open say when their file was written to."""
    rows = open_rows(path)
    rows.check_unchanged()
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}: .*must not change"):
        rows.check_unchanged()


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
