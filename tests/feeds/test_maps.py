"""Maps: which arrays a function gets and gives, and that no batch loses its own values."""

import dataclasses
import functools
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.feeds import batches as limits
from keras_npy.feeds import chunks, read_ahead
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds import tensorflow as tensorflow_feed
from keras_npy.feeds.tensorflow_calls import Failures
from keras_npy.order.position import Position
from keras_npy.sequence import batches_of
from tests.conftest import Stored

X = np.arange(53 * 6).reshape(53, 6)
Y = np.arange(53)


def noise_of(seed: int, epoch: int, batch: int, size: Any, number: int = 0) -> np.ndarray:
    """The numbers that a map may draw for a batch; they may change with a new major version."""
    key = (epoch, batch, number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return rng.integers(0, 1000, size)


def add_noise(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Any:
    return x + rng.integers(0, 1000, (len(x), 1)), y * 2


def sequence(**arguments: Any) -> NpySequence:
    return NpySequence(X, Y, **{"batch_size": 8, "seed": 3, **arguments})


def numpy_batches(batches: limits.Batches) -> Any:
    return numpy_feed.iterate(batches, numpy_feed.gather_into(numpy_feed.make_pool(batches)))


def tensorflow_batches(batches: limits.Batches) -> Any:
    keep = Failures()
    for batch in tensorflow_feed.make_dataset(batches, keep):
        yield keras.tree.map_structure(lambda leaf: leaf.numpy(), batch)


FEEDS = pytest.mark.parametrize("feed", [numpy_batches, tensorflow_batches])


@FEEDS
@pytest.mark.parametrize("block_batches", [1, 2, 128])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="short-last-batch"),
        pytest.param({"drop_remainder": True}, id="drop-remainder"),
        pytest.param({"batch_size": 64}, id="one-short-batch"),
    ],
)
def test_map_gets_the_numbers_of_its_batch_wherever_a_feed_begins(
    monkeypatch: pytest.MonkeyPatch, feed: Any, block_batches: int, shuffle: bool, arguments: Any
) -> None:
    """Pass after pass, however many batches are read together; as if nothing came before."""
    monkeypatch.setattr(limits, "BLOCK_BATCHES_MAX", block_batches)
    seq = sequence(**arguments).map(add_noise)
    start = Position(2, 3 % seq.num_batches)
    batches = dataclasses.replace(
        batches_of(seq, shuffle=shuffle, is_endless=True, is_training=True),
        position=lambda: start,
    )
    served = list(itertools.islice(feed(batches), 12))
    for number, (x, y) in enumerate(served, start.batch):
        passes, batch = divmod(number, seq.num_batches)
        rows = batches.order.rows(2 + passes, batch, batch + 1)
        noise = noise_of(3, 2 + passes, batch, (len(rows), 1))
        np.testing.assert_array_equal(X[rows] + noise, x)
        np.testing.assert_array_equal(Y[rows] * 2, y)


