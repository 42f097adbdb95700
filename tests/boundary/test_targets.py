"""Targets that a loss takes for probabilities."""

import contextlib
import re
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.boundary.targets import warn_of_targets
from tests.conftest import BACKEND

X = np.arange(24, dtype="float32").reshape(6, 4) / 24


def fit(seq: NpySequence, loss: Any, units: Any = 1) -> None:
    inputs = keras.Input((4,))
    if isinstance(units, int):
        outputs: Any = keras.layers.Dense(units, activation="sigmoid")(inputs)
    else:
        outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in units}
    model = keras.Model(inputs, outputs)
    # Eager, so that nothing is compiled.
    model.compile("sgd", loss, run_eagerly=True)
    # torch refuses such targets, but only in the middle of the batch (torch 2.13).
    with contextlib.suppress(*[RuntimeError] * (BACKEND == "torch")):
        model.fit(seq, verbose=0, shuffle=False)


MASK = np.array([0, 0, 255, 0, 255, 0], "uint8")
ONE_HOT = np.eye(3, dtype="int32")[[0, 1, 2, 0, 1, 2]]

LOSSES = ["binary_crossentropy", keras.losses.BinaryCrossentropy()]
LOSSES += [keras.losses.binary_focal_crossentropy, "bce", keras.losses.BinaryFocalCrossentropy()]


@pytest.mark.parametrize("loss", LOSSES, ids=range(len(LOSSES)))
def test_fit_masks_of_0_and_255_warn_once_and_the_remedy_ends_it(tmp_path: Path, loss: Any) -> None:
    """However the loss is given."""
    path = tmp_path / "y.npy"
    np.save(path, MASK)
    message = (
        r"y\.npy: binary_\w*crossentropy takes targets from 0 to 1\. Received: uint8 from 0 to 255"
    )
    seq = NpySequence(X, path, batch_size=4)
    with pytest.warns(UserWarning, match=message) as caught:
        fit(seq, loss)
    assert [__file__] == [warning.filename for warning in caught]
    call = re.search(r"(seq\.map\(.*\)\)) for masks.*, or (\(x, .*\)) for", str(caught[0].message))
    assert call is not None
    scaled = eval(call[1], {"seq": seq})
    np.testing.assert_allclose(MASK[:4] / 255, scaled[0][1])
    assert (MASK[:4] > 0).tolist() == eval(call[2], {"x": X, "y": MASK[:4]})[1].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(seq, loss)
        fit(scaled, loss)


CLASS_NUMBERS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "kl_divergence", "bce"])
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(CLASS_NUMBERS, id="numbers"),
        pytest.param(CLASS_NUMBERS[:, None].astype("uint8"), id="column"),
        pytest.param(CLASS_NUMBERS.astype("float32"), id="floats"),
        pytest.param(CLASS_NUMBERS + 1, id="from-1"),
        pytest.param((CLASS_NUMBERS + 1)[:, None], id="column-from-1"),
    ],
)
def test_class_numbers_for_several_outputs_are_told_of_one_hot_first(y: Any, loss: str) -> None:
    """Divided by 5 they would have the wrong shape still."""
    model = dense(3, loss)
    with pytest.warns(UserWarning, match=r"from \d\S* to \d\S* in all 6 rows\. Pass seq") as caught:
        warn_of_targets(NpySequence(X, y, batch_size=6), model)
    found = re.search(r"Pass (seq\.map\(.*\)) for class numbers", str(caught[0].message))
    assert found is not None
    seq = eval(found[1], {"seq": NpySequence(X, y, batch_size=6), "np": np})
    assert ONE_HOT.tolist() == seq[0][1].tolist()
    is_from_0 = y.min() == 0
    assert is_from_0 == ("sparse_categorical_crossentropy' as they are" in str(caught[0].message))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_targets(seq, model)
        if is_from_0:
            warn_of_targets(NpySequence(X, y), dense(3, "sparse_categorical_crossentropy"))


@pytest.mark.parametrize(
    ("y", "units", "message"),
    [
        pytest.param(
            np.array([0.5, 4, 5, 1, 2, 3]), 6, r"\} / 5|/ 5\)\) for votes", id="fractions"
        ),
        pytest.param(CLASS_NUMBERS * 2, 1, r"/ 5\)\) for votes", id="one-output"),
        pytest.param(ONE_HOT + 4, 3, r"/ 5\)\) for votes", id="votes-for-each-class"),
        pytest.param(CLASS_NUMBERS + 7, 3, r"/ 10\)\) for votes", id="beyond-the-outputs"),
    ],
)
def test_other_numbers_are_told_of_their_scale_first(y: Any, units: int, message: str) -> None:
    """They are no class numbers of the model."""
    with pytest.warns(UserWarning, match=message):
        warn_of_targets(NpySequence(X, y), dense(units, "categorical_crossentropy"))


