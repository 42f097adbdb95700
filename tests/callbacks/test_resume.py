"""`ResumeTraining` in one process: what goes on, what is refused, what is said."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence, ResumeTraining
from keras_npy.boundary import wrap
from tests.conftest import Stored, assert_same_weights, make_model, only_on


class Interrupt(keras.callbacks.Callback):
    """Stop `fit` as Ctrl-C does, at a batch of an epoch."""

    def __init__(self, epoch: int, batch: int = 0) -> None:
        super().__init__()
        self._at = epoch, batch
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self._epoch, batch) == self._at:
            raise KeyboardInterrupt


def fit(seq: NpySequence, run: Path, *others: Any, **arguments: Any) -> keras.Model:
    """Train a new model for three epochs, as a script does that is started again."""
    model = arguments.pop("model", None) or make_model()
    save_freq = arguments.pop("save_freq", 2)
    resume = ResumeTraining(seq, run, save_freq, verbose=0)
    try:
        model.fit(seq, **{"epochs": 3, "verbose": 0, "callbacks": [resume, *others], **arguments})
    except KeyboardInterrupt:
        # At its end a process waits for the save that is being written.
        resume.end()
        raise
    return model


def interrupted(seq: NpySequence, run: Path, **arguments: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(seq, run, Interrupt(1, 5), **arguments)


def test_interrupted_run_goes_on_in_the_middle_of_an_epoch(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other weights, another object, a file that has moved: the weights of one run."""
    whole = make_model()
    whole.fit(stored.sequence(), epochs=3, verbose=0)
    interrupted(stored.sequence(), tmp_path / "run")
    moved = stored.x_path.rename(tmp_path / "elsewhere.npy")
    seq = NpySequence(moved, stored.y_path, batch_size=8, seed=3)
    model = make_model()
    model.set_weights([weights + 1 for weights in model.get_weights()])
    seen: list[int] = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(batch)
    )
    resume = ResumeTraining(seq, tmp_path / "run")
    history = model.fit(seq, epochs=3, verbose=1, callbacks=[callback, resume])
    assert_same_weights(whole, model)
    assert [5, 6, *range(7)] == seen
    assert [0, 1, 2] == history.epoch
    assert 3 == len(history.history["loss"])
    out = capsys.readouterr().out
    assert "goes on with epoch 2, batch 6 of 7.\n" in out
    # The bar begins where the epoch stopped. Of steps that are short, it shows only some.
    shown = set(re.findall(r"(\d)/7", out.partition("Epoch 3/3")[0]))
    assert {"7"} <= shown <= {"6", "7"}
    assert 3 == seq.epoch


