"""`class_weight` as weights of samples: those that Keras computes from arrays."""

import collections
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import open_rows
from keras_npy.rows.labels import ClassWeightRows
from tests.conftest import peak_bytes_of

FLOAT32 = np.dtype("float32")
WEIGHTS = {0: 0.5, 1: 2.0, 3: 8.0}


def weights(y: Any, class_weight: Any = None, dtype: np.dtype[Any] = FLOAT32) -> ClassWeightRows:
    class_weight = WEIGHTS if class_weight is None else class_weight
    return ClassWeightRows(open_rows(np.asarray(y)), class_weight, dtype)


# The right-hand sides are what Keras's own class_weight_to_sample_weights gives (Keras 3.15):
# argmax over a last axis of more than one value, else its only value; np.round; 1 if unnamed.
@pytest.mark.parametrize(
    ("expected", "y"),
    [
        pytest.param([0.5, 2, 1, 8], [0, 1, 2, 3], id="integers"),
        pytest.param([0.5, 2, 1, 8], np.array([0, 1, 2, 3], "uint8"), id="uint8"),
        pytest.param([0.5, 2, 1, 8], np.array([0, 1, 2, 3], ">i2"), id="big-endian"),
        pytest.param([8, 0.5], [[3], [0]], id="column"),
        pytest.param([2, 0.5, 2], [True, False, True], id="booleans"),
        pytest.param([2, 0.5], [[True], [False]], id="column-of-booleans"),
        pytest.param([8, 0.5, 1], [3.0, 0.0, 2.0], id="floats"),
        pytest.param([2, 1, 8, 2], [0.6, 2.4, 2.6, 1.49], id="floats-rounded"),
        pytest.param([0.5, 1, 1, 1], [0.5, 1.5, 2.5, 3.5], id="halves-rounded-to-even"),
        pytest.param([0.5, 0.5, 1], [-0.4, -0.5, -0.6], id="negative-floats"),
        pytest.param([2, 8, 0.5], np.eye(4, dtype=int)[[1, 3, 0]], id="one-hot"),
        pytest.param([2, 8, 0.5], np.eye(4, dtype=bool)[[1, 3, 0]], id="one-hot-of-booleans"),
        pytest.param([2, 8], [[0.1, 0.6, 0.3, 0.0], [0.2, 0.2, 0.2, 0.4]], id="probabilities"),
        pytest.param([0.5, 2], [[5, 5, 5], [0, 7, 7]], id="first-of-equals"),
        pytest.param([1, 1, 1], [-1, 4, 2**40], id="unnamed-classes"),
    ],
)
def test_take_labels_of_each_kind_are_weighted_as_keras_weights_them(
    expected: list[float], y: Any
) -> None:
    """Labels as integers, floats, columns or one-hot rows give the weights of their classes."""
    rows = weights(y)
    taken = rows[:]
    assert ((len(expected),), FLOAT32) == (rows.shape, rows.dtype)
    assert FLOAT32 == taken.dtype
    assert expected == taken.tolist()


@pytest.mark.parametrize(
    ("expected", "class_weight"),
    [
        pytest.param([1, 1, 1], {}, id="none"),
        pytest.param([1, 3, 1], {1: 3}, id="one"),
        pytest.param([5, 3, 4], {2: 4, 0: 5, 1: 3}, id="unsorted"),
        pytest.param([5, 1, 4], {np.int64(2): 4.0, np.uint8(0): np.float32(5)}, id="numpy"),
        pytest.param([1, 1, 0], {2: 0}, id="zero"),
        pytest.param([5, 4, 3], {0.0: 5, np.float32(1): 4, 2.0: 3}, id="whole-floats"),
        pytest.param([5, 4, 1], {False: 5, np.True_: 4}, id="booleans"),
        pytest.param(
            [0.5, 2, 3], {0: "0.5", 1: np.array(2.0), 2: Fraction(3)}, id="what-float-takes"
        ),
        pytest.param(
            [3, 4, 5],
            dict(zip(np.unique([2.0, 0.0, 1.0]), [3, 4, 5], strict=True)),
            id="of-np-unique",
        ),
        pytest.param([1, 1, 7], {-1: 5, 2: 7, 9: 6}, id="others-around"),
        pytest.param([1, 1, 1], {-7: 5, 99: 6}, id="others-alone"),
    ],
)
def test_take_class_weight_of_each_kind_is_looked_up(
    expected: list[float], class_weight: Any
) -> None:
    """Each class has the weight that is named for it, or else 1."""
    assert expected == weights([0, 1, 2], class_weight)[:].tolist()


def test_take_negative_class_is_a_class() -> None:
    """Labels of -1 and 1 are classes of their own."""
    assert [3, 4, 3] == weights([-1, 1, -1], {-1: 3, 1: 4})[:].tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_take_weights_have_the_dtype_asked_for(dtype: str) -> None:
    """Weights come in the float type of the model, rounded once."""
    taken = weights([1, 0], {0: 0.1, 1: 1 / 3}, np.dtype(dtype))[:]
    np.testing.assert_array_equal(np.array([1 / 3, 0.1], dtype), taken)
    assert np.dtype(dtype) == taken.dtype


