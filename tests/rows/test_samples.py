"""One file is one sample: read when it is needed, compared with the first, named if it differs."""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence, open_rows, samples
from keras_npy.files import side_by_side
from tests.conftest import run_script
from tests.rows.contract import DTYPES, assert_same, random_values, write_npy

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


def save_each(folder: Path, array: np.ndarray) -> list[Path]:
    paths = [folder / f"s-{number}.npy" for number in range(len(array))]
    for path, sample in zip(paths, array, strict=True):
        np.save(path, sample)
    return paths


@pytest.fixture(params=["alone", "in-threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are in memory, and files that are waited for."""
    if request.param == "in-threads":
        monkeypatch.setattr(side_by_side, "SLOW_S", 0)


@pytest.fixture
def array() -> np.ndarray:
    return np.arange(40 * 6, dtype="int16").reshape(40, 2, 3)


@pytest.fixture
def paths(tmp_path: Path, array: np.ndarray) -> list[Path]:
    return save_each(tmp_path, array)


@pytest.mark.usefixtures("threads")
def test_samples_pattern_takes_files_in_natural_order(
    paths: list[Path], array: np.ndarray, tmp_path: Path
) -> None:
    """Row i is file i, and s-2 comes before s-10."""
    for source in (str(tmp_path / "*.npy"), str(tmp_path / "**/s-*.npy")):
        rows = samples(source)
        assert (array.shape, array.dtype, 40) == (rows.shape, rows.dtype, len(rows))
        np.testing.assert_array_equal(array, rows[:])
    assert f"{paths[0]} and 39 more samples" == rows.name
    assert f"{paths[0]} and 1 more sample" == samples(paths[:2]).name
    assert str(paths[0]) == samples(paths[:1]).name


def test_samples_list_keeps_its_order(paths: list[Path], array: np.ndarray) -> None:
    """A list is taken as it is, and its rows are open rows."""
    rows = open_rows(samples([*reversed(paths)]))
    np.testing.assert_array_equal(array[::-1], rows[:])
    mixed = samples([paths[3], f"{paths[0].parent}/s-1?.npy"])
    np.testing.assert_array_equal(array[[3, *range(10, 20)]], mixed[:])


def test_samples_of_scalars_are_labels(tmp_path: Path) -> None:
    """A file may hold a single value: N files make (N,)."""
    save_each(tmp_path, np.arange(12))
    rows = samples(str(tmp_path / "*.npy"))
    assert (12,) == rows.shape
    assert [11, 0] == rows[[11, 0]].tolist()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_samples_any_files_equal_stack(directory: Path, data: st.DataObject) -> None:
    """Whatever shape, dtype and layouts, mixed in one set, rows are the arrays of the files."""
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), "shape")
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES), "dtype"))
    number = data.draw(st.integers(1, 6), "files")
    stacked = random_values((number, *shape), dtype.name)
    for index in range(number):
        order, memory = data.draw(st.tuples(st.sampled_from("<>"), st.sampled_from("CF")), "layout")
        sample = np.asarray(stacked[index].astype(dtype.newbyteorder(order)), order=memory)
        path = directory / f"s-{index}.npy"
        path.unlink(missing_ok=True)
        write_npy(path, sample, data.draw(st.integers(96, 224), "offset"))
    indices = data.draw(st.lists(st.integers(-number, number - 1), min_size=1, max_size=40), "rows")
    rows = samples([directory / f"s-{index}.npy" for index in range(number)])
    assert_same(stacked[indices], rows[indices])


