"""Wrap Keras's choice of an adapter, so that Keras feeds a sequence as it feeds arrays.

Keras returns a `DataAdapter` as it is and silently drops `shuffle`, `class_weight`, `y` and
`batch_size` (Keras 3.15). If a sequence were a `DataAdapter`, it would train with the wrong weights
and predict in the wrong order. So `NpySequence` is a plain `PyDataset`, and `get_data_adapter` is
wrapped: it turns a sequence into a `PlannedAdapter` with exactly the arguments that Keras was
given, and passes everything else through.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.boundary.callers import Call, calling_method
from keras_npy.boundary.class_weight import warn_of_class_weight
from keras_npy.boundary.classes import check_classes
from keras_npy.boundary.devices import choose_last_batch, wrap_distribute_data_input
from keras_npy.boundary.epochs import wrap_epochs
from keras_npy.boundary.failures import wrap_steps
from keras_npy.boundary.pixel_weights import check_pixel_weights
from keras_npy.boundary.processes import check_alike, check_processes
from keras_npy.boundary.shared_rows import warn_of_shared_rows
from keras_npy.boundary.targets import (
    check_has_targets,
    look_when_built,
    warn_of_targets,
    warn_of_targets_once,
    will_be_built,
)
from keras_npy.boundary.waits import waits_among
from keras_npy.boundary.wrapping import is_wrapped, wrap
from keras_npy.errors import warn, warn_once
from keras_npy.order.arguments import check_shuffle_block_size
from keras_npy.sequence import NpySequence

try:
    from keras.src.trainers import data_adapters, epoch_iterator
    from keras.src.trainers.data_adapters import array_slicing
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
except ImportError:
    # This Keras moved its private modules: `wrap_get_data_adapter` warns of it.
    data_adapters = array_slicing = None

_KNOWN_PARAMETERS = (
    "x",
    "y",
    "sample_weight",
    "batch_size",
    "steps_per_epoch",
    "shuffle",
    "class_weight",
)

# Methods that DataAdapter implements itself: one up to Keras 3.12, one from 3.16 on.
_KNOWN_INHERITED = {"builtin_prefetch", "get_native_iterator"}


def wrap_get_data_adapter() -> None:
    """Make Keras feed an `NpySequence` through a `PlannedAdapter`. Idempotent."""
    if is_wrapped(data_adapters, "get_data_adapter"):
        return
    unknown = _unknown_of_keras(getattr(data_adapters, "get_data_adapter", None))
    if unknown is not None:
        warn_once(
            "get_data_adapter",
            f"keras_npy does not know how Keras {keras.__version__} reads data: {unknown}. "
            "Every NpySequence is fed as an ordinary PyDataset: the same rows, but slower; fit "
            "shuffles whole batches, unless the sequence has shuffle=True, which then reorders "
            "evaluate and predict too. Update keras_npy, or install an older Keras.",
        )
        return
    wrap(data_adapters, "get_data_adapter", _planning)


def _planning(original: Any) -> Callable[..., Any]:
    signature = inspect.signature(original)

    def get_data_adapter(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        x = arguments["x"]
        if not isinstance(x, NpySequence | PlannedAdapter):
            return original(*args, **kwargs)
        call = calling_method()
        if isinstance(x, PlannedAdapter):
            _refuse_adapter(x, call, arguments)
            return PlannedAdapter(_planned(x.plan, call, arguments))
        refuse_overridden(x)
        if call.method == "fit" and not call.is_within_epoch:
            check_shuffle_block_size(x.shuffle_block_size, arguments["shuffle"])
        plan = AdapterPlan(x, arguments["shuffle"], arguments["class_weight"])
        return PlannedAdapter(_planned(plan, call, arguments))

    return get_data_adapter


def _unknown_of_keras(get_data_adapter: Any) -> str | None:
    """Describe what this Keras asks of an adapter that ours does not know; `None` if nothing.

    Keras's own adapter for a `PyDataset` accepts every argument that Keras passes to an adapter,
    so the signatures of its methods show what Keras may pass.
    """
    if get_data_adapter is None:
        return "get_data_adapter is not where it was"
    if getattr(epoch_iterator, "data_adapters", None) is not data_adapters:
        return "get_data_adapter is called from elsewhere"
    if tuple(inspect.signature(get_data_adapter).parameters) != _KNOWN_PARAMETERS:
        return "get_data_adapter takes other arguments"
    for name in _public_names(DataAdapter) - _KNOWN_INHERITED:
        if name not in _public_names(PlannedAdapter):
            return f"DataAdapter has {name}"
    for name in sorted(_public_names(PlannedAdapter)):
        known = _parameters(PlannedAdapter, name)
        for base in (DataAdapter, PyDatasetAdapter):
            if unknown := _parameters(base, name) - known:
                return f"{name} takes {', '.join(sorted(unknown))}"
    return None


def _public_names(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def _parameters(kind: type, name: str) -> set[str]:
    """Names of a method's parameters; empty if it is a property or does not exist."""
    method = getattr(kind, name, None)
    return set(inspect.signature(method).parameters) if callable(method) else set()


