"""A pattern whose natural order contradicts the times in the names is not the order of a series."""

import warnings
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take, windows
from keras_npy.names.order import orders_of_time
from keras_npy.rows.sources import natural_order

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
LONG_MONTHS = (
    "January February March April May June July August September October November December".split()
)

# In the order of time.
OUT_OF_ORDER = [
    pytest.param([f"temp_{month}" for month in MONTHS], id="months"),
    pytest.param(["jan", "feb"], id="two-months"),
    pytest.param(LONG_MONTHS[3:6], id="long-months"),
    pytest.param(["nov", "dec", "jan", "feb"], id="a-winter"),
    pytest.param([f"{m}{y}_t" for y in (2020, 2021) for m in MONTHS[:3]], id="months-and-years"),
    pytest.param([f"{y}/{m}" for y in (2020, 2021) for m in MONTHS[:3]], id="folders-of-years"),
    pytest.param(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], id="days-of-the-week"),
    pytest.param(["log_28-01-2021", "log_02-02-2021"], id="day-first"),
    pytest.param(["log_28.1.2021", "log_2.2.2021"], id="day-first-without-zeros"),
    pytest.param(["s28012021", "s02022021"], id="digits"),
    pytest.param(["02-28-2019", "01-28-2020"], id="month-first"),
    pytest.param(["02-01-2020", "01-02-2021"], id="in-both-ways"),
    pytest.param(["28-01-2021_10-00", "28-01-2021_12-00", "01-02-2021_08-00"], id="times"),
    pytest.param(["tue_28-01-2021", "fri_02-02-2021"], id="dates-with-their-day"),
    pytest.param(["29-Jan-2021", "02-Feb-2021"], id="names-of-months"),
    pytest.param(["x_Jan_30_2021", "x_Feb_2_2021", "x_Mar_1_2021"], id="american"),
    pytest.param(["12-2020", "01-2021", "02-2021"], id="month-and-year"),
    pytest.param(["q1_2020", "q2_2020", "q1_2021"], id="quarters"),
    pytest.param(["11-2021", "12-2021", "1-2022", "2-2022"], id="months-without-zeros"),
    pytest.param(["t_11_2021", "t_12_2021", "t_01_2022"], id="months-and-years-behind-a-word"),
    pytest.param(["11_2021", "01_2022"], id="a-month-left-out"),
    pytest.param(["11.2021", "12.2021", "1.2022"], id="months-and-years-with-dots"),
    pytest.param(["3-2021", "6-2021", "9-2021", "12-2021", "3-2022"], id="each-third-month"),
    pytest.param([f"{m}_{y}" for y in range(1999, 2005) for m in range(1, 13)], id="many-months"),
    pytest.param(["122021", "012022"], id="months-of-digits"),
    pytest.param(["x112021", "x122021", "x012022"], id="months-of-digits-behind-a-letter"),
    pytest.param(["15-12-21", "28-12-21", "05-01-22"], id="years-of-two-digits"),
    pytest.param(["28-01-21", "02-02-21"], id="days-of-one-year"),
    pytest.param(["t_12-28-21", "t_12-30-21", "t_01-05-22"], id="american-years-of-two-digits"),
    pytest.param(["28-01-21", "30-04-21", "15-07-21"], id="dates-of-each-quarter"),
    pytest.param([f"{d}-{m}-21" for m in range(1, 13) for d in ("01", "15")], id="twice-a-month"),
    pytest.param(
        [f"{date(2018, 1, 1) + timedelta(days=13 * n):%d-%m-%y}" for n in range(150)],
        id="five-years",
    ),
    pytest.param(["28.01.21", "02.02.21"], id="german"),
    pytest.param(["15dec20", "05jan21"], id="spelled-years-of-two-digits"),
    pytest.param(["t_28-Jan-21", "t_02-Feb-21", "t_03-Mar-21"], id="spelled-with-signs"),
    pytest.param(["1Q21", "2Q21", "3Q21", "4Q21", "1Q22"], id="quarters-before-q"),
    pytest.param(["4q2021", "1q2022", "2q2022"], id="quarters-before-q-and-a-year"),
    pytest.param(["H1_2021", "H2_2021", "H1_2022"], id="halves"),
    pytest.param(["half_2_2020", "half_1_2021"], id="half-as-a-word"),
    pytest.param(["wk51_2020", "wk52_2020", "wk1_2021"], id="weeks"),
    pytest.param(["w51-2020", "w52-2020", "w01-2021"], id="weeks-of-a-letter"),
    pytest.param(["week_51_2020", "week_52_2020", "week_1_2021"], id="weeks-as-words"),
    pytest.param(["KW52_2020", "KW53_2020", "KW01_2021"], id="german-weeks"),
    pytest.param(["month_12_2020", "month_1_2021"], id="months-as-words"),
    pytest.param(["355_2021", "365_2021", "001_2022"], id="days-of-the-year"),
    pytest.param(["3552021", "3652021", "0012022"], id="days-of-the-year-of-digits"),
    pytest.param([f"t_{d:03}-2021" for d in (360, 364)] + ["t_003-2022"], id="days-behind-a-word"),
    pytest.param(["9am", "10am", "1pm"], id="hours"),
    pytest.param(["log_9:30am", "log_12:30pm", "log_1:30pm"], id="hours-and-minutes"),
    pytest.param(["10pm", "11pm", "12am", "1am"], id="a-night"),
    pytest.param([f"t{step / 20:g}" for step in range(21)], id="decimals"),
    pytest.param(["part_one", "part_two", "part_three"], id="spelled"),
]

