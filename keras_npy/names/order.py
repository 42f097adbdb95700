"""The order that names of files state: dates, signed numbers and others that sort otherwise."""

import re
from collections.abc import Sequence

from keras_npy.names.calendar import (
    DAYS,
    LONG_DAYS,
    LONG_MONTHS,
    MONTHS,
    Times,
    are_close,
    calendar_times,
    is_counted_by,
    times_of_cycle,
)
from keras_npy.names.decimals import decimals_as_numbers
from keras_npy.names.parts import SPELLED, Part, parts_of, step_of_sample, without_folder
from keras_npy.names.signed import signed_numbers

_CYCLES = [
    {word: at for words in table for at, word in enumerate(words)}
    for table in ((MONTHS, LONG_MONTHS), (DAYS, LONG_DAYS))
]
# Words for what is counted in a year, and the highest number of it.
_IN_A_YEAR = {
    **dict.fromkeys(["h", "half"], 2),
    **dict.fromkeys(["q", "qtr", "quarter"], 4),
    "month": 12,
    **dict.fromkeys(["w", "wk", "kw", "cw", "week"], 53),
    **dict.fromkeys(["day", "doy"], 366),
}
# Also workers are counted with a w.
_WEEKS_APART_MAX = 4

_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_YEAR_LAST = re.compile(
    r"(?<![0-9])(?:([0-9]{1,2})([-_./])([0-9]{1,2})\2|([0-9]{2})([0-9]{2}))((?:19|20)[0-9]{2})"
    r"(?:[t_-]([0-9]{2})[-_.:]?([0-9]{2})[-_.:]?([0-9]{2})?)?(?![0-9])"
)
_SPELLED_DATE = re.compile(
    r"(?<![0-9])(?:([0-9]{1,2})[-_. ]?)?(?<![^\W\d_])"
    rf"({'|'.join((*LONG_MONTHS, *MONTHS))})[-_., ]*(?:([0-9]{{1,2}})[-_., ]+)?"
    r"((?:19|20)[0-9]{2})(?![0-9])"
)
_MONTH_AND_YEAR = re.compile(
    r"(?<![0-9])(?<![0-9][-_./])([0-9]{2})[-.]((?:19|20)[0-9]{2})(?![0-9-])"
)


def orders_of_time(names: Sequence[str]) -> list[list[int]]:
    """The places of names in the order of time that they state, in each way to read them.

    Nothing if they are in it in one way, or state none: names that differ in anything else do not.

    Example:

    >>> orders_of_time(["temp_apr", "temp_feb", "temp_jan", "temp_mar"])
    [[2, 1, 3, 0]]
    >>> orders_of_time(["temp_1", "temp_2"])
    []
    """
    # Most patterns find files that are numbered: a few names say so.
    few = names[:: step_of_sample(names)]
    if len(few) < len(names):
        stems = [name.casefold() for name in without_folder(few)]
        if not _readings(stems, is_sample=True):
            return []
    stems = [name.casefold() for name in without_folder(names)]
    if len(set(stems)) < len(stems):
        return []
    orders = [_order(times) for times in _readings(stems, is_sample=False)]
    return orders if all(order != sorted(order) for order in orders) else []


def _order(times: Times) -> list[int]:
    return sorted(range(len(times)), key=times.__getitem__)


def _readings(names: Sequence[str], *, is_sample: bool) -> list[Times]:
    """The times of names, in each way in which they can be read; nothing if they state none."""
    signed = signed_numbers(names)
    if signed:
        return [[(number,) for number in signed]]
    if all(map(_YEAR_LAST.search, names)):
        return _of_dates(names)
    if all(map(_SPELLED_DATE.search, names)):
        return _of_spelled_dates(names)
    of_months = _of_months(names) if all(map(_MONTH_AND_YEAR.search, names)) else []
    times = of_months or calendar_times(names, is_sample=is_sample)
    if times:
        return times
    decimals = decimals_as_numbers(names, names)
    if decimals is not None:
        return _of_number(decimals.names) if decimals.are_certain else []
    parts = parts_of(names)
    return _of_parts(parts, is_sample) if parts else []


