"""The directory of a run: each save is one file, which is there whole or not at all.

A save is a zip archive: a tree of plain values as JSON, and each array of the tree as a member of
bytes. Zip keeps a checksum of each member, so that damage is seen before anything is restored.
"""

import concurrent.futures
import contextlib
import errno
import fcntl
import json
import os
import re
import weakref
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_npy.files.values import dtype_named
from keras_npy.types import Array

FORMAT = 1
KEPT = 2
# Subclasses, such as those of enumerations, would come back as another type.
_PLAIN = (bool, int, float, str)
_NAME = re.compile(r"resume-(\d{8,})\.zip")


def backups_in(directory: Path) -> "Backups":
    """The saves in a directory, one object for each directory.

    The lock of a file belongs to the process: closing the file anywhere in it would end the lock.
    """
    return _OPEN.setdefault(directory.resolve(), Backups(directory))


class Backups:
    """The saves of one run, numbered from 1; the last two are kept.

    Args:
        directory: The folder of the run. It is made by the first save.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: Any = None
        # One thread, so that training goes on while a save is written. It begins with the first
        # save, and the interpreter waits for it at its end.
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "keras_npy-resume")
        self._pending: concurrent.futures.Future[Path] | None = None

    def newest(self) -> Path | None:
        """The file of the last save, or `None` if there is none."""
        numbers = self._numbers()
        return self._path(numbers[-1]) if numbers else None

    def read(self, path: Path, only: str | None = None) -> dict[str, Any]:
        """The tree that was saved in a file.

        Args:
            path: The file.
            only: The only key of the tree to read, if not all are needed.

        Raises:
            ValueError: If the file is damaged or was written by something else.
            OSError: If it cannot be read.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                _, *pairs = json.loads(archive.read("state.json"))
                return {key: _decoded(node, archive) for key, node in pairs if only in (None, key)}
        except (MemoryError, ImportError):
            raise
        except Exception as error:
            # A damaged archive may send its reader to a place that no file has.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ValueError(
                f"{path}: a save of ResumeTraining must be whole. "
                f"Received: {type(error).__name__}: {error}. {self._remedy(path)}"
            ) from error

    def write_soon(self, tree: dict[str, Any]) -> None:
        """Save a tree in a thread, once the save before it is written.

        Raises:
            OSError: If the save before it could not be written.
        """
        self.wait()
        self._pending = self._writer.submit(self.write, tree)

    def wait(self) -> None:
        """Wait until the last save is on the disk, and raise its error, once, if it failed."""
        if self._pending is None:
            return
        try:
            self._pending.result()
        finally:
            # After Ctrl-C the save is still being written.
            if self._pending.done():
                self._pending = None

    def write(self, tree: dict[str, Any]) -> Path:
        """Save a tree: dicts, lists, tuples, plain values and arrays.

        The new file appears once it is complete and on the disk. Until then the last one stays.
        """
        numbers = self._numbers()
        path = self._path(numbers[-1] + 1 if numbers else 1)
        try:
            self._write(tree, path)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{path}: a save of ResumeTraining must be written whole. "
                f"Received: {error.strerror or error}. Free space on the disk or restore access "
                "to the folder, and start the script again: the save before it is whole",
            ) from error
        for number in numbers[: 1 - KEPT or None]:
            self._path(number).unlink(missing_ok=True)
        return path

    def _write(self, tree: dict[str, Any], path: Path) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            with open(partial, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                    _write_tree(tree, archive)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        self._sync()

    def lock(self) -> None:
        """Keep other processes out until `unlock`, and delete what a killed one left half-written.

        Raises:
            RuntimeError: If another process trains with this directory.
        """
        if self._lock is not None and self._lock.alive:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        file = os.open(self.directory / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        # The system unlocks a file when it is closed, or when the process ends in any way.
        self._lock = weakref.finalize(self, os.close, file)
        self._try_to_lock(file)
        for partial in self.directory.glob("resume-*.partial"):
            partial.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Let other processes use the directory."""
        if self._lock is not None:
            self._lock()

    def _try_to_lock(self, file: int) -> None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            self.unlock()
            raise RuntimeError(
                f"{self.directory}: one process at a time trains with a directory of "
                "ResumeTraining. Received: a directory that another process has locked. "
                "Wait until that process ends, stop it, or take another directory."
            ) from error
        except OSError:
            # Some network file systems have no locks.
            pass

    def _numbers(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            matches = map(_NAME.fullmatch, os.listdir(self.directory))
            return sorted(int(match[1]) for match in matches if match)
        return []

    def _path(self, number: int) -> Path:
        return self.directory / f"resume-{number:08}.zip"

    def _remedy(self, path: Path) -> str:
        older = [number for number in self._numbers() if self._path(number) != path]
        if not older:
            return f"Delete {path.name} to begin anew."
        return f"Delete {path.name} to go on from {self._path(older[-1]).name}, the save before it."

    def _sync(self) -> None:
        folder = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_OPEN: weakref.WeakValueDictionary[Path, Backups] = weakref.WeakValueDictionary()


def _write_tree(tree: Any, archive: zipfile.ZipFile) -> None:
    arrays: list[Array] = []
    text = json.dumps(_encoded(tree, arrays))
    for number, array in enumerate(arrays):
        with archive.open(f"{number}", "w", force_zip64=True) as member:
            # A view of bytes needs an axis.
            member.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    archive.writestr("state.json", text)


def _encoded(tree: Any, arrays: list[Array]) -> Any:
    """A tree as JSON takes it: another kind of value becomes a list that begins with its name."""
    if tree is None or type(tree) in _PLAIN:
        return tree
    if isinstance(tree, np.ndarray | np.generic):
        array = np.asarray(tree)
        arrays.append(array)
        kind = "array" if isinstance(tree, np.ndarray) else "scalar"
        # NumPy knows the dtypes of ml_dtypes, such as bfloat16, only by their names.
        dtype = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
        return [kind, len(arrays) - 1, dtype, list(array.shape)]
    if type(tree) is dict:
        pairs = [[_encoded(key, arrays), _encoded(value, arrays)] for key, value in tree.items()]
        return ["dict", *pairs]
    if type(tree) in (list, tuple):
        return [type(tree).__name__, *(_encoded(value, arrays) for value in tree)]
    raise TypeError(
        f"A save holds plain values and arrays. Received: {type(tree).__name__}. "
        "Leave out what can_save refuses."
    )


def _decoded(node: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(node, list):
        return node
    kind, *values = node
    if kind in ("array", "scalar"):
        number, dtype, shape = values
        data = np.frombuffer(bytearray(archive.read(f"{number}")), np.uint8)
        array = data.view(dtype_named(dtype)).reshape(shape)
        return array if kind == "array" else array[()]
    if kind == "dict":
        return {_decoded(key, archive): _decoded(value, archive) for key, value in values}
    items = (_decoded(value, archive) for value in values)
    return list(items) if kind == "list" else tuple(items)


def can_save(tree: Any) -> bool:
    """Whether a save can hold a value."""
    if isinstance(tree, np.ndarray | np.generic):
        return not tree.dtype.hasobject and tree.dtype.names is None
    if type(tree) is dict:
        return all(can_save(key) and can_save(value) for key, value in tree.items())
    if type(tree) in (list, tuple):
        return all(map(can_save, tree))
    return tree is None or type(tree) in _PLAIN
