"""Values far outside all others: one that is wrong, or a number that stands for a missing one."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.walk import walk
from keras_npy.tools.checks.findings import Finding, RowsFound
from keras_npy.tools.checks.sample import is_table
from keras_npy.tools.output import number
from keras_npy.types import Array

# Different values that lie outside on one side, at most.
_OUTSIDE_MAX = 3

# How far outside, in ranges of all others. What comes once may be the end of a long tail; what
# comes again and again, and is written in nines, is a mark in most data sets that have one.
_ONCE, _AGAIN, _NINES = 1000.0, 10.0, 0.5

# Others of fewer different values are classes, of which one may be rare.
_OTHERS_MIN = 10
_OTHERS_OF_NINES_MIN = 2

# Columns to write a finding of.
_COLUMNS_NAMED_MAX = 5


@dataclass
class Outside:
    """What lies outside in one column, and between which limits all others lie."""

    column: int
    low: float
    high: float
    rows: RowsFound
    counts: dict[float, int]
    """How many rows hold each of the values outside."""


def find_outside(
    rows: Rows, name: str, drawn: Array, lows: Array, highs: Array
) -> dict[int, Outside]:
    """What lies outside in each column; the rows are read again only if something seems to.

    Args:
        rows: The rows.
        name: What the user calls them.
        drawn: `(n, C)`, values drawn at random.
        lows: `(C,)`, the least value of each column, of all rows.
        highs: `(C,)`, the greatest ones.
    """
    suspected = {}
    for column in range(drawn.shape[1]):
        ends = (lows[column], highs[column])
        values = np.unique(np.append(drawn[:, column], ends)).astype(np.float64)
        limits = _limits(values)
        if limits is not None:
            suspected[column] = limits
    return _confirmed(_looked_at(rows, name, suspected), suspected) if suspected else {}


def _limits(values: Array) -> tuple[float, float] | None:
    """Between which limits lie all values but the outer ones; `None` if none is far outside."""
    many = len(values)
    # What was drawn once may come again: all rows decide that.
    come_again = np.ones(many, bool)
    for below, above in itertools.product(range(_OUTSIDE_MAX + 1), repeat=2):
        stop = many - above
        if below + above == 0 or stop - below < _OTHERS_OF_NINES_MIN:
            continue
        low, high = values[below], values[stop - 1]
        sides = [(values[:below], come_again[:below]), (values[stop:], come_again[stop:])]
        if all(_is_far(*side, low, high, stop - below) for side in sides):
            return float(low), float(high)
    return None


def _is_far(outer: Array, come_again: Array, low: float, high: float, others: int) -> bool:
    with np.errstate(over="ignore"):
        gaps = np.maximum(low - outer, outer - high)
    for value, gap, again in zip(outer, gaps, come_again, strict=True):
        if again and is_nines(value) and others >= _OTHERS_OF_NINES_MIN:
            far = _NINES
        else:
            far = _AGAIN if again else _ONCE
            if others < _OTHERS_MIN:
                return False
        if gap < far * (high - low):
            return False
    return True


def is_nines(value: float) -> bool:
    """Whether a number looks as if it stood for a missing one: -999, 9999, -99.

    Example:

    >>> is_nines(-999.0), is_nines(9999.0), is_nines(99.0), is_nines(-9990.0)
    (True, True, False, False)
    """
    digits = str(int(abs(value))) if value == int(value) else ""
    return set(digits) == {"9"} and len(digits) >= 3


def _looked_at(
    rows: Rows, name: str, suspected: dict[int, tuple[float, float]]
) -> dict[int, Outside]:
    """The rows that hold values outside of limits, and the true limits of the others."""
    columns = {at: Outside(at, np.inf, -np.inf, RowsFound(), {}) for at in suspected}
    for indices, block in walk(rows, title=f"check {name} for values far outside"):
        flat = block.reshape(len(block), -1)
        for at, (low, high) in suspected.items():
            values = flat[:, at : at + 1] if is_table(rows) else flat
            values = values.astype(np.float64)
            width = high - low
            is_outer = (values < low - width / 4) | (values > high + width / 4)
            is_outer &= np.isfinite(values)
            inner = values[~is_outer & np.isfinite(values)]
            one = columns[at]
            if inner.size:
                one.low, one.high = min(one.low, inner.min()), max(one.high, inner.max())
            one.rows.add(indices[is_outer.any(axis=1)])
            if len(one.counts) > 2 * _OUTSIDE_MAX:
                continue
            # With one more than may be, a column has too many.
            for value in np.unique(values[is_outer])[: 2 * _OUTSIDE_MAX + 1].tolist():
                holding = int((values == value).any(axis=1).sum())
                one.counts[value] = one.counts.get(value, 0) + holding
    return columns


def _confirmed(
    columns: dict[int, Outside], suspected: dict[int, tuple[float, float]]
) -> dict[int, Outside]:
    """Those that are as far outside of all rows as of those that were drawn."""
    confirmed = {}
    for at, one in columns.items():
        outer = np.array(sorted(one.counts))
        again = np.array([one.counts[value] > 1 for value in outer])
        is_some = 0 < len(outer) <= 2 * _OUTSIDE_MAX and one.low < one.high
        if is_some and _is_far(outer, again, one.low, one.high, _OTHERS_MIN):
            confirmed[at] = one
    return confirmed


def outliers(rows: Rows, name: str, outside: dict[int, Outside]) -> Iterator[Finding]:
    """What lies outside, in words."""
    several = rows.ndim == 2 and rows.shape[1] > 1 and is_table(rows)
    for at in list(outside)[:_COLUMNS_NAMED_MAX]:
        one = outside[at]
        where = f", column {at}" if several else ""
        values = ", ".join(number(value) for value in one.counts)
        marks = [value for value, many in one.counts.items() if many > 1]
        if marks:
            why = f"{number(marks[0])} seems to stand for a missing value"
            remedy = f"Replace it, such as by np.where(x == {marks[0]!r}, median, x)"
        else:
            why, remedy = "It hides the others from a scale", "Correct it"
        more = len(outside) - _COLUMNS_NAMED_MAX
        also = (
            f" So do values of {more} more columns." if more > 0 and at == list(outside)[4] else ""
        )
        yield one.rows.finding(
            "outliers",
            f"{name}: {values} in {one.rows}{where}; all other values there lie between "
            f"{number(one.low)} and {number(one.high)}. {why}.{also} {remedy}, or leave the rows "
            "out, of labels too.",
            rows,
            leave_out=not marks,
        )
