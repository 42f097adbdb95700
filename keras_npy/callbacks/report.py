"""`InputReport`: how long a model waited for its data, and why."""

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_npy.boundary.models import wait_for_steps
from keras_npy.boundary.waits import Waited, Waits
from keras_npy.errors import check_integer
from keras_npy.feeds.nests import map_leaves
from keras_npy.machine import usable_cores
from keras_npy.sequence import NpySequence

# Below this share of an epoch nobody needs to do anything.
SHARE_NOTED = 0.05

# A part of a wait that is more than half of it explains it.
_MOST = 0.5

# Reads of a disk are counted in these (getrusage(2)).
_BLOCK_BYTES = 512

# Of the bytes that were served, so many came from a disk if it was cold.
_COLD_SHARE = 0.2


@dataclass(frozen=True)
class EpochReport:
    """What an epoch of `fit` took, without its validation."""

    epoch: int
    elapsed_s: float
    waited: Waited
    disk_bytes: int
    """Read from disks by this process."""
    cpu_s: float
    """Of all threads of this process."""

    @property
    def share(self) -> float:
        """The share of the epoch in which the model waited."""
        return self.waited.total_s / self.elapsed_s if self.elapsed_s else 0.0

    def reason(self) -> str:
        """Why the model waited."""
        if self.share < SHARE_NOTED:
            return "the model sets the pace"
        if self.waited.first_s > _MOST * self.waited.total_s:
            return "most of it for the first batch, when a pass begins"
        if self.disk_bytes > _COLD_SHARE * max(1, self.waited.served_bytes):
            return "for the disk: the rows were not in the page cache"
        if self.cpu_s > 0.9 * self.elapsed_s * usable_cores():
            return "for the CPUs, which the model and the data share"
        return "for rows to be gathered and handed over: see `keras-npy bench`"


class Compared(NamedTuple):
    """What epochs took, and why."""

    elapsed_s: float
    waited_s: float
    """For data; a device may compute meanwhile."""
    steps_s: float
    """What as many steps take on a batch that is there."""

    @classmethod
    def of(cls, epochs: Sequence[EpochReport], step_s: float) -> "Compared":
        return cls(
            sum(epoch.elapsed_s for epoch in epochs),
            sum(epoch.waited.total_s for epoch in epochs),
            step_s * sum(epoch.waited.num_batches for epoch in epochs),
        )

    @property
    def rest_s(self) -> float:
        """What is neither: compilation, callbacks, and what a pass takes to begin and to end.

        On TensorFlow the iterator is made and deleted there (0.25 s on two busy cores, 2.21).
        """
        return max(0.0, self.elapsed_s - self.waited_s - self.steps_s)

    @property
    def free_s(self) -> float:
        """At most what the epochs would have taken without a wait."""
        return min(self.elapsed_s, self.steps_s + self.rest_s)

    def described(self, epochs: Sequence[EpochReport]) -> str:
        first, last = epochs[0].epoch + 1, epochs[-1].epoch + 1
        which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        meanwhile = self.waited_s + self.steps_s > self.elapsed_s
        compilation = "compilation, " if len(epochs) == 1 else ""
        least = min(self.steps_s, self.free_s)
        between = "" if least == self.free_s else f"{least:.3g} s of steps to "
        return (
            f"{which} took {self.elapsed_s:.3g} s: {self.waited_s:.3g} s waiting for data, "
            f"{self.steps_s:.3g} s in steps{', some of them meanwhile' if meanwhile else ''}, "
            f"{self.rest_s:.3g} s in the rest of fit ({compilation}callbacks, begin and end of a "
            f"pass). With data that cost nothing: {between}{self.free_s:.3g} s."
        )


class _Clocks(NamedTuple):
    """What this process has taken so far."""

    elapsed_s: float
    cpu_s: float
    disk_bytes: int

    @classmethod
    def read(cls) -> "_Clocks":
        return cls(time.perf_counter(), time.process_time(), _disk_bytes())

    def since(self, *others: "_Clocks") -> "_Clocks":
        """What was taken after `others`."""
        return _Clocks(*(own - sum(rest) for own, *rest in zip(self, *others, strict=True)))


class _Now:
    """The clocks of this process when the present epoch began, and what is not printed yet.

    An object of its own, since `ResumeTraining` saves numbers and strings that are attributes of a
    callback: the clocks of a process that was killed would be taken for those of this one.
    """

    def __init__(self) -> None:
        self.started = self.test_started = _Clocks.read()
        self.tested: list[_Clocks] = []
        self.line = ""


