"""What is found in one set, and in two side by side: what differs, and rows that both have."""

from collections.abc import Container, Iterator
from typing import Any

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.statistics.scales import greatest_of_range
from keras_npy.tools.checks.findings import (
    ROWS_LISTED_MAX,
    ROWS_NAMED_MAX,
    Finding,
    RowsFound,
    files_of,
    how_to_leave_out,
    rows_to_leave_out,
)
from keras_npy.tools.checks.hashes import PAIRS_READ_MAX, Hashes, Pairs
from keras_npy.tools.checks.labels import SUBTRACTED, Labels
from keras_npy.tools.checks.values import Values
from keras_npy.tools.output import count, number, some_of
from keras_npy.types import Indices

# Two sets whose means lie further apart, in standard deviations, were not made alike.
MEAN_DIFFERENCE_MAX = 0.5

# The largest difference between the shares of a class, as TFDV compares two sets (L-infinity).
SHARE_DIFFERENCE_MAX = 0.1

# Rows of fewer bytes are equal by chance.
ROW_BYTES_MIN = 8


class CheckedSet:
    """One set: its rows, their hashes, and its labels."""

    def __init__(self, values: Values, hashes: Hashes | None, labels: Labels | None) -> None:
        self.values, self.hashes, self.labels = values, hashes, labels
        self.is_first = True
        self.found: list[Finding] = []
        """What was found in the set by itself."""
        self.beside: list[Finding] = []
        """What was found beside a first set, whose rows are these."""

    def look(self, other: "CheckedSet | None" = None) -> None:
        """Find what is wrong with the set by itself; `compare` says what two sets have wrong."""
        self.found = list(self._findings(other))

    def left_out(self, ignored: Container[str]) -> list[int]:
        """The rows to leave out, but for kinds of findings that are ignored."""
        found = (*self.found, *self.beside)
        return rows_to_leave_out(one for one in found if one.kind not in ignored)

    def how_to_leave_out(self, ignored: Container[str], taken: set[str]) -> list[str]:
        """How to do so, in lines; new files have none of the names that are taken."""
        named = [(self.values.name, self.values.rows)]
        if self.labels is not None:
            named.append((self.labels.name, self.labels.rows))
        lines = how_to_leave_out(self.left_out(ignored), named, taken)
        if lines and self.labels is None:
            option = "--y" if self.is_first else "--against-y"
            lines.append(f"  If it has labels, add them with {option}, for a command for both.")
        return lines

    def _findings(self, other: "CheckedSet | None" = None) -> Iterator[Finding]:
        yield from self.values.findings()
        yield from self._duplicates()
        if self.labels is not None:
            yield from self.labels.findings(None if other is None else other.labels)

    def _duplicates(self) -> Iterator[Finding]:
        if self.hashes is None:
            return
        rows, name = self.values.rows, self.values.name
        # Rows of one value are named by themselves.
        pairs = self.hashes.pairs_within(rows).without(self.values.constant.first)
        if not pairs.total:
            return
        yield Finding(
            "duplicates",
            f"{name}: {_about(pairs.share)}{count(pairs.total, 'row')} "
            f"{'is' if pairs.total == 1 else 'are'} equal to an earlier row: "
            f"{_named(pairs.first, pairs.second, pairs.total)}. A split at random puts one into "
            "training and one into validation: leave them out with indices=.",
            **_rows_of(pairs, rows, rows),
        )
        yield from self._conflicts(pairs.first, pairs.second)

    def _conflicts(self, first: Indices, second: Indices) -> Iterator[Finding]:
        if self.labels is None or len(self.labels.rows) != len(self.values.rows):
            return
        y = self.labels.rows
        found = _unlike(first, second, y, y)
        if found:
            yield found.finding(
                "conflict",
                f"{self.values.name}: an earlier row with the same values has another label in "
                f"{self.labels.name}, in {found}. One of the two is wrong.",
                y,
            )


def compare(one: CheckedSet, other: CheckedSet) -> Iterator[Finding]:
    """What differs between two sets, and the rows that are in both."""
    yield from _different_values(one.values, other.values)
    if one.hashes is not None and other.hashes is not None:
        pairs = one.hashes.pairs_across(one.values.rows, other.hashes, other.values.rows)
        yield from _leak(one, other, pairs)
    if one.labels is not None and other.labels is not None:
        yield from _different_labels(one.labels, other.labels)


def _leak(one: CheckedSet, other: CheckedSet, pairs: Pairs) -> Iterator[Finding]:
    rows, name = one.values.rows, one.values.name
    if pairs.total:
        yield Finding(
            "leak",
            f"{other.values.name}: {_about(pairs.share)}{count(pairs.total, 'row')} of "
            f"{len(other.values.rows):,} {'is' if pairs.total == 1 else 'are'} in {name} too: "
            f"{_named(pairs.first, pairs.second, pairs.total, name)}. What is tested was trained "
            "on, so results are too good: leave the rows out of one of the two, of labels too"
            f"{_listed(pairs)}.",
            **_rows_of(pairs, rows, other.values.rows),
            leave_out=True,
        )
        yield from _unlike_labels(one, other, pairs)


