"""Statistics of a source for each channel, and the layer that normalises with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError
from keras_npy.rows.base import Rows
from keras_npy.rows.walk import walk
from keras_npy.statistics.channels import Channels, axis_of, find_channels, stored_format_of
from keras_npy.statistics.moments import stream
from keras_npy.statistics.scales import natural_scale
from keras_npy.tools.checks.row_scales import RowScales, reaches_of
from keras_npy.tools.usage import UsageError
from keras_npy.types import Array

PERCENTILES = (1, 50, 99)

# Values of all channels from which percentiles are computed, where they are not counted.
SAMPLED_MAX = 1 << 21

# Values of each channel for that, even where there are so many channels that these are more.
SAMPLED_PER_CHANNEL_MIN = 64

# Integers of so many bytes are counted, each value by itself, for so many channels.
_COUNTED_BYTES_MAX = 2
_COUNTED_CHANNELS_MAX = 16

# np.bincount makes 8 bytes of each value.
_PIECE_VALUES = 1 << 18


@dataclass(frozen=True)
class Statistics:
    """Statistics of stored values, each `(C,)`."""

    rows: Rows
    channels: Channels
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: Array
    high: Array
    zeros: NDArray[np.float64]
    """The share of values that are 0."""
    percentiles: NDArray[np.float64]
    """`(len(PERCENTILES), C)`."""
    remarks: list[str]
    """What makes these numbers doubtful."""

    @property
    def layer(self) -> str:
        """The layer that gives these rows mean 0 and variance 1, as Python."""
        dtype = self.rows.dtype
        # Longer integers count something, and seldom use the range of their dtype.
        is_image = dtype.kind in "iu" and dtype.itemsize <= _COUNTED_BYTES_MAX
        scale = natural_scale(dtype) if is_image else 1.0
        mean, variance = self.mean * scale, self.variance * scale**2
        arguments = [f"scale=1/{np.iinfo(dtype).max}" if is_image else "scale=1"]
        if self.channels == "none":
            arguments += [f"mean={float(mean[0])!r}", f"variance={float(variance[0])!r}"]
        else:
            arguments += [f"mean={mean.tolist()}", f"variance={variance.tolist()}"]
        if self.channels == "none":
            arguments.append("axis=None")
            stored = stored_format_of(self.rows.row_shape, is_image=is_image)
            if stored == "no_channels":
                arguments.append('stored_format="no_channels"')
        elif self.channels == "first":
            # The axis counts those of the output, so it must not depend on a setting of Keras.
            arguments += ['stored_format="channels_first"', 'data_format="channels_last"']
        return f"keras_npy.NpyInputLayer({', '.join(arguments)})"

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "name": self.rows.name,
            "shape": self.rows.shape,
            "dtype": self.rows.dtype.name,
            "channels": self.channels,
            "mean": self.mean,
            "variance": self.variance,
            "min": self.low,
            "max": self.high,
            "zeros": self.zeros,
            "percentiles": {
                str(percent): values
                for percent, values in zip(PERCENTILES, self.percentiles, strict=True)
            },
            "layer": self.layer,
            "remarks": self.remarks,
        }


def compute(rows: Rows, channels: Channels | None, *, title: str) -> Statistics:
    """Read all rows once and compute their statistics.

    Args:
        rows: The rows.
        channels: Where they have channels; `None` to guess it from their shape.
        title: What stands before the progress bar.

    Raises:
        UsageError: If the rows have no such axis.
        NpyFileError: If they are complex.
        ValueError: If a value is NaN or infinite.
    """
    channels = channels or find_channels(rows.row_shape)
    axis = axis_of(channels)
    if rows.dtype.kind == "c":
        raise NpyFileError(
            f"{rows.name}: statistics are those of real numbers. Received: {rows.dtype}. "
            "Store the parts as channels, with np.stack([x.real, x.imag], axis=-1)."
        )
    if axis is not None and not rows.row_shape:
        raise UsageError(
            f"{rows.name}: channels lie along an axis of a row. "
            f"Received: --channels {channels} for rows of one value. Give --channels none."
        )
    seen = _Seen(rows, axis)
    try:
        moments = stream(seen.blocks(title), lambda ndim: () if axis is None else (axis % ndim,))
    except NpyFileError:
        raise
    except ValueError as error:
        raise ValueError(f"{rows.name}: {error}") from error
    return Statistics(
        rows,
        channels,
        moments.mean.reshape(-1),
        moments.variance.reshape(-1),
        seen.low,
        seen.high,
        seen.num_zeros / moments.count,
        seen.percentiles(),
        seen.remarks(),
    )


class _Seen:
    """What is kept of the blocks that pass by: ranges, zeros, and counts or a sample of values."""

    def __init__(self, rows: Rows, axis: int | None) -> None:
        self._rows, self._axis = rows, axis
        self._num_channels = 1 if axis is None else rows.shape[axis]
        self._per_channel = rows.size // self._num_channels
        self.low: Array = np.empty(0)
        self.high: Array = np.empty(0)
        self.num_zeros = np.zeros(self._num_channels)
        dtype = rows.dtype
        is_counted = dtype.kind in "biu" and dtype.itemsize <= _COUNTED_BYTES_MAX
        self._counts: NDArray[np.int64] | None = None
        if is_counted and self._num_channels <= _COUNTED_CHANNELS_MAX:
            self._counts = np.zeros((self._num_channels, 1 << (8 * dtype.itemsize)), np.int64)
        self._lowest = int(np.iinfo(dtype).min) if dtype.kind == "i" else 0
        self._sample: list[Array] = []
        self._random = np.random.default_rng(0)
        # Bytes reach 255 at most.
        self._scales = RowScales(rows) if dtype.itemsize > 1 and dtype.kind != "b" else None

    def blocks(self, title: str) -> Iterator[Array]:
        for indices, block in walk(self._rows, title=title):
            if self._scales is not None:
                self._scales.see(indices, reaches_of(block.reshape(len(block), -1)))
            front = block if self._axis is None else np.moveaxis(block, self._axis, 0)
            self._see(front.reshape(self._num_channels, -1))
            yield block

    def remarks(self) -> list[str]:
        if self._scales is None:
            return []
        self._scales.look_again()
        return [finding.message for finding in self._scales.findings(self._rows.name)]

    def percentiles(self) -> NDArray[np.float64]:
        if self._counts is not None:
            return np.array([_percentiles_of(counts) for counts in self._counts]).T + self._lowest
        sample = np.concatenate(self._sample, axis=1).astype(np.float64)
        return np.percentile(sample, PERCENTILES, axis=1)

    def _see(self, values: Array) -> None:
        """Look at the values of a block, `(C, n)`."""
        low, high = values.min(axis=1), values.max(axis=1)
        self.low = np.minimum(self.low, low) if self.low.size else low
        self.high = np.maximum(self.high, high) if self.high.size else high
        self.num_zeros += values.shape[1] - np.count_nonzero(values, axis=1)
        if self._counts is not None:
            for counts, channel in zip(self._counts, values, strict=True):
                _count_into(counts, channel, self._lowest)
            return
        wanted = max(SAMPLED_PER_CHANNEL_MIN, SAMPLED_MAX // self._num_channels)
        if wanted >= self._per_channel:
            self._sample.append(values.copy())
        else:
            # A binomial number, so that they do not grow with the blocks: most may give none.
            number = self._random.binomial(values.shape[1], wanted / self._per_channel)
            at = self._random.integers(0, values.shape[1], max(number, int(not self._sample)))
            self._sample.append(values[:, at])


def _count_into(counts: NDArray[np.int64], values: Array, lowest: int) -> None:
    for start in range(0, len(values), _PIECE_VALUES):
        piece = values[start : start + _PIECE_VALUES].astype(np.int64) - lowest
        counts += np.bincount(piece, minlength=len(counts))


def _percentiles_of(counts: NDArray[np.int64]) -> list[int]:
    """The values at the percentiles, of the numbers of times that 0, 1, 2 ... come."""
    sums = np.cumsum(counts)
    ranks = np.array(PERCENTILES) / 100 * (sums[-1] - 1)
    return [int(value) for value in np.searchsorted(sums, ranks, side="right")]