@pytest.mark.parametrize("chunk_bytes", [1, 500, 1 << 20])
@pytest.mark.parametrize("helped_bytes", [0, 1 << 20], ids=["helped", "alone"])
def test_map_gives_the_same_however_batches_are_handed_over(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, helped_bytes: int
) -> None:
    """Alone or together, in one thread or in two."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(chunks, "GROUP_BYTES", chunk_bytes)
    monkeypatch.setattr(read_ahead, "HELPED_BATCH_BYTES", helped_bytes)
    seq = sequence(shuffle=True).map(add_noise)
    for epoch in (0, 1):
        batches = dataclasses.replace(
            batches_of(seq, shuffle=True), position=lambda epoch=epoch: Position(epoch)
        )
        for one, other in zip(seq, numpy_batches(batches), strict=True):
            for expected, leaf in zip(one, other, strict=True):
                np.testing.assert_array_equal(expected, leaf)


OWN = np.zeros((8, 6), int)


def returns_own(x: np.ndarray, y: np.ndarray) -> Any:
    np.add(x, 1, out=OWN[: len(x)])
    return OWN[: len(x)], y


def writes(x: np.ndarray, y: np.ndarray) -> Any:
    x += 1
    return x, y


class Keeps:
    """Returns the rows of the batch before as a second input."""

    def __init__(self) -> None:
        self.kept: Any = None

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Any:
        self.kept = np.array(x) if self.kept is None else self.kept
        before, self.kept = np.resize(self.kept, x.shape), x
        return {"x": x + 1, "before": before}, y


@FEEDS
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(lambda x, y: (x, y), lambda x, y: (x, y), id="identity"),
        pytest.param(lambda x, y: (y, x), lambda x, y: (y, x), id="exchanged"),
        pytest.param(lambda x, y: (x, x), lambda x, y: (x, x), id="twice"),
        pytest.param(lambda x, y: (x[:, ::-1], y), lambda x, y: (x[:, ::-1], y), id="a-view"),
        pytest.param(
            lambda x, y: (x if y[0] < 16 else x * 2, x),
            lambda x, y: (x * np.where(y < 16, 1, 2)[:, None], x),
            id="itself-at-first",
        ),
        pytest.param(
            lambda x, y: (x.astype(">f4"), y), lambda x, y: (x.astype("f4"), y), id="big-endian"
        ),
        pytest.param(writes, lambda x, y: (x + 1, y), id="writes-to-its-input"),
        pytest.param(returns_own, lambda x, y: (x + 1, y), id="returns-its-own-memory"),
        pytest.param(
            lambda x, y: ({"a": x, "b": (y, y)}, y),
            lambda x, y: ({"a": x, "b": (y, y)}, y),
            id="nested",
        ),
        pytest.param(lambda x, y: x, lambda x, y: (x,), id="x-alone"),
        pytest.param(lambda x, y: (x, y, None), lambda x, y: (x, y), id="no-weights"),
        pytest.param(lambda x, y: (x, y, y / 2), lambda x, y: (x, y, y / 2), id="weights"),
        pytest.param(lambda x, y: [x, y], lambda x, y: (x, y), id="a-list"),
    ],
)
def test_map_what_it_returns_is_served_and_stays(
    feed: Any, function: Callable[..., Any], expected: Callable[..., Any]
) -> None:
    """Batches that are kept, and read ahead, hold what their call returned."""
    seq = sequence().map(function)
    kept = list(feed(batches_of(seq, shuffle=False)))
    served = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *kept)
    wanted = expected(X, Y)
    keras.tree.assert_same_structure(wanted, served)
    keras.tree.map_structure(np.testing.assert_array_equal, wanted, served)
    assert {leaf.dtype.isnative for leaf in keras.tree.flatten(served)} == {True}
    by_index = [seq[index] for index in range(7)]
    served = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *by_index)
    keras.tree.map_structure(
        np.testing.assert_array_equal, wanted if len(wanted) > 1 else wanted[0], served
    )


@FEEDS
def test_map_may_keep_what_it_got(feed: Any) -> None:
    """Its memory is not used again while the function refers to it."""
    keeps = Keeps()
    seq = sequence(drop_remainder=True).map(keeps)
    keeps.kept = np.zeros((8, 6), int)
    # One call at a time, so that *before* means the same for every feed.
    served = list(feed(batches_of(seq, shuffle=False)))
    befores = np.concatenate([x["before"] for x, _ in served])
    rows = {tuple(row) for row in X.tolist()} | {(0,) * 6}
    assert {tuple(row) for row in befores.tolist()} <= rows


def test_identity_is_handed_over_in_the_memory_that_was_read(stored: Stored) -> None:
    """No copy: the arrays of a batch are those that the function got."""
    got: list[int] = []

    def note(x: np.ndarray, y: np.ndarray) -> Any:
        got.append(x.ctypes.data)
        return x, y

    rows = np.zeros((64, 64), "uint8")
    seq = NpySequence(rows, rows, batch_size=8).map(note)
    got.clear()
    kept = list(numpy_batches(batches_of(seq, shuffle=False)))
    assert sorted(got) == sorted(x.ctypes.data for x, _ in kept)


def test_map_on_tensorflow_identity_is_the_memory_that_was_read() -> None:
    """A piece of several batches is not put together from copies."""
    got: set[int] = set()
    seq = NpySequence(np.zeros((64, 64), "uint8"), np.zeros(64), batch_size=8)
    seq = seq.map(lambda x, y: (got.add(x.ctypes.data) or x, y))
    got.clear()
    keep = Failures()
    kept = [x for x, _ in tensorflow_feed.make_dataset(batches_of(seq, shuffle=False), keep)]
    assert got == {x.__array__().ctypes.data for x in kept}


def test_maps_follow_each_other_and_draw_different_numbers() -> None:
    """Two maps of one function are not the same noise twice."""
    seq = sequence().map(add_noise).map(add_noise)
    for batch in range(7):
        rows = np.arange(8 * batch, min(8 * batch + 8, 53))
        noise = sum(noise_of(3, 0, batch, (len(rows), 1), number) for number in (0, 1))
        np.testing.assert_array_equal(X[rows] + noise, seq[batch][0])
        np.testing.assert_array_equal(4 * rows, seq[batch][1])


def add_in_place(x: np.ndarray, y: np.ndarray) -> Any:
    x += 1000
    return x, y


@pytest.mark.parametrize(
    ("returned", "target"),
    [
        pytest.param(lambda x, y: (x, x), X[:8], id="same"),
        pytest.param(lambda x, y: (x, x[:, :2]), X[:8, :2], id="view"),
        pytest.param(lambda x, y: (x, {"a": y, "b": (x,)}), X[:8], id="nested"),
    ],
)
def test_map_after_one_that_returns_an_array_twice_may_write_to_one(
    returned: Any, target: np.ndarray
) -> None:
    """An autoencoder's targets stay without the noise of its inputs, in every batch."""
    seq = sequence().map(returned).map(add_in_place)
    x, y = seq[0]
    np.testing.assert_array_equal(X[:8] + 1000, x)
    np.testing.assert_array_equal(target, y["b"][0] if isinstance(y, dict) else y)