class InputReport(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types.
    """Say after each epoch how long the model waited for its data, and why.

    The waits are measured where Keras takes a batch, on each backend, for an `NpySequence` in
    `fit`. They stand in the logs as `input_wait_s` and `input_wait_share`, so that the history,
    `CSVLogger` and `TensorBoard` have them too, if they come behind this callback in `callbacks=`.

    On a device that computes while Python goes on, a wait counts even if the device still works on
    earlier batches. So a share of waits says at most what faster data would gain; `compare` says
    what it would.

    Args:
        verbose: 1 prints a line after each epoch, 0 prints nothing.

    Example:

    >>> seq = NpySequence(np.ones((8, 1), "float32"), np.ones(8, "float32"), batch_size=2)
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> report = InputReport(verbose=0)
    >>> history = model.fit(seq, epochs=2, callbacks=[report], verbose=0)
    >>> [epoch.waited.num_batches for epoch in report.epochs]
    [4, 4]
    """

    def __init__(self, verbose: int = 1) -> None:
        super().__init__()
        check_integer("verbose", verbose, at_least=0)
        self.verbose = verbose
        self.waits = Waits()
        self.epochs: list[EpochReport] = []
        """What each epoch of the last `fit` took."""
        self._now = _Now()

    def on_train_begin(self, logs: Any = None) -> None:
        self.epochs = []
        self._now = _Now()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._print_line()
        self.waits.begin_epoch()
        self._now = _Now()

    def on_test_begin(self, logs: Any = None) -> None:
        # Keras validates before it ends an epoch. What that takes is not what training takes; but
        # only at the end of an epoch does Keras wait for the last steps of training (Keras 3.15).
        if isinstance(self.model, keras.Model):
            wait_for_steps(self.model)
        self._now.test_started = _Clocks.read()

    def on_test_end(self, logs: Any = None) -> None:
        self._now.tested.append(_Clocks.read().since(self._now.test_started))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now = self._now
        took = _Clocks.read().since(now.started, *now.tested)
        report = EpochReport(epoch, took.elapsed_s, self.waits.read(), took.disk_bytes, took.cpu_s)
        self.epochs.append(report)
        if report.waited.num_batches and logs is not None:
            logs["input_wait_s"] = report.waited.total_s
            logs["input_wait_share"] = report.share
        now.line = self._described(report)

    def on_train_end(self, logs: Any = None) -> None:
        self._print_line()

    def compare(self, seq: NpySequence, steps: int = 50) -> dict[str, float]:
        """Say what the epochs of the last `fit` would have taken if data were free.

        The model trains `steps` times on one batch. Its variables, its optimizer, its metrics and
        its history are then as before. The first epoch, in which the model is compiled, is left
        out if there are others.

        On JAX and torch that batch lies on the device, and nothing is copied. On TensorFlow, and
        with a `keras.distribution`, it lies in host memory: Keras copies it to the device in each
        step, so what these copies take is not part of what data cost. The printed line says which.

        Args:
            seq: The sequence that was trained on.
            steps: How many steps to time.

        Returns:
            `step_s`, the seconds of a step whose batch is there; `elapsed_s`, what the epochs
            took; `waited_s`, for how much of it the model waited for data; `rest_s`, what was
            neither waiting nor such steps: compilation, callbacks, the begin and end of a pass;
            `free_s`, at most what the epochs would have taken if data were free: such steps, and
            the rest.

        Raises:
            RuntimeError: If nothing was trained.
        """
        check_integer("steps", steps, at_least=1)
        epochs = [report for report in self.epochs if report.waited.num_batches]
        if not epochs:
            raise RuntimeError(
                "compare needs epochs to compare with. Received: no epoch of a fit on an "
                "NpySequence with this callback. Train with callbacks=[report] first."
            )
        is_placed = _is_placed()
        step_s = _time_steps(self.model, _place(seq[0]) if is_placed else seq[0], steps)
        # Its wait for the first batch, and a disk that was cold, are left out with compilation.
        epochs = epochs[1:] or epochs
        compared = Compared.of(epochs, step_s)
        if self.verbose:
            print(
                f"InputReport: {compared.described(epochs)} "
                + (_PLACED if is_placed else _IN_HOST_MEMORY)
            )
        return {
            **{"step_s": step_s, "elapsed_s": compared.elapsed_s, "waited_s": compared.waited_s},
            **{"rest_s": compared.rest_s, "free_s": compared.free_s},
        }

    def _described(self, report: EpochReport) -> str:
        waited = report.waited
        if not waited.num_batches:
            return (
                f"InputReport: epoch {report.epoch + 1} took {report.elapsed_s:.3g} s. What is "
                "waited is measured only for an NpySequence."
            )
        return (
            f"InputReport: epoch {report.epoch + 1} took {report.elapsed_s:.3g} s, of which the "
            f"model waited {waited.total_s:.3g} s for data ({report.share:.0%}): "
            f"{report.reason()}."
        )

    def _print_line(self) -> None:
        # Not at the end of an epoch: the progress bar has not written its last line then.
        if self.verbose and self._now.line:
            print(self._now.line)
        self._now.line = ""


# What is counted as part of a step.
_PLACED = "The batch of these steps lay on the device."
_IN_HOST_MEMORY = (
    "These steps include the copy of the batch from host memory to the device, if any."
)


def _is_placed() -> bool:
    """Whether steps can be timed whose batch lies on the device already."""
    # tf.data hands over host memory, and a distribution divides batches that lie there.
    is_tensorflow = keras.backend.backend() == "tensorflow"
    return not is_tensorflow and keras.distribution.distribution() is None


def _place(batch: Any) -> Any:
    return map_leaves(keras.ops.convert_to_tensor, batch)


def _disk_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock * _BLOCK_BYTES


class _OneBatch(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types.
    """The same batch, again and again."""

    def __init__(self, batch: Any, steps: int) -> None:
        super().__init__()
        self._batch, self._steps = batch, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        return self._batch


def _time_steps(model: Any, batch: Any, steps: int) -> float:
    """Seconds of a step on a batch that is there. The model is then what it was."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [np.array(variable) for variable in variables]
    history, stop_training = model.history, model.stop_training
    try:
        model.fit(_free(batch, 2), shuffle=False, verbose=0)
        # Steps are timed from where to where the epochs were that they are compared with.
        report = InputReport(verbose=0)
        model.fit(_free(batch, steps), shuffle=False, verbose=0, callbacks=[report])
        return report.epochs[0].elapsed_s / steps
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        model.history, model.stop_training = history, stop_training


def _free(batch: Any, steps: int) -> Any:
    if keras.backend.backend() != "tensorflow":
        return _OneBatch(batch, steps)
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch).repeat(steps)
