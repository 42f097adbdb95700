"""Decimals in names of files: `0.5` is `0.50`, and not `0.05`."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_npy.names.parts import step_of_sample, without_folder

_NUMBER = re.compile(r"[0-9]+(?:[.,p][0-9]+)*")
# Neither a version, as v1.2, nor more than two numbers, as 1.2.3 and 2019.03.04. Some write 0p5.
_DECIMAL = re.compile(
    r"(?<![0-9])(?<![0-9][.,p])(?<![^\W\d_]v)(?<!\bv)(?<!_v)(?<!ver)(?<!version)"
    r"([0-9]+)([.,p])([0-9]+)(?![0-9])(?![.,p][0-9])"
)
_YEAR_AND_MONTH = re.compile(r"(?:19|20)[0-9]{2}\.(?:0?[1-9]|1[0-2])")


class Decimals(NamedTuple):
    """The names of both sides, in which decimals are whole numbers of one unit."""

    names: Sequence[str]
    others: Sequence[str]
    are_certain: bool
    """Whether the digits behind a point cannot be a second number, which counts."""
    have_points: bool
    """Whether all have a point or a comma: `s1p05` may be part 5 of subject 1."""


def decimals_as_numbers(
    names: Sequence[str], others: Sequence[str], *, point: str = ""
) -> Decimals | None:
    """The names with whole numbers for decimals; `None` if those of one side have none that differ.

    Args:
        names: Those of one side.
        others: Those of the other side.
        point: What stands before the digits of a fraction, of which all have as many.

    Example:

    >>> decimals_as_numbers(["t0.05", "t1"], ["t0p5", "t1p0"])[:2]
    (['t005', 't100'], ['t050', 't100'])
    """
    sides = (names, others)
    if not all(any(map(_DECIMAL.search, side[:: step_of_sample(side)])) for side in sides):
        return None
    # The folder of all files may have a version.
    stems = [without_folder(side) for side in sides]
    rows = [[tuple(_DECIMAL.findall(name)) for name in side] for side in stems]
    # Where the other side writes 1_5 for one of two decimals, nothing is known of either.
    num_differing, num_others = map(_num_differing, rows)
    if num_differing != num_others or not num_differing:
        return None
    found = [[one for row in side for one in row] for side in rows]
    if any(_YEAR_AND_MONTH.fullmatch("".join(one)) for one in (*found[0], *found[1])):
        return None
    fractions = [[fraction for _, _, fraction in side] for side in found]
    width = max(map(len, (*fractions[0], *fractions[1])))
    scaled, other_scaled = (_scaled(side, width, point) for side in stems)
    # Of numbers that count, 1.1 and 1.10 are two.
    if any(
        len(set(new)) < len(set(side))
        for new, side in zip((scaled, other_scaled), stems, strict=True)
    ):
        return None
    are_certain = not all(map(_may_count, fractions))
    have_points = all(point != "p" for _, point, _ in (*found[0], *found[1]))
    return Decimals(_below(names, scaled), _below(others, other_scaled), are_certain, have_points)


def _num_differing(rows: Sequence[tuple[Any, ...]]) -> int:
    """How many decimals a name has that not all names have."""
    common = set(rows[0]).intersection(*rows[1:])
    return max(sum(one not in common for one in row) for row in rows)


def _below(names: Sequence[str], stems: Sequence[str]) -> list[str]:
    """These stems in the folder of all names."""
    folder = names[0].removesuffix(without_folder(names)[0])
    return [folder + stem for stem in stems]


def _may_count(fractions: Sequence[str]) -> bool:
    """Whether these may be numbers that count: all of one width, or none with a zero in front."""
    have_zeros = any(len(one) > 1 and one.startswith("0") for one in fractions)
    return not have_zeros or len(set(map(len, fractions))) == 1


def _scaled(names: Sequence[str], width: int, point: str) -> list[str]:
    """The names with this many digits for each fraction, and this before it."""
    rows = [_NUMBER.findall(name) for name in names]
    # A whole number among decimals is one.
    among: list[bool] = []
    if len(set(map(len, rows))) == 1:
        among = [any(map(_DECIMAL.fullmatch, column)) for column in zip(*rows, strict=True)]

    def scaled(name: str) -> str:
        places = iter(among)

        def as_number(found: re.Match[str]) -> str:
            is_among = next(places, False)
            if decimal := _DECIMAL.match(name, found.start()):
                return decimal[1] + point + decimal[3].ljust(width, "0")
            is_whole = is_among and found[0].isdecimal()
            return found[0] + (point + "0" * width) * is_whole

        return _NUMBER.sub(as_number, name)

    return [scaled(name) for name in names]