def test_map_after_one_that_returns_other_columns_gets_them_without_a_copy() -> None:
    """Columns lie between each other, and share nothing."""
    got: list[np.ndarray] = []

    def keep(x: np.ndarray, y: np.ndarray) -> Any:
        got[:] = [x, y]
        return x, y

    seq = sequence().map(lambda x, y: (x[:, ::2], x[:, 1::2])).map(keep)
    np.testing.assert_array_equal(X[:8, ::2], seq[0][0])
    assert got[0].base is not None
    assert got[0].base is got[1].base


def soften(x: np.ndarray, y: np.ndarray, eps: float = 0.5) -> Any:
    return x, y * eps


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(lambda x, y, sample_weight=None: (x, y, sample_weight), id="named"),
        pytest.param(lambda x, y, mask=None: (x, y, mask), id="none"),
        pytest.param(lambda x, y, z: (x, y, z), id="without-default"),
        pytest.param(lambda x, y, *rest: (x, y, *rest), id="rest"),
        pytest.param(lambda x, y, sample_weight, eps=1: (x, y * eps, sample_weight), id="behind"),
        pytest.param(functools.partial(lambda x, y, w, eps: (x, y * eps, w), eps=1), id="partial"),
    ],
)
def test_map_whose_option_would_get_the_weights_is_refused(right: Any) -> None:
    """They would be dropped without a word; so would the targets of a function of x."""
    weights = np.arange(53.0)
    seq = NpySequence(X, Y, weights, batch_size=8)
    with pytest.raises(
        TypeError,
        match=r"option eps: float = 0\.5 would get the sample_weight.*\(x, y, sample_weight\)",
    ):
        seq.map(soften)
    with pytest.raises(TypeError, match=r"option k=1 would get the y.*parameters \(x, y\)"):
        sequence().map(lambda x, k=1: x * k)
    assert 2 == len(sequence().map(soften)[0])
    assert 2 == len(sequence().map(lambda x, label=None: (x, label))[0])
    np.testing.assert_array_equal(weights[:8], seq.map(right)[0][2])


def test_map_specs_and_repr_are_those_of_what_comes_out() -> None:
    """From one batch, with the batch size of the sequence."""
    seq = sequence(drop_remainder=True).map(
        lambda x, y: ({"a": x[:, :2].astype("float32"), "b": y}, np.eye(53, dtype="uint8")[y])
    )
    assert ("float32", (8, 2)) == (seq.x_spec["a"].dtype, seq.x_spec["a"].shape)
    assert ("int64", (8,)) == (seq.x_spec["b"].dtype, seq.x_spec["b"].shape)
    assert ("uint8", (8, 53)) == (seq.y_spec.dtype, seq.y_spec.shape)
    assert seq.sample_weight_spec is None
    assert "x['a']: float32 (53, 2), 424 B, map by <lambda>" in repr(seq)
    assert 53 * (8 + 8 + 53) == seq.nbytes
    np.testing.assert_array_equal(X, seq.x)


