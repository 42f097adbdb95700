"""Rows are asked for ahead of their use, and only if they are not in memory."""

import errno
import itertools
import mmap
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy import open_rows
from keras_npy.feeds import batches
from keras_npy.files import advice
from keras_npy.rows.stored import StoredRows
from tests.conftest import Stored, make_model, run_script

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

PAGE = mmap.PAGESIZE


@settings(deadline=None, derandomize=True, database=None)
@given(
    rows=st.lists(st.integers(0, 300), min_size=1, max_size=50),
    row_bytes=st.integers(1, 3 * PAGE),
    address=st.integers(0, 5 * PAGE),
)
def test_page_ranges_cover_the_rows_and_nothing_else(
    rows: list[int], row_bytes: int, address: int
) -> None:
    """Every page of a row is in one range, no other page is, and ranges lie apart."""
    starts, sizes = advice.page_ranges(address, row_bytes, np.array(rows))
    wanted = {
        page
        for row in rows
        for page in range(
            (address + row * row_bytes) // PAGE, (address + (row + 1) * row_bytes - 1) // PAGE + 1
        )
    }
    ranges = list(zip((starts // PAGE).tolist(), (sizes // PAGE).tolist(), strict=True))
    covered = [page for start, size in ranges for page in range(start, start + size)]
    assert sorted(wanted) == covered
    for (start, size), (next_start, _) in itertools.pairwise(ranges):
        assert start + size < next_start


def test_advise_resident_rows_asks_for_nothing(tmp_path: Path) -> None:
    """If all rows that are looked at are in memory the advice is left out, else all are asked."""
    np.save(tmp_path / "x.npy", np.ones((500, PAGE), "uint8"))
    mapped = np.memmap(tmp_path / "x.npy", mode="r")
    address = mapped.ctypes.data
    asked: list[list[int]] = []

    def look(offsets: Any) -> bool:
        asked.append(list(offsets))
        return True

    assert 0 == advice.advise_rows(address, PAGE, np.arange(400), look)
    assert 16 == len(asked[0])
    assert (0, 399 * PAGE) == (asked[0][0], asked[0][-1])
    assert 1 == advice.advise_rows(address, PAGE, np.arange(400), lambda _: False)
    assert 2 == advice.advise_rows(address, PAGE, np.array([300, 5]), lambda _: False)


def test_advice_of_large_ranges_is_given_in_pieces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The kernel drops what is beyond 128 KiB of one call, on most disks; by address and by file.

    All bytes of the rows, and no others.
    """
    path = tmp_path / "x.npy"
    np.save(path, np.ones((500, PAGE), "uint8"))
    mapped = np.memmap(path, mode="r")
    address = mapped.ctypes.data
    asked: list[tuple[int, int]] = []

    class Libc:
        def madvise(self, start: Any, size: Any, advice: int) -> None:
            asked.append((start.value - address, size.value))

    rows = np.r_[0:70, 200:210]
    monkeypatch.setattr(advice, "_LIBC", Libc())
    assert 2 == advice.advise_rows(address, PAGE, rows, lambda _: False)
    expected = [(0, 32), (32, 32), (64, 6), (200, 10)]
    assert expected == [(start // PAGE, size // PAGE) for start, size in asked]
    by_file: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda _, start, size, __: by_file.append((start, size))
    )
    with path.open("rb") as file:
        advice.advise_file(file.fileno(), rows * PAGE, PAGE)
    assert asked == by_file


def test_advise_asks_for_rows_in_a_hole_of_a_file(tmp_path: Path) -> None:
    """They can be looked up without a read, but are in memory only when something made them."""
    path = tmp_path / "x.npy"
    with open(path, "wb") as file:
        file.truncate(500 * PAGE)
    mapped = np.memmap(path, mode="r")
    address, rows = mapped.ctypes.data, np.array([5, 300])
    assert 2 == advice.advise_rows(address, PAGE, rows, lambda _: True)
    assert not mapped[rows * PAGE].any()
    assert 0 == advice.advise_rows(address, PAGE, rows, lambda _: True)


def test_are_resident_is_true_for_a_file_that_was_just_read(tmp_path: Path) -> None:
    """Also if this user may not write it."""
    path = tmp_path / "x.npy"
    np.save(path, np.ones((500, PAGE), "uint8"))
    path.chmod(0o444)
    path.read_bytes()
    assert advice.are_resident(str(path), [0, 100 * PAGE])


_ADVISE = """
    import sys
    import numpy as np
    from keras_npy import open_rows

    def read_bytes():
        # What this process has made the disk read; advice counts as soon as it is given.
        with open("/proc/self/io") as counters:
            return int(dict(line.split(": ") for line in counters)["read_bytes"])

    wanted = np.array([900, 20, 400])
    for path in sys.argv[1:]:
        rows = open_rows(path)
        counts = [read_bytes()]
        if path == sys.argv[1]:
            rows.prepare(wanted)
        counts.append(read_bytes())
        rows[wanted]
        counts.append(read_bytes())
        print(*np.diff(counts))
"""


@pytest.mark.parametrize("num_rows", [1, 40, advice.WHOLE_BYTES_MAX // PAGE])
def test_advise_asks_for_all_of_a_small_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_rows: int
) -> None:
    """Without a look: each page once, by calls that the kernel takes."""
    calls: list[tuple[int, int]] = []

    class Libc:
        @staticmethod
        def madvise(start: Any, size: Any, advice_number: int) -> None:
            assert mmap.MADV_WILLNEED == advice_number
            calls.append((start.value, size.value))

    np.save(tmp_path / "x.npy", np.ones((num_rows, PAGE), "uint8"))
    rows = open_rows(tmp_path / "x.npy")
    monkeypatch.setattr(advice, "_LIBC", Libc)
    monkeypatch.setattr(advice, "advise_rows", None)
    rows.prepare(np.array([0]))
    data = rows.alias()
    assert data is not None
    first = data.ctypes.data // PAGE * PAGE
    pages = [page for start, size in calls for page in range(start, start + size, PAGE)]
    # The header lies before the data, so the data ends in the page behind.
    assert [first + number * PAGE for number in range(num_rows + 1)] == pages
    assert all(size <= advice.ADVICE_BYTES for _, size in calls)


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="this system counts no reads")
def test_advise_brings_cold_rows_into_memory(tmp_path: Path) -> None:
    """Advice reads the rows of a file that is not cached, and to touch them then reads nothing."""
    for name in ("advised.npy", "other.npy"):
        np.save(tmp_path / name, np.ones((1000, 16 * PAGE), "uint8"))
        with open(tmp_path / name, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    printed = run_script(_ADVISE, tmp_path / "advised.npy", tmp_path / "other.npy")
    advised, other = ([int(count) for count in line.split()] for line in printed.splitlines())
    if other == [0, 0]:
        pytest.skip("this file system keeps pages that it was told to drop")
    assert 3 * 16 * PAGE <= advised[0]
    assert 0 == advised[1]


def test_advise_fortran_and_arrays_in_memory_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no run of bytes to ask for."""
    asked = []
    monkeypatch.setattr(advice, "advise_rows", lambda *a, **k: asked.append(a))
    np.save(tmp_path / "f.npy", np.asfortranarray(np.ones((50, 30))))
    open_rows(tmp_path / "f.npy").prepare(np.arange(5))
    open_rows(np.ones((5, 3))).prepare(np.arange(5))
    assert [] == asked
    np.save(tmp_path / "c.npy", np.ones((3000, 30)))
    rows = open_rows(tmp_path / "c.npy")
    rows.prepare(np.arange(5))
    assert 1 == len(asked)


def test_fit_asks_for_the_next_block_while_it_reads_the_first(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every backend rows are asked for before they are read, and the next ones meanwhile."""
    monkeypatch.setattr(batches, "BLOCK_BATCHES_MAX", 2)
    advised: list[int] = []
    taken: list[int] = []
    next_block_is_advised = threading.Event()
    read_into = StoredRows.read_into

    def note_advised(rows: StoredRows, indices: Any) -> None:
        if rows.name.endswith("x.npy"):
            advised.extend(indices.tolist())
            if len(advised) > 16:
                next_block_is_advised.set()

    def note_taken(rows: StoredRows, indices: Any, out: Any) -> None:
        if rows.name.endswith("x.npy"):
            assert next_block_is_advised.wait(60)
            assert set(indices.tolist()) <= set(advised)
            taken.extend(indices.tolist())
        read_into(rows, indices, out)

    model = make_model()
    # A model that is not built takes a batch for that, of a pass of its own (Keras 3.15).
    model.fit(stored.x, stored.y, verbose=0)
    monkeypatch.setattr(StoredRows, "prepare", note_advised)
    monkeypatch.setattr(StoredRows, "read_into", note_taken)
    model.fit(stored.sequence(), verbose=0)
    assert list(range(53)) == sorted(advised) == sorted(taken)


@pytest.mark.parametrize(("may_write", "expected"), [(True, True), (False, False)])
def test_are_resident_where_the_file_system_cannot_tell_believes_mincore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_write: bool, expected: bool
) -> None:
    """As on tmpfs: the caller has asked it, and it is honest about files that one may write."""
    (tmp_path / "x.npy").write_bytes(bytes(PAGE))

    def refuse(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(advice.os, "preadv", refuse)
    monkeypatch.setattr(advice.os, "access", lambda path, mode: may_write and mode == os.W_OK)
    assert expected == advice.mapped_are_resident(str(tmp_path / "x.npy"), [0])
    assert not advice.are_resident(str(tmp_path / "x.npy"), [0])
