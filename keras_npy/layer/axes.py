"""`Layout`: where a stored sample has its axes, and where the model wants them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from keras_npy.types import Shape

StoredFormat: TypeAlias = Literal["no_channels", "channels_first", "channels_last"]
DataFormat: TypeAlias = Literal["channels_first", "channels_last"]

_STORED_FORMATS = ("no_channels", "channels_first", "channels_last")
_DATA_FORMATS = ("channels_first", "channels_last")


@dataclass(frozen=True)
class Layout:
    """How samples are reshaped and their axes moved; `make_layout` checks the arguments.

    Args:
        sample_shape: The shape to which a stored sample is reshaped first. `None` keeps its shape.
        stored_format: Where the channels are after that. `None` keeps all axes.
        data_format: Where the channels go. It is not `None` if `stored_format` is given.
    """

    sample_shape: tuple[int, ...] | None = None
    stored_format: StoredFormat | None = None
    data_format: DataFormat | None = None

    @property
    def keeps_axes(self) -> bool:
        """Whether each stored axis keeps its place; the output may have one more at its end."""
        added_last = self.stored_format == "no_channels" and self.data_format == "channels_last"
        is_unmoved = self.stored_format == self.data_format
        return self.sample_shape is None and (is_unmoved or added_last)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output for inputs `(b, ...)`; raise if a sample does not fit."""
        batch, *stored = input_shape
        sample = self._fitted(tuple(stored))
        if self.stored_format == "no_channels":
            sample = (1, *sample) if self.data_format == "channels_first" else (*sample, 1)
        elif self.stored_format != self.data_format:
            if self.data_format == "channels_last":
                sample = (*sample[1:], sample[0])
            else:
                sample = (sample[-1], *sample[:-1])
        return (batch, *sample)

    def apply(self, inputs: Any, ops: Any) -> Any:
        """Reshape inputs `(b, ...)` and move their axes, with `ops`: NumPy, or a look-alike."""
        stored = tuple(inputs.shape[1:])
        ndim = 1 + len(self._fitted(stored))
        if self.sample_shape is not None:
            # If a size is unknown, -1 could make two samples of one that does not fit.
            batch = ops.shape(inputs)[0] if None in stored else -1
            inputs = ops.reshape(inputs, (batch, *self.sample_shape))
        if self.stored_format == "no_channels":
            return ops.expand_dims(inputs, 1 if self.data_format == "channels_first" else -1)
        if self.stored_format == self.data_format:
            return inputs
        first, *others = range(1, ndim)
        if self.data_format == "channels_last":
            return ops.transpose(inputs, (0, *others, first))
        return ops.transpose(inputs, (0, ndim - 1, *range(1, ndim - 1)))

    def _fitted(self, stored_shape: Shape) -> Shape:
        """The shape of a sample before its axes move; raise if it does not fit."""
        shape: Shape = stored_shape
        if self.sample_shape is not None:
            shape = self.sample_shape
            sizes = [size for size in stored_shape if size is not None]
            if len(sizes) == len(stored_shape) and math.prod(sizes) != math.prod(shape):
                raise ValueError(
                    f"A stored sample must hold the {math.prod(shape)} values of "
                    f"sample_shape={shape}. Received: inputs of shape {(None, *stored_shape)}, "
                    f"{math.prod(sizes)} values a sample. Pass the sample_shape that the "
                    "file's rows have."
                )
        if self.stored_format is not None:
            least = 1 if self.stored_format == "no_channels" else 2
            if not least <= len(shape) <= least + 2:
                raise ValueError(
                    f"stored_format={self.stored_format!r} needs samples of {least} to "
                    f"{least + 2} axes. Received: samples of shape {shape}. "
                    "Pass sample_shape= to reshape them, or another stored_format."
                )
        return shape


def make_layout(
    sample_shape: Sequence[int] | None,
    stored_format: StoredFormat | None,
    data_format: DataFormat | None,
    default_data_format: DataFormat,
) -> Layout:
    """Check the user's arguments and make a layout of them.

    Raises:
        ValueError: If an argument has a wrong value, or `data_format` is given alone.

    Example:

    >>> make_layout([3, 32, 32], "channels_first", None, "channels_last").output_shape((7, 3072))
    (7, 32, 32, 3)
    """
    _check_choice("stored_format", stored_format, _STORED_FORMATS)
    _check_choice("data_format", data_format, _DATA_FORMATS)
    if stored_format is None and data_format is not None:
        raise ValueError(
            "data_format needs stored_format, which says where the channels are now. "
            f"Received: data_format={data_format!r}, stored_format=None. "
            f"Pass stored_format=, one of {_STORED_FORMATS}."
        )
    if stored_format is not None and data_format is None:
        data_format = default_data_format
    shape = None if sample_shape is None else _checked_shape(sample_shape)
    return Layout(shape, stored_format, data_format)


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        sizes = tuple(shape)
    except TypeError:
        sizes = ()
    if not sizes or not all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size > 0
        for size in sizes
    ):
        raise ValueError(
            "sample_shape must be a tuple of positive integers, without the batch axis. "
            f"Received: sample_shape={shape!r:.100}. Pass such as (28, 28) or (32, 32, 3)."
        )
    return tuple(int(size) for size in sizes)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ValueError(
            f"{name} must be one of {choices} or None. "
            f"Received: {name}={value!r:.100}. Pass one of these."
        )
