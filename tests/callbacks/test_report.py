"""`InputReport` counts what `fit` waits for, and changes nothing else."""

import re
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import InputReport, ResumeTraining
from keras_npy.boundary import waits
from keras_npy.boundary.waits import Waited, Waits
from keras_npy.callbacks import report as report_module
from keras_npy.callbacks.report import EpochReport
from tests.conftest import (
    Stored,
    assert_same_weights,
    make_model,
    only_on,
    validates_on_training_rows,
)


@pytest.mark.parametrize(
    ("arguments", "of_fit", "num_batches"),
    [
        pytest.param({}, {}, [7, 7], id="short-last-batch"),
        pytest.param({}, {"steps_per_epoch": 3}, [3, 3], id="steps"),
        pytest.param({}, {"shuffle": False}, [7, 7], id="file-order"),
        pytest.param({"map": True}, {"validation": True}, [7, 7], id="map-and-validation"),
    ],
)
@validates_on_training_rows
def test_report_counts_batches_and_changes_no_weight(
    stored: Stored, arguments: dict[str, Any], of_fit: dict[str, Any], num_batches: list[int]
) -> None:
    """The same weights as without it, and its numbers in the history."""
    models, histories = [make_model(), make_model()], []
    report = InputReport(verbose=0)
    for model, callbacks in zip(models, ([], [report]), strict=True):
        seq = stored.sequence()
        seq = seq.map(lambda x, y: (x, y)) if arguments.get("map") else seq
        options = {key: value for key, value in of_fit.items() if key != "validation"}
        if of_fit.get("validation"):
            options["validation_data"] = stored.sequence()
        fit = model.fit(seq, epochs=2, verbose=0, callbacks=callbacks, **options)
        histories.append(fit.history)
    assert_same_weights(*models)
    assert num_batches == [epoch.waited.num_batches for epoch in report.epochs]
    waited = [epoch.waited for epoch in report.epochs]
    assert [one.total_s for one in waited] == histories[1]["input_wait_s"]
    assert all(0 <= one.first_s <= one.total_s for one in waited)
    without = {key: value for key, value in histories[1].items() if "input_wait" not in key}
    assert histories[0] == without


