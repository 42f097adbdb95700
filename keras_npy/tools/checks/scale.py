"""Which scale suits values, whatever the shape of rows: the rule, and the words."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.statistics.channels import axis_of, find_channels, stored_format_of
from keras_npy.statistics.scales import greatest_of_range, natural_scale
from keras_npy.tools.checks.findings import Finding
from keras_npy.tools.checks.sample import is_table
from keras_npy.tools.output import number
from keras_npy.tools.source import paths_beside
from keras_npy.types import Array

# Integers that are whole, and stored as floats, are images up to this.
WHOLE_MAX = 65535

# Floats of this size (root mean square) train as they are: what is standardised has a size of 1.
SIZE_MAX = 10.0

# Floats that are all smaller than this in magnitude need a scale too.
REACH_MIN = 0.01

# Of larger values the variance is infinite in float32.
_REACH_OF_ADAPT = 1e15

# Scales of columns to write out.
_SCALES_MAX = 32


@dataclass(frozen=True)
class Range:
    """What is known of all values that are not far outside, of each column `(C,)`."""

    lows: Array
    highs: Array
    sizes: Array
    """The root mean squares, of values drawn at random."""
    is_whole: bool

    @property
    def low(self) -> float:
        return float(self.lows.min())

    @property
    def high(self) -> float:
        return float(self.highs.max())

    @property
    def reach(self) -> float:
        return max(abs(self.low), abs(self.high))


def scale_findings(known: Range, rows: Rows, name: str, *, hides: bool) -> Iterator[Finding]:
    """What the scale of values would spoil.

    Args:
        known: Of the values.
        rows: The rows.
        name: What the user calls them.
        hides: Whether some rows are not finite.
    """
    if rows.dtype.kind == "b":
        return
    words = _Words(known, rows, name)
    if rows.dtype.kind in "iu":
        # Integers in rows of one axis may be tokens, to which no scale applies.
        if rows.ndim > 2:
            yield from words.of_integers()
    elif known.is_whole and rows.ndim > 2 and SIZE_MAX < known.reach <= WHOLE_MAX:
        yield Finding("scale", words.of_whole_floats(hides=hides))
    elif known.sizes.max() > SIZE_MAX or 0 < known.reach < REACH_MIN:
        yield Finding("scale", words.of_floats())


class _Words:
    def __init__(self, known: Range, rows: Rows, name: str) -> None:
        self._known, self._rows, self._name = known, rows, name
        self._dtype, self._row_shape = rows.dtype, rows.row_shape
        self._values = f"values from {number(known.low)} to {number(known.high)}"
        self._reach = greatest_of_range(known.low, known.high)
        is_image = rows.dtype.kind in "iu" or known.is_whole
        self._stored = stored_format_of(self._row_shape, is_image=is_image)

    @property
    def _scale(self) -> str:
        scale = f"1/{self._reach}" if self._reach > 1 else "1"
        return f"keras_npy.NpyInputLayer(scale={scale}{self._behind})"

    @property
    def _behind(self) -> str:
        return f', stored_format="{self._stored}"' if self._stored else ""

    def of_floats(self) -> str:
        begin = (
            f"{self._name}: {self._values}, in {self._dtype}, for which NpyInputLayer.for_data "
            "takes no scale. Networks train best on values of about 1"
        )
        if is_table(self._rows) and self._row_shape:
            adapted = f"layer = keras_npy.NpyInputLayer(scale={self._first_scale()}, axis=-1)"
            columns = self._columns()
            return (
                f"{begin}{columns}: `{adapted}`, then `layer.adapt(seq)` with the training set, "
                "for each column."
            )
        axis = -1 if self._stored == "channels_first" else axis_of(find_channels(self._row_shape))
        arguments = f"scale={self._first_scale()}, axis={axis}{self._behind}"
        adapted = (
            f"`layer = keras_npy.NpyInputLayer({arguments})`, then `layer.adapt(seq)` with the "
            "training set"
        )
        if len(self._row_shape) == 2 and not self._behind:
            adapted += ' (and stored_format="no_channels" before a Conv2D)'
        if 1 < self._known.reach and self._reach / 2 < self._known.reach <= WHOLE_MAX:
            return f"{begin}: use {self._scale}, or {adapted}."
        return f"{begin}: {adapted}."

    def _first_scale(self) -> str:
        """The scale before `adapt`, whose variance counts as at least 1e-7, in float32."""
        reaches = np.maximum(np.abs(self._known.lows), np.abs(self._known.highs))
        reaches = np.where(reaches > 0, reaches, 1)
        if reaches.min() >= REACH_MIN and reaches.max() < _REACH_OF_ADAPT:
            return "1"
        scales = [f"1e{-round(power):d}" for power in np.log10(reaches).tolist()]
        if len(set(scales)) == 1:
            return scales[0]
        if len(scales) <= _SCALES_MAX:
            return f"[{', '.join(scales)}]"
        return "1 / np.maximum(np.abs(x).max(axis=0), 1e-37)"

    def _columns(self) -> str:
        """The size of the largest column and of the smallest, if they differ."""
        sizes = self._known.sizes
        if len(sizes) < 2 or sizes.max() < 10 * sizes.min():
            return ""
        least, most = int(np.argmin(sizes)), int(np.argmax(sizes))
        return (
            f", and those of column {least} are about {sizes[least]:.1g}, those of column {most} "
            f"about {sizes[most]:.1g}"
        )

    def of_integers(self) -> Iterator[Finding]:
        greatest = round(1 / natural_scale(self._dtype))
        if greatest >= 2 * self._reach:
            yield Finding(
                "scale",
                f"{self._name}: {self._values}, in {self._dtype}. NpyInputLayer.for_data scales by "
                f"1/{greatest}, which leaves at most {number(self._known.reach / greatest)}. "
                f"Use {self._scale}.",
            )

    def of_whole_floats(self, *, hides: bool) -> str:
        low, high = self._known.low, self._known.high
        dtype = smallest_dtype(low, high)
        new = paths_beside([self._name], f"_{dtype}", set())[0]
        source, new = map(shlex.quote, (self._name, new))
        return (
            f"{self._name}: whole {self._values}, stored as {self._dtype}. NpyInputLayer.for_data "
            f"takes floats as they are, so the model would get {number(high)}, not 1. Use "
            f"{self._scale}. "
            f"As {dtype} they take {np.dtype(dtype).itemsize} of {self._dtype.itemsize} bytes: "
            f"{'once the rows above are finite, ' if hides else ''}"
            f"`keras-npy convert --dtype {dtype} {source} {new}`."
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
