"""Batches that are read by index, pass after pass, in one order."""

import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.order.indexed import IndexedPasses


def sequence(num_batches: int = 4, shuffle: Any = True) -> NpySequence:
    return NpySequence(np.arange(2.0 * num_batches), batch_size=2, shuffle=shuffle, seed=0)


def one_pass(seq: Any) -> list[float]:
    return [value for index in range(len(seq)) for value in seq[index].tolist()]


def warned_of(read: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read()
    return [str(one.message) for one in caught]


class Around(keras.utils.PyDataset):
    """A dataset of a user's that passes nothing on."""

    def __init__(self, seq: NpySequence) -> None:
        super().__init__()
        self.seq = seq

    def __len__(self) -> int:
        return len(self.seq)

    def __getitem__(self, index: int) -> Any:
        return self.seq[index][:, np.newaxis], np.zeros(2)


class PassedOn(Around):
    def on_epoch_end(self) -> None:
        self.seq.on_epoch_end()


def test_third_pass_by_index_without_on_epoch_end_is_warned_of_once() -> None:
    """As it begins; each remedy gives a new order, without a word."""
    seq = sequence()
    assert [] == warned_of(lambda: [one_pass(seq), one_pass(seq)])
    (said,) = warned_of(lambda: seq[0])
    assert "Received: all 4 batches twice, and now again, in the order of pass 0." in said
    assert "Call seq.on_epoch_end() after each pass" in said
    assert [] == warned_of(lambda: [one_pass(seq), one_pass(seq)])
    other = sequence()
    orders = []

    def remedies() -> None:
        for _ in range(3):
            orders.append(one_pass(other))
            other.on_epoch_end()
        for _ in range(3):
            orders.append([value for batch in other for value in batch.tolist()])

    assert [] == warned_of(remedies)
    assert 6 == len({tuple(order) for order in orders})


@pytest.mark.parametrize(
    ("kind", "epochs", "is_warned"),
    [
        pytest.param(Around, 4, True, id="not-passed-on"),
        pytest.param(Around, 1, False, id="one-epoch"),
        pytest.param(PassedOn, 4, False, id="passed-on"),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_of_a_dataset_around_a_sequence_is_warned(
    kind: Any, epochs: int, is_warned: bool, shuffle: bool
) -> None:
    """Also if Keras asks for batches in an order of its own; `on_epoch_end` ends it."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = kind(sequence())
    said = warned_of(lambda: model.fit(data, epochs=epochs, verbose=0, shuffle=shuffle))
    assert is_warned == any("on_epoch_end" in one for one in said)


def test_generator_over_batches_is_warned() -> None:
    """It reads by index for ever."""
    seq = sequence()

    def batches() -> Iterator[Any]:
        while True:
            for index in range(len(seq)):
                yield seq[index]

    made = batches()
    assert 1 == len(warned_of(lambda: [next(made) for _ in range(40)]))


def look_again_and_again(seq: NpySequence) -> None:
    for _ in range(50):
        seq[0], seq[-1], seq[1]


def replaced(seq: NpySequence) -> None:
    for _ in range(2):
        one_pass(seq)
    for part in (seq.replace(batch_size=4), seq.subset(slice(6)), seq.map(lambda x: x)):
        one_pass(part)
    one_pass(pickle.loads(pickle.dumps(seq)))


def chosen_passes(seq: NpySequence) -> None:
    for epoch in range(5):
        seq.epoch = epoch
        one_pass(seq)


def iterated_between(seq: NpySequence) -> None:
    for _ in range(5):
        one_pass(seq)
        list(seq)


@pytest.mark.parametrize(
    ("seq", "read"),
    [
        pytest.param(sequence(), look_again_and_again, id="looks"),
        pytest.param(sequence(2), look_again_and_again, id="looks-at-all-of-two"),
        pytest.param(sequence(), replaced, id="copies-count-for-themselves"),
        pytest.param(sequence(), chosen_passes, id="passes-that-the-user-counts"),
        pytest.param(sequence(), iterated_between, id="new-passes"),
        pytest.param(
            sequence(shuffle=False), lambda seq: [one_pass(seq) for _ in range(5)], id="file-order"
        ),
    ],
)
def test_other_uses_of_batches_say_nothing(seq: NpySequence, read: Any) -> None:
    """Neither looks nor passes that differ."""
    assert [] == warned_of(lambda: read(seq))


def test_note_while_another_thread_ends_the_pass() -> None:
    """The batches that it looks at are not taken away under it."""
    passes = IndexedPasses()
    assert not passes.note(0, 0, 3)

    class Ending(int):
        # Between two lines of `note`, as a thread that calls on_epoch_end.
        def __ne__(self, other: object) -> bool:
            passes.end()
            return int(self) != other

    assert not passes.note(1, Ending(0), 3)
    assert not passes.has_any
