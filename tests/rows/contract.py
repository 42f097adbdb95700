"""What every source of rows promises, written once: each source subclasses `RowsContract`."""

import os
import pickle
import re
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from keras_npy import NpyFileError
from keras_npy.rows.base import Rows
from keras_npy.types import Io

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]

NUM_ROWS = 11


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


INDICES = [
    pytest.param(4, id="integer"),
    pytest.param(-1, id="negative-integer"),
    pytest.param(np.uint8(4), id="numpy-integer"),
    pytest.param(slice(None), id="all"),
    pytest.param(slice(-3, None), id="slice-from-the-end"),
    pytest.param(slice(None, None, -3), id="slice-backwards"),
    pytest.param(slice(5, 99), id="slice-past-the-end"),
    pytest.param([4, 0, 4, -1, 2], id="unsorted-and-repeated"),
    pytest.param(np.array([3, 1]), id="array"),
    pytest.param(range(1, 6, 4), id="range"),
    pytest.param(lambda rows: np.arange(len(rows)) % 4 == 1, id="mask"),
]


class RowsContract:
    """The rows of a source are those of the array that was stored, however they are asked for.

    A subclass writes `make`, and what else is not as it stands here.
    """

    dtypes: ClassVar[list[str]] = DTYPES
    row_shape: ClassVar[tuple[int, ...]] = (3, 2)
    large_row_shape: ClassVar[tuple[int, ...]] = (40, 50)
    keeps_booleans = True
    """Whether rows of a bool source are its booleans, and not other values."""
    has_alias: ClassVar[bool] = False
    """Whether rows of floats lie in mapped memory as they are."""
    io: ClassVar[Io] = "map"
    """How the files of the source are read."""

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        """Store an array, and open it."""
        raise NotImplementedError

    def expected(self, array: np.ndarray) -> np.ndarray:
        """The rows of a source that `make` made."""
        return array

    def files(self, folder: Path) -> dict[Path, int]:
        """Files, each with a row that lies in it."""
        return {}

    def look(self, rows: Rows, indices: np.ndarray) -> None:
        """Notice that a file has changed."""
        rows.prepare(indices)

    @pytest.fixture(autouse=True)
    def _set_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limit(monkeypatch)

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set what decides how a source reads."""

    @pytest.fixture
    def array(self) -> np.ndarray:
        return random_values((NUM_ROWS, *self.row_shape), self.dtypes[-1])

    @pytest.fixture
    def rows(self, tmp_path: Path, array: np.ndarray) -> Rows:
        return self.make(tmp_path, array)

    def test_rows_of_each_dtype_are_what_was_stored(self, tmp_path: Path) -> None:
        """Bit by bit, and described as the array would be."""
        for dtype in self.dtypes:
            folder = tmp_path / dtype
            folder.mkdir()
            array = random_values((NUM_ROWS, *self.row_shape), dtype)
            rows, expected = self.make(folder, array), self.expected(array)
            assert (expected.shape, expected.ndim, expected.size, len(expected)) == (
                rows.shape,
                rows.ndim,
                rows.size,
                len(rows),
            )
            assert (expected.dtype, expected.nbytes) == (rows.dtype, rows.nbytes)
            assert_same(expected, rows[:])
            assert_same(expected, np.asarray(rows))

    def test_bytes_other_than_0_and_1_are_true(self, tmp_path: Path) -> None:
        """Any byte but 0 is handed over as 1, which frameworks rely on."""
        if not self.keeps_booleans:
            return
        array = np.arange(NUM_ROWS * 6, dtype="uint8").reshape(NUM_ROWS, 3, 2) * 51 % 204
        rows = self.make(tmp_path, array.view(bool))
        assert_same(self.expected(array != 0), rows[:])
        assert {0, 1} == set(rows[:].view(np.uint8).reshape(-1).tolist())
        assert rows.alias() is None

    @pytest.mark.parametrize("index", INDICES)
    def test_index_means_what_it_means_in_numpy(
        self, rows: Rows, array: np.ndarray, index: Any
    ) -> None:
        """Integers, slices, lists and masks, of rows in any order and more than once."""
        index = index(rows) if callable(index) else index
        assert_same(self.expected(array)[index], rows[index])

    def test_read_into_fills_the_memory_given_and_no_more(
        self, rows: Rows, array: np.ndarray
    ) -> None:
        """Memory of the caller's, between other memory."""
        indices = np.array([4, 0, 4, 2])
        memory = np.full((6, rows.row_bytes), 0xAB, np.uint8)
        out = memory[1:5].view(rows.dtype).reshape(4, *rows.row_shape)
        for _ in range(2):
            rows.read_into(indices, out)
            assert_same(self.expected(array)[indices], out)
        assert [0xAB] * 2 * rows.row_bytes == memory[[0, 5]].reshape(-1).tolist()

    def test_rows_taken_may_be_written_to(self, rows: Rows, array: np.ndarray) -> None:
        """They are never a view of the source."""
        for taken in (rows[:], rows[1:2], rows.take(np.arange(len(rows)))):
            taken.view(np.uint8)[...] = 0xAB
        assert_same(self.expected(array), rows[:])

    def test_prepare_changes_no_values(self, rows: Rows, array: np.ndarray) -> None:
        """Of rows in any order, as often as one likes."""
        for indices in ([0], [4, 1, 4], range(len(rows))):
            rows.prepare(np.array(indices))
            rows.check_unchanged(np.array(indices))
        rows.check_unchanged()
        assert_same(self.expected(array), rows[:])

    def test_rows_say_how_their_files_are_read(self, tmp_path: Path, rows: Rows) -> None:
        """Rows in memory have no files."""
        assert (self.io if self.files(tmp_path) else None) == rows.io

    def test_alias_is_all_rows_or_nothing(self, rows: Rows, array: np.ndarray) -> None:
        """Read-only, C-contiguous and without a copy."""
        alias = rows.alias()
        assert self.has_alias == (alias is not None)
        if alias is not None:
            assert_same(self.expected(array), alias)
            assert (True, False, False) == (
                alias.flags.c_contiguous,
                alias.flags.writeable,
                alias.flags.owndata,
            )

    def test_pickled_rows_read_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In another process, in another directory; what lies in files is not sent."""
        array = random_values((NUM_ROWS, *self.large_row_shape), self.dtypes[-1])
        rows = self.make(tmp_path, array)
        rows[:]
        pickled = pickle.dumps(rows)
        assert not self.files(tmp_path) or 4096 > len(pickled)
        monkeypatch.chdir("/")
        again = pickle.loads(pickled)
        assert (rows.name, rows.shape, rows.dtype) == (again.name, again.shape, again.dtype)
        assert_same(self.expected(array), again[:])
        again.prepare(np.array([0]))

    def test_a_changed_file_is_named(self, tmp_path: Path, array: np.ndarray) -> None:
        """When its rows come up, and not before."""
        files = self.files(tmp_path)
        for path, index in files.items():
            rows = self.make(tmp_path, array)
            for at in files.values():
                self.look(rows, np.array([at]))
            os.utime(path, ns=(1, 1))
            for other, at in files.items():
                if other != path:
                    self.look(rows, np.array([at]))
            with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}: .*must not change"):
                self.look(rows, np.array([index]))

    @pytest.mark.parametrize("read", [np.asarray, lambda rows: rows[:]], ids=["asarray", "index"])
    def test_reading_a_changed_file_is_refused(
        self, tmp_path: Path, array: np.ndarray, read: Callable[[Rows], np.ndarray]
    ) -> None:
        """By whichever way a user reads."""
        for path in self.files(tmp_path):
            rows = self.make(tmp_path, array)
            read(rows)
            os.utime(path, ns=(1, 1))
            with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}: .*must not change"):
                read(rows)

    def test_reading_few_rows_takes_no_memory_of_all(self, tmp_path: Path) -> None:
        """Ten of 500 rows never cost a copy of the source, however it is stored."""
        array = random_values((500, *self.large_row_shape), self.dtypes[-1])
        rows = self.make(tmp_path, array)
        indices = np.arange(5, 495, 49)
        tracemalloc.start()
        try:
            rows.prepare(indices)
            taken = rows.take(indices)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert_same(self.expected(array)[indices], taken)
        assert peak_bytes < 5 * taken.nbytes + (64 << 10)

    def test_rows_are_read_from_several_threads(self, rows: Rows, array: np.ndarray) -> None:
        """Each gets its own rows."""
        expected, wrong = self.expected(array), []

        def read(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(50):
                indices = rng.integers(0, len(expected), 7)
                if expected[indices].tobytes() != rows.take(indices).tobytes():
                    wrong.append(indices)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [] == wrong
