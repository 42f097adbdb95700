"""The bytes of a file, mapped: read-only, without a descriptor, and only while it is unchanged."""

import gc
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keras_npy.errors import NpyFileError
from keras_npy.files.header import NpyHeader, read_header
from tests.conftest import run_script
from tests.files.test_header import map_data, num_open_files, sentences
from tests.files.test_place import CHANGED, CHANGES


@pytest.fixture
def opened(tmp_path: Path) -> NpyHeader:
    """The header of a file with two rows of three values."""
    np.save(tmp_path / "x.npy", np.arange(6, dtype="int32").reshape(2, 3))
    return read_header(tmp_path / "x.npy")


def test_map_data_writing_is_refused(opened: NpyHeader) -> None:
    """Nothing can be written through a mapped array, nor be made writable."""
    array = map_data(opened)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    assert [[0, 1, 2], [3, 4, 5]] == array.tolist()


def test_map_data_array_gone_leaves_nothing_open(opened: NpyHeader) -> None:
    """With the last view of the data the file is closed."""
    num_open = num_open_files()
    view = map_data(opened)[1:]
    assert [[3, 4, 5]] == view.tolist()
    del view
    assert num_open >= num_open_files()


def test_map_data_mapped_file_holds_no_descriptor() -> None:
    """A mapping needs no open file, so that a limit of 1,024 is none for shards."""
    # In a process of its own, where no other test opens or closes files meanwhile.
    printed = run_script("""
        import os, tempfile
        import numpy as np
        from keras_npy.files.header import read_header
        from keras_npy.files.store import map_rows
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/x.npy", np.arange(6))
            header = read_header(f"{folder}/x.npy")
            before = len(os.listdir("/proc/self/fd"))
            arrays = [map_rows(header).view(np.int64)[:, 0] for _ in range(50)]
            maps = open("/proc/self/maps").read().count(f"{folder}/x.npy")
            assert all(array.tolist() == [0, 1, 2, 3, 4, 5] for array in arrays)
            print(len(os.listdir("/proc/self/fd")) - before, maps)
            del arrays
            print(open("/proc/self/maps").read().count(f"{folder}/x.npy"))
    """)
    assert "0 50\n0" == printed


def test_map_data_view_outlives_the_array(opened: NpyHeader) -> None:
    """The file is unmapped with the last view, not with the array it was taken from."""
    view = map_data(opened)[1:, ::2].T
    gc.collect()
    assert [[3], [5]] == view.tolist()


@pytest.mark.parametrize("change", CHANGES)
def test_map_data_changed_file_is_not_mapped(
    opened: NpyHeader, change: Callable[[str], None]
) -> None:
    """A header is good for the file that it was read from, and for no other."""
    change(opened.place.path)
    num_open = num_open_files()
    with pytest.raises(NpyFileError, match=sentences(opened.place.path, *CHANGED)):
        map_data(opened)
    assert num_open >= num_open_files()


def test_map_rows_keeps_the_data_of_a_deleted_file(opened: NpyHeader) -> None:
    """A deleted file keeps its data for as long as it is mapped."""
    array = map_data(opened)
    os.unlink(opened.place.path)
    opened.place.check_unchanged()
    assert [[0, 1, 2], [3, 4, 5]] == array.tolist()


def test_map_data_deleted_file_lets_the_systems_error_pass(opened: NpyHeader) -> None:
    """A file that went before it was mapped is a `FileNotFoundError`."""
    os.unlink(opened.place.path)
    with pytest.raises(FileNotFoundError, match=re.escape(opened.place.path)):
        map_data(opened)


def test_map_rows_without_addresses_names_the_limit_and_the_bytes() -> None:
    """Under `ulimit -v`; and `io="read"`, the remedy, reads the file."""
    printed = run_script(
        """
        import resource, tempfile
        import numpy as np
        from keras_npy import open_rows
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 4096)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + (4 << 30))
            used = int(open("/proc/self/statm").read().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30),) * 2)
            try:
                open_rows(file.name, io="map")
            except OSError as error:
                print(used + (2 << 30), error)
            print(open_rows(file.name, io="read")[-1].sum())
        """
    )
    message, read = printed.splitlines()
    limit = message.split()[0]
    assert re.search(
        rf"npy: this process may use {limit} bytes of addresses \(`ulimit -v`.*Received: Cannot "
        r"allocate memory, where 42949\d+ bytes.*`ulimit -v unlimited`, or pass io='read'",
        message,
    )
    assert "0" == read


def test_map_rows_without_mappings_names_the_limit_and_their_number(opened: NpyHeader) -> None:
    """Where a process has as many as it may have; `io="read"`, the remedy, needs none."""
    maps_max = int(Path("/proc/sys/vm/max_map_count").read_text())
    if maps_max > 1 << 18:
        pytest.skip(f"This system allows {maps_max} mappings, which takes long to reach.")
    printed = run_script(
        """
        import mmap, sys
        from keras_npy import open_rows
        held, protections = [], (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
        try:
            while True:  # Neighbours with one protection would become one mapping.
                held.append(mmap.mmap(-1, 4096, prot=protections[len(held) % 2]))
        except OSError:
            pass
        try:
            open_rows(sys.argv[1], io="map")
        except OSError as error:
            print(error)
        print(open_rows(sys.argv[1], io="read")[1].tolist())
        """,
        opened.place.path,
    )
    message, read = printed.splitlines()
    assert re.search(
        rf"x\.npy: a process may have {maps_max} mappings \(vm\.max_map_count\), and this one has "
        r"\d+\. Received: Cannot allocate memory, where 152 bytes.*Join shards.*or pass io='read'",
        message,
    )
    assert "[3, 4, 5]" == read
