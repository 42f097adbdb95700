"""A save is there whole or not at all, and comes back as it was."""

import builtins
import errno
import gc
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from keras_npy.callbacks.backups import Backups, backups_in, can_save
from tests.processes import fork_script, run_forked

TREE: dict[str, Any] = {
    "plain": [None, True, 3, 2**80, 0.1, float("inf"), "wörd\n", ("a", ()), {}],
    "keys": {1: "one", "1": "text", ("a", 2): [1]},
    "arrays": [
        np.arange(6, dtype=">i4").reshape(2, 3).T,
        np.array(5.0),
        np.zeros((0, 3), "float32"),
        np.array([1.5, -2], ml_dtypes.bfloat16),
        np.array(["ab", "c"]),
        np.float32(0.1),
        np.bool_(True),
    ],
}


def is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray | np.generic):
        is_equal = one.shape == other.shape and one.tobytes() == other.tobytes()
        return type(one) is type(other) and one.dtype == other.dtype and is_equal
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        is_equal = len(one) == len(other) and all(map(is_same, one, other))
        return type(one) is type(other) and is_equal
    return type(one) is type(other) and one == other


def test_tree_comes_back_with_every_type_and_bit(tmp_path: Path) -> None:
    """Lists stay lists, tuples tuples, numbers as keys numbers, and arrays are writable."""
    backups = Backups(tmp_path / "new" / "run")
    path = backups.write(TREE)
    assert path == backups.newest()
    read = backups.read(path)
    assert is_same(TREE, read)
    read["arrays"][0][:] = 7
    assert {"keys": TREE["keys"]} == backups.read(path, only="keys")


@pytest.mark.parametrize("value", [object(), np.array([None]), {1, 2}, [lambda: None], 1j])
def test_what_a_save_cannot_hold_is_known_beforehand(value: Any, tmp_path: Path) -> None:
    """So that the attribute of a callback is left out, and no save fails."""
    assert not can_save(value)
    assert not can_save({"deep": [value]})


def test_last_two_saves_are_kept(tmp_path: Path) -> None:
    """The one before stays until its successor is whole."""
    backups = Backups(tmp_path)
    for number in range(5):
        backups.write({"number": number})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert ["resume-00000004.zip", "resume-00000005.zip"] == names
    newest = backups.newest()
    assert newest is not None
    assert {"number": 4} == backups.read(newest)


@pytest.mark.parametrize("num_bytes", [0, 1, 100, -1, -30])
def test_save_that_was_cut_is_refused_by_name(tmp_path: Path, num_bytes: int) -> None:
    """With the save to go on from; once the damaged one is deleted, that one is the newest."""
    backups = Backups(tmp_path)
    older = backups.write(TREE)
    path = backups.write(TREE)
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=rf"{path}.*must be whole. Received.*{older.name}"):
        backups.read(path)
    path.unlink()
    assert older == backups.newest()


def test_each_flipped_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    """Zip has a checksum of each array; what it does not cover is no data."""
    backups = Backups(tmp_path)
    tree = {"a": np.arange(3.0), "b": [1, "two"]}
    path = backups.write(tree)
    whole = path.read_bytes()
    noticed = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        try:
            read = backups.read(path)
        except ValueError:
            noticed += 1
        else:
            assert is_same(tree, read)
    assert noticed > len(whole) / 6


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """It has the name of a save, and is none."""
    path = tmp_path / "resume-00000001.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"")
    with pytest.raises(ValueError, match=r"Received: KeyError.*Delete resume-00000001.zip"):
        Backups(tmp_path).read(path)


CALLS: dict[str, tuple[Any, str]] = {
    "open": (builtins, "open"),
    "fsync": (os, "fsync"),
    "replace": (os, "replace"),
    "zip": (zipfile.ZipFile, "writestr"),
}


@pytest.mark.parametrize("call", CALLS)
def test_save_that_fails_leaves_the_last_one_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The error names the file, the reason and what to do; the next save succeeds."""
    backups = Backups(tmp_path)
    first = backups.write({"number": 1})

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(*CALLS[call], fail)
        backups.write_soon({"number": 2})
        with pytest.raises(OSError, match=r"resume-00000002.zip.*No space left.*again") as caught:
            backups.wait()
    assert errno.ENOSPC == caught.value.errno
    assert [first] == list(tmp_path.iterdir())
    backups.wait()
    backups.write_soon({"number": 3})
    backups.wait()
    newest = backups.newest()
    assert newest is not None
    assert {"number": 3} == backups.read(newest)


def test_directory_is_locked_against_other_processes_until_they_die(tmp_path: Path) -> None:
    """Two jobs would write over each other; a killed one locks nobody out."""
    (tmp_path / "resume-00000001.partial").write_bytes(b"half")
    held, error, after = run_forked(
        """
        import os, signal, sys
        from pathlib import Path
        from keras_npy.callbacks.backups import Backups
        told, tells = os.pipe()
        holder = os.fork()
        backups = Backups(Path(sys.argv[1]))
        if not holder:
            backups.lock()
            os.write(tells, b"locked")
            signal.pause()
        os.close(tells)
        print(os.read(told, 6).decode(), *os.listdir(sys.argv[1]))
        try:
            backups.lock()
        except RuntimeError as error:
            print(error)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        backups.lock()
        print("locked")
        """,
        tmp_path,
    ).splitlines()
    assert "locked lock" == held
    assert re.search(r"one process at a time.*Received.*another directory", error)
    assert "locked" == after


def test_process_keeps_its_lock_and_its_save_when_it_locks_again(tmp_path: Path) -> None:
    """After an interrupted `fit` in a notebook, whose cell makes another object."""
    first = backups_in(tmp_path / "run")
    first.lock()
    half = tmp_path / "run" / "resume-00000001.partial"
    half.write_bytes(b"being written")
    second = backups_in(tmp_path / "elsewhere" / ".." / "run")
    second.lock()
    del second
    gc.collect()
    assert half.exists()
    script = """
        import sys
        from pathlib import Path
        from keras_npy.callbacks.backups import Backups
        Backups(Path(sys.argv[1])).lock()
    """
    status, _, errors = fork_script(script, tmp_path / "run")
    assert 1 == status
    assert "one process at a time" in errors
    first.unlock()
