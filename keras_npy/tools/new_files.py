"""New files, which get their names once they are complete, and what a killed command leaves."""

import contextlib
import errno
import fcntl
import glob
import os
import stat
from collections.abc import Iterator
from typing import IO, Any, BinaryIO

from keras_npy.files.place import local_path

_PARTIAL_SUFFIX = ".partial"

UNPACKED_SUFFIX = ".unpacked.partial"
"""How files end that hold an unpacked member for as long as it is read."""


def check_new(path: str | os.PathLike[str], force: bool) -> str:
    """The absolute path of a new file, after a check that it can be written.

    Raises:
        FileExistsError: If there is a file at `path` and `force` is false.
        FileNotFoundError: If the folder of `path` does not exist.
    """
    path = check_folder(path)
    _check_free(path, force)
    return path


def check_folder(path: str | os.PathLike[str]) -> str:
    """The absolute path of a new file, after a check that its folder exists.

    Raises:
        FileNotFoundError: If it does not.
        PermissionError: If nobody may write there, or not this user.
    """
    path = local_path(path)
    folder = os.path.dirname(path)
    if not is_folder(folder):
        raise FileNotFoundError(
            f"{path}: the folder of a new file must exist. Received: {folder}, which is no folder. "
            "Make that folder first, or choose another path."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES,
            f"{path}: the folder of a new file must let you write. Received: {folder}, where you "
            "may not. Choose a path in a folder that you may write to",
        )
    return path


def is_folder(path: str) -> bool:
    """Whether there is a folder; an error of the system passes."""
    # os.path.isdir would say no whatever the system says, such as that a disk has failed.
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Say of a disk that is full which file it hit."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"{path}: a new file needs room on its disk. Received: {os.strerror(error.errno)}. "
            "Free some space, or choose a path on another disk",
        ) from error


@contextlib.contextmanager
def new_file(path: str, force: bool) -> Iterator[BinaryIO]:
    """Open a file that gets its name once it is complete; an error leaves nothing behind.

    What commands that were killed have left for the same path is removed first.
    """
    _remove_leftovers(path)
    partial = f"{path}.{os.getpid()}{_PARTIAL_SUFFIX}"
    try:
        with _named(path), open(partial, "xb") as file:
            lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check_free(path, force)
        os.replace(partial, path)
        sync_folder(os.path.dirname(path))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def lock(file: IO[Any]) -> bool:
    """Say that a process is writing this file, and return whether no other one is.

    The system takes the lock back when the process ends.
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks: what is left there must be removed by hand.
        pass
    return True


def sync_folder(folder: str) -> None:
    """Make the new name of a file survive a power cut, as its bytes do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        # This folder can be written but not read. The name cannot be synced, but it is there.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems can sync only files.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _remove_leftovers(path: str) -> None:
    """Remove files of commands that no longer run: nobody holds their locks."""
    unpacked = os.path.join(glob.escape(os.path.dirname(path)), f"*{UNPACKED_SUFFIX}")
    for leftover in glob.glob(f"{glob.escape(path)}.*{_PARTIAL_SUFFIX}") + glob.glob(unpacked):
        with contextlib.suppress(OSError), open(leftover, "rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(leftover)


def _check_free(path: str, force: bool) -> None:
    if os.path.lexists(path) and not force:
        raise FileExistsError(
            f"{path}: convert replaces a file only if it is told to. Received: the path of a file "
            "that exists. "
            "Choose another name, or pass force=True (--force)."
        )
