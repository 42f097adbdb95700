"""JAX on an accelerator: the threads that read ahead put batches on the device.

There is none here: a CPU device stands for it, to which batches are copied all the same.
"""

import gc
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.feeds import cores, jax_placement, super_batches
from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds.buffers import aligned_memory
from tests.conftest import Stored, assert_same_weights, make_model, only_on

jax = pytest.importorskip("jax")
pytestmark = only_on("jax", reason="there alone are batches put on a device by the feed for JAX")


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take each device for one with memory of its own, which uses no memory in place."""
    monkeypatch.setattr(jax_placement, "is_accelerator", lambda device: True)
    monkeypatch.setattr(jax_placement, "borrowed", np.array)


@pytest.fixture(params=[1, 4])
def readers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """As many reader threads."""
    monkeypatch.setattr(cores, "num_readers", lambda batch_bytes: request.param)
    return int(request.param)


def numbered(num_rows: int, row_values: int) -> np.ndarray:
    """Rows each full of its own number."""
    return np.broadcast_to(np.arange(num_rows, dtype="float32")[:, None], (num_rows, row_values))


@pytest.mark.parametrize("super_batch", [None, 2])
@pytest.mark.parametrize("chunk_bytes", [1, 10_000, 1 << 20], ids=["single", "cut", "more"])
@pytest.mark.usefixtures("accelerator", "readers")
def test_get_jax_iterator_batches_on_the_device_are_the_rows_and_never_change(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, super_batch: int | None
) -> None:
    """As on the host, from passes in a row, however many threads put them there."""
    for module in (jax_feed, super_batches):
        monkeypatch.setattr(module, "PLACED_CHUNK_BYTES", chunk_bytes)
    x = {"a": numbered(53, 100), "b": np.arange(53, dtype="uint8")}
    seq = NpySequence(x, np.arange(53, dtype="int32"), batch_size=8, seed=1)

    def passes() -> list[Any]:
        adapter = PlannedAdapter(AdapterPlan(seq, shuffle=True, batches_per_epoch=5))
        arguments = {} if super_batch is None else {"super_batch": super_batch}
        return [next(it) for it in [adapter.get_jax_iterator(**arguments)] for _ in range(12)]

    placed = passes()
    monkeypatch.setattr(jax_placement, "is_accelerator", lambda device: False)
    seq.epoch = 0
    for batch, expected in zip(placed, passes(), strict=True):
        assert type(expected) is type(batch)
        leaves = keras.tree.flatten(batch)
        assert all(isinstance(leaf, jax.Array) for leaf in leaves)
        for leaf, host in zip(leaves, keras.tree.flatten(expected), strict=True):
            np.testing.assert_array_equal(np.asarray(host), np.asarray(leaf), strict=True)


@only_on("jax", reason="Keras divides batches on JAX")
@pytest.mark.usefixtures("accelerator")
def test_get_jax_iterator_batches_of_a_distribution_are_divided_already() -> None:
    """As Keras would divide them, which then takes the arrays as they are."""
    distribution = keras.distribution.DataParallel(devices=["cpu:0"])
    seq = NpySequence(numbered(10, 3), np.arange(10), batch_size=5)
    keras.distribution.set_distribution(distribution)
    try:
        batches = list(PlannedAdapter(AdapterPlan(seq)).get_jax_iterator())
    finally:
        keras.distribution.set_distribution(None)
    for leaf in keras.tree.flatten(batches):
        layout = distribution.get_data_layout(leaf.shape).backend_layout
        assert layout == leaf.sharding
        assert leaf is jax.make_array_from_process_local_data(layout, leaf)
    np.testing.assert_array_equal(np.arange(10), np.concatenate([y for _, y in batches]))


@only_on("jax", reason="another backend takes no arrays of JAX")
@pytest.mark.usefixtures("accelerator")
def test_fit_of_batches_on_the_device_gives_the_weights_of_arrays(stored: Stored) -> None:
    """The whole way through Keras: weights and predictions are equal, bit for bit."""
    expected, model = make_model(), make_model()
    expected.fit(stored.x, stored.y, batch_size=8, shuffle=False, epochs=2, verbose=0)
    model.fit(stored.sequence(), shuffle=False, epochs=2, verbose=0)
    assert_same_weights(expected, model)
    np.testing.assert_array_equal(
        expected.predict(stored.x, batch_size=8, verbose=0), model.predict(stored.sequence())
    )


@pytest.mark.usefixtures("accelerator")
def test_get_jax_iterator_host_memory_is_used_again_without_a_garbage_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """JAX keeps what it was given until one; new memory would be registered for each batch."""
    made: list[int] = []

    def allocate(nbytes: int) -> np.ndarray:
        made.append(nbytes)
        return aligned_memory(nbytes)

    monkeypatch.setattr(jax_placement, "allocator", lambda: allocate)
    monkeypatch.setattr(jax_feed, "PLACED_CHUNK_BYTES", 1)
    adapter = PlannedAdapter(AdapterPlan(NpySequence(numbered(400, 100), batch_size=4)))
    gc.disable()
    try:
        assert 200 == sum(1 for _ in range(2) for _ in adapter.get_jax_iterator())
    finally:
        gc.enable()
    # One is gathered and two are copied.
    assert len(made) <= 4
