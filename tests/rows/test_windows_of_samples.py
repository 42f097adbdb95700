"""Windows over files of one timestep each: those that cross to another series give a warning."""

import re
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, open_rows, samples, take, windows
from keras_npy.names.series import begins_of_series, gaps


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(names: list[str], first: int = 0) -> None:
    for number, name in enumerate(names, first):
        np.save(f"{name}.npy", np.full((2, 2), number))


def grid(pattern: str, *sizes: int) -> list[str]:
    """Names of all points of a grid, with the last number changing fastest."""
    return [pattern.format(*point) for point in np.ndindex(*sizes)]


SERIES = [
    pytest.param(grid("v{}_f{}", 2, 5), [5], id="two-videos"),
    pytest.param(grid("v{}_f{:04}", 3, 4), [4, 8], id="three-videos"),
    pytest.param(grid("f{:04}_of_v{}", 3, 2), [2, 4], id="frame-by-frame-of-two"),
    pytest.param([*grid("alice-{}", 3), *grid("bob-{}", 4)], [3], id="names"),
    pytest.param([*grid("v0-{}", 3), *grid("v1-{}", 1)], [3], id="one-of-a-single-frame"),
    pytest.param(grid("p{}_s{}_z{:02}", 2, 2, 3), [3, 6, 9], id="patients-and-sessions"),
    pytest.param([*grid("p1_s1_{}", 3), *grid("p2_s1_{}", 3)], [3], id="a-session-each"),
    pytest.param([*grid("chr1_{}", 3), *grid("chrx_{}", 3)], [3], id="one-without-a-number"),
    pytest.param(grid("video_{}_{:02}", 2, 60), [60], id="sixty-frames-each"),
    pytest.param(grid("sub{}_{:02}", 2, 24), [24], id="twenty-four-slices-each"),
    pytest.param(grid("{}_{}", 2, 5), [5], id="bare-numbers"),
    pytest.param([f"p1_s{n}" for n in (34, 35)] + [f"p2_s{n}" for n in (12, 13)], [2], id="slices"),
    pytest.param(grid("v{}_f{}_17", 2, 5), [5], id="and-one-number-alike"),
    pytest.param([f"v{v}_f{f}_{v * 70 + f * 3}" for v in (0, 1) for f in range(4)], [4], id="ids"),
    pytest.param(grid("day{}_f{:03}", 2, 24), [24], id="frames-of-each-day"),
    pytest.param(grid("day{}_f{}", 3, 8), [8, 16], id="eight-frames-of-each-day"),
    pytest.param([*grid("day1_{}", 4), *grid("day2_{}", 6)], [4], id="two-lengths"),
    pytest.param([*grid("day3_{}", 8), *grid("day1_{}", 8)], [8], id="days-that-fall"),
    pytest.param(grid("mouse{}_day1_{}", 2, 8), [8], id="mice-of-a-day"),
    pytest.param(grid("mouse{}_day{}_{}", 2, 1, 8), [8], id="mice-of-one-day-each"),
    pytest.param(grid("scan{}_slot{}", 2, 8), [8], id="slots-of-no-time"),
    pytest.param(grid("{}_step{}", 2, 7), [7], id="steps-of-bare-numbers"),
    pytest.param(grid("2021_v{}_f{}", 2, 5), [5], id="behind-a-year"),
    pytest.param(grid("rec{:02}-img{:02}", 2, 60), [60], id="images-of-recordings"),
]


@pytest.mark.parametrize(("names", "begins"), SERIES)
def test_names_say_where_a_series_begins(names: list[str], begins: list[int]) -> None:
    """A counter begins again where another number or word changes."""
    assert begins == begins_of_series([f"/data/{name}.npy" for name in names])


def times(form: str, number: int, **step: float) -> list[str]:
    begin = datetime(2021, 1, 30, 21, 50)
    return [(begin + timedelta(**step) * at).strftime(form) for at in range(number)]


