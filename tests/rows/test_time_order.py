"""A pattern whose natural order contradicts the times in the names is not the order of a series."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take, windows
from keras_npy.rows.name_order import orders_of_time
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
        windows(take(samples(pattern), [2, 1, 3, 0]), sequence_length=2, join=True)
        NpySequence(pattern).split(0.25)
        NpySequence(pattern, check_names=False).split(0.25, in_order=True)
        NpySequence(samples(pattern), np.arange(4))
