"""A training job that can be killed: its model and callbacks, its kills, and what it leaves."""

import dataclasses
import faulthandler
import itertools
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_npy

NUM_ROWS = 53
LIMIT_S = 300
# Arrays are compared by themselves. The sign of `min_delta`, and whether a header is to be written,
# follow when the next epoch ends, and a finished run that is started again has none.
_NOT_COMPARED = ("best_weights", "min_delta", "append_header")
BATCH_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Job:
    """What a user's script says. Every value changes what a resume has to restore."""

    data: str = "array"
    optimizer: str = "adam"
    epochs: int = 3
    save_freq: int | str = 2
    steps_per_epoch: int | None = None
    steps_per_execution: int = 1
    validates: bool = True
    class_weight: bool = False
    shuffle: bool | str = True
    callbacks: tuple[str, ...] = ("csv",)

    @property
    def name(self) -> str:
        """The values that differ from the defaults."""
        default = dataclasses.asdict(Job())
        given = {k: v for k, v in dataclasses.asdict(self).items() if v != default[k]}
        return " ".join(f"{key}={value}" for key, value in given.items()) or "default"


@dataclasses.dataclass(frozen=True)
class Kill:
    """Where the process kills itself: at the `count`th event of a kind, counted from 0."""

    event: str
    count: int = 0


def write_data(folder: Path) -> None:
    """Make the files of all jobs: 53 rows of 6 floats, three classes, shards, and a series."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(NUM_ROWS, 6)).astype("float32")
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", rng.integers(0, 3, NUM_ROWS))
    np.save(folder / "series.npy", rng.normal(size=(NUM_ROWS + 3, 2)).astype("float32"))
    for number, part in enumerate(np.array_split(x, 4)):
        np.save(folder / f"shard-{number}.npy", part)


def run_job(job: Job, data: Path, run: Path | None, results: Path, kill: Kill | None) -> None:
    """Train as the user's script does; `run` is the directory of `ResumeTraining`, if any."""
    results.mkdir(exist_ok=True)
    # A job that hangs says where, before the harness kills it.
    faulthandler.dump_traceback_later(LIMIT_S - 20)
    keras.utils.set_random_seed(5)
    train, validation = _sequences(job, data)
    model = _model(job)
    callbacks = _callbacks(job, results)
    if kill is not None:
        callbacks.append(_Killer(kill))
    if run is not None:
        # It may stand anywhere among the callbacks.
        resume = keras_npy.ResumeTraining(train, run, save_freq=job.save_freq, verbose=0)
        callbacks.insert(len(callbacks) // 2, resume)
    history = model.fit(
        train,
        epochs=job.epochs,
        steps_per_epoch=job.steps_per_epoch,
        validation_data=validation if job.validates else None,
        class_weight={0: 1.0, 1: 2.5, 2: 0.5} if job.class_weight else None,
        shuffle=job.shuffle,
        callbacks=callbacks,
        verbose=0,
    )
    _write_results(results, model, history, callbacks)


def read_results(results: Path) -> dict[str, Any]:
    """All that a finished job has left, for comparison."""
    with np.load(results / "variables.npz") as arrays:
        left: dict[str, Any] = dict(arrays)
    left["history"] = json.loads((results / "history.json").read_text())
    for path in results.glob("*.csv"):
        left[path.name] = path.read_bytes()
    return left


def _sequences(job: Job, data: Path) -> tuple[Any, Any]:
    sources: dict[str, Callable[[], tuple[Any, Any]]] = {
        "array": lambda: (np.load(data / "x.npy"), np.load(data / "y.npy")),
        "file": lambda: (data / "x.npy", data / "y.npy"),
        "shards": lambda: (str(data / "shard-*.npy"), data / "y.npy"),
        "windows": lambda: (
            keras_npy.windows(data / "series.npy", sequence_length=4),
            data / "y.npy",
        ),
    }
    x, y = sources[job.data]()
    seq = keras_npy.NpySequence(x, y, batch_size=BATCH_SIZE, seed=3)
    train, validation = seq.split(0.2)
    return train, validation


def _model(job: Job) -> keras.Model:
    shape = (4, 2) if job.data == "windows" else (6,)
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.GaussianNoise(0.1, seed=4),
            keras.layers.Dense(3),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 20)
    optimizers: dict[str, Callable[[], Any]] = {
        "adam": lambda: keras.optimizers.Adam(0.01),
        "ema": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
        "accumulation": lambda: keras.optimizers.SGD(
            0.05, momentum=0.9, gradient_accumulation_steps=3
        ),
        "schedule": lambda: keras.optimizers.SGD(schedule, momentum=0.9),
        "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(0.01), initial_scale=2.0**10, dynamic_growth_steps=3
        ),
    }
    model.compile(
        optimizers[job.optimizer](),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=job.steps_per_execution,
    )
    return model


