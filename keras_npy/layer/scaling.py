"""`Scaling`: a layer's scale, offset, mean and variance, and the float32 numbers made from them.

All numbers are float64 until `coefficients` rounds them once. The layer then computes
`(x - centre) * factor + shift` in float32. This equals
`(x * scale + offset - mean) / sqrt(variance)` without the cancellation: a value near 1e4 that is
scaled first, and then reduced by a mean of that size, loses three digits. But `x - centre` is exact
near the mean, and `shift` holds what the rounding of `centre` left out.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Shape

Axis: TypeAlias = int | Sequence[int] | None
Numbers: TypeAlias = float | Sequence[Any] | NDArray[Any]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

# Values are divided by at least this standard deviation, as in `Normalization`, so that a channel
# that never varies becomes zero. It is a constant, because a model must not depend on a setting of
# Keras.
DEVIATION_MIN = 1e-7


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Float32 numbers that broadcast against the values; `None` means no operation."""

    centre: Float32 | None
    factor: Float32
    shift: Float32 | None


@dataclass(frozen=True, eq=False)
class Scaling:
    """Checked by `make_scaling`: one number each, or one for each index of `axis`."""

    scale: Float64
    offset: Float64
    mean: Float64 | None
    variance: Float64 | None
    axis: tuple[int, ...]

    @property
    def varies(self) -> bool:
        """Whether a number depends on the index along `axis`."""
        numbers = (self.scale, self.offset, self.mean, self.variance)
        return any(number is not None and number.ndim > 0 for number in numbers)

    def kept_axes(self, ndim: int) -> tuple[int, ...]:
        """The axes in `axis`, counted from the front, in ascending order.

        Raises:
            ValueError: If an axis is the batch axis or does not exist.
        """
        axes = sorted(axis % ndim if -ndim <= axis < ndim else ndim for axis in self.axis)
        if any(axis in (0, ndim) for axis in axes) or len(set(axes)) < len(axes):
            raise ValueError(
                "axis must name different axes of a sample: the batch axis counts as 0. "
                f"Received: axis={_as_given(self.axis)!r} for values with {ndim} axes, the "
                "batch included. Pass axis=None for one number over all values."
            )
        return tuple(axes)

    def coefficients(self, shape: Shape) -> Coefficients:
        """The float32 numbers for values of `shape`, which includes the batch axis.

        Raises:
            ValueError: If the numbers do not fit the sizes of the axes in `axis`.
        """
        scale, offset, mean, variance = self._broadcast(shape)
        if mean is None or variance is None:
            return Coefficients(None, _rounded(scale), _unless_zero(_rounded(offset)))
        deviation = np.maximum(np.sqrt(variance), DEVIATION_MIN)
        centre = _rounded((mean - offset) / scale)
        shift = (centre.astype(np.float64) * scale + offset - mean) / deviation
        return Coefficients(
            _unless_zero(centre), _rounded(scale / deviation), _unless_zero(_rounded(shift))
        )

    def with_moments(self, mean: Float64, variance: Float64) -> "Scaling":
        """The same scaling with new statistics, given for stored values.

        Args:
            mean: float64, in the shape of the axes in `axis`.
            variance: float64, in the same shape.
        """
        return dataclasses.replace(
            self, mean=mean * self.scale + self.offset, variance=variance * self.scale**2
        )

    def get_config(self) -> dict[str, Any]:
        numbers = {
            "scale": self.scale,
            "offset": self.offset,
            "mean": self.mean,
            "variance": self.variance,
        }
        return {
            **{name: None if one is None else one.tolist() for name, one in numbers.items()},
            "axis": _as_given(self.axis),
        }

    def _broadcast(self, shape: Shape) -> tuple[Any, ...]:
        numbers = (self.scale, self.offset, self.mean, self.variance)
        if not self.varies:
            return numbers
        kept = self.kept_axes(len(shape))
        # Typed as Any, because the check below excludes None.
        sizes: tuple[Any, ...] = tuple(shape[axis] for axis in kept)
        aligned: tuple[Any, ...] = tuple(
            size if axis in kept else 1 for axis, size in enumerate(shape)
        )
        if None in sizes:
            raise ValueError(
                "The axes of axis= must have a known size if they have numbers of their own. "
                f"Received: axis={_as_given(self.axis)!r} for values of shape {shape}. "
                "Give keras.Input their size, or pass axis=None and one number."
            )
        try:
            return tuple(
                None if one is None else np.broadcast_to(one, sizes).reshape(aligned)
                for one in numbers
            )
        except ValueError as error:
            received = {name: one.shape for name, one in self._named() if one is not None}
            raise ValueError(
                f"scale, offset, mean and variance must be numbers, or fit the shape {sizes} of "
                f"axis={_as_given(self.axis)!r}. Received: {received} for values of shape "
                f"{shape}. Pass one number, or one for each index."
            ) from error

    def _named(self) -> list[tuple[str, Float64 | None]]:
        return [(name, getattr(self, name)) for name in ("scale", "offset", "mean", "variance")]


