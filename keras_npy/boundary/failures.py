"""Errors of a feed leave `fit`, `evaluate` and `predict` as they were raised.

On TensorFlow, whatever a function of a dataset raises arrives as an `InvalidArgumentError`. Keras
runs the steps of each epoch inside `EpochIterator.catch_stop_iteration` (Keras 3.12 to 3.16): the
only code around the failed step that knows the adapter, so it is wrapped.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from keras_npy.boundary.adapter import PlannedAdapter

try:
    from keras.src.trainers.epoch_iterator import EpochIterator
except ImportError:
    # A Keras that moved its private modules: errors stay those of TensorFlow, and name ours.
    EpochIterator = None


def wrap_catch_stop_iteration() -> None:
    """Make Keras raise what a feed of ours raised. Again is no harm."""
    original = getattr(EpochIterator, "catch_stop_iteration", None)
    if original is None or getattr(original, "wrapped_by_keras_npy", False):
        return

    @functools.wraps(original)
    @contextlib.contextmanager
    def catch_stop_iteration(self: Any) -> Iterator[None]:
        try:
            with original(self):
                yield
            return
        except Exception as error:
            adapter = getattr(self, "data_adapter", None)
            own = adapter.take_error(error) if isinstance(adapter, PlannedAdapter) else None
            if own is None:
                raise
            # It becomes the context of the other, and would keep Keras's frames and their data.
            error.__traceback__ = None
        try:
            raise own
        finally:
            # The exception's traceback refers to this frame: the two form a reference cycle.
            del own

    catch_stop_iteration.wrapped_by_keras_npy = True  # type: ignore[attr-defined] # The mark of the wrap.
    EpochIterator.catch_stop_iteration = catch_stop_iteration
