"""Whatever `fit`, `evaluate` and `predict` do with arrays, they do with a sequence.

Models trained on arrays are the oracle: the same batches in the same order give the same
weights, bit for bit.
"""

import re
import threading
import warnings
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence
from tests.conftest import (
    BACKEND,
    Stored,
    assert_same_weights,
    make_model,
    only_on,
    rows_of_epoch,
    validates_on_training_rows,
)
from tests.processes import run_forked

N = 53

several_steps = pytest.mark.skipif(
    BACKEND == "torch" and keras.__version__ < "3.16",
    reason="Keras refuses steps_per_execution above 1 on torch before 3.16",
)


def fit_arrays(stored: Stored, row_lists: list[list[int]], **arguments: Any) -> keras.Model:
    """A model trained on arrays, an epoch for each list of rows, in that order."""
    model = make_model()
    for rows in row_lists:
        model.fit(
            stored.x[rows], stored.y[rows], batch_size=8, shuffle=False, verbose=0, **arguments
        )
    return model


@pytest.mark.parametrize(
    ("of_sequence", "of_fit"),
    [
        pytest.param({}, {"shuffle": False}, id="asked-by-fit"),
        pytest.param({"shuffle": False}, {}, id="asked-by-sequence"),
        pytest.param({"shuffle": True}, {"shuffle": False}, id="fit-wins-over-true"),
        pytest.param({"shuffle": False}, {"shuffle": "batch"}, id="false-wins-over-batch"),
    ],
)
def test_fit_unshuffled_trains_as_arrays(stored: Stored, of_sequence: Any, of_fit: Any) -> None:
    """Two epochs in file order give the weights that arrays give."""
    model = make_model()
    model.fit(stored.sequence(**of_sequence), epochs=2, verbose=0, **of_fit)
    assert_same_weights(fit_arrays(stored, [list(range(N))] * 2), model)


@pytest.mark.parametrize("block_size", [None, 1], ids=["rows", "blocks"])
def test_fit_shuffled_trains_on_a_fresh_order_of_rows_each_epoch(
    stored: Stored, block_size: int | None
) -> None:
    """The default is a shuffle of all rows, anew each epoch, from the seed; or one by blocks."""
    model, of_sequence = make_model(), {"seed": 5, "shuffle_block_size": block_size}
    model.fit(stored.sequence(**of_sequence), epochs=3, verbose=0)
    orders = [rows_of_epoch(N, epoch, batch_size=8, **of_sequence) for epoch in range(3)]
    assert [list(range(N))] * 3 == [sorted(order) for order in orders]
    assert 3 == len({tuple(order) for order in orders})
    assert_same_weights(fit_arrays(stored, orders), model)


@pytest.mark.parametrize("shuffle", [False, "batch"])
@validates_on_training_rows
def test_fit_in_another_order_than_by_blocks_is_refused(
    stored: Stored, shuffle: bool | str
) -> None:
    """As by the constructor: one of the two would be dropped. Validation has no order."""
    seq, model = stored.sequence(shuffle_block_size=4), make_model()
    with pytest.raises(ValueError, match=rf"size=4 and shuffle={shuffle!r}\. Leave one of them"):
        model.fit(seq, shuffle=shuffle, verbose=0)
    # The remedy, and data that is not trained on.
    model.fit(seq.replace(shuffle_block_size=None), shuffle=shuffle, verbose=0)
    model.fit(stored.sequence(), validation_data=seq, shuffle=shuffle, verbose=0)


def test_fit_called_again_continues_with_the_next_order(stored: Stored) -> None:
    """Three fits of one epoch see the orders of one fit of three."""
    once, thrice = make_model(), make_model()
    once.fit(stored.sequence(), epochs=3, verbose=0)
    seq = stored.sequence()
    for _ in range(3):
        thrice.fit(seq, epochs=1, verbose=0)
    assert 3 == seq.epoch
    assert_same_weights(once, thrice)


