"""Batches that the devices of a distribution cannot share are refused when fit begins."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.devices import refuse_uneven_batches


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A distribution over a mesh of 2 x 3 devices, of which the first axis divides batches."""
    mesh = SimpleNamespace(axis_names=["batch", "model"], shape=(2, 3))
    one = SimpleNamespace(device_mesh=mesh, batch_dim_name="batch")
    monkeypatch.setattr(keras.distribution, "distribution", lambda: one)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    return one


def make(num_samples: int, batch_size: int, **arguments: Any) -> NpySequence:
    return NpySequence(np.arange(num_samples), batch_size=batch_size, **arguments)


@pytest.mark.parametrize(
    ("seq", "steps", "message"),
    [
        pytest.param(make(30, 5), None, r"a batch of 5 rows, in fit.*batch_size that 2", id="odd"),
        pytest.param(make(15, 6), None, r"a batch of 3 rows.*drop_remainder=True", id="last"),
        pytest.param(make(3, 4), None, r"a batch of 3 rows.*drop_remainder=True", id="only"),
        pytest.param(make(15, 6), 3, r"a batch of 3 rows", id="steps-to-the-last"),
        pytest.param(make(15, 6), 2, None, id="steps-before-the-last"),
        pytest.param(make(15, 6, drop_remainder=True), None, None, id="dropped"),
        pytest.param(make(16, 6), None, None, id="even-last"),
        pytest.param(make(4, 5), None, None, id="even-only"),
    ],
)
def test_batches_that_two_devices_cannot_share_are_refused(
    two_devices: SimpleNamespace, seq: NpySequence, steps: int | None, message: str | None
) -> None:
    """Those that are served, and no others."""
    if message is None:
        refuse_uneven_batches(seq, steps, "fit")
        return
    with pytest.raises(ValueError, match=rf"The 2 devices .*{message}"):
        refuse_uneven_batches(seq, steps, "fit")
    two_devices.batch_dim_name = None
    refuse_uneven_batches(seq, steps, "fit")
