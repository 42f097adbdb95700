"""Make `fit`, `evaluate` and `predict` raise a feed's errors as the feed raised them.

On JAX they also leave the model with its variables.

TensorFlow turns every exception of a dataset's function into an `InvalidArgumentError`. Keras runs
the steps of each epoch inside `EpochIterator.catch_stop_iteration`. In the scope of a strategy it
first takes a batch in `_maybe_symbolic_build` (Keras 3.12 to 3.16). No other code around a failed
step knows the adapter, so both are wrapped.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_npy.boundary.adapter import PlannedAdapter
from keras_npy.boundary.callers import Steps, running_steps
from keras_npy.boundary.wrapping import wrap

try:
    from keras.src.trainers.epoch_iterator import EpochIterator
except ImportError:
    # A Keras that moved its private modules: errors stay those of TensorFlow, and name ours.
    EpochIterator = None


def wrap_steps() -> None:
    """Make Keras raise the exception that a feed of ours raised. Idempotent."""
    wrap(EpochIterator, "catch_stop_iteration", _catching)
    # Only TensorFlow's trainer has this method.
    wrap(keras.Model, "_maybe_symbolic_build", _building)


def _catching(original: Any) -> Callable[..., Any]:
    @contextlib.contextmanager
    def catch_stop_iteration(self: Any) -> Iterator[None]:
        with _variables_kept(self), _own_errors(self), original(self):
            yield

    return catch_stop_iteration


def _building(original: Any) -> Callable[..., Any]:
    def symbolic_build(self: Any, iterator: Any = None, **kwargs: Any) -> Any:
        with _own_errors(iterator):
            return original(self, iterator=iterator, **kwargs)

    return symbolic_build


@contextlib.contextmanager
def _variables_kept(epoch_iterator: Any) -> Iterator[None]:
    """Give a model on JAX its variables back if a step of ours fails, or is interrupted.

    Keras takes them away for the time of the steps, and gives back those of the last step that was
    completed only at the end of an epoch, so that a failed model has none (Keras 3.12 to 3.16).
    """
    try:
        yield
    except BaseException:
        is_ours = isinstance(getattr(epoch_iterator, "data_adapter", None), PlannedAdapter)
        running = running_steps() if is_ours and keras.backend.backend() == "jax" else None
        if running is not None:
            _give_back(running)
        raise


def _give_back(running: Steps) -> None:
    """Assign the values of the last step that was completed, unless a callback already has."""
    model = running.model
    groups = [model.trainable_variables, model.non_trainable_variables]
    if running.method == "fit":
        groups.append(model.optimizer.variables)
    if running.method != "predict":
        groups.append(model.metrics_variables)
    if not any(_is_taken(variable) for group in groups for variable in group):
        return
    # Keras may hold values of a call before this one, which it must not assign later.
    model.jax_state_sync()
    for group, values in zip(groups, running.state, strict=True):
        for variable, value in zip(group, values, strict=True):
            # A step that failed on the device may have given its arguments away.
            if not value.is_deleted():
                variable.assign(value)


def _is_taken(variable: Any) -> bool:
    try:
        return variable.value is None
    except TypeError:
        # Without a value Keras calls the initializer, which it no longer has (Keras 3.16).
        return True


@contextlib.contextmanager
def _own_errors(epoch_iterator: Any) -> Iterator[None]:
    """Raise what the feed of an iterator raised in place of what TensorFlow made of it."""
    try:
        yield
        return
    except Exception as error:
        adapter = getattr(epoch_iterator, "data_adapter", None)
        own = adapter.take_error(error) if isinstance(adapter, PlannedAdapter) else None
        if own is None:
            raise
        # TensorFlow's error becomes the context of ours: its traceback would keep Keras's
        # frames, and their data, in memory.
        error.__traceback__ = None
    try:
        raise own
    finally:
        # The exception's traceback refers to this frame: the two form a reference cycle.
        del own
