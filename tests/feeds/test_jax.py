"""The JAX feed: held back while steps wait to be run, and never stuck."""

import collections
import queue
import threading
import time
import types
import warnings
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.sequence import batches_of
from tests.conftest import only_on

jax = pytest.importorskip("jax")


def numbered(num_rows: int) -> np.ndarray:
    """Rows of 128 kB, each full of its own number."""
    return np.broadcast_to(np.arange(num_rows, dtype="float32")[:, None], (num_rows, 32768))


def test_iterate_steps_that_wait_keep_few_batches() -> None:
    """JAX would queue 32 steps and their batches; the feed waits for it instead."""

    @jax.jit
    def slow_step(state: Any, x: Any) -> Any:
        square = x.reshape(8, 256, 128)[:, :128]
        return jax.lax.fori_loop(0, 40, lambda _, s: jax.numpy.tanh(s @ square[0]), state)

    state = jax.numpy.zeros((128, 128))
    batches = batches_of(NpySequence(numbered(800), batch_size=8), shuffle=False)
    pool = numpy_feed.make_pool(batches)
    most = 0
    for (x,) in jax_feed.iterate(batches, pool):
        state = slow_step(state, x)
        most = max(most, pool.num_lent)
    assert jax_feed.IN_USE_BATCHES_MAX >= most


def test_iterate_steps_longer_than_patience_keep_few_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that queues 32 steps: what is lent before the first comes back is taken back."""
    monkeypatch.setattr(jax_feed, "PATIENCE_S", 0.02)
    steps: queue.Queue[Any] = queue.Queue(32)

    def run_steps() -> None:
        while steps.get() is not None:
            time.sleep(0.05)

    # A daemon: if the feed raises, nothing ends it.
    device = threading.Thread(target=run_steps, daemon=True)
    device.start()
    batches = batches_of(NpySequence(numbered(560), batch_size=8), shuffle=False)
    pool = numpy_feed.make_pool(batches)
    lent = []
    for batch in jax_feed.iterate(batches, pool):
        steps.put(batch)
        del batch
        lent.append(pool.num_lent)
    steps.put(None)
    device.join()
    assert 4 * jax_feed.IN_USE_BATCHES_MAX >= max(lent)
    assert jax_feed.IN_USE_BATCHES_MAX >= max(lent[-20:])


def test_iterate_window_of_kept_batches_is_waited_for_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who always keeps the last 20 does not wait for each of the others."""
    waits = []
    # Feeds of earlier tests may still wait for their last batch.
    others = set(threading.enumerate())

    def sleep(seconds: float) -> None:
        if threading.current_thread() not in others:
            waits.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(jax_feed, "PATIENCE_S", 0.02)
    counting = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(jax_feed, "time", counting)
    batches = batches_of(NpySequence(numbered(2400), batch_size=8), shuffle=False)
    pool = numpy_feed.make_pool(batches)
    kept: Any = collections.deque(maxlen=20)
    for (x,) in jax_feed.iterate(batches, pool):
        kept.append(x)
    np.testing.assert_array_equal(np.arange(2240, 2400), np.concatenate(kept)[:, -1])
    assert 0 < len(waits) < 300 + 0.5 / jax_feed.POLL_S


def test_iterate_batches_that_are_kept_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps every batch gets every batch."""
    monkeypatch.setattr(jax_feed, "PATIENCE_S", 0.02)
    adapter = NpyDataAdapter(NpySequence(numbered(240), batch_size=8))
    kept = [x for (x,) in adapter.get_jax_iterator()]
    assert 30 == len(kept)
    np.testing.assert_array_equal(np.arange(240), np.concatenate(kept)[:, -1])


def test_passes_use_the_memory_of_the_passes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX copies labels at once, so a pass has more than six batches of `x` in use."""
    empty, new = np.empty, []

    def noting(shape: Any, *given: Any, **named: Any) -> Any:
        if isinstance(shape, int) and shape >= 1 << 20:
            new.append(shape)
        return empty(shape, *given, **named)

    monkeypatch.setattr(np, "empty", noting)
    adapter = NpyDataAdapter(NpySequence(numbered(200), np.arange(200), batch_size=8))
    for _ in range(4):
        kept: Any = collections.deque(maxlen=8)
        for x, _y in adapter.get_jax_iterator():
            kept.append(x)
        del x, _y
    assert 8 <= len(new) <= 2 * jax_feed.IN_USE_BATCHES_MAX


