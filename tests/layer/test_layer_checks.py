"""Keras's own checks of a layer, on every backend, over a table of cases.

`keras.src.testing` is private; these are its equivalents: configuration, symbolic, eager and
compiled calls, mixed precision, masks, training, saving.
"""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import Input, NpyInputLayer
from tests.processes import run_forked

CASES = [
    pytest.param({}, (6, 5), "uint8", (6, 5), id="as-stored"),
    pytest.param({}, (), "uint8", (), id="scalars"),
    pytest.param({"offset": -1, "scale": 1 / 127.5}, (7,), "uint8", (7,), id="vectors"),
    pytest.param({"sample_shape": (2, 3)}, (6,), "bool", (2, 3), id="reshaped"),
    pytest.param(
        {"stored_format": "no_channels", "data_format": "channels_last"},
        (6, 5),
        "uint8",
        (6, 5, 1),
        id="gray",
    ),
    pytest.param(
        {"stored_format": "no_channels", "data_format": "channels_first", "scale": 1 / 32767},
        (4, 6, 5),
        "int16",
        (1, 4, 6, 5),
        id="volumes-first",
    ),
    pytest.param(
        {
            "sample_shape": (3, 4, 4),
            "stored_format": "channels_first",
            "data_format": "channels_last",
            "mean": [0.1, 0.2, 0.3],
            "variance": [1, 2, 3],
        },
        (48,),
        "uint8",
        (4, 4, 3),
        id="cifar-standardised",
    ),
    pytest.param(
        {
            "stored_format": "channels_last",
            "data_format": "channels_first",
            "scale": [1, 2],
            "offset": [3, 4],
            "axis": 1,
        },
        (6, 2),
        "float32",
        (2, 6),
        id="signals-to-first",
    ),
    pytest.param(
        {"scale": 1, "mean": 3.5, "variance": 4, "axis": None},
        (5,),
        "float64",
        (5,),
        id="float64",
    ),
    pytest.param({"scale": 1}, (5,), "int32", (5,), id="int32"),
]


def skip_what_jax_holds_in_32_bits(*dtypes: str) -> None:
    """JAX has no 64-bit values unless jax_enable_x64 is set, and says so in a warning."""
    if keras.backend.backend() == "jax" and any(dtype.endswith("64") for dtype in dtypes):
        pytest.skip("JAX holds 64-bit values in 32 bits unless jax_enable_x64 is set")


