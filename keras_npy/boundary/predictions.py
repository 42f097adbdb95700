"""Hand over the predictions of each batch as `predict` makes them, in the memory of two batches.

Keras keeps whatever a model's `predict_function` returns, and joins it at the end of `predict`
(Keras 3.12 to 3.16). Here the function returns a structure without leaves: nothing is kept.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import keras

from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.boundary.wrap import refuse_overridden
from keras_npy.sequence import NpySequence
from keras_npy.types import Array

# What Keras keeps of each batch.
_NOTHING: tuple[Any, ...] = ()

# Predictions of one step that are not taken yet, so that a device computes while the ones before
# them are written.
_BEHIND = 1


def predict_each(
    model: keras.Model, seq: NpySequence, take: Callable[[Any], None], *, first_batch: int = 0
) -> None:
    """Predict in file order, as `model.predict(seq)` does, with the same function and feed.

    Args:
        model: The model.
        seq: The sequence.
        take: Is called with the predictions of each step, in the model's structure.
        first_batch: The batch to begin with.
    """
    refuse_overridden(seq)
    hand_over = _HandOver(take)
    adapter = PlannedAdapter(AdapterPlan(seq, only_x=True, first_batch=first_batch))
    try:
        model.predict(adapter, verbose=0, callbacks=[hand_over])
        hand_over.take_rest()
    finally:
        hand_over.give_back(model)


def arrays_of(outputs: Any) -> list[Array]:
    """The leaves of predictions as NumPy arrays, as `predict` returns them."""
    return [keras.ops.convert_to_numpy(leaf) for leaf in keras.tree.flatten(outputs)]


class _HandOver(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types.
    def __init__(self, take: Callable[[Any], None]) -> None:
        super().__init__()
        self._take = take
        self._original: Any = None
        self._waiting: deque[Any] = deque()

    def on_predict_begin(self, logs: Any = None) -> None:
        # Keras has made the function by now, and reads the attribute again at each step.
        self._original = self.model.predict_function
        self.model.predict_function = self._predict

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        # Not in `_predict`: after an error there a model on JAX would get the variables from before
        # the step, which the step has given away (Keras 3.16).
        while len(self._waiting) > _BEHIND:
            self._take(self._waiting.popleft())

    def take_rest(self) -> None:
        while self._waiting:
            self._take(self._waiting.popleft())

    def give_back(self, model: Any) -> None:
        """Leave the model as it was, also after an error or Ctrl-C in the middle."""
        if self._original is not None:
            model.predict_function = self._original

    def _predict(self, *arguments: Any) -> Any:
        returned = self._original(*arguments)
        if keras.backend.backend() != "jax":
            self._waiting.append(returned)
            return _NOTHING
        outputs, state = returned
        self._waiting.append(outputs)
        return _NOTHING, state
