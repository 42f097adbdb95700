"""`ResumeTraining`: a run that is killed goes on as if it had not been."""

import os
import weakref
from pathlib import Path
from typing import Any, Literal

import keras

from keras_npy.boundary.adapter import PlannedAdapter
from keras_npy.boundary.callers import Fit, running_fit
from keras_npy.boundary.processes import saves_run, trains_with_others
from keras_npy.callbacks.backups import backups_in
from keras_npy.callbacks.run import AfterOthers, Run
from keras_npy.errors import check_integer
from keras_npy.feeds.processes import wait_for_all
from keras_npy.sequence import NpySequence, take_state

SaveFrequency = Literal["epoch"] | int


class ResumeTraining(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types.
    """Save a run while it trains. The same script, started again, goes on where it was.

    It goes on with the batch after the last save, in the same epoch. On the CPU the weights, the
    optimizer, the metrics, the history and the callbacks end up as in a run that was never
    interrupted, bit for bit. On a GPU that needs `keras.config` or backend settings that make its
    operations deterministic.

    Saved are: all variables of the model, its optimizer and its metrics; the random generators of
    Keras, torch, NumPy and Python; the attributes of all callbacks that changed in training, if
    they are plain values or arrays, and the rows of a `CSVLogger`; and the position in the data.

    Not saved: the function of `seq.map`, and files of other callbacks. An `OrbaxCheckpoint` refuses
    to save a step that it has saved before the kill. `SwapEMAWeights(swap_on_epoch=True)` leaves
    its averages in a run that has finished, so more epochs begin with these.

    If several processes train, each has this callback with the same directory, to which the first
    one saves. A run goes on in another number of processes too.

    Args:
        seq: The sequence that `fit` trains on.
        directory: The folder of this run. It holds the last two saves. Delete it to begin anew.
        save_freq: `"epoch"` saves at the end of each epoch; a number saves each time that this
            many batches have trained, and at the end of the run.
        verbose: 1 prints a line when a run goes on or has finished, 0 prints nothing.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument has a wrong value; if the save in `directory` is damaged, or
            belongs to other data, another order or another model. `fit` raises the same before
            the model is changed.
        RuntimeError: In `fit`, if another process trains with `directory`.
        OSError: In `fit`, if a save cannot be written. The save before it stays.

    Example:

    >>> x, y = np.arange(8, dtype="float32").reshape(8, 1), np.arange(8, dtype="float32")
    >>> seq = NpySequence(x, y, batch_size=2, seed=0)
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> resume = ResumeTraining(seq, "run", save_freq=100)
    >>> history = model.fit(seq, epochs=3, callbacks=[resume], verbose=0)
    >>> history = model.fit(seq, epochs=3, callbacks=[resume], verbose=0)
    ResumeTraining: the run in run has finished after epoch 3: nothing is left to train.
    """

    def __init__(
        self,
        seq: NpySequence,
        directory: str | os.PathLike[str],
        save_freq: SaveFrequency = "epoch",
        *,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        _check_arguments(seq, save_freq)
        self.seq = seq
        self.directory = Path(directory)
        self.save_freq = save_freq
        self.verbose = verbose
        # Several processes hold the same model, and all read what the first one saves.
        self.saves = saves_run(seq)
        self._backups = backups_in(self.directory)
        # Check the save now, before anything trains, and take its seed if none was given.
        self._read("sequence")
        self._run: Run | None = None
        # The attributes of the other callbacks when they were first seen.
        self.settings: weakref.WeakKeyDictionary[keras.callbacks.Callback, dict[str, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def set_params(self, params: Any) -> None:
        """Check the save. Keras calls it before any `on_train_begin`, which may change files."""
        super().set_params(params)
        fit = running_fit()
        if fit is not None:
            self._begin(fit)

    def on_train_begin(self, logs: Any = None) -> None:
        fit = running_fit()
        if fit is None or fit.callback_list is None:
            raise RuntimeError(
                "ResumeTraining belongs to the callbacks of fit. "
                f"Received: a call that does not come from fit of Keras {keras.__version__}. "
                "Pass it in callbacks= of model.fit."
            )
        # A list of callbacks that was made before `fit` has not checked the save of this `fit`.
        run = self._run
        if run is None or not run.feeds(fit):
            run = self._begin(fit)
        # Keras reads this list while it calls the callbacks. This one has been called, and the
        # last one will be.
        callbacks = fit.callback_list.callbacks
        if sum(isinstance(cb, ResumeTraining) for cb in callbacks) > 1:
            raise ValueError(
                "One ResumeTraining saves a run. Received: several in callbacks=. Leave one."
            )
        others = [cb for cb in callbacks if cb is not self and not isinstance(cb, AfterOthers)]
        after = AfterOthers(run, others)
        after.set_model(self.model)
        after.set_params(self.params)
        callbacks[:] = [self, *others, after]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._run is not None:
            self._run.save_first(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # It costs nothing, where `on_train_batch_end` makes all callbacks wait for the device
        # (Keras 3.16). When a batch begins, exactly those before it have trained.
        if self._run is not None and self._run.is_due(batch):
            self._run.save(batch)

    def end(self) -> None:
        """Wait for the last save, and let go of the directory. `fit` has ended."""
        self._run = None
        try:
            self._backups.wait()
        finally:
            self._backups.unlock()

    def _begin(self, fit: Fit) -> Run:
        adapter = getattr(fit.epoch_iterator, "data_adapter", None)
        if not isinstance(adapter, PlannedAdapter) or adapter.plan.seq is not self.seq:
            raise ValueError(
                "ResumeTraining must be given the sequence that fit trains on. "
                "Received: another sequence, or data of another kind, in fit. "
                "Pass the same NpySequence to both."
            )
        # An interrupted `fit` may have left a save that is being written.
        self._backups.wait()
        if self.saves:
            self._backups.lock()
        try:
            self._run = Run(self, adapter, self._backups, self._read_with_others())
        except BaseException:
            self._backups.unlock()
            raise
        return self._run

    def _read_with_others(self) -> dict[str, Any] | None:
        """The last save, the same in all processes that train one model.

        None reads before the first one has written its last save, and that one writes no other
        before all have read.
        """
        if not trains_with_others(self.seq):
            return self._read()
        wait_for_all("keras_npy: the last save is written")
        saved = self._read()
        wait_for_all("keras_npy: the last save is read")
        return saved

    def _read(self, only: str | None = None) -> dict[str, Any] | None:
        """The last save, or `None`; its data and order are those of the sequence."""
        path = self._backups.newest()
        if path is None:
            return None
        saved = self._backups.read(path, only)
        try:
            take_state(self.seq, saved.get("sequence", {}), "take another directory")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
        return saved


def _check_arguments(seq: object, save_freq: object) -> None:
    if not isinstance(seq, NpySequence):
        raise TypeError(
            "ResumeTraining takes the sequence that fit trains on. "
            f"Received: seq of type {type(seq).__name__}. Pass an NpySequence first."
        )
    if isinstance(save_freq, str) and save_freq != "epoch":
        raise ValueError(
            "save_freq is 'epoch' or a number of batches. "
            f"Received: save_freq={save_freq!r:.100}. Pass 'epoch', or a whole number from 1."
        )
    if save_freq != "epoch":
        check_integer("save_freq", save_freq, at_least=1)
