"""`NpyInputLayer` gives NumPy's values wherever it runs."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyInputLayer
from tests.conftest import BACKEND, only_on

ALL_UINT8 = np.arange(256, dtype="uint8").reshape(16, 16)
ALL_UINT16 = np.arange(65536, dtype="uint16").reshape(256, 256)


def run(way: str, layer: Any, values: np.ndarray) -> np.ndarray:
    """The layer's output for one batch, eager or compiled."""
    if way == "eager":
        return keras.ops.convert_to_numpy(layer(values))
    if way == "model":
        model = keras.Sequential([keras.Input(values.shape[1:], dtype=values.dtype.name), layer])
        return model.predict(values, verbose=0)
    if way == "jit" and BACKEND == "jax":
        jax = pytest.importorskip("jax")
        return np.asarray(jax.jit(layer)(values))
    if BACKEND != "tensorflow":
        pytest.skip(f"not on {BACKEND}: tf.function and tf.data are TensorFlow's")
    tf = pytest.importorskip("tensorflow", reason="tf.function and tf.data are TensorFlow's")
    if way == "dataset":
        dataset = tf.data.Dataset.from_tensors(values).map(layer)
        return next(iter(dataset)).numpy()
    return tf.function(layer, jit_compile=way == "jit")(tf.constant(values)).numpy()


@pytest.mark.parametrize("way", ["eager", "model", "graph", "jit", "dataset"])
@pytest.mark.parametrize(
    ("values", "scale", "expected"),
    [
        pytest.param(ALL_UINT8, 1 / 255, ALL_UINT8 / np.float32(255), id="uint8"),
        pytest.param(ALL_UINT16, 1 / 65535, ALL_UINT16 / np.float32(65535), id="uint16"),
        pytest.param(ALL_UINT16, 1 / 255, ALL_UINT16 / np.float32(255), id="uint16-by-255"),
    ],
)
def test_layer_every_integer_is_within_one_ulp_of_numpy(
    way: str, values: np.ndarray, scale: float, expected: np.ndarray
) -> None:
    """All 256 and all 65,536 values, eager, in a graph, under XLA and in Dataset.map."""
    output = run(way, NpyInputLayer(scale=scale), values)
    assert np.float32 == output.dtype
    np.testing.assert_array_max_ulp(expected.astype("float32"), output, maxulp=1)


@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        "mixed_bfloat16",
        pytest.param(
            "float64", marks=only_on("tensorflow", "torch", reason="float64 is off by default")
        ),
    ],
)
@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_layer_under_a_policy_casts_last(policy: str, kind: str) -> None:
    """The result is the float32 result, rounded once; 65535 is not infinite on the way."""
    import ml_dtypes

    if keras.backend.backend() == "jax" and policy == "float64":
        pytest.skip("JAX holds float64 in 32 bits unless jax_enable_x64 is set")
    values = ALL_UINT16.astype(kind)
    layer = NpyInputLayer(scale=1 / 255, dtype=policy)
    target = {
        "mixed_float16": np.float16,
        "mixed_bfloat16": ml_dtypes.bfloat16,
        "float64": np.float64,
    }[policy]
    in_float32 = keras.ops.convert_to_numpy(NpyInputLayer(scale=1 / 255)(values))
    # float32 holds every float16 and bfloat16, and what comes out of float32 as float64.
    output = keras.ops.convert_to_numpy(keras.ops.cast(layer(values), "float32"))
    np.testing.assert_array_equal(in_float32.astype(target).astype("float32"), output)


