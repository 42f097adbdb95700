"""The last batch, if devices cannot share it: dropped by `fit`, whole in `evaluate`."""

import re
import warnings
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary import devices
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.boundary.devices import choose_last_batch
from keras_npy.feeds.jax import Whole


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A distribution over a mesh of 2 x 3 devices, of which the first axis divides batches."""
    mesh = SimpleNamespace(axis_names=["batch", "model"], shape=(2, 3))
    one = SimpleNamespace(device_mesh=mesh, batch_dim_name="batch")
    monkeypatch.setattr(keras.distribution, "distribution", lambda: one)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(devices, "is_wrapped", lambda *_: True)
    return one


def make(num_samples: int, batch_size: int, **arguments: Any) -> NpySequence:
    return NpySequence(np.arange(num_samples), batch_size=batch_size, **arguments)


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("seq", "steps", "of_fit", "of_evaluate"),
    [
        pytest.param(make(15, 6), None, "dropped", "whole", id="last"),
        pytest.param(make(15, 6), 3, "dropped", "whole", id="steps-to-the-last"),
        pytest.param(make(15, 6), 2, "dropped", "not served", id="steps-before-the-last"),
        pytest.param(make(15, 6), 0, "dropped", "whole", id="zero-steps"),
        pytest.param(make(15, 6, drop_remainder=True), None, "shared", "shared", id="drop"),
        pytest.param(make(16, 6), None, "shared", "shared", id="even-last"),
        pytest.param(make(4, 5), None, "shared", "shared", id="even-only"),
        pytest.param(
            make(3, 4),
            None,
            "a batch of 3 rows.*batch_size=2 and drop_remainder=True",
            "whole",
            id="only",
        ),
        pytest.param(make(30, 5), None, *["5 rows.*batch_size that 2 divides"] * 2, id="odd"),
    ],
)
def test_last_batch_of_two_devices(
    seq: NpySequence, steps: int | None, of_fit: str, of_evaluate: str
) -> None:
    """One warning of `fit` counts the rows that it leaves out."""
    for role, expected in (("fit", of_fit), ("evaluate", of_evaluate)):
        if expected == "not served":
            # Without a warning: Keras does not ask for it.
            assert "dropped" == choose_last_batch(seq, steps, role, False)
        elif " " in expected:
            with pytest.raises(ValueError, match=rf"The 2 devices .*{expected}"):
                choose_last_batch(seq, steps, role, role == "fit")
        elif expected == "dropped":
            with pytest.warns(UserWarning, match="fit leaves out 3 of 15 rows in each epoch: 2 "):
                assert "dropped" == choose_last_batch(seq, steps, role, True)
        else:
            assert expected == choose_last_batch(seq, steps, role, role == "fit")


@pytest.mark.usefixtures("two_devices")
def test_rows_that_fit_leaves_out_are_counted_for_each_sequence() -> None:
    """Once for each: a second `fit` of one says nothing new."""
    for num_samples in (15, 13, 15):
        seq = make(num_samples, 6)
        rest = num_samples % 6
        with pytest.warns(UserWarning, match=rf"leaves out {rest} of {num_samples} rows"):
            choose_last_batch(seq, None, "fit", True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "dropped" == choose_last_batch(seq, None, "fit", True)


@pytest.mark.parametrize("num_samples", [3, 5])
def test_only_batch_that_devices_cannot_share_is_refused_with_what_works(
    two_devices: SimpleNamespace, num_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """drop_remainder=True alone would leave no batch; with fewer rows than devices nothing does."""
    monkeypatch.setattr(devices, "is_wrapped", lambda *_: False)
    for role in ("fit", "evaluate"):
        with pytest.raises(ValueError, match=r"a batch of . rows.*Pass batch_size=") as refused:
            choose_last_batch(make(num_samples, 8), None, role, role == "fit")
        found = re.search(r"batch_size=(\d+) and (drop_remainder)=True", str(refused.value))
        assert found is not None
        seq = make(num_samples, int(found[1]), **{found[2]: True})
        assert (1, num_samples - 1) == (seq.num_batches, seq.batch_size)
        assert "shared" == choose_last_batch(seq, None, role, role == "fit")
    two_devices.device_mesh.shape = (6, 3)
    with pytest.raises(ValueError, match=r"Take at least 6 rows, or fewer devices"):
        choose_last_batch(make(num_samples, 12), None, "fit", True)


def test_last_batch_of_one_device_is_served(two_devices: SimpleNamespace) -> None:
    """If the mesh has no axis for batches, too."""
    two_devices.batch_dim_name = None
    assert "shared" == choose_last_batch(make(15, 6), None, "fit", True)


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize("last", [1, 3])
def test_last_batch_is_refused_where_keras_cannot_place_it(
    last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Keras that moved its private modules."""
    monkeypatch.setattr(devices, "is_wrapped", lambda *_: False)
    with pytest.raises(
        ValueError, match=rf"batch of {last} rows, in evaluate.*drop_remainder=True"
    ):
        choose_last_batch(make(12 + last, 6), None, "evaluate", False)


def test_rows_of_one_process_are_shared_by_its_own_devices(two_devices: SimpleNamespace) -> None:
    """Other processes have other rows, so that a last batch is not the same on all devices."""
    two_devices.device_mesh.shape = (4, 3)
    two_devices.num_processes = 2
    assert "shared" == choose_last_batch(make(14, 6, num_processes=1), None, "evaluate", False)
    with pytest.raises(ValueError, match=r"The 2 devices .*a batch of 3 rows, in evaluate"):
        choose_last_batch(make(15, 6, num_processes=1), None, "evaluate", False)


@pytest.mark.parametrize("num_samples", [13, 3])
@pytest.mark.parametrize("super_batch", [None, 2])
def test_whole_last_batch_follows_the_parts_of_the_others(
    num_samples: int, super_batch: int | None
) -> None:
    """In each process; in super-batches it is never stacked."""
    for process_id, first in enumerate(([0, 1, 2], [3, 4, 5])):
        seq = make(num_samples, 6, num_processes=2, process_id=process_id)
        adapter = PlannedAdapter(AdapterPlan(seq, last_batch="whole"))
        batches: list[Any] = []
        for given in adapter.get_jax_iterator(super_batch):
            batches += given if isinstance(given, list) else [given]
        *_, last = (batch[0] for batch in batches)
        rest = num_samples % 6
        assert isinstance(last, Whole)
        assert list(range(num_samples - rest, num_samples)) == last.tolist()
        if num_samples > 6:
            assert first == batches[0][0].reshape(-1, 3)[0].tolist()
        answers = (adapter.num_batches, adapter.has_partial_batch, adapter.partial_batch_size)
        assert (-(-num_samples // 6), True, rest) == answers


def test_dropped_last_batch_is_in_no_pass() -> None:
    """Neither in its count nor in the stream of passes."""
    plan = AdapterPlan(make(13, 6), last_batch="dropped", batches_per_epoch=5)
    iterator = PlannedAdapter(plan).get_numpy_iterator()
    served = [next(iterator)[0].tolist() for _ in range(5)]
    assert [list(range(6)), list(range(6, 12))] * 2 + [list(range(6))] == served
    adapter = PlannedAdapter(AdapterPlan(make(13, 6), last_batch="dropped"))
    answers = (adapter.num_batches, adapter.has_partial_batch, adapter.partial_batch_size)
    assert (2, False, None) == answers
