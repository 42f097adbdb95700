"""Files that are read by position: every fault is an error, and no read is taken for another."""

import errno
import gc
import os
import re
import shutil
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpySequence, convert, open_rows, samples, take
from keras_npy import windows as make_windows
from keras_npy.files import mapping, place, reading
from keras_npy.files.side_by_side import SideBySide
from keras_npy.rows.base import Rows
from tests.conftest import run_script
from tests.rows.test_contract import save_shards

pytestmark = pytest.mark.filterwarnings("ignore:.*Fortran order:keras_npy.NpyLayoutWarning")

N = 11
ARRAY = np.arange(N * 4000, dtype="int64").reshape(N, 4, 1000)


def one_file(folder: Path) -> Rows:
    np.save(folder / "x.npy", ARRAY)
    return open_rows(folder / "x.npy", io="read")


def fortran(folder: Path) -> Rows:
    np.save(folder / "x.npy", np.asfortranarray(ARRAY))
    return open_rows(folder / "x.npy", io="read")


def member(folder: Path) -> Rows:
    np.savez(folder / "x.npz", x=ARRAY)
    return open_rows(f"{folder}/x.npz::x", io="read")


def shards(folder: Path) -> Rows:
    save_shards(folder, ARRAY)
    return open_rows(folder / "x-*.npy", io="read")


def unlike_shards(folder: Path) -> Rows:
    paths = list(save_shards(folder, ARRAY))
    np.save(paths[2], np.asfortranarray(np.load(paths[2])))
    return open_rows(folder / "x-*.npy", io="read")


def of_samples(folder: Path) -> Rows:
    for number, sample in enumerate(ARRAY):
        np.save(folder / f"s-{number:02}.npy", sample)
    return samples(folder / "s-*.npy", io="read")


def windows(folder: Path) -> Rows:
    np.save(folder / "x.npy", ARRAY.reshape(N * 4, 1000))
    return make_windows(folder / "x.npy", sequence_length=4, sequence_stride=4, io="read")


SOURCES = [one_file, fortran, member, shards, unlike_shards, of_samples, windows]


def last_file(folder: Path) -> Path:
    return max(folder.iterdir())


@pytest.mark.parametrize("make", SOURCES)
def test_file_that_is_cut_while_it_is_read_names_file_and_row(
    tmp_path: Path, make: Callable[[Path], Rows]
) -> None:
    """Where a mapped file would end the process."""
    rows = make(tmp_path)
    rows[:]
    path = last_file(tmp_path)
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 9000)
    by_state = make in (of_samples, fortran, unlike_shards)
    received = "shape|size" if by_state else r"end of the file, at row \d+"
    # `take` does not look at the size first, as `rows[:]` does: the cut may come after that.
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}.*({received})"):
        rows.take(np.arange(len(rows)))


class ShortReads:
    """`os.preadv` that reads a few bytes at a time, as a signal or a file system may make it."""

    def __init__(self, num_bytes: int) -> None:
        self._preadv = os.preadv
        self._num_bytes = num_bytes

    def __call__(self, descriptor: int, buffers: Any, offset: int, *flags: int) -> int:
        first = memoryview(buffers[0]).cast("B")[: self._num_bytes]
        return self._preadv(descriptor, [first], offset, *flags)


@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("num_bytes", [97, 3000])
def test_short_reads_are_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Rows], num_bytes: int
) -> None:
    """They say nothing about the file."""
    rows = make(tmp_path)
    monkeypatch.setattr(os, "preadv", ShortReads(num_bytes))
    np.testing.assert_array_equal(ARRAY, rows[:].reshape(ARRAY.shape))
    np.testing.assert_array_equal(ARRAY[[7, 2]], rows[[7, 2]])


@pytest.mark.parametrize("make", SOURCES)
def test_file_that_is_written_to_between_two_reads_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Rows]
) -> None:
    """Rows of two versions are never handed over."""
    rows = make(tmp_path)
    path, preadv = last_file(tmp_path), os.preadv

    def write_before(descriptor: int, *arguments: Any) -> int:
        num_read = preadv(descriptor, *arguments)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            with open(path, "r+b") as file:
                file.seek(-8, os.SEEK_END)
                file.write(b"\7" * 8)
            os.utime(path, ns=(1, 1))
        return num_read

    indices = np.arange(len(rows))[::-1]
    monkeypatch.setattr(os, "preadv", write_before)
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}: .*must not change"):
        rows.take(indices)