def test_map_stays_with_every_part_and_does_not_change_its_sequence() -> None:
    """Over the same rows as the parts without it."""
    plain = sequence()
    mapped = plain.map(lambda x, y: (x * 2, y))
    np.testing.assert_array_equal(X[:8], plain[0][0])

    def parts(seq: NpySequence) -> list[NpySequence]:
        return [
            seq.subset([5, 3, 9]),
            *seq.split(0.3),
            *itertools.chain(*seq.folds(2)),
            seq.replace(batch_size=5),
        ]

    for part, other in zip(parts(plain), parts(mapped), strict=True):
        np.testing.assert_array_equal(2 * part[0][0], other[0][0])
        np.testing.assert_array_equal(part[0][1], other[0][1])


def test_map_of_x_alone_may_add_targets() -> None:
    """An autoencoder's targets are its inputs."""
    seq = NpySequence(X, batch_size=8).map(lambda x: (x, x[:, 0]))
    np.testing.assert_array_equal(X[8:16, 0], seq[1][1])
    assert (None,) == seq.y_spec.shape


def test_map_is_pickled_where_its_function_is() -> None:
    """A function of a module; a lambda is not."""
    seq = sequence(shuffle=True).map(add_noise)
    again = pickle.loads(pickle.dumps(seq))
    for one, other in zip(seq, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(sequence().map(lambda x, y: (x, y)))


def test_map_in_file_order_is_that_of_pass_0_and_counts_no_pass() -> None:
    """By index, by iteration and in `evaluate`, whatever was trained before."""
    seq = sequence().map(add_noise)
    expected = [seq[index][0] for index in range(7)]
    seq.epoch = 5
    adapter = PlannedAdapter(AdapterPlan(seq))
    passes = [[seq[index][0] for index in range(7)], [x for x, _ in seq]]
    for _ in range(2):
        adapter.on_epoch_begin()
        passes.append([x for x, _ in adapter.get_numpy_iterator()])
    for served in passes:
        for one, other in zip(expected, served, strict=True):
            np.testing.assert_array_equal(one, other)
    assert 5 == seq.epoch


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        pytest.param(3, TypeError, r"map takes a function.*Received: int\. Pass", id="no-function"),
        pytest.param(
            lambda x: x,
            TypeError,
            r"function\(x, y\).*Received.*\(x\).*parameters \(x, y\)",
            id="x",
        ),
        pytest.param(
            lambda x, y: (x[:4], y),
            ValueError,
            r"one row for each.*\(4, 6\) for 8 rows.*subset",
            id="fewer-rows",
        ),
        pytest.param(
            lambda x, y: (x, y.sum()), ValueError, r"one row for each.*\(\) for 8 rows", id="a-sum"
        ),
        pytest.param(
            lambda x, y: (x, 3), TypeError, r"returns arrays.*Received: int 3\. Return np", id="3"
        ),
        pytest.param(
            lambda x, y: (x, y.astype(str)), TypeError, r"dtypes bool.*<U21.*astype", id="strings"
        ),
        pytest.param(
            lambda x, y: (x, y, y, y), TypeError, r"returns x, \(x, y\).*Received: 4 items", id="4"
        ),
        pytest.param(lambda x, y: None, TypeError, r"Received: NoneType None", id="none"),
    ],
)
def test_map_what_cannot_be_served_is_refused_at_once(
    function: Any, error: type[Exception], message: str
) -> None:
    """Not in the middle of training."""
    with pytest.raises(error, match=message):
        sequence().map(function)


@FEEDS
@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(
            lambda x, y: (x if y[0] < 8 else x / 2, y),
            r"same structure, shapes and dtypes.*x of float64 \(8, 6\) at batch 1 of pass 0, where "
            r"the first batch gave int64 \(8, 6\)\. Crop or pad",
            id="dtype",
        ),
        pytest.param(
            lambda x, y: (x if y[0] < 8 else x[:, :3], y), r"x of int64 \(8, 3\) at", id="shape"
        ),
        pytest.param(
            lambda x, y: (x, y) if y[0] < 8 else x, r"Received: \(x\) at.*gave \(x, y\)", id="parts"
        ),
        pytest.param(
            lambda x, y: ({"a": x} if y[0] < 8 else {"b": x}, y),
            r"Received: \{'b': 'int64'\}.*\{'a': 'int64'\}",
            id="keys",
        ),
        pytest.param(
            lambda x, y: (x if y[0] < 8 else x[:3], y), r"one row for each.*at batch 1", id="rows"
        ),
    ],
)
def test_map_that_returns_something_else_later_is_refused(
    feed: Any, function: Any, message: str
) -> None:
    """With the batch at which it did."""
    seq = sequence().map(function)
    with pytest.raises(Exception, match=message):
        list(feed(batches_of(seq, shuffle=False)))
    with pytest.raises(ValueError, match=message):
        seq[1]