IN_ORDER = [
    pytest.param(["dec", "jan"], id="over-new-year"),
    pytest.param(["jan", "jul"], id="half-a-year-apart"),
    pytest.param(["mon", "tue", "wed"], id="days-of-the-week"),
    pytest.param(["2021-01-28", "2021-02-02"], id="year-first"),
    pytest.param(["01-02-2021", "02-01-2021"], id="in-one-way"),
    pytest.param([f"{at:02}_{month}" for at, month in enumerate(MONTHS)], id="numbered-months"),
    pytest.param([f"{side}_{month}" for side in "ab" for month in MONTHS], id="two-stations"),
    pytest.param([f"cam{at}_2{at}-01-2021" for at in (3, 2)], id="two-cameras"),
    pytest.param([f"site{site}_{year}" for site in (1, 2) for year in (2020, 2021)], id="sites"),
    pytest.param(["site_01_2020", "site_01_2021", "site_02_2020"], id="sites-with-zeros"),
    pytest.param([f"s1.{number}" for number in range(1, 13)], id="two-numbers"),
    pytest.param([f"t{step / 20:.2f}" for step in range(21)], id="decimals-of-one-width"),
    pytest.param([f"part_{number}" for number in range(12)], id="numbers"),
    pytest.param(["mar", "jul", "sun"], id="words-for-two-things"),
    pytest.param(["may", "june", "eva"], id="a-name"),
    pytest.param(["train", "val", "test"], id="words"),
    pytest.param(["1611878400", "1611964800"], id="stamps"),
    # Counters with a year.
    pytest.param([f"s{s}_2021" for s in range(1, 13)], id="subjects-of-a-year"),
    pytest.param([f"s{s}_{y}" for s in (1, 2) for y in (2021, 2022)], id="subjects-of-two-years"),
    pytest.param([f"{s}_{y}" for s in (1, 2) for y in (2021, 2022)], id="numbers-of-two-years"),
    pytest.param([f"{s}-{y}" for s in (1, 2, 3) for y in (2020, 2021)], id="runs-of-two-years"),
    pytest.param([f"s{s}_{y}" for s in range(1, 13) for y in (2021, 2022)], id="twelve-subjects"),
    pytest.param([f"site_{s}_{y}" for s in range(1, 13) for y in (2021, 2022)], id="twelve-sites"),
    pytest.param([f"well_{s}_{y}" for s in range(1, 13) for y in (2020, 2021)], id="twelve-wells"),
    pytest.param([f"day{d}_{t}m" for d in (1, 2, 3) for t in "ap"], id="sessions-of-days"),
    pytest.param([f"{d}_{t}m" for d in (1, 2, 3) for t in "ap"], id="sessions"),
    pytest.param([f"subj1{t}m_{r}" for t in "ap" for r in (1, 2)], id="sessions-of-a-subject"),
    pytest.param([f"{s:03}_{y}" for s in range(1, 9) for y in (2021, 2022)], id="ids-of-two-years"),
    pytest.param(["sub-355_2021", "sub-001_2022"], id="subjects-with-zeros"),
    pytest.param([f"w{w}_{y}" for w in (1, 2, 3) for y in (2020, 2021)], id="workers"),
    pytest.param([f"site_{s:02}-{y}" for s in (1, 2) for y in (2020, 2021)], id="sites-and-years"),
    pytest.param(["1marker21", "2marker20"], id="no-month"),
    pytest.param([f"h{h}_{y}" for h in (1, 2, 3) for y in (2020, 2021)], id="healthy-subjects"),
    pytest.param([f"q{q}_{y}" for q in range(1, 8) for y in (2020, 2021)], id="questions"),
    pytest.param(["400_2020", "400_2021", "500_2020"], id="no-days-of-the-year"),
    pytest.param(["13_2020", "13_2021", "14_2020"], id="no-months"),
    pytest.param([f"user_{u}_2021" for u in range(1, 40)], id="users"),
    # Numbers of three parts, of six digits, and sizes.
    pytest.param(["05-01-22", "15-12-22"], id="years-first-or-last"),
    pytest.param(["20-12-28", "21-01-05", "21-02-03"], id="years-of-two-digits-first"),
    pytest.param([f"{y}-12-21" for y in (15, 16, 17)], id="once-a-year"),
    pytest.param(
        [f"{date(2018, 1, 1) + timedelta(days=13 * n):%y-%m-%d}" for n in range(150)],
        id="five-years-with-the-year-first",
    ),
    pytest.param(["10-59-58", "10-59-59", "11-00-01"], id="times-of-a-day"),
    pytest.param([f"v1.{n}.21" for n in range(1, 13)], id="versions"),
    pytest.param(["v1-12-21", "v2-01-21"], id="versions-with-signs"),
    pytest.param([f"{x}-{y}-12" for x in (1, 2) for y in (1, 2)], id="grid"),
    pytest.param(
        [f"{x:02}-{y:02}-{z:02}" for x in (1, 2) for y in (1, 2) for z in (0, 1)],
        id="grid-of-three",
    ),
    pytest.param([f"tile_{x}_{y}_21" for x in (20, 28) for y in (1, 2)], id="tiles"),
    pytest.param(["64-64-12", "128-64-12"], id="sizes"),
    pytest.param(["1280x720", "1920x1080", "640x480"][::-1], id="resolutions"),
    pytest.param(["102001", "112000", "122003"], id="six-digits"),
    pytest.param([f"{n}" for n in range(121998, 122006)], id="counters-of-six-digits"),
    pytest.param(["1q21", "1q32", "2q11", "3q26"], id="bands-of-chromosomes"),
    pytest.param(["15mar21", "16mar21"], id="spelled-in-order"),
    pytest.param(["20dec15", "21jan05"], id="spelled-years-first"),
    pytest.param(["9am", "10am", "11am"], id="a-morning"),
    pytest.param(["1pm", "5pm", "10pm"], id="picometres"),
    pytest.param([f"cam{c}_{h}" for c in "12" for h in ("9am", "1pm")], id="hours-of-two-cameras"),
    pytest.param(["spring", "summer", "autumn"], id="seasons"),
    pytest.param(["pre", "post"], id="before-and-after"),
]


