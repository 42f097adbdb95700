"""The Keras boundary: the only file that touches `keras.src`.

Keras hands a `DataAdapter` straight back and drops `shuffle`, `class_weight`, `y` and
`batch_size` on the way (Keras 3.15), so a sequence that was one would train with the wrong
weights and predict in the wrong order without a word. `NpySequence` is a plain `PyDataset`
instead, and Keras's choice of an adapter is wrapped: a sequence becomes an `NpyDataAdapter`
with exactly the arguments that Keras was given, and everything else passes through.
"""

import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_npy.boundary.passes import Passes
from keras_npy.errors import warn, warn_once
from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds import tensorflow as tensorflow_feed
from keras_npy.feeds import torch as torch_feed
from keras_npy.feeds.batches import Batches
from keras_npy.order.position import PassCounter
from keras_npy.sequence import NpySequence, batches_of, passes_of
from keras_npy.types import ShuffleArgument

try:
    from keras.src.trainers import data_adapters
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
except ImportError:
    # A Keras that moved its private modules: `wrap_get_data_adapter` says what follows.
    data_adapters, DataAdapter = None, object

_KNOWN_PARAMETERS = (
    "x",
    "y",
    "sample_weight",
    "batch_size",
    "steps_per_epoch",
    "shuffle",
    "class_weight",
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one adapter serves.

    Args:
        seq: The sequence.
        shuffle: As `fit` takes it: `True`, `False` or `"batch"`.
        class_weight: Weight of each class number, as `fit` takes it.
        batches_per_epoch: Batches of an epoch that goes on where the last one stopped, pass after
            pass; `None` for an epoch that is one pass.
        only_x: Whether targets and weights are left out, as `predict` needs none.
    """

    seq: NpySequence
    shuffle: ShuffleArgument = False
    class_weight: Mapping[int, float] | None = None
    batches_per_epoch: int | None = None
    only_x: bool = False


class PlannedAdapter(DataAdapter):  # type: ignore[misc] # Keras ships no types.
    """Feed Keras as planned. The wrap of `get_data_adapter` makes one for each call."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        batches = batches_of(
            plan.seq,
            shuffle=plan.shuffle,
            class_weight=plan.class_weight,
            only_x=plan.only_x,
            is_endless=plan.batches_per_epoch is not None,
        )
        # File order is the same in each pass, of which none is counted.
        counter = passes_of(plan.seq) if batches.order.shuffle else PassCounter()
        self._passes = Passes(counter, plan.seq.num_batches, plan.batches_per_epoch)
        self._batches: Batches = dataclasses.replace(batches, position=self._passes.position)
        # Shared by all passes, so that a pass begins with the memory of the one before.
        self._pool = numpy_feed.make_pool(self._batches)

    def get_tf_dataset(self) -> Any:
        return tensorflow_feed.make_dataset(self._batches)

    def get_numpy_iterator(self) -> Iterator[Any]:
        return numpy_feed.iterate(self._batches, numpy_feed.gather_into(self._pool))

    def get_jax_iterator(self) -> Iterator[Any]:
        return jax_feed.iterate(self._batches, self._pool)

    def get_torch_dataloader(self) -> Any:
        return torch_feed.make_loader(self._batches, numpy_feed.gather_into(self._pool))

    @property
    def is_shuffled(self) -> bool:
        """Whether rows come in another order than the file's."""
        return self._batches.order.shuffle is not None

    @property
    def num_batches(self) -> int | None:
        return None if self._batches.is_endless else self.plan.seq.num_batches

    @property
    def batch_size(self) -> int:
        return self.plan.seq.batch_size

    @property
    def has_partial_batch(self) -> bool:
        return not self._batches.order.has_static_batches

    @property
    def partial_batch_size(self) -> int | None:
        if not self.has_partial_batch:
            return None
        return self.plan.seq.num_samples % self.plan.seq.batch_size

    def on_epoch_begin(self) -> None:
        self._passes.begin_epoch()

    def on_epoch_end(self) -> None:
        # Keras's EpochIterator calls this from `reset` and at the end of an epoch alike.
        if sys._getframe(1).f_code.co_name == "reset":
            self._passes.reset()


