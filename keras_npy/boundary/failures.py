"""Make `fit`, `evaluate` and `predict` raise a feed's errors as the feed raised them.

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
        with _own_errors(self), original(self):
            yield

    return catch_stop_iteration


def _building(original: Any) -> Callable[..., Any]:
    def symbolic_build(self: Any, iterator: Any = None, **kwargs: Any) -> Any:
        with _own_errors(iterator):
            return original(self, iterator=iterator, **kwargs)

    return symbolic_build


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