@pytest.mark.parametrize("order", ["C", "F"])
def test_samples_of_bfloat16_are_read_when_said(tmp_path: Path, order: Any) -> None:
    """Their headers say |V2; told what they are, rows are the values that were saved."""
    import ml_dtypes

    array = (np.arange(18).reshape(3, 2, 3) / 4).astype(ml_dtypes.bfloat16)
    for number, sample in enumerate(array):
        np.save(tmp_path / f"s-{number}.npy", np.asarray(sample, order=order))
    # One whose header is written otherwise.
    write_npy(tmp_path / "s-2.npy", np.asarray(array[2].view("V2"), order=order), 192)
    for source in (str(tmp_path / "s-*.npy"), [tmp_path / f"s-{n}.npy" for n in range(3)]):
        rows = samples(source, stored_dtype="bfloat16")
        assert "bfloat16" == rows.dtype.name
        assert_same(array, rows[:])
        assert_same(array[[2, 0]], pickle.loads(pickle.dumps(rows))[[2, 0]])
    with pytest.raises(
        NpyFileError, match=r"s-0\.npy: .*V2.*samples\(paths, stored_dtype='bfloat16'\)"
    ):
        samples(str(tmp_path / "s-*.npy"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_samples_dtype_of_files_that_say_their_own_is_refused(
    paths: list[Path], dtype: str
) -> None:
    """A dtype does not convert."""
    with pytest.raises(NpyFileError, match=rf"stored_dtype={dtype} for a file of .*int16"):
        samples(list(paths), stored_dtype=dtype)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("side", [3, 200], ids=["by-blocks", "by-batches"])
def test_sequence_of_samples_serves_what_arrays_serve(
    tmp_path: Path, shuffle: bool, side: int
) -> None:
    """Through the TensorFlow feed, in batches that threads read."""
    array = np.arange(40 * side * side, dtype="int32").reshape(40, side, side)
    save_each(tmp_path, array)
    x_of_files = samples(str(tmp_path / "*.npy"))
    seq = NpySequence(x_of_files, np.arange(40), batch_size=24, seed=0, check_names=False)
    for x, y in NpyDataAdapter(seq, shuffle).get_tf_dataset():
        np.testing.assert_array_equal(array[y], x)


# What is refused, and when.


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        pytest.param(np.zeros((2, 4), "int16"), r"shape and dtype.*int16 \(2, 4\)", id="shape"),
        pytest.param(np.zeros((2, 3), "int32"), r"shape and dtype.*int32 \(2, 3\)", id="dtype"),
        pytest.param(np.zeros((6,), "int16"), r"shape and dtype.*int16 \(6,\)", id="axes"),
        pytest.param(b"<html>", "an HTML page", id="html"),
        pytest.param(b"", "an empty file", id="empty"),
    ],
)
@pytest.mark.usefixtures("threads")
def test_take_sample_that_differs_is_named(paths: list[Path], contents: Any, message: str) -> None:
    """One file among many is named when it is read, and before; the others still are read."""
    if isinstance(contents, bytes):
        paths[7].write_bytes(contents)
    else:
        np.save(paths[7], contents)
    rows = samples(list(paths), check=False)
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[7]))}: .*{message}"):
        rows[:]
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[7]))}: .*{message}"):
        samples(list(paths))
    assert [3] == [len(row) for row in rows[[6]][:, 0]]


def test_take_truncated_sample_is_named(paths: list[Path]) -> None:
    """A file that was cut short is no sample of zeros."""
    os.truncate(paths[7], os.path.getsize(paths[7]) - 1)
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[7]))}: .*truncated"):
        samples(list(paths))[7]


@pytest.mark.parametrize("length", [None, 3], ids=["plain", "fitted"])
@pytest.mark.parametrize(
    ("missing", "note"),
    [
        pytest.param([0, 1, 2, 3], "So are 3 more of 4 files", id="all"),
        pytest.param([0, 1], "So is 1 more of 4 files", id="first"),
        pytest.param([2, 3], "So is 1 more of 4 files", id="last"),
        pytest.param([2], None, id="one"),
    ],
)
def test_samples_that_are_missing_are_a_file_not_found_error(
    tmp_path: Path, missing: list[int], note: str | None, length: int | None
) -> None:
    """Whichever they are: one `except` is enough. The note names one more."""
    given = [tmp_path / f"s{number}.npy" for number in range(4)]
    for number in {0, 1, 2, 3}.difference(missing):
        np.save(given[number], np.zeros((3, 4)))
    with pytest.raises(FileNotFoundError, match=f"s{missing[0]}") as raised:
        samples(given, length=length)
    assert str(given[missing[0]]) == raised.value.filename
    notes = getattr(raised.value, "__notes__", [])
    assert [] == notes if note is None else notes[0].startswith(note)
    assert all(str(given[missing[1]]) in one for one in notes)


