"""Sequences over some of the rows that another serves: `subset`, `split`, `folds`."""

import copy
from typing import Any, Self

import keras
import numpy as np

from keras_npy.errors import check_integer
from keras_npy.order.order import Order
from keras_npy.order.parts import fold_rows, split_rows
from keras_npy.order.selection import to_indices, to_rows
from keras_npy.rows.labels import read_classes
from keras_npy.types import Indices


class Parts:
    """What `NpySequence` does to serve fewer rows of the same files."""

    _data: tuple[Any, ...]
    _order: Order

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
        order = self._order.subset(to_rows(indices, self._order.num_samples))
        order.check_num_batches()
        # Copied as if pickled: the rows are shared, the lock and the count of passes are not.
        part = copy.copy(self)
        part._order = order
        return part

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
            self._order.num_samples, float(fraction), seed=_checked(seed), classes=classes
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
        rows = fold_rows(self._order.num_samples, int(k), seed=_checked(seed), classes=classes)
        return [(self.subset(train), self.subset(held_out)) for train, held_out in rows]

    def _classes(self, stratify: bool, *, at_least: int) -> Indices | None:
        if not isinstance(stratify, bool | np.bool_):
            raise TypeError(
                "stratify must be True or False. "
                f"Received: stratify of type {type(stratify).__name__}. "
                "Pass True, which reads the classes from y."
            )
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


def _checked(seed: int | None) -> int:
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
