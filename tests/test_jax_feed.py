"""The JAX feed: held back while steps wait to be run, and never stuck."""

from typing import Any

import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds import numpy as numpy_feed

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
    batches = NpySequence(numbered(800), batch_size=8).batches(shuffle=False)
    pool = numpy_feed.make_pool(batches)
    most = 0
    for (x,) in jax_feed.iterate(batches, pool):
        state = slow_step(state, x)
        most = max(most, pool.num_lent)
    assert jax_feed.IN_USE_BATCHES_MAX >= most


def test_iterate_batches_that_are_kept_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps every batch gets every batch."""
    monkeypatch.setattr(jax_feed, "PATIENCE_S", 0.02)
    adapter = NpyDataAdapter(NpySequence(numbered(240), batch_size=8))
    kept = [x for (x,) in adapter.get_jax_iterator()]
    assert 30 == len(kept)
    np.testing.assert_array_equal(np.arange(240), np.concatenate(kept)[:, -1])


def test_iterate_held_back_stops_when_it_is_closed() -> None:
    """A thread that waits for JAX ends with the iterator."""
    feed = NpyDataAdapter(NpySequence(numbered(240), batch_size=8)).get_jax_iterator()
    kept = [next(feed) for _ in range(5)]
    feed.close()
    assert 5 == len(kept)
    assert [] == list(feed)