@pytest.mark.parametrize(
    ("loss", "units", "message"),
    [("bce", 1, "from 0 to 1"), ("sparse_categorical_crossentropy", 2, "count from 0")],
)
def test_fit_warns_of_targets_of_each_new_source(loss: str, units: int, message: str) -> None:
    """The first bad data of a process say nothing of the next, and parts share their source."""
    for seq in (NpySequence(X, y, batch_size=4) for y in (MASK, MASK // 2)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for part in (seq, seq, seq.subset(range(2, 6))):
                # TensorFlow and torch refuse such class numbers, in the middle of the batch.
                with contextlib.suppress(Exception if units == 2 else ()):
                    fit(part, loss, units)
        assert [True] == [message in str(warning.message) for warning in caught]


def as_files(folder: Path, y: np.ndarray) -> Any:
    for number, row in enumerate(y):
        np.save(folder / f"{number}.npy", row)
    return samples(folder / "*.npy")


@pytest.mark.parametrize(
    ("y", "loss", "units", "is_warned"),
    [
        pytest.param(MASK, "bce", 1, True, id="mask"),
        pytest.param(lambda folder: as_files(folder, MASK), "bce", 1, True, id="samples"),
        pytest.param(1 - 2 * (MASK > 0).astype("int8"), "bce", 1, True, id="minus-one"),
        pytest.param(ONE_HOT * 255, "categorical_crossentropy", 3, True, id="one-hot-of-255"),
        pytest.param({"a": MASK, "b": MASK}, {"a": "bce", "b": "mse"}, ("a", "b"), True, id="dict"),
        pytest.param(
            {"a": MASK > 0, "b": MASK}, {"a": "bce", "b": "mse"}, ("a", "b"), False, id="b"
        ),
        pytest.param(MASK // 255, "bce", 1, False, id="0-and-1"),
        pytest.param(MASK > 0, "bce", 1, False, id="bool"),
        pytest.param(MASK.astype("float32"), "bce", 1, True, id="floats"),
        pytest.param(1 - MASK.astype("float16") / 127, "bce", 1, True, id="floats-of-minus-one"),
        pytest.param(MASK.astype("float64") / 254.9, "bce", 1, False, id="floats-that-round"),
        pytest.param(np.full(6, np.nan, "float32"), "bce", 1, False, id="nan"),
        pytest.param(MASK, "mse", 1, False, id="another-loss"),
        pytest.param(MASK % 3, "sparse_categorical_crossentropy", 3, False, id="sparse"),
        pytest.param(ONE_HOT, "categorical_crossentropy", 3, False, id="one-hot"),
        pytest.param(MASK, keras.losses.Dice(), 1, True, id="dice"),
        pytest.param(MASK, "tversky", 1, True, id="tversky"),
        pytest.param(ONE_HOT * 255, "kl_divergence", 3, True, id="kl_divergence"),
        pytest.param(MASK, lambda y, y_pred: y_pred - y_pred, 1, False, id="own-loss"),
    ],
)
def test_fit_warns_where_targets_are_no_probabilities(
    tmp_path: Path, y: Any, loss: Any, units: Any, is_warned: bool
) -> None:
    """And nowhere else."""
    seq = NpySequence(X, y(tmp_path) if callable(y) else y, batch_size=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(seq, loss, units)
    assert is_warned == any("takes targets from 0 to 1" in str(w.message) for w in caught)


RIGHT = MASK // 255

# The names of the outputs are not in sorted order, as their keys in a dict are for Keras.
FORMS = [
    pytest.param(["o"], MASK, ["bce"], True, id="list-of-one"),
    pytest.param(["o"], MASK, ("mse", "bce"), True, id="added"),
    pytest.param(["o"], MASK, {"o": "bce"}, True, id="dict-of-one"),
    pytest.param(["o"], (MASK,), ["bce"], True, id="y-of-one"),
    pytest.param(["b", "a"], (RIGHT, MASK), "bce", True, id="one-loss"),
    pytest.param({"b", "a"}, {"b": RIGHT, "a": MASK}, "bce", True, id="one-loss-dict"),
    pytest.param(["b", "a"], (MASK, RIGHT), ["bce", "mse"], True, id="lists"),
    pytest.param(["b", "a"], (RIGHT, MASK), ["bce", "mse"], False, id="lists-right"),
    pytest.param(["b", "a"], (MASK, RIGHT), {"b": "bce", "a": "mse"}, True, id="names"),
    pytest.param(["b", "a"], (RIGHT, MASK), {"b": "bce", "a": "mse"}, False, id="names-right"),
    pytest.param(["b", "a"], {"b": MASK, "a": RIGHT}, ["bce", "mse"], True, id="dict-y"),
    pytest.param(["b", "a"], {"b": RIGHT, "a": MASK}, ["bce", "mse"], False, id="dict-y-right"),
    pytest.param({"b", "a"}, {"b": RIGHT, "a": MASK}, ["bce", "mse"], True, id="sorted"),
    pytest.param({"b", "a"}, {"b": MASK, "a": RIGHT}, ["bce", "mse"], False, id="sorted-right"),
    pytest.param({"b", "a"}, (RIGHT, MASK), {"b": "bce", "a": "mse"}, True, id="flat-y"),
    pytest.param({"b", "a"}, (MASK, RIGHT), {"b": "bce", "a": "mse"}, False, id="flat-y-right"),
    pytest.param({"b", "a"}, {"b": MASK, "a": RIGHT}, {"b": "bce"}, True, id="only-one"),
    pytest.param(["b", "a"], (RIGHT, MASK), [None, "bce"], True, id="none"),
    pytest.param(["o"], MASK, "crossentropy", True, id="crossentropy"),
    pytest.param(["o"], MASK, keras.losses.BinaryCrossentropy(from_logits=True), True, id="logits"),
    pytest.param(["o"], 2 * (MASK > 0) - 1, "hinge", False, id="hinge"),
]


def warnings_of(seq: NpySequence, model: Any) -> list[str]:
    """What `fit` warns of, without the time that it takes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_targets(seq, model)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(("outputs", "y", "loss", "is_warned"), FORMS)
def test_fit_finds_the_targets_of_each_loss(
    outputs: Any, y: Any, loss: Any, is_warned: bool
) -> None:
    """In each form in which Keras takes losses, outputs and targets, and in no other order."""
    inputs = keras.Input((4,))
    layers = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("b", "a", "o")}
    each = [layers[name] for name in outputs] if isinstance(outputs, list) else layers
    if isinstance(outputs, set):
        each = {name: layers[name] for name in ("b", "a")}
    model = keras.Model(inputs, each[0] if len(each) == 1 else each)
    model.compile("sgd", loss)
    caught = warnings_of(NpySequence(X, y), model)
    assert is_warned == any("takes targets from 0 to 1" in message for message in caught)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda y, folder: y, id="array"),
        pytest.param(lambda y, folder: as_files(folder, y), id="a-file-each"),
        pytest.param(lambda y, folder: np.repeat(y[:, np.newaxis], 1 << 20, axis=1), id="large"),
    ],
)
def test_fit_looks_at_targets_behind_the_first_batch(tmp_path: Path, make: Any) -> None:
    """All if they take a few MB in few files, and otherwise some from all over."""
    y = make(np.array([0, 1, 0, 1, 255, 255], "uint8"), tmp_path)
    seq = NpySequence(np.zeros((len(y), 4), "float32"), y, batch_size=4)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "bce")
    caught = warnings_of(seq, model)
    assert 1 == len(caught)
    assert re.search(r"from 0 to 255 in (all 6|\d of 6) rows", caught[0])


CLASSES = np.arange(6) % 3
SPARSE = keras.losses.SparseCategoricalCrossentropy


@pytest.mark.parametrize(
    ("y", "loss", "remedies"),
    [
        pytest.param(CLASSES + 1, "sparse_categorical_crossentropy", "y - 1", id="from-1"),
        pytest.param(np.array([1, 2, 3, 4, 5, 7]), SPARSE(), "y - 1 check", id="from-1-and-beyond"),
        pytest.param(CLASSES - 1.0, SPARSE(), "check", id="from-minus-1"),
        pytest.param(np.where(CLASSES == 1, 255, CLASSES), SPARSE(), "check", id="255"),
        pytest.param(
            np.where(CLASSES == 1, 255, CLASSES), SPARSE(ignore_class=255), "", id="ignored"
        ),
        pytest.param(CLASSES, SPARSE(), "", id="right"),
    ],
)
def test_fit_warns_of_class_numbers_that_the_model_does_not_have(
    y: Any, loss: Any, remedies: str
) -> None:
    """JAX trains on them as on no class; what the warning says ends it."""
    seq = NpySequence(X, y, batch_size=4)
    message = r"class numbers count from 0.*Received: numbers from .*for 3 outputs\.(.*)"
    is_warned = bool(remedies)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # TensorFlow and torch refuse such numbers, in the middle of the batch.
        with contextlib.suppress(Exception if is_warned else ()):
            fit(seq, loss, 3)
    found = [match for one in caught if (match := re.search(message, str(one.message)))]
    assert is_warned == bool(found)
    named = ("y - 1", "keras-npy check X.npy --y Y.npy --classes 3", "more units only")
    if is_warned:
        said = [remedy in found[0][1] for remedy in named]
        assert ["y - 1" in remedies, "check" in remedies, "check" in remedies] == said
    if remedies == "y - 1":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(seq.map(lambda x, y: (x, y - 1)), loss, 3)


@pytest.mark.parametrize(
    ("y", "remedy"),
    [
        pytest.param(np.array([0, 1, np.nan, 1, 2, np.inf]), r"(seq\.subset\(.*\))\.$", id="rows"),
        pytest.param(
            {"o": np.array([[0], [1], [np.nan], [1], [2], [np.inf]])},
            r"(seq\.subset\(.*\))\.$",
            id="column-in-a-dict",
        ),
        pytest.param(
            np.tile([0, 1, np.nan, np.inf], (6, 1)),
            r"Pass (seq\.map\(.*\)), and give the loss ignore_class=255\.$",
            id="masks",
        ),
    ],
)
def test_fit_warns_of_class_numbers_that_are_nan(y: Any, remedy: str) -> None:
    """JAX trains on with a finite loss; what the warning says ends it."""
    seq = NpySequence(X, y, batch_size=8)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3)(inputs)
    if remedy.startswith("Pass"):
        outputs = keras.layers.Reshape((4, 3))(keras.layers.Dense(12)(inputs))
    model = keras.Model(inputs, {"o": outputs} if isinstance(y, dict) else outputs)
    model.compile("sgd", SPARSE(ignore_class=255))
    (said,) = warnings_of(seq, model)
    assert "values such as nan in all 6 rows" in said
    found = re.search(remedy, said)
    assert found is not None
    ended = eval(found[1], {"seq": seq, "np": np})
    assert [] == warnings_of(ended, model)
    assert ended.num_samples == (6 if "map" in found[1] else 4)


@pytest.mark.parametrize(
    ("y", "change", "expected"),
    [
        pytest.param(
            MASK // 255 + 1, r"Pass (seq\.map\(.*\)) for two classes", MASK // 255, id="1-2"
        ),
        pytest.param(
            MASK // 2 + 1, r"Pass (seq\.map\(.*\)) for masks of 0 to 255; ", None, id="128"
        ),
    ],
)
def test_fit_names_a_remedy_for_targets_that_are_never_0(
    y: np.ndarray, change: str, expected: Any
) -> None:
    """`y > 0` would make all of them 1."""
    seq = NpySequence(X, y, batch_size=8)
    (said,) = warnings_of(seq, dense(1, "bce"))
    found = re.search(change, said)
    assert "> 0" not in said
    assert found is not None
    ended = eval(found[1], {"seq": seq})
    assert [] == warnings_of(ended, dense(1, "bce"))
    np.testing.assert_array_equal(y / 255 if expected is None else expected, ended[0][1])


VOTES = np.array([0, 9, 3, 4, 1, 7])


@pytest.mark.parametrize(
    ("y", "change", "expected"),
    [
        pytest.param(VOTES, r"votes or ratings of at most 10", VOTES / 10, id="votes"),
        pytest.param(
            VOTES.astype("uint8"), r"votes or ratings of at most 10", VOTES / 10, id="uint8"
        ),
        pytest.param(VOTES * 2, r"votes or ratings of at most 20", VOTES / 10, id="up-to-20"),
        pytest.param(
            VOTES / 2, r"votes or ratings of at most 5", VOTES / 10, id="halves-up-to-4.5"
        ),
        pytest.param(VOTES * 11, r"percent", VOTES * 11 / 100, id="percent"),
        pytest.param(VOTES * 100, r"counts, by the greatest", VOTES / 9, id="counts"),
        pytest.param(VOTES * 1.25e7, r"counts, by the greatest", VOTES / 9, id="many-counts"),
        pytest.param(
            np.array([0, 1, 65535, 7, 8, 9], "uint16"),
            r"pixels of 16 bits",
            np.array([0, 1, 65535, 7, 8, 9]) / 65535,
            id="16-bits",
        ),
        pytest.param(
            np.array([-0.04, 1.05, 0.5, 0, 1, 1], "float32"),
            r"probabilities that were resized",
            np.array([0, 1, 0.5, 0, 1, 1]),
            id="resized",
        ),
        pytest.param(
            np.where(VOTES > 3, 1, -1234567), r"targets of two values", VOTES > 3, id="far-apart"
        ),
        pytest.param(
            np.where(VOTES > 3, 3.0000002, -1.0000001).astype("float32"),
            r"targets of two values",
            VOTES > 3,
            id="of-many-digits",
        ),
        pytest.param(np.full(6, -3), None, None, id="one-number"),
        pytest.param(np.minimum(VOTES, 1) * 9, r"targets of two values", VOTES > 0, id="0-and-9"),
        pytest.param(
            np.minimum(VOTES, 1) * 2 - 1, r"targets of two values", VOTES > 0, id="minus-1-and-1"
        ),
        pytest.param(VOTES * 20, r"masks of 0 to 255", VOTES * 20 / 255, id="pixels"),
        pytest.param(VOTES - 3.5, None, None, id="numbers"),
    ],
)
def test_fit_names_a_remedy_for_the_values_seen(y: np.ndarray, change: Any, expected: Any) -> None:
    """Votes are not told of 255, nor counts of `y > 0`."""
    (said,) = warnings_of(NpySequence(X, y, batch_size=8), dense(1, "bce"))
    if change is None:
        assert "seq.map" not in said
        assert "such as 'mse'" in said
        assert [] == warnings_of(NpySequence(X, y, batch_size=8), dense(1, "mse"))
        return
    found = re.search(rf"(seq\.map\(.*?\)\)) for {change}", said)
    assert found is not None
    assert ("255" in said) == ("255" in change)
    ended = eval(found[1], {"seq": NpySequence(X, y, batch_size=8), "np": np})
    assert [] == warnings_of(ended, dense(1, "bce"))
    np.testing.assert_allclose(expected, ended[0][1])


def test_fit_names_no_greatest_value_where_rows_were_left_out() -> None:
    """A value behind the one that was seen would still be over 1."""
    y = np.zeros((400, 1 << 17), "uint16")
    y[0, :2], y[1] = (4990, 3), 5000
    seq = NpySequence(np.zeros((400, 4), "float32"), y, batch_size=2)
    (said,) = warnings_of(seq, dense(1, "bce"))
    found = re.search(r"Pass (seq\.map\(.*\)\)) for counts, where .* such as (.*?); make", said)
    assert found is not None
    ended = eval(found[1], {"seq": seq, "greatest": eval(found[2], {"seq": seq})})
    np.testing.assert_allclose(y[:2] / 5000, ended[0][1])


INFINITE = np.array([0, 0.5, np.inf, np.nan, 1, -np.inf], "float32")


@pytest.mark.parametrize(
    ("y", "kept"),
    [
        pytest.param(INFINITE, [0, 1, 4], id="rows"),
        pytest.param({"o": INFINITE[:, np.newaxis]}, [0, 1, 4], id="column-in-a-dict"),
        pytest.param(np.tile(INFINITE[:3], (6, 1)), [], id="masks"),
        pytest.param(INFINITE.reshape(6, 1) * [0.5, 0.1], [0, 1, 4], id="two-columns"),
        pytest.param(np.full(6, np.inf), [], id="all"),
    ],
)
def test_fit_warns_of_probabilities_that_are_infinite(y: Any, kept: list[int]) -> None:
    """The loss is infinite; what the warning says ends it."""
    seq = NpySequence(X, y, batch_size=8)
    model = dense(1, "bce")
    if isinstance(y, dict):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, {"o": keras.layers.Dense(1)(inputs)})
        model.compile("sgd", "bce")
    (said,) = warnings_of(seq, model)
    found = re.search(r"Received: (\d+) infinite values in all 6 rows\..* (seq\.sub.*)\.$", said)
    assert found is not None
    assert np.count_nonzero(np.isinf(y["o"] if isinstance(y, dict) else y)) == int(found[1])
    if kept:
        ended = eval(found[2], {"seq": seq, "np": np})
        np.testing.assert_array_equal(X[kept], ended[0][0])
        assert [] == warnings_of(ended, model)


@pytest.mark.parametrize("last", [np.inf, np.nan])
def test_fit_takes_the_range_of_finite_targets(last: float) -> None:
    """Infinity and NaN hide no mask of 0 and 255."""
    y = np.array([0, 255, 255, 0, 0, last])
    said = warnings_of(NpySequence(X, y), dense(1, "bce"))
    assert [np.isinf(last), True] == ["infinite" in said[0], "from 0.0 to 255.0" in said[-1]]
    assert 1 + np.isinf(last) == len(said)
    assert "masks of 0 to 255" in said[-1]


@pytest.mark.parametrize("loss", [SPARSE(), {"b": SPARSE(), "a": SPARSE()}], ids=["one", "dict"])
def test_fit_warns_of_class_numbers_of_any_output(loss: Any) -> None:
    """Each output has classes of its own."""
    inputs = keras.Input((4,))
    units = {"b": 3, "a": 4}
    outputs = {name: keras.layers.Dense(of_it, name=name)(inputs) for name, of_it in units.items()}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss)
    for number, expected in ((2, []), (3, ["3 outputs"]), (4, ["3 outputs", "4 outputs"])):
        y = {"b": np.full(6, number), "a": np.full(6, number)}
        caught = warnings_of(NpySequence(X, y), model)
        assert expected == sorted(message.split(", for ")[1][:9] for message in caught)


def test_fit_counts_the_outputs_along_the_axis_of_the_loss() -> None:
    """Channels may come first."""
    outputs = [keras.Input((4,)), keras.layers.Dense(15), keras.layers.Reshape((3, 5))]
    model = keras.Sequential(outputs)
    model.compile("sgd", SPARSE(axis=1))
    y = np.repeat(CLASSES[:, None], 5, axis=1)
    assert warnings_of(NpySequence(X, y), model) == []
    (said,) = warnings_of(NpySequence(X, y + 1), model)
    assert "for 3 outputs" in said


IMAGES = np.arange(24, dtype="uint8").reshape(6, 4) * 10


def dense(units: int, loss: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("seq", "loss", "units", "message"),
    [
        pytest.param(
            NpySequence(X, MASK).map(lambda x, y, rng: (x + rng.random(x.shape), y)),
            "bce",
            1,
            "binary_crossentropy takes targets from 0 to 1. Received: uint8 from 0 to 255",
            id="augmented",
        ),
        pytest.param(
            NpySequence(IMAGES).map(lambda x: (x, x)), "bce", 4, "from 0 to 230", id="autoencoder"
        ),
        pytest.param(
            NpySequence(np.c_[X, CLASSES + 1]).map(lambda rows: (rows[:, :-1], rows[:, -1])),
            SPARSE(),
            3,
            "numbers from 1.0 to 3.0 in a batch of 6 rows, for 3 outputs. If they count from 1, ",
            id="table",
        ),
        pytest.param(
            NpySequence(X, CLASSES.astype("uint8")).map(lambda x, y: (x, y - 1)),
            SPARSE(),
            3,
            "y.astype('int32') - 1 is -1",
            id="wraps",
        ),
        pytest.param(
            NpySequence(X, MASK).map(lambda x, y: (x, y / 255)), "bce", 1, "", id="remedied"
        ),
        pytest.param(
            NpySequence(X, CLASSES + 1).map(lambda x, y: (x, y - 1)), SPARSE(), 3, "", id="from-0"
        ),
        pytest.param(
            NpySequence(X, MASK).map(lambda x, y: (x, y)).subset([0, 1]), "bce", 1, "", id="part"
        ),
        pytest.param(NpySequence(X, MASK).map(lambda x, y: x), "bce", 1, "", id="no-targets"),
    ],
)
def test_fit_looks_at_what_map_returns(
    seq: NpySequence, loss: Any, units: int, message: str
) -> None:
    """Once, also of parts; the call of `map` that the warning names ends it."""
    model = dense(units, loss)
    caught = warnings_of(seq, model)
    assert [message in said for said in caught] == [True] * bool(message)
    for said in caught:
        assert said.startswith("y that map returns: ")
        call = re.search(r"(seq\.map\(lambda x, y: \(.*?\)\))[ .]", said)
        assert warnings_of(seq.replace(batch_size=5), model) == []
        if call is not None:
            assert warnings_of(eval(call[1], {"seq": seq, "np": np}), model) == []


def test_a_look_at_what_map_returns_changes_no_pass() -> None:
    """It takes one call, and none where the loss takes any targets."""
    calls = []

    def noise(x: Any, y: Any, rng: np.random.Generator) -> Any:
        calls.append(len(x))
        if calls[0] == 0:
            raise ArithmeticError
        return x + rng.integers(100, size=x.shape), y

    seqs = [NpySequence(X, MASK, batch_size=4, seed=1, shuffle=True).map(noise) for _ in range(2)]
    for loss, num_calls in (("mse", 0), ("bce", 1)):
        calls.clear()
        warnings_of(seqs[0], dense(1, loss))
        assert [4] * num_calls == calls
    for batch, expected in zip(*seqs, strict=True):
        np.testing.assert_array_equal(expected[0], batch[0])
    assert (1, 1) == (seqs[0].epoch, seqs[1].epoch)
    calls[0] = 0
    assert warnings_of(seqs[0], dense(1, "bce")) == []


def outputs_of(y: Any, units: int, loss: Any) -> keras.Model:
    """A model with an output for each of these targets; the last one has the loss."""
    inputs = keras.Input((4,))
    names = sorted(y) if isinstance(y, dict) else ["o"] if isinstance(y, np.ndarray) else range(2)
    layers = {name: keras.layers.Dense(units, name=str(name))(inputs) for name in names}
    each = layers if isinstance(y, dict) else list(layers.values())
    model = keras.Model(inputs, each if len(names) > 1 else each[0])
    model.compile("sgd", loss if len(names) == 1 else ["mse", loss])
    return model


@pytest.mark.parametrize(
    ("y", "sample_weight", "loss", "units", "served"),
    [
        pytest.param(MASK, X[:, 0], "bce", 1, lambda y: y, id="weights"),
        pytest.param({"a": RIGHT, "b": MASK}, None, "bce", 1, lambda y: y["b"], id="dict"),
        pytest.param((RIGHT, MASK), X[:, 0], "bce", 1, lambda y: y[1], id="tuple-weights"),
        pytest.param(CLASSES + 1, X[:, 0], SPARSE(), 3, lambda y: y, id="from-1"),
        pytest.param(CLASSES.astype("u1") + 1, None, SPARSE(axis=1), 3, lambda y: y, id="uint8"),
        pytest.param(CLASSES + 0.25, None, SPARSE(), 3, lambda y: y, id="fractions"),
        pytest.param(CLASSES[:, None], None, "categorical_hinge", 3, lambda y: y, id="hinge"),
    ],
)
def test_fit_warns_with_the_map_that_runs_for_this_sequence(
    y: Any, sample_weight: Any, loss: Any, units: int, served: Any
) -> None:
    """With weights, and of one output among others."""
    seq = NpySequence(X, y, sample_weight)
    model = outputs_of(y, units, loss)
    (said,) = warnings_of(seq, model)
    call = re.search(r"seq\.map\(lambda .*\)(?=\.$| for masks)", said)
    assert call is not None
    mapped = eval(call[0], {"seq": seq, "np": np})
    assert warnings_of(mapped, model) == []
    before, after = served(seq[0][1]), served(mapped[0][1])
    assert not np.array_equal(before, after)
    assert len(seq[0]) == len(mapped[0])
    if isinstance(y, dict | tuple):
        np.testing.assert_array_equal(RIGHT, mapped[0][1]["a" if isinstance(y, dict) else 0])
    or_ = re.search(r"or (\(x, .*\)) for targets", said)
    if or_ is not None:
        batch = dict(zip(("x", "y", "sample_weight"), seq[0], strict=False))
        again = seq.map(lambda *_: eval(or_[1], {}, batch))
        assert served(again[0][1]).tolist() == (MASK > 0).tolist()


@pytest.mark.parametrize("number", [-1, 255])
@pytest.mark.parametrize("loss", [SPARSE(from_logits=True), "sparse_categorical_crossentropy"])
def test_fit_warns_with_the_loss_that_ignores_a_number(number: int, loss: Any) -> None:
    """The only number beyond the outputs may stand for rows without a class."""
    seq = NpySequence(X, np.where(CLASSES == 1, number, CLASSES))
    (said,) = warnings_of(seq, dense(3, loss))
    assert f"If {number} means no class: " in said
    found = re.search(r"compile\(loss=(.*?\))\)", said)
    assert found is not None
    ignoring = eval(found[1], {"keras": keras})
    assert (isinstance(loss, str), number) == (
        not ignoring.get_config()["from_logits"],
        ignoring.get_config()["ignore_class"],
    )
    assert warnings_of(seq, dense(3, ignoring)) == []


def test_fit_warns_again_of_another_number_of_outputs() -> None:
    """What one model takes says nothing of the next."""
    seq = NpySequence(X, CLASSES + 3)
    for units, expected in ((4, True), (4, False), (2, True), (6, False)):
        for each in (seq, seq.replace(batch_size=2), seq.subset(slice(2))):
            said = warnings_of(each, dense(units, SPARSE()))
            assert [f"for {units} outputs" in message for message in said] == [True] * (
                expected and each is seq
            )


class OwnStep(keras.Sequential):
    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any) -> Any:
        return super().compute_loss(x, x, y_pred)


@pytest.mark.parametrize(
    ("seq", "remedy"),
    [
        pytest.param(NpySequence(X), "without y. Pass y= to NpySequence", id="stored"),
        pytest.param(
            NpySequence(X, MASK).map(lambda x, y: x),
            r"whose map returns only x. Return \(x",
            id="mapped",
        ),
    ],
)
def test_fit_of_a_loss_without_targets_is_refused_as_it_begins(
    seq: NpySequence, remedy: str
) -> None:
    """Not by the backend, which says only that None is no array; its remedy trains."""
    model = dense(4, "mse")
    train = NpySequence(X, X)
    for call in (
        lambda: model.fit(seq, verbose=0),
        lambda: model.evaluate(seq, verbose=0),
        lambda: model.fit(train, validation_data=seq, verbose=0),
    ):
        with pytest.raises(ValueError, match=rf"Received: a sequence {remedy}"):
            call()
    assert (6, 4) == model.predict(seq, verbose=0).shape
    own = OwnStep([keras.Input((4,)), keras.layers.Dense(4)])
    for other, data in ((own, seq), (model, seq.map(lambda x: (x, x)))):
        other.compile("sgd", "mse", run_eagerly=True)
        other.fit(data, verbose=0)


def lesions(num_rows: int, value: int) -> np.ndarray:
    """Masks of 64 KiB, of which few have a lesion, and none of the first 30."""
    masks = np.zeros((num_rows, 256, 256, 1), "uint8")
    masks[30::25, 10:20, 10:20] = value
    return masks


def model_of_pixels(loss: Any, units: int = 1) -> keras.Model:
    model = keras.Sequential([keras.Input((256, 256, 1)), keras.layers.Dense(units)])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("loss", "units", "value", "received"),
    [
        pytest.param("binary_crossentropy", 1, 255, "uint8 from 0 to 255 in .* rows", id="binary"),
        pytest.param(
            "sparse_categorical_crossentropy", 3, 3, "from 0 to 3 in .* for 3 outputs", id="sparse"
        ),
    ],
)
@pytest.mark.parametrize("kind", ["file", "part", "shards", "samples"])
def test_masks_that_begin_without_a_lesion_are_looked_at_all_over(
    tmp_path: Path, kind: str, loss: str, units: int, value: int, received: str
) -> None:
    """They take more than 4 MB, or lie in more than 64 files, and the first batch is empty."""
    masks = lesions(90, value)
    y: Any = tmp_path / "y.npy"
    if kind in ("file", "part"):
        np.save(y, masks)
    else:
        for number, mask in enumerate(masks):
            np.save(tmp_path / f"m{number + 100}.npy", mask if kind == "samples" else mask[None])
        y = str(tmp_path / "m*.npy")
        y = samples(y) if kind == "samples" else y
    seq = NpySequence(y, y, batch_size=4)
    if kind == "part":
        seq = seq.subset(np.arange(1, 90))
    with pytest.warns(UserWarning, match=received) as caught:
        warn_of_targets(seq, model_of_pixels(loss, units))
    (warning,) = caught
    assert re.search(r"(all|of) (90|89) rows", str(warning.message))


@pytest.mark.parametrize(
    ("loss", "units", "value"),
    [
        pytest.param("binary_crossentropy", 1, 1, id="binary"),
        pytest.param("sparse_categorical_crossentropy", 3, 2, id="sparse"),
        pytest.param(
            keras.losses.SparseCategoricalCrossentropy(ignore_class=255), 3, 255, id="ignored"
        ),
        pytest.param("mean_squared_error", 1, 255, id="values"),
    ],
)
def test_masks_that_the_loss_takes_say_nothing(
    tmp_path: Path, loss: Any, units: int, value: int
) -> None:
    """However many they are."""
    np.save(tmp_path / "y.npy", lesions(90, value))
    seq = NpySequence(tmp_path / "y.npy", tmp_path / "y.npy", batch_size=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_targets(seq, model_of_pixels(loss, units))