ONE_SERIES = [
    pytest.param(grid("f{:04}", 12), id="frames"),
    pytest.param([f"f{n}" for n in range(0, 500, 10)], id="each-tenth"),
    pytest.param(times("%Y-%m-%d", 60, days=1), id="dates"),
    pytest.param(times("%Y-%m-%d", 20, days=5), id="each-fifth-day"),
    pytest.param(times("%Y_%m", 30, days=31), id="months"),
    pytest.param(times("%Y-%m-%d_%H-%M", 50, hours=1), id="an-hour-each"),
    pytest.param(times("%Y-%m-%dT%H-%M-%S", 50, seconds=17), id="iso"),
    pytest.param(times("%Y%m%d_%H%M", 50, hours=1), id="digits"),
    pytest.param(times("temp%Y%m%d_%H", 50, hours=1), id="digits-behind-a-word"),
    pytest.param(times("scan_%Y%m%d_%H%M", 50, hours=1), id="radar"),
    pytest.param(times("%y%m%d_%H", 50, hours=1), id="years-of-two-digits"),
    pytest.param(times("%Y_%j", 400, days=1), id="days-of-the-year"),
    pytest.param(times("%m-%d", 60, days=1), id="days-without-a-year"),
    pytest.param(times("%m%d", 60, days=1), id="days-of-four-digits"),
    pytest.param(times("%H-%M", 12, minutes=10), id="minutes"),
    pytest.param(times("%H_%M_%S", 300, seconds=30), id="seconds"),
    pytest.param(times("t%H%M%S", 300, seconds=30), id="seconds-of-six-digits"),
    pytest.param(times("%M_%S", 12, seconds=7), id="even-steps-past-the-minute"),
    pytest.param(["9_12", "9_50", "10_3", "10_41", "11_20", "11_55"], id="clock-of-events"),
    pytest.param(times("%Hh%M", 30, minutes=15), id="h-between"),
    pytest.param(times("h%H_m%M", 30, minutes=15), id="labelled-hours"),
    pytest.param(grid("day{}_{:02}", 3, 24), id="hours-of-days"),
    pytest.param(grid("day{}_hour{}", 3, 24), id="hours-and-days"),
    *(
        pytest.param(grid(names, 3, number), id=f"{names}-{number}")
        for names in ("day{:02}_{:02}", "day_{}_{}", "day{}_slot{}", "week{}_slot{}", "hour{}_{}")
        for number in (2, 4, 8, 48, 96)
    ),
    pytest.param([*grid("day1_{}", 8)[3:], *grid("day2_{}", 8), "day3_0"], id="cut-at-both-ends"),
    pytest.param([*grid("day1_{}", 8), *grid("day5_{}", 8)], id="days-between-are-missing"),
    pytest.param(grid("week{}_day{}", 3, 5), id="working-days"),
    pytest.param([f"201{y}_q{q}" for y in (8, 9) for q in (1, 2, 3, 4)], id="quarters"),
    pytest.param(grid("2021_week{}_{}", 3, 5), id="weeks-of-a-year"),
    pytest.param(grid("week{}_day{}", 3, 7), id="days-of-weeks"),
    pytest.param([f"{m}_{d:02}" for m in ("jan", "feb") for d in range(1, 29)], id="named-months"),
    pytest.param([f"{d}_{h}" for d in ("mon", "tue") for h in range(24)], id="days-of-the-week"),
    pytest.param([f"t{n / 4:.2f}" for n in range(12)], id="decimals"),
    pytest.param([f"{n / 10}" for n in range(25)], id="bare-decimals"),
    pytest.param([f"{12 + n // 1000}_{n % 1000:03}" for n in range(0, 4000, 33)], id="30-a-second"),
    pytest.param(grid("{}_{:03}", 2, 1000), id="thousands"),
    pytest.param(grid("chunk{}_{}", 3, 5), id="chunks"),
    pytest.param([f"16094592{n:02}_{k}" for n in range(4) for k in range(5)], id="since-1970"),
    pytest.param([f"day{n // 5}_f{n:03}" for n in range(15)], id="counted-through"),
    pytest.param([f"alice-{n}" for n in range(3)] + [f"bob-{n}" for n in range(3, 6)], id="words"),
    pytest.param([f"f{n:03}_x{n * 7 % 5}_y{n * 3 % 4}" for n in range(30)], id="values"),
    pytest.param([f"f{n:03}_t{100 - n}" for n in range(9)], id="counts-down"),
    pytest.param([f"f{n:03}_{n * 2654435761 % 65536:04x}" for n in range(30)], id="hashes"),
    pytest.param([f"t{n}" for n in range(-1, 9)], id="from-minus-one"),
    pytest.param(["a", "b", "c", "d"], id="letters"),
    pytest.param([f"{n:02x}" for n in range(40)], id="hexadecimal"),
    pytest.param(["f1_a", "f2_b", "f3_a", "f4_b"], id="two-words-in-turn"),
]


