"""Each source of rows keeps the contract of `RowsContract`, and says here how it is made."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from keras_npy import open_rows, samples, windows
from keras_npy.files import open_files, shard_maps, shards, side_by_side, spans
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import take
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.labels import ClassWeightRows, OneHotRows
from keras_npy.rows.raw import raw
from keras_npy.rows.widened import WidenedRows
from tests.rows.contract import DTYPES, NUM_ROWS, RowsContract, write_npy

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


class TestOneFile(RowsContract):
    order: ClassVar[Literal["C", "F"]] = "C"
    byte_order = "<"
    offset_bytes = 128
    has_alias = True

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        stored = array.astype(array.dtype.newbyteorder(self.byte_order))
        write_npy(folder / "x.npy", np.asarray(stored, order=self.order), self.offset_bytes)
        return open_rows(folder / "x.npy", io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x.npy": 3}


class TestMisalignedFile(TestOneFile):
    offset_bytes = 83


class TestFortranFile(TestOneFile):
    order = "F"
    has_alias = False


class TestMisalignedFortranFile(TestFortranFile):
    offset_bytes = 82


class TestBigEndianFile(TestOneFile):
    byte_order = ">"
    has_alias = False


class TestBigEndianFortranFile(TestFortranFile):
    byte_order = ">"


class TestFlatFile(TestOneFile):
    """Rows of one value each."""

    row_shape = ()


class TestArchiveMember(RowsContract):
    has_alias = True

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        np.savez(folder / "d.npz", other=np.arange(5), x=array)
        return open_rows(f"{folder}/d.npz::x", io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "d.npz": 3}


class TestArray(RowsContract):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        return open_rows(array.copy())


class TestFortranArray(RowsContract):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        return open_rows(np.asfortranarray(array))


class TestBigEndianArray(RowsContract):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        return open_rows(array.astype(array.dtype.newbyteorder(">")))


class TestStridedArray(RowsContract):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        doubled = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
        doubled[::-2] = array
        return open_rows(doubled[::-2])


def save_shards(folder: Path, array: np.ndarray) -> dict[Path, int]:
    """Three files of uneven lengths, each with a row that lies in it."""
    at = len(array) * 2 // NUM_ROWS
    for number, part in enumerate(np.split(array, [at, 4 * at])):
        np.save(folder / f"x-{number}.npy", part)
    return {folder / "x-0.npy": 0, folder / "x-1.npy": 3, folder / "x-2.npy": 9}


class TestShardsInAnArena(RowsContract):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Each look counts.
        monkeypatch.setattr(shards, "CHECK_AGAIN_S", -1)

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        save_shards(folder, array)
        return open_rows(folder / "x-*.npy", io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x-0.npy": 0, folder / "x-1.npy": 3, folder / "x-2.npy": 9}


class TestJoinedShards(TestShardsInAnArena):
    """Files of whole pages, which follow each other in memory without a gap."""

    row_shape = (4, 1024)
    large_row_shape = (2, 1024)
    has_alias = True


class TestShardsMappedEach(TestShardsInAnArena):
    """Where one process may not have that many addresses."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(shard_maps, "RESERVED_BYTES_MAX", 0)


class TestShardsOfLargeRowsMappedEach(TestShardsMappedEach):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(shards, "GATHER_ROW_BYTES_MAX", 0)


class TestShardsMappedTwoAtATime(TestShardsMappedEach):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(shard_maps, "MAPS_MAX", 2)


class TestBigEndianShards(TestShardsInAnArena):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        return super().make(folder, array.astype(array.dtype.newbyteorder(">")))


class TestUnlikeShards(TestShardsInAnArena):
    """One in Fortran order, one of another byte order."""

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        first, second, _ = save_shards(folder, array)
        np.save(first, np.asfortranarray(np.load(first)))
        swapped = np.load(second)
        np.save(second, swapped.astype(swapped.dtype.newbyteorder(">")))
        return open_rows(folder / "x-*.npy", io=self.io)


class TestUnlikeShardsMappedTwoAtATime(TestUnlikeShards):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(shard_maps, "MAPS_MAX", 2)


class TestSamples(RowsContract):
    order: ClassVar[Literal["C", "F"]] = "C"

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        for number, sample in enumerate(array):
            np.save(folder / f"s-{number}.npy", np.asarray(sample, order=self.order))
        return samples(folder / "s-*.npy", io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / f"s-{number}.npy": number for number in (0, 7)}

    def look(self, rows: Rows, indices: np.ndarray) -> None:
        # Files are opened when they are read: that is when they are looked at.
        rows.take(indices)


class TestFortranSamples(TestSamples):
    order = "F"


