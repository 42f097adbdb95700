"""Shards: many files that are read as one, whatever their lengths, names and number."""

import errno
import gc
import glob
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence, open_rows, samples
from keras_npy.files import archive, mapping, shard_maps
from keras_npy.files.header import NpyHeader
from tests.conftest import run_script
from tests.processes import run_forked
from tests.rows.contract import DTYPES, assert_same, random_values, write_npy

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


def cut_up(folder: Path, array: np.ndarray, cuts: list[int], name: str = "x") -> list[Path]:
    """Save the rows between the cuts as files."""
    paths = []
    for number, part in enumerate(np.split(array, sorted(cuts))):
        paths.append(folder / f"{name}-{number}.npy")
        np.save(paths[-1], part)
    return paths


@pytest.fixture
def array() -> np.ndarray:
    return np.arange(120, dtype="int32").reshape(30, 4)


@pytest.fixture
def paths(tmp_path: Path, array: np.ndarray) -> list[Path]:
    """Twelve shards of 2 or 3 rows, two of them empty."""
    return cut_up(tmp_path, array, [3, 6, 9, 9, 12, 15, 18, 21, 24, 27, 30])


@pytest.mark.parametrize("offset_bytes", [80, 128, 4096, 4224])
@pytest.mark.parametrize(
    ("lengths", "num_values", "is_joined"),
    [
        pytest.param([2, 3, 1, 5], 512, True, id="pages"),
        pytest.param([4, 8, 4, 3], 128, True, id="last-page-not-whole"),
        pytest.param([1, 1], 512, True, id="one-page-each"),
        pytest.param([4, 5, 4], 128, False, id="a-page-not-whole"),
    ],
)
def test_alias_of_files_of_whole_pages_is_one_array(
    tmp_path: Path, lengths: list[int], num_values: int, is_joined: bool, offset_bytes: int
) -> None:
    """Wherever the data begins: of two files that meet within a page, it has the bytes of both."""
    array = np.arange(sum(lengths) * num_values).reshape(-1, num_values)
    for number, part in enumerate(np.split(array, np.cumsum(lengths)[:-1])):
        write_npy(tmp_path / f"x-{number}.npy", part, offset_bytes)
    rows = open_rows(tmp_path / "x-*.npy", io="map")
    backwards = np.arange(len(array))[::-1]
    np.testing.assert_array_equal(array[backwards], rows.take(backwards))
    alias = rows.alias()
    assert is_joined == (alias is not None)
    if alias is not None:
        np.testing.assert_array_equal(array, alias)


