"""`Shown`: samples with labels above them, masks on them, or images beside them."""

from typing import Literal, TypeAlias

import numpy as np

from keras_npy.drawing.pictures import (
    Look,
    Pixels,
    is_one_volume,
    picture_of,
    pixel_shape,
    put_beside,
    range_of,
)
from keras_npy.rows.base import Rows
from keras_npy.statistics.channels import Channels, find_channels
from keras_npy.types import Array, Indices

Kind: TypeAlias = Literal["labels", "masks", "images"]

# Floats that have more values than a mask has classes are those of an image.
CLASSES_MAX = 64

# And greater numbers are none of classes.
CLASS_NUMBER_MAX = 1 << 20


class Shown:
    """Samples and their targets, as they are shown.

    Args:
        samples: `(n, ...)`.
        targets: `(n, ...)`, or `None`. Their shapes and values say what they are: class numbers of
            pixels are masks, other values of pixels are images, and all else are labels.
        look: How samples are shown.

    Raises:
        ValueError: If samples are complex.

    Example:

    >>> samples = np.zeros((1, 4, 5, 3), np.float32)
    >>> targets = (np.ones((1, 4, 5)), np.full((1, 4, 5), 0.5), np.zeros(1))
    >>> [Shown(samples, one, "image").kind for one in targets]
    ['masks', 'images', 'labels']
    """

    def __init__(self, samples: Array, targets: Array | None, look: Look) -> None:
        self.samples, self.targets, self.look = samples, targets, look
        self.range = range_of(samples)
        pixels = _pixels_of(samples.shape[1:], look)
        self._are_pixels_seen = len(pixels) == {"image": 2, "volume": 3}.get(look, 0)
        self._channels: Channels = "none"
        self.kind: Kind | None = None if targets is None else self._find_kind(targets, pixels)
        if targets is not None and self.kind == "images":
            self._range_of_targets = range_of(targets)

    @classmethod
    def read(cls, x: Rows, y: Rows | None, indices: Indices, look: Look) -> "Shown":
        """Read samples and their targets.

        Raises:
            NpyFileError: If a file has changed. A map of a file that was cut would end the process.
        """
        arrays = []
        for rows in (x,) if y is None else (x, y):
            rows.prepare(indices)
            arrays.append(rows.take(indices))
        return cls(arrays[0], None if y is None else arrays[1], look)

    @property
    def labels(self) -> Array | None:
        """The targets if they are labels."""
        return self.targets if self.kind == "labels" else None

    def remark(self, at: int) -> str:
        """What to say of values of a sample that no picture can show, with a space in front."""
        values = self.samples[at].astype(np.float32)
        is_nan = np.isnan(values)
        if not is_nan.any():
            return " (has infinity)" if np.isinf(values).any() else ""
        return " (all NaN)" if is_nan.all() else " (has NaN)"

    def picture(self, at: int) -> Pixels:
        """A picture of a sample, with its mask on it or its image beside it."""
        sample = self.samples[at]
        if self.targets is None or self.kind == "labels" or not self._are_pixels_seen:
            return picture_of(sample, self.look, self.range)
        target = self.targets[at]
        if self.kind == "masks":
            classes = _class_numbers(target, self._channels)
            return picture_of(sample, self.look, self.range, classes)
        if self._channels == "first":
            target = np.moveaxis(target, 0, -1)
        if self._channels != "none":
            # More are no colours, and might be taken for pixels.
            target = target[..., : 3 if target.shape[-1] >= 3 else 1]
        beside = picture_of(target, self.look, self._range_of_targets)
        return put_beside([picture_of(sample, self.look, self.range), beside])

    def _find_kind(self, targets: Array, pixels: tuple[int, ...]) -> Kind:
        channels = _find_channels(targets.shape[1:], pixels, self.samples.shape[1:])
        if channels is None or targets.dtype.kind not in "biuf":
            return "labels"
        self._channels = channels
        return "masks" if _are_classes(targets, channels) else "images"


def _pixels_of(sample_shape: tuple[int, ...], look: Look) -> tuple[int, ...]:
    return sample_shape if is_one_volume(sample_shape, look) else pixel_shape(sample_shape)


def _find_channels(
    row_shape: tuple[int, ...], pixels: tuple[int, ...], sample_shape: tuple[int, ...]
) -> Channels | None:
    """Which axis of targets is none of pixels; `None` if they do not have those of the samples."""
    if len(row_shape) < 2:
        return None
    if row_shape == pixels:
        return "none"
    if row_shape[:-1] == pixels:
        return "last"
    is_first = find_channels(sample_shape) == "first" and row_shape[1:] == pixels
    return "first" if is_first else None


def _are_classes(values: Array, channels: Channels) -> bool:
    """Whether values say the class of each pixel: by its number, or by a place in the channels."""
    axis = {"last": -1, "first": 1, "none": 0}[channels]
    if channels != "none" and values.shape[axis] > 1:
        # A place is marked by 1, or 255, among zeros.
        return bool(((values == 0) | (values == values.max())).all())
    if values.dtype.kind != "f":
        return True
    if not (np.isfinite(values) & (values == np.floor(values))).all():
        return False
    found: set[float] = set()
    for row in values:
        found.update(np.unique(row).tolist())
        if len(found) > CLASSES_MAX:
            return False
    return max(map(abs, found)) <= CLASS_NUMBER_MAX


def _class_numbers(mask: Array, channels: Channels) -> Array:
    """The class of each pixel of one mask."""
    if channels == "none":
        return mask
    axis = -1 if channels == "last" else 0
    numbers: Array = mask.take(0, axis) if mask.shape[axis] == 1 else np.argmax(mask, axis)
    return numbers
