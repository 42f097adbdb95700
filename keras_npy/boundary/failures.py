"""Make `fit`, `evaluate` and `predict` raise a feed's errors as the feed raised them.

TensorFlow turns every exception of a dataset's function into an `InvalidArgumentError`. Keras runs
the steps of each epoch inside `EpochIterator.catch_stop_iteration`. In the scope of a strategy it
first takes a batch in `_maybe_symbolic_build` (Keras 3.12 to 3.16). No other code around a failed
step knows the adapter, so both are wrapped.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

from keras_npy.boundary.adapter import PlannedAdapter

try:
    from keras.src.trainers.epoch_iterator import EpochIterator
except ImportError:
    # A Keras that moved its private modules: errors stay those of TensorFlow, and name ours.
    EpochIterator = None


def wrap_steps() -> None:
    """Make Keras raise the exception that a feed of ours raised. Idempotent."""
    _wrap_catch_stop_iteration()
    _wrap_symbolic_build()


def _wrap_catch_stop_iteration() -> None:
    original = _unwrapped(EpochIterator, "catch_stop_iteration")
    if original is None:
        return

    @functools.wraps(original)
    @contextlib.contextmanager
    def catch_stop_iteration(self: Any) -> Iterator[None]:
        with _own_errors(self), original(self):
            yield

    catch_stop_iteration.wrapped_by_keras_npy = True  # type: ignore[attr-defined] # The mark of the wrap.
    EpochIterator.catch_stop_iteration = catch_stop_iteration


def _wrap_symbolic_build() -> None:
    # Only TensorFlow's trainer has this method.
    original = _unwrapped(keras.Model, "_maybe_symbolic_build")
    if original is None:
        return

    @functools.wraps(original)
    def symbolic_build(self: Any, iterator: Any = None, **kwargs: Any) -> Any:
        with _own_errors(iterator):
            return original(self, iterator=iterator, **kwargs)

    symbolic_build.wrapped_by_keras_npy = True  # type: ignore[attr-defined] # The mark of the wrap.
    keras.Model._maybe_symbolic_build = symbolic_build


def _unwrapped(owner: Any, name: str) -> Any:
    """A method as Keras wrote it, or `None` if there is none, or it is wrapped already."""
    method = getattr(owner, name, None)
    return None if getattr(method, "wrapped_by_keras_npy", False) else method


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