def test_finished_run_trains_nothing_and_says_so(
    stored: Stored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new model has the weights of the run, and fit returns its history."""
    first = fit(stored.sequence(), tmp_path / "run")
    model, seq = make_model(), stored.sequence()
    resume = ResumeTraining(seq, tmp_path / "run")
    history = model.fit(seq, epochs=3, verbose=0, callbacks=[resume])
    assert_same_weights(first, model)
    assert [0, 1, 2] == history.epoch
    assert "has finished after epoch 3: nothing is left to train." in capsys.readouterr().out


def test_finished_run_trains_more_epochs_as_one_run_of_all(stored: Stored, tmp_path: Path) -> None:
    """With a moving average, which replaces the weights at the end of each `fit`."""

    def compiled() -> keras.Model:
        model = make_model()
        model.compile(
            keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        return model

    whole = compiled()
    whole.fit(stored.sequence(), epochs=5, verbose=0)
    fit(stored.sequence(), tmp_path / "run", epochs=3, model=compiled())
    seq, model = stored.sequence(), compiled()
    for _ in range(2):
        # Also with the same objects, as in a notebook.
        fit(seq, tmp_path / "run", epochs=4, model=model)
    fit(seq, tmp_path / "run", epochs=5, model=model)
    assert_same_weights(whole, model)


def test_run_that_stopped_early_has_finished(stored: Stored, tmp_path: Path) -> None:
    """Its best weights come back, however many epochs are asked for."""

    def stopping() -> Any:
        return keras.callbacks.EarlyStopping(
            "loss", patience=0, min_delta=9.0, restore_best_weights=True
        )

    first = fit(stored.sequence(), tmp_path / "run", stopping(), epochs=6)
    again = make_model()
    callbacks = [stopping(), ResumeTraining(seq := stored.sequence(), tmp_path / "run", verbose=0)]
    history = again.fit(seq, epochs=9, verbose=0, callbacks=callbacks)
    assert len(history.epoch) == 2
    assert_same_weights(first, again)


def test_unfinished_run_of_a_model_without_a_seed_goes_on_from_its_first_weights(
    stored: Stored, tmp_path: Path
) -> None:
    """The first save is made before the first batch, so that epoch is trained again exactly."""
    seq = NpySequence(stored.x_path, stored.y_path, batch_size=8)
    model = make_model()
    first_weights = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        fit(seq, tmp_path / "run", Interrupt(0, 3), model=model, save_freq="epoch")
    other = make_model()
    other.set_weights([weights + 1 for weights in first_weights])
    again = NpySequence(stored.x_path, stored.y_path, batch_size=8)
    fit(again, tmp_path / "run", model=other, epochs=2, save_freq="epoch")
    whole = make_model()
    same_seed = NpySequence(stored.x_path, stored.y_path, batch_size=8, seed=seq.seed)
    whole.fit(same_seed, epochs=2, verbose=0)
    assert_same_weights(whole, other)


def test_setting_of_a_callback_may_change_between_processes(stored: Stored, tmp_path: Path) -> None:
    """What a callback has counted comes back; what the user passed to it is the user's."""
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=7)
    with pytest.raises(KeyboardInterrupt):
        fit(stored.sequence(), tmp_path / "run", plateau, Interrupt(2, 1))
    later = keras.callbacks.ReduceLROnPlateau("loss", patience=5)
    fit(stored.sequence(), tmp_path / "run", later)
    assert (5, later.best) == (later.patience, min(plateau.best, later.best))
    assert plateau.best is not None


