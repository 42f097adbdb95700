"""How a row looks: its picture, and which values are black and white, in NumPy alone."""

import struct
import zlib
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.statistics.channels import find_channels
from keras_npy.types import Array

Look: TypeAlias = Literal["image", "volume", "curve", "spectrogram", "value"]
Pixels: TypeAlias = NDArray[np.uint8]
"""`(H, W, 3)`."""

# Slices of a volume that are shown beside each other.
SLICES = 3

# Colours of the classes of a mask, in turn; class 0 is the background.
CLASS_COLOURS = np.array(
    [(230, 60, 50), (60, 160, 230), (90, 190, 80), (245, 170, 40), (160, 90, 200), (240, 110, 180)],
    np.float32,
)
_MASK_OPACITY = 0.45

# What is NaN or infinite has no brightness: a row of them is not to look like one of zeros.
NOT_FINITE_COLOUR = np.array((255, 0, 255), np.float32)

# Bytes up to this one are class numbers, which would all be black where 255 is white.
CLASS_NUMBER_MAX = 31

# Curves of one sample that are drawn.
LINES_MAX = 8

# Dark blue, violet, orange, yellow: how loud a spectrogram is.
_HEAT = np.array([(8, 8, 40), (100, 20, 110), (220, 70, 60), (252, 180, 50), (250, 250, 200)])


class Range(NamedTuple):
    """The values that are shown as black and as white."""

    low: float
    high: float


def find_look(row_shape: tuple[int, ...]) -> Look:
    """How rows of this shape are shown, unless a user says it.

    Example:

    >>> [find_look(shape) for shape in [(28, 28), (224, 224, 3), (32, 64, 64), (500,), (500, 2)]]
    ['image', 'image', 'volume', 'curve', 'curve']
    """
    channels = find_channels(row_shape)
    num_axes = len(row_shape) - (channels != "none" and len(row_shape) > 1)
    if num_axes == 0:
        return "value"
    if num_axes == 1:
        return "curve"
    return "image" if num_axes == 2 else "volume"


def range_of(rows: Array) -> Range:
    """Black and white for some rows: of bytes 0 and 255, of others all but the ends.

    Raises:
        ValueError: If they are complex.
    """
    if rows.dtype.kind == "c":
        raise ValueError(
            f"Pictures are drawn of real numbers. Received: rows of {rows.dtype}. "
            "Save np.abs(x), or the parts as channels: np.stack([x.real, x.imag], axis=-1)."
        )
    values = rows.astype(np.float32)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Range(0, 1)
    low, high = float(finite.min()), float(finite.max())
    if rows.dtype == np.uint8:
        return Range(0, 255 if high > CLASS_NUMBER_MAX else max(1, high))
    if low >= 0 and high <= 1:
        return Range(0, 1)
    one, other = np.percentile(finite, (0.5, 99.5))
    if other > one:
        return Range(float(one), float(other))
    # To a great number 1 adds nothing, and nothing may be divided by the difference.
    return Range(low, max(high, low + max(1, abs(low) * 1e-6)))


def picture_of(row: Array, look: Look, shown: Range, mask: Array | None = None) -> Pixels:
    """A picture of one sample.

    Args:
        row: The sample.
        look: How to show it: not `"value"`.
        shown: What is black and what is white.
        mask: Class numbers of its pixels, `(H, W)` or `(D, H, W)`, if there are any.
    """
    if look == "curve":
        return _curves(row, shown)
    if look == "spectrogram":
        # Low frequencies belong below, and time goes to the right.
        heard = _without_channels(row, 2).T[::-1]
        return _marked(_coloured(_grey(heard, shown)), heard).astype(np.uint8)
    slices = _slices(row, look)
    masks = [None] * len(slices) if mask is None else _slices(mask, look)
    pictures = [
        _laid_over(_rgb(one, shown), of_mask) for one, of_mask in zip(slices, masks, strict=True)
    ]
    return put_beside(pictures)


def shrink(picture: Pixels, width_max: int, height_max: int) -> Pixels:
    """A picture that fits into so many pixels, made of the means of its own or of repeated ones."""
    height, width = picture.shape[:2]
    factor = min(width_max / width, height_max / height)
    rows = _edges(height, max(1, round(height * factor)))
    columns = _edges(width, max(1, round(width * factor)))
    if factor >= 1:
        return picture[rows][:, columns]
    # Sums up to each edge: means of areas of any size in one pass.
    sums = np.add.reduceat(picture.astype(np.float32), rows, axis=0)
    sums = np.add.reduceat(sums, columns, axis=1)
    heights = np.diff(rows, append=height)[:, np.newaxis, np.newaxis]
    widths = np.diff(columns, append=width)[:, np.newaxis]
    means: Pixels = (sums / (heights * widths)).astype(np.uint8)
    return means