def test_map_that_squeezes_a_batch_of_one_row_is_told_of_axis() -> None:
    """Nine rows in batches of four: np.squeeze of the last one takes the axis of rows too."""
    seq = NpySequence(np.arange(36.0).reshape(9, 4, 1), np.arange(9), batch_size=4)
    squeezed = seq.map(lambda x, y: (np.squeeze(x), y))
    assert (4, 4) == squeezed[0][0].shape
    with pytest.raises(ValueError, match=r"\(4,\) for 1 row, .*np\.squeeze\(x, axis=-1\)\.$"):
        squeezed[2]
    remedied = seq.map(lambda x, y: (np.squeeze(x, axis=-1), y))
    np.testing.assert_array_equal(np.arange(32.0, 36)[None], remedied[2][0])


def test_map_that_raises_says_which_batch_it_was() -> None:
    """As a note: the exception is the user's own."""

    def fail(x: np.ndarray, y: np.ndarray) -> Any:
        if y[0] == 24:
            raise KeyError("of the user's")
        return x, y

    seq = sequence().map(fail)
    for read in (lambda: seq[3], lambda: list(numpy_batches(batches_of(seq, shuffle=False)))):
        with pytest.raises(KeyError, match="of the user's") as raised:
            read()
        assert ["This came from the function of map, at batch 3 of pass 0."] == (
            raised.value.__notes__
        )


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize("num_samples", [53, 48, 5])
def test_map_super_batches_hold_the_batches(
    num_parts: int, steps: int | None, num_samples: int
) -> None:
    """Each batch with the numbers that it has alone, on a new axis or in a list."""
    seq = NpySequence(X[:num_samples], Y[:num_samples], batch_size=8, seed=3).map(add_noise)
    # Each counts its own passes.
    plans = [AdapterPlan(seq.replace(), shuffle=True, batches_per_epoch=steps) for _ in range(2)]
    single = PlannedAdapter(plans[0]).get_jax_iterator()
    supers = PlannedAdapter(plans[1]).get_jax_iterator(num_parts)
    for _ in range(6):
        group = list(itertools.islice(single, num_parts))
        got = next(supers, None)
        if not group:
            assert got is None
            return
        assert isinstance(got, list) == (
            len(group) < num_parts or len({len(x) for x, _ in group}) > 1
        )
        parts = got if isinstance(got, list) else list(zip(*got, strict=True))
        for one, other in zip(group, parts, strict=True):
            for expected, leaf in zip(one, other, strict=True):
                np.testing.assert_array_equal(expected, leaf)


def test_adapt_reads_what_a_map_makes() -> None:
    """Not the rows as they are stored."""
    from keras_npy import NpyInputLayer

    rows = np.arange(212, dtype="float32").reshape(53, 4)
    seq = NpySequence(rows, batch_size=8, drop_remainder=True).map(lambda x: x * 3)
    layer, other = NpyInputLayer(scale=1.0), NpyInputLayer(scale=1.0)
    layer.adapt(seq)
    other.adapt(rows * 3)
    np.testing.assert_array_equal(other.mean, layer.mean)
    np.testing.assert_array_equal(other.variance, layer.variance)


def test_map_goes_on_with_the_numbers_of_its_batch_after_set_state() -> None:
    """In another sequence, as in another process: in the middle of the second pass."""
    seq = sequence(shuffle=True).map(add_noise)
    list(seq)
    batches = iter(seq)
    for _ in range(3):
        next(batches)
    state = seq.get_state()
    later = sequence(shuffle=True).map(add_noise)
    later.set_state(state)
    for one, other in zip(batches, later, strict=True):
        for expected, leaf in zip(one, other, strict=True):
            np.testing.assert_array_equal(expected, leaf)
