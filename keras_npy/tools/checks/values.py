"""The values of a source: NaN and infinity, constant rows and columns, range and scale."""

import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.rows.base import Rows
from keras_npy.statistics.channels import stored_format_of
from keras_npy.statistics.moments import Moments, merge, moments_of
from keras_npy.statistics.scales import greatest_of_range, natural_scale
from keras_npy.tools.checks.findings import Finding, RowsFound
from keras_npy.tools.output import number, some_of
from keras_npy.tools.source import stem_of
from keras_npy.types import Array, Indices

# Rows of more columns are not a table of features.
COLUMNS_MAX = 10_000

# Integers that are whole, and stored as floats, are images up to this.
WHOLE_MAX = 65535

# Rows of one axis are features or tokens below this, to which no scale applies.
_IMAGE_AXES = 2


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
        self._is_table = rows.ndim == 2 and 1 < rows.shape[1] <= COLUMNS_MAX
        self._columns: tuple[Array, Array] | None = None

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
        self._see_columns(flat)
        moments = moments_of(flat, ())
        self._moments = moments if self._moments is None else merge(self._moments, moments)

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
                    f"NaN, and the loss may not show it. {self._remedy(found, kind)}.",
                    self.rows,
                )
        if self.constant:
            yield self.constant.finding(
                "constant",
                f"{self.name}: all values are equal in {self.constant}. Look whether the samples "
                f"are blank, and leave them out: {self.constant.without(self.rows, self.name)}.",
                self.rows,
            )
        yield from self._constant_columns()
        yield from self._scale()

    def _altogether(self, kind: str) -> str:
        if kind != "nan" or not self.all_nan:
            return ""
        if self.all_nan == self.nan.total:
            return ", which holds nothing else" if self.nan.total == 1 else ", each NaN altogether"
        return f", {self.all_nan:,} of them NaN altogether"

    def _remedy(self, found: RowsFound, kind: str) -> str:
        without = f"eave the rows out, of labels too: {found.without(self.rows, self.name)}"
        if kind != "nan" or not self.all_nan:
            return f"Replace it with np.nan_to_num, or l{without}"
        # np.nan_to_num would make blank samples of rows that hold nothing else.
        has_others = self.all_nan < self.nan.total
        others = ". np.nan_to_num serves only rows with other values" if has_others else ""
        return f"L{without}{others}"

    def _see_columns(self, flat: Array) -> None:
        if not self._is_table:
            return
        lows, highs = flat.min(axis=0), flat.max(axis=0)
        if self._columns is not None:
            lows = np.minimum(lows, self._columns[0])
            highs = np.maximum(highs, self._columns[1])
        self._columns = lows, highs

    def _constant_columns(self) -> Iterator[Finding]:
        if self._columns is None or len(self.rows) < 2:
            return
        lows, highs = self._columns
        columns = np.flatnonzero(lows == highs)
        if len(columns):
            yield Finding(
                "constant",
                f"{self.name}: {len(columns)} of {len(lows)} columns have one value in all rows: "
                f"{some_of(columns.tolist())}. They say nothing: leave them out.",
            )

    def _scale(self) -> Iterator[Finding]:
        if self.low > self.high or self.rows.ndim <= _IMAGE_AXES or self.dtype.kind == "b":
            return
        reach = greatest_of_range(self.low, self.high)
        values = f"values from {number(self.low)} to {number(self.high)}"
        is_image = self.dtype.kind in "iu" or self.is_whole
        stored = stored_format_of(self.rows.row_shape, is_image=is_image)
        behind = f', stored_format="{stored}"' if stored else ""
        scale = f"NpyInputLayer(scale={f'1/{reach}' if reach > 1 else 1}{behind})"
        if self.dtype.kind not in "iu":
            if self.is_whole and 1 < reach <= WHOLE_MAX:
                yield Finding("scale", self._whole_as_float(values, scale))
            elif reach > 10:
                yield Finding(
                    "scale",
                    f"{self.name}: {values}, in {self.dtype}, for which "
                    "NpyInputLayer.for_data takes no scale. Networks train best on values of "
                    f"about 1: use {scale}, or adapt.",
                )
        elif round(1 / natural_scale(self.dtype)) >= 2 * reach:
            greatest = round(1 / natural_scale(self.dtype))
            most = number(max(abs(self.low), self.high) / greatest)
            yield Finding(
                "scale",
                f"{self.name}: {values}, in {self.dtype}. NpyInputLayer.for_data scales by "
                f"1/{greatest}, which leaves at most {most}. "
                f"Use {scale}.",
            )

    def _whole_as_float(self, values: str, scale: str) -> str:
        dtype = smallest_dtype(self.low, self.high)
        source, new = map(shlex.quote, (self.name, f"{stem_of(self.name)}_{dtype}.npy"))
        return (
            f"{self.name}: whole {values}, stored as {self.dtype}. NpyInputLayer.for_data takes "
            f"floats as they are, so the model would get {number(self.high)}, not 1. Use {scale}. "
            f"As {dtype} they take {np.dtype(dtype).itemsize} of {self.dtype.itemsize} bytes: "
            f"{'once the rows above are finite, ' if self.nan or self.infinite else ''}"
            f"`keras-npy convert --dtype {dtype} {source} {new}`."
        )


def check_real(rows: Rows) -> None:
    """Raise `NpyFileError` for complex numbers, which have no order."""
    if rows.dtype.kind == "c":
        raise NpyFileError(
            f"{rows.name}: check looks at real numbers. Received: {rows.dtype}. "
            "Store the parts as channels, with np.stack([x.real, x.imag], axis=-1)."
        )


def smallest_dtype(low: float, high: float) -> str:
    """The integer dtype of fewest bytes that holds a range.

    Example:

    >>> smallest_dtype(0, 255), smallest_dtype(-1, 255)
    ('uint8', 'int16')
    """
    names = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")
    limits = ((name, np.iinfo(name)) for name in names)
    return next(name for name, limit in limits if limit.min <= low and high <= limit.max)
