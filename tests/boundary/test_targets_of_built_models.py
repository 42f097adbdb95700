"""Targets of models that `fit` builds: when, depends on the backend."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from tests.conftest import BACKEND, only_on

X = np.arange(24, dtype="float32").reshape(6, 4) / 24
CLASSES = np.arange(6) % 3


def test_a_model_that_fit_builds_costs_a_second_look_only_where_outputs_matter() -> None:
    """Each look maps a batch."""
    calls = []

    def counting(x: Any, y: Any) -> Any:
        calls.append(len(x))
        return x, y

    found = []
    for loss in ("mse", "bce", "sparse_categorical_crossentropy"):
        model = keras.Sequential([keras.layers.Dense(3 if loss[0] == "s" else 1)])
        model.compile("sgd", loss, run_eagerly=True)
        seq = NpySequence(X, CLASSES % 2, batch_size=6, shuffle=False).map(counting)
        calls.clear()
        model.fit(seq, verbose=0)
        found.append(len(calls))
    # TensorFlow builds such a model in its first step, when the epoch has begun.
    num_looks = 1 if BACKEND == "tensorflow" else 2
    assert [found[0], found[0] + 1, found[0] + num_looks] == found


class Own(keras.Model):
    """A model of the user's own class."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3, activity_regularizer="l2")

    def call(self, x: Any) -> Any:
        return {"a": self.dense(x), "b": self.dense(x)}


@only_on("jax", reason="it refuses such class numbers")
@pytest.mark.parametrize(
    "make", [Own, lambda: keras.Sequential([keras.layers.Dense(3)])], ids=["class", "sequential"]
)
def test_fit_warns_of_class_numbers_for_a_model_that_it_builds(make: Any) -> None:
    """Its number of outputs is known before the first step, and again in the next call."""
    is_dict = make is Own
    for y, is_warned in ((CLASSES, False), (CLASSES + 1, True)):
        model = make()
        model.compile(
            "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
        )
        for _ in range(2):
            seq = NpySequence(X, {"a": CLASSES, "b": y} if is_dict else y)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(seq, verbose=0)
            found = [w.filename for w in caught if "from 1 to 3 in all 6" in str(w.message)]
            assert [__file__] * is_warned == found
