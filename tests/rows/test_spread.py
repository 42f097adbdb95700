"""A short look at rows from all over a source."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import open_rows, samples, take, windows
from keras_npy.rows import spread
from keras_npy.rows.spread import is_cheap, read_spread


@pytest.fixture(params=[-1, 60], ids=["no-time", "time"])
def has_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(spread, "MORE_S", request.param)
    return bool(request.param > 0)


def large(num_rows: int) -> np.ndarray:
    """Rows of 128 KiB, each full of its number."""
    return np.arange(num_rows).repeat(1 << 14).reshape(num_rows, -1)


def test_rows_of_a_few_bytes_are_read_in_runs(has_time: bool) -> None:
    """Each of 1,024 rows; 64 of them always, and 256 more if there is time."""
    num_rows = 9000 * 1024
    found = read_spread(open_rows(np.arange(num_rows)))
    num_runs = len(found) // 1024
    assert num_runs == 64 if not has_time else 256 <= num_runs <= 320
    runs = np.sort(found[::1024])
    assert (0, num_rows - 1024) == (runs[0], runs[-1])
    assert np.diff(runs).max() <= num_rows / (num_runs - 64 * has_time - 1) + 1024
    np.testing.assert_array_equal(found, (found[::1024, np.newaxis] + np.arange(1024)).ravel())


@pytest.mark.parametrize("num_rows", [1, 20, 32, 33, 200])
def test_large_rows_are_read_one_by_one(has_time: bool, num_rows: int) -> None:
    """32 of 128 KiB always, and up to 128, at equal distances."""
    numbers = np.sort(read_spread(open_rows(large(num_rows)))[:, 0])
    most = min(num_rows, 128 if has_time else 32)
    assert most <= len(numbers) <= 160
    assert (0, num_rows - 1) == (numbers[0], numbers[-1])
    assert np.diff(numbers, append=num_rows).max() <= -(-num_rows // most) + 1
    if num_rows <= most:
        assert list(range(num_rows)) == numbers.tolist()


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        pytest.param(lambda paths: samples(paths), set(range(80)), id="samples"),
        pytest.param(
            lambda paths: take(samples(paths), range(79, 0, -1)), set(range(1, 80)), id="taken"
        ),
        pytest.param(lambda paths: [f"{path}" for path in paths], set(range(80)), id="shards"),
    ],
)
def test_rows_of_many_files_are_read_from_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choose: Any, expected: set[int]
) -> None:
    """64 files always, and as many as there are if time is left."""
    paths = [tmp_path / f"{number + 100}.npy" for number in range(80)]
    for number, path in enumerate(paths):
        np.save(path, np.full((1, 3), number))
    rows = open_rows(choose(paths))
    monkeypatch.setattr(spread, "MORE_S", 60)
    assert expected == set(np.ravel(read_spread(rows)).tolist())
    monkeypatch.setattr(spread, "MORE_S", -1)
    assert 64 <= len(set(np.ravel(read_spread(rows)).tolist()))


def joined_windows(paths: list[Path]) -> Any:
    return windows([*map(str, paths)], sequence_length=3, join=True)


MANY_FILES = [
    pytest.param(lambda paths: [*map(str, paths)], id="shards"),
    pytest.param(lambda paths: samples(paths), id="samples"),
    pytest.param(lambda paths: take(samples(paths), np.arange(299, 0, -1)), id="taken"),
    pytest.param(lambda paths: [samples(paths[:150]), samples(paths[150:])], id="lists"),
    pytest.param(
        lambda paths: windows(samples(paths), sequence_length=2, targets=samples(paths)).y,
        id="targets-of-windows",
    ),
    pytest.param(joined_windows, id="windows-over-files"),
    pytest.param(lambda paths: take([*map(str, paths)], np.arange(599, -1, -1)), id="reversed"),
]


@pytest.mark.parametrize("choose", MANY_FILES)
def test_rows_of_many_small_files_open_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choose: Any
) -> None:
    """To open a file takes longer than to read it: 64 always, and 256 more if there is time."""
    paths = [tmp_path / f"{number + 100}.npy" for number in range(300)]
    for number, path in enumerate(paths):
        np.save(path, np.array([2 * number, 2 * number + 1]))
    rows = open_rows(choose(paths))
    assert not is_cheap(rows)
    for seconds, least, most in ((-1, 32, 64), (60, 128, 320)):
        monkeypatch.setattr(spread, "MORE_S", seconds)
        assert least <= len(np.unique(read_spread(rows) // 2)) <= most


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        pytest.param(lambda paths: samples(paths[:64]), True, id="64-samples"),
        pytest.param(lambda paths: samples(paths), False, id="65-samples"),
        pytest.param(lambda paths: take(samples(paths), np.arange(9)), True, id="9-of-65"),
        pytest.param(lambda paths: [*map(str, paths[:64])], True, id="64-shards"),
        pytest.param(lambda paths: [*map(str, paths)], False, id="65-shards"),
        pytest.param(lambda paths: np.zeros((1 << 19) + 1), False, id="more-than-4-MiB"),
        pytest.param(lambda paths: np.zeros(1 << 19), True, id="4-MiB"),
    ],
)
def test_few_bytes_in_few_files_are_cheap(tmp_path: Path, choose: Any, expected: bool) -> None:
    """A sample is a file of its own."""
    paths = [tmp_path / f"{number + 100}.npy" for number in range(65)]
    for path in paths:
        np.save(path, np.zeros(3))
    assert expected == is_cheap(open_rows(choose(paths)))
