"""Dates in names of files, which may have the day or the month first."""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

_DATE = re.compile(r"(?<![0-9])([0-9]{8})(?:[t_-]?([0-9]{2})([0-9]{2})([0-9]{2}))?(?![0-9])")
_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
# No number can be read in both ways: no month is 19 or 20.
_YEAR_FIRST = re.compile(f"({_YEAR})({_MONTH})({_DAY})")
_YEAR_LAST = re.compile(f"((?:{_MONTH}|{_DAY}))((?:{_MONTH}|{_DAY}))({_YEAR})")

_WITH_YEAR_FIRST = re.compile(f"(?<![0-9])({_YEAR})([-_./]?)({_MONTH})\\2({_DAY})(?![0-9])")
_WITH_YEAR_LAST = re.compile(
    f"(?<![0-9])({_DAY})([-_./]?)({_DAY})(?:\\2({_YEAR})|[-_./]([0-9]{{2}}))(?![0-9])"
)

Date: TypeAlias = tuple[str, str, str]
"""Two digits each of a year, a month and a day."""


class TwoWays(NamedTuple):
    """Dates that can be read in two ways."""

    keys: Sequence[Date]
    others: Sequence[Date]
    """Those of the other side, in a way that pairs others than are paired."""
    rest: tuple[list[str], list[str]]
    """The names of both sides without them."""


def with_dates_apart(names: Sequence[str]) -> list[str]:
    """The names with numbers that are dates taken apart.

    Example:

    >>> with_dates_apart(["scan20230105", "05012023_1", "12345678"])
    ['scan-2023-01-05-', '-05-01-2023-_1', '12345678']
    """
    return [_DATE.sub(_apart, name) for name in names]


def _apart(found: re.Match[str]) -> str:
    date = _YEAR_FIRST.match(found[1]) or _YEAR_LAST.match(found[1])
    if date is None:
        return found[0]
    times = [time for time in found.groups()[1:] if time]
    return f"-{'-'.join([*date.groups(), *times])}-"


def dates_in_two_ways(names: Sequence[str], others: Sequence[str]) -> TwoWays | None:
    """Dates that are the same on both sides, whether the day or the month is first on one of them.

    `None` if only one way fits, or if both ways pair the same names.

    Example:

    >>> dates_in_two_ways(["2023-03-04", "2023-04-03"], ["03-04-2023", "04-03-2023"]).others
    [('23', '04', '03'), ('23', '03', '04')]
    """
    if not _WITH_YEAR_FIRST.search(names[0]):
        if not _WITH_YEAR_FIRST.search(others[0]):
            return None
        found = dates_in_two_ways(others, names)
        return found and TwoWays(found.others, found.keys, (found.rest[1], found.rest[0]))
    year_first = [_WITH_YEAR_FIRST.search(name) for name in names]
    year_last = [_WITH_YEAR_LAST.search(name) for name in others]
    keys = [(found[1][2:], found[3], found[4]) for found in year_first if found]
    american = [((found[4] or found[5])[-2:], found[1], found[3]) for found in year_last if found]
    if len(keys) < len(names) or len(american) < len(others):
        return None
    european = [(year, month, day) for year, day, month in american]
    if not set(keys) == set(american) == set(european) or keys == american == european:
        return None
    rest = [_WITH_YEAR_FIRST.sub("", name) for name in names]
    other_rest = [_WITH_YEAR_LAST.sub("", name) for name in others]
    return TwoWays(keys, european if keys == american else american, (rest, other_rest))