@pytest.mark.parametrize("code", ["EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT"])
@pytest.mark.parametrize("make", SOURCES)
def test_error_of_the_system_names_file_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Rows], code: str
) -> None:
    """The system's error, which names no file, is its cause."""
    rows = make(tmp_path)
    path, preadv = last_file(tmp_path), os.preadv

    def fail(descriptor: int, *arguments: Any) -> int:
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            number = getattr(errno, code)
            raise OSError(number, os.strerror(number))
        return preadv(descriptor, *arguments)

    monkeypatch.setattr(os, "preadv", fail)
    reason = os.strerror(getattr(errno, code))
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(path))}.*{reason}.*copy") as raised:
        rows[:]
    assert isinstance(raised.value.__cause__, OSError)
    assert reason == raised.value.__cause__.strerror


def test_row_of_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of shards, the row in the shard that is named; in Fortran order the row, not the value."""
    preadv, bad_bytes = os.preadv, range(0)

    def fail(descriptor: int, buffers: Any, offset: int, *flags: int) -> int:
        if offset in bad_bytes:
            raise OSError(errno.EIO, "Input/output error")
        if offset < bad_bytes.start:
            buffers = [buffers[0][: bad_bytes.start - offset]]
        return preadv(descriptor, buffers, offset, *flags)

    def read_from(rows: Rows) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", fail)
            rows.take(np.arange(3, N))

    found = []
    for make, start in ((one_file, 128 + 5 * 32000), (shards, 128 + 2 * 32000), (fortran, 128)):
        folder = tmp_path / make.__name__
        folder.mkdir()
        rows = make(folder)
        bad_bytes = range(start, start + 32000)
        with pytest.raises(NpyFileError) as raised:
            read_from(rows)
        found += re.findall(r"at row (\d+)", str(raised.value))
    # In Fortran order the rows that are stored are small, and the file with them: it is read whole.
    assert ["5", "2", "0"] == found


# Which files are mapped, and which are read.


def test_io_reaches_every_source(tmp_path: Path) -> None:
    """Whatever is built of a path says how its file is read."""
    np.save(tmp_path / "x.npy", np.arange(12).reshape(6, 2))
    path = str(tmp_path / "x.npy")
    others = [shutil.copy(path, tmp_path / name) for name in ("b1.npy", "b2.npy")]
    for io in ("map", "read"):
        seq = NpySequence({"a": path, "b": (path, [path])}, path, np.ones(6), io=io)
        served = [seq.x["a"], seq.x["b"][0], seq.x["b"][1], seq.y, seq.subset([1]).x]
        assert [io] * 4 == [rows.io for rows in served[:4]]
        assert seq.sample_weight.io is None
        x, y = make_windows(path, targets=path, sequence_length=2, io=io)
        assert (io, io) == (x.io, y.io) == (NpySequence(x, y, io=io).x.io, io)
        classes = NpySequence.from_class_files({"a": path, "b": others}, io=io)
        for rows in (take([path, f"{tmp_path}/x*.npy"], [11, 0], io=io), classes.x):
            assert (io, io) == (rows.io, NpySequence(rows, io=io).x.io)
    (tmp_path / "d" / "one").mkdir(parents=True)
    np.save(tmp_path / "d" / "one" / "x.npy", np.arange(3))
    for io, expected in (("map", "map"), ("read", "read"), ("auto", "read")):
        seq = NpySequence.from_directory(tmp_path / "d", io=io)
        assert expected == seq.x.io
        assert [0, 1, 2] == seq[0][0][0].tolist()


@pytest.mark.parametrize(
    "build",
    [
        lambda path: open_rows(path, io="mmap"),
        lambda path: NpySequence(path, io="mmap"),
        lambda path: samples(path, io="mmap"),
        lambda path: make_windows(path, sequence_length=1, io="mmap"),
        lambda path: take(path, [0], io="mmap"),
    ],
)
def test_io_that_is_none_is_refused(tmp_path: Path, build: Callable[[Path], object]) -> None:
    """With what it may be."""
    np.save(tmp_path / "x.npy", np.arange(3))
    with pytest.raises(ValueError, match=r"'auto', 'map' or 'read'.*io='mmap'.*Leave it out"):
        build(tmp_path / "x.npy")


def test_io_of_rows_that_are_open_in_another_way_is_refused(tmp_path: Path) -> None:
    """It would be lost in silence; the remedy is to say it where the rows are opened."""
    np.save(tmp_path / "x.npy", np.arange(3))
    rows = open_rows(tmp_path / "x.npy", io="map")
    with pytest.raises(ValueError, match=r"x\.npy: rows that are open.*io='read'.*open_rows"):
        NpySequence(rows, io="read")
    assert "read" == NpySequence(open_rows(tmp_path / "x.npy", io="read"), io="read").x.io


@pytest.mark.parametrize("code", ["ENODEV", "ENOMEM"])
def test_auto_reads_what_cannot_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """It says so once; `io="map"` raises the system's error."""
    save_shards(tmp_path, ARRAY)
    unlike = tmp_path / "unlike"
    unlike.mkdir()
    unlike_shards(unlike)
    number = getattr(errno, code)

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(mapping, "map_bytes", refuse)
    monkeypatch.setattr(mapping, "Reservation", refuse)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        for folder in (tmp_path, unlike):
            rows = open_rows(folder / "x-*.npy")
            rows.prepare(np.arange(N))
            np.testing.assert_array_equal(ARRAY, rows[:])
            assert "read" == rows.io
        for path in (tmp_path / "x-1.npy", unlike / "x-2.npy"):
            np.testing.assert_array_equal(np.load(path), open_rows(path)[:])
    said = [str(one.message) for one in given if "cannot be mapped is read" in str(one.message)]
    assert 1 == len(said)
    assert os.strerror(number) in said[0]
    for name in ("x-1.npy", "x-*.npy", "unlike/x-*.npy"):
        with pytest.raises(OSError, match=os.strerror(number)):
            open_rows(tmp_path / name, io="map")[:]