def encode_png(picture: Pixels) -> bytes:
    """The picture as a PNG file.

    Reference: https://www.w3.org/TR/png
    """
    height, width = picture.shape[:2]
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def pixel_shape(row_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a row that hold pixels, timesteps or slices, and no channels."""
    channels = find_channels(row_shape)
    if len(row_shape) < 3 or channels == "none":
        return row_shape
    return row_shape[:-1] if channels == "last" else row_shape[1:]


def is_one_volume(row_shape: tuple[int, ...], look: Look) -> bool:
    """Whether no axis holds channels, though one may be short enough."""
    return look == "volume" and len(row_shape) == 3


def _slices(row: Array, look: Look) -> list[Array]:
    """The images to show: `(H, W)` or `(H, W, C)`."""
    is_first = row.ndim > 2 and find_channels(row.shape) == "first"
    if is_first and not is_one_volume(row.shape, look):
        row = np.moveaxis(row, 0, -1)
    if look == "image":
        return [row if row.ndim < 4 else row.reshape(-1, *row.shape[-2:])]
    places = np.linspace(0, row.shape[0] - 1, min(SLICES, row.shape[0]) + 2).astype(int)[1:-1]
    return [row[place] for place in dict.fromkeys(places.tolist())]


def _without_channels(row: Array, num_axes: int) -> Array:
    return row.reshape((*row.shape[:num_axes], -1))[..., 0] if row.ndim > num_axes else row


def _rgb(image: Array, shown: Range) -> NDArray[np.float32]:
    if image.ndim == 2:
        image = image[..., np.newaxis]
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., :1]
    rgb = np.broadcast_to(_grey(image, shown), (*image.shape[:2], 3))
    return _marked(rgb, image).astype(np.float32)


def _marked(rgb: Array, values: Array) -> Array:
    """A picture whose pixels have a colour of their own where a value is not finite."""
    is_finite = np.isfinite(values.astype(np.float32)).reshape(*rgb.shape[:2], -1)
    marked: Array = np.where(is_finite.all(axis=-1, keepdims=True), rgb, NOT_FINITE_COLOUR)
    return marked


def _grey(values: Array, shown: Range) -> NDArray[np.float32]:
    """Values from 0 to 255; what is NaN is 0."""
    scaled = (values.astype(np.float32) - shown.low) * (255 / (shown.high - shown.low))
    grey: NDArray[np.float32] = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0).clip(0, 255)
    return grey


def _laid_over(image: NDArray[np.float32], mask: Array | None) -> Pixels:
    if mask is not None:
        classes = mask.astype(np.int64)
        colours = CLASS_COLOURS[(classes - 1) % len(CLASS_COLOURS)]
        mixed = image * (1 - _MASK_OPACITY) + colours * _MASK_OPACITY
        image = np.where((classes != 0)[..., np.newaxis], mixed, image)
    return image.astype(np.uint8)


def put_beside(pictures: list[Pixels]) -> Pixels:
    """Pictures of one height as one, with white between them."""
    gap = np.full((pictures[0].shape[0], max(1, pictures[0].shape[1] // 50), 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=1)


def _coloured(grey: NDArray[np.float32]) -> Pixels:
    at = np.linspace(0, 255, len(_HEAT))
    return np.stack([np.interp(grey, at, _HEAT[:, one]) for one in range(3)], -1).astype(np.uint8)


def lines_of(row: Array) -> Array:
    """The curves of a sample, `(number of lines, T)`."""
    row = (
        row.reshape(1, -1) if row.ndim == 1 else np.moveaxis(row, -1, 0).reshape(row.shape[-1], -1)
    )
    return row[:LINES_MAX]


def num_lines(row_shape: tuple[int, ...]) -> int:
    """How many curves a sample has, of which `LINES_MAX` are drawn."""
    return row_shape[-1] if len(row_shape) > 1 else 1


def _curves(row: Array, shown: Range, height: int = 48, width: int = 96) -> Pixels:
    picture = np.full((height, width, 3), 255, np.uint8)
    for number, line in enumerate(lines_of(row)):
        at = np.linspace(0, len(line) - 1, width)
        exact = np.interp(at, np.arange(len(line)), line.astype(np.float64))
        picture[:, ~np.isfinite(exact)] = NOT_FINITE_COLOUR
        values = _grey(exact, shown)
        places = ((255 - values) / 255 * (height - 1)).astype(int)
        colour = CLASS_COLOURS[(number + 1) % len(CLASS_COLOURS)]
        for column, place in enumerate(places.tolist()):
            # Up to the place of the column before, so that a steep line has no holes.
            before = int(places[max(0, column - 1)])
            picture[min(place, before) : max(place, before) + 1, column] = colour
    return picture


def _edges(length: int, number: int) -> NDArray[np.int64]:
    return np.arange(number) * length // number


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