GRAY = np.arange(2 * 3 * 4, dtype="uint8").reshape(2, 3, 4)
FIRST = np.arange(2 * 3 * 4 * 5, dtype="uint8").reshape(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("arguments", "values", "expected"),
    [
        pytest.param({}, GRAY, GRAY, id="as-stored"),
        pytest.param(
            {"stored_format": "no_channels", "data_format": "channels_last"},
            GRAY,
            GRAY[..., None],
            id="gray-to-last",
        ),
        pytest.param(
            {"stored_format": "no_channels", "data_format": "channels_first"},
            GRAY,
            GRAY[:, None],
            id="gray-to-first",
        ),
        pytest.param(
            {"stored_format": "channels_first", "data_format": "channels_last"},
            FIRST,
            np.moveaxis(FIRST, 1, -1),
            id="first-to-last",
        ),
        pytest.param(
            {"stored_format": "channels_last", "data_format": "channels_first"},
            FIRST,
            np.moveaxis(FIRST, -1, 1),
            id="last-to-first",
        ),
        pytest.param(
            {"stored_format": "channels_last", "data_format": "channels_last"},
            FIRST,
            FIRST,
            id="last-to-last",
        ),
        pytest.param(
            {
                "sample_shape": (3, 4, 5),
                "stored_format": "channels_first",
                "data_format": "channels_last",
            },
            FIRST.reshape(2, 60),
            np.moveaxis(FIRST, 1, -1),
            id="flat-rows-as-cifar",
        ),
        pytest.param({"sample_shape": (12,)}, GRAY, GRAY.reshape(2, 12), id="flatten"),
        pytest.param(
            {"stored_format": "no_channels", "data_format": "channels_last"},
            FIRST,
            FIRST[..., None],
            id="volumes",
        ),
        pytest.param(
            {"stored_format": "channels_first", "data_format": "channels_last"},
            GRAY,
            np.moveaxis(GRAY, 1, -1),
            id="signals-first-to-last",
        ),
    ],
)
def test_layer_layout_moves_values_where_numpy_does(
    arguments: Any, values: np.ndarray, expected: np.ndarray
) -> None:
    """Values land where NumPy puts them; symbolic, computed and eager shapes agree."""
    layer = NpyInputLayer(scale=1, **arguments)
    output = keras.ops.convert_to_numpy(layer(values))
    np.testing.assert_array_equal(expected.astype("float32"), output)
    symbolic = layer(keras.KerasTensor((None, *values.shape[1:]), values.dtype.name))
    assert (None, *expected.shape[1:]) == symbolic.shape
    assert expected.shape == layer.compute_output_shape(values.shape)
    assert "float32" == symbolic.dtype


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("stored_format", ["no_channels", "channels_first", "channels_last"])
@pytest.mark.parametrize("spatial", [(5,), (4, 5), (3, 4, 5)], ids=["1-d", "2-d", "3-d"])
def test_layer_layout_of_signals_images_and_volumes(
    spatial: tuple[int, ...], stored_format: Any, data_format: Any
) -> None:
    """Two samples of two channels, or of none: each value is that of its channel and place."""
    num_channels = 1 if stored_format == "no_channels" else 2
    # As (N, C, *spatial), which every stored and every wanted format is made from.
    values = np.arange(2 * num_channels * np.prod(spatial)).reshape(2, num_channels, *spatial)
    last = np.stack([values[:, channel] for channel in range(num_channels)], axis=-1)
    stored = {"no_channels": values[:, 0], "channels_first": values, "channels_last": last}
    expected = {"channels_first": values, "channels_last": last}[data_format]
    layer = NpyInputLayer(scale=1, stored_format=stored_format, data_format=data_format)
    inputs = stored[stored_format].astype("uint8")
    output = keras.ops.convert_to_numpy(layer(inputs))
    np.testing.assert_array_equal(expected.astype("float32"), output)
    symbolic = layer(keras.KerasTensor((None, *inputs.shape[1:]), "uint8"))
    assert (None, *expected.shape[1:]) == symbolic.shape
    assert expected.shape == layer.compute_output_shape(inputs.shape)


@pytest.mark.parametrize("setting", ["channels_first", "channels_last"])
def test_layer_data_format_is_keras_setting_when_it_was_made(setting: str) -> None:
    """The setting is read once and saved: a loaded layer does what the saved one did."""
    before = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format(setting)
        layer = NpyInputLayer(stored_format="no_channels")
    finally:
        keras.config.set_image_data_format(before)
    assert setting == NpyInputLayer.from_config(layer.get_config()).data_format


