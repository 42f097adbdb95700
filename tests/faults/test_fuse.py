"""A mount that fails under a running program is an error that names the file, never its end."""

from pathlib import Path

import numpy as np
import pytest

from tests.faults.fuse import needs_fuse, run_mounted

pytestmark = needs_fuse()

ARRAY = np.arange(64 * 3 * 1000, dtype="int64").reshape(64, 3, 1000)

# Each source of rows, over the folder `mnt`.
SOURCES = """
    import warnings
    import numpy as np
    from keras_npy import NpyFileError, NpySequence, convert, open_rows, samples, windows
    from keras_npy import NpyLayoutWarning
    warnings.simplefilter("ignore", NpyLayoutWarning)
    sources = {
        "file": lambda: open_rows(mnt / "x.npy"),
        "fortran": lambda: open_rows(mnt / "f.npy"),
        "member": lambda: open_rows(f"{mnt}/d.npz::x"),
        "shards": lambda: open_rows([mnt / "x-0.npy", mnt / "x-1.npy"]),
        "windows": lambda: windows(mnt / "x.npy", sequence_length=1),
        "samples": lambda: samples([mnt / "s-0.npy", mnt / "s-1.npy"]),
    }
    expected = np.arange(64 * 3 * 1000).reshape(64, 3, 1000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "x.npy", ARRAY)
    np.save(folder / "y.npy", np.arange(64) % 3)
    np.save(folder / "f.npy", np.asfortranarray(ARRAY))
    np.savez(folder / "d.npz", x=ARRAY)
    # The data of this one begin elsewhere, so that it is mapped by itself.
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {ARRAY[32:].shape}}}{' ' * 200}\n"
    head = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode()
    (folder / "v.npy").write_bytes(head + ARRAY[32:].tobytes())
    for number in range(2):
        np.save(folder / f"x-{number}.npy", ARRAY[number * 32 : number * 32 + 32])
        np.save(folder / f"s-{number}.npy", ARRAY)
    return folder


def test_auto_reads_from_a_fuse_mount(folder: Path) -> None:
    """All sources, and with the rows that a map gives; the mount is named once."""
    printed = run_mounted(
        SOURCES
        + """
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        opened = {name: make() for name, make in sources.items()}
    said = [str(one.message) for one in given if "FUSE" in str(one.message)]
    print(len(said), f"type fuse.keras_npy at {mnt}." in said[0])
    for name, rows in opened.items():
        assert rows.io == "read", name
        found = rows[:] if name != "samples" else rows[0]
        assert np.array_equal(found.reshape(expected.shape), expected), name
    mapped = open_rows(mnt / "x.npy", io="map")
    print(mapped.io, np.array_equal(mapped[:], expected))
    """,
        folder,
    )
    assert ["1 True", "map True"] == printed.splitlines()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param("served.fail(eio_from=500_000)", "Input/output error", id="bad-disk"),
        pytest.param("served.fail(error=116)", "Stale file handle", id="stale"),
        pytest.param("served.die()", "Transport endpoint is not connected", id="gone"),
    ],
)
def test_failing_mount_is_an_error_that_names_the_file(
    folder: Path, fault: str, reason: str
) -> None:
    """From every source, and from `convert`; what was read before is not changed by it."""
    printed = run_mounted(
        SOURCES
        + f"""
    opened = {{name: make() for name, make in sources.items()}}
    {fault}
    for name, rows in opened.items():
        try:
            rows[:]
            print(name, "was read")
        except NpyFileError as error:
            print(name, isinstance(error.__cause__, OSError), error)
    if served.server.returncode is None:
        try:
            convert(mnt / "x.npy", str(mnt) + ".new.npy")
            print("convert", "was read")
        except NpyFileError as error:
            print("convert", isinstance(error.__cause__, OSError), error)
    """,
        folder,
    )
    lines = printed.splitlines()
    assert 6 + (fault != "served.die()") == len(lines), printed
    for line in lines:
        name, is_caused, path = line.split(" ")[:3]
        assert "True" == is_caused, line
        assert path.startswith(str(folder) + ".mnt/"), line
        assert reason in line
        assert "at row " in line or name == "samples" or "in its header" in line, line
        assert name == "samples" or line.count("must be able to read")


def sources_with(io: str) -> str:
    """A script that names what serves the rows of one file, two shards and a member."""
    return f"""
    sources = {{
        "file": lambda: open_rows(mnt / "x.npy", io="{io}"),
        "fortran": lambda: open_rows(mnt / "f.npy", io="{io}"),
        "member": lambda: open_rows(f"{{mnt}}/d.npz::x", io="{io}"),
        "shards": lambda: open_rows([mnt / "x-0.npy", mnt / "x-1.npy"], io="{io}"),
    }}
    """


@pytest.mark.parametrize("io", ["read", "map"])
def test_file_that_nobody_touched_is_used_on(folder: Path, io: str) -> None:
    """Another inode at each look, or another time, is looked into, accepted, and said once."""
    printed = run_mounted(
        SOURCES
        + sources_with(io)
        + f"""
    sources["samples"] = lambda: samples([mnt / "s-0.npy", mnt / "s-1.npy"], io="{io}")
    opened = {{name: make() for name, make in sources.items()}}
    for rows in opened.values():
        rows[1]
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        for faults in ({{"new_inodes": True}}, {{"mtime_s": 99}}):
            served.fail(**faults)
            for name, rows in opened.items():
                rows.prepare(np.arange(2))
                found = rows[:] if name != "samples" else rows[0]
                assert np.array_equal(found.reshape(expected.shape), expected), name
    print(len([one for one in given if "the same size" in str(one.message)]))
    """,
        folder,
    )
    assert "1" == printed


@pytest.mark.parametrize("io", ["read", "map"])
def test_file_whose_state_is_not_told_is_used_while_its_data_are_there(
    folder: Path, io: str
) -> None:
    """As after a server of NFS was restarted, or its folder closed to this process."""
    printed = run_mounted(
        SOURCES
        + sources_with(io)
        + f"""
    import errno
    sources["unlike shards"] = lambda: open_rows([mnt / "x-0.npy", mnt / "v.npy"], io="{io}")
    opened = {{name: make() for name, make in sources.items()}}
    for rows in opened.values():
        rows[:]
    faults = [{{"path_error": getattr(errno, code)}} for code in ("ENOTDIR", "EACCES", "ENOENT")]
    for fault in ({{"stat_error": errno.ESTALE}}, {{"path_error": errno.ESTALE}}, *faults):
        served.fail(**fault)
        for name, rows in opened.items():
            rows.prepare(np.arange(64))
            assert np.array_equal(rows[:].reshape(expected.shape), expected), (name, fault)
    served.fail()
    unread = {{name: make() for name, make in sources.items()}}
    served.fail(error=errno.ESTALE, stat_error=errno.ESTALE, path_error=errno.ESTALE)
    for name, rows in unread.items():
        try:
            rows.prepare(np.arange(64))
            rows[:]
            print(name, "was read")
        except (NpyFileError, OSError) as error:
            print(str(mnt) in str(error), "Stale file handle" in str(error))
    """,
        folder,
    )
    assert ["True True"] * 5 == printed.splitlines()


def test_file_of_the_same_size_that_differs_is_named(folder: Path) -> None:
    """Where the time differs, rows that were read before are compared."""
    printed = run_mounted(
        SOURCES
        + """
    import os, sys
    rows = open_rows(mnt / "x.npy")
    rows[40:44]
    with open(sys.argv[1] + "/x.npy", "r+b") as file:
        file.seek(128 + 42 * 24000)
        file.write(b"other values")
    served.fail(mtime_s=99)
    try:
        rows[0]
    except NpyFileError as error:
        print("must not change" in str(error))
    """,
        folder,
    )
    assert "True" == printed
