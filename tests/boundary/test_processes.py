"""Several processes: what would train wrongly, fail or hang is refused before training.

`test_two_processes.py` starts real ones.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyDataAdapter
from keras_npy.boundary.callers import Call
from keras_npy.boundary.processes import check_processes
from keras_npy.feeds import processes
from keras_npy.order.shares import Share
from tests.conftest import BACKEND, Stored, make_model, only_on
from tests.processes import run_forked


class Distribution:
    """One over two processes of two devices each, as far as a sequence asks it."""

    class device_mesh:
        axis_names = ("batch",)
        shape = (4,)

    batch_dim_name = "batch"
    num_processes = 2

    def __init__(self, auto_shard_dataset: bool = True) -> None:
        self.auto_shard_dataset = auto_shard_dataset


@pytest.fixture
def _two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What JAX or torch says of its processes."""
    monkeypatch.setattr(processes, "share_of_backend", lambda: Share(2, 1))


def distribute(monkeypatch: pytest.MonkeyPatch, *arguments: bool) -> Any:
    """Make the backend combine the two processes; return a model for that."""
    distribution = Distribution(*arguments)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: distribution)
    # Keras 3.16 gives models of torch this attribute.
    return type("Model", (), {"ddp_model": None})


@pytest.mark.usefixtures("_two_processes")
@pytest.mark.parametrize("kind", ["sequence", "adapter"])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_processes_that_nothing_combines_are_refused(
    stored: Stored, method: str, kind: str
) -> None:
    """Each would train a model of its own on half of the rows. With rows of their own they may."""
    seq, model = stored.sequence(), make_model()
    if BACKEND == "torch" and hasattr(model, "ddp_model"):
        pytest.skip("this Keras combines them")
    data = NpyDataAdapter(seq) if kind == "adapter" else seq
    with pytest.raises(
        ValueError, match=r"models of several processes.*in process 1 of 2.*num_pro"
    ):
        getattr(model, method)(data, verbose=0)
    own = seq.replace(num_processes=1)
    getattr(model, method)(NpyDataAdapter(own) if kind == "adapter" else own, verbose=0)


@pytest.mark.parametrize("validates", [False, True])
def test_sequence_built_before_the_processes_is_refused(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, validates: bool
) -> None:
    """It serves all rows: before training, also as validation data."""
    early = stored.sequence()
    monkeypatch.setattr(processes, "share_of_backend", lambda: Share(2, 1))
    model = distribute(monkeypatch)
    late = stored.sequence()
    check_processes(late, Call("fit", model=model))
    check_processes(stored.sequence(num_processes=2, process_id=1), Call("fit", model=model))
    for seq in (early, late.replace(num_processes=2, process_id=0)):
        with pytest.raises(ValueError, match=r"shared among.*in process 1 of 2.*num_processes=1\."):
            check_processes(seq, Call("fit", model=model))
    check_processes(early.replace(num_processes=1), Call("fit", model=model))


@pytest.mark.usefixtures("_two_processes")
def test_predict_of_several_processes_is_refused(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras would fail in its midst, whatever the data."""
    model = distribute(monkeypatch)
    check_processes(stored.sequence(), Call("evaluate", model=model))
    for seq in (stored.sequence(), stored.sequence(num_processes=1)):
        with pytest.raises(ValueError, match=r"predict serves one process.*1 of 2.*single process"):
            check_processes(seq, Call("predict", model=model))


@pytest.mark.usefixtures("_two_processes")
def test_part_of_rows_that_may_be_a_processs_own_gives_a_warning(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto_shard_dataset=False` says that, and the sequence serves half of them."""
    model = distribute(monkeypatch, False)
    with pytest.warns(UserWarning, match=r"process 1 of 2.*num_processes=1 .*num_processes=2"):
        check_processes(stored.sequence(), Call("fit", model=model))
    for given in ({"num_processes": 1}, {"num_processes": 2, "process_id": 1}):
        check_processes(stored.sequence(**given), Call("fit", model=model))


_ENGINES = "DataParallel|DistributedDataParallel|one process"


@pytest.mark.parametrize(
    ("run", "remedy"),
    [
        pytest.param(lambda model, _, part: model.fit(part), _ENGINES, id="fit"),
        pytest.param(lambda model, _, part: model.evaluate(part), _ENGINES, id="evaluate"),
        pytest.param(lambda model, _, part: model.predict(part), "predict_to_npy in", id="predict"),
        pytest.param(
            lambda model, whole, part: model.fit(whole, validation_data=part), _ENGINES, id="val"
        ),
    ],
)
def test_part_of_batches_is_refused_in_a_process_that_is_alone(
    stored: Stored, run: Callable[..., Any], remedy: str
) -> None:
    """No engine is initialised: `predict` would give half of the rows, and say nothing."""
    seq = stored.sequence(num_processes=2, process_id=1, drop_remainder=True)
    model = make_model()
    with pytest.raises(ValueError, match=rf"alike.*process 1 of 2\. .*({remedy}).*num_proc.*=1"):
        run(model, stored.sequence(), seq)
    # The remedies, and a loop of one's own.
    model.evaluate(seq.replace(num_processes=1), verbose=0)
    model.train_on_batch(*seq[0])
    first, *_ = list(seq)
    np.testing.assert_array_equal(stored.x[4:8], first[0])


@only_on("tensorflow", reason="TensorFlow's own")
def test_strategies_of_tensorflow() -> None:
    """Two devices give the values of arrays; several workers are refused before training."""
    run_forked(
        """
        import keras, numpy as np, tensorflow as tf
        import keras_npy

        (cpu,) = tf.config.list_physical_devices("CPU")
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [device, device])
        x, y = np.arange(13 * 2, dtype="float32").reshape(13, 2) / 26, np.arange(13) % 2
        seq = keras_npy.NpySequence(x, y, batch_size=4)

        def model_in(strategy):
            with strategy.scope():
                keras.utils.set_random_seed(0)
                model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
                model.compile("adam", "mse", metrics=["mae"])
            return model

        def values(*data, **arguments):
            model = model_in(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
            history = model.fit(*data, shuffle=False, verbose=0, **arguments).history
            measured = model.evaluate(*data, verbose=0, **arguments)
            alone = model_in(tf.distribute.get_strategy())
            alone.set_weights(model.get_weights())
            # A mean of the short last batch, which has one row for two devices.
            np.testing.assert_allclose(measured, alone.evaluate(x, y, verbose=0), rtol=1e-5)
            return [*history.values(), measured, model.predict(data[0], verbose=0)]

        for one, other in zip(values(x, y, batch_size=4), values(seq), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)

        model = model_in(tf.distribute.MultiWorkerMirroredStrategy())
        for method in (model.fit, model.evaluate, model.predict):
            try:
                method(seq, verbose=0)
            except ValueError as error:
                assert "keras #20585" in str(error) and "on JAX" in str(error), error
            else:
                raise AssertionError("it was not refused")
        """,
        timeout_s=120,
    )
