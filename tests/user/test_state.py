"""`get_state` and `set_state`: loops of one's own go on where they were."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence
from tests.conftest import Stored, assert_same_weights, make_model

NUM_BATCHES = 7


def batches_of(seq: NpySequence) -> list[list[int]]:
    return [batch.tolist() for batch in seq]


def rows_sequence(**arguments: Any) -> NpySequence:
    return NpySequence(np.arange(53), **{"batch_size": 8, "seed": 3, **arguments})


@pytest.mark.parametrize("shuffle", [None, True, "batch"])
@pytest.mark.parametrize("num_taken", [0, 1, 6, 7, 10], ids=lambda n: f"after-{n}")
def test_loop_goes_on_with_the_next_batch(shuffle: Any, num_taken: int) -> None:
    """In a new object, after a round trip through JSON: the same batches, in the same order."""
    whole, part, state = rows_sequence(shuffle=shuffle), rows_sequence(shuffle=shuffle), None
    expected = [batch for _ in range(3) for batch in batches_of(whole)]
    given: list[list[int]] = []
    state = part.get_state()
    while len(given) < num_taken:
        for batch in part:
            given.append(batch.tolist())
            state = part.get_state()
            if len(given) == num_taken:
                break
    resumed = rows_sequence(shuffle=shuffle)
    resumed.set_state(json.loads(json.dumps(state)))
    while len(given) < len(expected):
        given += batches_of(resumed)
    assert expected == given


def test_state_of_a_pass_that_ended_is_the_next_pass() -> None:
    """Also if another pass has begun since."""
    seq = rows_sequence(shuffle=True)
    first = iter(seq)
    next(first)
    assert (0, 1) == (seq.get_state()["epoch"], seq.get_state()["batch"])
    batches_of(seq)
    assert (2, 0) == (seq.get_state()["epoch"], seq.get_state()["batch"])


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_after_set_state_trains_the_rest_of_the_pass(stored: Stored, shuffle: bool) -> None:
    """The first epoch is shorter, and callbacks see the true numbers of its batches."""
    seen: list[int] = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(batch)
    )
    seq = stored.sequence()
    state = {**seq.get_state(), "epoch": 2, "batch": 5}
    whole, rest = make_model(), make_model()
    seq.set_state(state)
    with_arrays = stored.sequence(shuffle=True)
    with_arrays.epoch = 2
    batches = [*(with_arrays if shuffle else stored.sequence())][5:]
    for x, y in batches:
        whole.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    rest.fit(seq, epochs=1, shuffle=shuffle, verbose=0, callbacks=[callback])
    assert [5, 6] == seen
    assert_same_weights(whole, rest)
    rest.fit(seq, epochs=1, shuffle=shuffle, verbose=0, callbacks=[callback])
    assert [5, 6, *range(NUM_BATCHES)] == seen


def test_validation_data_with_a_state_is_evaluated_whole(stored: Stored) -> None:
    """Only training goes on within a pass."""
    seq, model = stored.sequence(), make_model()
    expected = model.evaluate(seq, verbose=0)
    seq.set_state({**seq.get_state(), "batch": 5})
    assert expected == model.evaluate(seq, verbose=0)
    assert 5 == seq.get_state()["batch"]


def test_seed_that_was_drawn_is_taken_from_the_state() -> None:
    """A script without seed= goes on in the order that it began."""
    part = NpySequence(np.arange(53), batch_size=8, shuffle=True)
    batches = iter(part)
    next(batches)
    resumed = NpySequence(np.arange(53), batch_size=8, shuffle=True)
    resumed.set_state(part.get_state())
    assert [batch.tolist() for batch in batches] == batches_of(resumed)
    assert part.seed == resumed.seed
    # What `replace` draws is drawn, and what it is given is given.
    resumed = resumed.replace(seed=1).replace(seed=None)
    resumed.set_state(part.get_state())
    assert part.seed == resumed.seed
    with pytest.raises(ValueError, match=f"seed=1, not {part.seed}"):
        resumed.replace(seed=1).set_state(part.get_state())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"seed": 4}, "seed=4, not 3", id="seed"),
        pytest.param({"batch_size": 4}, "batch_size=4, not 8", id="batch-size"),
        pytest.param({"shuffle": True}, "shuffle=True, not None", id="shuffle"),
        pytest.param({"drop_remainder": True}, "drop_remainder=True", id="drop-remainder"),
        pytest.param({"indices": range(1, 53)}, "num_samples=52, not 53", id="rows"),
        pytest.param({"indices": np.arange(53)[::-1]}, "rows=", id="order-of-rows"),
    ],
)
def test_set_state_of_other_batches_is_refused(changes: dict[str, Any], named: str) -> None:
    """What differs is named, with what to do."""
    seq = rows_sequence(**changes)
    with pytest.raises(
        ValueError, match=rf"goes on only with.*Received.*{named}.*Restore"
    ) as caught:
        seq.set_state(rows_sequence().get_state())
    assert "begin a new run" in str(caught.value)
    assert (0, 0) == (seq.get_state()["epoch"], seq.get_state()["batch"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda x: x + 1, id="values"),
        pytest.param(lambda x: np.where(np.arange(53) == 20, 0, x), id="one-value"),
        pytest.param(lambda x: x.astype("int32"), id="dtype"),
    ],
)
def test_set_state_of_other_data_is_refused(change: Any) -> None:
    """The content counts, not the name of the file."""
    other = NpySequence(change(np.arange(53)), batch_size=8, seed=3)
    with pytest.raises(ValueError, match="the content of the files"):
        other.set_state(rows_sequence().get_state())


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_state_fits_the_same_data_in_another_place_and_layout(tmp_path: Path) -> None:
    """A copy of the file, shards of it, its Fortran order and the array in memory are one."""
    x = np.arange(53 * 6).reshape(53, 6)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(x.astype(">i8")))
    for number, part in enumerate(np.array_split(x, 3)):
        np.save(tmp_path / f"shard-{number}.npy", part)
    state = NpySequence(tmp_path / "x.npy", batch_size=8, seed=3).get_state()
    for source in (x, tmp_path / "fortran.npy", str(tmp_path / "shard-*.npy")):
        NpySequence(source, batch_size=8, seed=3).set_state({**state, "batch": 2})


def test_data_too_large_to_compare_whole_is_compared_by_rows(tmp_path: Path) -> None:
    """First and last row, and rows between them; the file is sparse."""
    path = tmp_path / "x.npy"
    large = np.lib.format.open_memmap(path, "w+", "uint8", (300, 1 << 20))
    before = NpySequence(path, batch_size=8, seed=3).get_state()
    assert before == NpySequence(path, batch_size=8, seed=3).get_state()
    for row in (0, 299):
        large[row, 5] = 1
        large.flush()
        with pytest.raises(ValueError, match="the content of the files"):
            NpySequence(path, batch_size=8, seed=3).set_state(before)
        large[row, 5] = 0


@pytest.mark.parametrize(
    ("state", "error"),
    [
        pytest.param(None, TypeError, id="none"),
        pytest.param({"epoch": 1, "batch": 2}, TypeError, id="incomplete"),
        pytest.param({"epoch": -1}, ValueError, id="epoch"),
        pytest.param({"batch": NUM_BATCHES}, ValueError, id="batch"),
        pytest.param({"batch": 1.5}, ValueError, id="fraction"),
        pytest.param({"format": 99}, ValueError, id="format"),
    ],
)
def test_set_state_of_no_state_is_refused(state: Any, error: type[Exception]) -> None:
    """Three sentences; the sequence stays as it was."""
    seq = rows_sequence()
    if error is ValueError:
        state = {**seq.get_state(), **state}
    with pytest.raises(error, match=r"\. Received: .*\. "):
        seq.set_state(state)
    assert (0, 0) == (seq.get_state()["epoch"], seq.get_state()["batch"])


def test_state_of_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A fingerprint of a file that is being rewritten would be of neither content."""
    path = tmp_path / "x.npy"
    np.save(path, np.arange(53))
    seq = NpySequence(path, batch_size=8)
    np.save(path, np.arange(54))
    with pytest.raises(keras_npy.NpyFileError, match="changed"):
        seq.get_state()