def sample_values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Four samples of small whole numbers."""
    values = np.arange(4 * int(np.prod(shape))).reshape(4, *shape)
    return (values % 2 if dtype == "bool" else values % 100).astype(dtype)


def to_numpy(output: Any) -> np.ndarray:
    """Through float32, which holds every float16 and bfloat16: NumPy has no bfloat16."""
    return keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")).astype("float64")


@pytest.mark.parametrize(("arguments", "shape", "dtype", "expected"), CASES)
class TestLayer:
    """Each check for each case."""

    def test_config_builds_the_same_layer(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """From JSON, as Keras serialises it; and the clone computes the same."""
        layer = NpyInputLayer(**arguments, name="pixels")
        again = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer), safe_mode=True
        )
        assert type(layer) is type(again)
        assert layer.get_config() == again.get_config()
        values = sample_values(shape, dtype)
        np.testing.assert_array_equal(to_numpy(layer(values)), to_numpy(again(values)))

    def test_symbolic_computed_and_eager_shapes_agree(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """With a free and with a known batch."""
        layer = NpyInputLayer(**arguments)
        for batch in (None, 4):
            symbolic = layer(keras.KerasTensor((batch, *shape), dtype))
            spec = layer.compute_output_spec(keras.KerasTensor((batch, *shape), dtype))
            assert (batch, *expected) == symbolic.shape == spec.shape
            assert (batch, *expected) == layer.compute_output_shape((batch, *shape))
            assert "float32" == symbolic.dtype == spec.dtype
        output = layer(sample_values(shape, dtype))
        assert (4, *expected) == tuple(output.shape)
        assert "float32" == keras.backend.standardize_dtype(output.dtype)

    def test_symbolic_call_does_not_need_sizes(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """Unknown sizes stay unknown, unless each index has a number of its own."""
        layer = NpyInputLayer(**arguments)
        free = tuple(None for _ in shape)
        numbers = (layer.scale, layer.offset, layer.mean, layer.variance)
        if layer.sample_shape is None and any(isinstance(one, list) for one in numbers):
            with pytest.raises(ValueError, match="known size"):
                layer.compute_output_shape((None, *free))
            return
        symbolic = layer(keras.KerasTensor((None, *free), dtype))
        assert len(expected) + 1 == len(symbolic.shape)
        if layer.sample_shape is not None:
            assert (None, *expected) == symbolic.shape

    def test_layer_has_no_variables(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """Nothing to train, and nothing that an optimizer or a weights list counts."""
        layer = NpyInputLayer(**arguments)
        layer(sample_values(shape, dtype))
        assert layer.built
        assert ([], [], []) == (layer.weights, layer.losses, layer.metrics)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
    def test_mixed_precision_rounds_the_float32_result_once(
        self, arguments: Any, shape: Any, dtype: str, expected: Any, policy: str
    ) -> None:
        """Whatever the input's dtype."""
        skip_what_jax_holds_in_32_bits(policy, dtype)
        values = sample_values(shape, dtype)
        in_float32 = NpyInputLayer(**arguments)(values)
        layer = NpyInputLayer(**arguments, dtype=policy)
        output = layer(values)
        assert layer.compute_dtype == keras.backend.standardize_dtype(output.dtype)
        rounded = keras.ops.cast(in_float32, layer.compute_dtype)
        np.testing.assert_array_equal(to_numpy(rounded), to_numpy(output))

    def test_model_trains_behind_the_layer_and_predicts_what_it_computes(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """Compiled by the backend, the same to one ULP, near zero to that of the largest."""
        skip_what_jax_holds_in_32_bits(dtype)
        values = sample_values(shape, dtype)
        inputs = keras.Input(shape, dtype=dtype)
        layer = NpyInputLayer(**arguments)
        scaled = layer(inputs)
        flat = keras.layers.Reshape((int(np.prod(expected)),))(scaled)
        model = keras.Model(inputs, {"scaled": scaled, "y": keras.layers.Dense(1)(flat)})
        model.compile("sgd", loss={"y": "mse"})
        model.fit(values, {"y": np.zeros((4, 1))}, epochs=2, batch_size=2, verbose=0)
        eager = to_numpy(layer(values))
        compiled = model.predict(values, batch_size=3, verbose=0)["scaled"]
        largest = np.abs(eager).max()
        np.testing.assert_allclose(eager, compiled, rtol=1.2e-7, atol=1.2e-7 * largest)

    def test_masks_pass_where_axes_stay(
        self, arguments: Any, shape: Any, dtype: str, expected: Any
    ) -> None:
        """Of an output with the stored axes, and perhaps one more at the end."""
        is_kept = "sample_shape" not in arguments and shape == expected[: len(shape)]
        assert is_kept == NpyInputLayer(**arguments).supports_masking


ALL_UINT8 = np.arange(256, dtype="uint8").reshape(16, 16)
ALL_UINT16 = np.arange(65536, dtype="uint16").reshape(256, 256)
ALL_INT16 = np.arange(-32768, 32768, dtype="int16").reshape(256, 256)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(ALL_UINT8, id="uint8"),
        pytest.param(ALL_UINT16, id="uint16"),
        pytest.param(ALL_INT16, id="int16"),
        pytest.param(ALL_UINT8 > 99, id="bool"),
    ],
)
@pytest.mark.parametrize("is_compiled", [False, True], ids=["eager", "compiled"])
def test_every_value_is_the_rounded_image_of_the_float32_result(
    policy: str, values: np.ndarray, is_compiled: bool
) -> None:
    """NumPy rounds the float32 result; the layer under the policy gives the same bits."""
    import ml_dtypes

    skip_what_jax_holds_in_32_bits(policy)

    def computed(dtype: str | None) -> Any:
        layer = NpyInputLayer.for_data(values, dtype=dtype)
        if not is_compiled:
            return layer(values)
        inputs = keras.Input(values.shape[1:], dtype=values.dtype.name)
        return keras.Model(inputs, layer(inputs)).predict(values, verbose=0)

    compute_dtype = keras.dtype_policies.get(policy).compute_dtype
    target = ml_dtypes.bfloat16 if compute_dtype == "bfloat16" else compute_dtype
    expected = keras.ops.convert_to_numpy(computed(None)).astype(target)
    np.testing.assert_array_equal(expected.astype("float64"), to_numpy(computed(policy)))


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_large_integers_lose_no_more_than_float32_must(dtype: str) -> None:
    """Two roundings, of the integer and of the product: 1 ULP of the exact value."""
    skip_what_jax_holds_in_32_bits(dtype)
    if keras.backend.backend() == "torch" and dtype == "uint64":
        pytest.skip("Keras has no uint64 with torch: Unsupported dtype for PyTorch")
    info = np.iinfo(dtype)
    edges = [info.min, info.max, 0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, 123456789]
    random = np.random.default_rng(0).integers(info.min, info.max, 1000, dtype, endpoint=True)
    values = np.concatenate([np.array(edges, dtype=dtype), random])[:, None]
    for scale in (1.0, 1 / int(info.max)):
        exact = (values.astype(np.longdouble) * np.longdouble(scale)).astype("float32")
        output = keras.ops.convert_to_numpy(NpyInputLayer(scale=scale)(values))
        np.testing.assert_array_max_ulp(exact, output, maxulp=1)


