"""Several processes: refused, since each of them would train on the same batches."""

import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from tests.conftest import BACKEND, Stored, make_model, only_on

REFUSED = r"not dealt out among processes.*Received: num_processes=2\. Train in one process"


@pytest.fixture
def distribution() -> Iterator[keras.distribution.DataParallel]:
    """One of this process alone, as Keras makes it."""
    one = keras.distribution.DataParallel(devices=["cpu:0"])
    yield one
    keras.distribution.set_distribution(None)


def pretend_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the backend says of its processes."""
    if BACKEND == "jax":
        monkeypatch.setattr(sys.modules["jax"], "process_count", lambda: 2)
    else:
        distributed = sys.modules["torch"].distributed
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(distributed, "get_world_size", lambda: 2)


def data(stored: Stored, kind: str) -> Any:
    seq = stored.sequence()
    return NpyDataAdapter(seq) if kind == "adapter" else seq


@only_on("jax", "torch", reason="Keras trains in several processes on these")
@pytest.mark.parametrize("kind", ["sequence", "adapter"])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_call_in_several_processes_is_refused(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, method: str, kind: str
) -> None:
    """Without a distribution of Keras's: the backend alone says so."""
    model = make_model()
    pretend_two_processes(monkeypatch)
    with pytest.raises(ValueError, match=REFUSED):
        getattr(model, method)(data(stored, kind), verbose=0)


class Several:
    """A distribution over two processes, as far as the choice of an adapter asks it."""

    num_processes = 2

    def __init__(self, auto_shard_dataset: bool) -> None:
        self.auto_shard_dataset = auto_shard_dataset


@pytest.mark.parametrize("kind", ["sequence", "adapter"])
def test_adapter_of_a_distribution_over_several_processes_is_refused(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """On every backend, whatever Keras thinks of a PyDataset."""
    from keras.src.trainers import data_adapters

    monkeypatch.setattr(keras.distribution, "distribution", lambda: Several(True))
    with pytest.raises(ValueError, match=REFUSED):
        data_adapters.get_data_adapter(data(stored, kind))


def test_adapter_of_a_distribution_with_data_already_dealt_out_is_made(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto_shard_dataset=False` says that each process has rows of its own."""
    from keras.src.trainers import data_adapters

    monkeypatch.setattr(keras.distribution, "distribution", lambda: Several(False))
    adapter = data_adapters.get_data_adapter(stored.sequence())
    first = next(iter(adapter.get_numpy_iterator()))
    np.testing.assert_array_equal(stored.x[:8], first[0])


@only_on("jax", reason="Keras distributes over the devices of JAX")
def test_fit_in_one_process_over_devices_trains(
    stored: Stored, distribution: keras.distribution.DataParallel
) -> None:
    """A distribution of one process is no matter."""
    keras.distribution.set_distribution(distribution)
    seq = NpySequence(stored.x_path, stored.y_path, batch_size=8)
    model = make_model()
    assert np.isfinite(model.fit(seq, verbose=0).history["loss"][0])
