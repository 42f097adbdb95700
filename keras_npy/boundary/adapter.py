"""The adapter through which Keras reads a sequence, on every backend."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_npy.boundary.callers import epoch_of_fit, is_called_from_reset
from keras_npy.boundary.class_weight import warn_of_class_weight
from keras_npy.boundary.devices import LastBatch
from keras_npy.boundary.passes import Passes
from keras_npy.boundary.waits import Waits
from keras_npy.feeds import jax as jax_feed
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.feeds import tensorflow as tensorflow_feed
from keras_npy.feeds import torch as torch_feed
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool
from keras_npy.feeds.super_batches import SuperBatches, followed_by
from keras_npy.feeds.tensorflow_calls import Failures
from keras_npy.order.position import PassCounter, Position
from keras_npy.sequence import (
    NpySequence,
    batches_of,
    check_last_part,
    last_batch_rows,
    passes_of,
)
from keras_npy.types import Shuffle, ShuffleArgument

try:
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
except ImportError:
    # This Keras moved its private modules: `wrap_get_data_adapter` warns of it.
    DataAdapter = object

try:
    # A list whose batches Keras runs one by one. Only Keras 3.16 asks for super-batches.
    from keras.src.trainers.data_adapters.data_adapter_utils import PartialBatchList
except ImportError:
    PartialBatchList = list


@dataclasses.dataclass(frozen=True)
class AdapterPlan:
    """What one adapter serves.

    Args:
        seq: The sequence.
        shuffle: As `fit` takes it: `True`, `False` or `"batch"`.
        class_weight: Weight of each class number, as `fit` takes it.
        batches_per_epoch: Batches in an epoch, if each epoch continues where the last one stopped,
            pass after pass. `None` if an epoch is one pass.
        only_x: Whether to leave out targets and weights, which `predict` does not need.
        is_training: Whether `fit` trains on these batches.
        last_batch: How a last batch is served that devices cannot share.
        waits: Counts how long `fit` waits for them, if a callback wants to know.
        first_batch: The batch that a pass in file order begins with.
        at_epoch: Called as each epoch begins.
    """

    seq: NpySequence
    shuffle: ShuffleArgument = False
    class_weight: Mapping[int, float] | None = None
    batches_per_epoch: int | None = None
    only_x: bool = False
    is_training: bool = False
    last_batch: LastBatch = "shared"
    waits: Waits | None = None
    first_batch: int = 0
    at_epoch: Callable[[], None] | None = None


class PlannedAdapter(DataAdapter):  # type: ignore[misc] # Keras ships no types.
    """Feed Keras as planned. The wrapped `get_data_adapter` makes one for each call."""

    def __init__(self, plan: AdapterPlan) -> None:
        self.plan = plan
        batches = batches_of(
            plan.seq,
            shuffle=plan.shuffle,
            class_weight=plan.class_weight,
            only_x=plan.only_x,
            is_endless=plan.batches_per_epoch is not None,
            is_training=plan.is_training,
            drop_remainder=plan.last_batch != "shared",
        )
        self._num_batches = batches.order.num_batches + (plan.last_batch == "whole")
        self._passes = Passes(
            _counter(plan, batches.passes_differ), self._num_batches, plan.batches_per_epoch
        )
        self._batches: Batches = dataclasses.replace(batches, position=self._passes.position)
        if plan.waits is not None:
            plan.waits.batch_bytes = self._batches.batch_bytes
        self._failures = Failures()
        self._super_batches: dict[int, SuperBatches] = {}

    def get_tf_dataset(self) -> Any:
        dataset = tensorflow_feed.make_dataset(self._batches, self._failures)
        waits = self.plan.waits
        return dataset if waits is None else waits.of_dataset(dataset)

    def get_numpy_iterator(self) -> Iterator[Any]:
        return numpy_feed.iterate(self._batches, numpy_feed.gather_into(self._pool))

    def get_jax_iterator(self, super_batch: int | None = None) -> Iterator[Any]:
        """Yield batches; for Keras 3.16 `super_batch` of them at a time, on a new axis 0."""
        batches = self._jax_batches(super_batch)
        waits = self.plan.waits
        return batches if waits is None else waits.of_iterator(batches, super_batch or 1)

    def _jax_batches(self, super_batch: int | None) -> Iterator[Any]:
        if not super_batch:
            batches = jax_feed.iterate(self._batches, self._jax_pool)
            if self.plan.last_batch != "whole":
                return batches
            return itertools.chain(batches, self._whole_last_batch())
        if self.plan.last_batch == "whole":
            return followed_by(
                self._stacked(super_batch) if self._batches.order.num_batches else iter(()),
                self._whole_last_batch(),
                PartialBatchList,
            )
        return self._stacked(super_batch)

    def _stacked(self, super_batch: int) -> Iterator[Any]:
        if super_batch not in self._super_batches:
            made = SuperBatches(self._batches, super_batch, PartialBatchList)
            self._super_batches[super_batch] = made
        return self._super_batches[super_batch].iterate()

    def _whole_last_batch(self) -> Iterator[Any]:
        """Yield the last batch, of which each device gets all rows."""
        whole = self.plan.seq.replace(num_processes=1)
        batches = batches_of(whole, shuffle=self.plan.shuffle, only_x=self.plan.only_x)
        yield jax_feed.take_whole(batches, Position(0, whole.num_batches - 1))

    def get_torch_dataloader(self) -> Any:
        loader = torch_feed.make_loader(self._batches, numpy_feed.gather_into(self._torch_pool))
        return loader if self.plan.waits is None else self.plan.waits.of_loader(loader)

    # All passes share it, so that a pass begins with the memory of the one before. It is made on
    # first use, because the TensorFlow feed has a pool of its own.
    @functools.cached_property
    def _pool(self) -> BufferPool:
        return numpy_feed.make_pool(self._batches, self)

    @functools.cached_property
    def _jax_pool(self) -> BufferPool:
        return jax_feed.make_pool(self._batches, self)

    @functools.cached_property
    def _torch_pool(self) -> BufferPool:
        return torch_feed.make_pool(self._batches, self)

    def take_error(self, raised: BaseException) -> BaseException | None:
        """The feed's own exception, if `raised` is TensorFlow's report of it; given once."""
        return self._failures.take(raised)

    @property
    def is_shuffled(self) -> bool:
        """Whether rows come in an order other than that of the file."""
        return self._batches.order.shuffle is not None

    @property
    def num_batches(self) -> int | None:
        return None if self._batches.is_endless else self._num_batches

    @property
    def batch_size(self) -> int:
        return self._batches.order.batch_size

    @property
    def has_partial_batch(self) -> bool:
        return self.plan.last_batch == "whole" or not self._batches.order.has_static_batches

    @property
    def partial_batch_size(self) -> int | None:
        if not self.has_partial_batch:
            return None
        if self.plan.last_batch == "whole":
            return last_batch_rows(self.plan.seq)
        return self._batches.order.last_batch_rows

    @property
    def shuffle(self) -> Shuffle:
        """How rows are shuffled: what Keras asked for, and what the sequence allows."""
        return self._batches.order.shuffle

    @property
    def epoch_batches(self) -> int:
        """Batches that Keras trains in an epoch."""
        return self.plan.batches_per_epoch or self._num_batches

    def upcoming(self, epoch: int) -> Position:
        """Where epoch `epoch` of `fit` begins, if it begins next."""
        return self._passes.upcoming(epoch)

    def num_done(self) -> int:
        """Batches of the epoch which begins next that have trained before a restart."""
        return self._passes.num_done()

    def resume(self, position: Position, num_done: int) -> None:
        """Begin the next epoch with the batch at `position`, as its batch `num_done`."""
        self._passes.resume(position, num_done)

    def position_at(self, step: int) -> Position:
        """The position of batch `step` of Keras's present epoch."""
        return self._passes.position_at(step)

    def on_epoch_begin(self) -> None:
        self._passes.begin_epoch(epoch_of_fit())
        if self.plan.at_epoch is not None:
            self.plan.at_epoch()

    def on_epoch_end(self) -> None:
        if is_called_from_reset():
            self._passes.reset()