def test_report_prints_a_line_for_each_epoch(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of arrays it says what is not measured."""
    model = make_model()
    model.fit(stored.sequence(), epochs=2, verbose=0, callbacks=[InputReport()])
    lines = capsys.readouterr().out.splitlines()
    pattern = (
        r"InputReport: epoch \d took [\d.e-]+ s, of which the model waited [\d.e-]+ s for data"
    )
    assert ["epoch 1", "epoch 2"] == [line[13:20] for line in lines if re.match(pattern, line)]
    model.fit(stored.x, stored.y, verbose=0, callbacks=[InputReport()])
    assert "is measured only for an NpySequence" in capsys.readouterr().out


def test_report_compare_leaves_the_model_as_it_was(stored: Stored) -> None:
    """Weights, optimizer, metrics and history; and the model goes on to train."""
    models = [make_model(), make_model()]
    report = InputReport(verbose=0)
    for model in models:
        seq = stored.sequence()
        fit = model.fit(seq, epochs=2, verbose=0, callbacks=[report])
        if model is models[1]:
            told = report.compare(seq, steps=3)
            # The first epoch, in which the model is compiled, is left out.
            last = report.epochs[1]
            assert (last.elapsed_s, last.waited.total_s) == (told["elapsed_s"], told["waited_s"])
            assert 0 <= told["free_s"] <= told["elapsed_s"]
            batch_bytes = stored.x[:8].nbytes + stored.y[:8].nbytes
            assert [7 * batch_bytes] * 2 == [one.waited.served_bytes for one in report.epochs]
            assert model.history is fit
        model.fit(seq, verbose=0)
    assert_same_weights(*models)
    for one, other in zip(*(model.optimizer.variables for model in models), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_report_compare_says_what_a_step_copies(
    stored: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On JAX and torch the batch of the steps lies on the device; elsewhere in host memory."""
    model, report, seq = make_model(), InputReport(), stored.sequence()
    model.fit(seq, verbose=0, callbacks=[report])
    timed = []

    def time_steps(model: Any, batch: Any, steps: int) -> float:
        timed.append(batch)
        return 0.5

    monkeypatch.setattr(report_module, "_time_steps", time_steps)
    assert 0.5 == report.compare(seq)["step_s"]
    ((x, y),) = timed
    np.testing.assert_array_equal(stored.x[:8], keras.ops.convert_to_numpy(x))
    np.testing.assert_array_equal(stored.y[:8], keras.ops.convert_to_numpy(y))
    is_placed = keras.backend.backend() != "tensorflow"
    assert is_placed == (not isinstance(x, np.ndarray))
    said = capsys.readouterr().out.splitlines()[-1]
    expected = (
        "lay on the device" if is_placed else "include the copy of the batch from host memory"
    )
    assert expected in said


@pytest.mark.parametrize(
    ("step_s", "taken", "free_s", "words"),
    [
        # Elapsed and waited of each epoch, of 20 steps.
        pytest.param(
            0.1,
            [(9, 1)],
            8,
            "epoch 1 took 9 s: 1 s waiting for data, 2 s in steps, 6 s in the rest of fit (comp",
            id="one",
        ),
        pytest.param(
            0.1,
            [(99, 50), (5, 1), (4, 1)],
            7,
            "s 2 to 3 took 9 s: 2 s waiting for data, 4 s in steps, 3 s in the rest of fit",
            id="first-left-out",
        ),
        pytest.param(
            0.4,
            [(99, 0), (10, 6)],
            8,
            "6 s waiting for data, 8 s in steps, some of them meanwhile, 0 s in the rest",
            id="device-works-meanwhile",
        ),
        pytest.param(
            1, [(99, 0), (10, 6)], 10, "20 s in steps, some of them meanwhile", id="slower-steps"
        ),
    ],
)
def test_report_compare_blames_data_for_no_more_than_the_waits(
    stored: Stored,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    step_s: float,
    taken: list[tuple[float, float]],
    free_s: float,
    words: str,
) -> None:
    """Data that cost nothing would save no compilation and no callback."""
    monkeypatch.setattr(report_module, "_time_steps", lambda *_: step_s)
    report = InputReport()
    report.epochs = [
        EpochReport(at, elapsed_s, Waited(20, 0.0, waited_s), 0, 0.0)
        for at, (elapsed_s, waited_s) in enumerate(taken)
    ]
    report.set_model(None)
    assert free_s == report.compare(stored.sequence())["free_s"]
    said = capsys.readouterr().out
    assert words in said
    assert re.search(rf"With data that cost nothing: (\d s of steps to )?{free_s} s\.", said)


def test_two_reports_are_refused(stored: Stored) -> None:
    """The second one would say that there was nothing to measure."""
    with pytest.raises(ValueError, match=r"One InputReport measures.*Received: 2 in callbacks="):
        make_model().fit(stored.sequence(), callbacks=[InputReport(), InputReport()], verbose=0)


def test_report_compare_needs_epochs(stored: Stored) -> None:
    """Else there is nothing to compare."""
    with pytest.raises(RuntimeError, match=r"needs epochs.*Received: no epoch.*callbacks="):
        InputReport().compare(stored.sequence())


def report_of(waited_s: float, first_s: float = 0.1, disk: int = 0, cpu_s: float = 0) -> Any:
    return EpochReport(0, 10.0, Waited(20, first_s, waited_s, 1000), disk, cpu_s)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (report_of(0.3), "the model sets the pace"),
        (report_of(4, first_s=3), "for the first batch"),
        (report_of(4, disk=900), "for the disk"),
        (report_of(4, disk=100, cpu_s=10_000), "for the CPUs"),
        (report_of(4, cpu_s=28), "for the CPUs"),
        (report_of(4, cpu_s=26), "gathered and handed over"),
    ],
)
def test_reason_is_what_most_of_the_wait_is_for(
    monkeypatch: pytest.MonkeyPatch, report: EpochReport, reason: str
) -> None:
    """Of 1,000 bytes that were served, on the three cores that the process may use."""
    monkeypatch.setattr("keras_npy.callbacks.report.usable_cores", lambda: 3)
    assert reason in report.reason()