def other_model(**changes: Any) -> keras.Model:
    """`new_model` with another number of units, activation, learning rate or metric."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 5), dtype="uint8"),
            keras_npy.NpyInputLayer(),
            keras.layers.Flatten(),
            keras.layers.Dense(
                changes.get("units", 7), activation=changes.get("activation", "relu")
            ),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        keras.optimizers.Adam(changes.get("rate", 0.01)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=changes.get("metrics"),
    )
    return model


def test_same_model_built_by_other_code_is_accepted(stored: Stored, tmp_path: Path) -> None:
    """Keras numbers layers on in each process; the number is no difference."""
    interrupted(stored.sequence(), tmp_path / "run")
    fit(stored.sequence(), tmp_path / "run", model=other_model())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param(
            {"model": lambda: other_model(units=9)},
            r"variables\[0\] of .*\(30, 9\), not",
            id="units",
        ),
        pytest.param(
            {"model": lambda: other_model(activation="tanh")}, "tanh.*relu", id="activation"
        ),
        pytest.param({"model": lambda: other_model(rate=0.5)}, r"\[0.5\], not", id="learning-rate"),
        pytest.param(
            {"model": lambda: other_model(metrics=["accuracy"])}, "variables", id="metrics"
        ),
        pytest.param({"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}}, "class_weight", id="class-weight"),
        pytest.param({"shuffle": False}, "shuffle", id="shuffle"),
        pytest.param({"steps_per_epoch": 4}, "steps_per_epoch of 4, not None", id="steps"),
        pytest.param({"seq": {"seed": 4}}, "seed=4, not 3", id="seed"),
        pytest.param({"seq": {"batch_size": 4}}, "batch_size=4, not 8", id="batch-size"),
        pytest.param({"seq": {"indices": range(40)}}, "num_samples=40, not 53", id="rows"),
    ],
)
def test_other_run_is_refused_before_anything_is_changed(
    stored: Stored, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    """The model, the files of other callbacks and the save stay as they are."""
    log = tmp_path / "log.csv"
    logger = keras.callbacks.CSVLogger(log)
    with pytest.raises(KeyboardInterrupt):
        fit(stored.sequence(), tmp_path / "run", logger, Interrupt(1, 5))
    # Keras leaves it open when fit raises.
    logger.csv_file.close()
    written, saves = log.read_bytes(), sorted((tmp_path / "run").glob("*.zip"))
    assert written
    arguments = dict(changes)
    seq = stored.sequence(**arguments.pop("seq", {}))
    model = arguments.pop("model", make_model)()
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"{tmp_path}/run.*goes on.*Received.*{named}") as caught:
        fit(seq, tmp_path / "run", keras.callbacks.CSVLogger(log), model=model, **arguments)
    assert 1 == str(caught.value).count("Received: ")
    if "seq" in changes:
        assert str(caught.value).endswith(" of the sequence, or take another directory.") == (
            "indices" not in changes["seq"]
        )
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert written == log.read_bytes()
    assert saves == sorted((tmp_path / "run").glob("*.zip"))
    # The remedy: what is restored goes on.
    fit(stored.sequence(), tmp_path / "run", keras.callbacks.CSVLogger(log))


def test_other_content_of_the_file_is_refused_when_the_callback_is_made(
    stored: Stored, tmp_path: Path
) -> None:
    """Before anything trains."""
    interrupted(stored.sequence(), tmp_path / "run")
    x = stored.x.copy()
    x[40, 2, 2] ^= 1
    np.save(stored.x_path, x)
    with pytest.raises(ValueError, match=r"resume-\d+\.zip.*Received.*the content of the files"):
        ResumeTraining(stored.sequence(), tmp_path / "run")


def test_damaged_save_is_refused_and_the_one_before_goes_on(stored: Stored, tmp_path: Path) -> None:
    """The remedy of the message is what is done here."""
    whole = make_model()
    whole.fit(stored.sequence(), epochs=3, verbose=0)
    interrupted(stored.sequence(), tmp_path / "run")
    newest = max((tmp_path / "run").glob("*.zip"))
    newest.write_bytes(newest.read_bytes()[:-200])
    with pytest.raises(
        ValueError, match=rf"{newest}.*must be whole.*Delete {newest.name} to go on"
    ):
        ResumeTraining(stored.sequence(), tmp_path / "run")
    newest.unlink()
    assert_same_weights(whole, fit(stored.sequence(), tmp_path / "run"))


@pytest.mark.parametrize(
    ("seq", "save_freq", "error"),
    [
        pytest.param("x.npy", "epoch", TypeError, id="path"),
        pytest.param(None, "batch", ValueError, id="word"),
        pytest.param(None, 0, ValueError, id="zero"),
        pytest.param(None, 1.5, TypeError, id="fraction"),
        pytest.param(None, True, TypeError, id="bool"),
    ],
)
def test_wrong_argument_is_refused(
    stored: Stored, tmp_path: Path, seq: Any, save_freq: Any, error: type[Exception]
) -> None:
    """When the callback is made; no folder is."""
    with pytest.raises(error, match=r"\. Received: .*\. Pass"):
        ResumeTraining(seq or stored.sequence(), tmp_path / "run", save_freq)
    assert not (tmp_path / "run").exists()


def test_fit_on_another_sequence_is_refused(stored: Stored, tmp_path: Path) -> None:
    """The position of one sequence says nothing of another."""
    callback = ResumeTraining(stored.sequence(), tmp_path / "run")
    with pytest.raises(
        ValueError, match=r"the sequence that fit trains on. Received.*Pass the same"
    ):
        make_model().fit(stored.sequence(), callbacks=[callback], verbose=0)
    with pytest.raises(ValueError, match="another kind"):
        make_model().fit(stored.x, stored.y, callbacks=[callback], verbose=0)


def test_list_of_callbacks_made_before_fit_works_as_a_plain_list(
    stored: Stored, tmp_path: Path
) -> None:
    """Keras then tells callbacks of the model before there is a `fit`; the list is used again."""
    whole = make_model()
    whole.fit(stored.sequence(), epochs=3, verbose=0)
    seq, model = stored.sequence(), make_model()
    resume = ResumeTraining(seq, tmp_path / "run", 2, verbose=0)
    for others in ([Interrupt(1, 5)], []):
        callbacks = keras.callbacks.CallbackList(
            [*others, resume], add_history=True, model=model, epochs=3, verbose=0, steps=7
        )
        try:
            model.fit(seq, epochs=3, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            model.set_weights([weights + 1 for weights in model.get_weights()])
    assert_same_weights(whole, model)
    model.set_weights([weights + 1 for weights in model.get_weights()])
    model.fit(seq, epochs=3, verbose=0, callbacks=callbacks)
    assert_same_weights(whole, model)


def test_evaluate_and_predict_leave_it_alone(stored: Stored, tmp_path: Path) -> None:
    """A list of callbacks is often shared."""
    seq, model = stored.sequence(), make_model()
    callback = ResumeTraining(seq, tmp_path / "run")
    model.evaluate(seq, callbacks=[callback], verbose=0)
    model.predict(seq, callbacks=[callback], verbose=0)
    assert not (tmp_path / "run").exists()


def test_other_callbacks_stay_asynchronous() -> None:
    """Keras waits for the device at each step if one callback overrides the end of a batch."""
    for name in ("on_batch_end", "on_train_batch_end", "on_test_batch_end"):
        assert getattr(keras.callbacks.Callback, name) is getattr(ResumeTraining, name)


def test_disk_that_is_full_stops_the_run_with_its_reason(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes with the next save; the last whole one goes on."""
    whole = make_model()
    whole.fit(stored.sequence(), epochs=3, verbose=0)
    interrupted(stored.sequence(), tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _no_space)
        with pytest.raises(OSError, match=r"resume-.*must be written whole.*No space left"):
            fit(stored.sequence(), tmp_path / "run")
    assert_same_weights(whole, fit(stored.sequence(), tmp_path / "run"))