def _callbacks(job: Job, results: Path) -> list[keras.callbacks.Callback]:
    monitor = "val_loss" if job.validates else "loss"
    made: dict[str, Callable[[], keras.callbacks.Callback]] = {
        "csv": lambda: keras.callbacks.CSVLogger(results / "log.csv"),
        "csv_append": lambda: keras.callbacks.CSVLogger(results / "log.csv", append=True),
        "early": lambda: keras.callbacks.EarlyStopping(
            monitor, patience=3, min_delta=0.05, restore_best_weights=True
        ),
        "plateau": lambda: keras.callbacks.ReduceLROnPlateau(
            monitor, patience=2, factor=0.5, min_delta=0.5
        ),
        "decay": lambda: keras.callbacks.LearningRateScheduler(lambda _, rate: rate * 0.9),
        "checkpoint": lambda: keras.callbacks.ModelCheckpoint(
            results / "best.weights.h5",
            monitor=monitor,
            save_best_only=True,
            save_weights_only=True,
        ),
        "swap": lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        "batches": _CountBatches,
    }
    return [made[name]() for name in job.callbacks]


class _CountBatches(keras.callbacks.Callback):
    """A user's callback, with a state of its own and a number from each generator."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int]] = []
        self.drawn: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(("epoch", epoch))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.seen.append(("begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(("end", batch))
        self.drawn.append(float(np.random.random()))  # The generator that a resume restores.


class _Killer(keras.callbacks.Callback):
    """Kill the process at an event of `fit`, or while a save is written."""

    def __init__(self, kill: Kill) -> None:
        super().__init__()
        self._kill = kill
        # A resume must not restore it, as it would a number.
        self._seen = itertools.count()
        if kill.event == "random":
            threading.Timer(kill.count / 1000, _die).start()
        elif kill.event == "write":
            zipfile.ZipFile.writestr = self._wrapped(zipfile.ZipFile.writestr)  # type: ignore[method-assign] # A kill in a save.
        elif kill.event in ("fsync", "replace"):
            setattr(os, kill.event, self._wrapped(getattr(os, kill.event)))

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._note(self._kill.event)
            return function(*args, **kwargs)

        return wrapped

    def _note(self, event: str) -> None:
        if event == self._kill.event and next(self._seen) == self._kill.count:
            _die()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._note("batch")

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._note("validation")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._note("epoch_begin")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._note("epoch_end")

    def on_train_end(self, logs: Any = None) -> None:
        self._note("end")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _write_results(
    results: Path,
    model: keras.Model,
    history: keras.callbacks.History,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    arrays = {f"v{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.EarlyStopping):
            arrays |= {f"best{i}": w for i, w in enumerate(callback.best_weights or [])}
    np.savez(results / "variables.npz", **arrays)
    # The state of callbacks, as far as it is plain.
    seen = {
        type(cb).__name__: {
            name: value
            for name, value in vars(cb).items()
            if isinstance(value, int | float | list) and name not in _NOT_COMPARED
        }
        for cb in callbacks
        if not isinstance(cb, _Killer | keras_npy.ResumeTraining)
    }
    (results / "history.json").write_text(
        json.dumps([history.history, history.epoch, seen], default=float)
    )
