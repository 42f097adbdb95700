"""`NpySequence`: these arrays, but on disk."""

import copy
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, overload

import keras
import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import check_integer
from keras_npy.feeds.batches import Batches, Sources, common_length, open_data
from keras_npy.order.order import Order
from keras_npy.order.parts import fold_rows, split_rows
from keras_npy.order.position import PassCounter
from keras_npy.order.selection import to_indices, to_rows
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.class_folders import LabelMode, find_samples
from keras_npy.rows.describe import describe
from keras_npy.rows.labels import ClassWeightRows, read_classes
from keras_npy.rows.samples import samples
from keras_npy.types import Indices, Path, Shuffle, ShuffleArgument


class NpySequence(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types.
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
        NpyFileError: If a file cannot be streamed. It is a `ValueError`.
        ValueError: If an argument has a wrong value, or sources differ in length.
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

    class_names: list[str] | None = None
    """Names of the classes by their numbers, of a sequence that `from_directory` labelled."""

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
        # Before any file is opened.
        _make_order(1, None, batch_size=batch_size, seed=seed, drop_remainder=drop_remainder)
        _check_shuffle(shuffle)
        self._data = open_data(x, y, sample_weight)
        num_rows = common_length(self._data)
        chosen = None if indices is None else to_rows(indices, num_rows)
        self._shuffle = shuffle
        self._order = _make_order(
            num_rows if chosen is None else len(chosen),
            chosen,
            batch_size=batch_size,
            seed=seed,
            drop_remainder=drop_remainder,
        )
        self._order.check_num_batches()
        self._count_from_zero()

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
        """Shuffled passes begun so far, which is the number of the next one. It can be set.

        In `fit` a pass has begun as soon as Keras begins an epoch in which a batch of it trains.
        """
        return self._passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check_integer("epoch", epoch, at_least=0)
        self._passes.epoch = int(epoch)

    @property
    def x(self) -> Any:
        """The rows of the inputs that the sequence serves, in file order, to look at.

        `Rows`, or a dict or tuple of them as they were given: `seq.x[:5]` reads five.
        """
        return self._served(0)

    @property
    def y(self) -> Any:
        """The rows of the targets, likewise, or `None` if there are none."""
        return self._served(1)

    @property
    def sample_weight(self) -> Any:
        """The rows of the sample weights, likewise, or `None` if there are none."""
        return self._served(2)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows that a pass serves, before `drop_remainder`."""
        row_bytes: int = sum(rows.row_bytes for rows in keras.tree.flatten(self._data))
        return self.num_samples * row_bytes

    @property
    def indices(self) -> range | Indices:
        """The rows of the files that the sequence serves, in its file order; not to be written."""
        chosen = self._order.indices
        return range(self.num_samples) if chosen is None else chosen

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
        batches = batches_of(self, shuffle=self._shuffle)
        return _take(batches, self.epoch, int(index) % self.num_batches)

    def __iter__(self) -> Iterator[Any]:
        """One pass: in file order, or in a fresh order if `shuffle=True` was given."""
        batches = batches_of(self, shuffle=self._shuffle)
        epoch = self._passes.begin() if batches.order.shuffle else 0
        for index in range(self.num_batches):
            yield _take(batches, epoch, index)

    def on_epoch_end(self) -> None:
        """Count a pass that was read by index; has no effect on one that was not."""
        if self._was_indexed and self._shuffle:
            self._passes.begin()
        self._was_indexed = False

    def replace(self, **changes: Any) -> Self:
        """A sequence over the same rows of the same open files with other arguments.

        Args:
            **changes: `batch_size`, `shuffle`, `seed` or `drop_remainder`, as the constructor
                takes them. The others stay. The count of passes starts at 0.

        Raises:
            TypeError: If another argument is given, or one of a wrong type.
            ValueError: If one has a wrong value.

        Example:

        >>> seq = NpySequence(np.arange(10), batch_size=4)
        >>> len(seq), len(seq.replace(batch_size=5))
        (3, 2)
        """
        given = {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "drop_remainder": self._order.drop_remainder,
        }
        unknown = sorted(set(changes) - set(given))
        if unknown:
            raise TypeError(
                f"replace takes {', '.join(given)}. Received: {', '.join(unknown)}. "
                "Build a new NpySequence for other rows, or choose rows with subset."
            )
        arguments = {**given, **changes}
        order = _make_order(
            self.num_samples,
            self._order.indices,
            batch_size=arguments["batch_size"],
            seed=arguments["seed"],
            drop_remainder=arguments["drop_remainder"],
        )
        _check_shuffle(arguments["shuffle"])
        other = self._with_order(order)
        other._shuffle = arguments["shuffle"]
        return other

    def subset(self, indices: object) -> Self:
        """Serve only some of the rows that this sequence serves, from the same open files.

        Batch size, seed, shuffling and structure stay; the count of passes starts at 0.

        Args:
            indices: Positions in the file order of *this sequence*: a slice, a range, integers
                (negative ones count from the end) or a boolean mask of `num_samples` values.
                Their order becomes the file order of the subset. So a subset of a subset is
                what NumPy gives for `rows[first][second]`.

        Raises:
            ValueError: If no row is selected, a mask has another length, or
                `drop_remainder=True` leaves no batch.
            TypeError: If `indices` is none of these.
            IndexError: If a position is out of range.

        Example:

        >>> from keras_npy import NpySequence
        >>> evens = NpySequence(np.arange(10), batch_size=2).subset(slice(0, None, 2))
        >>> [batch.tolist() for batch in evens.subset([4, 0])]
        [[8, 0]]
        """
        order = self._order.subset(to_rows(indices, self.num_samples))
        return self._with_order(order)

    def split(
        self, fraction: float, *, seed: int | None = None, stratify: bool = False
    ) -> tuple[Self, Self]:
        """Deal the rows out to two sequences, such as one to train on and one to validate.

        Args:
            fraction: Share of the *second* sequence, in 0 < fraction < 1, as Keras's
                `validation_split`: it gets the rows that are left when the first has
                `round((1 - fraction) * num_samples)`.
            seed: Any integer from 0 that decides which rows. `None` is 0, whatever the seed of
                this sequence: the rows held out are the same on every run, also where the
                orders of training are not.
            stratify: Whether each class keeps its share in both, to within one row, with at
                least one row in each. The sizes may then differ from the above by fewer rows
                than there are classes. Only the labels `y` are read.

        Returns:
            Two sequences without a common row, which hold all rows together, each in the
            file order of this sequence.

        Raises:
            ValueError: If a part would be empty, or `stratify=True` where `y` is not one
                class per row or a class has a single row.
            TypeError: If an argument has a wrong type.

        Example:

        >>> from keras_npy import NpySequence
        >>> train, validation = NpySequence(np.arange(10), batch_size=8).split(0.3)
        >>> train[0], validation[0]
        (array([1, 2, 4, 5, 7, 8, 9]), array([0, 3, 6]))
        """
        _check_fraction(fraction)
        classes = self._classes(stratify, at_least=2)
        first, second = split_rows(
            self.num_samples, float(fraction), seed=_checked_seed(seed), classes=classes
        )
        return self.subset(first), self.subset(second)

    def folds(
        self, k: int, *, seed: int | None = None, stratify: bool = False
    ) -> list[tuple[Self, Self]]:
        """Deal the rows out for cross-validation: `k` pairs to train on and to validate.

        Args:
            k: Number of pairs, from 2.
            seed: As in `split`.
            stratify: Whether each class is dealt out evenly: validation parts then differ by
                one row at most in each class too. Each class needs `k` rows.

        Returns:
            `(train, validation)` pairs. The validation parts have no common row, hold all rows
            together, and differ in size by one row at most; `train` holds all other rows.

        Raises:
            ValueError: If there are fewer rows than parts, or `stratify=True` where `y` is not
                one class per row or a class has fewer rows than `k`.
            TypeError: If an argument has a wrong type.

        Example:

        >>> from keras_npy import NpySequence
        >>> pairs = NpySequence(np.arange(6)).folds(3)
        >>> [validation[0].tolist() for train, validation in pairs]
        [[2, 5], [3, 4], [0, 1]]
        """
        check_integer("k", k, at_least=2)
        classes = self._classes(stratify, at_least=int(k))
        rows = fold_rows(self.num_samples, int(k), seed=_checked_seed(seed), classes=classes)
        return [(self.subset(train), self.subset(held_out)) for train, held_out in rows]

    @overload
    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: Literal["inferred"] | Sequence[int] | NDArray[np.integer[Any]] | None = ...,
        label_mode: LabelMode = ...,
        class_names: Iterable[str] | None = ...,
        *,
        batch_size: int = ...,
        shuffle: ShuffleArgument = ...,
        seed: int | None = ...,
        validation_split: float | None = ...,
        subset: Literal["training", "validation"] | None = ...,
        follow_links: bool = ...,
        drop_remainder: bool = ...,
    ) -> Self: ...

    @overload
    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: Literal["inferred"] | Sequence[int] | NDArray[np.integer[Any]] | None = ...,
        label_mode: LabelMode = ...,
        class_names: Iterable[str] | None = ...,
        *,
        batch_size: int = ...,
        shuffle: ShuffleArgument = ...,
        seed: int | None = ...,
        validation_split: float | None = ...,
        subset: Literal["both"],
        follow_links: bool = ...,
        drop_remainder: bool = ...,
    ) -> tuple[Self, Self]: ...

    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: Literal["inferred"] | Sequence[int] | NDArray[np.integer[Any]] | None = "inferred",
        label_mode: LabelMode = "int",
        class_names: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        shuffle: ShuffleArgument = None,
        seed: int | None = None,
        validation_split: float | None = None,
        subset: Literal["training", "validation", "both"] | None = None,
        follow_links: bool = False,
        drop_remainder: bool = False,
    ) -> Self | tuple[Self, Self]:
        """Stream a directory of one folder per class, in which each `.npy` is one sample.

        Arguments have the names and meanings that they have in
        `keras.utils.image_dataset_from_directory`. Files lie under `directory/class/`, at any
        depth, and are taken class by class in natural order (`x-2.npy` before `x-10.npy`);
        hidden files and folders, and files that are not `.npy`, are passed over.

        Args:
            directory: The folder that holds the folders of the classes.
            labels: `"inferred"` numbers the folders in sorted order, those without samples
                too. A list of integers gives the label of each file, `None` none; folders then
                mean nothing, and files come folder by folder, in natural order.
            label_mode: `"int"`: int32 `(b,)`. `"binary"`, for two classes: float32 `(b, 1)`.
                `"categorical"`: float32 one-hot `(b, num_classes)`. `None`: no labels.
            class_names: The folders to use, in the order of their numbers. Only where labels
                are inferred.
            batch_size: As in `NpySequence`.
            shuffle: As in `NpySequence`.
            seed: As in `NpySequence`; it also decides the validation split.
            validation_split: Share of the samples to hold out, as `split` does it: which ones
                depends on the files and `seed` alone, so that calls with the same `seed` and
                any `shuffle` are complementary. `None` for the seed is 0 here.
            subset: `"training"`, `"validation"`, or `"both"`, where `validation_split` is set.
            follow_links: Whether links to folders are followed inside of the classes.
            drop_remainder: As in `NpySequence`.

        Returns:
            A sequence whose `class_names` are the classes in the order of their numbers, or
            `None` without labels; for `subset="both"` a tuple of two.

        Raises:
            NpyFileError: If there are no samples, or the first cannot be streamed. A file
                that differs from the first is named when it is read.
            ValueError: If an argument has a wrong value.
            TypeError: If an argument has a wrong type.
            OSError: If a folder cannot be read, such as `FileNotFoundError`.

        Example:

        >>> import os
        >>> for name in ("cat/1", "cat/2", "dog/1"):
        ...     os.makedirs(f"pets/{name[:3]}", exist_ok=True)
        ...     np.save(f"pets/{name}.npy", np.full(2, int(name[-1])))
        >>> seq = NpySequence.from_directory("pets")
        >>> seq[0]
        (array([[1, 1],
               [2, 2],
               [1, 1]]), array([0, 0, 1], dtype=int32))
        >>> seq.class_names
        ['cat', 'dog']
        """
        _check_subset(validation_split, subset)
        found, targets = find_samples(
            directory, labels, label_mode, class_names, follow_links=follow_links
        )
        seq = cls(
            samples(found.paths),
            targets,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
        )
        seq.class_names = found.class_names
        if validation_split is None:
            return seq
        training, validation = seq.split(validation_split, seed=seed)
        if subset == "both":
            return training, validation
        return training if subset == "training" else validation

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
        counted = ("_passes", "_was_indexed")
        return {key: value for key, value in self.__dict__.items() if key not in counted}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._count_from_zero()

    def _count_from_zero(self) -> None:
        self._passes = PassCounter()
        self._was_indexed = False

    def _with_order(self, order: Order) -> Self:
        order.check_num_batches()
        # Copied as if pickled: the rows are shared, the count of passes is not.
        other = copy.copy(self)
        other._order = order
        return other

    def _classes(self, stratify: bool, *, at_least: int) -> Indices | None:
        """The class of each row, if parts are to keep the shares of classes."""
        _check_bool("stratify", stratify, "Pass True, which reads the classes from y.")
        if not stratify:
            return None
        outputs = keras.tree.flatten(self._data[1:2])
        if len(outputs) != 1:
            raise ValueError(
                "stratify=True needs a sequence with a single output y. "
                f"Received: {len(outputs)} outputs. "
                "Use stratify=False, or choose the rows with subset."
            )
        chosen = self._order.indices
        rows = None if chosen is None else to_indices(chosen, len(outputs[0]))
        return read_classes(outputs[0], rows, at_least=at_least)

    def _served(self, position: int) -> Any:
        if position >= len(self._data):
            return None
        chosen = self._order.indices
        if chosen is None:
            return self._data[position]
        return keras.tree.map_structure(lambda rows: ChosenRows(rows, chosen), self._data[position])

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


def batches_of(
    seq: NpySequence,
    *,
    shuffle: ShuffleArgument,
    class_weight: Mapping[int, float] | None = None,
    only_x: bool = False,
    is_endless: bool = False,
) -> Batches:
    """What a feed reads of a sequence when Keras asks for `shuffle` and `class_weight`.

    Args:
        seq: The sequence.
        shuffle: As `fit` takes it. A sequence built with `shuffle=False` is not shuffled
            whatever is asked for, and one with `"batch"` is shuffled in no other way.
        class_weight: Weight of each class number, if any.
        only_x: Whether targets and weights are left out, as `predict` needs none.
        is_endless: Whether the next pass begins where one ends.

    Raises:
        ValueError: If `class_weight` cannot be applied.
    """
    data = seq._data[:1] if only_x else _weighted(seq._data, class_weight)
    order = seq._order.shuffled(_merge_shuffle(shuffle, seq.shuffle))
    return Batches(data, order, is_endless=is_endless)


def passes_of(seq: NpySequence) -> PassCounter:
    """The count of the shuffled passes of a sequence."""
    return seq._passes


def _make_order(
    num_samples: int,
    indices: range | Indices | None,
    *,
    batch_size: int,
    seed: int | None,
    drop_remainder: bool,
) -> Order:
    """File order of rows, in arguments as the user gave them."""
    check_integer("batch_size", batch_size, at_least=1)
    _check_bool("drop_remainder", drop_remainder)
    if seed is None:
        # As Keras draws the default seeds of its layers, so that set_random_seed holds.
        seed = random.getrandbits(32)
    check_integer("seed", seed, at_least=0)
    return Order(
        num_samples=num_samples,
        batch_size=int(batch_size),
        drop_remainder=bool(drop_remainder),
        seed=int(seed),
        indices=indices,
    )


def _merge_shuffle(asked: ShuffleArgument, own: ShuffleArgument) -> Shuffle:
    if asked not in (None, True, False, "batch"):
        raise ValueError(
            "shuffle must be True, False or 'batch'. "
            f"Received: shuffle={asked!r}. Leave it out to shuffle all rows."
        )
    if not asked or own is False:
        return None
    return "batch" if "batch" in (asked, own) else "rows"


def _weighted(data: tuple[Any, ...], class_weight: Mapping[int, float] | None) -> tuple[Any, ...]:
    if class_weight is None:
        return data
    if len(data) == 3:
        raise ValueError(
            "class_weight and sample_weight cannot be used at the same time. "
            "Received: class_weight= in fit, and a sequence with sample_weight=. "
            "Multiply the class weights into the sample weights, or leave one out."
        )
    if len(data) == 1 or not isinstance(data[1], Rows):
        outputs = "no y" if len(data) == 1 else "several outputs in y"
        raise ValueError(
            "class_weight needs a sequence with a single output y. "
            f"Received: class_weight= in fit, and a sequence with {outputs}. "
            "Pass sample_weight= to NpySequence instead."
        )
    weights = ClassWeightRows(data[1], class_weight, np.dtype(keras.config.floatx()))
    return (*data, weights)


def _take(batches: Batches, epoch: int, index: int) -> Any:
    """A batch as new arrays."""
    rows = batches.order.rows(epoch, index, index + 1)
    batches.check_unchanged(rows)
    return keras.utils.pack_x_y_sample_weight(*batches.take(rows))


def _check_shuffle(shuffle: object) -> None:
    if shuffle not in (None, True, False, "batch"):
        raise ValueError(
            "shuffle must be None, True, False or 'batch'. "
            f"Received: shuffle={shuffle!r}. Leave it out to let fit decide."
        )


def _check_bool(name: str, value: object, remedy: str = "Pass a bool.") -> None:
    if not isinstance(value, bool | np.bool_):
        received = f"{value!r}" if isinstance(value, int | float | str) else "an object"
        raise TypeError(
            f"{name} must be True or False. "
            f"Received: {name}={received:.100} of type {type(value).__name__}. {remedy}"
        )


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return 0
    check_integer("seed", seed, at_least=0)
    return int(seed)


def _check_fraction(fraction: float) -> None:
    is_real = isinstance(fraction, int | float | np.integer | np.floating)
    if not is_real or isinstance(fraction, bool):
        raise TypeError(
            "fraction must be a number. "
            f"Received: fraction={fraction!r:.100} of type {type(fraction).__name__}. "
            "Pass the share of the second part, such as 0.2."
        )
    if not 0 < fraction < 1:
        raise ValueError(
            "fraction must lie in 0 < fraction < 1. "
            f"Received: fraction={fraction}. Pass the share of the second part, such as 0.2; "
            "for a number of rows, choose them with subset."
        )


def _check_subset(validation_split: float | None, subset: object) -> None:
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(
            "subset must be 'training', 'validation', 'both' or None. "
            f"Received: subset={subset!r:.100}. Use 'both' for two sequences."
        )
    if (validation_split is None) != (subset is None):
        raise ValueError(
            "validation_split and subset must be given together. "
            f"Received: validation_split={validation_split!r:.100}, subset={subset!r}. "
            "Pass both of them, such as 0.2 and 'both', or leave both out."
        )
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            "validation_split must lie in 0 < validation_split < 1. "
            f"Received: validation_split={validation_split}. "
            "Pass the share of the validation part, such as 0.2."
        )
