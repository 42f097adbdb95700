"""From stored values to what a model takes, inside the graph."""

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from keras_npy.rows import open_rows
from keras_npy.sequence import NpySequence

StoredFormat: TypeAlias = Literal["no_channels", "channels_first", "channels_last"]
DataFormat: TypeAlias = Literal["channels_first", "channels_last"]

_STORED_FORMATS = ("no_channels", "channels_first", "channels_last")
_DATA_FORMATS = ("channels_first", "channels_last")


@keras.saving.register_keras_serializable(package="keras_npy")
class NpyInputLayer(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types.
    """Turn stored values into scaled float32 samples with channels, inside the graph.

    The file's bytes go to the device as they are, a quarter of what float32 takes, and the
    preprocessing is saved with the model. Computed in float32, and cast to the layer's compute
    dtype last: `uint16` keeps its precision under `mixed_float16`.

    Args:
        scale: Factor of every value. The default turns `uint8` into [0, 1]; `1 / 65535` does
            for `uint16`. It is never guessed from the data.
        offset: Added after scaling.
        sample_shape: Shape that one stored sample is given first, without the batch axis, such
            as `(H, W, C)` for rows stored flat. `None` leaves it as it is stored.
        stored_format: Where a stored sample, after `sample_shape`, has its channels:
            `"no_channels"` adds an axis of one, `"channels_first"` and `"channels_last"` move
            it where `data_format` wants it. `None` leaves the axes alone.
        data_format: Where the model wants channels, `"channels_first"` or `"channels_last"`.
            `None` takes `keras.config.image_data_format()`, once, when the layer is made.
        **kwargs: Of `keras.layers.Layer`, such as `name` and `dtype`.

    Call arguments:
        inputs: any real dtype; `(b, H, W)` for `"no_channels"`, `(b, C, H, W)` or
            `(b, H, W, C)`, with one, two or three axes in place of `H W`; or what
            `sample_shape` reshapes. `uint8` is in [0, 255].

    Returns:
        the compute dtype, float32 unless a policy says otherwise: `(b, H, W, C)` or
        `(b, C, H, W)`, in [0, 1] for `uint8` and the default scale; within 1 ULP of
        `inputs / 255` in NumPy, because compiled graphs multiply by the reciprocal.

    Raises:
        ValueError: If an argument has a wrong value, or a sample does not fit `sample_shape`
            or `stored_format`.

    Example:

    >>> layer = NpyInputLayer(sample_shape=(2, 2, 1), stored_format="channels_last")
    >>> tuple(layer(np.full((5, 4), 255, "uint8")).shape)
    (5, 2, 2, 1)
    """

    def __init__(
        self,
        scale: float = 1 / 255,
        offset: float = 0.0,
        sample_shape: Sequence[int] | None = None,
        stored_format: StoredFormat | None = None,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        # Autocast would bring float inputs to float16 under mixed_float16 before `call` sees
        # them (Keras 3.15): 60001.0 would be infinite before it is scaled.
        super().__init__(autocast=False, **kwargs)
        self.scale = _finite("scale", scale)
        if self.scale == 0:
            raise ValueError(
                "scale must not be zero, which turns every value into the offset. "
                f"Received: scale={scale!r}. Pass 1 to leave values as they are."
            )
        self.offset = _finite("offset", offset)
        self.sample_shape = None if sample_shape is None else _checked_shape(sample_shape)
        _check_choice("stored_format", stored_format, _STORED_FORMATS)
        _check_choice("data_format", data_format, _DATA_FORMATS)
        if stored_format is None and data_format is not None:
            raise ValueError(
                "data_format needs stored_format, which says where the channels are now. "
                f"Received: data_format={data_format!r}, stored_format=None. "
                f"Pass stored_format=, one of {_STORED_FORMATS}."
            )
        self.stored_format = stored_format
        # Resolved now and saved so: a model must not change with the machine that loads it.
        self.data_format = data_format
        if stored_format is not None and data_format is None:
            self.data_format = keras.config.image_data_format()
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        ops = keras.ops
        # Moved while the values are still as small as they are stored.
        sample_shape = self._reshaped(tuple(inputs.shape[1:]))
        if self.sample_shape is not None:
            inputs = ops.reshape(inputs, (-1, *sample_shape))
        if self.stored_format == "no_channels":
            inputs = ops.expand_dims(inputs, 1 if self.data_format == "channels_first" else -1)
        elif self.stored_format != self.data_format:
            source, target = (1, -1) if self.data_format == "channels_last" else (-1, 1)
            inputs = ops.moveaxis(inputs, source, target)
        outputs = ops.multiply(ops.cast(inputs, "float32"), np.float32(self.scale))
        if self.offset:
            outputs = ops.add(outputs, np.float32(self.offset))
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, *sample = input_shape
        shape = self._reshaped(tuple(sample))
        if self.stored_format == "no_channels":
            shape = (1, *shape) if self.data_format == "channels_first" else (*shape, 1)
        elif self.stored_format != self.data_format:
            if self.data_format == "channels_last":
                shape = (*shape[1:], shape[0])
            else:
                shape = (shape[-1], *shape[:-1])
        return (batch, *shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "offset": self.offset,
            "sample_shape": None if self.sample_shape is None else list(self.sample_shape),
            "stored_format": self.stored_format,
            "data_format": self.data_format,
        }

    def _reshaped(self, stored_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of a sample with its stored axes; raise if it does not fit."""
        shape = stored_shape
        if self.sample_shape is not None:
            shape = self.sample_shape
            stored = [size for size in stored_shape if size is not None]
            if len(stored) == len(stored_shape) and math.prod(stored) != math.prod(
                self.sample_shape
            ):
                raise ValueError(
                    f"A stored sample must hold the {math.prod(self.sample_shape)} values of "
                    f"sample_shape={shape}. Received: inputs of shape {(None, *stored_shape)}, "
                    f"{math.prod(stored)} values a sample. Pass the sample_shape that the "
                    "file's rows have."
                )
        axes_min = {"no_channels": 1, "channels_first": 2, "channels_last": 2}
        if self.stored_format is not None:
            least = axes_min[self.stored_format]
            if not least <= len(shape) <= least + 2:
                raise ValueError(
                    f"stored_format={self.stored_format!r} needs samples of {least} to "
                    f"{least + 2} axes. Received: samples of shape {shape}. "
                    "Pass sample_shape= to reshape them, or another stored_format."
                )
        return shape


def Input(source: Any, name: str | None = None) -> Any:
    """`keras.Input` with the shape and dtype of a source.

    `keras.Input` is float32 unless it is told the dtype (Keras 3.15): integer files would be
    cast on the host, and the exported model would take float32.

    Args:
        source: An `NpySequence`, the path of an `.npy` file, an array, or a dict or tuple of
            paths and arrays.
        name: Name of the input; the inputs of a dict are named by its keys.

    Returns:
        A symbolic tensor of the stored dtype, `(None, *row)`; for a dict or tuple the same
        structure of them.

    Raises:
        ValueError: If the source cannot be streamed, or a name is given for several inputs.

    Example:

    >>> np.save("x.npy", np.zeros((5, 28, 28), "uint8"))
    >>> Input("x.npy").dtype
    'uint8'
    """
    if isinstance(source, NpySequence):
        specs = source.x_spec
        return _input_nest(specs, name)
    return _input_nest(source, name)


def _input_nest(source: Any, name: str | None) -> Any:
    if isinstance(source, dict | tuple):
        if name is not None:
            raise ValueError(
                "A name belongs to a single input. "
                f"Received: name={name!r} for {len(source)} inputs. "
                "Name them by the keys of a dict."
            )
        if isinstance(source, dict):
            return {
                key: _input_nest(value, None if isinstance(value, dict | tuple) else key)
                for key, value in source.items()
            }
        return tuple(_input_nest(value, None) for value in source)
    if isinstance(source, keras.InputSpec):
        return keras.Input(shape=source.shape[1:], dtype=source.dtype, name=name)
    rows = open_rows(source)
    return keras.Input(shape=rows.row_shape, dtype=rows.dtype.name, name=name)


def _finite(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be a number. Received: {name}={value!r:.100}. Pass one float."
        ) from error
    if not math.isfinite(number):
        raise ValueError(
            f"{name} must be finite. Received: {name}={value!r:.100}. Pass a finite float."
        )
    return number


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
