"""Processes that share batches: which rows each reads in loops of one's own, and what is refused.

`tests/boundary/test_two_processes.py` starts real ones.
"""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpyDataAdapter, NpyInputLayer, NpySequence
from keras_npy.feeds import processes
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.types import Array, Indices
from tests.conftest import Stored


def parts_of(make: Callable[..., NpySequence], num_processes: int = 2) -> list[NpySequence]:
    """A sequence for each process."""
    return [
        make(num_processes=num_processes, process_id=process_id)
        for process_id in range(num_processes)
    ]


def leaves(batch: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in keras.tree.flatten(batch)]


def feed_of(seq: NpySequence) -> Iterator[Any]:
    """Batches as a feed gathers them ahead."""
    iterator: Iterator[Any] = NpyDataAdapter(seq, shuffle=True).get_numpy_iterator()
    return iterator


def batches_of(seq: NpySequence) -> Iterator[Any]:
    return iter(seq)


@pytest.mark.parametrize("read", [batches_of, feed_of])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda seq: seq, id="path"),
        pytest.param(lambda seq: seq.subset(slice(None, None, -1)), id="subset"),
        pytest.param(lambda seq: seq.split(0.2)[0].replace(batch_size=10), id="split"),
        pytest.param(lambda seq: seq.map(lambda x, y: ({"x": x * 2}, y)), id="map"),
    ],
)
def test_parts_of_processes_together_are_the_batches_of_one(
    stored: Stored, change: Callable[[NpySequence], NpySequence], read: Callable[..., Any]
) -> None:
    """The same rows in the same places, also through what is made of a sequence."""

    def make(**arguments: Any) -> NpySequence:
        return change(stored.sequence(shuffle=True, drop_remainder=True, **arguments))

    whole, parts = make(), parts_of(make)
    for _ in range(2):
        num_batches = 0
        for batch, *local in zip(read(whole), *map(read, parts), strict=True):
            for leaf, *parts_of_leaf in zip(leaves(batch), *map(leaves, local), strict=True):
                np.testing.assert_array_equal(leaf, np.concatenate(parts_of_leaf))
            num_batches += 1
        assert len(whole) == num_batches == len(parts[0]) == len(parts[1])


class Recorded(ForwardingRows):
    """Rows that note which of them are read or announced."""

    def __init__(self, source: keras_npy.Rows) -> None:
        super().__init__(source, name=source.name, shape=source.shape, dtype=source.dtype)
        self.read: list[int] = []

    def read_into(self, indices: Indices, out: Array) -> None:
        self.read += indices.tolist()
        self.source.read_into(indices, out)

    def prepare(self, indices: Indices) -> None:
        self.read += indices.tolist()
        self.source.prepare(indices)


@pytest.mark.parametrize("shuffle", [False, True])
def test_process_touches_only_the_rows_of_its_part(stored: Stored, shuffle: bool) -> None:
    """It neither reads the others nor asks the kernel for them."""
    recorded = [Recorded(keras_npy.open_rows(stored.x_path)) for _ in range(2)]
    for process_id, rows in enumerate(recorded):
        seq = NpySequence(
            rows, batch_size=8, seed=1, drop_remainder=True, num_processes=2, process_id=process_id
        )
        rows.read.clear()
        for _ in NpyDataAdapter(seq, shuffle=shuffle).get_numpy_iterator():
            pass
    one, other = (set(rows.read) for rows in recorded)
    assert (24, 24) == (len(one), len(other))
    assert not one & other


def test_specs_are_those_of_the_part_and_numbers_those_of_all(stored: Stored) -> None:
    """`seq[i]` has the shape that the spec says."""
    for seq in parts_of(lambda **arguments: stored.sequence(drop_remainder=True, **arguments)):
        assert (4, 6, 5) == seq.x_spec.shape == seq[0][0].shape
        assert (8, 53, 6) == (seq.batch_size, seq.num_samples, len(seq))
        assert f"the part of process {seq.process_id} of 2" in repr(seq)
        copy = pickle.loads(pickle.dumps(seq))
        np.testing.assert_array_equal(seq[1][0], copy[1][0])
        assert (2, seq.process_id) == (copy.num_processes, copy.process_id)