def _counter(plan: AdapterPlan, passes_differ: bool) -> PassCounter:
    counter = passes_of(plan.seq)
    if passes_differ:
        return counter
    # Every pass is the same, so the sequence counts none: use another counter.
    first = Position(0, plan.first_batch)
    return PassCounter(counter.begin_uncounted() if plan.is_training else first)


class NpyDataAdapter(PlannedAdapter):
    """Feed a sequence to Keras by hand, as `fit`, `evaluate` and `predict` do by themselves.

    Args:
        seq: The sequence.
        shuffle: As `fit` takes it: `True`, `False` or `"batch"`.
        class_weight: Weight of each class number, as `fit` takes it.

    Raises:
        ValueError: If `shuffle` or `class_weight` does not suit the sequence.

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
        super().__init__(AdapterPlan(seq, shuffle, class_weight))
        warn_of_class_weight(seq, None, class_weight)
        # A method of this adapter would be a reference cycle, which keeps the memory of batches.
        position = functools.partial(_position_by_hand, seq, self._passes)
        self._batches = dataclasses.replace(self._batches, position=position)


def _position_by_hand(seq: NpySequence, passes: Passes) -> Position:
    # `fit` and the like get an adapter of their own, and choose how the last batch is served. Here
    # a process without a row of it would have a batch less, and the others would wait for it.
    check_last_part(seq)
    return passes.position()
