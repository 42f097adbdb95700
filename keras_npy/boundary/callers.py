"""Read from Keras's frames which method asks for data, when, and with which callbacks."""

import itertools
import types
from dataclasses import dataclass
from typing import Any

import keras

from keras_npy.frames import callers

# Between Keras's method and the wrap are constructors and an error handler (Keras 3.15).
CALLERS_LOOKED_AT = 8


@dataclass(frozen=True)
class Call:
    """The method of a Keras model that asks for an adapter, and the model; `None` if unknown."""

    method: str | None = None
    steps_per_execution: int = 1
    is_within_epoch: bool = False
    model: Any = None
    validation_data: Any = None
    validation_steps: int | None = None
    initial_epoch: int | None = None
    epochs: int | None = None
    callbacks: Any = None
    """As they were given to the method."""


def calling_method() -> Call:
    """Find the method that asks for an adapter.

    Keras passes the same arguments from all three (Keras 3.15), although `predict` needs no
    targets, and `fit` continues with the next pass where `evaluate` and `predict` end.
    """
    frame = _method_frame()
    if frame is None:
        return Call()
    given = frame.f_locals
    model = given.get("self")
    steps = getattr(model, "steps_per_execution", None) or 1
    # Within an epoch, `fit` asks for an adapter of its validation data.
    return Call(
        frame.f_code.co_name,
        steps,
        is_within_epoch="epoch" in given,
        model=model,
        validation_data=given.get("validation_data"),
        validation_steps=given.get("validation_steps"),
        initial_epoch=given.get("initial_epoch"),
        epochs=given.get("epochs"),
        callbacks=given.get("callbacks"),
    )


def epoch_of_fit() -> int | None:
    """The number of the epoch that `fit` has begun, or `None` if no epoch of `fit` calls.

    Keras does not tell an adapter which epoch begins (Keras 3.16). `BackupAndRestore` changes the
    first one after the adapter is made, so the number is read when the epoch begins.
    """
    frame = _method_frame()
    if frame is None or frame.f_code.co_name != "fit":
        return None
    epoch: int | None = frame.f_locals.get("epoch")
    return epoch


def is_called_from_reset() -> bool:
    """Whether Keras's `reset` called the function that asks.

    Keras's EpochIterator calls `on_epoch_end` both from `reset` and at the end of an epoch.
    """
    _, frame = itertools.islice(callers(), 2)
    return frame.f_code.co_name == "reset"


def _method_frame() -> types.FrameType | None:
    """The frame of the innermost `fit`, `evaluate` or `predict` that led here, if one is near."""
    for frame in itertools.islice(callers(), CALLERS_LOOKED_AT):
        is_of_keras = str(frame.f_globals.get("__name__")).startswith("keras.src.")
        if is_of_keras and frame.f_code.co_name in ("fit", "evaluate", "predict"):
            return frame
    return None


@dataclass(frozen=True)
class Fit:
    """The `fit` that calls: its callbacks, and what gives it batches."""

    callback_list: Any
    epoch_iterator: Any


def running_fit() -> Fit | None:
    """The `fit` that calls a callback, or `None` if no `fit` does.

    A callback is given neither the other callbacks nor the adapter (Keras 3.16).
    """
    frame = _method_frame()
    if frame is None or frame.f_code.co_name != "fit":
        return None
    callback_list = _self_of_callback_list()
    epoch_iterator = frame.f_locals.get("epoch_iterator")
    return Fit(callback_list, epoch_iterator) if epoch_iterator is not None else None


@dataclass(frozen=True)
class Steps:
    """The method of a model whose steps run, and the state that it keeps of them."""

    method: str
    model: Any
    state: tuple[Any, ...]


def running_steps() -> Steps | None:
    """The steps that run, or `None` if none has begun.

    Only the frame of the method has the state before its first step has returned (Keras 3.16 on
    JAX).
    """
    frame = _method_frame()
    if frame is None or "state" not in frame.f_locals:
        return None
    return Steps(frame.f_code.co_name, frame.f_locals["self"], frame.f_locals["state"])


def _self_of_callback_list() -> Any:
    for frame in itertools.islice(callers(), CALLERS_LOOKED_AT):
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller
    return None