def test_alias_of_files_that_cannot_all_be_mapped_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows are copied, as those of files with gaps."""

    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    array = np.arange(8 * 512).reshape(8, 512)
    cut_up(tmp_path, array, [4])
    rows = open_rows(tmp_path / "x-*.npy")
    monkeypatch.setattr(mapping.Reservation, "copy_file", refuse)
    assert rows.alias() is None
    np.testing.assert_array_equal(array, rows[:])


# Which files, in which order.


def test_open_rows_pattern_joins_files_in_natural_order(
    paths: list[Path], array: np.ndarray, tmp_path: Path
) -> None:
    """x-2 comes before x-10, as a reader would count."""
    rows = open_rows(tmp_path / "x-*.npy")
    assert (array.shape, array.dtype) == (rows.shape, rows.dtype)
    np.testing.assert_array_equal(array, rows[:])
    assert f"{tmp_path / 'x-0.npy'} and 11 more" == rows.name


def test_open_rows_one_shard_has_the_name_of_its_file(paths: list[Path], tmp_path: Path) -> None:
    """There are no more."""
    assert str(paths[0]) == open_rows([paths[0]]).name == open_rows(tmp_path / "x-0*.npy").name


def test_open_rows_list_keeps_the_given_order(paths: list[Path], array: np.ndarray) -> None:
    """A list is taken as it is."""
    backwards = [str(path) for path in reversed(paths)]
    expected = np.concatenate([np.load(path) for path in backwards])
    np.testing.assert_array_equal(expected, open_rows(backwards)[:])


@pytest.mark.parametrize("pattern", ["x-[0-9].npy", "x-?.npy", "**/x-?.npy"])
def test_open_rows_each_kind_of_pattern_matches(
    paths: list[Path], array: np.ndarray, tmp_path: Path, pattern: str
) -> None:
    """`?`, `[]` and `**` mean what they mean in a shell."""
    np.testing.assert_array_equal(array[:27], open_rows(str(tmp_path / pattern))[:])


@pytest.mark.parametrize("pattern", ["**/**/*.npy", "**/b/**/x-?.npy"])
def test_open_rows_two_double_stars_give_each_file_once(
    tmp_path: Path, array: np.ndarray, pattern: str
) -> None:
    """Rows that come twice would be trained on twice, and stand in both halves of a split."""
    (tmp_path / "a" / "b" / "b").mkdir(parents=True)
    cut_up(tmp_path / "a" / "b" / "b", array, [15])
    pattern = f"{tmp_path}/{pattern}"
    assert 2 < len(glob.glob(pattern, recursive=True))
    assert_same(array, open_rows(pattern)[:])
    assert_same(array.reshape(2, 15, 4), samples(pattern)[:])


def test_open_rows_file_with_brackets_in_its_name_is_itself(tmp_path: Path) -> None:
    """A name that exists is no pattern."""
    np.save(tmp_path / "x[1].npy", np.arange(3))
    np.save(tmp_path / "x1.npy", np.arange(5))
    assert 3 == len(open_rows(tmp_path / "x[1].npy"))


def test_open_rows_pattern_without_match_is_refused(tmp_path: Path) -> None:
    """A pattern that matches nothing is no empty data set."""
    with pytest.raises(NpyFileError, match=r"y-\*\.npy: .*at least one file.*no match.*`ls`"):
        open_rows(tmp_path / "y-*.npy")


@pytest.mark.parametrize(
    ("other", "received"),
    [
        pytest.param(np.zeros((2, 5), "int32"), r"int32 \(2, 5\)", id="row-shape"),
        pytest.param(np.zeros((2, 4), "int64"), r"int64 \(2, 4\)", id="dtype"),
        pytest.param(np.zeros((2, 4, 1), "int32"), r"int32 \(2, 4, 1\)", id="axes"),
        pytest.param(np.zeros((0, 5), "int32"), r"int32 \(0, 5\)", id="empty"),
    ],
)
def test_open_rows_shards_that_differ_are_refused(
    paths: list[Path], other: np.ndarray, received: str
) -> None:
    """Both files are named, with what they hold."""
    np.save(paths[5], other)
    message = rf"^{re.escape(str(paths[5]))}: .*{re.escape(str(paths[0]))} of int32.*{received}"
    with pytest.raises(NpyFileError, match=message):
        open_rows(paths)


def test_open_rows_only_empty_shards_are_refused(tmp_path: Path) -> None:
    """There must be a row somewhere."""
    np.save(tmp_path / "a.npy", np.zeros((0, 3)))
    with pytest.raises(NpyFileError, match=r"at least one row in all.*1 files without rows"):
        open_rows([tmp_path / "a.npy"])


def test_open_rows_damaged_shard_is_named(paths: list[Path]) -> None:
    """A fault is that of one file, not of the pattern."""
    paths[7].write_bytes(b"<html>")
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[7]))}: .*HTML page"):
        open_rows(paths)


# Values.


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_shards_any_cut_equals_concatenate(directory: Path, data: st.DataObject) -> None:
    """Whatever shapes, dtypes, layouts and cuts, rows are those of the files joined."""
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), "shape")
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES), "dtype"))
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=6), "lengths")
    lengths.append(shape[0])
    same_offset = data.draw(st.booleans(), "same offset")
    same_layout = data.draw(st.booleans(), "same layout")
    parts, layout = [], None
    for number, length in enumerate(lengths):
        if layout is None or not same_layout:
            layout = data.draw(st.tuples(st.sampled_from("<>"), st.sampled_from("CF")), "layout")
        values = random_values((length, *shape[1:]), dtype.name, number)
        part = np.asarray(values.astype(dtype.newbyteorder(layout[0])), order=layout[1])
        path = directory / f"x-{number}.npy"
        path.unlink(missing_ok=True)
        offset = 128 if same_offset else data.draw(st.integers(96, 224), "offset")
        write_npy(path, part, offset)
        parts.append(part)
    total = sum(lengths)
    indices = data.draw(st.lists(st.integers(-total, total - 1), min_size=1, max_size=9), "rows")
    joined = np.concatenate([part.astype(dtype) for part in parts])
    rows = open_rows([directory / f"x-{number}.npy" for number in range(len(lengths))])
    assert_same(joined[indices], rows[indices])
    assert_same(joined, rows[:])


@pytest.fixture(params=["one-array", "mapped-each", "no-addresses"])
def placed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Shards mapped into one array; each by itself; and where the system has no addresses left."""
    if request.param == "mapped-each":
        monkeypatch.setattr(shard_maps, "RESERVED_BYTES_MAX", 0)
    elif request.param == "no-addresses":
        monkeypatch.setattr(shard_maps.mapping, "Reservation", no_addresses)
    return str(request.param)


