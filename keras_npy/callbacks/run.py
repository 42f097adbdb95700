"""One `fit` that is saved and resumed: when it saves, what a save holds, and how it goes on."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_npy.boundary.adapter import PlannedAdapter
from keras_npy.boundary.callers import Fit
from keras_npy.boundary.epochs import can_resume_epochs
from keras_npy.boundary.models import begin_fit_at, build_for
from keras_npy.callbacks.backups import FORMAT, Backups
from keras_npy.callbacks.training_state import (
    CallbackStates,
    collect_generators,
    collect_variables,
    description_of,
    first_difference,
    learning_rates_of,
    num_cuda_devices,
    restore_generators,
    restore_variables,
)
from keras_npy.order.position import Position
from keras_npy.sequence import take_state

if TYPE_CHECKING:
    from keras_npy.callbacks.resume import ResumeTraining


class Run:
    """One `fit`, from its first callback to its last.

    Args:
        resume: The callback.
        adapter: What gives Keras the batches.
        backups: Where saves are kept.
        saved: The save to go on from, if there is one.

    Raises:
        ValueError: If the run cannot go on from the save. The values of the model have not been
            changed then.
    """

    def __init__(
        self,
        resume: "ResumeTraining",
        adapter: PlannedAdapter,
        backups: Backups,
        saved: dict[str, Any] | None,
    ) -> None:
        self._resume = resume
        self._adapter = adapter
        self._backups = backups
        self._saved = saved
        self._callbacks = CallbackStates([], resume.settings)
        self._epoch = self._epochs = 0
        # Whether a save of this run exists.
        self._has_begun = saved is not None
        # The step of the present epoch after which a save was last made. It is below 0 if that
        # was in an epoch before.
        self._saved_step = 0
        # The batch that began last.
        self._step = 0
        build_for(resume.model, resume.seq)
        self._identity = self._describe()
        self._first_learning_rates = learning_rates_of(resume.model)
        if saved is not None:
            self._check(saved)

    def feeds(self, fit: Fit) -> bool:
        """Whether this is the run of that `fit`."""
        return getattr(fit.epoch_iterator, "data_adapter", None) is self._adapter

    def _describe(self) -> dict[str, Any]:
        model, plan = self._resume.model, self._adapter.plan
        return {
            "format": FORMAT,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "cuda_devices": num_cuda_devices(),
            "shuffle": self._adapter.shuffle,
            "class_weight": sorted(dict(plan.class_weight or {}).items()),
            "steps_per_epoch": plan.batches_per_epoch,
            "steps_per_execution": model.steps_per_execution,
            **description_of(model),
        }

    def _check(self, saved: dict[str, Any]) -> None:
        name = self._resume.directory
        difference = first_difference(saved["identity"], self._identity)
        if difference is not None:
            raise ValueError(
                f"{name}: a run goes on only as it began. Received: {difference}. "
                "Restore what differs, or take another directory to begin a new run."
            )
        rates = self._first_learning_rates
        self._first_learning_rates = saved["first_learning_rates"]
        # A callback may have changed the rate of an optimizer that has trained in this process.
        is_new = not int(keras.ops.convert_to_numpy(self._resume.model.optimizer.iterations))
        if is_new and rates not in (saved["first_learning_rates"], saved["learning_rates"]):
            raise ValueError(
                f"{name}: a run goes on with the learning rate that it began with. "
                f"Received: {rates}, not {saved['first_learning_rates']}. "
                "Restore the learning rate, change it by a schedule or a callback, or take "
                "another directory to begin a new run."
            )
        if saved["step"] and not can_resume_epochs():
            raise ValueError(
                f"{name}: only a Keras that keras_npy knows can go on in the middle of an epoch. "
                f"Received: Keras {keras.__version__}. Use an older Keras."
            )

    def begin(self, callbacks: list[keras.callbacks.Callback], epochs: int) -> None:
        """Restore the save, if there is one. All other callbacks have begun."""
        # A progress bar holds what this `fit` was told, such as its number of epochs.
        others = [cb for cb in callbacks if not isinstance(cb, keras.callbacks.ProgbarLogger)]
        self._callbacks = CallbackStates(others, self._resume.settings)
        self._epochs = epochs
        if self._saved is None:
            return
        self._restore(self._saved)
        epoch, step = self._saved["epoch"], self._saved["step"]
        position = take_state(self._resume.seq, self._saved["sequence"])
        if step and step >= self._adapter.epoch_batches:
            # The processes that go on leave out the batch that was next, the last of its epoch.
            epoch, step, position = epoch + 1, 0, Position(position.epoch + 1)
            self._saved = {**self._saved, "step": step}
        has_finished = self._saved["stop_training"] or epoch >= epochs
        begin_fit_at(self._resume.model, max(epoch, epochs) if has_finished else epoch)
        self._adapter.resume(position, step)
        self._saved_step = step
        self._say(epoch, step, has_finished)
        if not step:
            self._saved = None

    def begin_epoch(self, epoch: int) -> None:
        """Restore once more what callbacks changed when they were told of an epoch that goes on."""
        self._epoch = epoch
        begin_fit_at(self._resume.model, None)
        if self._saved is not None:
            self._restore(self._saved)
        self._saved = None

    def save_first(self, epoch: int) -> None:
        """Save the run before its first batch. No other callback knows of the epoch yet."""
        # Another process might read this save, and go on from it, while this one begins anew.
        # Once a batch has trained, all have read what there was.
        if not self._has_begun and self._resume.seq.num_processes == 1:
            self._save(epoch, 0, self._adapter.upcoming(epoch))

    def is_due(self, step: int) -> bool:
        """Whether to save after `step` batches of the epoch, of which the next one begins."""
        self._step = step
        return self._is_due(step)

    def _is_due(self, step: int) -> bool:
        frequency = self._resume.save_freq
        return frequency != "epoch" and step - self._saved_step >= frequency

    def save(self, step: int) -> None:
        """Save the run after `step` batches of the epoch."""
        self._save(self._epoch, step, self._adapter.position_at(step))
        self._saved_step = step

    def end_epoch(self) -> None:
        """Save the run at the end of an epoch, after all other callbacks, if it is due."""
        num_steps = self._adapter.epoch_batches
        if self._is_broken_off(num_steps):
            # Somebody stops the job, not the training: it goes on from the last save.
            return
        is_last = self._epoch + 1 >= self._epochs or self._resume.model.stop_training
        if is_last or self._resume.save_freq == "epoch" or self._is_due(num_steps):
            self._save(self._epoch + 1, 0, self._adapter.position_at(num_steps))
            self._saved_step = num_steps
        self._saved_step -= num_steps

    def _is_broken_off(self, num_steps: int) -> bool:
        """Whether `stop_training` was set in the middle of the epoch."""
        executions = self._resume.model.steps_per_execution
        return bool(self._resume.model.stop_training) and self._step + executions < num_steps

    def end(self) -> None:
        """Leave the model as it is without this callback."""
        begin_fit_at(self._resume.model, None)
        self._resume.end()

    def _save(self, epoch: int, step: int, position: Position) -> None:
        if not self._resume.saves:
            return
        # On JAX this property brings the variables up to date.
        model = self._resume.model
        state = {**self._resume.seq.get_state(), **dataclasses.asdict(position)}
        tree = {
            "identity": self._identity,
            "sequence": state,
            "epoch": epoch,
            "step": step,
            "stop_training": bool(model.stop_training),
            "first_learning_rates": self._first_learning_rates,
            "learning_rates": learning_rates_of(model),
            "variables": collect_variables(model),
            "generators": collect_generators(),
            "callbacks": self._callbacks.collect(),
        }
        self._backups.write_soon(tree)
        self._has_begun = True

    def _restore(self, saved: Mapping[str, Any]) -> None:
        # Files may be full or read-only: nothing of the model has changed then.
        self._callbacks.restore(saved["callbacks"])
        restore_variables(self._resume.model, saved["variables"])
        restore_generators(saved["generators"])

    def _say(self, epoch: int, step: int, has_finished: bool) -> None:
        if not (self._resume.verbose and self._resume.saves):
            return
        run = f"ResumeTraining: the run in {self._resume.directory}"
        if has_finished and epoch < self._epochs:
            print(
                f"{run} was stopped by a callback in epoch {epoch}: nothing is left to train. "
                "Take another directory to train on."
            )
        elif has_finished:
            print(f"{run} has finished after epoch {epoch}: nothing is left to train.")
        else:
            batches = self._adapter.epoch_batches
            print(f"{run} goes on with epoch {epoch + 1}, batch {step + 1} of {batches}.")


class AfterOthers(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types.
    """The last of the callbacks: it restores and saves when all others have done their part."""

    def __init__(self, run: Run, others: list[keras.callbacks.Callback]) -> None:
        super().__init__()
        self._run = run
        self._others = others

    def on_train_begin(self, logs: Any = None) -> None:
        self._run.begin(self._others, self.params["epochs"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._run.begin_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._run.end_epoch()

    def on_train_end(self, logs: Any = None) -> None:
        self._run.end()