def _no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_checkpoint_that_compares_after_some_batches_goes_on(
    stored: Stored, tmp_path: Path
) -> None:
    """Its comparison is a function, which no save holds."""

    def checkpoint() -> Any:
        path = tmp_path / "best.weights.h5"
        return keras.callbacks.ModelCheckpoint(
            path, "loss", save_best_only=True, save_weights_only=True, save_freq=4
        )

    # Keras chooses the comparison at the end of the first epoch, and needs it before.
    first = checkpoint()
    first.save_freq = "epoch"
    with pytest.raises(KeyboardInterrupt):
        fit(stored.sequence(), tmp_path / "run", first, Interrupt(1, 5))
    second = checkpoint()
    fit(stored.sequence(), tmp_path / "run", second)
    assert second.best is not None


class _Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the user's that has no config."""

    def __call__(self, step: Any) -> Any:
        return 0.01 / (1 + keras.ops.cast(step, "float32"))


def test_schedule_without_a_config_trains(stored: Stored, tmp_path: Path) -> None:
    """As it does without the callback."""
    model = make_model()
    model.compile(
        keras.optimizers.SGD(_Halving()),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    fit(stored.sequence(), tmp_path / "run", model=model, epochs=1)


class _Collect(keras.callbacks.Callback):
    """Gathers what it sees, as a user's callback does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(batch)


def test_same_objects_go_on_after_ctrl_c_as_new_ones(stored: Stored, tmp_path: Path) -> None:
    """A cell of a notebook that is run again: model, rate and callbacks have moved on."""

    def others() -> list[keras.callbacks.Callback]:
        return [
            keras.callbacks.LearningRateScheduler(lambda _, rate: rate * 0.5),
            # Nothing improves by so much: the rate falls after each epoch but the first.
            keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=50.0),
            _Collect(),
        ]

    whole, expected = make_model(), others()
    whole.fit(stored.sequence(), epochs=3, verbose=0, callbacks=expected)
    model, seen, seq = make_model(), others(), stored.sequence()
    resume = ResumeTraining(seq, tmp_path / "run", verbose=0)
    for interrupts in ([Interrupt(2, 4)], []):
        try:
            model.fit(seq, epochs=3, verbose=0, callbacks=[resume, *seen, *interrupts])
        except KeyboardInterrupt:
            resume.end()
    assert expected[-1].seen == seen[-1].seen
    assert expected[1].min_delta == seen[1].min_delta
    assert_same_weights(whole, model)


class _StopAt(keras.callbacks.Callback):
    """Stops as a time limit does."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 3:
            self.model.stop_training = True


def test_run_that_is_stopped_within_an_epoch_goes_on(stored: Stored, tmp_path: Path) -> None:
    """Whoever stops a job, at a time limit, has not finished training."""
    whole = make_model()
    whole.fit(stored.sequence(), epochs=2, verbose=0)
    fit(stored.sequence(), tmp_path / "run", _StopAt(), epochs=2)
    assert_same_weights(whole, fit(stored.sequence(), tmp_path / "run", epochs=2))


@only_on("torch", reason="it has the modules")
def test_buffers_of_torch_modules_go_on(stored: Stored, tmp_path: Path) -> None:
    """Keras has variables for the parameters of a module alone."""
    import torch

    def with_module() -> keras.Model:
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((6, 5), dtype="uint8"),
                keras_npy.NpyInputLayer(),
                keras.layers.Flatten(),
                keras.layers.TorchModuleWrapper(torch.nn.BatchNorm1d(30)),
                keras.layers.Dense(3),
            ]
        )
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    def buffers(model: keras.Model) -> list[Any]:
        return [buffer.tolist() for buffer in model.layers[2].module.buffers()]

    whole = with_module()
    whole.fit(stored.sequence(), epochs=3, verbose=0)
    interrupted(stored.sequence(), tmp_path / "run", model=with_module())
    model = with_module()
    fit(stored.sequence(), tmp_path / "run", model=model)
    assert buffers(whole) == buffers(model)
    assert_same_weights(whole, model)


