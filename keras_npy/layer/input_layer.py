"""`NpyInputLayer`: turn stored values into what a model takes, inside the graph."""

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_npy.errors import check_real
from keras_npy.layer.adapt import iterate_blocks
from keras_npy.layer.axes import DataFormat, StoredFormat, make_layout
from keras_npy.layer.input import input_specs
from keras_npy.layer.pipelines import NUMPY_OPS, pipeline_ops
from keras_npy.layer.scaling import Axis, Numbers, make_scaling
from keras_npy.statistics.moments import stream
from keras_npy.statistics.scales import natural_scale
from keras_npy.types import Shape


@keras.saving.register_keras_serializable(package="keras_npy")
class NpyInputLayer(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types.
    """Turn stored values into scaled float32 samples with channels, inside the graph.

    The file's bytes go to the device as they are stored: `uint8` takes a quarter of the bytes of
    float32. The preprocessing is saved with the model. The output is
    `(inputs * scale + offset - mean) / sqrt(variance)`, as `keras.layers.Rescaling` followed by
    `keras.layers.Normalization` gives it. So `mean` and `variance` are those of scaled values,
    such as ImageNet's, which are published for [0, 1]. The layer computes in float32 and casts to
    its compute dtype last: `uint16` keeps its precision under `mixed_float16`.

    Args:
        scale: Factor of every value, or one factor for each index of `axis`. The default turns
            `uint8` into [0, 1]. It is never guessed from the data; see `for_data`.
        offset: Added after scaling: one number, or one for each index of `axis`.
        mean: Subtracted from scaled values: one number, or one for each index of `axis`. `None`
            subtracts nothing, until `adapt`.
        variance: Scaled values are divided by its square root, which counts as at least 1e-7.
            Give it together with `mean`.
        axis: Axis or axes of the **output**, counting the batch axis, that have numbers of their
            own. `None` for one number over all values. With `data_format="channels_first"` the
            channels are axis 1.
        sample_shape: Shape to which one stored sample is reshaped first, without the batch axis,
            such as `(H, W, C)` for rows stored flat. `None` keeps the stored shape.
        stored_format: Where a stored sample, after `sample_shape`, has its channels:
            `"no_channels"` adds an axis of size one, `"channels_first"` and `"channels_last"`
            move the channels to where `data_format` says. `None` keeps all axes.
        data_format: Where the model wants channels, `"channels_first"` or `"channels_last"`.
            `None` takes `keras.config.image_data_format()`, once, when the layer is made.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`, and `dtype`: the
            floating-point dtype or policy of the result.

    Call arguments:
        inputs: any real dtype; `(b, H, W)` for `"no_channels"`, `(b, C, H, W)` or
            `(b, H, W, C)`, with one, two or three axes in place of `H W`; or any shape that
            `sample_shape` fits. `uint8` is in [0, 255].

    Returns:
        the compute dtype, float32 unless a policy says otherwise: `(b, H, W, C)` or
        `(b, C, H, W)`, in [0, 1] for `uint8` and the default scale; within 1 ULP of
        `inputs / 255` in NumPy, because compiled graphs multiply by the reciprocal. On every
        backend, a Grain pipeline gets a NumPy array and `Dataset.map` a TensorFlow tensor.

        The layer passes on a mask of the inputs if their axes keep their places and there is no
        `sample_shape`. Otherwise Keras destroys the mask and warns.

    Raises:
        TypeError: If a number is not numeric, or the inputs are complex.
        ValueError: If an argument has a wrong value, or a sample does not fit `sample_shape`,
            `stored_format` or the numbers along `axis`.

    Example:

    >>> layer = NpyInputLayer(sample_shape=(2, 2, 1), stored_format="channels_last")
    >>> tuple(layer(np.full((5, 4), 255, "uint8")).shape)
    (5, 2, 2, 1)
    """

    def __init__(
        self,
        scale: Numbers = 1 / 255,
        offset: Numbers = 0.0,
        mean: Numbers | None = None,
        variance: Numbers | None = None,
        axis: Axis = -1,
        sample_shape: Sequence[int] | None = None,
        stored_format: StoredFormat | None = None,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        # Under mixed_float16, autocast would cast float inputs to float16 before `call` sees them
        # (Keras 3.15). 65535.0 would be infinite before it is scaled.
        super().__init__(autocast=False, **kwargs)
        _check_floating(self.dtype_policy)
        # Resolve Keras's setting now and save it: a model must not depend on the machine that
        # loads it.
        self._layout = make_layout(
            sample_shape, stored_format, data_format, keras.config.image_data_format()
        )
        self._scaling = make_scaling(scale, offset, mean, variance, axis)
        if self._scaling.varies:
            self._check_axis_means_channels()
        # Keras passes a mask on unchanged. If axes moved, a mask `(b, T)` would mark other values.
        # If this is False, Keras destroys the mask and warns (Keras 3.15).
        self.supports_masking = self._layout.keeps_axes
        self.built = True

    @classmethod
    def for_data(cls, source: Any, **kwargs: Any) -> "NpyInputLayer":
        """A layer whose scale follows from the stored dtype.

        Args:
            source: An `NpySequence` of one input, the path of an `.npy` file, or an array.
            **kwargs: Arguments of `NpyInputLayer`, except `scale`.

        Returns:
            a layer whose `scale` turns the greatest value of an integer dtype into 1: 1/255 for
            `uint8`, 1/65535 for `uint16`, 1/32767 for `int16`, whose least value becomes
            -1.00003. For floats and `bool` it is 1: the range of floats is not guessed.

        Raises:
            TypeError: If the source has several inputs, or is complex.
            ValueError: If `scale` is given too.

        Example:

        >>> 1 / NpyInputLayer.for_data(np.zeros((2, 3), "uint16")).scale
        65535.0
        """
        if "scale" in kwargs:
            raise ValueError(
                "for_data picks the scale from the stored dtype. "
                f"Received: scale={kwargs['scale']!r:.100} as well. "
                "Leave it out, or call NpyInputLayer(scale=...)."
            )
        spec = input_specs(source)
        if not isinstance(spec, keras.InputSpec):
            raise TypeError(
                "for_data needs a source of one input, since a layer has one. "
                f"Received: {len(spec)} inputs. Pass the path or array of the layer's own input."
            )
        check_real("a source", spec.dtype, spec.shape)
        return cls(scale=natural_scale(np.dtype(spec.dtype)), **kwargs)

    @property
    def scale(self) -> Any:
        """Factor of values: a float, or a list with one for each index of `axis`."""
        return self._scaling.get_config()["scale"]

    @property
    def offset(self) -> Any:
        """Number added after scaling: a float, or a list."""
        return self._scaling.get_config()["offset"]

    @property
    def mean(self) -> Any:
        """Mean of scaled values: a float, a list, or `None` before `adapt`."""
        return self._scaling.get_config()["mean"]

    @property
    def variance(self) -> Any:
        """Variance of scaled values: a float, a list, or `None` before `adapt`."""
        return self._scaling.get_config()["variance"]

    @property
    def axis(self) -> int | list[int] | None:
        """Axes of the output that have numbers of their own."""
        axis: int | list[int] | None = self._scaling.get_config()["axis"]
        return axis

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """Shape to which a stored sample is reshaped first."""
        return self._layout.sample_shape

    @property
    def stored_format(self) -> StoredFormat | None:
        """Where a stored sample has its channels."""
        return self._layout.stored_format

    @property
    def data_format(self) -> DataFormat | None:
        """Where the output has its channels; `None` if all axes stay."""
        return self._layout.data_format

    def adapt(self, data: Any) -> None:
        """Compute `mean` and `variance` of data, in one pass that takes a few MiB of memory.

        They replace the layer's own. They are those of values after `scale` and `offset`, so the
        output has mean 0 and variance 1 whatever the scale, within the precision of float32. Stored
        values that are far from zero, compared with their spread, lose precision. As with
        `keras.layers.Normalization`, adapt before `fit`, `predict` or `export`: a compiled model
        keeps the numbers with which it was compiled.

        Args:
            data: The rows to train on, in the stored shape: an `NpySequence`, the path of an
                `.npy` file, a pattern or list of paths, an array, a batched `tf.data.Dataset`,
                or an iterable of batches, where a batch `(x, y)` gives its `x`.

        Raises:
            NpyFileError: If a file cannot be streamed.
            TypeError: If the data is none of these, is complex or a tuple, or has several inputs.
            ValueError: If the data is empty, endless or not finite, does not fit the layer, or
                has batches that differ in their number of axes.

        Example:

        >>> layer = NpyInputLayer(scale=0.5)
        >>> layer.adapt(np.array([[0, 10], [4, 10]]))
        >>> layer.mean, layer.variance
        ([1.0, 5.0], [1.0, 0.0])
        """
        self._check_axis_means_channels()
        with contextlib.closing(iterate_blocks(data)) as blocks:
            moments = stream(
                (self._layout.apply(block, NUMPY_OPS) for block in blocks),
                self._scaling.kept_axes,
            )
        self._scaling = self._scaling.with_moments(moments.mean, moments.variance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = args[0] if args else kwargs.get("inputs")
        # Check before Keras converts complex inputs to a real tensor (Keras 3.15, torch and JAX).
        _check_inputs(inputs)
        ops = pipeline_ops(inputs)
        if ops is not None:
            return self._computed(inputs, ops)
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any) -> Any:
        return self._computed(inputs, keras.ops)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        shape = self._layout.output_shape(tuple(input_shape))
        self._scaling.coefficients(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        shape = self.sample_shape
        return {
            **super().get_config(),
            **self._scaling.get_config(),
            "sample_shape": None if shape is None else list(shape),
            "stored_format": self.stored_format,
            "data_format": self.data_format,
        }

    def save_own_variables(self, store: Any) -> None:
        """Save the statistics in weights-only checkpoints too, as `Normalization` does."""
        for name in ("mean", "variance"):
            number = getattr(self, name)
            if number is not None:
                store[name] = np.asarray(number, dtype=np.float64)

    def load_own_variables(self, store: Any) -> None:
        """Load the statistics of a checkpoint; keep those of the config if it has none."""
        if "mean" in store:
            config = self._scaling.get_config()
            numbers = {name: np.asarray(store[name]) for name in ("mean", "variance")}
            self._scaling = make_scaling(**{**config, **numbers})

    def _computed(self, inputs: Any, ops: Any) -> Any:
        # Check here too, because TimeDistributed calls `call` directly (Keras 3.15).
        _check_inputs(inputs)
        # Move the axes before the cast, while the values take few bytes.
        values = self._layout.apply(inputs, ops)
        numbers = self._scaling.coefficients(tuple(values.shape))
        values = ops.cast(values, "float32")
        if numbers.centre is not None:
            values = ops.subtract(values, numbers.centre)
        values = ops.multiply(values, numbers.factor)
        if numbers.shift is not None:
            values = ops.add(values, numbers.shift)
        return ops.cast(values, self.compute_dtype)

    def _check_axis_means_channels(self) -> None:
        if self.data_format == "channels_first" and self.axis == -1:
            raise ValueError(
                "axis=-1 is the last axis of the output, which holds no channels when "
                "data_format='channels_first'. Received: axis=-1, and numbers for each index. "
                "Pass axis=1 for the channels, axis=None for one number over all values, or "
                "the last axis counted from the front."
            )


def _check_floating(policy: Any) -> None:
    # Scaled pixels that are cast to uint8 would all be 0 or 1.
    if not keras.backend.is_float_dtype(policy.compute_dtype):
        raise ValueError(
            "dtype= is that of the result, and must be a floating-point dtype or policy. "
            f"Received: dtype={policy.name!r}. Leave it out, and give the stored dtype to "
            "keras.Input(..., dtype=), or let keras_npy.Input read it."
        )


def _check_inputs(inputs: Any) -> None:
    check_real("inputs", getattr(inputs, "dtype", None), getattr(inputs, "shape", None))
