"""The layer computes in `Dataset.map` and in a Grain pipeline, whatever backend Keras runs on."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import run_script
from tests.processes import run_forked

BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"needs {name}, which is optional"
        ),
    )
    for name in ("tensorflow", "jax", "torch")
]
needs_grain = pytest.mark.skipif(
    importlib.util.find_spec("grain") is None, reason="needs grain, which is optional"
)

# Layers of each layout and arithmetic, and what NumPy makes of it.
CASES = """
    import numpy as np, ml_dtypes, keras, keras_npy
    x = np.arange(4 * 3 * 6 * 5).reshape(4, 3, 6, 5).astype("uint16") * 181
    moments = dict(mean=[.1, .2, .3], variance=[.01, .02, .03])
    unit = (x / 65535).astype("float32")
    standard = (np.moveaxis(x, 1, -1) / 65535 - moments["mean"]) / np.sqrt(moments["variance"])
    cases = [
        (dict(scale=1 / 65535), unit),
        (dict(scale=1 / 65535, dtype="mixed_bfloat16"), unit.astype(ml_dtypes.bfloat16)),
        (dict(scale=1 / 65535, offset=-1, sample_shape=(90,)), unit.reshape(4, 90) - 1),
        (dict(scale=1 / 65535, stored_format="no_channels", data_format="channels_first"),
         unit[:, None]),
        (dict(scale=1 / 65535, stored_format="channels_first", data_format="channels_last",
              **moments), standard),
    ]
    def check(output, expected, kind):
        assert output.shape == expected.shape, (output.shape, expected.shape)
        assert output.dtype == kind, output.dtype
        half = 1e-2 if output.dtype == ml_dtypes.bfloat16 else 1e-6
        np.testing.assert_allclose(
            output.astype("float32"), expected.astype("float32"), rtol=half, atol=3e-7)
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_layer_in_dataset_map(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's tensors in, TensorFlow's tensors out, with their static shape."""
    pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    script = (
        CASES
        + """
    import tensorflow as tf
    for arguments, expected in cases:
        layer = keras_npy.NpyInputLayer(**arguments)
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(2).map(layer).prefetch(1)
        assert dataset.element_spec.shape[1:] == expected.shape[1:]
        output = np.concatenate([batch.numpy() for batch in dataset])
        check(output, expected, layer.compute_dtype)
    # The same layer goes on in the model.
    check(keras.ops.convert_to_numpy(layer(x)), expected, "float32")
    print("fine")
    """
    )
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert "fine" == run_forked(script).splitlines()[-1]


@needs_grain
@pytest.mark.parametrize("backend", BACKENDS)
def test_layer_in_a_grain_pipeline(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy in and out, in map and in Grain's own iterators; outside, Keras computes."""
    script = (
        CASES
        + """
    import grain
    for arguments, expected in cases:
        layer = keras_npy.NpyInputLayer(**arguments)
        dataset = grain.MapDataset.source(x).batch(2).map(layer)
        outputs = list(dataset if "offset" in arguments else dataset.to_iter_dataset())
        assert all(type(output) is np.ndarray for output in outputs)
        check(np.concatenate(outputs), expected, layer.compute_dtype)
    assert keras.ops.is_tensor(layer(x))
    print("fine")
    """
    )
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert "fine" == run_forked(script).splitlines()[-1]


@needs_grain
def test_layer_in_grain_workers(tmp_path: Path) -> None:
    """The layer is sent to worker processes by pickle and computes there."""
    script = """
        import sys
        import numpy as np, grain
        import keras_npy
        from absl import flags
        flags.FLAGS.mark_as_parsed()  # Grain 0.2 reads its own flags.
        if __name__ == "__main__":
            x = np.load(sys.argv[1])
            layer = keras_npy.NpyInputLayer(mean=0.5, variance=0.25)
            dataset = grain.MapDataset.source(x).batch(4).map(layer).to_iter_dataset()
            dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=1))
            output = np.concatenate(list(dataset))
            np.testing.assert_allclose(output, (x / 255 - 0.5) / 0.5, rtol=1e-5, atol=1e-6)
            print("fine")
    """
    path = tmp_path / "x.npy"
    np.save(path, np.arange(240).reshape(8, 30).astype("uint8"))
    assert "fine" == run_script(script, path).splitlines()[-1]