def no_addresses(size_bytes: int) -> None:
    raise OSError(12, "Cannot allocate memory")


def test_take_maps_the_files_of_its_rows_alone(paths: list[Path], array: np.ndarray) -> None:
    """Files are mapped as their rows are asked for, and unmapped with the last of them."""
    rows = open_rows(paths)
    mapped = count_mapped(paths)
    assert (0, None) == (mapped, rows.alias())
    np.testing.assert_array_equal(array[[29, 3, 4]], rows.take(np.array([29, 3, 4])))
    assert 2 == count_mapped(paths)
    del rows
    gc.collect()
    assert 0 == count_mapped(paths)


def count_mapped(paths: list[Path]) -> int:
    maps = Path("/proc/self/maps").read_text()
    return sum(str(path) in maps for path in paths)


def count_mappings(paths: list[Path]) -> int:
    """As `count_mapped`, of files that several sources map."""
    maps = Path("/proc/self/maps").read_text()
    return sum(maps.count(f"{path}\n") for path in paths)


def test_open_rows_when_all_mappings_are_taken_maps_few_files_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources share the mappings of the process, and give theirs back when they are gone."""
    array = np.arange(90).reshape(30, 3)
    paths = cut_up(tmp_path, array, [*range(3, 30, 3)])
    gc.collect()
    monkeypatch.setattr(shard_maps, "MAPPINGS_MAX", 30 + shard_maps.num_mappings())
    monkeypatch.setattr(shard_maps, "MAPS_MIN", 2)
    sources = [open_rows(paths) for _ in range(4)]
    # Each of ten files takes a mapping, and one for the hole up to a multiple of 24 bytes; then
    # half of what is left.
    indices = np.random.default_rng(0).integers(0, 30, 500)
    mapped = []
    for rows in sources:
        before = count_mappings(paths)
        for piece in (indices[:1], indices[1:7], indices):
            np.testing.assert_array_equal(array[piece], rows.take(piece))
            rows.prepare(piece)
        mapped.append(count_mappings(paths) - before)
    assert 10 == mapped[0]
    assert all(0 < num <= most for num, most in zip(mapped[1:], [5, 2, 2], strict=True))
    del rows, sources
    gc.collect()
    again = open_rows(paths)
    again.take(indices)
    assert 10 == count_mappings(paths)


def test_take_of_bounded_shards_maps_no_more_than_that_at_any_time(
    paths: list[Path], array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is made before files are mapped, not after."""
    monkeypatch.setattr(shard_maps, "MAPS_MAX", 5)
    rows = open_rows(paths)
    map_rows, most = shard_maps.map_rows, [0]

    def counted(header: NpyHeader) -> np.ndarray:
        most.append(count_mapped(paths) + 1)
        return map_rows(header)

    monkeypatch.setattr(shard_maps, "map_rows", counted)
    rng = np.random.default_rng(0)
    for _ in range(60):
        indices = rng.integers(0, 30, 12)
        np.testing.assert_array_equal(array[indices], rows.take(indices))
    assert 5 == max(most)