def test_take_indices_are_rows_of_the_labels(tmp_path: Path) -> None:
    """Weights are read with the rows of a batch, in its order, out of a file too."""
    labels = np.arange(100) % 4
    np.save(tmp_path / "y.npy", labels)
    rows = ClassWeightRows(open_rows(tmp_path / "y.npy"), WEIGHTS, FLOAT32)
    indices = np.array([99, 0, 50, 0, 1])
    out = np.full(5, np.nan, "float32")
    rows.read_into(indices, out)
    assert [8, 0.5, 1, 0.5, 2] == out.tolist()
    assert [8, 0.5, 1, 0.5, 2] == rows.take(indices).tolist()
    assert 100 == len(rows)
    assert f"class_weight of {tmp_path / 'y.npy'}" == rows.name


MASK = np.arange(3 * 4 * 5).reshape(3, 4, 5) % 5


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(MASK.astype("uint8"), id="uint8"),
        pytest.param(MASK[..., None].astype("uint8"), id="channel"),
        pytest.param(MASK.astype("int16"), id="int16"),
        pytest.param(MASK - 1, id="negative"),
        pytest.param(MASK.astype("float32"), id="float32"),
        pytest.param(MASK > 2, id="bool"),
        pytest.param(MASK.reshape(3, 2, 2, 5).astype("uint8"), id="volume"),
        pytest.param(MASK.reshape(3, 4, 5, 1, 1).astype("int8"), id="channel-of-a-volume"),
        pytest.param(MASK * 60, id="far-apart"),
        pytest.param(MASK[0, :, :, None], id="steps"),
        pytest.param(MASK[0, :, :, None].astype("float32"), id="steps-of-floats"),
        pytest.param(MASK[0, :, :1, None], id="one-step"),
        pytest.param(MASK[:, :1] * 0, id="empty"),
    ],
)
def test_masks_have_a_weight_for_each_pixel(mask: np.ndarray) -> None:
    """That of its class; of a last axis of one value, that value."""
    rows = weights(mask)
    pixels = mask[..., 0] if mask.shape[-1] == 1 else mask
    expected = np.ones(pixels.shape, "float32")
    for number, weight in WEIGHTS.items():
        expected[pixels == number] = weight
    np.testing.assert_array_equal(expected, rows[:], strict=True)
    np.testing.assert_array_equal(expected[[2, 0]], rows[[2, 0]])


def test_masks_that_are_one_hot_are_refused() -> None:
    """Each of their values would count as a class number; the remedy is followed."""
    one_hot = np.eye(5, dtype="uint8")[MASK]
    with pytest.raises(ValueError, match=r"one-hot masks, uint8 \(b, 4, 5, 5\).*argmax\(-1\)"):
        weights(one_hot)[:]
    np.testing.assert_array_equal(weights(MASK)[:], weights(one_hot.argmax(-1))[:])


@pytest.mark.parametrize(
    "class_weight",
    [
        pytest.param({"cat": 1.0}, id="names"),
        pytest.param({0: 1.0, 1.5: 2.0}, id="halves"),
        pytest.param({0: float("nan")}, id="nan"),
        pytest.param({0: "much"}, id="words-for-weights"),
        pytest.param({0: None}, id="none-for-a-weight"),
        pytest.param({float("inf"): 1.0}, id="infinite"),
        pytest.param({2**63: 1.0}, id="too-large"),
        pytest.param({"1": 1.0}, id="digits"),
        pytest.param({None: 1.0}, id="none"),
        pytest.param({(0, 1): 1.0}, id="tuples"),
        pytest.param(np.array([1.0, 2.0]), id="array-of-weights"),
    ],
)
def test_class_weight_that_cannot_be_looked_up_is_refused(class_weight: Any) -> None:
    """Only class numbers can be found in labels."""
    received = re.escape(str(class_weight))
    message = rf"dict of class number to finite weight.*Received: {received}.*integers that y holds"
    with pytest.raises(ValueError, match=message):
        weights([0, 1], class_weight)


class Series(collections.UserDict[int, float]):
    """As a Series of pandas, this has items, is no dict, and is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a Series is ambiguous.")


def test_class_weight_of_another_kind_is_looked_up_or_its_remedy_is() -> None:
    """Keras looks up in whatever has items; a list of weights is numbered."""
    of_classes = [1.0, 3.0]
    np.testing.assert_array_equal([3, 1], weights([1, 0], Series(enumerate(of_classes)))[:])
    with pytest.raises(ValueError, match=r"dict\(enumerate\(class_weight\)\)"):
        weights([1, 0], of_classes)
    np.testing.assert_array_equal([3, 1], weights([1, 0], dict(enumerate(of_classes)))[:])


def test_weights_of_one_hot_labels_are_read_into_memory_used_again() -> None:
    """A batch of labels is many times larger than its weights, and takes no memory of its own."""
    rows = weights(np.eye(1000, dtype="float32")[np.arange(2000) % 4], WEIGHTS)
    indices, out = np.arange(300), np.empty(300, "float32")
    rows.read_into(indices, out)
    assert 300 * 1000 > peak_bytes_of(lambda: rows.read_into(indices, out))
