"""`None` in place of a target, a weight or an input: what Keras does with arrays."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import Input, NpySequence
from tests.conftest import Stored, assert_same_weights, validates_on_training_rows
from tests.user.test_fit import several_steps

N = 53
RNG = np.random.default_rng(0)
A, B, WEIGHT = RNG.random((N, 1)), RNG.random((N, 1)), RNG.random(N).astype("float32")


def two_outputs(losses: Any, **compile_arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(2)
    image = keras.Input((6, 5), name="image")
    hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in ("a", "b")}
    model = keras.Model({"image": image}, outputs)
    model.compile("sgd", loss=losses, **compile_arguments)
    return model


TARGETS, WEIGHTS = {"a": A, "b": None}, {"a": WEIGHT, "b": None}
CASES = pytest.mark.parametrize(
    ("y", "weight", "losses", "is_mapped"),
    [
        pytest.param(TARGETS, None, {"a": "mse", "b": None}, False, id="target"),
        pytest.param(TARGETS, WEIGHTS, {"a": "mse", "b": None}, False, id="both"),
        pytest.param({"a": A, "b": B}, WEIGHTS, {"a": "mse", "b": "mse"}, False, id="weight"),
        pytest.param({"a": A, "b": B}, WEIGHTS, {"a": "mse", "b": "mse"}, True, id="weight-mapped"),
    ],
)


# Keras warns that an output without a loss has no gradients.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@CASES
@validates_on_training_rows
def test_fit_none_as_a_leaf_trains_as_arrays(
    stored: Stored, y: Any, weight: Any, losses: Any, is_mapped: bool
) -> None:
    """Of a target, its weight, or both; through a map too."""
    expected, model = two_outputs(losses), two_outputs(losses)
    x = {"image": stored.x}
    expected.fit(x, y, sample_weight=weight, batch_size=8, shuffle=False, epochs=2, verbose=0)
    seq = NpySequence({"image": stored.x_path}, y, weight, batch_size=8)
    if is_mapped:
        seq = seq.map(lambda *batch: batch)
    model.fit(seq, shuffle=False, epochs=2, validation_data=seq, verbose=0)
    assert_same_weights(expected, model)
    logs = expected.evaluate(x, y, sample_weight=weight, batch_size=8, verbose=0)
    assert logs == model.evaluate(seq, verbose=0)
    for name, predicted in model.predict(seq, verbose=0).items():
        np.testing.assert_array_equal(expected.predict(x, batch_size=8, verbose=0)[name], predicted)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@several_steps
def test_fit_none_in_shuffled_passes_that_wrap_and_in_several_steps(stored: Stored) -> None:
    """Through the short last batch of a pass, and in super-batches."""
    y, losses = {"a": A, "b": None}, {"a": "mse", "b": None}
    models = [two_outputs(losses), two_outputs(losses, steps_per_execution=2)]
    for model in models:
        seq = NpySequence({"image": stored.x_path}, y, batch_size=8, seed=1)
        model.fit(seq, epochs=2, steps_per_epoch=10, verbose=0)
        assert 3 == seq.epoch
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_one_array_of_weights_leaves_out_an_output_without_targets(stored: Stored) -> None:
    """The structure of the weights is that of the targets."""
    seq = NpySequence(stored.x_path, {"a": A, "b": None}, WEIGHT, batch_size=8)
    _, y, weight = seq[1]
    assert y["b"] is None
    assert weight["b"] is None
    np.testing.assert_array_equal(WEIGHT[8:16], weight["a"])


def test_optional_input_is_none_in_every_batch(stored: Stored) -> None:
    """Nothing is read for it; specs, parts and print leave it out."""
    seq = NpySequence({"image": stored.x_path, "extra": None}, stored.y_path, batch_size=8)
    x, _ = seq.subset([5, 3])[0]
    np.testing.assert_array_equal(stored.x[[5, 3]], x["image"])
    assert x["extra"] is None
    assert (None, None) == (seq.x_spec["extra"], seq.x["extra"])
    assert "extra" not in repr(seq)
    with pytest.raises(ValueError, match=r"needs a source.*keras\.Input\(shape=\.\.\., optional"):
        Input(seq)
    assert [1, 0] == [len(part.y) > 20 for part in seq.split(0.2)]
    mapped = seq.map(lambda x, y: ({"image": x["image"] * 0, "extra": y}, None))
    np.testing.assert_array_equal(stored.y[:8], mapped[0]["extra"])


@pytest.mark.parametrize("x", [None, {"a": None}, (None, (None,))], ids=repr)
def test_inputs_that_are_all_none_are_refused(x: Any) -> None:
    """There is nothing to read."""
    with pytest.raises(ValueError, match=r"at least one source.*Received: .*None.*Pass a path"):
        NpySequence(x, np.arange(3))


def test_map_that_gives_none_only_at_times_is_refused(stored: Stored) -> None:
    """As any other change of structure."""
    seq = stored.sequence().map(lambda x, y: ({"a": x, "b": None if y.size < 8 else y}, y))
    with pytest.raises(ValueError, match=r"same structure.*at batch 6"):
        seq[6]