@validates_on_training_rows
def test_fit_validation_and_prediction_count_no_pass(stored: Stored) -> None:
    """Only training passes move the order on, also when one sequence serves for all."""
    plain, mixed = make_model(), make_model()
    plain.fit(stored.sequence(), epochs=3, verbose=0)
    seq = stored.sequence()
    mixed.fit(seq, epochs=2, validation_data=seq, verbose=0)
    mixed.predict(seq, verbose=0)
    mixed.evaluate(seq, verbose=0)
    assert 2 == seq.epoch
    mixed.fit(seq, epochs=1, verbose=0)
    assert_same_weights(plain, mixed)


def test_fit_shuffle_batch_shuffles_within_each_batch(stored: Stored) -> None:
    """Batch i holds rows 8i to 8i + 7, in an order of its own that changes with the epoch."""
    orders = [rows_of_epoch(N, epoch, batch_size=8, seed=3, shuffle="batch") for epoch in (0, 1)]
    for order in orders:
        assert order != list(range(N))
        for start in range(0, N, 8):
            assert list(range(start, min(start + 8, N))) == sorted(order[start : start + 8])
    assert orders[0] != orders[1]
    model = make_model()
    model.fit(stored.sequence(), epochs=2, shuffle="batch", verbose=0)
    assert_same_weights(fit_arrays(stored, orders), model)


@pytest.mark.parametrize("shuffle", [None, True, False, "batch"])
def test_predict_and_evaluate_keep_file_order(stored: Stored, shuffle: Any) -> None:
    """Row i of the predictions is file row i, even of a shuffled sequence."""
    model = make_model(metrics=["accuracy"])
    seq = stored.sequence(shuffle=shuffle)
    expected = model.predict(stored.x, batch_size=8, verbose=0)
    np.testing.assert_array_equal(expected, model.predict(seq, verbose=0))
    expected_logs = model.evaluate(stored.x, stored.y, batch_size=8, verbose=0)
    assert expected_logs == model.evaluate(seq, verbose=0)
    assert 0 == seq.epoch


@validates_on_training_rows
def test_fit_validation_data_is_evaluated_as_arrays_are(stored: Stored) -> None:
    """Every validation figure of every epoch is that of arrays; validation_steps too."""
    for steps in (None, 3):
        from_files = make_model(metrics=["accuracy"]).fit(
            stored.sequence(),
            shuffle=False,
            epochs=2,
            validation_data=stored.sequence(shuffle=True),
            validation_steps=steps,
            verbose=0,
        )
        from_arrays = make_model(metrics=["accuracy"]).fit(
            stored.x,
            stored.y,
            batch_size=8,
            shuffle=False,
            epochs=2,
            validation_data=(stored.x, stored.y),
            validation_steps=steps,
            verbose=0,
        )
        assert from_arrays.history == from_files.history


LOSSES = {
    "column": keras.losses.SparseCategoricalCrossentropy,
    "one_hot": keras.losses.CategoricalCrossentropy,
}


@pytest.mark.parametrize("labels", ["integers", *LOSSES])
def test_fit_class_weight_weighs_as_arrays(stored: Stored, tmp_path: Any, labels: str) -> None:
    """Class weights are applied; a class without one counts once."""
    y = {
        "integers": stored.y,
        "column": stored.y[:, None],
        "one_hot": np.eye(3, dtype="float32")[stored.y],
    }[labels]
    np.save(tmp_path / "labels.npy", y)
    weights = {0: 3.0, 2: 0.25}
    models = []
    for data in ("arrays", "files"):
        model = make_model()
        if labels != "integers":
            # For labels of another rank: TensorFlow's step, traced for both, knows no rank.
            model.compile("sgd", LOSSES[labels](from_logits=True))
        if data == "arrays":
            model.fit(stored.x, y, batch_size=8, shuffle=False, class_weight=weights, verbose=0)
        else:
            seq = NpySequence(stored.x_path, tmp_path / "labels.npy", batch_size=8)
            model.fit(seq, shuffle=False, class_weight=weights, verbose=0)
        models.append(model)
    unweighted = make_model()
    unweighted.fit(stored.sequence(), shuffle=False, verbose=0)
    assert_same_weights(*models)
    assert not np.array_equal(unweighted.get_weights()[-1], models[1].get_weights()[-1])