def test_auto_reads_where_addresses_are_limited() -> None:
    """Under `ulimit -v`, a file that does not fit is read, alone or as a shard."""
    printed = run_script(
        """
        import os, resource, tempfile, warnings
        import numpy as np
        from keras_npy import open_rows
        with tempfile.TemporaryDirectory() as folder:
            for name in ("x-0", "x-1"):
                header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 4096)}
                with open(f"{folder}/{name}.npy", "wb") as file:
                    np.lib.format.write_array_header_1_0(file, header)
                    start = file.tell()
                    file.truncate(start + (4 << 30))
                    file.seek(start + (4 << 30) - 1)
                    file.write(b"7")
            used = int(open("/proc/self/statm").read().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30),) * 2)
            with warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                for name in ("x-0", "x-*"):
                    rows = open_rows(f"{folder}/{name}.npy")
                    print(rows.io, rows[-1][-1], rows.io, len(given))
        """
    )
    assert ["read 55 read 1", "map 55 read 1"] == printed.splitlines()


def test_many_shards_need_few_descriptors() -> None:
    """300 files where a process may have 64 open, in two sources, and all are closed at last."""
    printed = run_script(
        """
        import os, resource, tempfile
        import numpy as np
        from keras_npy import open_rows
        count = lambda: len(os.listdir("/proc/self/fd"))
        with tempfile.TemporaryDirectory() as folder:
            for number in range(300):
                np.save(f"{folder}/x-{number}.npy", np.arange(number * 2, number * 2 + 2))
            before = count()
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            sources = [open_rows(f"{folder}/x-*.npy", io="read") for _ in range(2)]
            order = np.random.default_rng(0).permutation(600)
            for rows in sources:
                rows.prepare(order)
                assert rows[order].tolist() == order.tolist()
            print(count() - before <= 16)
            # Nor does it fail if something else takes them.
            held = []
            try:
                while True:
                    held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            assert sources[0][order].tolist() == order.tolist()
            for descriptor in held:
                os.close(descriptor)
            del sources, rows
            print(count() - before)
        """
    )
    assert ["True", "0"] == printed.split()


def test_read_files_take_no_resident_memory(tmp_path: Path) -> None:
    """Batch systems that count mapped pages see a few batches, where a map shows the file."""
    np.save(tmp_path / "x.npy", np.ones((1024, 64 << 10), "uint8"))
    printed = run_script(
        """
        import sys
        import numpy as np
        from keras_npy import open_rows
        def resident_mb():
            with open("/proc/self/status") as file:
                lines = dict(line.split(":", 1) for line in file)
            return int(lines["VmRSS"].split()[0]) / 1024
        for io in ("read", "map"):
            rows = open_rows(sys.argv[1], io=io)
            rows[:16]
            before = resident_mb()
            for start in range(0, 1024, 16):
                rows[start : start + 16]
            print(round(resident_mb() - before))
        """,
        tmp_path / "x.npy",
    )
    read_mb, map_mb = map(int, printed.split())
    assert read_mb < 8
    assert map_mb > 50