@pytest.mark.parametrize("names", ONE_SERIES)
def test_names_of_one_series_have_no_border(names: list[str]) -> None:
    """Times, decimals, and counters that go on begin no other series."""
    assert [] == begins_of_series([f"/data/{name}.npy" for name in names])


def crossing(rows: Any) -> int:
    """Windows with values of both series: those of the second one begin at 100."""
    values = rows[:].reshape(len(rows), -1)
    return int(((values < 100).any(axis=1) & (values >= 100).any(axis=1)).sum())


MADE = [
    pytest.param(lambda: samples("v*.npy"), id="pattern"),
    pytest.param(lambda: samples(["v0_*.npy", "v1_*.npy"]), id="two-patterns"),
    pytest.param(lambda: samples(grid("v{}_f{}.npy", 2, 5)), id="list"),
    pytest.param(lambda: take(samples("v*.npy"), slice(1, 8)), id="part"),
    pytest.param(lambda: take(samples("v*.npy"), np.arange(10)), id="by-number"),
    pytest.param(lambda: [samples("w*.npy"), samples("v*.npy")], id="in-a-list"),
    pytest.param(lambda: samples("a*.npz::x"), id="members"),
]


@pytest.mark.parametrize("make", MADE)
def test_windows_that_cross_to_another_series_give_a_warning(make: Any) -> None:
    """It counts them, and a list of the windows of each series ends it; so does `join=True`."""
    for number, first in enumerate((0, 100)):
        save(grid(f"v{number}_f{{}}", 5), first)
        for frame in range(5):
            np.savez(f"a{number}_f{frame}.npz", x=np.full((2, 2), first + frame))
    save(grid("w{}", 4))
    with pytest.warns(UserWarning, match="begin to count again") as found:
        rows = windows(make(), sequence_length=3)
    (message,) = [str(one.message) for one in found]
    received = re.search(r"(\d+) of (\d+) windows that do, such as from (\S+) to (\S+)\. ", message)
    assert received
    assert (crossing(rows), len(rows)) == tuple(map(int, received.groups()[:2]))
    ends, begins = (Path(name.split("::")[0]).stem for name in received.groups()[2:])
    assert ("0_f4", "1_f0") == (ends[1:], begins[1:])
    assert "[windows(samples(pattern), ...) for pattern in patterns]" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        patterns = ["v0_*.npy", "v1_*.npy"]
        each = [windows(samples(pattern), sequence_length=3) for pattern in patterns]
        assert (6, 0) == (NpySequence(each).num_samples, crossing(open_rows(each)))
        assert 8 == len(windows(samples("v*.npy"), sequence_length=3, join=True))


def test_targets_and_next_values_cross_too() -> None:
    """A target of the other series is one as well."""
    save(grid("v{}_f{}", 2, 5))
    with pytest.warns(UserWarning, match="2 of 8 windows that do"):
        windows(samples("v*.npy"), sequence_length=2, predict_next=True)


