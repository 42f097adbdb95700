"""Let Keras train the rest of an epoch that another process began.

Keras numbers the steps of each epoch from 0, up to the number of batches. An epoch that is resumed
begins at a later batch: Keras must run fewer steps, and callbacks must see their true numbers.
`EpochIterator._enumerate_iterator` does both (Keras 3.12 to 3.16), so it is wrapped.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from keras_npy.boundary.adapter import PlannedAdapter
from keras_npy.boundary.wrapping import is_wrapped, wrap

try:
    from keras.src.trainers.epoch_iterator import EpochIterator
except ImportError:
    # A Keras that moved its private modules: `wrap_get_data_adapter` warns of it.
    EpochIterator = None

# First step, last step, and what gives the batches.
Step: TypeAlias = tuple[int, int, Any]


def wrap_epochs() -> None:
    """Make Keras train only the rest of an epoch that is resumed. Idempotent."""
    wrap(EpochIterator, "_enumerate_iterator", _resuming)


def can_resume_epochs() -> bool:
    """Whether this Keras can begin in the middle of an epoch."""
    return is_wrapped(EpochIterator, "_enumerate_iterator")


def _resuming(original: Any) -> Callable[[Any], Iterator[Step]]:
    def enumerate_iterator(self: Any) -> Iterator[Step]:
        adapter = getattr(self, "data_adapter", None)
        num_done = adapter.num_done() if isinstance(adapter, PlannedAdapter) else 0
        steps: Iterator[Step] = original(self)
        return _rest(self, steps, num_done) if num_done else steps

    return enumerate_iterator


def _rest(epoch_iterator: Any, steps: Iterator[Step], num_done: int) -> Iterator[Step]:
    with _fewer_batches(epoch_iterator, num_done):
        # Keras reads the number of batches with the first step.
        first = next(steps)
    for begin, end, iterator in itertools.chain([first], steps):
        yield begin + num_done, end + num_done, iterator


@contextlib.contextmanager
def _fewer_batches(epoch_iterator: Any, num_done: int) -> Iterator[None]:
    name = "steps_per_epoch" if epoch_iterator.steps_per_epoch else "_num_batches"
    num_batches = getattr(epoch_iterator, name)
    setattr(epoch_iterator, name, num_batches - num_done)
    try:
        yield
    finally:
        setattr(epoch_iterator, name, num_batches)
