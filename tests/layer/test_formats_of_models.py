"""Every format that Keras saves a model in computes what the model computed."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import Input, NpyInputLayer
from tests.conftest import only_on

X = np.random.default_rng(0).integers(0, 256, (7, 48)).astype("uint8")


def layer_alone(layer: Any) -> keras.Model:
    """A model that is the layer, so that nothing hides its last bit."""
    inputs = Input(X)
    return keras.Model(inputs, layer(inputs))


def adapted_layer() -> NpyInputLayer:
    """Flat rows to images, standardised per channel."""
    layer = NpyInputLayer(
        sample_shape=(3, 4, 4), stored_format="channels_first", data_format="channels_last"
    )
    layer.adapt(X)
    return layer


def convolutional(layer: Any) -> keras.Model:
    """The layer, and others behind it."""
    keras.utils.set_random_seed(0)
    inputs = Input(X)
    hidden = keras.layers.Conv2D(4, 3, data_format="channels_last")(layer(inputs))
    hidden = keras.layers.Flatten()(hidden)
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


MODELS = [
    pytest.param(lambda: layer_alone(adapted_layer()), id="layer"),
    pytest.param(lambda: convolutional(adapted_layer()), id="convolutional"),
]


def assert_as_predicted(model: keras.Model, output: np.ndarray) -> None:
    """The layer alone within 1 ULP; others sum in an order for each batch size: 1e-6."""
    expected = model.predict(X, verbose=0)
    if len(model.layers) == 2:
        np.testing.assert_array_max_ulp(expected, output, maxulp=1)
    else:
        np.testing.assert_allclose(expected, output, rtol=1e-6, atol=1e-6)


# Of Keras 3.15 and its converters, and of torch 2.13, which traces the layer's checks of shapes.
ignore_converters = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore:In the future `np.object` will be defined:FutureWarning",
    # OpenVINO forks to look at the processor, behind threads of JAX if other tests have made them.
    r"ignore:os\.fork\(\) was called:RuntimeWarning",
    "ignore:Converting a tensor to a Python (integer|boolean) might cause the trace",
    "ignore:torch.as_tensor results are registered as constants in the trace",
)


@pytest.mark.parametrize("make", MODELS)
def test_keras_file_keeps_the_statistics(make: Any, tmp_path: Path) -> None:
    """Under safe mode; the configuration, all digits of mean and variance, and every bit."""
    model = make()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert model.layers[1].get_config() == again.layers[1].get_config()
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


@pytest.mark.parametrize("make", MODELS)
def test_weights_only_checkpoint_keeps_the_statistics(make: Any, tmp_path: Path) -> None:
    """Loaded into a model whose layer was never adapted, as with Normalization."""
    model = make()
    model.save_weights(tmp_path / "model.weights.h5")
    layer = NpyInputLayer(
        sample_shape=(3, 4, 4), stored_format="channels_first", data_format="channels_last"
    )
    fresh = layer_alone(layer) if len(model.layers) == 2 else convolutional(layer)
    fresh.load_weights(tmp_path / "model.weights.h5")
    assert (model.layers[1].mean, model.layers[1].variance) == (layer.mean, layer.variance)
    np.testing.assert_array_equal(model.predict(X, verbose=0), fresh.predict(X, verbose=0))


def test_checkpoint_without_statistics_leaves_those_of_the_layer(tmp_path: Path) -> None:
    """One saved before adapt says nothing of them."""
    layer = NpyInputLayer()
    layer_alone(layer).save_weights(tmp_path / "model.weights.h5")
    fresh = NpyInputLayer(mean=1, variance=2)
    layer_alone(fresh).load_weights(tmp_path / "model.weights.h5")
    assert (1, 2) == (fresh.mean, fresh.variance)


@pytest.mark.parametrize("make", MODELS)
def test_clone_keeps_the_statistics(make: Any) -> None:
    """clone_model builds from the configuration; weights are new, statistics are not."""
    model = make()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert model.layers[1] is not clone.layers[1]
    np.testing.assert_array_equal(model.predict(X, verbose=0), clone.predict(X, verbose=0))


@pytest.mark.parametrize("mode", ["int8"])
def test_quantize_leaves_the_layer_alone(mode: str) -> None:
    """The Dense layer behind it is quantised; the pixels are what they were."""
    layer = adapted_layer()
    model = convolutional(layer)
    before = keras.ops.convert_to_numpy(layer(X))
    config = layer.get_config()
    with warnings.catch_warnings():
        # Keras 3.15 warns of every layer that has nothing to quantise, its own InputLayer too.
        warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
        model.quantize(mode)
    assert config == layer.get_config()
    assert mode == model.layers[-1].quantization_mode
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(layer(X)))
    assert np.isfinite(model.predict(X, verbose=0)).all()


@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras 3.15 exports no SavedModel with torch 2.13: its dynamic_shapes do not fit",
)
# Keras 3.15 calls jax2tf so (JAX 0.10).
@pytest.mark.filterwarnings("ignore:The `native_serialization` parameter:DeprecationWarning")
@pytest.mark.parametrize("make", MODELS)
def test_saved_model_of_standardised_rows_is_served_by_tensorflow(
    make: Any, tmp_path: Path
) -> None:
    """uint8 in, any batch."""
    tf = pytest.importorskip("tensorflow", reason="a SavedModel is TensorFlow's")
    model = make()
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    (spec,) = served.signatures["serving_default"].structured_input_signature[1].values()
    assert (tf.uint8, [None, 48]) == (spec.dtype, spec.shape.as_list())
    output = np.concatenate([served.serve(part).numpy() for part in (X[:1], X[1:])])
    assert_as_predicted(model, output)


@ignore_converters
@pytest.mark.parametrize("make", MODELS)
def test_onnx_is_run_by_onnxruntime(make: Any, tmp_path: Path) -> None:
    """uint8 in, any batch, within 1e-6."""
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX, which is optional")
    converter = {"tensorflow": "tf2onnx", "jax": "jax2onnx"}.get(keras.backend.backend(), "onnx")
    pytest.importorskip(converter, reason="Keras needs it for format='onnx'")
    model = make()
    path = tmp_path / "model.onnx"
    expected = model.predict(X, verbose=0)
    model(X[:1])  # Keras 3.15 exports to ONNX only what was called; predict is not enough on JAX.
    model.export(path, format="onnx", verbose=False)
    session = runtime.InferenceSession(str(path))
    (spec,) = session.get_inputs()
    assert ("tensor(uint8)", 48) == (spec.type, spec.shape[1])
    assert not isinstance(spec.shape[0], int)
    outputs = [session.run(None, {spec.name: part})[0] for part in (X[:1], X[1:])]
    np.testing.assert_allclose(expected, np.concatenate(outputs), rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="format='litert' needs the TensorFlow backend, or litert_torch with torch",
)
@pytest.mark.parametrize("make", MODELS)
def test_litert_is_run_by_its_interpreter(make: Any, tmp_path: Path) -> None:
    """uint8 in, any batch, within 1e-6."""
    litert = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="runs LiteRT, which is optional"
    )
    model = make()
    path = tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False)
    interpreter = litert.Interpreter(str(path))
    (given,), (got,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (np.uint8, [-1, 48]) == (given["dtype"], given["shape_signature"].tolist())
    outputs = []
    for part in (X[:1], X[1:]):
        interpreter.resize_tensor_input(given["index"], part.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], part)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(got["index"]).copy())
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(expected, np.concatenate(outputs), rtol=1e-6, atol=1e-6)


@only_on("torch", reason="format='torch' is torch's own")
@pytest.mark.parametrize("make", MODELS)
def test_torch_program_is_run_by_torch(make: Any, tmp_path: Path) -> None:
    """uint8 in, any batch, within 1e-6."""
    import torch

    model = make()
    expected = model.predict(X, verbose=0)
    # Without it Keras exports for a batch of one (Keras 3.15).
    free_batch = {0: torch.export.Dim("batch")}
    path = tmp_path / "model.pt2"
    model.export(path, format="torch", verbose=False, dynamic_shapes=free_batch)
    program = torch.export.load(path).module()
    with torch.no_grad():
        outputs = [program(torch.from_numpy(part)).numpy() for part in (X[:1], X[1:])]
    np.testing.assert_allclose(expected, np.concatenate(outputs), rtol=1e-6, atol=1e-6)
    with pytest.raises(RuntimeError, match=r"dtype mismatch! Expected: Byte, Got: float"):
        program(torch.from_numpy(X.astype("float32")))


@only_on("tensorflow", "torch", reason="OpenVINO 2026.4 converts no XlaCallModule, which JAX makes")
@ignore_converters
@pytest.mark.parametrize("make", MODELS)
def test_openvino_is_run_by_its_runtime(make: Any, tmp_path: Path) -> None:
    """uint8 in, any batch, within 1e-6."""
    openvino = pytest.importorskip("openvino", reason="needs openvino, which is optional")
    model = make()
    path = str(tmp_path / "model.xml")
    expected = model.predict(X, verbose=0)
    model.export(path, format="openvino", verbose=False)
    # Some CPUs would compute in bfloat16.
    runner = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert openvino.Type.u8 == runner.input(0).element_type
    outputs = [runner(part)[0].copy() for part in (X[:1], X[1:])]
    np.testing.assert_allclose(expected, np.concatenate(outputs), rtol=1e-6, atol=1e-6)
