"""`class_weight` that meets other labels than it seems to."""

import re
import warnings
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence, windows
from keras_npy.boundary.class_weight import warn_of_class_weight
from tests.conftest import BACKEND

X = np.arange(24, dtype="float32").reshape(6, 4) / 24
CLASSES = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3, dtype="int32")[CLASSES]
MASK = np.array([0, 0, 255, 0, 255, 0], "uint8")


@pytest.mark.parametrize(
    ("y", "class_weight", "is_warned"),
    [
        pytest.param(CLASSES + 5, {0: 1.0, 1: 2.0, 2: 3.0}, True, id="none"),
        pytest.param(ONE_HOT, {3: 2.0}, True, id="one-hot"),
        pytest.param(MASK[:, None, None], {1: 9.0}, True, id="mask"),
        pytest.param(CLASSES + 2, {0: 1.0, 1: 2.0, 2: 3.0}, False, id="one-of-three"),
        pytest.param(CLASSES + 0.4, {0: 2.0}, False, id="rounded"),
        pytest.param(ONE_HOT, {2: 2.0}, False, id="one-hot-right"),
        pytest.param(np.full(6, np.nan), {7: 1.0}, False, id="nan"),
    ],
)
def test_fit_warns_of_class_weight_that_no_label_has(
    y: Any, class_weight: Any, is_warned: bool
) -> None:
    """Once; with the keys that it names, it is gone."""
    seq = NpySequence(X, y, batch_size=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_class_weight(seq, None, class_weight)
        warn_of_class_weight(seq, None, class_weight)
        if is_warned:
            warn_of_class_weight(NpySequence(X, y), None, dict.fromkeys(np.unique(y).tolist(), 2.0))
    message = (
        r"class_weight needs the class numbers .*no class of .* in all 6 rows.*np\.unique\(seq"
    )
    found = [bool(re.search(message, str(warning.message))) for warning in caught]
    assert [True] * is_warned == found


def test_fit_hands_over_its_class_weight() -> None:
    """The warning points at the line of `fit`."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.warns(UserWarning, match="no class of 7") as caught:
        model.fit(NpySequence(X, CLASSES), class_weight={7: 1.0}, verbose=0)
    # torch warns of more.
    found = [warning.filename for warning in caught if "no class of 7" in str(warning.message)]
    assert [__file__] == found


def model_of(shape: tuple[int, ...], units: int, loss: Any, *, is_built: bool = True) -> Any:
    """A dense layer that begins with the same weights each time."""
    keras.utils.set_random_seed(1)
    kind = "sigmoid" if loss == "bce" else None
    layers = [keras.layers.Dense(units, activation=kind)]
    model = keras.Sequential([keras.Input(shape), *layers] if is_built else layers)
    # Eager, so that nothing is compiled.
    model.compile("sgd", loss, run_eagerly=True)
    return model


def trained(model: Any, x: Any, y: Any = None, **how: Any) -> list[Any]:
    model.fit(x, y, verbose=0, shuffle=False, **how)
    return [keras.ops.convert_to_numpy(variable.value) for variable in model.weights]


def assert_same(expected: list[Any], weights: list[Any]) -> None:
    for one, other in zip(expected, weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


SPARSE = keras.losses.SparseCategoricalCrossentropy
FROM_0, FROM_1 = {0: 1.0, 1: 2.0, 2: 30.0}, {1: 1.0, 2: 2.0, 3: 30.0}

SHIFTED = [
    pytest.param(CLASSES + 1, FROM_0, 4, "keys from 0 to 2, and labels from 1 to 3", id="from-0"),
    pytest.param((CLASSES + 1)[:, None].astype("uint8"), FROM_0, 4, "label 3 weighs 1", id="n-1"),
    pytest.param(np.eye(4)[CLASSES + 1], FROM_0, 4, "label 3 weighs 1, and each", id="one-hot"),
    pytest.param(CLASSES + 1.0, FROM_0, 4, "labels from 1 to 3 in all 6 rows", id="floats"),
    pytest.param(CLASSES, FROM_1, 3, "keys from 1 to 3, and labels from 0 to 2", id="from-1"),
    pytest.param(ONE_HOT, FROM_1, 3, "label 0 weighs 1, and each", id="one-hot-from-1"),
    pytest.param(CLASSES % 2, {1: 1.0, 2: 9.0}, 1, "keys from 1 to 2, and labels", id="binary"),
]


def loss_for(y: Any, units: int) -> Any:
    if units == 1:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    is_wide = y.ndim == 2 and y.shape[1] > 1
    return keras.losses.CategoricalCrossentropy(from_logits=True) if is_wide else SPARSE(True)


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "built-by-fit"])
@pytest.mark.parametrize(("y", "class_weight", "units", "message"), SHIFTED)
def test_fit_warns_of_class_weight_that_counts_otherwise_than_labels(
    y: Any, class_weight: dict[int, float], units: int, message: str, is_built: bool
) -> None:
    """The remedy gives each class the weight that was meant; values are those of Keras."""
    if BACKEND == "tensorflow" and not is_built and y.max() < max(class_weight) and y.ndim == 1:
        pytest.skip("TensorFlow builds the model, and finds its outputs, in the first step")
    loss = loss_for(y, units)
    seq = NpySequence(X, y, batch_size=3)
    with pytest.warns(UserWarning, match=message) as caught:
        weights = trained(
            model_of((4,), units, loss, is_built=is_built), seq, class_weight=class_weight
        )
    if is_built:
        expected = trained(
            model_of((4,), units, loss), X, y, batch_size=3, class_weight=class_weight
        )
        assert_same(expected, weights)
    said = next(str(one.message) for one in caught if "class_weight" in str(one.message))
    found = re.search(r"Pass class_weight=(\{.*?\})(?:\.$|; if the model has)", said)
    assert found is not None
    meant = eval(found[1], {"class_weight": class_weight})
    labels = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.astype(int).ravel()
    assert sorted(meant) == np.unique(labels).tolist()
    assert list(class_weight.values()) == list(meant.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_class_weight(NpySequence(X, y), model_of((4,), units, loss), meant)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
@pytest.mark.parametrize("units", [3, 4])
def test_labels_from_1_of_a_model_without_outputs_yet_have_both_remedies(
    dtype: str, units: int
) -> None:
    """TensorFlow builds it later: with 3 outputs the labels are wrong, with 4 the keys."""
    y = (CLASSES + 1).astype(dtype)
    seq = NpySequence(X, y)
    with pytest.warns(UserWarning, match="keys from 0 to 2, and labels from 1 to 3") as caught:
        warn_of_class_weight(seq, model_of((4,), units, SPARSE(True), is_built=False), FROM_0)
    keys, labels = re.findall(
        r"Pass class_weight=(\{.*\}); if the model has 3 outputs, .* pass (seq.*)\.$",
        str(caught[0].message),
    )[0]
    meant, mended = FROM_0, seq
    if units == 3:
        mended = eval(labels, {"seq": seq})
        assert (y.astype(int) - 1).tolist() == mended[0][1].astype(int).tolist()
    else:
        meant = eval(keys, {"class_weight": FROM_0})
        assert FROM_1 == meant
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_class_weight(mended, model_of((4,), units, SPARSE(True)), meant)


RIGHT = [
    pytest.param(CLASSES, FROM_0, 3, id="right"),
    pytest.param(CLASSES + 1, FROM_1, 4, id="right-from-1"),
    pytest.param(CLASSES, {1: 2.0, 2: 30.0}, 3, id="background-weighs-1"),
    pytest.param(CLASSES, FROM_1, 4, id="a-class-without-rows"),
    pytest.param(np.eye(4)[CLASSES], FROM_1, 4, id="a-class-without-rows-one-hot"),
    pytest.param(CLASSES % 2, {1: 5.0}, 1, id="positives"),
    pytest.param(CLASSES % 2, FROM_0, 1, id="a-key-more"),
    pytest.param(CLASSES + 1, {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}, 4, id="a-key-for-0"),
    pytest.param(np.array([1, 2, 2, 1, 1, 2]), FROM_0, 4, id="two-of-three"),
    # fit warns of these labels themselves.
    pytest.param(CLASSES + 1, FROM_0, 3, id="labels-out-of-range"),
]


@pytest.mark.parametrize(("y", "class_weight", "units"), RIGHT)
def test_class_weight_for_labels_says_nothing(y: Any, class_weight: Any, units: int) -> None:
    """Classes may have no weight, or no rows."""
    model = model_of((4,), units, loss_for(y, units))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_class_weight(NpySequence(X, y), model, class_weight)


def test_class_files_are_numbered_from_0() -> None:
    """Their names say how many classes there are, also without a model."""
    seq = NpySequence.from_class_files({"a": X, "b": X + 1})
    with pytest.warns(UserWarning, match="keys from 1 to 2, and labels from 0 to 1 in all 12"):
        NpyDataAdapter(seq, class_weight={1: 1.0, 2: 2.0})


def test_masks_that_count_from_1_are_named_from_all_over() -> None:
    """Of many labels some are looked at, and all if that is quick."""
    y = np.ones((2000, 64, 64), "uint8")
    y[::7] = 2
    seq = NpySequence(np.zeros((2000, 64, 64, 1), "uint8"), y)
    model = model_of((64, 64, 1), 3, SPARSE(True))
    with pytest.warns(UserWarning, match=r"labels from 1 to 2 in (all|\d+ of) 2000 rows"):
        warn_of_class_weight(seq, model, {0: 1.0, 1: 2.0})


STEPS = (np.random.default_rng(0).random((6, 5)) > 0.5).astype("float32")
STEPS_X = np.random.default_rng(1).random((6, 5, 2)).astype("float32")
EVENTS = np.eye(5, dtype="uint8")[[0, 1, 2, 3, 4, 0]]

BINARY_STEPS = [
    pytest.param(STEPS, id="floats"),
    pytest.param(STEPS.astype(bool), id="booleans"),
    pytest.param(STEPS.astype("int32"), id="integers"),
    pytest.param(EVENTS, id="one-event-in-each-row"),
    pytest.param(EVENTS * np.array([1, 1, 0, 1, 1, 1], "uint8")[:, None], id="one-or-none"),
]


@pytest.mark.parametrize("loss", ["bce", keras.losses.MeanSquaredError()], ids=["bce", "mse"])
@pytest.mark.parametrize("y", BINARY_STEPS)
def test_fit_warns_of_class_weight_for_steps_and_the_remedy_weighs_each(
    y: np.ndarray, loss: Any
) -> None:
    """Keras takes a row of labels for a one-hot one, and gives it one weight."""
    weights = {0: 1.0, 1: 50.0}
    seq = NpySequence(STEPS_X, y, batch_size=6)
    with pytest.warns(UserWarning, match=r"weight, and none of its own to each step") as caught:
        as_keras = trained(model_of((5, 2), 1, loss), seq, class_weight=weights)
    how: dict[str, Any] = {"class_weight": weights, "batch_size": 6}
    assert_same(trained(model_of((5, 2), 1, loss), STEPS_X, y, **how), as_keras)
    said = next(str(one.message) for one in caught if "class_weight" in str(one.message))
    found = re.search(r"seq\.map\(.*\)(?=, in the order)", said)
    assert found is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*class_weight")
        ended = trained(model_of((5, 2), 1, loss), eval(found[0], {"seq": seq, "np": np}))
    each = np.where(y > 0, 50.0, 1.0)
    how = {"sample_weight": each, "batch_size": 6}
    assert_same(trained(model_of((5, 2), 1, loss), STEPS_X, y[..., None], **how), ended)


def test_fit_of_a_model_that_it_builds_warns_of_steps_too() -> None:
    """TensorFlow does so only in the first step: the warning then names both remedies."""
    seq, weights = NpySequence(STEPS_X, STEPS, batch_size=6), {0: 1.0, 1: 50.0}
    with pytest.warns(UserWarning, match="class_weight gives each row") as caught:
        trained(model_of((5, 2), 1, "bce", is_built=False), seq, class_weight=weights)
    (said,) = (str(one.message) for one in caught if "class_weight" in str(one.message))
    found = re.search(r"seq\.map\(lambda x, y: \(x, y\[\.\.\., None.*\)(?=, in the order)", said)
    assert found is not None
    weighed = eval(found[0], {"seq": seq, "np": np})
    assert np.where(STEPS > 0, 50.0, 1.0).tolist() == weighed[0][2].tolist()


def test_class_weight_for_labels_of_steps_in_columns_weighs_each_step() -> None:
    """Keras refuses them in arrays; a mask has a weight for each pixel, too."""
    y = np.arange(30).reshape(6, 5, 1) % 3
    weights = np.array([1.0, 2.0, 30.0])
    seq = NpySequence(STEPS_X, y, batch_size=3)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*class_weight")
        by_class = trained(
            model_of((5, 2), 3, SPARSE(True)), seq, class_weight=dict(enumerate(weights))
        )
    how = {"sample_weight": weights[y[..., 0]], "batch_size": 3}
    assert_same(trained(model_of((5, 2), 3, SPARSE(True)), STEPS_X, y, **how), by_class)


MULTI_HOT = np.array([[1, 1], [0, 0], [0, 1], [1, 0], [1, 1], [0, 0]], "float32")


@pytest.mark.parametrize("how", ["stored", "mapped"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool"])
def test_fit_warns_of_class_weight_for_several_labels_and_the_remedy_weighs_all(
    dtype: str, how: str
) -> None:
    """Values are those of Keras: such a row weighs as its first label, and one of none as 0."""
    weights, y = {0: 0.5, 1: 50.0}, MULTI_HOT.astype(dtype)
    seq = NpySequence(X, y if how == "stored" else y[:, ::-1], batch_size=6)
    if how == "mapped":
        seq = seq.map(lambda x, y: (x, y[:, ::-1]))
    message = r"of which 4 of (all|a batch of) 6 rows.* hold it more than once, as rows of several"
    with pytest.warns(UserWarning, match=message) as caught:
        as_keras = trained(model_of((4,), 2, "bce"), seq, class_weight=weights)
    expected = trained(model_of((4,), 2, "bce"), X, y, class_weight=weights, batch_size=6)
    assert_same(expected, as_keras)
    said = next(str(one.message) for one in caught if "class_weight" in str(one.message))
    found = re.search(r"seq\.map\(.*\)(?=\.$)", said)
    assert found is not None
    weighed = eval(found[0], {"seq": seq, "np": np})
    assert [50, 1, 50, 0.5, 50, 1] == weighed[0][2].tolist()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*class_weight")
        trained(model_of((4,), 2, "bce"), weighed)


ONE_OF_THREE = [
    pytest.param(ONE_HOT, "bce", id="one-hot"),
    pytest.param(ONE_HOT * 2 - 1, "mse", id="one-hot-of-minus-1"),
    pytest.param(ONE_HOT.astype("uint8") * 255, "mse", id="one-hot-of-255"),
    pytest.param(np.full((6, 3), 1 / 3, "float32"), "categorical_crossentropy", id="soft"),
    pytest.param(ONE_HOT * 0.9 + 0.05, "bce", id="smoothed"),
    pytest.param(
        ONE_HOT * (CLASSES != 1)[:, None], "categorical_crossentropy", id="rows-without-label"
    ),
]


@pytest.mark.parametrize(("y", "loss"), ONE_OF_THREE)
def test_class_weight_for_rows_of_one_class_says_nothing(y: Any, loss: str) -> None:
    """The largest value is the class."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_class_weight(NpySequence(X, y), model_of((4,), 3, loss), FROM_0)
        NpyDataAdapter(NpySequence(X, y), class_weight=FROM_0)


def test_one_hot_places_of_steps_say_nothing() -> None:
    """Which of the steps it is: keys number the steps."""
    model = model_of((5, 2), 1, "bce")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_class_weight(NpySequence(STEPS_X, EVENTS), model, dict.fromkeys(range(5), 2.0))


def test_adapter_by_hand_names_weights_for_steps() -> None:
    """There is no model; the labels themselves are no one-hot rows."""
    labels = np.arange(60) // 7 % 3
    cut: dict[str, int] = {"sequence_length": 6, "sequence_stride": 6}
    seq = NpySequence(windows(labels * 2.0, **cut), windows(labels, **cut), batch_size=10)
    with pytest.warns(UserWarning, match="all 10 rows hold it more than once, as class num"):
        NpyDataAdapter(seq, class_weight=FROM_0)
    said = r"seq\.map\(.*\)(?=, in the order)"
    with pytest.warns(UserWarning, match="steps do") as caught:
        NpyDataAdapter(NpySequence(seq.x, seq.y[:]), class_weight=FROM_0)
    found = re.search(said, str(caught[0].message))
    assert found is not None
    weighed = eval(found[0], {"seq": seq, "np": np})[0][2]
    assert np.array([1.0, 2.0, 30.0])[labels].reshape(10, 6).tolist() == weighed.tolist()


def test_counts_of_several_things_are_told_of_sample_weight() -> None:
    """Neither classes nor steps."""
    y = np.array([[3, 3, 1], [2, 0, 2], [1, 0, 0], [5, 5, 5], [0, 1, 0], [4, 1, 1]])
    message = (
        r"of which 3 of all 6 rows hold it more than once\. Leave class_weight out, and pass a"
    )
    with pytest.warns(UserWarning, match=message):
        warn_of_class_weight(NpySequence(X, y), model_of((4,), 3, "mse"), FROM_0)
    trained(model_of((4,), 3, "mse"), NpySequence(X, y, sample_weight=np.ones(6, "float32")))
