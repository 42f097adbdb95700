"""What Keras does not say, but its frames show."""

import itertools
from dataclasses import dataclass

from keras_npy.frames import callers

# Constructors and an error handler of Keras's lie between its method and the wrap (Keras 3.15).
CALLERS_LOOKED_AT = 8


@dataclass(frozen=True)
class Call:
    """The method of a Keras model that asks for an adapter; `None` if it is not known."""

    method: str | None = None
    steps_per_execution: int = 1


def calling_method() -> Call:
    """Which method asks for an adapter.

    Keras asks for the same in `evaluate`, in `predict`, which needs no targets, and in `fit`,
    which goes on with the next pass where the others end (Keras 3.15).
    """
    for frame in itertools.islice(callers(), CALLERS_LOOKED_AT):
        name, module = frame.f_code.co_name, str(frame.f_globals.get("__name__"))
        if name in ("fit", "evaluate", "predict") and module.startswith("keras.src."):
            model = frame.f_locals.get("self")
            return Call(name, getattr(model, "steps_per_execution", None) or 1)
    return Call()


def is_called_from_reset() -> bool:
    """Whether the caller's caller is Keras's `reset`.

    Keras's EpochIterator calls `on_epoch_end` from there and at the end of an epoch alike.
    """
    _, frame = itertools.islice(callers(), 2)
    return frame.f_code.co_name == "reset"