@pytest.mark.parametrize("names", OUT_OF_ORDER)
def test_names_that_sort_otherwise_than_time_say_so(names: list[str]) -> None:
    """The first order is that of time; listed in it they say nothing."""
    paths = [f"/data/2024/{name}.npy" for name in names]
    found = natural_order(paths)
    orders = orders_of_time(found)
    assert paths in [[found[at] for at in order] for order in orders]
    assert [] == orders_of_time(paths)


@pytest.mark.parametrize("names", IN_ORDER)
def test_names_that_sort_as_time_or_state_none_say_nothing(names: list[str]) -> None:
    """What may be meant is no error: counters, stations, sites."""
    assert [] == orders_of_time(natural_order([f"/data/2024/{name}.npy" for name in names]))


@pytest.mark.parametrize("names", OUT_OF_ORDER)
def test_each_spelling_warns_and_its_list_is_in_order(tmp_path: Path, names: list[str]) -> None:
    """Over files joined, over files of one row, and where the last rows are cut off."""
    paths = [f"{tmp_path}/{name}.npy" for name in names]
    for number, path in enumerate(paths):
        Path(path).parent.mkdir(exist_ok=True)
        np.save(path, np.full((2,), number))
    message = r": .* Received: \S+\.npy before \S+\.npy, which is earlier by its name\. Pass a list"
    for use in SERIES:
        with pytest.warns(UserWarning, match=message) as caught:
            found = use(f"{tmp_path}/**/*.npy")
        late, early = (
            str(caught[0].message).partition("Received: ")[2].split(", which")[0].split(" before ")
        )
        assert {late, early} <= set(paths)
        assert np.any(np.diff(found) < 0)
        assert np.all(np.diff(use(paths)) >= 0)