def make_segmenter() -> keras.Model:
    """A class for each pixel of a 6x5 image."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 5), dtype="uint8"),
            keras_npy.NpyInputLayer(stored_format="no_channels", data_format="channels_last"),
            keras.layers.Dense(3),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("how", ["stored", "mapped"])
def test_fit_class_weight_of_masks_weighs_each_pixel(stored: Stored, how: str) -> None:
    """As an array of weights for the pixels does, which the user need not make."""
    masks, weights = stored.x % 3, {0: 3.0, 2: 0.25}
    pixels = np.select([masks == 0, masks == 2], [3.0, 0.25], 1.0).astype("float32")
    expected, model = make_segmenter(), make_segmenter()
    expected.fit(
        stored.x, masks, sample_weight=pixels, batch_size=8, shuffle=False, epochs=2, verbose=0
    )
    seq = NpySequence(stored.x_path, masks if how == "stored" else stored.x, batch_size=8)
    if how == "mapped":
        seq = seq.map(lambda x, y: (x, y % 3))
    model.fit(seq, shuffle=False, class_weight=weights, epochs=2, verbose=0)
    assert_same_weights(expected, model)


def make_masker(loss: Any, has_channels: bool) -> keras.Model:
    """A score for each pixel of a 6x5 image, in an axis of its own or not."""
    keras.utils.set_random_seed(1)
    channels = keras.layers.Reshape((6, 5, 1))
    layers = [keras.Input((6, 5)), channels, keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential(layers if has_channels else [*layers, keras.layers.Reshape((6, 5))])
    # Eager, so that nothing is compiled.
    model.compile("sgd", loss, run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("loss", "weights"),
    [("bce", "class_weight"), (keras.losses.MeanSquaredError(), "sample_weight")],
)
@pytest.mark.parametrize("has_channels", [True, False], ids=["channels", "no-channels"])
def test_fit_weights_of_pixels_without_a_loss_for_each_are_refused(
    loss: Any, weights: str, has_channels: bool
) -> None:
    """The remedy trains as weights for each pixel do; without weights nothing is refused."""
    x = np.random.default_rng(0).random((12, 6, 5)).astype("float32")
    masks = (x > 0.5).astype("float32")
    pixels = 1 + 2 * masks
    seq = NpySequence(x, masks, pixels if weights == "sample_weight" else None, batch_size=6)
    how: Any = {"verbose": 0, "shuffle": False}
    by_class = {"class_weight": {0: 1.0, 1: 3.0}} if weights == "class_weight" else {}
    with pytest.raises(ValueError, match=rf"{weights} for masks \(b, 6, 5\) and outputs") as caught:
        make_masker(loss, has_channels).fit(seq, **how, **by_class)
    found = re.search(r"(seq\.map\(.*?\)\))(, and end the model with .*)?\.$", str(caught.value))
    assert found is not None
    assert has_channels == (found[2] is None)
    model, expected = make_masker(loss, True), make_masker(loss, True)
    model.fit(eval(found[1], {"seq": seq}), **how, **by_class)
    expected.fit(x, masks[..., None], sample_weight=pixels, batch_size=6, **how)
    assert_same_weights(expected, model)
    make_masker(loss, has_channels).fit(NpySequence(x, masks), **how)
    make_masker(keras.losses.Dice(), has_channels).fit(seq.subset(range(6)), **how)


def test_fit_class_weight_with_a_label_for_each_step_is_refused() -> None:
    """Keras takes such labels for one-hot ones; the remedy weighs each step."""
    x = np.random.default_rng(0).random((12, 4, 2)).astype("float32")
    y = np.arange(48).reshape(12, 4) % 3

    def make() -> keras.Model:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, run_eagerly=True)
        return model

    # The last class has no weight, and so counts once.
    seq, weights = NpySequence(x, y, batch_size=4), [0.5, 3.0, 1.0]
    with pytest.raises(ValueError, match=r"labels of 4 steps \(b, 4\).*for each step") as caught:
        make().fit(seq, class_weight=dict(enumerate(weights[:2])), verbose=0)
    found = re.search(r"seq\.map\(.*\)\)(?=, in the order)", str(caught.value))
    assert found is not None
    model, expected = make(), make()
    model.fit(eval(found[0], {"seq": seq, "np": np}), verbose=0, shuffle=False)
    each = np.asarray(weights)[y]
    expected.fit(x, y, sample_weight=each, batch_size=4, verbose=0, shuffle=False)
    assert_same_weights(expected, model)


def test_fit_sample_weight_weighs_as_arrays(stored: Stored) -> None:
    """Sample weights follow their rows, in file order and shuffled."""
    order = rows_of_epoch(N, 0, batch_size=8, seed=3)
    seq = NpySequence(stored.x_path, stored.y_path, stored.weight_path, batch_size=8, seed=3)
    for shuffle, rows in ((False, list(range(N))), (True, order)):
        from_arrays, from_files = make_model(), make_model()
        from_arrays.fit(
            stored.x[rows],
            stored.y[rows],
            sample_weight=stored.weight[rows],
            batch_size=8,
            shuffle=False,
            verbose=0,
        )
        from_files.fit(seq, shuffle=shuffle, verbose=0)
        assert_same_weights(from_arrays, from_files)


def test_fit_class_weight_with_sample_weight_is_refused(stored: Stored) -> None:
    """The two together are the error that Keras raises for arrays."""
    seq = NpySequence(stored.x_path, stored.y_path, stored.weight_path, batch_size=8)
    with pytest.raises(ValueError, match=r"cannot be used at the same time.*Received.*Multiply"):
        make_model().fit(seq, class_weight={0: 2.0}, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"y": np.zeros(N)}, r"y is part of.*Received: y=.*Pass y= to", id="y"),
        pytest.param(
            {"sample_weight": np.ones(N)}, r"sample_weight is part of.*to NpySequence", id="weight"
        ),
        pytest.param({"batch_size": 16}, r"batch_size=16.*batch_size=8\. Pass", id="batch-size"),
        pytest.param(
            {"shuffle": "rows"}, r"shuffle must be.*Received: shuffle='rows'", id="shuffle"
        ),
    ],
)
def test_fit_argument_that_belongs_to_the_sequence_is_refused(
    stored: Stored, arguments: Any, message: str
) -> None:
    """Nothing given to fit is silently dropped."""
    with pytest.raises(ValueError, match=message):
        make_model().fit(stored.sequence(), verbose=0, **arguments)


def test_fit_same_batch_size_is_accepted(stored: Stored) -> None:
    """A batch_size that agrees says nothing wrong."""
    model = make_model()
    model.fit(stored.sequence(), batch_size=8, shuffle=False, verbose=0)
    assert_same_weights(fit_arrays(stored, [list(range(N))]), model)


@pytest.mark.parametrize("steps", [3, 7, 10, 15])
def test_fit_steps_per_epoch_continues_and_wraps(stored: Stored, steps: int) -> None:
    """Epochs of any length cut one endless stream of passes, without a warning (7 batches)."""
    num_passes, num_left = divmod(3 * steps, 7)
    orders = [rows_of_epoch(N, epoch, batch_size=8, seed=3) for epoch in range(num_passes + 1)]
    orders[-1] = orders[-1][: 8 * num_left]
    expected = fit_arrays(stored, [order for order in orders if order])
    seq, model = stored.sequence(), make_model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(seq, epochs=3, steps_per_epoch=steps, verbose=0)
    assert_same_weights(expected, model)
    # Read ahead or not, a pass counts when its first batch is trained on.
    assert -(-3 * steps // 7) == seq.epoch


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_steps_beyond_the_last_batch_end_as_with_arrays(stored: Stored, method: str) -> None:
    """Evaluation serves every row once, whatever steps asks for; Keras warns of it."""
    model = make_model()
    with pytest.warns(UserWarning, match="ran out of data"):
        result = getattr(model, method)(stored.sequence(), steps=20, verbose=0)
    np.testing.assert_array_equal(getattr(model, method)(stored.sequence(), verbose=0), result)


def test_fit_unshuffled_steps_beyond_the_last_batch_wrap_with_a_warning(stored: Stored) -> None:
    """Rows that come twice in an epoch in file order are announced."""
    model = make_model()
    with pytest.warns(UserWarning, match=r"steps of 9 are more than the 7 batches"):
        model.fit(stored.sequence(), shuffle=False, steps_per_epoch=9, verbose=0)
    expected = fit_arrays(stored, [list(range(N)), list(range(16))])
    assert_same_weights(expected, model)


@pytest.mark.parametrize("name", ["steps_per_epoch", "validation_steps"])
@validates_on_training_rows
def test_fit_steps_of_zero_are_all_batches_and_negative_ones_refused(
    stored: Stored, name: str
) -> None:
    """0 is what `n // batch_size` gives for a small file: a whole pass, as with arrays."""
    seq, model = stored.sequence(), make_model()
    model.fit(seq, validation_data=seq, shuffle=False, verbose=0, **{name: 0})
    assert_same_weights(fit_arrays(stored, [list(range(N))]), model)
    with pytest.raises(ValueError, match=r"at least 1\. Received: -1.*Leave it out"):
        make_model().fit(seq, validation_data=seq, verbose=0, **{name: -1})


@several_steps
@pytest.mark.parametrize(
    ("steps_per_execution", "weights"),
    # Weights are gathered with their rows, however many steps these are for.
    [(3, None), (32, None), (3, "class_weight"), (3, "sample_weight")],
)
def test_fit_steps_per_execution_trains_as_arrays(
    stored: Stored, steps_per_execution: int, weights: str | None
) -> None:
    """Several steps a call, the last call of seven batches short: the same weights and figures."""
    models = []
    for data in ("arrays", "files"):
        model = make_model(steps_per_execution=steps_per_execution, metrics=["accuracy"])
        by_class = {"class_weight": {0: 3.0, 2: 0.25}} if weights == "class_weight" else {}
        by_row = weights == "sample_weight"
        if data == "arrays":
            arrays = {"y": stored.y, "batch_size": 8}
            arrays |= {"sample_weight": stored.weight} if by_row else {}
            history = model.fit(stored.x, **arrays, shuffle=False, epochs=2, verbose=0, **by_class)
            result = model.evaluate(stored.x, stored.y, batch_size=8, verbose=0)
            predicted = model.predict(stored.x, batch_size=8, verbose=0)
        else:
            weight_path = stored.weight_path if by_row else None
            seq = NpySequence(stored.x_path, stored.y_path, weight_path, batch_size=8)
            history = model.fit(seq, shuffle=False, epochs=2, verbose=0, **by_class)
            result = model.evaluate(stored.sequence(), verbose=0)
            predicted = model.predict(stored.sequence(), verbose=0)
        models.append((model, history.history, result, predicted))
    (arrays_model, *figures), (files_model, *got) = models
    assert_same_weights(arrays_model, files_model)
    assert figures[:2] == got[:2]
    np.testing.assert_array_equal(figures[2], got[2])


@several_steps
@pytest.mark.parametrize("steps_per_execution", [3, 32])
def test_fit_steps_per_execution_and_per_epoch_train_on_one_stream_of_passes(
    stored: Stored, steps_per_execution: int
) -> None:
    """Calls go on across the short last batches of passes, each of a new order."""
    steps, seq = 2 * steps_per_execution, stored.sequence()
    model = make_model(steps_per_execution=steps_per_execution)
    model.fit(seq, epochs=2, steps_per_epoch=steps, verbose=0)
    num_passes = -(-2 * steps // 7)
    assert num_passes == seq.epoch
    rows = [rows_of_epoch(N, epoch, batch_size=8, seed=3) for epoch in range(num_passes)]
    batches = [order[start : start + 8] for order in rows for start in range(0, N, 8)]
    expected = make_model()
    for batch in batches[: 2 * steps]:
        expected.train_on_batch(stored.x[batch], stored.y[batch])
    # A loop of steps within one program rounds as it likes: to float32's precision, not bit by bit.
    for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@several_steps
@pytest.mark.parametrize(("steps", "epochs"), [(7, 1), (7, 2), (2, 3), (9, 2)])
def test_fit_steps_per_execution_counts_every_pass_that_trained(
    stored: Stored, steps: int, epochs: int
) -> None:
    """Three steps a call, whatever the epoch has left: 7 steps are 9, of which 2 are pass 1's."""
    seq, model = stored.sequence(), make_model(steps_per_execution=3)
    model.fit(seq, epochs=epochs, steps_per_epoch=steps, verbose=0)
    num_trained = int(model.optimizer.iterations)
    assert epochs * -(-steps // 3) * 3 == num_trained
    assert -(-num_trained // 7) == seq.epoch


def test_fit_drop_remainder_leaves_out_the_short_batch(stored: Stored) -> None:
    """48 of 53 rows train; evaluation of the same sequence leaves out the others too."""
    model = make_model()
    model.fit(stored.sequence(drop_remainder=True), shuffle=False, verbose=0)
    assert_same_weights(fit_arrays(stored, [list(range(48))]), model)
    assert (48, 3) == model.predict(stored.sequence(drop_remainder=True), verbose=0).shape


def test_fit_indices_trains_on_those_rows_alone(stored: Stored) -> None:
    """A subset in file order is the subset of the arrays; shuffled, a permutation of it."""
    rows = [5, 40, 2, 17, 30, 31, 9, 50, 51, 52, 0]
    model = make_model()
    model.fit(stored.sequence(indices=rows), shuffle=False, verbose=0)
    assert_same_weights(fit_arrays(stored, [rows]), model)
    seq = NpySequence(np.arange(N), batch_size=4, indices=rows, shuffle=True, seed=0)
    shuffled = [int(row) for batch in seq for row in batch]
    assert sorted(rows) == sorted(shuffled)
    assert rows != shuffled


def functional_model() -> keras.Model:
    """Two inputs and two outputs, by name."""
    keras.utils.set_random_seed(2)
    image, number = keras.Input((6, 5), name="image", dtype="uint8"), keras.Input((2,), name="pair")
    hidden = keras.layers.concatenate(
        [keras.layers.Flatten()(keras_npy.NpyInputLayer()(image)), number]
    )
    outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in ("a", "b")}
    model = keras.Model({"image": image, "pair": number}, outputs)
    model.compile("sgd", loss={"a": "mse", "b": "mse"})
    return model


@pytest.mark.parametrize("weights", ["none", "one", "each"])
def test_fit_dicts_train_as_dicts_of_arrays(stored: Stored, tmp_path: Any, weights: str) -> None:
    """Several inputs and outputs, files and arrays mixed, with weights for all or each."""
    rng = np.random.default_rng(0)
    pair, a, b = rng.random((N, 2)), rng.random((N, 1)), rng.random((N, 1))
    np.save(tmp_path / "pair.npy", pair.astype("float32"))
    np.save(tmp_path / "a.npy", a)
    sample_weight: Any = {"none": None, "one": stored.weight, "each": {"a": a[:, 0], "b": b[:, 0]}}
    from_arrays, from_files = functional_model(), functional_model()
    from_arrays.fit(
        {"image": stored.x, "pair": pair.astype("float32")},
        {"a": a, "b": b},
        sample_weight=sample_weight[weights],
        batch_size=8,
        shuffle=False,
        verbose=0,
    )
    seq = NpySequence(
        {"image": stored.x_path, "pair": tmp_path / "pair.npy"},
        {"a": tmp_path / "a.npy", "b": b},
        sample_weight[weights],
        batch_size=8,
    )
    from_files.fit(seq, shuffle=False, verbose=0)
    assert_same_weights(from_arrays, from_files)
    expected = from_arrays.predict({"image": stored.x, "pair": pair.astype("float32")}, verbose=0)
    predicted = from_files.predict(seq, verbose=0)
    for name in ("a", "b"):
        np.testing.assert_array_equal(expected[name], predicted[name])


def test_fit_class_weight_of_several_outputs_is_refused(stored: Stored) -> None:
    """Class weights need one output, as with arrays."""
    seq = NpySequence(stored.x_path, {"a": stored.y, "b": stored.y})
    with pytest.raises(ValueError, match=r"single output.*several outputs.*sample_weight="):
        make_model().fit(seq, class_weight={0: 2.0}, verbose=0)


def test_predict_tuple_of_inputs_without_targets_is_not_taken_for_targets(stored: Stored) -> None:
    """A tuple x is several inputs, never (x, y)."""
    first, second = keras.Input((6, 5)), keras.Input((6, 5))
    model = keras.Model((first, second), keras.layers.subtract([first, second]))
    seq = NpySequence((stored.x_path, np.zeros((N, 6, 5), "uint8")), batch_size=8)
    np.testing.assert_array_equal(stored.x.astype("float32"), model.predict(seq, verbose=0))


class StopAfter(keras.callbacks.Callback):
    """End training, or raise, after some batches."""

    def __init__(self, num_batches: int, error: BaseException | None = None) -> None:
        super().__init__()
        self.left, self.error = num_batches, error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            if self.error is not None:
                raise self.error
            self.model.stop_training = True


def test_fit_after_an_interrupt_starts_the_next_pass_and_leaves_no_thread(stored: Stored) -> None:
    """Ctrl-C in a pass: the next fit is a whole pass of its own, and no thread stays behind."""
    seq, model = stored.sequence(), make_model()
    model.fit(seq, verbose=0)
    threads = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        model.fit(seq, verbose=0, callbacks=[StopAfter(2, KeyboardInterrupt())])
    assert threads == set(threading.enumerate())
    assert 2 == seq.epoch
    fresh, expected = make_model(), fit_arrays(stored, [rows_of_epoch(N, 2, batch_size=8, seed=3)])
    fresh.fit(seq, verbose=0)
    assert_same_weights(expected, fresh)


def test_fit_stopped_early_counts_its_pass_once(stored: Stored) -> None:
    """An early stop sends no end of epoch; the pass counts all the same."""
    seq = stored.sequence()
    make_model().fit(seq, epochs=5, verbose=0, callbacks=[StopAfter(9)])
    assert 2 == seq.epoch


def test_fit_in_two_threads_at_once_serves_each_its_own_rows(stored: Stored) -> None:
    """One sequence, two trainings in file order at the same time: both are right."""
    expected, seq = fit_arrays(stored, [list(range(N))] * 3), stored.sequence(shuffle=False)
    models = [make_model(), make_model()]
    threads = [
        threading.Thread(target=model.fit, args=(seq,), kwargs={"epochs": 3, "verbose": 0})
        for model in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for model in models:
        assert_same_weights(expected, model)


def test_fit_file_replaced_while_training_stops_with_its_name(
    stored: Stored, tmp_path: Any
) -> None:
    """Another file at the path ends training; the message names it and says what to do."""

    class Replace(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            np.save(tmp_path / "other.npy", stored.x[::-1])
            (tmp_path / "other.npy").replace(stored.x_path)

    with pytest.raises(Exception, match=r"x\.npy: a file must not change while it is in use"):
        make_model().fit(stored.sequence(), epochs=3, verbose=0, callbacks=[Replace()])


@pytest.mark.parametrize("source", ["x.npy", "x-*.npy"], ids=["file", "shards"])
def test_fit_goes_on_after_its_files_were_deleted(stored: Stored, source: str) -> None:
    """Data that are mapped stay for as long as they are, whatever their names."""
    folder = stored.x_path.parent
    for shard, rows in enumerate(np.array_split(stored.x, 3)):
        np.save(folder / f"x-{shard}.npy", rows)
    expected, model = make_model(), make_model()
    seq = NpySequence(folder / source, stored.y, batch_size=8, seed=3)
    expected.fit(seq, epochs=3, verbose=0)
    seq = NpySequence(folder / source, stored.y, batch_size=8, seed=3)
    model.fit(seq, verbose=0)
    for path in list(folder.glob(source)):
        path.unlink()
    model.fit(seq, epochs=2, verbose=0)
    assert_same_weights(expected, model)


@only_on("tensorflow", reason="the others trace by the shape of each batch themselves")
@pytest.mark.parametrize(("drop_remainder", "jit_compile"), [(False, False), (True, True)])
def test_fit_traces_the_step_as_it_does_for_arrays(
    stored: Stored, drop_remainder: bool, jit_compile: bool
) -> None:
    """Of a static shape if every batch is full, of any batch if the last one is short.

    Keras 3.16 traces the step for full batches first, and again for the short one.
    """
    num_rows = 48 if drop_remainder else N

    def shapes_traced(*data: Any, **arguments: Any) -> list[Any]:
        shapes: list[Any] = []

        class Counting(keras.Model):
            def train_step(self, data: Any) -> Any:
                shapes.append(data[0].shape.as_list())
                return super().train_step(data)

        plain = make_model()
        model = Counting(plain.inputs, plain.outputs)
        model.compile("sgd", plain.loss, jit_compile=jit_compile)
        model.fit(*data, epochs=3, verbose=0, **arguments)
        return shapes

    expected = shapes_traced(stored.x[:num_rows], stored.y[:num_rows], batch_size=8)
    assert expected == shapes_traced(stored.sequence(drop_remainder=drop_remainder))
    assert [8 if drop_remainder else None, 6, 5] == expected[-1]


def test_fit_interrupted_by_a_signal_stops(stored: Stored) -> None:
    """Ctrl-C at any moment ends fit, and none is lost in our code, which frees batches meanwhile.

    Others lose some, and users press again. Python drops an exception in code that it calls on its
    own, such as JAX's callback at each garbage collection, which Keras loads on torch too (Keras
    3.12, jax 0.10). NumPy drops one while it asks TensorFlow for the values of a tensor (NumPy 2.4,
    TensorFlow 2.21), in `fit` on arrays too: one press in some hundreds.
    """
    script = """
        import faulthandler, os, signal, sys, threading, traceback
        import keras_npy
        from tests.conftest import make_model

        interrupts, presses, lost, lost_by_us = [], [], {}, []
        package = os.path.dirname(keras_npy.__file__) + os.sep

        def files(frames):
            return [frame.filename for frame in frames]

        def on_signal(number, frame):
            interrupt = KeyboardInterrupt()
            presses.append((interrupt, files(traceback.extract_stack(frame))))
            raise interrupt

        def on_lost(unraisable):
            if unraisable.exc_type is not KeyboardInterrupt:
                return sys.__unraisablehook__(unraisable)
            # Whose code Python called on its own, not whose code ran before.
            lost[unraisable.exc_value] = files(traceback.extract_tb(unraisable.exc_traceback))

        def press(delay_s, is_over):
            while not is_over.wait(delay_s):
                os.kill(os.getpid(), signal.SIGINT)
                delay_s = 20

        faulthandler.dump_traceback_later(150)
        signal.signal(signal.SIGINT, on_signal)
        sys.unraisablehook = on_lost
        seq = keras_npy.NpySequence(sys.argv[1], sys.argv[2], batch_size=1, seed=0)
        for delay_s in (0.3, 0.35, 0.4):
            model = make_model()
            model.fit(seq, verbose=0)
            is_over = threading.Event()
            threading.Thread(target=press, args=(delay_s, is_over), daemon=True).start()
            try:
                model.fit(seq, epochs=100_000, verbose=0)
            except KeyboardInterrupt:
                is_over.set()
                interrupts.append(presses.pop())
            # A press without effect was lost by us if any of our code was running.
            for interrupt, where in presses:
                where = lost.get(interrupt, where)
                lost_by_us += [where] if any(file.startswith(package) for file in where) else []
            presses.clear()
        model = make_model()
        model.fit(seq, verbose=0)
        print(len(interrupts), lost_by_us)
    """
    assert "3 []" == run_forked(script, stored.x_path, stored.y_path, timeout_s=200)
