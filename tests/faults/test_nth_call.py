"""Each call to the system fails in turn, the first, the second and so on: SQLite's way to test.

After each failure: the right error, nothing left open, mapped, running or half-written, and the
next try works.
"""

import contextlib
import errno
import gc
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpySequence, convert, samples
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.files import mapping
from keras_npy.sequence import batches_of
from tests.rows.test_contract import save_shards

N = 11
ARRAY = np.arange(N * 600, dtype="int64").reshape(N, 600)

# Where the call is looked up, its name, and what it raises when it fails.
CALLS = {
    "open": (os, "open", OSError(errno.EIO, "Input/output error")),
    "stat": (os, "stat", OSError(errno.EIO, "Input/output error")),
    "fstat": (os, "fstat", OSError(errno.EIO, "Input/output error")),
    "preadv": (os, "preadv", OSError(errno.EIO, "Input/output error")),
    "pread": (os, "pread", OSError(errno.EIO, "Input/output error")),
    "posix_fadvise": (os, "posix_fadvise", OSError(errno.EIO, "Input/output error")),
    "map_bytes": (mapping, "map_bytes", OSError(errno.ENOMEM, "Cannot allocate memory")),
    "map_file": (
        mapping.Reservation,
        "map_file",
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ),
    "replace": (os, "replace", OSError(errno.ENOSPC, "No space left on device")),
    "fsync": (os, "fsync", OSError(errno.EIO, "Input/output error")),
    "thread": (threading.Thread, "start", RuntimeError("can't start new thread")),
    "empty": (np, "empty", MemoryError("Unable to allocate")),
}

Operation = Callable[[Path], object]


class FailsOnce:
    """A function whose n-th call raises."""

    def __init__(self, call: Any, number: int, error: BaseException) -> None:
        self._call, self._number, self._error = call, number, error
        self._lock = threading.Lock()
        self.num_calls = 0

    def __get__(self, owner: Any, kind: Any) -> Any:
        return self if owner is None else lambda *given, **named: self(owner, *given, **named)

    def __call__(self, *given: Any, **named: Any) -> Any:
        with self._lock:
            self.num_calls += 1
            is_due = self.num_calls == self._number
        if is_due:
            raise self._error
        return self._call(*given, **named)


def feed(**sources: Any) -> list[Any]:
    """One shuffled pass, as JAX and torch get it."""
    seq = NpySequence(**sources, batch_size=4, seed=0)
    batches = batches_of(seq, shuffle=True)
    pool = numpy_feed.make_pool(batches, seq)
    gather = numpy_feed.gather_into(pool)
    rows = [batch[0].copy() for batch in numpy_feed.iterate(batches, gather)]
    return np.concatenate(rows).tolist()


OPERATIONS: dict[str, Operation] = {
    "feed of a mapped file": lambda folder: feed(x=folder / "x.npy", io="map"),
    "feed of a file that is read": lambda folder: feed(x=folder / "x.npy", io="read"),
    "feed of either": lambda folder: feed(x=folder / "x.npy"),
    "feed of mapped shards": lambda folder: feed(x=str(folder / "x-*.npy"), io="map"),
    "feed of shards that are read": lambda folder: feed(x=str(folder / "x-*.npy"), io="read"),
    "feed of either shards": lambda folder: feed(x=str(folder / "x-*.npy")),
    "feed of samples": lambda folder: feed(x=samples(str(folder / "s-*.npy"))),
    "convert": lambda folder: (
        convert(f"{folder}/c.npz::x", folder / "new.npy", force=True)[:].tolist(),
        np.load(folder / "new.npy").tolist(),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", ARRAY)
    save_shards(tmp_path, ARRAY)
    for number, sample in enumerate(ARRAY):
        np.save(tmp_path / f"s-{number}.npy", sample)
    np.savez_compressed(tmp_path / "c.npz", x=ARRAY)
    return tmp_path


def left_open(folder: Path) -> list[str]:
    """Open files, mappings and new files of the folder, and threads that read."""
    descriptors = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # That of the listing itself.
            descriptors.append(os.readlink(f"/proc/self/fd/{number}"))
    mapped = Path("/proc/self/maps").read_text().splitlines()
    return [
        *(line for line in (*descriptors, *mapped) if str(folder) in line),
        *(thread.name for thread in threading.enumerate() if "keras_npy" in thread.name),
        *(name for name in os.listdir(folder) if "partial" in name or "tmp" in name),
    ]


def left_at_last(folder: Path) -> list[str]:
    """What is left when threads have ended, and garbage is collected."""
    until_s = time.monotonic() + 10
    while (left := left_open(folder)) and time.monotonic() < until_s:
        time.sleep(0.005)
        # It takes long where Keras is imported.
        gc.collect()
    return left


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nth_call_that_fails_leaves_nothing_behind(folder: Path, operation: str, call: str) -> None:
    """For n = 1, 2, ... until the operation has no n-th call any more."""
    run = OPERATIONS[operation]
    expected = run(folder)
    owner, name, error = CALLS[call]
    for number in range(1, 60):
        failing = FailsOnce(getattr(owner, name), number, error)
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.setattr(owner, name, failing)
            found: Any = outcome(run, folder)
        if failing.num_calls < number:
            break
        if isinstance(found, BaseException):
            assert isinstance(found, type(error) | NpyFileError), (number, repr(found))
            assert is_named(found, error, folder), (number, str(found))
            found = None
        else:
            # It could do without, such as without advice to the kernel.
            assert expected == found, number
        # A traceback refers to frames, and these to open files.
        error.__traceback__ = error.__context__ = None
        assert [] == left_at_last(folder), number
        if number < 4:
            assert expected == run(folder)
    assert expected == run(folder)


def outcome(run: Operation, folder: Path) -> Any:
    """What an operation returns, or what it raises, without the frames that hold its files."""
    try:
        return run(folder)
    except Exception as error:
        return error.with_traceback(None)


def is_named(found: BaseException, error: BaseException, folder: Path) -> bool:
    """Whether an error is that of the system, or names the file and keeps the system's error."""
    cause = found
    while cause is not None and cause is not error:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return found is error or (cause is error and str(folder) in str(found))
