"""Rows of another scale than the rest: some divided by 255, and others not."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.tools.checks.findings import Finding, RowsFound
from keras_npy.tools.output import number
from keras_npy.types import Array, Indices

# How many times as far the rows of the larger scale reach, all of them. Bytes that were not divided
# reach 255 times as far, unless the picture is dark.
_TIMES = 20.0

# A few rows differ by chance, and so do rows of few values.
_ROWS_MIN = 20
_VALUES_MIN = 16

# Rows that were scaled reach about 1, and those that were not reach further. Others that are small
# are quiet, dark or empty.
_SCALED_MIN, _SCALED_MAX, _UNSCALED_MIN = 0.25, 1.5, 2.0

# To leave more of the rows out would be a loss.
_LEFT_OUT_SHARE = 0.05

# Rows of each kind that are read again.
_READ_MAX = 100

# Reaches to keep, of 4 bytes each. The rows behind are not looked at.
_KEPT_MAX = 1 << 24


class RowScales:
    """How far the values of each row reach from 0, and which rows are of another scale.

    Args:
        rows: The rows that are walked over.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._reaches = np.zeros(min(len(rows), _KEPT_MAX), np.float32)
        self._found: Indices = np.empty(0, np.int64)
        self.reach_of_others = np.inf
        """How far all other rows reach."""
        self._least, self._greatest = np.inf, 0.0

    def see(self, indices: Indices, reaches: NDArray[np.floating]) -> None:
        """Keep how far rows reach."""
        is_kept = indices < len(self._reaches)
        with np.errstate(over="ignore"):
            self._reaches[indices[is_kept]] = reaches[is_kept]

    def look_again(self) -> None:
        """Once all rows were seen: read again those that seem to be of another scale."""
        # Blank rows have none.
        seen = np.flatnonzero((self._reaches > 0) & np.isfinite(self._reaches))
        if len(seen) < _ROWS_MIN or self._rows.size // len(self._rows) < _VALUES_MIN:
            return
        order = seen[np.argsort(self._reaches[seen], kind="stable")]
        sizes = self._reaches[order].astype(np.float64)
        for at in (np.flatnonzero(sizes[1:] >= _TIMES * sizes[:-1]) + 1).tolist():
            smaller, larger = order[:at], order[at:]
            are_scaled = _SCALED_MIN <= sizes[0] and sizes[at - 1] <= _SCALED_MAX
            if sizes[at] < _UNSCALED_MIN or (len(larger) > len(smaller) and not are_scaled):
                continue
            if not self._are_of_two_scales(smaller, larger):
                continue
            found, others = sorted((smaller, larger), key=len)
            self._found = np.sort(found)
            self._least, self._greatest = _ends(self._reaches[found])
            self.reach_of_others = _ends(self._reaches[others])[1]
            return

    @property
    def are_found(self) -> bool:
        """Whether there are rows of another scale."""
        return len(self._found) > 0

    def findings(self, name: str) -> Iterator[Finding]:
        """Such rows, in words; `name` is what the user calls the source."""
        if not self.are_found:
            return
        found = RowsFound()
        found.add(self._found)
        reach = number(self._greatest)
        if self._least < self._greatest:
            reach = f"{number(self._least)} to {reach}"
        yield found.finding(
            "outliers",
            f"{name}: values reach {reach} in {found}, and {number(self.reach_of_others)} in all "
            f"others. Some rows seem to be scaled, and others not: {self._remedy()}.",
            self._rows,
            leave_out=self._are_few,
        )

    def _remedy(self) -> str:
        """What to do to them."""
        left_out = ", or leave the rows out, of labels too" if self._are_few else ""
        return f"{self._scaled_alike()}{left_out}"

    def _scaled_alike(self) -> str:
        if self.reach_of_others <= _SCALED_MAX < self._least:
            for greatest in (255, 65535):
                if self._greatest <= greatest:
                    return f"if the others were divided by {greatest}, divide these too"
        return "scale them alike"

    @property
    def _are_few(self) -> bool:
        """Whether to leave them out is a remedy."""
        return len(self._found) <= _LEFT_OUT_SHARE * len(self._rows)

    def _are_of_two_scales(self, smaller: Indices, larger: Indices) -> bool:
        """Whether most of their values differ as much, and not only one in a row."""
        return self._typical(larger) >= _TIMES / 2 * self._typical(smaller)

    def _typical(self, indices: Indices) -> float:
        at = indices[np.linspace(0, len(indices) - 1, min(len(indices), _READ_MAX)).astype(int)]
        medians = []
        # One by one: a row may be a volume.
        for one in np.unique(at):
            alone = np.array([one])
            self._rows.prepare(alone)
            with np.errstate(over="ignore"):
                values = np.abs(self._rows.take(alone).reshape(-1).astype(np.float32, copy=False))
            medians.append(float(np.median(values[values > 0])))
        return float(np.median(medians))


def reaches_of(flat: Array) -> NDArray[np.float64]:
    """How far the values of each of some rows `(b, n)` reach from 0."""
    return greatest_of(flat.min(axis=1), flat.max(axis=1))


def greatest_of(lows: Array, highs: Array) -> NDArray[np.float64]:
    """The greatest magnitude of each row, of its least and its greatest value."""
    # The least integer of a dtype has no positive one.
    ends = np.abs(np.stack([lows, highs]).astype(np.float64))
    greatest: NDArray[np.float64] = ends.max(axis=0)
    return greatest


def _ends(reaches: NDArray[np.float32]) -> tuple[float, float]:
    return float(reaches.min()), float(reaches.max())
