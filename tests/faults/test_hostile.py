"""Files that were made to harm: refused or read, with no crash, hang, code run or memory."""

import os
import random
import signal
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy import NpyFileError, NpySequence, convert, open_rows, samples
from tests.faults import fuzz

# Odd layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

CORPUS = sorted(fuzz.CORPUS.iterdir())
MEMORY_BYTES_MAX = 1 << 20


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """A hang is a failure with a traceback."""
    signal.alarm(300)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_file_of_the_corpus_is_read_or_refused(tmp_path: Path, path: Path) -> None:
    """Those that NumPy wrote are read."""
    was_read = fuzz.attack(path.read_bytes(), tmp_path)
    is_written_by_numpy = path.stem in (
        *("plain", "fortran", "big_endian", "version_2", "version_3", "polyglot"),
        *("labels", "labels_float", "one_hot", "stored"),
    )
    assert is_written_by_numpy == was_read


EDITS = st.tuples(st.integers(0, 5), st.floats(0, 1), st.sampled_from(fuzz.TOKENS))


@given(st.sampled_from(CORPUS), st.lists(EDITS, min_size=1, max_size=4), st.binary(max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_file_that_is_edited_is_read_or_refused(
    folder: Path, path: Path, edits: list[tuple[int, float, bytes]], more: bytes
) -> None:
    """By tokens of both formats, anywhere, and by any bytes."""
    data = bytearray(path.read_bytes())
    for kind, where, token in edits:
        at = int(where * len(data))
        if kind < 2:
            data[at:at] = token
        elif kind < 4:
            data[at : at + len(token)] = token
        elif kind == 4:
            del data[at : at + len(token)]
        else:
            data[at:at] = more
    fuzz.attack(bytes(data), folder)


def test_mutated_files_are_read_or_refused(folder: Path) -> None:
    """As `python -m tests.faults.fuzz` makes them, which found what is mended here first."""
    rng = random.Random(0)
    seeds = fuzz.seeds()
    outcomes = [fuzz.attack(fuzz.mutated(rng.choice(seeds), rng), folder) for _ in range(800)]
    # Both happen often, or the mutations test nothing.
    assert 30 < sum(outcomes) < 770


def write_bomb(path: Path, start: bytes = b"") -> None:
    """A member of 64 MiB of zeros behind `start`, in an archive of 64 kB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(start)
        for _ in range(16):
            member.write(bytes(4 << 20))


def npy_header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr':'|u1','fortran_order':False,'shape':{shape}}}\n".encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("start", [b"", npy_header((5,))[:-9], npy_header((1 << 40,))])
def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, start: bytes) -> None:
    """Neither memory nor disk is filled by what is no array, or claims to be more than it is."""
    path = tmp_path / "bomb.npz"
    write_bomb(path, start)
    tracemalloc.start()
    try:
        with pytest.raises(NpyFileError, match=r"bomb\.npz::x: .*compressed member"):
            open_rows(f"{path}::x")
        with pytest.raises(NpyFileError, match=r"bomb\.npz::x: .*Received: "):
            convert(f"{path}::x", tmp_path / "new.npy")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < MEMORY_BYTES_MAX
    assert ["bomb.npz"] == os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["nesting", "nested_list", "beyond_64_bits", "overflow"])
@pytest.mark.parametrize(
    "read",
    [
        open_rows,
        lambda path: open_rows([path, path]),
        samples,
        NpySequence,
        lambda path: convert(path, f"{path}.new"),
    ],
    ids=["path", "shards", "samples", "sequence", "convert"],
)
def test_header_that_is_a_bomb_takes_no_memory(name: str, read: Callable[[Path], object]) -> None:
    """Nested without end, or of more values than 64 bits can count."""
    path = fuzz.CORPUS / f"{name}.npy"
    tracemalloc.start()
    try:
        with pytest.raises(NpyFileError, match=rf"{name}\.npy: .*Received: "):
            read(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Python's own parser takes 2 MB for 3,000 brackets, the most that a header can hold.
    assert peak_bytes < 4 * MEMORY_BYTES_MAX


def test_members_that_overlap_are_read_as_their_own_headers_say(tmp_path: Path) -> None:
    """Two entries of the archive name the same bytes: nothing is unpacked, so nothing grows."""
    np.savez(tmp_path / "a.npz", x=np.arange(4), y=np.arange(4))
    data = (tmp_path / "a.npz").read_bytes()
    directory = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", directory + 1)
    # The offset of the second entry's member becomes that of the first's.
    damaged = data[: second + 42] + data[directory + 42 : directory + 46] + data[second + 46 :]
    (tmp_path / "b.npz").write_bytes(damaged)
    for member in ("x", "y"):
        assert [0, 1, 2, 3] == open_rows(f"{tmp_path}/b.npz::{member}")[:].tolist()


def test_paths_that_lead_nowhere_are_refused_at_once(tmp_path: Path) -> None:
    """Links that go round, FIFOs and devices, also as archives, shards and samples."""
    os.symlink(tmp_path / "loop.npy", tmp_path / "loop.npy")
    os.mkfifo(tmp_path / "fifo.npy")
    for name in ("loop.npy", "fifo.npy", "loop.npy::x", "fifo.npy::x"):
        path = f"{tmp_path}/{name}"
        for read in (open_rows, lambda path: open_rows([path]), samples):
            with pytest.raises((NpyFileError, OSError), match=r"(loop|fifo)\.npy"):
                read(path)


def test_names_of_any_bytes_are_read_and_named(tmp_path: Path) -> None:
    """As Linux allows them; the error can be printed by whatever prints it."""
    name = os.fsdecode(b"\xff\xfe \n\x1b[31m.npy")
    np.save(tmp_path / name, np.arange(3))
    assert [0, 1, 2] == open_rows(tmp_path / name)[:].tolist()
    assert [0, 1, 2] == open_rows(f"{tmp_path}/*.npy")[:].tolist()
    (tmp_path / name).write_bytes(b"<html>")
    with pytest.raises(NpyFileError, match="an HTML page") as raised:
        open_rows(tmp_path / name)
    assert str(raised.value).encode("utf-8", "backslashreplace")


def test_labels_of_any_size_take_memory_of_their_number_alone(tmp_path: Path) -> None:
    """A label of 2**62 makes no array of 2**62 classes."""
    np.save(tmp_path / "y.npy", np.array([0, 2**62, 0, 2**62, -5, -5]))
    seq = NpySequence(np.arange(6), tmp_path / "y.npy", batch_size=2)
    tracemalloc.start()
    try:
        first, second = seq.split(0.5, stratify=True)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (3, 3) == (first.num_samples, second.num_samples)
    assert peak_bytes < MEMORY_BYTES_MAX