def test_iterate_held_back_stops_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for JAX ends with the iterator, however long it would wait."""
    is_waiting = threading.Event()

    def sleep(seconds: float) -> None:
        is_waiting.set()
        time.sleep(seconds)

    noting = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(jax_feed, "time", noting)
    monkeypatch.setattr(jax_feed, "PATIENCE_S", 1e6)
    others = set(threading.enumerate())
    feed = NpyDataAdapter(NpySequence(numbered(240), batch_size=8)).get_jax_iterator()
    kept = [next(feed) for _ in range(5)]
    assert is_waiting.wait(60)
    feed.close()
    assert 5 == len(kept)
    assert set() == set(threading.enumerate()) - others
    assert [] == list(feed)


def edge_values(name: str) -> np.ndarray:
    """Eight rows of the least and greatest values of a dtype, and some that must be rounded."""
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, name, name))
    if dtype.kind in "iu":
        values: Any = [np.iinfo(dtype).min, np.iinfo(dtype).max, 1, np.iinfo(dtype).max // 3]
    elif dtype.kind == "c":
        values = [0, 1 / 3 + 2j, -1e30, 1 / 7 - 1j / 3]
    else:
        values = [0, 1 / 3, -1000.1, 1.1e30 if dtype.itemsize > 2 else 7]
    return np.array(values * 2, dtype=dtype)[:, None]


class Unchanged(keras.layers.Layer):
    """What reaches a model."""

    def __init__(self) -> None:
        super().__init__(autocast=False)

    def call(self, inputs: Any) -> Any:
        return inputs


@only_on("jax", reason="these are JAX's dtypes")
# JAX's, of a keras.Input of 64 bits.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.filterwarnings("ignore:JAX holds 64-bit integers in 32 bits:UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    ],
)
def test_sequence_of_any_dtype_gives_what_keras_gives_for_arrays(name: str) -> None:
    """In the dtype of the input and as float32, as inputs and as targets: the same bits."""
    values = edge_values(name)
    sequence = NpySequence(values, values, batch_size=4)
    for dtype in (name, None):
        if dtype is None and values.dtype.kind == "c":
            continue
        inputs = keras.Input((1,), dtype=dtype)
        model = keras.Model(inputs, Unchanged()(inputs))
        expected = model.predict(values, batch_size=4, verbose=0)
        got = model.predict(sequence, verbose=0)
        assert expected.dtype == got.dtype
        np.testing.assert_array_equal(expected, got)
    if values.dtype.kind == "c":
        return

    def loss(y: Any, _: Any) -> Any:
        # The last bits of large integers, which float32 would round away, count too.
        return keras.ops.mean(keras.ops.cast(y % 1021 if y.dtype.kind in "iu" else y, "float32"))

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss=loss)
    x = np.zeros((8, 1), "float32")
    losses = [
        model.evaluate(x, values, batch_size=4, verbose=0),
        model.evaluate(NpySequence(x, values, batch_size=4), verbose=0),
    ]
    assert losses[0] == losses[1]


@only_on("jax", reason="JAX alone holds 64 bits in 32")
def test_sequence_of_uint64_says_once_that_values_wrap() -> None:
    """By name; int64, which labels are, says nothing, nor does uint64 where JAX holds it."""
    labels = NpySequence(np.zeros((3, 2), "int64"), np.zeros(3, "int64"))
    hashes = NpySequence(np.zeros((3, 2), "int64"), np.zeros(3, "uint64"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpyDataAdapter(labels).get_jax_iterator()
        jax.config.update("jax_enable_x64", True)
        try:
            NpyDataAdapter(hashes).get_jax_iterator()
        finally:
            jax.config.update("jax_enable_x64", False)
    rule = r"larger values wrap\. Received: .*array.* of dtype uint64\. Call jax\.config"
    with pytest.warns(UserWarning, match=rule):
        NpyDataAdapter(hashes).get_jax_iterator()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpyDataAdapter(hashes).get_jax_iterator()