def _of_dates(names: Sequence[str]) -> list[Times]:
    """Those of dates with the year at the end, with the day or the month first."""
    dates = [found for name in names if (found := _YEAR_LAST.search(name))]
    if not _differ_in_words_of_days([_YEAR_LAST.sub("", name) for name in names]):
        return []
    numbers = [
        [int(found[at] or found[other]) for at, other in ((6, 6), (3, 5), (1, 4))]
        + [int(found[at] or 0) for at in (7, 8, 9)]
        for found in dates
    ]
    readings: list[Times] = []
    for first, second in ((1, 2), (2, 1)):
        if all(1 <= row[first] <= 12 and 1 <= row[second] <= 31 for row in numbers):
            readings.append([(row[0], row[first], row[second], *row[3:]) for row in numbers])
    return readings


def _of_spelled_dates(names: Sequence[str]) -> list[Times]:
    """Those of dates such as `29-Jan-2021` and `Jan_29_2021`, and of `Jan-2021`."""
    if not _differ_in_words_of_days([_SPELLED_DATE.sub("", name) for name in names]):
        return []
    dates = [found for name in names if (found := _SPELLED_DATE.search(name))]
    if any(found[1] and found[3] for found in dates):
        return []
    return [
        [(int(found[4]), _CYCLES[0][found[2]], int(found[1] or found[3] or 0)) for found in dates]
    ]


def _of_months(names: Sequence[str]) -> list[Times]:
    """Those of a month in numbers and a year, `01-2021`."""
    months = [found for name in names if (found := _MONTH_AND_YEAR.search(name))]
    times: Times = [(int(found[2]), int(found[1])) for found in months]
    are_all = len({_MONTH_AND_YEAR.sub("", name) for name in names}) == 1
    if is_counted_by(names[0][: months[0].start()]):
        return []
    return [times] if are_all and all(1 <= month <= 12 for _, month in times) else []


def _differ_in_words_of_days(names: Sequence[str]) -> bool:
    """Whether names without their date have nothing but its day of the week that differs."""
    parts = parts_of(names)
    return parts is not None and all(_cycle(part) is not None for part in parts)


def _of_number(names: Sequence[str]) -> list[Times]:
    parts = parts_of(names)
    if parts is None or len(parts) != 1 or not parts[0].is_number:
        return []
    return [[(int(value or 0),) for value in parts[0].values]]


def _of_parts(parts: Sequence[Part], is_sample: bool) -> list[Times]:
    """Those of years, of words for months, days of the week or numbers, and of what they count."""
    words = [part for part in parts if not part.is_number]
    numbers = [part for part in parts if part.is_number]
    years = [part for part in numbers if all(map(_YEAR.fullmatch, part.values))]
    if len(words) > 1 or len(years) > 1 or len(numbers) > 2:
        return []
    others = [part for part in numbers if part not in years]
    if not words:
        if len(years) == len(others) == 1 and _is_in_a_year(years[0], others[0], is_sample):
            return [_columns(*years, *others)]
        return []
    (word,) = words
    cycle = _cycle(word)
    if cycle is None:
        counts = [SPELLED.get(value) for value in word.values]
        # Months without a year are no counts: a winter begins with November.
        return [] if numbers or None in counts else [[(int(count or 0),) for count in counts]]
    if years:
        of_word = word._replace(values=tuple(str(cycle[value]) for value in word.values))
        return [_columns(*years, of_word, *others)] if cycle is _CYCLES[0] else []
    return (
        []
        if numbers
        else times_of_cycle([cycle[value] for value in word.values], len(set(cycle.values())))
    )


def _is_in_a_year(year: Part, part: Part, is_sample: bool) -> bool:
    """Whether numbers count weeks or the like of a year."""
    loose = {label for label in part.loose_labels if len(label) > 1}
    counts_max = [_IN_A_YEAR[label] for label in part.labels | loose if label in _IN_A_YEAR]
    numbers = [int(value or 0) for value in part.values]
    if not counts_max or max(numbers) > max(counts_max):
        return False
    if is_sample or "w" not in part.labels:
        return True
    weeks = [int(value) * 52 + week for value, week in zip(year.values, numbers, strict=True)]
    return are_close(weeks, _WEEKS_APART_MAX)


def _cycle(part: Part) -> dict[str, int] | None:
    """The months or the days of the week, if the words are some of these."""
    return next((cycle for cycle in _CYCLES if all(map(cycle.__contains__, part.values))), None)


def _columns(*parts: Part) -> Times:
    rows = zip(*(part.values for part in parts), strict=True)
    return [tuple(int(value or 0) for value in row) for row in rows]
