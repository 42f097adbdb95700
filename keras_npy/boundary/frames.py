"""Each look at the call stack: what Keras does not say, but its frames show."""

import sys
import types
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """The method of a Keras model that asks for an adapter; `None` if it is not known."""

    method: str | None = None
    steps_per_execution: int = 1


def calling_method() -> Call:
    """Who asks for an adapter.

    Keras asks for the same in `evaluate`, in `predict`, which needs no targets, and in `fit`,
    which goes on with the next pass where the others end (Keras 3.15).
    """
    frame: types.FrameType | None = sys._getframe(1)
    for _ in range(8):
        if frame is None:
            break
        name, module = frame.f_code.co_name, str(frame.f_globals.get("__name__"))
        if name in ("fit", "evaluate", "predict") and module.startswith("keras.src."):
            model = frame.f_locals.get("self")
            return Call(name, getattr(model, "steps_per_execution", None) or 1)
        frame = frame.f_back
    return Call()


def is_called_from_reset() -> bool:
    """Whether the caller's caller is Keras's `reset`.

    Keras's EpochIterator calls `on_epoch_end` from there and at the end of an epoch alike.
    """
    return sys._getframe(2).f_code.co_name == "reset"