def test_state_of_one_process_is_that_of_another_number_of_processes() -> None:
    """A loop of two processes goes on in a loop of one, with the next batch."""

    def make(**arguments: Any) -> NpySequence:
        return NpySequence(np.arange(48), batch_size=8, shuffle=True, seed=2, **arguments)

    parts, whole = parts_of(make), make()
    expected = [batch.tolist() for _ in range(2) for batch in whole]
    states = []
    for seq in parts:
        batches = iter(seq)
        for _ in range(4):
            next(batches)
        states.append(seq.get_state())
    assert states[0] == states[1]
    resumed = make()
    resumed.set_state(states[0])
    assert expected[4:] == [batch.tolist() for _ in range(2) for batch in resumed]


def test_map_draws_other_numbers_in_each_process() -> None:
    """The first process draws those of one process alone."""

    def noise(x: Array, rng: np.random.Generator) -> Array:
        return rng.random(len(x))

    def make(**arguments: Any) -> NpySequence:
        return NpySequence(np.arange(16), batch_size=8, seed=1, **arguments).map(noise)

    whole, (one, other) = make(), parts_of(make)
    np.testing.assert_array_equal(whole[0][:4], one[0])
    assert not set(one[0]) & set(other[0])


def test_adapt_in_each_process_sees_all_rows() -> None:
    """The layers of all processes have the same mean and variance."""
    x = np.arange(12.0).reshape(6, 2)
    for change in (lambda seq: seq, lambda seq: seq.map(lambda x: x)):
        for seq in parts_of(lambda **arguments: NpySequence(x, batch_size=2, **arguments)):
            layer = NpyInputLayer(scale=1.0)
            layer.adapt(change(seq))
            np.testing.assert_allclose(np.ravel(layer.mean), x.mean(axis=0))


def test_seed_of_several_processes_is_the_same_in_all() -> None:
    """Each process would draw another one."""
    assert {0} == {seq.seed for seq in parts_of(lambda **a: NpySequence(np.arange(8), **a))}
    # A sequence that was built for one process has drawn one already.
    alone = NpySequence(np.arange(8))
    assert {0} == {seq.seed for seq in parts_of(alone.replace)}
    assert {7} == {seq.seed for seq in parts_of(alone.replace(seed=7).replace)}


def test_last_batch_is_shared_as_evenly_as_it_can_be() -> None:
    """With a warning, as a mean of means is not exact: no row is left out, no process waits."""
    for rows in (np.arange(11), np.arange(13)):
        parts = parts_of(
            lambda rows=rows, **arguments: NpySequence(rows, batch_size=8, **arguments)
        )
        last = len(rows) - 8
        # What was said of other data says nothing of these.
        with pytest.warns(
            UserWarning, match=f"last batch has {last} rows, which 2 processes share"
        ):
            served = [[batch.tolist() for batch in seq] for seq in parts]
    assert [[[0, 1, 2, 3], [8, 9]], [[4, 5, 6, 7], [10, 11, 12]]] == served


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda seq: next(iter(seq)), id="iter"),
        pytest.param(lambda seq: seq[-1], id="index"),
        pytest.param(lambda seq: next(feed_of(seq))[0], id="feed"),
    ],
)
def test_last_batch_of_too_few_rows_is_refused_in_all_processes(
    read: Callable[[NpySequence], Any],
) -> None:
    """Before the first batch: no process would wait for another one."""

    def make(**arguments: Any) -> NpySequence:
        return NpySequence(np.arange(9), batch_size=8, **arguments)

    for seq in parts_of(make):
        with pytest.raises(ValueError, match=r"a row of each batch.*of 1 rows.*drop_remainder="):
            read(seq)
    for seq in parts_of(lambda **arguments: make(drop_remainder=True, **arguments)):
        assert 4 == len(read(seq))