def make_scaling(
    scale: Numbers,
    offset: Numbers,
    mean: Numbers | None,
    variance: Numbers | None,
    axis: Axis,
) -> Scaling:
    """Check the user's arguments and make a scaling of them.

    Raises:
        TypeError: If an argument is not numeric.
        ValueError: If an argument has a wrong value or shape, or mean and variance do not match.

    Example:

    >>> make_scaling(1 / 255, 0, 0.5, 0.25, -1).coefficients((None, 28, 28)).centre
    array(127.5, dtype=float32)
    """
    axes = _checked_axes(axis)
    if (mean is None) != (variance is None):
        raise ValueError(
            "mean and variance go together. "
            f"Received: mean={mean!r:.40}, variance={variance!r:.40}. "
            "Pass both, or neither and call adapt."
        )
    scaling = Scaling(
        _numbers("scale", scale, axes),
        _numbers("offset", offset, axes),
        None if mean is None else _numbers("mean", mean, axes),
        None if variance is None else _numbers("variance", variance, axes),
        axes,
    )
    if np.any(scaling.scale == 0):
        raise ValueError(
            "scale must not be zero, which turns every value into the offset. "
            f"Received: scale={scale!r:.100}. Pass 1 to leave values as they are."
        )
    if scaling.mean is not None and scaling.variance is not None:
        if scaling.mean.shape != scaling.variance.shape:
            raise ValueError(
                "mean and variance must have the same shape. "
                f"Received: mean of shape {scaling.mean.shape}, variance of shape "
                f"{scaling.variance.shape}. Pass as many of one as of the other."
            )
        if np.any(scaling.variance < 0):
            raise ValueError(
                "variance must not be negative. "
                f"Received: variance={variance!r:.100}. "
                "Pass the square of the standard deviation."
            )
    return scaling


def _numbers(name: str, value: Any, axes: tuple[int, ...]) -> Float64:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be a number, or numbers along axis=. "
            f"Received: {name}={value!r:.100}. Pass one float, or a list of floats."
        ) from error
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite. Received: {name}={value!r:.100}. Pass finite floats."
        )
    if array.ndim > len(axes) or array.size == 0:
        raise ValueError(
            f"{name} must be a number, or have at most as many axes as axis= names. "
            f"Received: {name} of shape {array.shape} for axis={_as_given(axes)!r}. "
            "Pass axis=, or one number."
        )
    return array.astype(np.float64)


def _checked_axes(axis: Axis) -> tuple[int, ...]:
    axes: tuple[Any, ...]
    try:
        axes = (
            () if axis is None else (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
        )
    except TypeError:
        axes = (None,)
    is_integer = all(isinstance(one, int | np.integer) for one in axes)
    if not is_integer or 0 in axes or len(set(axes)) < len(axes):
        raise ValueError(
            "axis must be an integer, a tuple of different integers or None, and not 0, the "
            f"batch axis. Received: axis={axis!r:.100}. Pass -1 for the last axis."
        )
    return tuple(int(one) for one in axes)


def _as_given(axes: tuple[int, ...]) -> int | list[int] | None:
    if len(axes) > 1:
        return list(axes)
    return axes[0] if axes else None


def _rounded(numbers: Float64) -> Float32:
    with np.errstate(over="ignore"):
        rounded: Float32 = np.asarray(numbers, dtype=np.float32)
    if not np.isfinite(rounded).all():
        largest = max(map(math.fabs, np.ravel(numbers)))
        raise ValueError(
            "Scaling must stay within float32, up to 3.4e38. "
            f"Received: scale, offset, mean and variance that need {largest:.3g}. "
            "Scale the data before it is saved."
        )
    return rounded


def _unless_zero(numbers: Float32) -> Float32 | None:
    return numbers if np.any(numbers) else None