SERIES: list[Any] = [
    lambda x: windows(x, sequence_length=2, sequence_stride=2, join=True)[:].ravel(),
    lambda x: windows(samples(x), sequence_length=1, join=True)[:].ravel(),
    lambda x: np.concatenate(
        [part.x[:].ravel() for part in NpySequence(x).split(0.5, in_order=True)]
    ),
]


def save_months(folder: Path, shape: tuple[int, ...]) -> list[str]:
    for number, month in enumerate(MONTHS[:4]):
        np.save(folder / f"temp_{month}.npy", np.full(shape, number))
    return [f"{folder}/temp_{month}.npy" for month in MONTHS[:4]]


USES: list[Any] = [
    pytest.param(
        lambda x: windows(x, sequence_length=4, sequence_stride=4, join=True)[:],
        (3,),
        id="windows-over-files",
    ),
    pytest.param(lambda x: windows(samples(x), sequence_length=2)[:], (2,), id="windows-of-files"),
    pytest.param(
        lambda x: windows(x, sequence_length=4, join=True, targets=np.arange(12))[0][:],
        (3,),
        id="targets",
    ),
    pytest.param(
        lambda x: NpySequence(x).split(0.25, in_order=True)[1].x[:], (3,), id="split-in-order"
    ),
    pytest.param(
        lambda x: NpySequence(samples(x)).split(0.25, in_order=True)[1].x[:], (2,), id="split-files"
    ),
]


@pytest.mark.parametrize(("use", "shape"), USES)
def test_series_of_a_pattern_that_is_not_in_the_order_of_time_warns(
    tmp_path: Path, use: Any, shape: tuple[int, ...]
) -> None:
    """The list that the warning asks for is in order."""
    paths = save_months(tmp_path, shape)
    message = (
        r"temp_apr\.npy: .*order of time, .*Received: \S*temp_apr\.npy before \S*temp_feb\.npy, "
        r"which is earlier .*Pass a list of all paths in the order of time, from \S*temp_jan\.npy "
        r"and \S*temp_feb\.npy on; list what belongs to them alike\. A list is taken as it is\."
    )
    with pytest.warns(UserWarning, match=message) as caught:
        use(f"{tmp_path}/temp_*.npy")
    assert [__file__] == [warning.filename for warning in caught]
    # What the warning says. Warnings are errors here.
    found = use(paths)
    assert np.all(np.diff(found.reshape(len(found), -1)[:, 0]) >= 0)
    # A list in another order is meant.
    use(sorted(paths))


def test_series_that_need_no_order_of_time_do_not_warn(tmp_path: Path) -> None:
    """Series of their own, parts at random, and rows that the user chose or meant."""
    save_months(tmp_path, (3,))
    pattern = f"{tmp_path}/temp_*.npy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows(pattern, sequence_length=2)
        windows(take(samples(pattern), [2, 1, 3, 0]), sequence_length=2)
        NpySequence(pattern).split(0.25)
        NpySequence(pattern, check_names=False).split(0.25, in_order=True)
        NpySequence(samples(pattern), np.array([1, 0, 0, 1]))