@pytest.mark.parametrize(
    ("arguments", "error", "message", "remedy"),
    [
        pytest.param(
            {"num_processes": 2},
            ValueError,
            r"given together.*num_processes=2 without.*process_id= from 0 to 1",
            {"num_processes": 2, "process_id": 1},
            id="no-process-id",
        ),
        pytest.param(
            {"num_processes": 2, "process_id": 2},
            ValueError,
            r"0 <= process_id < 2.*process_id=2.*from 0",
            {"num_processes": 2, "process_id": 0},
            id="process-id-too-large",
        ),
        pytest.param(
            {"process_id": 1},
            ValueError,
            r"0 <= process_id < 1.*process_id=1",
            {"process_id": 0},
            id="process-id-alone",
        ),
        pytest.param(
            {"num_processes": 3, "process_id": 0},
            ValueError,
            r"all processes together.*batch_size=8 for num_processes=3.*batch_size=9",
            {"num_processes": 3, "process_id": 0, "batch_size": 9},
            id="uneven",
        ),
        pytest.param(
            {"num_processes": 8, "process_id": 0, "indices": range(5)},
            ValueError,
            r"a row for each process.*5 samples for num_processes=8.*fewer processes",
            {"num_processes": 4, "process_id": 0, "indices": range(5)},
            id="too-few-rows",
        ),
        pytest.param(
            {"num_processes": 0},
            ValueError,
            r"num_processes must be at least 1.*num_processes=0",
            {"num_processes": 1},
            id="no-process",
        ),
        pytest.param(
            {"num_processes": "2", "process_id": 0},
            TypeError,
            r"num_processes must be an integer.*'2'",
            {"num_processes": 2},
            id="text",
        ),
        pytest.param(
            {"num_processes": 2, "process_id": -1},
            ValueError,
            r"process_id must be at least 0.*process_id=-1",
            {"process_id": 0},
            id="negative",
        ),
    ],
)
def test_wrong_processes_are_refused_when_the_sequence_is_built(
    arguments: dict[str, Any], error: type[Exception], message: str, remedy: dict[str, Any]
) -> None:
    """With a remedy that works; `replace` refuses the same."""
    given = {"batch_size": 8, **arguments}
    with pytest.raises(error, match=message):
        NpySequence(np.arange(20), **given)
    NpySequence(np.arange(20), **{**given, **remedy})
    if "indices" not in given:
        with pytest.raises(error, match=message):
            NpySequence(np.arange(20), batch_size=24).replace(**given)


def test_part_of_fewer_rows_than_processes_is_refused() -> None:
    """A subset is checked as a new sequence is."""
    seq = NpySequence(np.arange(20), batch_size=8, num_processes=4, process_id=3)
    with pytest.raises(ValueError, match="3 samples for num_processes=4"):
        seq.subset(range(3))


@pytest.mark.parametrize(
    ("mesh", "num_processes", "process_id"),
    [
        pytest.param(None, 4, 3, id="no-distribution"),
        pytest.param({"batch": 8}, 4, 3, id="two-devices-each"),
        pytest.param({"batch": 2, "model": 4}, 2, 1, id="two-processes-for-a-replica"),
        pytest.param({"model": 8}, 1, 0, id="one-replica"),
    ],
)
def test_processes_are_those_of_the_backend_and_the_distribution(
    monkeypatch: pytest.MonkeyPatch,
    mesh: dict[str, int] | None,
    num_processes: int,
    process_id: int,
) -> None:
    """Processes that hold one replica of a model together read the same rows."""

    class Distribution:
        device_mesh = type(
            "Mesh", (), {"axis_names": [*(mesh or {})], "shape": (*(mesh or {}).values(),)}
        )
        batch_dim_name = "batch"

    if mesh is not None:
        monkeypatch.setattr(keras.distribution, "distribution", Distribution)
    monkeypatch.setattr(processes, "share_of_backend", lambda: processes.Share(4, 3))
    seq = NpySequence(np.arange(20), batch_size=8)
    assert (num_processes, process_id) == (seq.num_processes, seq.process_id)
