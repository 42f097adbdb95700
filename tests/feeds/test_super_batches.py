"""Super-batches: what Keras's own stacking of the batches gives, gathered once."""

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.feeds.buffers import BufferPool

ROWS = np.arange(53 * 3, dtype="float32").reshape(53, 3)
NUMBERS = np.arange(53)


def sequence(num_samples: int, **arguments: Any) -> NpySequence:
    """Two inputs, a target and a weight, each of which says its row."""
    x = {"a": ROWS[:num_samples], "b": (NUMBERS[:num_samples] % 256).astype("uint8")}
    weight = NUMBERS[:num_samples].astype("float32")
    return NpySequence(
        x, NUMBERS[:num_samples], weight, **{"batch_size": 8, "seed": 2, **arguments}
    )


def leaves(batch: Any) -> list[np.ndarray]:
    x, y, weight = batch
    return [x["a"], x["b"], y, weight]


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"num_samples": 53}, id="short-last-batch"),
        pytest.param({"num_samples": 48}, id="full-batches"),
        pytest.param({"num_samples": 53, "drop_remainder": True}, id="drop-remainder"),
        pytest.param({"num_samples": 5}, id="one-short-batch"),
    ],
)
@pytest.mark.parametrize("steps", [None, 5])
def test_get_jax_iterator_super_batches_hold_the_batches(
    arguments: Any, shuffle: Any, num_parts: int, steps: int | None
) -> None:
    """Equal batches on an axis of their own, in one piece of memory; others in a list."""
    plan = {"shuffle": shuffle, "batches_per_epoch": steps}
    single = PlannedAdapter(AdapterPlan(sequence(**arguments), **plan)).get_jax_iterator()
    supers = PlannedAdapter(AdapterPlan(sequence(**arguments), **plan)).get_jax_iterator(num_parts)
    for _ in range(6):
        group = list(itertools.islice(single, num_parts))
        got = next(supers, None)
        if not group:
            assert got is None
            return
        shapes = {batch[1].shape for batch in group}
        if len(group) == num_parts and len(shapes) == 1:
            for got_leaf, *parts in zip(leaves(got), *map(leaves, group), strict=True):
                # JAX holds 64 bits in 32 where it makes super-batches itself.
                is_numpy = isinstance(got_leaf, np.ndarray)
                np.testing.assert_array_equal(np.stack(parts), got_leaf, strict=is_numpy)
                assert np.asarray(got_leaf).flags.c_contiguous
        else:
            assert isinstance(got, list)
            for got_part, part in zip(got, group, strict=True):
                for got_leaf, leaf in zip(leaves(got_part), leaves(part), strict=True):
                    np.testing.assert_array_equal(leaf, got_leaf, strict=True)


def test_get_jax_iterator_super_batch_is_gathered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole one takes one call for all its rows, however large its batches are."""
    from keras_npy.rows.stored import StoredRows

    taken = []
    read_into = StoredRows.read_into

    def watched(self: StoredRows, indices: Any, out: Any) -> None:
        taken.append(len(indices))
        read_into(self, indices, out)

    monkeypatch.setattr(StoredRows, "read_into", watched)
    rows = np.zeros((64, 32768), "float32")
    adapter = PlannedAdapter(AdapterPlan(NpySequence(rows, batch_size=4)))
    shapes = [x.shape for (x,) in adapter.get_jax_iterator(super_batch=4)]
    assert [(4, 4, 32768)] * 4 == shapes
    assert [16] * 4 == taken


def test_get_jax_iterator_super_batches_keep_their_memory_while_keras_validates() -> None:
    """Another feed's pool frees what nobody uses; the next pass of this one will."""
    rows = np.zeros((64, 32768), "float32")
    adapter = PlannedAdapter(AdapterPlan(NpySequence(rows, batch_size=4)))
    tracemalloc.start()
    try:
        for _ in adapter.get_jax_iterator(super_batch=4):
            pass
        del _
        idle_bytes = tracemalloc.get_traced_memory()[0]
        BufferPool()
        assert idle_bytes > 16 * rows[0].nbytes
        assert tracemalloc.get_traced_memory()[0] > idle_bytes - rows[0].nbytes
    finally:
        tracemalloc.stop()


def test_get_jax_iterator_super_batches_start_nothing_before_they_are_used() -> None:
    """Keras makes an iterator at the end of a pass and throws it away."""
    seq = sequence(53)
    iter(PlannedAdapter(AdapterPlan(seq, shuffle=True)).get_jax_iterator(super_batch=2))
    assert 0 == seq.epoch
