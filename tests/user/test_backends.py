"""The same on each backend: nothing is imported that is not used, and nothing needs TensorFlow."""

import importlib.util
from pathlib import Path

import pytest

from tests.conftest import Stored, run_script
from tests.processes import run_forked

BACKENDS = ["tensorflow", "jax", "torch"]


def on_backend(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scripts run on a backend, or skip by name."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_import_brings_no_backend_of_its_own(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Keras has imported is all that there is."""
    on_backend(backend, monkeypatch)
    # What forks has imported TensorFlow on each backend.
    run = run_forked if backend == "tensorflow" else run_script
    script = """
        import sys
        import keras
        names = {"tensorflow", "jax", "torch", "matplotlib", "grain"}
        before = names & set(sys.modules)
        import keras_npy
        assert before == names & set(sys.modules), names & set(sys.modules)
        print("same")
    """
    assert "same" == run(script)


_WITHOUT_TENSORFLOW = """
    import sys

    class Hiding:
        # A finder that has no TensorFlow: it answers None, as where none is installed.

        def __init__(self, finder):
            self._finder = finder

        def __getattr__(self, name):
            return getattr(self._finder, name)

        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("tensorflow", "tensorflow_io"):
                return None
            return self._finder.find_spec(name, path, target)

    sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
    import numpy as np, keras_npy, keras

    weights = sys.argv[3]
    seq = keras_npy.NpySequence(sys.argv[1], sys.argv[2], batch_size=8, seed=3)
    model = keras.Sequential([
        keras_npy.Input(seq), keras_npy.NpyInputLayer(), keras.layers.Flatten(),
        keras.layers.Dense(3),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(seq, validation_data=seq, epochs=2, class_weight={0: 2.0}, verbose=0)
    model.fit(seq, steps_per_epoch=3, verbose=0)
    assert 3 == seq.epoch
    model.evaluate(seq, verbose=0)
    predicted = model.predict(seq, verbose=0)
    np.testing.assert_allclose(predicted, model.predict(np.load(sys.argv[1]), verbose=0), rtol=1e-4)
    model.save(weights)
    again = keras.saving.load_model(weights)
    np.testing.assert_array_equal(predicted, again.predict(seq, verbose=0))
    assert 7 == len(list(seq)) == len(list(keras_npy.NpyDataAdapter(seq).get_numpy_iterator()))
    assert "tensorflow" not in sys.modules
    print("trained")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow_everything_but_its_feed_works(
    backend: str, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX and torch users who have no TensorFlow lose nothing; nor does who imports Keras last."""
    on_backend(backend, monkeypatch)
    paths = (stored.x_path, stored.y_path, tmp_path / "model.keras")
    assert "trained" == run_script(_WITHOUT_TENSORFLOW, *paths)


_ON_TWO_DEVICES = """
    import sys, warnings
    import jax, numpy as np, keras, keras_npy

    assert 2 == len(jax.devices())

    def train(sources):
        keras.utils.set_random_seed(1)
        x, y = sources
        model = keras.Sequential([
            keras_npy.Input(x), keras_npy.NpyInputLayer(), keras.layers.Flatten(),
            keras.layers.Dense(7, activation="relu"), keras.layers.Dense(3),
        ])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        seq = keras_npy.NpySequence(x, y, batch_size=8, seed=3, drop_remainder=True)
        model.fit(seq, epochs=3, verbose=0)
        assert 3 == seq.epoch
        kernel = model.trainable_variables[0].value
        return model.get_weights(), len(kernel.sharding.device_set), model.predict(seq, verbose=0)

    one, num_devices, predicted_by_one = train(sys.argv[1:])
    assert 1 == num_devices
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    two, num_devices, predicted_by_two = train(sys.argv[1:])
    assert 2 == num_devices

    # A single batch that two devices cannot share is refused before anything is trained.
    only = keras_npy.NpySequence(*sys.argv[1:], batch_size=64)
    even = keras_npy.NpySequence(*sys.argv[1:], batch_size=8, drop_remainder=True)
    uneven = keras_npy.NpySequence(*sys.argv[1:], batch_size=8)
    model = keras.Sequential([keras.Input((6, 5)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    try:
        model.fit(only, verbose=0)
    except ValueError as error:
        assert "2 devices" in str(error) and "drop_remainder=True" in str(error), error
    else:
        raise AssertionError("it was trained")
    assert 0 == int(model.optimizer.iterations)
    # Of several batches, fit leaves the last one out, and validation serves it whole.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        history = model.fit(uneven, validation_data=uneven, verbose=0).history
    assert any("leaves out 5 of 53 rows" in str(one.message) for one in warned), warned
    assert 6 == int(model.optimizer.iterations)
    measured = model.evaluate(only, verbose=0)
    np.testing.assert_allclose(history["val_loss"], measured, rtol=1e-4)
    model.fit(even, validation_data=uneven, validation_steps=6, verbose=0)
    for a, b in zip(one, two):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predicted_by_one, predicted_by_two, rtol=1e-4, atol=1e-5)
    print("same weights")
"""


def test_data_parallel_on_jax_trains_to_the_weights_of_one_device(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two devices, half of each batch on each: sums in another order, the same rows."""
    on_backend("jax", monkeypatch)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    assert "same weights" == run_forked(_ON_TWO_DEVICES, stored.x_path, stored.y_path)
