"""What reading raises leaves `fit`, `evaluate` and `predict` as it was raised."""

import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from tests.conftest import (
    BACKEND,
    Stored,
    make_model,
    new_model,
    only_on,
    validates_on_training_rows,
)
from tests.processes import run_forked


def fit(model: keras.Model, seq: keras_npy.NpySequence, **arguments: Any) -> None:
    model.fit(seq, verbose=0, **arguments)


def fit_endlessly(model: keras.Model, seq: keras_npy.NpySequence) -> None:
    model.fit(seq, steps_per_epoch=9, epochs=3, verbose=0)


def validate(model: keras.Model, seq: keras_npy.NpySequence) -> None:
    x, y = np.zeros((8, 6, 5), "uint8"), np.zeros(8, "int64")
    model.fit(x, y, validation_data=seq, verbose=0)


def evaluate(model: keras.Model, seq: keras_npy.NpySequence) -> None:
    model.evaluate(seq, verbose=0)


def predict(model: keras.Model, seq: keras_npy.NpySequence) -> None:
    model.predict(seq, verbose=0)


CALLS = pytest.mark.parametrize("call", [fit, fit_endlessly, validate, evaluate, predict])


def changed(stored: Stored) -> keras_npy.NpySequence:
    """A sequence of a file that was changed since."""
    seq = stored.sequence()
    os.utime(stored.x_path, (1, 1))
    return seq


def of_samples(tmp_path: Path, damage: Callable[[Path], None]) -> keras_npy.NpySequence:
    """A sequence of one file a sample, of which one was changed since."""
    for number in range(53):
        np.save(tmp_path / f"sample_{number:02}.npy", np.zeros((6, 5), "uint8"))
    seq = keras_npy.NpySequence(
        keras_npy.samples(str(tmp_path / "sample_*.npy")), np.zeros(53, "int64"), batch_size=8
    )
    damage(tmp_path / "sample_40.npy")
    return seq


@CALLS
def test_changed_file_raises_npy_file_error(stored: Stored, call: Any) -> None:
    """The very exception that reading raised, with the place where it was raised."""
    model, seq = make_model(), changed(stored)
    with pytest.raises(keras_npy.NpyFileError, match=r"x\.npy.*must not change") as raised:
        call(model, seq)
    assert "check_unchanged" in [frame.name for frame in traceback.extract_tb(raised.tb)]


@CALLS
def test_sample_of_another_shape_raises_npy_file_error(tmp_path: Path, call: Any) -> None:
    """In the middle of a pass."""
    seq = of_samples(tmp_path, lambda path: np.save(path, np.zeros(3, "uint8")))
    model = make_model()
    with pytest.raises(keras_npy.NpyFileError, match=r"sample_40\.npy: each sample must"):
        call(model, seq)


@CALLS
def test_missing_sample_raises_file_not_found_error(tmp_path: Path, call: Any) -> None:
    """As any reading of a file that is missing does."""
    model, seq = make_model(), of_samples(tmp_path, Path.unlink)
    with pytest.raises(FileNotFoundError, match=r"sample_40\.npy"):
        call(model, seq)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"run_eagerly": True}, id="run_eagerly"),
        pytest.param({"steps_per_execution": 4}, id="steps_per_execution"),
        pytest.param({"jit_compile": True}, id="jit_compile"),
    ],
)
@pytest.mark.parametrize("call", [fit, evaluate, predict])
@only_on("tensorflow", reason="there alone do errors pass through a graph")
def test_changed_file_raises_npy_file_error_however_steps_are_run(
    stored: Stored, arguments: dict[str, Any], call: Any
) -> None:
    """Several steps in one graph, none in a graph, and each compiled."""
    model, seq = make_model(**arguments), changed(stored)
    with pytest.raises(keras_npy.NpyFileError, match="must not change"):
        call(model, seq)


@only_on("tensorflow", reason="Keras knows strategies of TensorFlow alone")
def test_changed_file_raises_npy_file_error_in_the_scope_of_a_strategy(tmp_path: Path) -> None:
    """There, Keras takes a batch before the first step, to build the model."""
    np.save(tmp_path / "x.npy", np.zeros((64, 1), "float32"))
    script = """
        import os, sys
        import tensorflow as tf, keras, keras_npy
        cpu = tf.config.list_physical_devices("CPU")[0]
        two_devices = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two_devices)
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
        path = sys.argv[1]
        for seconds, method in enumerate((model.fit, model.evaluate, model.predict)):
            y = () if method == model.predict else (path,)
            seq = keras_npy.NpySequence(path, *y, batch_size=8)
            os.utime(path, (seconds, seconds))
            try:
                method(seq, verbose=0)
            except Exception as error:
                print(type(error).__name__)
    """
    assert ["NpyFileError"] * 3 == run_forked(script, tmp_path / "x.npy").split()


class Raises(keras.callbacks.Callback):
    """Raises an error of the user's after the first batch, once the feed has failed as well."""

    def __init__(self, has_failed: threading.Event) -> None:
        super().__init__()
        self._has_failed = has_failed

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._has_failed.wait()
        raise KeyError("of the user's")


@only_on("tensorflow", reason="there alone are errors kept apart from where they are raised")
def test_error_of_a_callback_is_not_replaced_by_one_that_was_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed has failed at a later batch, and nobody has asked for that yet."""
    from keras_npy.feeds.tensorflow_calls import Failures

    monkeypatch.setattr("keras_npy.feeds.batches.BLOCK_BATCHES_MAX", 3)
    has_failed, keep = threading.Event(), Failures.keep

    def noted(failures: Failures, error: BaseException) -> str:
        text = keep(failures, error)
        has_failed.set()
        return text

    monkeypatch.setattr(Failures, "keep", noted)
    seq = of_samples(tmp_path, Path.unlink)
    model = make_model()
    with pytest.raises(KeyError, match="of the user's"):
        model.fit(seq, verbose=0, shuffle=False, callbacks=[Raises(has_failed)])


@validates_on_training_rows
def test_fit_after_a_failed_one_trains(stored: Stored) -> None:
    """Nothing of the error is left in the model."""
    # On JAX, Keras takes the variables of a model that was trained before with it (Keras 3.15).
    model, seq = new_model(), changed(stored)
    with pytest.raises(keras_npy.NpyFileError):
        model.fit(seq, validation_data=seq, verbose=0)
    history = model.fit(stored.sequence(), validation_data=stored.sequence(), verbose=0)
    assert {"loss", "val_loss"} == set(history.history)


@only_on("tensorflow", reason="other backends read through NumPy")
@validates_on_training_rows
def test_fit_on_tensorflow_makes_no_pool_for_numpy(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would use it."""

    def refuse(*arguments: Any) -> None:
        raise AssertionError("a pool was made")

    monkeypatch.setattr("keras_npy.feeds.numpy.make_pool", refuse)
    make_model().fit(stored.sequence(), validation_data=stored.sequence(), verbose=0)
    assert "tensorflow" == BACKEND
