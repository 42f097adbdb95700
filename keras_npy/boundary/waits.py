"""How long a training loop waits for its batches, measured where it asks for them."""

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Waited(NamedTuple):
    """What a training loop waited in an epoch."""

    num_batches: int
    first_s: float
    """For the first batch, before which a pass begins."""
    total_s: float
    """For all batches, the first one too."""
    served_bytes: int = 0
    """Of these batches, if all are full; as they are read or served, whichever is more."""


class Waits:
    """Counts the waits of one `fit`. A callback that has one as its attribute `waits` is told."""

    def __init__(self) -> None:
        # Of a full batch, as the adapter knows.
        self.batch_bytes = 0
        # In TensorFlow a graph asks for the batches, and counts in variables of its own.
        self._in_graph: Any = None
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forget what was waited before."""
        self._num_batches, self._first_s, self._total_s = 0, 0.0, 0.0
        if self._in_graph is not None:
            self._in_graph.assign(np.zeros(3))

    def add(self, waited_s: float, num_batches: int = 1) -> None:
        """Count batches that are handed over together."""
        if self._num_batches == 0:
            self._first_s = waited_s
        self._num_batches += num_batches
        self._total_s += waited_s

    def read(self) -> Waited:
        """What was waited since the epoch began."""
        counted = [self._num_batches, self._first_s, self._total_s]
        if self._in_graph is not None:
            counted = np.asarray(self._in_graph).tolist()
        num_batches, first_s, total_s = int(counted[0]), counted[1], counted[2]
        return Waited(num_batches, first_s, total_s, num_batches * self.batch_bytes)

    def of_iterator(self, iterator: Iterator[Any], num_together: int = 1) -> Iterator[Any]:
        """The same batches; the time for which each is waited counts.

        Args:
            iterator: Yields batches.
            num_together: How many batches an item holds, unless it is a list of them.
        """
        taken: list[Any] = []
        while True:
            started_s = time.perf_counter()
            # Bind no name to a batch here: it would keep the batch's memory in use while the next
            # one is waited for, and a feed that holds batches back would wait longer.
            taken.extend(itertools.islice(iterator, 1))
            if not taken:
                return
            num_batches = len(taken[0]) if isinstance(taken[0], list) else num_together
            self.add(time.perf_counter() - started_s, num_batches)
            yield taken.pop()

    def of_loader(self, loader: Iterable[Any]) -> "TimedLoader":
        """The same, for what Keras iterates in each epoch."""
        return TimedLoader(loader, self)

    def of_dataset(self, dataset: Any) -> Any:
        """The same, for a `tf.data.Dataset`, in two stages of it."""
        import tensorflow as tf

        with tf.device("CPU:0"):
            counted = tf.Variable(np.zeros(3))
        self._in_graph = counted

        # `zip` asks for the time before it asks for the batch, and the last stage runs once the
        # batch is there. Both run in the thread that asks, since neither is parallel.
        times = tf.data.Dataset.range(np.iinfo(np.int64).max).map(_now)

        def count(asked_s: Any, *batch: Any) -> Any:
            waited_s = _now() - asked_s
            is_first = counted[0] == 0
            first_s = tf.where(is_first, waited_s, counted[1])
            added = tf.stack([counted[0] + 1, first_s, counted[2] + waited_s])
            with tf.control_dependencies([counted.assign(added)]):
                return tf.nest.map_structure(tf.identity, batch[0])

        options = dataset.options()
        timed = tf.data.Dataset.zip((times, dataset))
        return timed.map(tf.autograph.experimental.do_not_convert(count)).with_options(options)


class TimedLoader:
    """Batches of a loader, whose waits are counted."""

    def __init__(self, loader: Iterable[Any], waits: Waits) -> None:
        self._loader, self._waits = loader, waits

    def __iter__(self) -> Iterator[Any]:
        return self._waits.of_iterator(iter(self._loader))


def _now(_: Any = None) -> Any:
    import tensorflow as tf

    return tf.timestamp()


def waits_among(callbacks: Any) -> Waits | None:
    """The waits that one of some callbacks wants to know, or `None`.

    Args:
        callbacks: As `fit` takes them: a list, a single one, a `CallbackList` or `None`.

    Raises:
        ValueError: If several of them do.
    """
    listed = getattr(callbacks, "callbacks", callbacks)
    listed = listed if isinstance(listed, list | tuple) else [listed]
    asking = [cb for cb in listed if isinstance(getattr(cb, "waits", None), Waits)]
    if len(asking) > 1:
        raise ValueError(
            f"One {type(asking[0]).__name__} measures a fit. "
            f"Received: {len(asking)} in callbacks=. Leave one."
        )
    waits: Waits | None = asking[0].waits if asking else None
    return waits
