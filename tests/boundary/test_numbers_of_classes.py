"""Targets of as many numbers as the model has outputs, and what `evaluate` says of targets."""

import contextlib
import re
import warnings
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.targets import warn_of_targets

X = np.arange(24, dtype="float32").reshape(6, 4) / 24


def said_of(seq: NpySequence, model: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_targets(seq, model)
    return [str(one.message) for one in caught]


def model_of(units: int, loss: Any, num_pixels: int = 0) -> keras.Model:
    layers: list[Any] = [keras.Input((4,)), keras.layers.Dense(units * max(num_pixels, 1))]
    if num_pixels:
        layers.append(keras.layers.Reshape((num_pixels, units)))
    model = keras.Sequential(layers)
    model.compile("sgd", loss, run_eagerly=True)
    return model


SPARSE = "sparse_categorical_crossentropy"
GREY = np.array([[0, 127, 255]] * 6, "uint8")


@pytest.mark.parametrize(
    ("y", "units", "numbers"),
    [
        pytest.param(GREY, 3, [0, 127, 255], id="grey-masks"),
        pytest.param(GREY.astype("float32"), 3, [0, 127, 255], id="floats"),
        pytest.param({"o": GREY}, 3, [0, 127, 255], id="dict"),
        pytest.param(GREY // 255 * 255, 2, [0, 255], id="two"),
        pytest.param(np.array([-1, 1, -1, 1, 1, 1]), 2, [-1, 1], id="signs"),
        pytest.param(np.array([1, 3, 7, 1, 3, 7]), 3, [1, 3, 7], id="gaps"),
        pytest.param(np.array([0, 1, 2, 4, 0, 1], "int8"), 4, [0, 1, 2, 4], id="one-lacks"),
    ],
)
def test_as_many_numbers_as_outputs_are_numbered_by_the_remedy(
    y: Any, units: int, numbers: list[int]
) -> None:
    """Of stored targets, and of those that map returns."""
    labels = y["o"] if isinstance(y, dict) else y
    num_pixels = 3 if labels.ndim == 2 else 0
    stored = NpySequence(X, y, batch_size=6)
    for seq in (stored, stored.map(lambda x, y: (x, y))):
        model = model_of(units, SPARSE, num_pixels)
        (said,) = said_of(seq, model)
        found = re.search(
            rf"If these are the {units} classes, .*?pass (seq\.map\(.*?\)\)+)\.", said
        )
        assert found is not None
        assert f"np.searchsorted({numbers}, y" in found[1]
        ended = eval(found[1], {"seq": seq, "np": np})
        assert [] == said_of(ended, model)
        got = ended[0][1]
        got = got["o"] if isinstance(y, dict) else got
        np.testing.assert_array_equal(np.array(numbers)[got], labels)
        # To leave out every row is no advice.
        is_right = ((labels >= 0) & (labels < units)).reshape(6, -1).all(axis=1).any()
        assert is_right == ("leave rows" in said.lower())


@pytest.mark.parametrize(
    ("y", "units"),
    [
        pytest.param(GREY, 2, id="more-numbers"),
        pytest.param(GREY, 5, id="fewer"),
        pytest.param(np.arange(1, 7), 6, id="from-1"),
        pytest.param(np.repeat(np.arange(30), 2)[None] * 2, 30, id="too-many-for-a-line"),
    ],
)
def test_other_numbers_are_not_called_the_classes(y: Any, units: int) -> None:
    """They would be numbered wrongly, or from 1."""
    num_pixels = y.shape[1] if y.ndim == 2 else 0
    seq = NpySequence(X[: len(y)], y)
    (said,) = said_of(seq, model_of(units, SPARSE, num_pixels))
    assert "searchsorted" not in said


@pytest.mark.parametrize(
    ("y", "units", "loss", "message"),
    [
        pytest.param(GREY[:, 1:], 2, "binary_crossentropy", "takes targets from 0 to 1", id="bce"),
        pytest.param(GREY[:, 2], 2, SPARSE, "class numbers count from 0", id="sparse"),
        pytest.param(GREY[:, 1:] // 127, 2, "mse", "", id="mse"),
        pytest.param(GREY[:, 1:] > 200, 2, "binary_crossentropy", "", id="right"),
    ],
)
@pytest.mark.parametrize("is_mapped", [False, True])
def test_evaluate_warns_of_targets_once(
    y: Any, units: int, loss: str, message: str, is_mapped: bool
) -> None:
    """Also of those that a function returns, which is called for it once, for all epochs."""
    calls = []

    def counted(x: Any, y: Any) -> Any:
        calls.append(len(x))
        return x, y

    seq = NpySequence(X, y, batch_size=6)
    seq = seq.map(counted) if is_mapped else seq
    model = model_of(units, loss)
    num_made, ends = len(calls), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            # TensorFlow and torch refuse such class numbers.
            with contextlib.suppress(Exception if message else ()):
                model.evaluate(seq, verbose=0)
            ends.append(len(calls))
    # torch warns of NumPy.
    said = [str(one.message) for one in caught if "Received: " in str(one.message)]
    found = [one for one in said if message and message in one]
    assert (1 if message else 0) == len(found) == len(said)
    # Only the first time a batch more is made.
    first, second, third = np.diff([num_made, *ends]).tolist()
    assert second == third
    assert first >= second + (is_mapped and loss != "mse")


def test_evaluate_warns_once_the_model_is_built_and_after_another_compile() -> None:
    """An unbuilt model has no outputs yet, and with another loss targets may be others."""
    seq = NpySequence(np.zeros((6, 4), "float32"), np.arange(6) % 3 + 1)
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])

    def said() -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # TensorFlow refuses class 3 of 3 on a CPU.
            with contextlib.suppress(Exception):
                model.evaluate(seq, verbose=0)
        return sum("outputs" in str(one.message) for one in caught)

    model.compile(loss="sparse_categorical_crossentropy")
    assert [0, 1, 0] == [said() for _ in range(3)]
    model.compile(loss="mse")
    seq = NpySequence(np.zeros((6, 4), "float32"), np.arange(6) % 3 + 1)
    assert [0, 0] == [said() for _ in range(2)]
    model.compile(loss="sparse_categorical_crossentropy")
    assert [1, 0] == [said() for _ in range(2)]
