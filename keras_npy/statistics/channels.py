"""Which axis of stored rows holds channels, as far as a shape can say it."""

from typing import Literal, TypeAlias

Channels: TypeAlias = Literal["last", "first", "none"]

# An axis of more is one of pixels or timesteps.
CHANNELS_MAX = 16


def find_channels(row_shape: tuple[int, ...]) -> Channels:
    """Where rows of this shape have their channels.

    Example:

    >>> find_channels((28, 28)), find_channels((224, 224, 3)), find_channels((3, 32, 32))
    ('none', 'last', 'first')
    >>> find_channels((8, 8)), find_channels((30,)), find_channels(())
    ('none', 'last', 'none')
    """
    if len(row_shape) < 2:
        # A table: each column is a feature with statistics of its own.
        return "last" if row_shape else "none"
    first, last = row_shape[0], row_shape[-1]
    if len(set(row_shape)) == 1:
        # A small image of one channel, such as a digit of 8 x 8, or a cube of a volume.
        return "none"
    if len(row_shape) > 2 and first < last and first <= CHANNELS_MAX:
        return "first"
    return "last" if last <= CHANNELS_MAX else "none"


def stored_format_of(row_shape: tuple[int, ...], *, is_image: bool) -> str | None:
    """The `stored_format` that rows of this shape need before a convolution, if that is certain.

    Args:
        row_shape: The shape of a row.
        is_image: Whether the values are those of pixels. Of other rows, those of one axis of
            pixels or timesteps and one of many features look as images without channels do.

    Example:

    >>> stored_format_of((28, 28), is_image=False), stored_format_of((28, 30), is_image=True)
    ('no_channels', 'no_channels')
    >>> stored_format_of((28, 30), is_image=False), stored_format_of((3, 32, 32), is_image=False)
    (None, 'channels_first')
    """
    channels = find_channels(row_shape)
    if channels == "first":
        return "channels_first"
    is_certain = is_image or len(set(row_shape)) == 1
    return "no_channels" if channels == "none" and len(row_shape) > 1 and is_certain else None


def axis_of(channels: Channels) -> int | None:
    """The axis of channels of a batch, as `NpyInputLayer` takes it."""
    return {"last": -1, "first": 1, "none": None}[channels]
