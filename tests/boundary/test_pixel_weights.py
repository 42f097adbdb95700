"""Weights of one-hot pixels and steps: what `fit` refuses, and what trains instead.

Models trained on arrays, with a weight for each pixel, are the oracle.
"""

import re
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from tests.conftest import assert_same_weights


def make_classifier_of_pixels(loss: Any, sample_shape: tuple[int, ...], axis: int) -> keras.Model:
    """Three scores for each pixel, or for each step, in the axis of the classes."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input(sample_shape), keras.layers.Dense(3, activation="softmax")]
    if axis == 1:
        layers.append(keras.layers.Permute((len(sample_shape), *range(1, len(sample_shape)))))
    model = keras.Sequential(layers)
    model.compile("sgd", loss, run_eagerly=True)
    return model


@pytest.mark.parametrize("argument", ["class_weight", "sample_weight"])
@pytest.mark.parametrize(
    ("loss", "shape", "axis"),
    [
        pytest.param("categorical_crossentropy", (2, 4, 1), -1, id="pixels"),
        pytest.param("crossentropy", (2, 4, 1), -1, id="any-crossentropy"),
        pytest.param(keras.losses.CategoricalFocalCrossentropy(), (5, 1), -1, id="focal-steps"),
        pytest.param("categorical_hinge", (2, 2, 3, 1), -1, id="hinge-volumes"),
        pytest.param(keras.losses.KLDivergence(), (5, 1), -1, id="divergence"),
        pytest.param(
            keras.losses.CategoricalCrossentropy(axis=1), (2, 4, 1), 1, id="channels-first"
        ),
    ],
)
def test_fit_weights_of_one_hot_pixels_have_a_remedy_that_trains(
    loss: Any, shape: tuple[int, ...], axis: int, argument: str
) -> None:
    """It weighs each pixel as its class. With a last axis of 1, the loss would be 0."""
    random = np.random.default_rng(0)
    x = random.random((12, *shape)).astype("float32")
    classes = random.integers(0, 3, (12, *shape[:-1]))
    y = np.moveaxis(np.eye(3, dtype="float32")[classes], -1, axis)
    table = np.array([1.0, 4.0, 0.5])
    of_values = np.moveaxis(np.broadcast_to(table, (*classes.shape, 3)), -1, axis)
    is_by_class = argument == "class_weight"
    seq = NpySequence(x, y, None if is_by_class else of_values.astype("float32"), batch_size=6)
    how: Any = {"verbose": 0, "shuffle": False}
    by_class = {"class_weight": {1: 4.0, 2: 0.5}} if is_by_class else {}
    with pytest.raises(ValueError, match=rf"{argument} for one-hot labels.*: seq\.map") as caught:
        make_classifier_of_pixels(loss, shape, axis).fit(seq, **how, **by_class)
    found = re.search(r"seq\.map\(.*\)\)(?=, in the order|\.$)", str(caught.value))
    assert found is not None
    model, expected = (make_classifier_of_pixels(loss, shape, axis) for _ in range(2))
    model.fit(eval(found[0], {"seq": seq, "np": np}), **how)
    expected.fit(x, y, sample_weight=table[classes].astype("float32"), batch_size=6, **how)
    assert_same_weights(expected, model)
    # A weight for each pixel is what the loss takes.
    each = NpySequence(x, y, table[classes].astype("float32"), batch_size=6)
    make_classifier_of_pixels(loss, shape, axis).fit(each, **how)


@pytest.mark.parametrize("how", ["stored", "mapped"])
def test_fit_class_weight_of_one_hot_masks_with_a_mean_over_classes_weighs_pixels(how: str) -> None:
    """With a last axis of 1, values would weigh as 0 or 1, and no pixel as class 2."""
    x = np.random.default_rng(0).random((12, 4, 1)).astype("float32")
    classes = np.arange(48).reshape(12, 4) % 3
    y = np.eye(3, dtype="float32")[classes]
    seq = NpySequence(x, y if how == "stored" else y / 2, batch_size=6)
    seq = seq if how == "stored" else seq.map(lambda x, y: (x, y * 2))
    with pytest.raises(ValueError, match=r"class_weight for one-hot labels") as caught:
        make_classifier_of_pixels("bce", (4, 1), -1).fit(seq, class_weight={1: 4.0, 2: 0.5})
    found = re.search(r"seq\.map\(.*\)\)(?=, in the order)", str(caught.value))
    assert found is not None
    model, expected = (make_classifier_of_pixels("bce", (4, 1), -1) for _ in range(2))
    model.fit(eval(found[0], {"seq": seq, "np": np}), verbose=0, shuffle=False)
    weights = np.array([1.0, 4.0, 0.5])[classes]
    expected.fit(x, y, sample_weight=weights, batch_size=6, verbose=0, shuffle=False)
    assert_same_weights(expected, model)


def test_fit_class_weight_of_0_and_1_for_masks_with_one_1_a_line_names_both_readings() -> None:
    """They are masks of two classes, or one-hot: only the user knows."""
    x = np.random.default_rng(0).random((12, 4, 1)).astype("float32")
    classes = np.arange(48).reshape(12, 4) % 3
    y = np.eye(3, dtype="float32")[classes]
    seq = NpySequence(x, y, batch_size=6)
    with pytest.raises(ValueError, match=r"with a last axis of 1.*If the last axis") as caught:
        make_classifier_of_pixels("bce", (4, 1), -1).fit(seq, class_weight={0: 1.0, 1: 4.0})
    as_mask, as_classes = re.findall(r"seq\.map\(.*?\)\)(?=, and|\.)", str(caught.value))
    of_classes = eval(as_classes, {"seq": seq, "np": np})
    how: Any = {"verbose": 0, "shuffle": False}
    model, expected = (make_classifier_of_pixels("bce", (4, 1), -1) for _ in range(2))
    model.fit(of_classes, **how)
    expected.fit(x, y, sample_weight=np.array([1, 4, 1])[classes], batch_size=6, **how)
    assert_same_weights(expected, model)
    assert eval(as_mask, {"seq": seq})[0][1].shape == (6, 4, 3, 1)