def _unlike_labels(one: CheckedSet, other: CheckedSet, pairs: Pairs) -> Iterator[Finding]:
    """Rows of both sets that have one label in one, and another one in the other."""
    its, others = one.labels, other.labels
    if its is None or others is None:
        return
    if len(its.rows) != len(one.values.rows) or len(others.rows) != len(other.values.rows):
        return
    shift = int(others.is_ahead_of(its)) - int(its.is_ahead_of(others))
    found = _unlike(pairs.first, pairs.second, its.rows, others.rows, shift)
    if found:
        yield found.finding(
            "conflict",
            f"{other.values.name}: the same values have another label in {others.name} than in "
            f"{its.name}, in {found}. One of the two is wrong.",
            others.rows,
        )


def _unlike(first: Indices, second: Indices, y: Rows, others: Rows, shift: int = 0) -> RowsFound:
    """The second of two rows, where their labels differ by more than `shift`.

    What differs so because one set counts from 1 is said of the labels, once for all rows.
    """
    found = RowsFound()
    for one, other in zip(first[:PAIRS_READ_MAX], second[:PAIRS_READ_MAX], strict=True):
        mine = y.take(one[np.newaxis])
        if shift:
            # Class numbers are small, and unsigned ones have no -1.
            mine = mine.astype(np.int64) + shift
        if not np.array_equal(mine, others.take(other[np.newaxis])):
            found.add(other[np.newaxis])
    return found


def _different_values(one: Values, other: Values) -> Iterator[Finding]:
    both = f"{one.name} and {other.name}"
    if one.rows.row_shape != other.rows.row_shape or one.dtype != other.dtype:
        yield Finding(
            "differ",
            f"{both}: rows are {one.dtype} {one.rows.row_shape} in one, "
            f"{other.dtype} {other.rows.row_shape} in the other. A model takes one of them: "
            "save both alike.",
        )
    if one.low > one.high or other.low > other.high:
        return
    (low, high), (its_low, its_high) = one.bulk, other.bulk
    reaches = [greatest_of_range(low, high), greatest_of_range(its_low, its_high)]
    if max(reaches) >= 4 * min(reaches):
        yield Finding(
            "differ",
            f"{both}: values go from {number(low)} to {number(high)} in one, from "
            f"{number(its_low)} to {number(its_high)} in the other. Scale both alike.",
        )
    elif one.has_outliers or other.has_outliers:
        # They move the mean, and are named by themselves.
        return
    elif abs(one.mean - other.mean) > MEAN_DIFFERENCE_MAX * max(one.deviation, other.deviation):
        yield Finding(
            "differ",
            f"{both}: the mean is {number(one.mean)} in one, {number(other.mean)} in the other, "
            f"with standard deviations of {number(one.deviation)} and {number(other.deviation)}. "
            "Look whether both were made alike.",
        )


def _different_labels(one: Labels, other: Labels) -> Iterator[Finding]:
    if not (one.are_classes and other.are_classes):
        return
    for ahead, behind in ((one, other), (other, one)):
        if ahead.is_ahead_of(behind):
            last = number(max(ahead.counts))
            yield Finding(
                "labels",
                f"{ahead.name} and {behind.name}: labels go from 1 to {last} in one, from 0 to "
                f"{number(max(behind.counts))} in the other: one of them may be numbered wrongly. "
                f"If classes 1 to {last} are the other's 0 to {number(max(behind.counts))}, "
                f"subtract 1 in {ahead.name} alone, {SUBTRACTED}.",
            )
            return
    shares, others = one.class_shares(), other.class_shares()
    for absent, present, in_one, in_other in (
        (one, other, shares, others),
        (other, one, others, shares),
    ):
        missing = sorted(set(in_other) - set(in_one))
        if missing:
            yield Finding(
                "missing class",
                f"{absent.name}: {count(len(missing), 'class', 'classes')} of {present.name} "
                f"without a row here: {some_of([number(one) for one in missing])}. "
                "Add rows of them, or deal both sets out of all rows anew.",
            )
    differences = {
        label: abs(shares.get(label, 0) - others.get(label, 0)) for label in {*shares, *others}
    }
    if not differences:
        return
    label, most = max(differences.items(), key=lambda item: item[1])
    if most > SHARE_DIFFERENCE_MAX:
        yield Finding(
            "differ",
            f"{one.name} and {other.name}: class {number(label)} is {shares.get(label, 0):.0%} of "
            f"one and {others.get(label, 0):.0%} of the other. Look whether both were drawn alike.",
        )


def _named(first: Indices, second: Indices, total: int, name: str = "") -> str:
    behind = f" of {name}" if name else ""
    shown = list(zip(first.tolist(), second.tolist(), strict=True))[:ROWS_NAMED_MAX]
    named = ", ".join(f"row {again} is row {row}{behind}" for row, again in shown)
    return named + (", ..." if total > len(shown) else "")


def _rows_of(pairs: Pairs, rows: Rows, others: Rows) -> dict[str, Any]:
    """The fields of a finding that say which rows are equal, and where they lie."""
    first, second = (one[:ROWS_LISTED_MAX].tolist() for one in (pairs.first, pairs.second))
    return {
        "rows": second,
        "total": pairs.total,
        "files": files_of(others, second),
        "partners": first,
        "partner_files": files_of(rows, first),
    }


def _listed(pairs: Pairs) -> str:
    """Whether all rows can be had, which are not named here."""
    if pairs.share < 1 or not ROWS_NAMED_MAX < pairs.total <= ROWS_LISTED_MAX:
        return ""
    return ". --json lists them all"


def _about(share: float) -> str:
    return "" if share == 1 else f"(by a look at {share:.2%} of the rows) about "