def test_waits_are_those_of_the_iterator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is between two batches is not waited for data."""
    now = [0.0]
    monkeypatch.setattr(waits.time, "perf_counter", lambda: now[0])

    def batches() -> Any:
        for waited in (5.0, 1.0, 2.0):
            now[0] += waited
            yield waited

    counted = Waits()
    for _ in counted.of_iterator(batches()):
        now[0] += 100
    assert Waited(3, 5.0, 8.0) == counted.read()
    counted.begin_epoch()
    assert Waited(0, 0.0, 0.0) == counted.read()
    # Keras 3.16 takes several batches together, and a list of those that are left.
    assert 2 == len(list(counted.of_iterator(iter([np.ones((2, 3)), [np.ones(3)]]), 2)))
    assert 3 == counted.read().num_batches


def test_waits_keep_no_batch() -> None:
    """Its memory is free while the next batch is waited for, as it is without the callback."""
    made: list[weakref.ref[np.ndarray]] = []
    in_use: list[int] = []

    def batches() -> Iterator[np.ndarray]:
        for _ in range(3):
            in_use.append(sum(ref() is not None for ref in made))
            held = [np.ones(3)]
            made.append(weakref.ref(held[0]))
            yield held.pop()

    for batch in Waits().of_iterator(batches()):
        del batch
    assert [0, 0, 0] == in_use


@only_on("tensorflow", "jax", reason="Keras refuses steps_per_execution with torch (3.15)")
def test_report_with_steps_per_execution(stored: Stored) -> None:
    """Each batch counts, though Keras tells callbacks of every second one."""
    model, report = make_model(steps_per_execution=2), InputReport(verbose=0)
    callbacks = keras.callbacks.CallbackList([report], model=model, add_history=True)
    model.fit(stored.sequence(drop_remainder=True), verbose=0, callbacks=callbacks)
    assert [6] == [epoch.waited.num_batches for epoch in report.epochs]


def test_report_leaves_validation_out_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its seconds, its CPUs and its disk: Keras validates before it ends the epoch."""
    now = {"perf_counter": 0.0, "process_time": 0.0, "blocks": 0}
    for clock in ("perf_counter", "process_time"):
        monkeypatch.setattr(report_module.time, clock, lambda clock=clock: now[clock])
    monkeypatch.setattr(
        report_module.resource,
        "getrusage",
        lambda _: types.SimpleNamespace(ru_inblock=now["blocks"]),
    )
    report = InputReport(verbose=0)

    def take(seconds: float, cpu_s: float, blocks: int) -> None:
        now["perf_counter"] += seconds
        now["process_time"] += cpu_s
        now["blocks"] += blocks

    report.on_epoch_begin(0)
    take(5, 4, 3)
    for _ in range(2):
        report.on_test_begin()
        take(100, 200, 50)
        report.on_test_end()
    report.on_epoch_end(0)
    epoch = report.epochs[0]
    assert (5, 4, 3 * 512) == (epoch.elapsed_s, epoch.cpu_s, epoch.disk_bytes)


class Slow(keras.layers.Layer):
    """Takes some 0.1 s in each step, in which Python goes on."""

    def call(self, inputs: Any) -> Any:
        import jax

        slow = jax.lax.fori_loop(0, 3_000_000, lambda _, value: jax.numpy.sin(value), 0.1)
        return inputs + 0 * jax.lax.stop_gradient(slow)


@only_on("jax", reason="the others wait for each step on CPUs")
@validates_on_training_rows
def test_report_counts_steps_that_the_device_ends_later_as_training(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as validation, whose first batch waits for them."""
    model = keras.Sequential([keras.Input((6, 5)), Slow(), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    report, is_ready = InputReport(verbose=0), []
    read = report_module._Clocks.read

    def read_clocks() -> Any:
        is_ready.append(model.trainable_variables[0].value.is_ready())
        return read()

    class Watch(keras.callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            monkeypatch.setattr(report_module._Clocks, "read", read_clocks)

        def on_test_end(self, logs: Any = None) -> None:
            monkeypatch.undo()

    seq = stored.sequence()
    model.fit(seq, validation_data=seq, epochs=2, verbose=0, callbacks=[Watch(), report])
    assert is_ready
    assert all(is_ready)


def test_report_of_a_run_that_goes_on_takes_the_clocks_of_its_own_process(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch; what was printed before the kill is not printed again."""
    now = [0.0]
    monkeypatch.setattr(report_module.time, "perf_counter", lambda: now[0])

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 4:
                raise KeyboardInterrupt

    def train(*callbacks: keras.callbacks.Callback) -> InputReport:
        seq, report = stored.sequence(), InputReport(verbose=0)
        resume = ResumeTraining(seq, tmp_path / "run", save_freq=2, verbose=0)
        make_model().fit(seq, verbose=0, callbacks=[report, *callbacks, resume])
        return report

    with pytest.raises(KeyboardInterrupt):
        train(Killed())
    now[0] = 1e6
    (epoch,) = train().epochs
    assert (0.0, 3) == (epoch.elapsed_s, epoch.waited.num_batches)
