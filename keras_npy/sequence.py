"""`NpySequence`: these arrays, but on disk."""

import random
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_npy.directory import FromDirectory
from keras_npy.errors import check_integer
from keras_npy.feeds.batches import Batches, Sources, common_length, open_data
from keras_npy.order.order import Order
from keras_npy.order.selection import to_rows
from keras_npy.parts import Parts
from keras_npy.rows.base import Rows
from keras_npy.rows.class_weight import ClassWeightRows
from keras_npy.rows.describe import describe
from keras_npy.types import Shuffle, ShuffleArgument


class NpySequence(Parts, FromDirectory, keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types.
    """Stream batches from `.npy` files as if they were arrays in memory.

    Whatever `fit`, `evaluate` and `predict` do with arrays, they do with a sequence: `fit`
    shuffles all rows anew each epoch, `evaluate` and `predict` read them in file order.

    Args:
        x: The inputs: the path of an `.npy` file or an array, `(N, ...)`; or a dict or tuple
            of those for a model of several inputs.
        y: The targets, likewise. `None` for `predict`, or for a model that needs none.
        sample_weight: Weights, `(N,)`; for several outputs the structure of `y`, or one array
            for all of them.
        batch_size: Rows in a batch, B.
        shuffle: `None` lets `fit` decide, which shuffles unless told `shuffle=False`, and
            indexing and iteration keep file order. `True` shuffles these too. `False` keeps
            file order always. `"batch"` shuffles rows within each consecutive batch.
        seed: Any integer from 0. The same seed gives the same orders, epoch by epoch, on
            every backend. `None` draws one, as `keras.utils.set_random_seed` decides.
        drop_remainder: Leave out the last batch if it is shorter than `batch_size`.
        indices: The rows to use and their order: a slice, a range, integers or a boolean
            mask. `None` for all. Integers and masks take 8 bytes a row, and are pickled.

    Raises:
        NpyFileError: If a file cannot be streamed, or files differ in length.
        ValueError: If an argument has a wrong value. `NpyFileError` is one.
        TypeError: If an argument has a wrong type.
        OSError: If the system refuses access to a file, such as `FileNotFoundError`.

    Example:

    >>> np.save("x.npy", np.arange(10).reshape(5, 2))
    >>> np.save("y.npy", np.arange(5))
    >>> seq = NpySequence("x.npy", "y.npy", batch_size=2)
    >>> len(seq)
    3
    >>> seq[2]
    (array([[8, 9]]), array([4]))
    """

    def __init__(
        self,
        x: Sources,
        y: Sources | None = None,
        sample_weight: Sources | None = None,
        *,
        batch_size: int = 32,
        shuffle: ShuffleArgument = None,
        seed: int | None = None,
        drop_remainder: bool = False,
        indices: object = None,
    ) -> None:
        super().__init__()
        check_integer("batch_size", batch_size, at_least=1)
        if seed is not None:
            check_integer("seed", seed, at_least=0)
        if shuffle not in (None, True, False, "batch"):
            raise ValueError(
                "shuffle must be None, True, False or 'batch'. "
                f"Received: shuffle={shuffle!r}. Leave it out to let fit decide."
            )
        if not isinstance(drop_remainder, bool | np.bool_):
            raise TypeError(
                f"drop_remainder must be True or False. Received: {drop_remainder!r}. Pass a bool."
            )
        self._data = open_data(x, y, sample_weight)
        num_rows = common_length(self._data)
        chosen = None if indices is None else to_rows(indices, num_rows)
        self._shuffle = shuffle
        self._order = Order(
            num_samples=num_rows if chosen is None else len(chosen),
            batch_size=int(batch_size),
            drop_remainder=bool(drop_remainder),
            # As Keras draws the default seeds of its layers, so that set_random_seed holds.
            seed=random.getrandbits(32) if seed is None else int(seed),
            indices=chosen,
        )
        self._order.check_num_batches()
        self._reset_passes()

    @property
    def batch_size(self) -> int:
        """Rows in every batch but perhaps the last."""
        return self._order.batch_size

    @property
    def num_batches(self) -> int:
        """Batches in a pass, the short last one included."""
        return self._order.num_batches

    @property
    def num_samples(self) -> int:
        """Rows that the sequence serves in a pass, before `drop_remainder`."""
        return self._order.num_samples

    @property
    def seed(self) -> int:
        """The seed of the orders, drawn if none was given."""
        return self._order.seed

    @property
    def shuffle(self) -> ShuffleArgument:
        """The `shuffle` that the sequence was built with."""
        return self._shuffle

    @property
    def epoch(self) -> int:
        """Shuffled passes started so far, which numbers the next one. It can be set.

        A pass counts when its first batch is handed over. In `fit(seq, steps_per_epoch=...)` only
        passes count of which a batch trains in an epoch that has begun.
        """
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check_integer("epoch", epoch, at_least=0)
        with self._lock:
            self._epoch = int(epoch)

    @property
    def x_spec(self) -> Any:
        """`keras.InputSpec` of a batch of inputs, in the structure of `x`."""
        return self._spec(0)

    @property
    def y_spec(self) -> Any:
        """`keras.InputSpec` of a batch of targets, or `None` if there are none."""
        return self._spec(1)

    @property
    def sample_weight_spec(self) -> Any:
        """`keras.InputSpec` of a batch of sample weights, or `None` if there are none."""
        return self._spec(2)

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> Any:
        """Batch `index` as new arrays: `x`, `(x, y)` or `(x, y, sample_weight)`."""
        if not isinstance(index, int | np.integer):
            raise TypeError(
                "A sequence is indexed by the number of a batch. "
                f"Received: {index!r:.100}. Use indices= for a subset of the rows."
            )
        if not -self.num_batches <= index < self.num_batches:
            raise IndexError(
                f"Batch numbers lie in {-self.num_batches} <= index < {self.num_batches}. "
                f"Received: {index}. Use len(sequence) for the number of batches."
            )
        self._was_indexed = True
        batches = self.batches(shuffle=self._shuffle or False)
        return self._batch(batches, self.epoch, int(index) % self.num_batches)

    def __iter__(self) -> Iterator[Any]:
        """One pass: in file order, or in a fresh order if `shuffle=True` was given."""
        batches = self.batches(shuffle=self._shuffle or False)
        epoch = batches.start_pass()
        for index in range(self.num_batches):
            yield self._batch(batches, epoch, index)

    def on_epoch_end(self) -> None:
        """Count a pass that was read by index; has no effect on one that was not."""
        if self._was_indexed and self._shuffle:
            self._start_pass()
        self._was_indexed = False

    def batches(
        self,
        *,
        shuffle: ShuffleArgument,
        class_weight: Mapping[int, float] | None = None,
        only_x: bool = False,
        is_endless: bool = False,
    ) -> Batches:
        """What a feed reads when Keras asks for `shuffle` and `class_weight`.

        Args:
            shuffle: As `fit` takes it. A sequence built with `shuffle=False` is not shuffled
                whatever is asked for, and one with `"batch"` is shuffled in no other way.
            class_weight: Weight of each class number, if any.
            only_x: Whether targets and weights are left out, as `predict` needs none.
            is_endless: Whether the next pass begins where one ends.

        Raises:
            ValueError: If `class_weight` cannot be applied.
        """
        order = self._order.shuffled(self._merge_shuffle(shuffle))
        return Batches(
            data=self._data[:1] if only_x else self._weighted(class_weight),
            order=order,
            start_pass=self._start_pass if order.shuffle else _epoch_zero,
            note_pass=self._note_pass if order.shuffle else _ignore_epoch,
            is_endless=is_endless,
        )

    def take_back_pass(self, epoch: int) -> None:
        """Uncount a pass whose rows trained nothing, unless another one has begun since."""
        with self._lock:
            if self._epoch == epoch + 1:
                self._epoch = epoch

    def __repr__(self) -> str:
        lines = describe(self._data)
        last = self.num_samples - (self.num_batches - 1) * self.batch_size
        short = "" if self._order.has_static_batches else f", the last of {last}"
        lines.append(
            f"{self.num_samples} samples in {self.num_batches} batches of "
            f"{self.batch_size}{short}; shuffle={self._shuffle!r}, seed={self.seed}"
        )
        return "NpySequence(\n  " + "\n  ".join(lines) + "\n)"

    def __getstate__(self) -> dict[str, Any]:
        # The count of passes belongs to the process that trains; a lock cannot be sent.
        counted = ("_lock", "_epoch", "_was_indexed")
        return {key: value for key, value in self.__dict__.items() if key not in counted}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset_passes()

    def _reset_passes(self) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._was_indexed = False

    def _start_pass(self) -> int:
        with self._lock:
            self._epoch += 1
            return self._epoch - 1

    def _note_pass(self, epoch: int) -> None:
        with self._lock:
            self._epoch = max(self._epoch, epoch + 1)

    def _merge_shuffle(self, asked: ShuffleArgument) -> Shuffle:
        if asked not in (None, True, False, "batch"):
            raise ValueError(
                "shuffle must be True, False or 'batch'. "
                f"Received: shuffle={asked!r}. Leave it out to shuffle all rows."
            )
        if not asked or self._shuffle is False:
            return None
        return "batch" if "batch" in (asked, self._shuffle) else "rows"

    def _weighted(self, class_weight: Mapping[int, float] | None) -> tuple[Any, ...]:
        if class_weight is None:
            return self._data
        if len(self._data) == 3:
            raise ValueError(
                "class_weight and sample_weight cannot be used at the same time. "
                "Received: class_weight= in fit, and a sequence with sample_weight=. "
                "Multiply the class weights into the sample weights, or leave one out."
            )
        if len(self._data) == 1 or not isinstance(self._data[1], Rows):
            outputs = "no y" if len(self._data) == 1 else "several outputs in y"
            raise ValueError(
                "class_weight needs a sequence with a single output y. "
                f"Received: class_weight= in fit, and a sequence with {outputs}. "
                "Pass sample_weight= to NpySequence instead."
            )
        weights = ClassWeightRows(self._data[1], class_weight, np.dtype(keras.config.floatx()))
        return (*self._data, weights)

    def _batch(self, batches: Batches, epoch: int, index: int) -> Any:
        rows = batches.order.rows(epoch, index, index + 1)
        batches.check_unchanged(rows)
        batch = batches.take(rows)
        return keras.utils.pack_x_y_sample_weight(*batch)

    def _spec(self, position: int) -> Any:
        if position >= len(self._data):
            return None
        batch_size = self.batch_size if self._order.has_static_batches else None
        return keras.tree.map_structure(
            lambda rows: keras.InputSpec(
                dtype=rows.dtype.name, shape=(batch_size, *rows.row_shape)
            ),
            self._data[position],
        )


def _epoch_zero() -> int:
    return 0


def _ignore_epoch(epoch: int) -> None:
    del epoch