def test_masks_reach_the_layers_behind() -> None:
    """A padded step counts for nothing in the pooling after the layer."""
    values = np.array([[[1, 1], [3, 5], [0, 0]]], "float32")
    model = keras.Sequential(
        [
            keras.Input((3, 2)),
            keras.layers.Masking(),
            NpyInputLayer(scale=0.5),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    np.testing.assert_allclose([[1, 1.5]], model.predict(values, verbose=0))


# Of two steps and two values; the second step is padding.
STEPS = np.array([[[1, 2], [0, 0]], [[3, 4], [0, 0]]], "float32")
IS_STEP = [[True, False], [True, False]]

KEEPING = [
    pytest.param({}, id="as-stored"),
    pytest.param({"stored_format": "no_channels", "data_format": "channels_last"}, id="gray"),
    pytest.param({"stored_format": "channels_last", "data_format": "channels_last"}, id="last"),
    pytest.param({"stored_format": "channels_first", "data_format": "channels_first"}, id="first"),
]
MOVING = [
    pytest.param({"sample_shape": (4,)}, id="reshaped"),
    pytest.param(
        {"sample_shape": (1, 4), "stored_format": "channels_last", "data_format": "channels_last"},
        id="reshaped-last",
    ),
    pytest.param({"stored_format": "no_channels", "data_format": "channels_first"}, id="gray"),
    pytest.param({"stored_format": "channels_first", "data_format": "channels_last"}, id="first"),
    pytest.param({"stored_format": "channels_last", "data_format": "channels_first"}, id="last"),
]


class MaskSeen(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types.
    """The mask that reaches a layer, as numbers; -1 where there is none."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        steps = keras.ops.zeros_like(inputs[:, 0]) - 1
        return steps if mask is None else keras.ops.cast(mask, "float32")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None


def mask_behind(layer: NpyInputLayer, is_symbolic: bool) -> np.ndarray:
    """What a layer behind sees of the mask of STEPS."""
    parts = [keras.layers.Masking(), layer, MaskSeen()]
    if is_symbolic:
        model = keras.Sequential([keras.Input(STEPS.shape[1:]), *parts])
        return model.predict(STEPS, verbose=0)
    values: Any = keras.ops.convert_to_tensor(STEPS)
    for part in parts:
        values = part(values)
    return keras.ops.convert_to_numpy(values)


@pytest.mark.parametrize("is_symbolic", [False, True], ids=["eager", "symbolic"])
@pytest.mark.parametrize("arguments", KEEPING)
def test_mask_is_handed_on_where_axes_stay(arguments: Any, is_symbolic: bool) -> None:
    """Value by value, to the layer behind."""
    np.testing.assert_array_equal(IS_STEP, mask_behind(NpyInputLayer(**arguments), is_symbolic))


@pytest.mark.parametrize("is_symbolic", [False, True], ids=["eager", "symbolic"])
@pytest.mark.parametrize("arguments", MOVING)
def test_mask_is_destroyed_with_keras_warning_where_axes_move(
    arguments: Any, is_symbolic: bool
) -> None:
    """It would mark other values: the layer behind sees none."""
    layer = NpyInputLayer(**arguments, name="pixels")
    with pytest.warns(UserWarning, match=r"'pixels'.*does not support masking.*destroy the mask"):
        seen = mask_behind(layer, is_symbolic)
    assert (-1 == seen).all()


def test_nested_dict_inputs_have_a_layer_each() -> None:
    """A functional model of named and nested inputs."""
    image = np.arange(32).reshape(2, 4, 4).astype("uint8")
    depth = image.astype("uint16") * 1000
    flag = np.array([True, False])
    inputs = Input({"image": image, "more": {"depth": depth, "flag": flag}})
    outputs = {
        "image": NpyInputLayer()(inputs["image"]),
        "depth": NpyInputLayer(scale=1 / 65535)(inputs["more"]["depth"]),
        "flag": NpyInputLayer(scale=1)(inputs["more"]["flag"]),
    }
    computed = keras.Model(inputs, outputs).predict(
        {"image": image, "more": {"depth": depth, "flag": flag}}, verbose=0
    )
    np.testing.assert_allclose(image / 255, computed["image"], rtol=2e-7)
    np.testing.assert_allclose(depth / 65535, computed["depth"], rtol=2e-7)
    np.testing.assert_array_equal([1.0, 0.0], computed["flag"])


def test_steps_per_execution_predict_and_train_the_same() -> None:
    """Several steps in one compiled call."""
    if keras.backend.backend() == "torch":
        pytest.skip("Keras refuses steps_per_execution with torch")
    values = sample_values((6,), "uint8")
    results = []
    for steps in (1, 2):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((6,), dtype="uint8"), NpyInputLayer(), keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse", steps_per_execution=steps)
        model.fit(values, np.ones((4, 1)), batch_size=1, shuffle=False, epochs=2, verbose=0)
        results.append(model.predict(values, batch_size=1, verbose=0))
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("is_mapped", [False, True], ids=["eager", "dataset-map"])
def test_pipeline_before_augmentation(training: bool, is_mapped: bool) -> None:
    """In keras.layers.Pipeline the augmentation sees what it sees behind the layer alone."""
    values = np.arange(16 * 4 * 4).reshape(16, 4, 4).astype("uint8")

    def run(*parts: Any) -> np.ndarray:
        def chain(x: Any) -> Any:
            for part in parts:
                x = part(x) if isinstance(part, NpyInputLayer) else part(x, training=training)
            return x

        if not is_mapped:
            return to_numpy(chain(values))
        tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
        return next(iter(tf.data.Dataset.from_tensors(values).map(chain))).numpy()

    def flip() -> Any:
        return keras.layers.RandomFlip("horizontal", seed=3, data_format="channels_last")

    layer = NpyInputLayer(stored_format="no_channels", data_format="channels_last")
    output = run(keras.layers.Pipeline([layer, flip()]))
    np.testing.assert_array_equal(run(layer, flip()), output)
    as_stored = values[..., None] / 255
    is_flipped = ~np.isclose(as_stored, output, rtol=2e-7, atol=0).all(axis=(1, 2, 3))
    assert training == is_flipped.any()
    assert not is_flipped.all()
    np.testing.assert_allclose(as_stored[is_flipped][:, :, ::-1], output[is_flipped], rtol=2e-7)


def test_mirrored_strategy_trains_as_one_device_does() -> None:
    """Two replicas of the layer on two virtual devices."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("MirroredStrategy is TensorFlow's")
    script = """
        import contextlib
        import numpy as np, tensorflow as tf, keras, keras_npy
        (cpu,) = tf.config.list_physical_devices("CPU")
        virtual = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, virtual)
        x = np.arange(48).reshape(8, 6).astype("uint8")
        results = []
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
            strategy = tf.distribute.MirroredStrategy(devices)
            keras.utils.set_random_seed(0)
            with strategy.scope():
                layer = keras_npy.NpyInputLayer()
                layer.adapt(x)
                model = keras.Sequential([keras.Input((6,), dtype="uint8"), layer,
                                          keras.layers.Dense(1)])
                model.compile("sgd", "mse")
            model.fit(x, np.ones((8, 1)), batch_size=4, shuffle=False, epochs=2, verbose=0)
            results.append(model.predict(x, batch_size=4, verbose=0))
        assert strategy.num_replicas_in_sync == 2
        np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)
        print("fine")
    """
    assert "fine" == run_forked(script).splitlines()[-1]
