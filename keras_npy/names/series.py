"""Where names of files, of which each is a timestep, begin another series or leave a file out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from keras_npy.names.calendar import DAYS, LONG_DAYS, LONG_MONTHS, MONTHS, is_counted_by
from keras_npy.names.decimals import decimals_as_numbers
from keras_npy.names.parts import NUMBERS, Part, parts_of, step_of_sample, without_folder
from keras_npy.names.signed import signed_numbers

# Gaps are few beside as many steps that are alike. Weekends are two of seven days.
_FEW = 0.1
_USUAL_MIN = 4

_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
# 20210314, 14032021, and seconds or milliseconds since 1970.
_LONG_DATE = re.compile(
    rf"{_YEAR.pattern}{_MONTH}{_DAY}|(?:[1-9]|{_DAY}){_MONTH}{_YEAR.pattern}|1[0-9]{{9}}(?:[0-9]{{3}})?"
)
# 2021, 202103, 2021073, and 210314.
_DATE = re.compile(rf"{_YEAR.pattern}(?:{_MONTH}|[0-3][0-9]{{2}})?|[0-9]{{1,2}}{_MONTH}{_DAY}")
_WORDS_OF_TIME = {
    *"y yr year mo month w wk week d day h hr hour m min minute s sec second ms t time utc".split(),
    *MONTHS,
    *LONG_MONTHS,
    *DAYS,
    *LONG_DAYS,
    *"am pm".split(),
}
# What is cut into pieces of one length, in any number: a day into 8 or 96 slots.
_CUT = frozenset("year yr quarter month week wk day hour hr minute min second sec".split())
_SLOTS = frozenset("slot timeslot step timestep quarter q".split())
# What one long series is cut into.
_PIECES = frozenset("chunk part block shard batch piece".split())

_DAYS_OF_MONTH = (28, 29, 30, 31)
_POWERS = tuple((10**power,) for power in range(3, 10))
_ALL = ((7,), (12,), (24,), _DAYS_OF_MONTH, (52, 53), (60,), (365, 366), *_POWERS)
# How many of what a number may count make one of these.
_IN_ONE = {
    **dict.fromkeys(["y", "yr", "year"], _ALL),
    **dict.fromkeys(["mo", "month"], (_DAYS_OF_MONTH,)),
    **dict.fromkeys(["w", "wk", "week"], ((7,),)),
    **dict.fromkeys(["d", "day"], ((24,), (1440,), (86400,))),
    **dict.fromkeys(["h", "hr", "hour"], ((60,), (3600,))),
    **dict.fromkeys(["m", "min", "minute"], ((60,),)),
    **dict.fromkeys(["s", "sec", "second"], _POWERS),
}


def begins_of_series(names: Sequence[str]) -> list[int]:
    """The places of names with which another series begins: the first one has none.

    A counter begins again there, while another number or word changes, as in `v0_f9` before
    `v1_f0`. Nothing for times, of which minutes begin again with each hour.

    Example:

    >>> begins_of_series(["alice-0", "alice-1", "bob-0", "bob-1"])
    [2]
    >>> begins_of_series(["1h_58", "1h_59", "2h_00", "2h_01"])
    []
    """
    few = names[:: step_of_sample(names)]
    if len(few) < len(names) and len(_parts([name.casefold() for name in few])) < 2:
        return []
    stems = [name.casefold() for name in without_folder(names)]
    parts = _parts(stems)
    # From m20 over p0 to p20 numbers fall and rise once, and are one series.
    if len(parts) > 1 and signed_numbers(names):
        return []
    for counter in parts if len(parts) > 1 else ():
        if counter.is_number and (begins := _begins(counter, parts, stems)):
            return begins
    return []


def gaps(names: Sequence[str]) -> list[int]:
    """The places of names in front of which files are missing, as `f6` behind `f4`.

    Nothing where numbers count nothing, or leave more out than a few.

    Example:

    >>> gaps(["f0", "f1", "f2", "f3", "f5", "f6"])
    [4]
    >>> gaps(["0920", "0930", "0940", "0950", "1000", "1010"])
    []
    """
    ends = _parts([name.casefold() for name in without_folder([*names[:2], names[-1]])])
    if len(ends) != 1 or not ends[0].is_number:
        return []
    first, second, last = _numbers(ends[0])
    if last - first == (second - first) * (len(names) - 1):
        return []
    parts = _parts([name.casefold() for name in without_folder(names)])
    if len(parts) != 1 or not parts[0].is_number:
        return []
    numbers = _numbers(parts[0])
    steps = [after - before for before, after in pairwise(numbers)]
    ((usual, num_usual),) = Counter(steps).most_common(1)
    if num_usual < _USUAL_MIN or usual <= 0 or any(step <= 0 or step % usual for step in steps):
        return []
    found = [
        at
        for at, step in enumerate(steps, 1)
        if step != usual and not _is_carry(numbers, numbers[at - 1], numbers[at])
    ]
    return found if len(found) <= max(1, _FEW * len(steps)) else []


def _is_carry(numbers: Sequence[int], before: int, after: int) -> bool:
    """Whether a number may rise by so much because it is a time: 0950 and 1000, 0131 and 0201."""
    return any(
        after // size == before // size + 1
        and after % size <= before % size
        and max(number % size for number in numbers) < most
        for size, most in ((100, 60), (1000, 367), (10000, 5960))
    )


def _numbers(part: Part) -> list[int]:
    return [int(value or 0) for value in part.values]


def _parts(names: Sequence[str]) -> list[Part]:
    """What differs from name to name: of names that are not alike, their last number, and all else.

    `chr1_0` and `chrX_0` have not as many numbers.
    """
    if decimals_as_numbers(names, names) is not None:
        return []
    parts = parts_of(names)
    if parts is not None:
        return parts
    rows = [NUMBERS.split(name) for name in names]
    if min(map(len, rows)) < 3:
        return []
    heads = tuple("".join(row[:-2]) + row[-1] for row in rows)
    return [Part(heads, False), Part(tuple(row[-2] for row in rows), True)]


def _begins(counter: Part, parts: Sequence[Part], names: Sequence[str]) -> list[int]:
    numbers = _numbers(counter)
    begins = [at for at in range(1, len(numbers)) if numbers[at] <= numbers[at - 1]]
    # Numbers that count nothing fall again and again.
    if not begins or 2 * (len(begins) + 1) > len(numbers):
        return []
    changes = set(begins)
    keys = [
        part
        for part in parts
        if part is not counter
        and any(map(str.isalnum, "".join(set(part.values))))
        and all(
            at in changes for at in range(1, len(numbers)) if part.values[at] != part.values[at - 1]
        )
    ]
    if not all(any(key.values[at] != key.values[at - 1] for key in keys) for at in begins):
        return []
    return [] if _are_times(counter, keys, numbers, begins, names) else begins


def _are_times(
    counter: Part,
    keys: Sequence[Part],
    numbers: Sequence[int],
    begins: Sequence[int],
    names: Sequence[str],
) -> bool:
    """Whether a number may begin again because it is a part of a time, or of a longer number."""
    if any((key.labels | key.loose_labels) & _PIECES for key in keys):
        return True
    if _are_slots(counter, keys, numbers, begins):
        return True
    if not _is_of_time(counter.labels):
        return False
    if any(map(_is_date, keys)) or (_have_year(names) and all(map(_may_be_time, keys))):
        return True
    near = [key for key in keys if key.is_number and _may_be_time(key)]
    if any(_is_carried(key, numbers, begins) for key in near):
        return True
    # Nobody knows what two bare numbers are; those of videos all begin with the same one.
    are_bare = all(key.is_number and not key.labels | key.loose_labels for key in keys)
    return are_bare and len({numbers[at] for at in (0, *begins)}) > 1


def _are_slots(
    counter: Part, keys: Sequence[Part], numbers: Sequence[int], begins: Sequence[int]
) -> bool:
    """Whether a number counts slots of days or the like: from one number to one, each time."""
    firsts, lasts = {numbers[at] for at in begins}, {numbers[at - 1] for at in begins}
    if len(begins) == 1:
        # Of more than two, the first one may begin later, and the last one may end earlier.
        firsts, lasts = firsts | {numbers[0]}, lasts | {numbers[-1]}
    return (
        _is_of_time(counter.labels - _SLOTS)
        and len(firsts) == len(lasts) == 1
        and min(firsts) <= numbers[0]
        and numbers[-1] <= max(lasts)
        and all(_is_cut(key) or _is_date(key) for key in keys)
    )


def _is_cut(part: Part) -> bool:
    """Whether a number rises, and counts days or the like by its only words."""
    words = part.labels | part.loose_labels
    if not part.is_number or not words or not words <= _CUT:
        return False
    numbers = _numbers(part)
    return numbers == sorted(numbers)


def _is_of_time(labels: Iterable[str]) -> bool:
    return all(label in _WORDS_OF_TIME for label in labels)


def _may_be_time(part: Part) -> bool:
    if not part.is_number:
        return _is_of_time(part.values)
    return _is_of_time(part.labels) and not any(map(is_counted_by, part.loose_labels))


def _is_date(part: Part) -> bool:
    if not part.is_number:
        return all(value in _WORDS_OF_TIME or _YEAR.search(value) for value in part.values)
    if all(map(_LONG_DATE.fullmatch, part.values)):
        return True
    # Patients have such numbers too.
    is_counter = any(map(is_counted_by, part.labels | part.loose_labels))
    return not is_counter and all(map(_DATE.fullmatch, part.values))


def _have_year(names: Sequence[str]) -> bool:
    """Whether all names have a year, also where it is the same in all of them."""
    pattern = re.compile(rf"(?<![0-9]){_YEAR.pattern}(?![0-9])")
    return all(map(pattern.search, names))


def _is_carried(key: Part, numbers: Sequence[int], begins: Sequence[int]) -> bool:
    """Whether two numbers are one, such as hours and minutes, which rises by even steps."""
    labels = [label for label in key.labels if label in _IN_ONE]
    of_key = _numbers(key)
    changes = set(begins)
    inside = [numbers[at] - numbers[at - 1] for at in range(1, len(numbers)) if at not in changes]
    # Frames of 30 a second are 33 or 34 ms apart.
    least, most = min(inside) / 2, max(inside) * 1.5
    # Hours begin again with each day.
    carries = [
        (of_key[at] - of_key[at - 1], numbers[at] - numbers[at - 1])
        for at in begins
        if of_key[at] > of_key[at - 1]
    ]
    return bool(carries) and any(
        all(any(least <= by * size + back <= most for size in sizes) for by, back in carries)
        for sizes in (_IN_ONE[labels[0]] if labels else _ALL)
    )