class TestSamplesReadInThreads(TestSamples):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(side_by_side, "SLOW_S", 0)


class TestUnlikeSamples(TestSamples):
    """Headers, byte orders and orders of axes vary."""

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        for number, sample in enumerate(array):
            swapped = sample.astype(sample.dtype.newbyteorder("<>"[number % 2]))
            order: Any = "CCF"[number % 3]
            path = folder / f"s-{number}.npy"
            write_npy(path, np.asarray(swapped, order=order), 128 + number)
        return samples(folder / "s-*.npy", io=self.io)


class TestWindows(RowsContract):
    def make(self, folder: Path, array: np.ndarray) -> Rows:
        np.save(folder / "x.npy", array)
        return windows(folder / "x.npy", sequence_length=3, sampling_rate=2, io=self.io)

    def expected(self, array: np.ndarray) -> np.ndarray:
        return np.stack([array[at : at + 5 : 2] for at in range(len(array) - 4)])

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x.npy": 3}


class TestWindowsOfJoinedShards(TestWindows):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shards, "CHECK_AGAIN_S", -1)

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        save_shards(folder, array)
        return windows(
            folder / "x-*.npy", sequence_length=3, sampling_rate=2, join=True, io=self.io
        )

    def files(self, folder: Path) -> dict[Path, int]:
        # Window 6 begins in the second file and ends in the third.
        return {folder / "x-0.npy": 0}


class TestWindowsOfShards(RowsContract):
    """Windows of two timesteps in each file, and none in the file of one."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shards, "CHECK_AGAIN_S", -1)

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        for number, part in enumerate(np.split(array, [6, 7])):
            np.save(folder / f"x-{number}.npy", part)
        return windows(folder / "x-*.npy", sequence_length=2, io=self.io)

    def expected(self, array: np.ndarray) -> np.ndarray:
        begins = [*range(5), *range(7, len(array) - 1)]
        return np.stack([array[at : at + 2] for at in begins])

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x-0.npy": 4, folder / "x-2.npy": 5}


class TestJoinedSources(RowsContract):
    """Two files, and rows that were opened before."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shards, "CHECK_AGAIN_S", -1)

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        for number, part in enumerate(np.split(array, [2, 4, 7])):
            np.save(folder / f"x-{number}.npy", part)
        paths = [folder / f"x-{number}.npy" for number in range(4)]
        opened = [open_rows(path, io=self.io) for path in paths[2:]]
        return open_rows([*paths[:2], *opened], io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x-0.npy": 0, folder / "x-1.npy": 3, folder / "x-2.npy": 4}


class TestChosen(RowsContract):
    """Every second row of a file with twice as many, backwards."""

    has_alias = False

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        np.save(folder / "x.npy", np.repeat(array[::-1], 2, axis=0))
        return take(open_rows(folder / "x.npy", io=self.io), slice(2 * len(array) - 1, 0, -2))

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x.npy": 3}


class TestFittedSamples(TestSamples):
    """Each padded by a row, and cropped by a column; some too long, some too short."""

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        for number, row in enumerate(array):
            stored = np.concatenate([row, row[:, :1]], axis=1) if number % 2 else row
            np.save(folder / f"s-{number}.npy", np.asarray(stored, order=self.order))
        lengths = {0: array.shape[1] + 1, 1: array.shape[2]}
        return samples(folder / "s-*.npy", length=lengths, pad_value=1, io=self.io)

    def expected(self, array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.ones_like(array[:, :1])], axis=1)


class TestTaken(TestShardsInAnArena):
    """Rows of shards in an order of their own, some of them twice."""

    NUMBERS = np.array([7, 0, 0, 3, -1, 9, 2, 2, 5, 8, -7])

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        save_shards(folder, array)
        return take(open_rows(folder / "x-*.npy", io=self.io), np.resize(self.NUMBERS, len(array)))

    def expected(self, array: np.ndarray) -> np.ndarray:
        return array[np.resize(self.NUMBERS, len(array))]

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x-0.npy": 1, folder / "x-1.npy": 3, folder / "x-2.npy": 5}


class TestRawFile(RowsContract):
    has_alias = True

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        (folder / "x.bin").write_bytes(bytes(64) + array.tobytes())
        shape = (-1, *array.shape[1:])
        return raw(folder / "x.bin", dtype=array.dtype, shape=shape, offset=64, io=self.io)

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x.bin": 3}


class TestWidened(RowsContract):
    dtypes: ClassVar[list[str]] = ["uint16", "uint32"]
    keeps_booleans = False

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        np.save(folder / "x.npy", array)
        return WidenedRows(open_rows(folder / "x.npy", io=self.io), self.expected(array).dtype)

    def expected(self, array: np.ndarray) -> np.ndarray:
        return array.astype({"uint16": "int32", "uint32": "int64"}[array.dtype.name])

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "x.npy": 3}


