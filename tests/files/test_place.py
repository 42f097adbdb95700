"""Files that cannot be opened, and files that are, or seem, no longer what they were."""

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_npy.errors import NpyFileError, NpyLayoutWarning
from keras_npy.files import looks
from keras_npy.files.place import Extent, Place, open_regular, place_of
from tests.conftest import peak_bytes_of, run_script
from tests.files.test_header import sentences


@pytest.fixture
def opened(tmp_path: Path) -> Place:
    """The place of a file of some bytes, whatever they mean."""
    path = str(tmp_path / "x.bin")
    Path(path).write_bytes(b"anything")
    with open_regular(path) as file:
        return place_of(file, path)


@pytest.mark.parametrize(
    ("start_bytes", "size_bytes", "held_bytes"),
    [(0, 8, 8), (2, 3, 3), (2, 99, 6), (8, 1, 0), (99, 1, 0)],
)
def test_place_of_an_extent_is_what_the_file_holds_of_it(
    opened: Place, start_bytes: int, size_bytes: int, held_bytes: int
) -> None:
    """An archive may promise more than there is, and reading a map behind it ends the process."""
    with open_regular(opened.path) as file:
        place = place_of(file, opened.path, Extent("member", start_bytes, size_bytes))
    assert ("member", start_bytes, held_bytes) == (place.name, place.start_bytes, place.size_bytes)
    assert opened.fingerprint == place.fingerprint


def truncate(path: str) -> None:
    os.truncate(path, os.path.getsize(path) - 1)


def append(path: str) -> None:
    with open(path, "ab") as file:
        file.write(b"\0")


def overwrite(path: str) -> None:
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\7")
    # As the clock of the file system does, which may be coarse.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def replace(path: str) -> None:
    status = os.stat(path)
    copy = f"{path}.new"
    Path(copy).write_bytes(Path(path).read_bytes()[:-1] + b"\7")
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(copy, path)


CHANGES = [
    pytest.param(truncate, id="truncated"),
    pytest.param(append, id="appended"),
    pytest.param(overwrite, id="overwritten"),
    pytest.param(replace, id="replaced"),
]
CHANGED = ("must not change while it is in use", "another inode, size or mod", "to another path")


@pytest.mark.parametrize("change", CHANGES)
def test_check_unchanged_changed_file_is_named(
    opened: Place, change: Callable[[str], None]
) -> None:
    """A file that was changed or replaced is named, whichever way it happened."""
    opened.check_unchanged()
    change(opened.path)
    with pytest.raises(NpyFileError, match=sentences(opened.path, *CHANGED)):
        opened.check_unchanged()


def test_check_unchanged_copy_of_the_file_is_no_change(opened: Place) -> None:
    """Restored from a backup with its time, it holds what it held: it is used on, and said once."""
    status = os.stat(opened.path)
    shutil.copy2(opened.path, f"{opened.path}.copy")
    os.replace(f"{opened.path}.copy", opened.path)
    assert status.st_ino != os.stat(opened.path).st_ino
    with pytest.warns(NpyLayoutWarning, match=r"x\.bin: .*another inode, but the same size"):
        opened.check_unchanged()
    opened.check_unchanged()
    with opened.open_unchanged() as file:
        assert b"anything" == file.read()
    append(opened.path)
    with pytest.raises(NpyFileError, match="must not change"):
        opened.check_unchanged()


def test_check_unchanged_touched_file_on_a_local_disk_is_named(opened: Place) -> None:
    """Somebody wrote to it, and a look at a part of it would not find where."""
    os.utime(opened.path, ns=(1, 1))
    with pytest.raises(NpyFileError, match="must not change"):
        opened.check_unchanged()


def test_check_unchanged_path_that_is_closed_or_gone_is_no_change(
    opened: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is mapped or open is as good as before; only a lost mount is none."""
    for code in (errno.EACCES, errno.ENOTDIR, errno.ENOENT):
        monkeypatch.setattr(os, "stat", _fails(code))
        opened.check_unchanged()
    monkeypatch.setattr(os, "stat", _fails(errno.ESTALE))
    opened.check_unchanged(is_mapped=False)
    with pytest.raises(NpyFileError, match="Stale file handle, when its state"):
        opened.check_unchanged()


def _fails(code: int) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_check_unchanged_deleted_file_is_no_fault(opened: Place) -> None:
    """What is mapped of it is as good as before."""
    os.unlink(opened.path)
    opened.check_unchanged()


@pytest.mark.parametrize("change", CHANGES)
def test_open_unchanged_changed_file_is_named(opened: Place, change: Callable[[str], None]) -> None:
    """It is not opened for what it was."""
    with opened.open_unchanged() as file:
        assert b"anything" == file.read()
    change(opened.path)
    with pytest.raises(NpyFileError, match=sentences(opened.path, *CHANGED)):
        opened.open_unchanged()


def test_too_many_open_files_name_the_limit_and_how_to_raise_it(tmp_path: Path) -> None:
    """The system says neither; the remedy is done. A sample is opened in another way."""
    printed = run_script(
        """
        import os, re, resource, sys
        import numpy as np
        from keras_npy import open_rows, samples
        np.save(sys.argv[1], np.arange(3))
        # What a batch of labels of samples needs is imported now.
        sources = [lambda: open_rows(sys.argv[1]), lambda: samples([sys.argv[1]])]
        rows = [make()[:].tolist() for make in sources]
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 80))
        held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for make in sources:
            try:
                make()
            except OSError as error:
                text = error.strerror
                print(error.errno, text)
        limit = re.search(r"with `ulimit -n (\\d+)`", text)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit[1]), 80))
        print(rows == [make()[:].tolist() for make in sources])
        """,
        tmp_path / "x.npy",
    )
    *refused, is_read = printed.splitlines()
    assert "True" == is_read
    assert 2 == len(refused)
    for line in refused:
        assert line.startswith(f"{errno.EMFILE} {tmp_path}/x.npy: a process may have 40 files open")
        assert "Received: Too many open files" in line
        assert line.endswith("Close some of the others, or raise the limit with `ulimit -n 80`")


def test_what_is_remembered_of_files_is_limited(
    opened: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount of 100,000 files, or of one with another inode at each look, fills no memory."""
    monkeypatch.setattr(looks, "FILES_NOTED_MAX", 10)

    def note_many() -> None:
        for inode in range(5000):
            fingerprint = dataclasses.replace(opened.fingerprint, inode=inode)
            looks.note(dataclasses.replace(opened, fingerprint=fingerprint), 0, memoryview(b"row"))

    assert 100_000 > peak_bytes_of(note_many)
