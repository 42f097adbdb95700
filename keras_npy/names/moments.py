"""Moments in names that both sides write in ways of their own: 2020010206 is 20200102T0600Z."""

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from keras_npy.names.calendar import MONTHS
from keras_npy.names.readings import Difference, Outcome, difference_of

_YEAR, _DAY_OF_YEAR = "(?P<year>(?:19|20)[0-9]{2})", "(?P<day_of_year>[0-3][0-9]{2})"
_MONTH, _DAY = "(?P<month>0[1-9]|1[0-2])", "(?P<day>0[1-9]|[12][0-9]|3[01])"
_WORD = f"(?P<word>{'|'.join(MONTHS)})[a-z]*"
_HOUR = "(?P<hour>[01][0-9]|2[0-3])"
_MINUTE, _SECOND = "(?P<minute>[0-5][0-9])", "(?P<second>[0-5][0-9])"
_DATES = (
    f"{_YEAR}(?P<between>[-_./]?){_MONTH}(?P=between){_DAY}",
    f"{_YEAR}[-_./]?{_DAY_OF_YEAR}",
    f"{_DAY}[-_. ]?{_WORD}[-_. ]?{_YEAR}",
    f"{_WORD}[-_. ]?{_DAY}[-_. ]?{_YEAR}",
    f"{_YEAR}[-_. ]?{_WORD}[-_. ]?{_DAY}",
    f"{_WORD}[-_. ]?{_YEAR}[-_. ]?{_DAY}",
)
_TIMES = (
    "",
    # Behind an hour that touches the date, _06 is no minute but a lead time or a tile.
    f"{_HOUR}(?:{_MINUTE}{_SECOND}?)?",
    f"[-_. /]?[-_. /t]{_HOUR}(?:(?P<colon>[-_.:h]?){_MINUTE}(?:(?P=colon){_SECOND})?)?",
)
# Seconds and milliseconds since 1970.
_UNIX = (0, 1)
_FORMS = tuple(
    re.compile(f"(?<![0-9]){form}(?![0-9])")
    for form in (
        "(?P<unix>1[0-9]{9})",
        "(?P<unix>1[0-9]{9})000",
        *map("".join, itertools.product(_DATES, _TIMES)),
        # The year is that of the other side.
        *(f"{_DAY_OF_YEAR}{time}" for time in _TIMES[1:]),
    )
)

_EPOCH = datetime(1970, 1, 1)
_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


class _Moments(NamedTuple):
    """The moments of all names of one side."""

    form: int
    """Which form they have."""
    unit_s: int
    """What they are exact to."""
    times_s: Sequence[int]
    """Seconds since 1970."""
    is_utc: bool
    """Whether they are certainly those of no local clock."""


def compare_moments(names: Sequence[str], others: Sequence[str]) -> Outcome | None:
    """What moments say that either side writes in a form of its own; `None` if they are not such.

    Args:
        names: In small letters.
        others: Those of the other side.

    Example:

    >>> compare_moments(["x2020010106", "x2020010112"], ["20200101t0600z", "20200101t1200z"])
    'partners'
    """
    ours, theirs = [*_readings(names)], [*_readings(others)]
    if not ours and theirs:
        ours = [*_readings(names, _year_of(theirs[0]))]
    elif ours and not theirs:
        theirs = [*_readings(others, _year_of(ours[0]))]
    best: Difference | None = None
    for one, other in itertools.product(ours, theirs):
        if one[:2] == other[:2]:
            # Names of one form are compared number by number.
            return None
        found = _compare(one, other)
        if found == "partners":
            return found
        if isinstance(found, Difference) and (not best or found.num_shared > best.num_shared):
            best = found
    return best


def _compare(one: _Moments, other: _Moments) -> Outcome | None:
    unit_s = max(one.unit_s, other.unit_s)
    rests = ({time % unit_s for time in side.times_s} for side in (one, other))
    if any(len(rest) > 1 for rest in rests):
        # What one side rounds, the other may have measured.
        return None
    keys, others = ([(str(time // unit_s),) for time in side.times_s] for side in (one, other))
    if keys == others:
        return "partners"
    apart = {after - before for before, after in zip(one.times_s, other.times_s, strict=False)}
    found = difference_of(keys, others, shared_min=0.5)
    if found is None or (len(apart) == 1 and (one.form in _UNIX) != (other.form in _UNIX)):
        # Seconds since 1970 are those of no time zone; the other side may have a local one.
        return None
    # Which leaps by an hour twice a year.
    may_be_local = one.is_utc != other.is_utc and max(apart) - min(apart) == _HOUR_S
    return found._replace(is_certain=found.is_certain and not may_be_local)


def _year_of(moments: _Moments) -> int | None:
    """The year of all moments, if it is one."""
    years = {(_EPOCH + timedelta(seconds=time)).year for time in moments.times_s}
    return years.pop() if len(years) == 1 else None


def _readings(names: Sequence[str], year: int | None = None) -> Iterator[_Moments]:
    """The moments of names that differ in nothing else, in each form that fits all of them."""
    for number, form in enumerate(_FORMS):
        if not form.search(names[0]):
            continue
        found = [match for name in names if (match := form.search(name))]
        rests = {match.string[: match.start()] + match.string[match.end() :] for match in found}
        units = {_unit_of(match) for match in found}
        if len(found) < len(names) or len(rests) > 1 or len(units) > 1:
            continue
        try:
            times = [_time_of(match.groupdict(), year) for match in found]
        except (ValueError, OverflowError):
            # There is no 30th of February, and no day without a year.
            continue
        is_utc = number in _UNIX or rests.pop()[found[0].start() :].startswith("z")
        yield _Moments(number, units.pop(), times, is_utc)


def _unit_of(match: re.Match[str]) -> int:
    parts = {name for name, text in match.groupdict().items() if text}
    if parts & {"unix", "second"}:
        return 1
    return _MINUTE_S if "minute" in parts else _HOUR_S if "hour" in parts else _DAY_S


def _time_of(parts: dict[str, str | None], year: int | None) -> int:
    """Seconds since 1970.

    Raises:
        ValueError: If there is no such day, or its year is not known.
    """
    if unix := parts.get("unix"):
        return int(unix)
    written = int(parts.get("year") or year or 0)
    if day_of_year := parts.get("day_of_year"):
        date = datetime(written, 1, 1) + timedelta(days=int(day_of_year) - 1)
        if date.year != written:
            raise ValueError(f"{written} has no day {day_of_year}.")
    else:
        word = parts.get("word")
        month = MONTHS.index(word) + 1 if word else int(parts.get("month") or 0)
        date = datetime(written, month, int(parts.get("day") or 0))
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    since = date.replace(hour=hour, minute=minute, second=second) - _EPOCH
    return since // timedelta(seconds=1)