def test_layer_offset_is_added_after_scaling() -> None:
    """Pixels to [-1, 1]."""
    output = NpyInputLayer(scale=1 / 127.5, offset=-1)(np.array([[0, 255]], "uint8"))
    np.testing.assert_allclose([[-1, 1]], keras.ops.convert_to_numpy(output), atol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "float16", "float64"])
def test_layer_any_real_dtype_is_cast(dtype: str) -> None:
    """Signed, boolean and float values go through float32."""
    values = np.array([[0, 1, 100]]).astype(dtype)
    output = keras.ops.convert_to_numpy(NpyInputLayer(scale=0.5)(values))
    np.testing.assert_array_equal(values.astype("float32") * 0.5, output)


def test_layer_config_round_trips() -> None:
    """Name, dtype and every argument survive; nothing in it is a path or code."""
    layer = NpyInputLayer(
        scale=1 / 65535,
        offset=-0.5,
        sample_shape=(3, 4, 5),
        stored_format="channels_first",
        data_format="channels_last",
        name="pixels",
        dtype="mixed_float16",
    )
    config = layer.get_config()
    again = NpyInputLayer.from_config(config)
    assert config == again.get_config()
    assert ("pixels", "mixed_float16") == (again.name, again.dtype_policy.name)
    plain = {key: config[key] for key in ("scale", "offset", "sample_shape", "stored_format")}
    assert {
        "scale": 1 / 65535,
        "offset": -0.5,
        "sample_shape": [3, 4, 5],
        "stored_format": "channels_first",
    } == plain


@pytest.mark.parametrize("kind", ["sequential", "functional", "subclassed", "pipeline", "nested"])
def test_layer_composes_wherever_layers_do(kind: str) -> None:
    """The same output in every kind of model."""
    layer = NpyInputLayer(stored_format="no_channels", data_format="channels_last")
    if kind == "sequential":
        model: Any = keras.Sequential([layer])
    elif kind == "functional":
        inputs = keras.Input((3, 4), dtype="uint8")
        model = keras.Model(inputs, layer(inputs))
    elif kind == "pipeline":
        model = keras.layers.Pipeline([layer, keras.layers.RandomFlip(seed=0)])
        output = model(GRAY, training=False)
        np.testing.assert_allclose(GRAY[..., None] / 255, np.asarray(output), rtol=1e-6)
        return
    elif kind == "nested":
        inputs = keras.Input((2, 3, 4), dtype="uint8")
        model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
        output = np.asarray(model(np.stack([GRAY, GRAY], axis=1)))
        np.testing.assert_allclose(GRAY[..., None] / 255, output[:, 1], rtol=1e-6)
        return
    else:

        class Subclassed(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.pixels = layer

            def call(self, inputs: Any) -> Any:
                return self.pixels(inputs)

        model = Subclassed()
    np.testing.assert_allclose(GRAY[..., None] / 255, model.predict(GRAY, verbose=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"scale": 0}, r"scale must not be zero.*Received: scale=0", id="zero-scale"),
        pytest.param({"scale": float("nan")}, r"scale must be finite.*nan", id="nan-scale"),
        pytest.param({"offset": float("inf")}, r"offset must be finite.*inf", id="inf-offset"),
        pytest.param({"sample_shape": (0, 3)}, r"positive integers.*\(0, 3\)", id="zero-axis"),
        pytest.param({"sample_shape": (-1, 3)}, r"positive integers.*\(-1, 3\)", id="free-axis"),
        pytest.param({"sample_shape": ()}, r"positive integers.*\(\)", id="no-axis"),
        pytest.param({"sample_shape": 12}, r"positive integers.*12", id="a-number"),
        pytest.param({"stored_format": "NCHW"}, r"stored_format must be.*'NCHW'", id="format"),
        pytest.param(
            {"stored_format": "no_channels", "data_format": "last"},
            r"data_format must be.*'last'",
            id="data-format",
        ),
        pytest.param(
            {"data_format": "channels_first"}, r"needs stored_format.*Pass", id="format-alone"
        ),
    ],
)
def test_layer_wrong_argument_is_refused(arguments: Any, message: str) -> None:
    """The rule, what was received and the remedy, when the layer is made."""
    with pytest.raises(ValueError, match=message):
        NpyInputLayer(**arguments)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "complex64"])
