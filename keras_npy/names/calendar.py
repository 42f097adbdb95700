"""Times in names that a calendar tells from counters: 1-2022, 355_2021, 1Q21, 15-12-21, 9am."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import TypeAlias

Times: TypeAlias = list[tuple[float, ...]]
"""When each file is, in numbers of any unit."""

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
LONG_MONTHS = (
    "january february march april may june july august september october november december".split()
)

DAYS = "mon tue wed thu fri sat sun".split()
LONG_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

_YEAR = "((?:19|20)[0-9]{2})"
# A letter before a number makes a counter of it, as in s1_2021; so do a number, and these words.
_BEGIN = r"(?<![^\W_])(?<![0-9][-_./])"
_COUNTERS = re.compile(
    r"(?<![^\W\d_])(?:s|sub|subj|subject|site|station|patient|p|id|no|nr|num|run|trial|session|seed|"
    r"fold|batch|part|case|exp|cam|camera|sensor|tile|img|image|v|ver|version|user|mouse|room|well|plot|"
    r"farm|field|zone|lake|river|buoy|house|building|plant|cell|chip|line|unit|node|channel|animal|"
    r"video|vid|clip|movie|film|recording|rec|sequence|seq|volume|vol|scan|stack)"
    r"[-_. ]*\Z"
)
_MONTH = re.compile(rf"{_BEGIN}([0-9]{{1,2}})[-_.]{_YEAR}(?![0-9])")
_MONTH_OF_DIGITS = re.compile(rf"(?<![0-9])(0[1-9]|1[0-2]){_YEAR}(?![0-9])")
_DAY_OF_YEAR = re.compile(rf"{_BEGIN}([0-9]{{3}})[-_.]?{_YEAR}(?![0-9])")
_QUARTER = re.compile(r"(?<![0-9])([1-4])q[-_ ]?((?:19|20)?[0-9]{2})(?![0-9])")
# Versions have dots and no zeros, grids have underscores.
_DATE = re.compile(
    rf"{_BEGIN}(?:([0-9]{{1,2}})-([0-9]{{1,2}})-|([0-9]{{2}})\.([0-9]{{2}})\.)([0-9]{{2}})"
    r"(?![0-9]|[-_./][0-9])"
)
_SPELLED = re.compile(
    rf"(?<![0-9])([0-9]{{1,2}})[-_. ]?({'|'.join((*LONG_MONTHS, *MONTHS))})[-_. ]?"
    "([0-9]{2})(?![0-9])"
)
_HOUR = re.compile(
    # A session of day 1 is day1_am.
    r"(?<![^\W_])(?<![0-9][-_.:])(0?[1-9]|1[0-2])(?:[-_.:]?([0-5][0-9]))?([ap])m"
    r"(?![^\W_])"
)

_MINUTES_OF_DAY = 24 * 60
# Months and quarters, of which one may be missing; days of the year, once a month; and dates, which
# say more, once a quarter.
_APART_MAX = 2
_DAYS_APART_MAX = 31
_DATES_APART_MAX = 100
# A reading is far-fetched in which files take so many times as long as in another one, or have so
# many times as many years as days.
_LONGER = 10
_MORE = 4

_Found: TypeAlias = Sequence[re.Match[str]]


def calendar_times(names: Sequence[str], *, is_sample: bool) -> list[Times]:
    """The times of names, in each way in which they can be read; nothing if they state none.

    Args:
        names: In small letters.
        is_sample: Whether they are only some of the names, which leave gaps.

    Example:

    >>> calendar_times(["11_2021", "12_2021", "1_2022"], is_sample=False)
    [[(24263,), (24264,), (24265,)]]
    """
    for pattern, read in _KINDS:
        if not pattern.search(names[0]):
            continue
        found = [match for name in names if (match := pattern.search(name))]
        if len(found) == len(names):
            # Whatever else differs may be a station.
            rest = {pattern.sub("", name, count=1) for name in names}
            before = names[0][: found[0].start()]
            is_counter = is_counted_by(before)
            return read(found, is_sample) if len(rest) == 1 and not is_counter else []
    return []


def is_counted_by(before: str) -> bool:
    """Whether a name says before a number that it counts sites or the like."""
    return _COUNTERS.search(before) is not None


def are_close(times: Sequence[int], apart_max: int) -> bool:
    """Whether times follow each other as those of one series do, and not as a grid of counters.

    Sites 1 and 2 of two years are 1 and 11 months apart.
    """
    ordered = sorted(times)
    apart = [after - before for before, after in pairwise(ordered)]
    return max(apart) <= apart_max or (len(apart) > 1 and len(set(apart)) == 1)


def _months(found: _Found, is_sample: bool) -> list[Times]:
    if any(not 1 <= int(one[1]) <= 12 for one in found):
        return []
    return _if_close([int(one[2]) * 12 + int(one[1]) for one in found], is_sample, _APART_MAX)


def _days_of_year(found: _Found, is_sample: bool) -> list[Times]:
    if any(not 1 <= int(one[1]) <= 366 for one in found):
        return []
    days = [date(int(one[2]), 1, 1).toordinal() + int(one[1]) for one in found]
    return _if_close(days, is_sample, _DAYS_APART_MAX)


def _quarters(found: _Found, is_sample: bool) -> list[Times]:
    # 1q21 and 2q11 are bands of chromosomes.
    quarters = [_full(one[2]) * 4 + int(one[1]) for one in found]
    return _if_close(quarters, is_sample, _APART_MAX)


def _if_close(times: Sequence[int], is_sample: bool, apart_max: int) -> list[Times]:
    return [[(time,) for time in times]] if is_sample or are_close(times, apart_max) else []


def _dates(found: _Found, is_sample: bool) -> list[Times]:
    rows = [(int(one[1] or one[3]), int(one[2] or one[4]), int(one[5])) for one in found]
    counts = [len(set(column)) for column in zip(*rows, strict=True)]
    if min(counts[:2]) > 2 and counts[2] > 1 and math.prod(counts) == len(rows):
        # All points of a grid. Of dates that leave none out there are two days a month at most.
        return []
    return _likely(
        [
            _as_days([(year, month, day) for day, month, year in rows]),
            _as_days([(year, month, day) for month, day, year in rows]),
        ],
        rows,
        is_sample,
    )


def _spelled_dates(found: _Found, is_sample: bool) -> list[Times]:
    rows = [(int(one[1]), MONTHS.index(one[2][:3]) + 1, int(one[3])) for one in found]
    return _likely(
        [_as_days([(year, month, day) for day, month, year in rows])],
        rows,
        is_sample,
    )


def _likely(
    year_last: Sequence[list[int]], rows: Sequence[tuple[int, int, int]], is_sample: bool
) -> list[Times]:
    """The readings with the year last, and that with the year first unless it is far-fetched.

    What is a day in one of them is a year in the other one: it then takes far longer, or has few
    days and many years.
    """
    firsts, _, years = zip(*rows, strict=True)
    readings = [days for days in year_last if days]
    are_years = max(years) - min(years) < len(set(years))
    # A grid of three counters is no series: its dates lie far apart.
    are_series = are_years and any(are_close(days, _DATES_APART_MAX) for days in readings)
    if not readings or not (is_sample or are_series):
        return []
    year_first = _as_days(rows)
    is_far_fetched = (
        not year_first
        or len(set(firsts)) >= _MORE * len(set(years))
        or _span(year_first) >= _LONGER * max(map(_span, readings))
    )
    if not (is_sample or is_far_fetched):
        readings.append(year_first)
    return [[(day,) for day in days] for days in readings]


def _span(times: Sequence[int]) -> int:
    return max(times) - min(times)


def _as_days(rows: Sequence[tuple[int, int, int]]) -> list[int]:
    """The days of dates, or nothing if there is no such day."""
    try:
        return [date(_full(year), month, day).toordinal() for year, month, day in rows]
    except ValueError:
        return []


def _full(year: int | str) -> int:
    """A year of two digits is one from 1970 on."""
    year = int(year)
    return year if year > 99 else year + (1900 if year >= 70 else 2000)


def _hours(found: _Found, is_sample: bool) -> list[Times]:
    """Those of a day, and those of a night, which goes on after 12am."""
    minutes = [int(one[1]) % 12 * 60 + int(one[2] or 0) + 720 * (one[3] == "p") for one in found]
    return [[(minute,) for minute in minutes], *times_of_cycle(minutes, _MINUTES_OF_DAY)]


def times_of_cycle(places: Sequence[int], length: int) -> list[Times]:
    """Times without a year: those after the longest pause come first, if there is one."""
    known = sorted(set(places))
    if len(known) < len(places):
        return []
    pauses = [after - before for before, after in pairwise([*known, known[0] + length])]
    longest = [
        known[(at + 1) % len(known)] for at, pause in enumerate(pauses) if pause == max(pauses)
    ]
    return [[((place - first) % length,) for place in places] for first in sorted(longest)]


_KINDS: tuple[tuple[re.Pattern[str], Callable[[_Found, bool], list[Times]]], ...] = (
    (_DATE, _dates),
    (_SPELLED, _spelled_dates),
    (_DAY_OF_YEAR, _days_of_year),
    (_MONTH_OF_DIGITS, _months),
    (_MONTH, _months),
    (_QUARTER, _quarters),
    (_HOUR, _hours),
)
