"""The values of a source: NaN and infinity, constant rows and columns, and what is far outside."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.rows.base import Rows
from keras_npy.statistics.moments import Moments, merge, moments_of
from keras_npy.tools.checks.findings import Finding, RowsFound
from keras_npy.tools.checks.outliers import Outside, find_outside, outliers
from keras_npy.tools.checks.row_scales import RowScales, greatest_of
from keras_npy.tools.checks.sample import Sample, is_table
from keras_npy.tools.checks.scale import Range, scale_findings
from keras_npy.tools.output import some_of
from keras_npy.types import Array, Indices


class Values:
    """What is known of the values of some rows, block by block.

    Args:
        rows: The rows, whose values must be real numbers.
        name: What the user calls them.
    """

    def __init__(self, rows: Rows, name: str) -> None:
        check_real(rows)
        self.rows, self.name = rows, name
        self.dtype = rows.dtype
        self.low, self.high = np.inf, -np.inf
        self.is_whole = True
        self.nan, self.infinite, self.constant = RowsFound(), RowsFound(), RowsFound()
        self.all_nan = 0
        """Rows without any other value."""
        self._moments: Moments | None = None
        # Booleans and bytes have no room for values far outside.
        self._sample = Sample(rows) if rows.dtype.itemsize > 1 else None
        self._scales = RowScales(rows) if rows.dtype.itemsize > 1 else None
        self._columns: tuple[Array, Array] | None = None
        self._outside: dict[int, Outside] = {}

    def see(self, indices: Indices, block: Array) -> None:
        """Look at a block of rows `(b, ...)`."""
        flat = block.reshape(len(block), -1)
        if flat.dtype.kind == "V" or flat.dtype.name == "bfloat16":
            flat = flat.astype(np.float32)
        # A row with a NaN has it as its least value, one with an infinity as its least or greatest.
        lows, highs = flat.min(axis=1), flat.max(axis=1)
        is_finite = np.isfinite(lows) & np.isfinite(highs)
        if not is_finite.all():
            is_nan = np.isnan(lows)
            self.nan.add(indices[is_nan])
            self.infinite.add(indices[~is_nan & ~is_finite])
            if flat.shape[1] > 1:
                self.all_nan += int(np.isnan(flat[is_nan]).all(axis=1).sum())
            flat, lows, highs = flat[is_finite], lows[is_finite], highs[is_finite]
            indices = indices[is_finite]
        if not len(flat):
            return
        self.low, self.high = min(self.low, float(lows.min())), max(self.high, float(highs.max()))
        if flat.shape[1] > 1:
            self.constant.add(indices[lows == highs])
        if flat.dtype.kind == "f" and self.is_whole:
            self.is_whole = bool((flat == np.floor(flat)).all())
        self._see_columns(indices, flat)
        if self._scales is not None:
            self._scales.see(indices, greatest_of(lows, highs))
        moments = moments_of(flat, ())
        self._moments = moments if self._moments is None else merge(self._moments, moments)

    def look_again(self) -> None:
        """Once all rows were seen: read them again if some values seem to be far outside."""
        if self._sample is not None and self.low < self.high:
            lows, highs = self._ends()
            drawn = self._sample.columns()
            self._outside = find_outside(self.rows, self.name, drawn, lows, highs)
        if self._scales is not None and not self._outside:
            self._scales.look_again()

    @property
    def has_outliers(self) -> bool:
        """Whether some values are far outside, or some rows of another scale."""
        return bool(self._outside) or (self._scales is not None and self._scales.are_found)

    @property
    def bulk(self) -> tuple[float, float]:
        """The range of all values but these."""
        known = self._range()
        return known.low, known.high

    @property
    def mean(self) -> float:
        return float(self._moments.mean) if self._moments else np.nan

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self._moments.variance)) if self._moments else np.nan

    def facts(self) -> dict[str, Any]:
        """For JSON, and to lay two sets side by side."""
        return {
            "rows": len(self.rows),
            "shape": self.rows.shape,
            "dtype": self.dtype.name,
            "min": self.low,
            "max": self.high,
            "mean": self.mean,
            "deviation": self.deviation,
            "rows_with_nan": self.nan.total,
            "rows_of_nan_alone": self.all_nan,
            "rows_with_infinity": self.infinite.total,
            "constant_rows": self.constant.total,
        }

    def findings(self) -> Iterator[Finding]:
        """What would spoil training."""
        for kind, found, what in (
            ("nan", self.nan, "NaN"),
            ("infinity", self.infinite, "infinity"),
        ):
            if found:
                yield found.finding(
                    kind,
                    f"{self.name}: {what} in {found}{self._altogether(kind)}. One makes weights "
                    f"NaN, and the loss may not show it. {self._remedy(kind)}.",
                    self.rows,
                    leave_out=True,
                )
        if self.constant:
            yield self.constant.finding(
                "constant",
                f"{self.name}: all values are equal in {self.constant}. Look whether the samples "
                "are blank, and leave them out.",
                self.rows,
                leave_out=True,
            )
        yield from self._constant_columns()
        yield from outliers(self.rows, self.name, self._outside)
        if self._scales is not None:
            yield from self._scales.findings(self.name)
        if self.low <= self.high:
            hides = bool(self.nan or self.infinite)
            yield from scale_findings(self._range(), self.rows, self.name, hides=hides)

    def _altogether(self, kind: str) -> str:
        if kind != "nan" or not self.all_nan:
            return ""
        if self.all_nan == self.nan.total:
            return ", which holds nothing else" if self.nan.total == 1 else ", each NaN altogether"
        return f", {self.all_nan:,} of them NaN altogether"

    def _remedy(self, kind: str) -> str:
        without = "eave the rows out, of labels too"
        if kind == "infinity":
            # np.nan_to_num would make 3e38 of it, with which no loss is finite.
            clipped = f"np.clip(x, {self.low:.9g}, {self.high:.9g})"
            return (
                f"Cut it with {clipped}, or l{without}" if self.low < self.high else f"L{without}"
            )
        if kind != "nan" or not self.all_nan:
            return f"Replace it with {self._filled}, or l{without}"
        # np.nan_to_num would make blank samples of rows that hold nothing else.
        has_others = self.all_nan < self.nan.total
        others = f". {self._filled} serves only rows with other values" if has_others else ""
        return f"L{without}{others}"

    @property
    def _filled(self) -> str:
        """What replaces NaN by the mean: 0 may lie far from all values."""
        return f"np.nan_to_num(x, nan={self.mean:.4g})"

    def _see_columns(self, indices: Indices, flat: Array) -> None:
        if self._sample is not None:
            self._sample.see(indices, flat)
        if not is_table(self.rows):
            return
        lows, highs = flat.min(axis=0), flat.max(axis=0)
        if self._columns is not None:
            lows = np.minimum(lows, self._columns[0])
            highs = np.maximum(highs, self._columns[1])
        self._columns = lows, highs

    def _ends(self) -> tuple[Array, Array]:
        if self._columns is not None:
            return self._columns
        return np.array([self.low]), np.array([self.high])

    def _range(self) -> Range:
        """What is known of all values but those far outside, and rows of another scale."""
        lows, highs = (ends.astype(np.float64) for ends in self._ends())
        for at, one in self._outside.items():
            lows[at], highs[at] = one.low, one.high
        if self._scales is not None and self._scales.are_found:
            reach = self._scales.reach_of_others
            lows, highs = np.maximum(lows, -reach), np.minimum(highs, reach)
        drawn = np.empty((0, len(lows))) if self._sample is None else self._sample.columns()
        drawn = drawn.astype(np.float64)
        is_inside = (drawn >= lows) & (drawn <= highs)
        # Divide first: squares of large values are infinite.
        reaches = np.maximum(np.maximum(np.abs(lows), np.abs(highs)), np.finfo(np.float64).tiny)
        squares = np.square(np.where(is_inside, drawn / reaches, 0)).sum(axis=0)
        sizes = reaches * np.sqrt(squares / np.maximum(1, is_inside.sum(axis=0)))
        return Range(lows, highs, sizes, self.is_whole)

    def _constant_columns(self) -> Iterator[Finding]:
        if self._columns is None or len(self.rows) < 2 or self.rows.row_shape in ((), (1,)):
            return
        lows, highs = self._columns
        columns = np.flatnonzero(lows == highs)
        if len(columns):
            yield Finding(
                "constant",
                f"{self.name}: {len(columns)} of {len(lows)} columns "
                f"{'has' if len(columns) == 1 else 'have'} one value in all rows: "
                f"{some_of(columns.tolist())}. They say nothing: leave them out.",
            )


def check_real(rows: Rows) -> None:
    """Raise `NpyFileError` for complex numbers, which have no order."""
    if rows.dtype.kind == "c":
        raise NpyFileError(
            f"{rows.name}: check looks at real numbers. Received: {rows.dtype}. "
            "Store the parts as channels, with np.stack([x.real, x.imag], axis=-1)."
        )