@pytest.mark.parametrize("way", ["argument", "policy", "for-data", "global-policy"])
def test_layer_dtype_that_is_not_floating_point_is_refused(dtype: str, way: str) -> None:
    """Scaled pixels cast to it would all be 0 or 1; where the stored dtype belongs is said."""
    message = rf"that of the result.*Received: dtype='{dtype}'.*keras\.Input.*keras_npy\.Input"
    keras_setting = keras.config.dtype_policy()
    if way == "global-policy":
        keras.config.set_dtype_policy(dtype)
    try:
        with pytest.raises(ValueError, match=message):
            {
                "argument": lambda: NpyInputLayer(dtype=dtype),
                "policy": lambda: NpyInputLayer(dtype=keras.DTypePolicy(dtype)),
                "for-data": lambda: NpyInputLayer.for_data(GRAY, dtype=dtype),
                "global-policy": NpyInputLayer,
            }[way]()
    finally:
        keras.config.set_dtype_policy(keras_setting)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "mixed_bfloat16"])
def test_layer_dtype_that_is_floating_point_is_that_of_the_result(dtype: str) -> None:
    """A dtype or a policy."""
    layer = NpyInputLayer(dtype=dtype)
    assert dtype.removeprefix("mixed_") == keras.backend.standardize_dtype(layer(GRAY).dtype)


def test_layer_scale_of_a_wrong_type_is_refused() -> None:
    """A string is no number."""
    with pytest.raises(TypeError, match=r"scale must be a number.*'big'"):
        NpyInputLayer(scale="big")


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        pytest.param(
            {"sample_shape": (5, 5)}, (2, 24), r"25 values.*24 values a sample", id="size"
        ),
        pytest.param({"stored_format": "no_channels"}, (2,), r"1 to 3 axes.*\(\)", id="rank-low"),
        pytest.param(
            {"stored_format": "channels_last"}, (2, 7), r"2 to 4 axes.*\(7,\)", id="rank-last"
        ),
        pytest.param(
            {"stored_format": "no_channels"}, (2, 3, 3, 3, 3), r"1 to 3 axes", id="rank-high"
        ),
    ],
)
def test_layer_sample_that_does_not_fit_is_refused(
    arguments: Any, shape: tuple[int, ...], message: str
) -> None:
    """Eager and symbolic inputs are refused alike."""
    layer = NpyInputLayer(**arguments)
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "uint8"))
    with pytest.raises(ValueError, match=message):
        layer(keras.KerasTensor((None, *shape[1:]), "uint8"))


@pytest.mark.parametrize("kind", ["array", "tensor", "symbol", "time-distributed"])
def test_layer_complex_inputs_are_refused(kind: str) -> None:
    """Keras would drop the imaginary part, with a warning of a backend's at most."""
    values = np.full((2, 3, 4), 1 + 2j, "complex64")
    layer: Any = NpyInputLayer()
    inputs: Any = values
    if kind == "symbol":
        inputs = keras.KerasTensor((None, 3, 4), "complex64")
    elif kind != "array":
        inputs = keras.ops.convert_to_tensor(values)
    if kind == "time-distributed":
        layer = keras.layers.TimeDistributed(layer)
    with pytest.raises(TypeError, match=r"real values.*Received: inputs of .*complex64.*np\.stack"):
        layer(inputs)


def test_layer_complex_inputs_are_refused_in_dataset_map() -> None:
    """Where TensorFlow computes, whatever Keras runs on."""
    tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    dataset = tf.data.Dataset.from_tensors(np.ones((2, 3), "complex64"))
    with pytest.raises(TypeError, match=r"real values.*Received: inputs of .*complex64"):
        dataset.map(NpyInputLayer())