class TestOneHot(RowsContract):
    dtypes: ClassVar[list[str]] = ["int32"]
    row_shape = ()
    large_row_shape = ()
    keeps_booleans = False

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        return OneHotRows(array % 40, 40)

    def expected(self, array: np.ndarray) -> np.ndarray:
        return np.eye(40, dtype="float32")[array % 40]


class TestClassWeights(RowsContract):
    dtypes: ClassVar[list[str]] = [name for name in DTYPES if "int" in name]
    row_shape = ()
    large_row_shape = ()
    keeps_booleans = False

    def make(self, folder: Path, array: np.ndarray) -> Rows:
        np.save(folder / "y.npy", array % 5)
        weights = {0: 0.5, 1: 2, 3: 7}
        return ClassWeightRows(
            open_rows(folder / "y.npy", io=self.io), weights, np.dtype("float32")
        )

    def expected(self, array: np.ndarray) -> np.ndarray:
        return np.array([0.5, 2, 1, 7, 1], "float32")[array % 5]

    def files(self, folder: Path) -> dict[Path, int]:
        return {folder / "y.npy": 3}


class Read(RowsContract):
    """Files that are read by position are as good as mapped ones."""

    io = "read"
    has_alias = False


class TestReadFile(Read, TestOneFile): ...


class TestReadMisalignedFile(Read, TestMisalignedFile): ...


class TestReadFortranFile(Read, TestMisalignedFortranFile): ...


class TestReadBigEndianFortranFile(Read, TestBigEndianFortranFile): ...


class TestReadBigEndianFile(Read, TestBigEndianFile): ...


class TestReadFlatFile(Read, TestFlatFile): ...


class TestReadFileInSpans(Read, TestOneFile):
    """Of rows that lie together, many are read by one call, into memory of its own."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spans, "GAP_BYTES_MAX", 1 << 20)
        monkeypatch.setattr(spans, "CALL_BYTES", 1 << 40)


class TestReadFileInSmallSpans(Read, TestFlatFile):
    """Many spans, many groups of spans, and threads that read them."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spans, "GAP_BYTES_MAX", 4096)
        monkeypatch.setattr(spans, "CALL_BYTES", 1 << 40)
        monkeypatch.setattr(spans, "SPAN_BYTES", 20)
        monkeypatch.setattr(side_by_side, "SLOW_S", 0)


class TestReadFileInThreads(Read, TestOneFile):
    """One call for each row, several at a time."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spans, "GAP_BYTES_MAX", 0)
        monkeypatch.setattr(spans, "RUN_BYTES", 1)
        monkeypatch.setattr(side_by_side, "SLOW_S", 0)


class TestReadArchiveMember(Read, TestArchiveMember): ...


class TestReadShards(Read, TestShardsInAnArena): ...


class TestReadShardsInSpans(Read, TestShardsInAnArena):
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(spans, "GAP_BYTES_MAX", 1 << 20)
        monkeypatch.setattr(spans, "CALL_BYTES", 1 << 40)


class TestReadShardsOpenOneAtATime(Read, TestShardsInAnArena):
    """Where one process may have few descriptors."""

    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().limit(monkeypatch)
        monkeypatch.setattr(open_files, "FILES_MAX", 0)
        monkeypatch.setattr(open_files, "FILES_MIN", 1)


class TestReadUnlikeShards(Read, TestUnlikeShards): ...


class TestReadSamples(Read, TestSamples): ...


class TestReadUnlikeSamples(Read, TestUnlikeSamples): ...


class TestReadFortranSamples(Read, TestFortranSamples): ...


class TestReadWindows(Read, TestWindows): ...


class TestReadWindowsOfShards(Read, TestWindowsOfShards): ...


class TestReadChosen(Read, TestChosen): ...


class TestReadWidened(Read, TestWidened): ...


class TestReadClassWeights(Read, TestClassWeights): ...


def test_what_wraps_rows_forwards_all_that_does_nothing_by_default() -> None:
    """A method that is added to `Rows` must not become a silent no-op in a wrapper."""
    made_of_others = {
        "take",
        "read_into",
        "read_steps_into",
        "locate",
        "locate_among_all",
        "file_of",
        "row_shape",
        "row_bytes",
        "nbytes",
        "ndim",
        "size",
    }
    public = {name for name in vars(Rows) if not name.startswith("_")}
    assert public - made_of_others <= set(vars(ForwardingRows))
