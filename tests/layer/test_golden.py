"""Models that an earlier version saved load for ever, and predict what they predicted then."""

import importlib.util
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from tests.conftest import only_on, run_script

GOLDEN = Path(__file__).parent / "golden"

pytestmark = pytest.mark.skipif(
    tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="written by Keras 3.15, whose initializers older ones do not read",
)

# Between backends a convolution adds in another order; predictions are of the order of 1.
TOLERANCE = 2e-6


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """The script that wrote the files."""
    spec = importlib.util.spec_from_file_location("golden_writer", GOLDEN / "write.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_keras_file_written_before_the_rooms_predicts_the_same(writer: ModuleType) -> None:
    """Every number of the layer is in its config."""
    model = keras.saving.load_model(GOLDEN / "model.keras")
    predicted = model.predict(writer.images(), verbose=0)
    np.testing.assert_allclose(
        np.load(GOLDEN / "predictions.npy"), predicted, rtol=0, atol=TOLERANCE
    )


def test_weights_file_written_before_the_rooms_brings_the_statistics(writer: ModuleType) -> None:
    """A layer that has not seen the data takes them from the checkpoint."""
    model = writer.build_model()
    layer = model.get_layer("from_npy")
    adapted = layer.mean
    layer.adapt(np.zeros_like(writer.images()) + np.uint8(9))
    assert adapted != layer.mean
    model.load_weights(GOLDEN / "model.weights.h5")
    np.testing.assert_allclose(adapted, layer.mean, rtol=1e-12)
    predicted = model.predict(writer.images(), verbose=0)
    np.testing.assert_allclose(
        np.load(GOLDEN / "predictions.npy"), predicted, rtol=0, atol=TOLERANCE
    )


@only_on("tensorflow", reason="a SavedModel is TensorFlow's")
def test_saved_model_written_before_the_rooms_serves_the_same() -> None:
    """In a process that imports TensorFlow alone."""
    difference = run_script(
        """
        import sys
        import numpy as np, tensorflow as tf

        served = tf.saved_model.load(sys.argv[1] + "/served")
        images = (np.arange(16 * 60).reshape(16, 60) * 37 % 256).astype("uint8")
        predicted = served.serve(images).numpy()
        assert "keras_npy" not in sys.modules
        print(np.abs(predicted - np.load(sys.argv[1] + "/predictions.npy")).max())
        """,
        GOLDEN,
    )
    assert float(difference) <= TOLERANCE
