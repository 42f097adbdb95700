"""What is saved gives the same predictions in a process that never saw the training."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_npy
from tests.conftest import Stored, only_on, run_script
from tests.processes import run_forked


@pytest.fixture
def trained(stored: Stored) -> keras.Model:
    """A small convolutional network, trained for an epoch from files."""
    keras.utils.set_random_seed(0)
    seq = stored.sequence()
    model = keras.Sequential(
        [
            keras_npy.Input(seq),
            keras_npy.NpyInputLayer(stored_format="no_channels", data_format="channels_last"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(seq, verbose=0)
    return model


def predict_elsewhere(
    run: Callable[..., str], script: str, model_path: Path, x_path: Path
) -> np.ndarray:
    """Run a script in a new process; it writes its predictions to sys.argv[3]."""
    out = model_path.parent / "predicted.npy"
    run(script, model_path, x_path, out)
    return np.load(out)


def test_keras_file_predicts_the_same_in_a_new_process(
    trained: keras.Model, stored: Stored, tmp_path: Path
) -> None:
    """`.keras` loads under safe mode where keras_npy was imported."""
    trained.save(tmp_path / "model.keras")
    script = """
        import sys
        import numpy as np, keras, keras_npy
        model = keras.saving.load_model(sys.argv[1], safe_mode=True)
        assert model.inputs[0].dtype == "uint8"
        np.save(sys.argv[3], model.predict(keras_npy.NpySequence(sys.argv[2]), verbose=0))
    """
    predicted = predict_elsewhere(run_forked, script, tmp_path / "model.keras", stored.x_path)
    np.testing.assert_allclose(trained.predict(stored.x, verbose=0), predicted, rtol=1e-6)


@only_on("tensorflow", "jax", reason="Keras exports no SavedModel")
def test_saved_model_takes_raw_uint8_of_any_batch_and_needs_no_keras(
    trained: keras.Model, stored: Stored, tmp_path: Path
) -> None:
    """The SavedModel's signature is the file's dtype, with a free batch axis."""
    trained.export(tmp_path / "served", verbose=False)
    script = """
        import sys
        sys.modules["keras_npy"] = None
        import numpy as np, tensorflow as tf
        served = tf.saved_model.load(sys.argv[1])
        signature = served.signatures["serving_default"].structured_input_signature[1]
        (spec,) = signature.values()
        assert spec.dtype == tf.uint8 and spec.shape.as_list() == [None, 6, 5], spec
        x = np.load(sys.argv[2])
        parts = [served.serve(x[:1]).numpy(), served.serve(x[1:]).numpy()]
        np.save(sys.argv[3], np.concatenate(parts))
    """
    predicted = predict_elsewhere(run_script, script, tmp_path / "served", stored.x_path)
    np.testing.assert_allclose(trained.predict(stored.x, verbose=0), predicted, rtol=1e-5)


def test_keras_file_without_keras_npy_says_what_is_missing(
    trained: keras.Model, tmp_path: Path
) -> None:
    """Loading where keras_npy was not imported fails with the layer's registered name."""
    trained.save(tmp_path / "model.keras")
    script = """
        import sys
        import keras
        try:
            keras.saving.load_model(sys.argv[1])
        except TypeError as error:
            print(error)
    """
    printed = run_forked(script, tmp_path / "model.keras")
    # As the README quotes it: the class, that an import is missing, and of which package.
    assert "Could not locate class 'NpyInputLayer'. Make sure" in printed
    assert "make sure they are all imported" in printed
    assert "keras_npy>NpyInputLayer" in printed