def test_windows_that_end_with_each_series_do_not_warn() -> None:
    """As many timesteps as each series has, side by side; in folders too."""
    save(grid("v{}_f{}", 2, 5))
    for part in "ab":
        Path(part).mkdir()
        save(grid(f"{part}/{{}}", 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pattern in ("v*.npy", "[ab]/*.npy"):
            windows(samples(pattern), sequence_length=5, sequence_stride=5)
        windows("v*.npy", sequence_length=2)


def without(names: list[str], *places: int) -> list[str]:
    return [name for at, name in enumerate(names) if at not in places]


GAPS = [
    pytest.param(without(grid("f{}", 12), 5), [5], id="a-frame"),
    pytest.param(without(grid("{:05}_rgb", 300), 40, 41, 99), [40, 97], id="three-of-many"),
    pytest.param([f"f{n}" for n in range(0, 500, 10) if n != 90], [9], id="of-each-tenth"),
    pytest.param([*grid("f{}", 20), *(f"f{n}" for n in range(500, 520))], [20], id="two-stretches"),
    pytest.param(without(times("%H%M", 25, minutes=5), 3, 9), [3, 8], id="of-a-clock"),
    pytest.param(without(times("%Y%m%d", 90, days=1), 50), [50], id="of-days"),
    pytest.param(without(grid("f{:04}", 104), 98, 99), [98], id="before-a-hundred"),
]


@pytest.mark.parametrize(("names", "places"), GAPS)
def test_names_say_where_files_are_missing(names: list[str], places: list[int]) -> None:
    """In front of a number that is two or more steps behind the one before it."""
    assert places == gaps([f"/data/{name}.npy" for name in names])


UNEVEN = [
    pytest.param(["f0", "f1", "f3"], id="too-few"),
    pytest.param([f"cam_{n:04}" for n in (931, 945, 958, 1012, 1030, 1044)], id="clock-times"),
    pytest.param(times("%H%M", 30, minutes=10), id="each-ten-minutes"),
    pytest.param([f"t{60 * h + m}" for h in range(9) for m in (0, 7, 21, 40)], id="rhythm"),
    pytest.param(times("%H%M%S", 90, seconds=30), id="each-half-minute"),
    pytest.param(times("%M%S", 70, seconds=1), id="each-second"),
    pytest.param(times("%Y%m%d", 90, days=1), id="dates"),
    pytest.param([f"{n // 12}{n % 12 + 1:02}" for n in range(24240, 24280)], id="months"),
    pytest.param(times("%m%d", 90, days=1), id="days"),
    pytest.param(times("%Y%j", 700, days=1), id="days-of-years"),
    pytest.param(times("%Y%W", 90, days=7)[:48], id="weeks"),
    pytest.param([f"d{n}" for n in range(70) if n % 7 < 5], id="trading-days"),
    pytest.param([f"f{n}" for n in range(60) if n % 4 != 3], id="many-left-out"),
    pytest.param([f"f{n * n}" for n in range(20)], id="squares"),
    pytest.param(["f0", "f10", "f20", "f30", "f40", "f45", "f50"], id="half-a-step"),
    pytest.param([f"{16094592e8 + 33.4 * n:.0f}" for n in range(60)], id="milliseconds"),
    pytest.param([f"t{n / 10}" for n in range(30) if n != 7], id="decimals"),
    pytest.param(["f3", "f2", "f1", "f0", "f5", "f6", "f7", "f8"], id="in-an-order-of-its-own"),
]


@pytest.mark.parametrize(
    "names", [*(case.values[0] for case in ONE_SERIES), *(case.values[0] for case in UNEVEN)]
)
def test_names_that_leave_nothing_out_have_no_gap(names: list[str]) -> None:
    """Times, other numbers that are no counter, and counters of which many are missing."""
    assert [] == gaps([f"/data/{name}.npy" for name in names])


@pytest.mark.parametrize("left_out", [(5,), (5, 6, 15)])
def test_windows_that_jump_over_missing_files_give_a_warning(left_out: tuple[int, ...]) -> None:
    """Its list ends it, and cuts the windows out; so does `join=True`."""
    names = grid("f{}", 24)
    save(names)
    for number in left_out:
        Path(f"f{number}.npy").unlink()
    frames = samples("f*.npy")
    with pytest.warns(UserWarning, match=r"such as from \S+f4\.npy to \S+f[67]\.npy\.") as found:
        rows = windows(frames, sequence_length=3)
    (message,) = [str(one.message) for one in found]
    received = re.search(r"(\d+) of (\d+) windows that jump over them", message)
    are_jumping = (np.diff(rows[:][:, :, 0, 0], axis=1) != 1).any(axis=1)
    assert received
    assert (are_jumping.sum(), len(rows)) == tuple(map(int, received.groups()))
    call = re.search(r"each stretch: (\[.*\]), in which frames", message)
    assert call
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = call[1].replace("...", "sequence_length=3")
        each = open_rows(eval(code, {"windows": windows, "take": take, "frames": frames}))
        assert len(rows) == len(windows(frames, sequence_length=3, join=True))
    np.testing.assert_array_equal(rows[:][~are_jumping], each[:])


def test_windows_beside_a_gap_do_not_warn() -> None:
    """Windows that end in front of it, and rows that were picked out, which have a warning."""
    save(without(grid("f{:02}", 20), 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows(samples("f*.npy"), sequence_length=4, sequence_stride=4)
        windows(samples("f*.npy"), sequence_length=3, end_index=8)
        windows(take(samples("f*.npy"), slice(0, None, 2)), sequence_length=2, join=True)
    with pytest.warns(UserWarning, match="rows that were picked out") as found:
        windows(take(samples("f*.npy"), [0, 1, 2, 3, 4, 6, 7, 8, 9]), sequence_length=3)
    assert 1 == len(found)