def test_samples_that_are_missing_among_other_faults_are_named_with_them(tmp_path: Path) -> None:
    """It is no error of the system then."""
    np.save(tmp_path / "0.npy", np.zeros(3))
    np.save(tmp_path / "1.npy", np.zeros(4))
    with pytest.raises(NpyFileError, match=r"2 of 3 files") as raised:
        samples([tmp_path / f"{number}.npy" for number in range(3)])
    assert "No such file" in str(raised.value)


def test_take_missing_sample_lets_the_systems_error_pass(paths: list[Path]) -> None:
    """A file that went is a `FileNotFoundError` that names it."""
    rows = samples(list(paths))
    paths[7].unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(str(paths[7]))):
        rows[:]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_take_sample_that_is_no_file_is_refused(paths: list[Path], make: Any) -> None:
    """Neither blocks nor is read."""
    paths[7].unlink()
    make(paths[7])
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[7]))}: only regular files"):
        samples(list(paths))[7]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        pytest.param([], ValueError, "at least one file.*empty list", id="empty-list"),
        pytest.param(3, TypeError, "pattern or a list.*int", id="integer"),
        pytest.param([3], TypeError, "pattern or a list.*a list with int", id="list-of-integers"),
        pytest.param("no-such-*.npy", ValueError, "at least one file.*no match", id="no-match"),
    ],
)
def test_samples_other_source_is_refused(source: Any, error: Any, message: str) -> None:
    """What names no files is refused with what would."""
    with pytest.raises(error, match=message):
        samples(source)


# Size.


def test_samples_of_20_000_files_are_not_scanned_if_it_is_asked_for(tmp_path: Path) -> None:
    """Only the first file is looked at: the others need not even be there."""
    np.save(tmp_path / "s-0.npy", np.zeros(3))
    paths = [tmp_path / f"s-{number}.npy" for number in range(20_000)]
    rows = samples(list(paths), check=False)
    assert (20_000, 3) == rows.shape
    assert [[0, 0, 0]] == rows[[0]].tolist()
    assert 200_000 > len(pickle.dumps(rows))


def test_samples_leave_no_descriptor_and_no_thread(paths: list[Path]) -> None:
    """Files are closed as they are read, and threads end with the rows."""
    printed = run_script(
        """
        import gc, os, sys, threading
        from keras_npy import samples
        from keras_npy.files import side_by_side
        side_by_side.SLOW_S = 0
        before = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            rows = samples(f"{sys.argv[1]}/*.npy")
            rows[:]
            assert threading.active_count() > before[0]
            del rows
        gc.collect()
        for thread in set(threading.enumerate()) - {threading.main_thread()}:
            thread.join(20)
        print(before == (threading.active_count(), len(os.listdir("/proc/self/fd"))))
        """,
        paths[0].parent,
    )
    assert "True" == printed


@pytest.mark.parametrize(
    ("other", "remedy"),
    [
        pytest.param(np.zeros(3, "float32"), "Convert this file, or leave it out.", id="dtype"),
        pytest.param(
            np.zeros(4), "Convert this file, leave it out, or pass length= for samples", id="length"
        ),
    ],
)
def test_length_is_advised_for_samples_of_another_length_alone(
    tmp_path: Path, other: np.ndarray, remedy: str
) -> None:
    """It changes no dtype; the remedy for one does."""
    np.save(tmp_path / "0.npy", np.zeros(3))
    np.save(tmp_path / "1.npy", other)
    with pytest.raises(NpyFileError, match=rf"1\.npy: each sample.*in .*0\.npy\. {remedy}"):
        samples(tmp_path / "*.npy")
    if "length=" in remedy:
        assert (2, 3) == samples(tmp_path / "*.npy", length=3).shape
    np.save(tmp_path / "1.npy", other[:3].astype("float64"))
    assert (2, 3) == samples(tmp_path / "*.npy").shape