def _planned(plan: AdapterPlan, call: Call, arguments: Mapping[str, Any]) -> AdapterPlan:
    """The plan with what `fit`, `evaluate` or `predict` adds to it."""
    seq = plan.seq
    is_training = call.method == "fit" and not call.is_within_epoch
    check_processes(seq, call)
    decisive = ("shuffle", "class_weight", "steps_per_epoch")
    check_alike(seq, call, {name: arguments[name] for name in decisive})
    _refuse_arguments(seq, arguments)
    last_batch = choose_last_batch(
        seq, arguments["steps_per_epoch"], call.method or "the data", is_training
    )
    if call.method == "fit":
        warn_of_targets(seq, call.model)
    elif call.method == "evaluate":
        warn_of_targets_once(seq, call.model)
    if call.method in ("fit", "evaluate"):
        check_has_targets(seq, call.model, call.method)
        check_pixel_weights(seq, call.model, plan.class_weight)
    weigh = None
    if is_training and plan.class_weight is not None:
        weigh = functools.partial(warn_of_class_weight, seq, class_weight=plan.class_weight)
        # TensorFlow builds a model in its first step, behind the first look (Keras 3.15).
        if not will_be_built(call.model) or keras.backend.backend() == "tensorflow":
            weigh(call.model)
    validation = call.validation_data
    if isinstance(validation, PlannedAdapter):
        validation = validation.plan.seq
    if is_training and isinstance(validation, NpySequence):
        # Keras asks for its adapter at the end of the first epoch.
        check_has_targets(validation, call.model, "validation")
        check_classes(seq, validation, call.model)
        check_processes(validation, call)
        choose_last_batch(validation, call.validation_steps, "validation_data", False)
        warn_of_shared_rows(seq, validation)
    # Only fit continues with the next pass; evaluate and predict end, as they do with arrays.
    # Keras takes 0 as all batches (Keras 3.15), so an endless feed would never end its epoch.
    steps = (arguments["steps_per_epoch"] or None) if call.method == "fit" else None
    if steps is not None and steps < 0:
        raise ValueError(
            "The number of steps must be at least 1. "
            f"Received: {steps} for steps_per_epoch or validation_steps. "
            "Leave it out for all batches."
        )
    if steps is not None and steps > seq.num_batches and not plan.shuffle:
        warn(
            f"steps of {steps} are more than the {seq.num_batches} batches of the sequence: "
            "it starts again at its first row."
        )
    if steps is not None:
        # The last execution of an epoch always takes all its steps, however few are left for it
        # (Keras 3.15).
        steps += -steps % call.steps_per_execution
    return dataclasses.replace(
        plan,
        batches_per_epoch=steps,
        only_x=call.method == "predict",
        is_training=is_training,
        last_batch=last_batch,
        waits=waits_among(call.callbacks) if is_training else None,
        at_epoch=look_when_built(seq, call.model, weigh) if is_training else None,
    )


def _refuse_adapter(adapter: PlannedAdapter, call: Call, arguments: Mapping[str, Any]) -> None:
    """Raise for arguments that an adapter made by the user cannot honour."""
    if arguments["class_weight"] is not None:
        raise ValueError(
            "class_weight belongs to the adapter that it is given to. "
            "Received: class_weight= in fit beside an NpyDataAdapter. "
            "Pass class_weight= to NpyDataAdapter, or give fit the sequence itself."
        )
    if call.method in ("evaluate", "predict") and adapter.is_shuffled:
        raise ValueError(
            "evaluate and predict serve rows in file order. "
            f"Received: an NpyDataAdapter with shuffle={adapter.plan.shuffle!r}. "
            f"Give {call.method} the sequence itself, or an adapter with shuffle=False."
        )


def refuse_overridden(seq: NpySequence) -> None:
    """Raise if a subclass overrides a method that Keras would never call."""
    for name in ("__getitem__", "__iter__", "__len__", "on_epoch_begin", "on_epoch_end"):
        if getattr(type(seq), name) is not getattr(NpySequence, name):
            raise TypeError(
                "Keras reads an NpySequence by its rows, not through its methods. "
                f"Received: {type(seq).__name__}, which overrides {name}. Change batches with "
                "NpySequence.map, or put preprocessing into the model."
            )


def _refuse_arguments(seq: NpySequence, arguments: Mapping[str, Any]) -> None:
    """Raise for arguments that Keras would silently drop."""
    for name in ("y", "sample_weight"):
        if arguments[name] is not None:
            raise ValueError(
                f"{name} is part of an NpySequence. Received: {name}= beside a sequence. "
                f"Pass {name}= to NpySequence, as a path or an array."
            )
    batch_size = arguments["batch_size"]
    if batch_size is not None and batch_size != seq.batch_size:
        raise ValueError(
            "The batch size is set by the sequence. "
            f"Received: batch_size={batch_size} beside a sequence with "
            f"batch_size={seq.batch_size}. Pass batch_size= to NpySequence; for validation_data "
            "Keras takes validation_batch_size, or else that of fit."
        )


def wrap_validation_split() -> None:
    """Make Keras's refusal to divide a sequence say how to divide it. Idempotent."""
    wrap(array_slicing, "train_validation_split", _naming_split)


def _naming_split(original: Any) -> Callable[..., Any]:
    def train_validation_split(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        # The arrays are (x, y, sample_weight). Only x may be a sequence (Keras 3.15).
        if isinstance(arrays, tuple) and isinstance(arrays[0], NpySequence | PlannedAdapter):
            raise ValueError(
                "validation_split divides arrays in memory. Received: validation_split= in fit "
                "beside a sequence. Divide the sequence: train, validation = seq.split(0.2, "
                "in_order=True) holds out the last rows, as Keras does, and seq.split(0.2) holds "
                "out rows at random; then fit(train, validation_data=validation)."
            )
        return original(arrays, *args, **kwargs)

    return train_validation_split


wrap_get_data_adapter()
wrap_validation_split()
wrap_steps()
wrap_epochs()
wrap_distribute_data_input()
