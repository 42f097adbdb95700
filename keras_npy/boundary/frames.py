"""Read from Keras's frames what Keras does not say: which method asks for data, and when."""

import itertools
from dataclasses import dataclass

from keras_npy.frames import callers

# Between Keras's method and the wrap are constructors and an error handler (Keras 3.15).
CALLERS_LOOKED_AT = 8


@dataclass(frozen=True)
class Call:
    """The method of a Keras model that asks for an adapter; `None` if it is unknown."""

    method: str | None = None
    steps_per_execution: int = 1


def calling_method() -> Call:
    """Find the method that asks for an adapter.

    Keras passes the same arguments from all three (Keras 3.15), although `predict` needs no
    targets, and `fit` continues with the next pass where `evaluate` and `predict` end.
    """
    for frame in itertools.islice(callers(), CALLERS_LOOKED_AT):
        name, module = frame.f_code.co_name, str(frame.f_globals.get("__name__"))
        if name in ("fit", "evaluate", "predict") and module.startswith("keras.src."):
            model = frame.f_locals.get("self")
            return Call(name, getattr(model, "steps_per_execution", None) or 1)
    return Call()


def is_called_from_reset() -> bool:
    """Whether Keras's `reset` called the function that asks.

    Keras's EpochIterator calls `on_epoch_end` both from `reset` and at the end of an epoch.
    """
    _, frame = itertools.islice(callers(), 2)
    return frame.f_code.co_name == "reset"