def test_convert_reads_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the remedy for a failing disk, so it must not be ended by one."""

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("a file was mapped")

    save_shards(tmp_path, ARRAY)
    np.savez(tmp_path / "d.npz", x=ARRAY)
    np.savez_compressed(tmp_path / "c.npz", x=ARRAY)
    np.save(tmp_path / "f.npy", np.asfortranarray(ARRAY))
    monkeypatch.setattr(mapping, "map_bytes", refuse)
    for name in ("x-*.npy", "d.npz::x", "c.npz::x", "f.npy"):
        convert(f"{tmp_path}/{name}", tmp_path / "new.npy", force=True)
        np.testing.assert_array_equal(ARRAY, np.load(tmp_path / "new.npy"))


# What is read once, and what in threads.


class Counted:
    """`os.preadv` that counts its calls."""

    def __init__(self) -> None:
        self._preadv, self.num_calls = os.preadv, 0

    def __call__(self, *arguments: Any) -> int:
        self.num_calls += 1
        return self._preadv(*arguments)


def test_small_file_is_read_once_and_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels: every batch would read all of them, or make a call for each. A change is noticed."""
    labels = np.arange(5000) * 3
    np.save(tmp_path / "y.npy", labels)
    rows = open_rows(tmp_path / "y.npy", io="read")
    calls = Counted()
    monkeypatch.setattr(os, "preadv", calls)
    for start in (0, 700, 4000):
        indices = np.arange(start, start + 900)[::-1]
        np.testing.assert_array_equal(labels[indices], rows.take(indices))
    assert 1 == calls.num_calls
    np.save(tmp_path / "y.npy", labels + 1)
    os.utime(tmp_path / "y.npy", ns=(1, 1))
    with pytest.raises(NpyFileError, match=r"y\.npy: a file must not change"):
        rows.take(np.arange(3))


def test_small_files_are_kept_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of them would fill the memory; those of a source that is gone do not count."""
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.arange(1000))
    gc.collect()
    monkeypatch.setattr(reading, "ALL_KEPT_BYTES_MAX", reading.kept_bytes() + 10_000)
    calls = Counted()
    monkeypatch.setattr(os, "preadv", calls)

    def num_calls(rows: Rows) -> int:
        before = calls.num_calls
        for _ in range(3):
            np.testing.assert_array_equal(np.arange(0, 1000, 7), rows.take(np.arange(0, 1000, 7)))
        return calls.num_calls - before

    first, second = (open_rows(tmp_path / f"{name}.npy", io="read") for name in "ab")
    assert (1, 3) == (num_calls(first), num_calls(second))
    del first
    gc.collect()
    assert 1 == num_calls(open_rows(tmp_path / "c.npy", io="read"))


@pytest.mark.parametrize("number", [1, 5, 40])
def test_pieces_that_are_slow_are_shared_by_threads(number: int) -> None:
    """Each is done once, however few are left for the threads; an error of one is raised."""
    threads, done = SideBySide(), []

    def work(first: int, stop: int) -> None:
        assert first < stop
        done.extend((at, threading.current_thread().name) for at in range(first, stop))
        time.sleep(0.001)

    for _ in range(2):
        done.clear()
        threads.run(work, number)
        assert list(range(number)) == sorted(at for at, _ in done)
    assert (1 < number) == any("keras_npy-read" in name for _, name in done)

    def fail(first: int, stop: int) -> None:
        work(first, stop)
        if stop == number:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        threads.run(fail, number)


def test_thread_waits_for_descriptors_that_another_one_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that read side by side, where other code has taken all but one descriptor."""
    x = np.arange(8)
    np.save(tmp_path / "x.npy", x)
    rows = open_rows(tmp_path / "x.npy", io="read")
    opened, refusals = place.open_to_read, iter([errno.EMFILE] * 5)

    def refused(path: str) -> int:
        for number in refusals:
            raise OSError(number, "taken")
        return opened(path)

    monkeypatch.setattr(place, "open_to_read", refused)
    np.testing.assert_array_equal(x, rows[:])
    assert next(refusals, None) is None
