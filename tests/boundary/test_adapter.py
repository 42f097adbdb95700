"""What Keras is given: the rows, their order, and what is said of them."""

from typing import Any

import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from keras_npy.rows.stored import StoredRows
from tests.conftest import Stored, assert_same_weights, make_model


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_adapter_iterators_serve_the_same_rows_in_the_same_order(
    stored: Stored, shuffle: Any
) -> None:
    """The TensorFlow and NumPy feeds agree, batch by batch."""
    served = {}
    for name in ("get_tf_dataset", "get_numpy_iterator"):
        feed = getattr(NpyDataAdapter(stored.sequence(), shuffle=shuffle), name)()
        served[name] = [[np.asarray(leaf) for leaf in batch] for batch in feed]
    assert 7 == len(served["get_tf_dataset"])
    for one, other in zip(*served.values(), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_adapter_describes_its_batches(stored: Stored) -> None:
    """Keras's own questions: 7 batches of 8, the last of 5."""
    one = NpyDataAdapter(stored.sequence())
    answers = (one.num_batches, one.batch_size, one.has_partial_batch, one.partial_batch_size)
    assert (7, 8, True, 5) == answers
    full = NpyDataAdapter(stored.sequence(drop_remainder=True))
    assert (6, False, None) == (full.num_batches, full.has_partial_batch, full.partial_batch_size)


def test_adapter_given_to_fit_by_hand_keeps_its_own_arguments(stored: Stored) -> None:
    """An adapter shuffles and weighs as it was told, whatever fit's default says."""
    by_hand, by_fit = make_model(), make_model()
    by_hand.fit(NpyDataAdapter(stored.sequence(), True, {0: 2.0}), verbose=0)
    by_fit.fit(stored.sequence(), class_weight={0: 2.0}, verbose=0)
    assert_same_weights(by_fit, by_hand)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"y": np.zeros(53)}, "y is part of an NpySequence", id="y"),
        pytest.param({"batch_size": 9}, "batch_size=9 beside", id="batch-size"),
        pytest.param({"class_weight": {0: 1.0}}, "class_weight= to NpyDataAdapter", id="weight"),
    ],
)
def test_adapter_given_to_fit_by_hand_refuses_what_keras_would_drop(
    stored: Stored, arguments: Any, message: str
) -> None:
    """Keras drops these without a word for an adapter; here they are errors."""
    with pytest.raises(ValueError, match=message):
        make_model().fit(NpyDataAdapter(stored.sequence()), verbose=0, **arguments)


def test_adapter_given_to_fit_by_hand_wraps_for_steps_per_epoch(stored: Stored) -> None:
    """steps_per_epoch reaches an adapter too."""
    by_hand, by_fit = make_model(), make_model()
    by_hand.fit(NpyDataAdapter(stored.sequence(), True), epochs=3, steps_per_epoch=5, verbose=0)
    by_fit.fit(stored.sequence(), epochs=3, steps_per_epoch=5, verbose=0)
    assert_same_weights(by_fit, by_hand)


def test_adapter_pass_before_the_first_epoch_is_not_counted(stored: Stored) -> None:
    """A symbolic build takes a batch and resets: the first epoch keeps its order."""
    seq = stored.sequence()
    one = NpyDataAdapter(seq, shuffle=True)

    def reset() -> None:
        one.on_epoch_end()

    next(one.get_numpy_iterator())
    assert 1 == seq.epoch
    reset()
    assert 0 == seq.epoch
    one.on_epoch_begin()
    next(one.get_numpy_iterator())
    one.on_epoch_end()
    assert 1 == seq.epoch


def test_adapter_iterator_that_is_never_used_starts_nothing(stored: Stored) -> None:
    """Keras makes an iterator at the end of a pass and throws it away."""
    seq = stored.sequence()
    one = NpyDataAdapter(seq, shuffle=True)
    iter(one.get_tf_dataset())
    iter(one.get_numpy_iterator())
    assert 0 == seq.epoch


def test_predict_reads_no_targets(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """`predict` touches x alone; `evaluate` needs y."""
    seq = NpySequence(stored.x_path, stored.y, batch_size=8)
    taken: list[str] = []
    read_into = StoredRows.read_into

    def watched(self: StoredRows, indices: Any, out: Any) -> None:
        taken.append(self.name)
        read_into(self, indices, out)

    monkeypatch.setattr(StoredRows, "read_into", watched)
    model = make_model()
    model.predict(seq, verbose=0)
    assert "array in memory" not in taken
    model.evaluate(seq, verbose=0)
    assert "array in memory" in taken


def test_adapter_driven_by_hand_with_its_hooks_serves_a_new_order_each_pass(
    stored: Stored,
) -> None:
    """Only Keras's reset takes a pass back."""
    seq = stored.sequence()
    one = NpyDataAdapter(seq, shuffle=True)
    orders = []
    for _ in range(3):
        one.on_epoch_begin()
        orders.append([tuple(y.tolist()) for _, y in one.get_numpy_iterator()])
        one.on_epoch_end()
    assert 3 == len({tuple(order) for order in orders})
    assert 3 == seq.epoch


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_adapter_that_shuffles_is_refused_where_file_order_is_promised(
    stored: Stored, method: str
) -> None:
    """Rows of a prediction would come in another order than the file's."""
    with pytest.raises(ValueError, match=r"file order.*shuffle=True.*sequence itself"):
        getattr(make_model(), method)(NpyDataAdapter(stored.sequence(), shuffle=True), verbose=0)


def test_adapter_given_to_predict_by_hand_ends_after_one_pass(stored: Stored) -> None:
    """steps beyond the last batch end as with arrays."""
    with pytest.warns(UserWarning, match="ran out of data"):
        predicted = make_model().predict(NpyDataAdapter(stored.sequence()), steps=20, verbose=0)
    assert (53, 3) == predicted.shape
