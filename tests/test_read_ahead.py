"""Rows are asked for ahead of their use, and only if they are not in memory."""

import itertools
import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_npy import open_rows, read_ahead
from keras_npy.rows import FileRows
from tests.conftest import run_script

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

PAGE = mmap.PAGESIZE


@given(
    rows=st.lists(st.integers(0, 300), min_size=1, max_size=50),
    row_bytes=st.integers(1, 3 * PAGE),
    address=st.integers(0, 5 * PAGE),
)
def test_page_ranges_cover_the_rows_and_nothing_else(
    rows: list[int], row_bytes: int, address: int
) -> None:
    """Every page of a row is in one range, no other page is, and ranges lie apart."""
    starts, sizes = read_ahead.page_ranges(address, row_bytes, np.array(rows))
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
    """A file that was just written is in memory: the advice is left out."""
    np.save(tmp_path / "x.npy", np.ones((500, PAGE), "uint8"))
    rows = np.memmap(tmp_path / "x.npy", mode="r")
    rows.sum()
    address = rows.ctypes.data
    indices = np.arange(400)
    assert 0 == read_ahead.advise_rows(address, PAGE, indices, can_look=True)
    assert 1 == read_ahead.advise_rows(address, PAGE, indices, can_look=False)
    assert 2 == read_ahead.advise_rows(address, PAGE, np.array([300, 5]), can_look=False)


_ADVISE = """
    import sys, time
    import numpy as np
    from keras_npy import read_ahead
    from keras_npy import open_rows
    rows = open_rows(sys.argv[1])
    first = rows._array.ctypes.data // 4096 * 4096
    wanted = np.array([900, 20, 400])
    pages = [first + int(row) * rows.row_bytes for row in wanted]
    if any(read_ahead.is_resident(page) for page in pages):
        print("still cached")
    else:
        rows.advise(wanted)
        deadline = time.monotonic() + 20
        while not all(read_ahead.is_resident(page) for page in pages):
            assert time.monotonic() < deadline, "the rows were never read"
            time.sleep(0.01)
        print("read ahead")
"""


def test_advise_brings_cold_rows_into_memory(tmp_path: Path) -> None:
    """Rows of a file that is not cached are read, though nobody touched them."""
    path = tmp_path / "x.npy"
    np.save(path, np.ones((1000, 16 * PAGE), "uint8"))
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    printed = run_script(_ADVISE, path)
    if printed == "still cached":
        pytest.skip("this file system keeps pages that it was told to drop")
    assert "read ahead" == printed


def test_advise_fortran_and_arrays_in_memory_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no run of bytes to ask for."""
    asked = []
    monkeypatch.setattr(read_ahead, "advise_rows", lambda *a, **k: asked.append(a))
    np.save(tmp_path / "f.npy", np.asfortranarray(np.ones((50, 30))))
    open_rows(tmp_path / "f.npy").advise(np.arange(5))
    open_rows(np.ones((5, 3))).advise(np.arange(5))
    assert [] == asked
    np.save(tmp_path / "c.npy", np.ones((50, 30)))
    rows = open_rows(tmp_path / "c.npy")
    assert isinstance(rows, FileRows)
    rows.advise(np.arange(5))
    assert 1 == len(asked)


def test_can_look_is_false_for_a_file_of_others(tmp_path: Path) -> None:
    """Linux hides residency from who cannot write the file."""
    np.save(tmp_path / "x.npy", np.ones(3))
    assert read_ahead.can_look(str(tmp_path / "x.npy")) is os.access(tmp_path / "x.npy", os.W_OK)