def test_two_of_them_are_refused(stored: Stored, tmp_path: Path) -> None:
    """Each would restore what the other saved."""
    seq = stored.sequence()
    callbacks = [ResumeTraining(seq, tmp_path / name, verbose=0) for name in "ab"]
    with pytest.raises(ValueError, match="Received: several"):
        make_model().fit(seq, callbacks=callbacks, verbose=0)
    for callback in callbacks:
        callback.end()


def test_callback_that_no_fit_calls_is_refused(stored: Stored, tmp_path: Path) -> None:
    """A loop of one's own that calls the callbacks has neither their list nor the batches."""
    resume = ResumeTraining(stored.sequence(), tmp_path / "run", verbose=0)
    with pytest.raises(RuntimeError, match=r"(?s)belongs to .*a call that .*Pass it in callbacks="):
        resume.on_train_begin()
    resume.end()


@pytest.fixture
def _processes_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an engine combined this process with another, which a test of one process has not."""
    monkeypatch.setattr(wrap, "check_processes", lambda seq, call: None)


@pytest.mark.usefixtures("_processes_are_not_checked")
def test_run_goes_on_in_processes_that_leave_out_the_batch_which_was_next(
    stored: Stored, tmp_path: Path
) -> None:
    """Two processes cannot share the last batch of 5 rows: they begin the next epoch."""
    seq = stored.sequence()
    with pytest.raises(KeyboardInterrupt):
        fit(seq, tmp_path / "run", Interrupt(0, 6), save_freq=6)
    begun: list[int] = []
    seen = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: begun.append(batch)
    )
    parts = stored.sequence(num_processes=2, process_id=0)
    with pytest.warns(UserWarning, match="fit leaves out 5 of 53 rows"):
        fit(parts, tmp_path / "run", seen)
    assert [*range(6), *range(6)] == begun
    assert 3 == parts.epoch


@pytest.mark.usefixtures("_processes_are_not_checked")
def test_only_the_first_process_saves(stored: Stored, tmp_path: Path) -> None:
    """The others have the same model, and would lock the folder in vain."""
    parts = stored.sequence(num_processes=2, process_id=1, drop_remainder=True)
    fit(parts, tmp_path / "run")
    assert not (tmp_path / "run").exists()