class NpyDataAdapter(PlannedAdapter):
    """Feed a sequence to Keras, as `fit`, `evaluate` and `predict` do by themselves.

    Args:
        seq: The sequence.
        shuffle: As `fit` takes it: `True`, `False` or `"batch"`.
        class_weight: Weight of each class number, as `fit` takes it.

    Raises:
        ValueError: If the sequence cannot be shuffled or weighted so.

    Example:

    >>> np.save("x.npy", np.arange(10))
    >>> adapter = NpyDataAdapter(NpySequence("x.npy", batch_size=4))
    >>> [x.tolist() for (x,) in adapter.get_numpy_iterator()]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """

    def __init__(
        self,
        seq: NpySequence,
        shuffle: ShuffleArgument = False,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__(Plan(seq, shuffle, class_weight))


def wrap_get_data_adapter() -> None:
    """Make Keras feed an `NpySequence` through `NpyDataAdapter`. Again is no harm."""
    original = getattr(data_adapters, "get_data_adapter", None)
    if getattr(original, "wrapped_by_keras_npy", False):
        return
    if original is None or tuple(inspect.signature(original).parameters) != _KNOWN_PARAMETERS:
        warn_once(
            "get_data_adapter",
            f"keras_npy does not know how Keras {keras.__version__} chooses a data adapter. "
            "Every NpySequence is fed as an ordinary PyDataset: the same rows, but slower; fit "
            "shuffles whole batches, unless the sequence has shuffle=True, which then reorders "
            "evaluate and predict too. Update keras_npy, or install an older Keras.",
        )
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def get_data_adapter(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        x = arguments["x"]
        if not isinstance(x, NpySequence | PlannedAdapter):
            return original(*args, **kwargs)
        call = _calling_method()
        if isinstance(x, PlannedAdapter):
            _refuse_adapter(x, call, arguments)
            return PlannedAdapter(_planned(x.plan, call, arguments))
        _refuse_overridden(x)
        # For its checks alone, such as that of a distribution over several processes.
        original(x)
        plan = Plan(x, arguments["shuffle"], arguments["class_weight"])
        return PlannedAdapter(_planned(plan, call, arguments))

    get_data_adapter.wrapped_by_keras_npy = True  # type: ignore[attr-defined] # The mark of the wrap.
    data_adapters.get_data_adapter = get_data_adapter


def _planned(plan: Plan, call: "_Call", arguments: Mapping[str, Any]) -> Plan:
    """A plan as `fit`, `evaluate` or `predict` carries it out."""
    seq = plan.seq
    _refuse_arguments(seq, arguments)
    # Only fit goes on with the next pass; evaluate and predict end, as they do with arrays.
    # 0 means all batches to Keras (3.15), and an endless feed would then never end its epoch.
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
        # The last execution of an epoch is a whole one, whatever is left for it (Keras 3.15).
        steps += -steps % call.steps_per_execution
    only_x = call.method == "predict"
    return dataclasses.replace(plan, batches_per_epoch=steps, only_x=only_x)


def _refuse_adapter(adapter: PlannedAdapter, call: "_Call", arguments: Mapping[str, Any]) -> None:
    """Raise for what an adapter that the user made would not do."""
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


def _refuse_overridden(seq: NpySequence) -> None:
    """Raise for methods of a subclass that would never be called."""
    for name in ("__getitem__", "__iter__", "__len__", "on_epoch_begin", "on_epoch_end"):
        if getattr(type(seq), name) is not getattr(NpySequence, name):
            raise TypeError(
                "Keras reads an NpySequence by its rows, not through its methods. "
                f"Received: {type(seq).__name__}, which overrides {name}. Put preprocessing into "
                "the model, or write a keras.utils.PyDataset that indexes the sequence."
            )


def _refuse_arguments(seq: NpySequence, arguments: Mapping[str, Any]) -> None:
    """Raise for what Keras would drop without a word."""
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


@dataclasses.dataclass(frozen=True)
class _Call:
    """The method of a Keras model that asks for an adapter; `None` if it is not known."""

    method: str | None = None
    steps_per_execution: int = 1


def _calling_method() -> _Call:
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
            return _Call(name, getattr(model, "steps_per_execution", None) or 1)
        frame = frame.f_back
    return _Call()


wrap_get_data_adapter()
