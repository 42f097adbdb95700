"""`NpySequence.map` in `fit`, `evaluate` and `predict`: what the same batches as arrays give."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from tests.conftest import (
    Stored,
    assert_same_weights,
    make_model,
    rows_of_epoch,
    validates_on_training_rows,
)
from tests.user.test_fit import several_steps

N = 53


def change(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Any:
    """Other pixels, and other classes with them."""
    return x ^ rng.integers(0, 256, (len(x), 1, 1), np.uint8), (y + rng.integers(0, 3)) % 3


def changed(stored: Stored, rows: list[int], epoch: int, batch: int) -> Any:
    """A batch as a sequence with seed 3 must serve it."""
    key = (epoch, batch, 0)
    rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=key))
    return change(stored.x[rows], stored.y[rows], rng)


def changed_pass(stored: Stored, epoch: int, order: list[int]) -> Any:
    """The batches of a pass."""
    return [
        changed(stored, order[start : start + 8], epoch, start // 8) for start in range(0, N, 8)
    ]


def trained_on(batches: list[Any]) -> keras.Model:
    """A model that was fit to each batch, one after the other."""
    model = make_model()
    for batch in batches:
        model.train_on_batch(*batch)
    return model


def assert_nearly_same_weights(expected: keras.Model, model: keras.Model) -> None:
    """To float32's precision: a step for a batch of another kind may be another program."""
    for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shuffle", [True, False])
@validates_on_training_rows
def test_fit_draws_other_numbers_each_epoch_and_goes_on(stored: Stored, shuffle: bool) -> None:
    """In file order too: two epochs and one more `fit` are passes 0, 1 and 2."""
    seq, model = stored.sequence().map(change), make_model()
    model.fit(seq, epochs=2, shuffle=shuffle, validation_data=seq, verbose=0)
    model.fit(seq, shuffle=shuffle, verbose=0)
    orders = [
        rows_of_epoch(N, epoch, batch_size=8, seed=3) if shuffle else list(range(N))
        for epoch in range(3)
    ]
    passes = [changed_pass(stored, epoch, order) for epoch, order in enumerate(orders)]
    assert 3 == seq.epoch
    assert_nearly_same_weights(
        trained_on([batch for batches in passes for batch in batches]), model
    )


def test_fit_steps_per_epoch_draws_the_numbers_of_one_stream_of_passes(stored: Stored) -> None:
    """Across the short last batch of a pass (7 batches), and from epoch to epoch."""
    seq, model = stored.sequence().map(change), make_model()
    model.fit(seq, epochs=3, steps_per_epoch=5, verbose=0)
    orders = [rows_of_epoch(N, epoch, batch_size=8, seed=3) for epoch in range(3)]
    batches = [
        batch for epoch, order in enumerate(orders) for batch in changed_pass(stored, epoch, order)
    ]
    assert_nearly_same_weights(trained_on(batches[:15]), model)


@several_steps
@pytest.mark.parametrize("steps_per_execution", [3, 32])
def test_fit_steps_per_execution_trains_on_the_same_batches(
    stored: Stored, steps_per_execution: int
) -> None:
    """Several steps a call."""
    models = [make_model(), make_model(steps_per_execution=steps_per_execution)]
    for model in models:
        model.fit(stored.sequence().map(change), epochs=2, verbose=0)
    assert_nearly_same_weights(*models)


def test_evaluate_predict_and_validation_get_the_numbers_of_pass_0(stored: Stored) -> None:
    """In file order, however often, and whatever was trained before."""
    seq, model = stored.sequence().map(change), make_model(metrics=["accuracy"])
    batches = changed_pass(stored, 0, list(range(N)))
    x, y = (np.concatenate(leaves) for leaves in zip(*batches, strict=True))
    seq.epoch = 4
    expected = model.evaluate(x, y, batch_size=8, verbose=0)
    for _ in range(2):
        assert expected == model.evaluate(seq, verbose=0)
        np.testing.assert_array_equal(
            model.predict(x, batch_size=8, verbose=0), model.predict(seq, verbose=0)
        )
    logs = [
        make_model(metrics=["accuracy"]).fit(
            *data, batch_size=8, shuffle=False, epochs=2, validation_data=validation, verbose=0
        )
        for data, validation in (((x, y), (x, y)), ((x, y), seq))
    ]
    assert logs[0].history == logs[1].history
    assert 4 == seq.epoch


def test_fit_class_weight_is_looked_up_from_the_y_that_comes_out(stored: Stored) -> None:
    """As Keras looks it up from the batches of a PyDataset."""
    seq, model = stored.sequence().map(lambda x, y: (x, (y + 1) % 3)), make_model()
    weights = {0: 3.0, 2: 0.25}
    model.fit(seq, shuffle=False, class_weight=weights, verbose=0)
    expected = make_model()
    expected.fit(
        stored.x,
        (stored.y + 1) % 3,
        batch_size=8,
        shuffle=False,
        class_weight=weights,
        verbose=0,
    )
    assert_same_weights(expected, model)


def test_fit_weights_that_a_map_adds_weigh_as_those_of_arrays(stored: Stored) -> None:
    """And exclude class weights, as those do."""
    seq, model = stored.sequence().map(lambda x, y: (x, y, 1.0 + y)), make_model()
    model.fit(seq, shuffle=False, verbose=0)
    expected = make_model()
    expected.fit(
        stored.x, stored.y, sample_weight=1.0 + stored.y, batch_size=8, shuffle=False, verbose=0
    )
    assert_same_weights(expected, model)
    with pytest.raises(ValueError, match="cannot be used at the same time"):
        model.fit(seq, class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "bool", "float16"])
def test_predict_gives_the_model_the_dtype_that_a_map_returns(stored: Stored, dtype: str) -> None:
    """With the values of arrays of that dtype."""
    model = keras.Sequential([keras.Input((6, 5), dtype=dtype), keras.layers.Flatten()])
    seq = NpySequence(stored.x_path, batch_size=8).map(lambda x: x.astype(dtype))
    expected = model.predict(stored.x.astype(dtype), batch_size=8, verbose=0)
    predicted = model.predict(seq, verbose=0)
    assert expected.dtype == predicted.dtype
    np.testing.assert_array_equal(expected, predicted)


class OfTheUsers(Exception):
    """No kind of error that anything else raises."""


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_error_of_the_function_leaves_keras_as_it_was_raised(stored: Stored, method: str) -> None:
    """With the number of the batch in a note."""

    def fail(x: np.ndarray, y: np.ndarray) -> Any:
        if len(x) == 5:
            raise OfTheUsers("no five")
        return x, y

    model, seq = make_model(), stored.sequence(shuffle=False).map(fail)
    with pytest.raises(OfTheUsers, match="no five") as raised:
        getattr(model, method)(seq, verbose=0)
    assert ["This came from the function of map, at batch 6 of pass 0."] == raised.value.__notes__