def test_take_in_threads_while_files_are_unmapped(
    paths: list[Path], array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is not unmapped under a thread that reads it."""
    monkeypatch.setattr(shard_maps, "MAPS_MAX", 4)
    rows = open_rows(paths)
    wrong: list[Any] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            indices = rng.integers(0, 30, 8)
            if not np.array_equal(array[indices], rows.take(indices)):
                wrong.append(indices)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("row_values", [4, 9_000], ids=["by-blocks", "by-batches"])
def test_sequence_of_shards_serves_the_rows_of_one_file(
    tmp_path: Path, placed: str, shuffle: Any, row_values: int
) -> None:
    """Through the TensorFlow feed, batch by batch, as from the files joined."""
    array = np.arange(30 * row_values, dtype="int32").reshape(30, row_values)
    np.save(tmp_path / "one.npy", array)
    sources = (cut_up(tmp_path, array, [3, 3, 20]), tmp_path / "one.npy")
    epochs = []
    for source in sources:
        seq = NpySequence(source, {"a": np.arange(30), "b": sources[0]}, batch_size=8, seed=1)
        dataset = NpyDataAdapter(seq, shuffle).get_tf_dataset()
        epochs.append([(x.numpy(), y["a"].numpy(), y["b"].numpy()) for x, y in dataset])
    for from_shards, from_one in zip(*epochs, strict=True):
        for expected, leaf in zip(from_one, from_shards, strict=True):
            np.testing.assert_array_equal(expected, leaf)


# Faults, processes, limits.


def test_check_unchanged_looks_at_the_files_of_the_rows_alone(paths: list[Path]) -> None:
    """A changed file is named when its rows come up, and not before."""
    rows = open_rows(paths)
    os.utime(paths[8], ns=(1, 1))
    rows.check_unchanged(np.array([0, 5, 29]))
    for indices in (np.array([0, 22]), None):
        with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[8]))}: .*not change"):
            rows.check_unchanged(indices)


def test_take_of_a_file_replaced_before_it_was_mapped_is_refused(paths: list[Path]) -> None:
    """The header that was read is good for no other file."""
    rows = open_rows(paths)
    np.save(paths[0].with_name("new.npy"), np.load(paths[0]))
    os.replace(paths[0].with_name("new.npy"), paths[0])
    with pytest.raises(NpyFileError, match=rf"^{re.escape(str(paths[0]))}: .*not change"):
        rows[0]


_TEN_THOUSAND = """
    import os, resource, sys
    import numpy as np
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    from keras_npy import NpyDataAdapter, NpySequence
    from keras_npy.files import shard_maps
    folder, header = sys.argv[1], np.lib.format.header_data_from_array_1_0(np.zeros((3, 2)))
    for number in range(10_000):
        np.save(f"{folder}/x-{number}.npy", np.arange(6).reshape(3, 2) + 6 * number)
    # Half of them. `test_four_sources_of_twelve_thousand_shards_fit_in_one_process` maps all.
    shard_maps.MAPS_MAX = 5_000
    seq = NpySequence(f"{folder}/x-*.npy", np.arange(30_000), batch_size=100, seed=0)
    for x, y in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
        np.testing.assert_array_equal(x[:, 0], 2 * y)
    print("served", len(os.listdir("/proc/self/fd")) < 100)
"""


def test_ten_thousand_shards_train_with_1024_descriptors(tmp_path: Path) -> None:
    """A shuffled epoch over 10,000 files, with the system's usual limits."""
    assert "served True" == run_forked(_TEN_THOUSAND, tmp_path)


_FOUR_SOURCES = """
    import sys
    import numpy as np
    from keras_npy.files.header import read_header
    from keras_npy.rows.shards import join_files
    # Ten files, each mapped 1,200 times: the system counts mappings, not files.
    headers, array = [], np.arange(30).reshape(10, 3)
    for number in range(10):
        path = f"{sys.argv[1]}/{number}.npy"
        np.save(path, array[number : number + 1])
        headers.append(read_header(path))
    order = np.random.default_rng(0).permutation(12_000)
    sources = [join_files(headers * 1_200) for _ in range(4)]
    for rows in sources:
        for indices in np.array_split(order, 20):
            np.testing.assert_array_equal(array[indices % 10], rows.take(indices))
    num_maps = sum(1 for line in open("/proc/self/maps"))
    print("served", 48_000 < num_maps < 65_530)
"""


def test_four_sources_of_twelve_thousand_shards_fit_in_one_process(tmp_path: Path) -> None:
    """x and y, to train and to validate, with the system's usual limit of 65,530 mappings."""
    assert "served True" == run_script(_FOUR_SOURCES, tmp_path)


def test_open_rows_files_that_threads_share_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread reads the headers of several files at a time."""
    monkeypatch.setattr(archive, "HEADER_THREADS", 2)
    for number in range(40):
        np.save(tmp_path / f"x-{number}.npy", np.full(number % 5, number))
    rows = open_rows(f"{tmp_path}/x-*.npy")
    expected = np.concatenate([np.full(number % 5, number) for number in range(40)])
    np.testing.assert_array_equal(expected, rows[:])
