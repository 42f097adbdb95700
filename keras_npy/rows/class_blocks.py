"""Which classes a part of a split lacks: rows lie class by class, or groups are whole classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_npy.order.parts import part_of_each
from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.labels import are_one_hot, without_column
from keras_npy.rows.spread import is_cheap
from keras_npy.types import Array, Indices

# More are mostly no classes but counts, and so are fewer rows of each.
CLASSES_MAX = 100
ROWS_PER_CLASS = 5


class ClassesApart(NamedTuple):
    """The classes of a part that lacks some, of rows that lie class by class."""

    labels: list[int]
    num_classes: int
    """Classes of all parts."""
    is_last: bool
    """Whether it is the last part. If not, it is the first one."""


def find_classes_apart(
    y: Rows, indices: range | Indices, parts: Sequence[range]
) -> ClassesApart | None:
    """The classes of the last part, or else of the first one, if these lack some.

    That is so if rows lie class by class. Of a series in which classes come and go, a part may well
    lack some, and numbers that rise by the same step from block to block are years or counters.

    Args:
        y: Labels, of which those of one class per row are looked at if there are few.
        indices: The row of `y` at each position.
        parts: Positions of each part, one behind the other. Empty ones do not count.
    """
    parts = [part for part in parts if part]
    if len(y.row_shape) > 1 or len(parts) < 2 or not is_cheap(y, indices):
        return None
    y.check_unchanged()
    positions = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    stored = without_column(y.take(rows_at(indices, positions)))
    labels = _labels_of(stored)
    if labels is None:
        return None
    begins = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    classes = labels[begins]
    are_blocks = len(np.unique(classes)) == len(classes)
    most = min(CLASSES_MAX, len(labels) // ROWS_PER_CLASS)
    if not are_blocks or not 1 < len(classes) <= most:
        return None
    if stored.ndim == 1 and _are_steps(classes):
        return None
    # The blocks that reach into the last part, and those that begin in the first one.
    first_of_last = int(np.searchsorted(begins, len(labels) - len(parts[-1]), side="right")) - 1
    is_last = first_of_last > 0
    found = classes[first_of_last:]
    if not is_last:
        found = classes[: np.searchsorted(begins, len(parts[0]))]
    return ClassesApart([int(label) for label in found], len(classes), is_last)


class ClassesLost(NamedTuple):
    """The classes that a part lacks, of groups that were dealt out whole."""

    labels: list[int]
    num_classes: int
    """Classes of all parts."""
    are_trained: bool
    """Whether the part to train with has them, so that another part holds one class alone."""
    are_whole: bool
    """Whether one of them lies in a single group, so that no two parts can have it."""


def find_classes_lost(
    y: Rows,
    indices: range | Indices,
    parts: Sequence[Indices],
    groups: Indices,
    *,
    classes: Indices | None,
    are_folds: bool,
) -> ClassesLost | None:
    """The classes that are not trained, since all of their groups came to other parts.

    Without `classes`, labels may be counts or ages, of which some are rare: only numbers of all
    classes from 0 or 1, of which several rows each are missing, count.

    Args:
        y: Labels.
        indices: The row of `y` at each position.
        parts: Positions of each part. The first one trains, unless they are folds.
        groups: The group of each position.
        classes: The class of each position from 0, if rows were dealt out by it. A part of a split
            that then has one class alone is lost, too.
        are_folds: Whether each part is held out once, and all others train.
    """
    first_row = 1
    numbers = classes
    if numbers is None:
        numbers, first_row = _numbers_of(y, indices), ROWS_PER_CLASS
    if numbers is None or (num_classes := int(numbers.max()) + 1) < 2:
        return None
    part_of = part_of_each(parts, len(numbers))
    counts = np.bincount(part_of * num_classes + numbers, minlength=len(parts) * num_classes)
    counts = counts.reshape(len(parts), num_classes)
    in_all = counts.sum(axis=0)
    trained = in_all - counts if are_folds else counts[:1]
    are_lost = (trained == 0).any(axis=0) & (in_all >= first_row)
    are_trained = not are_lost.any()
    if are_trained and classes is not None and not are_folds:
        alone = np.flatnonzero(np.count_nonzero(counts[1:], axis=1) == 1)
        are_lost = counts[1 + alone[0]] == 0 if alone.size else are_lost
    if not are_lost.any():
        return None
    lost = np.flatnonzero(are_lost)
    are_whole = any(len(np.unique(groups[numbers == number])) == 1 for number in lost)
    rows = rows_at(indices, np.array([np.argmax(numbers == number) for number in lost]))
    labels = _labels_of(without_column(y.take(rows)))
    found = [] if labels is None else labels.tolist()
    return ClassesLost(sorted(map(int, found)), num_classes, are_trained, are_whole)


def _numbers_of(y: Rows, indices: range | Indices) -> Indices | None:
    """The class of each position from 0, or `None` if labels may be anything else."""
    if len(y.row_shape) > 1 or not is_cheap(y, indices):
        return None
    y.check_unchanged()
    stored = without_column(y.take(rows_at(indices, np.arange(len(indices)))))
    labels = _labels_of(stored)
    if labels is None:
        return None
    names, numbers = np.unique(labels, return_inverse=True)
    if stored.ndim == 1 and names.dtype.kind != "b":
        are_all = names[0] in (0, 1) and names[-1] - names[0] == len(names) - 1
        if not are_all or len(names) > min(CLASSES_MAX, len(labels) // ROWS_PER_CLASS):
            return None
    return numbers.astype(np.int64, copy=False)


def _are_steps(numbers: Array) -> bool:
    """Whether numbers rise or fall by the same step, and are not all classes from 0 or 1."""
    steps = np.diff(numbers.astype(np.float64))
    if len(steps) < 2 or np.any(steps != steps[0]):
        return False
    return bool(abs(steps[0]) != 1 or numbers.min() > 1)


def _labels_of(labels: Array) -> Array | None:
    """The class of each row, or `None` if rows hold something else."""
    if labels.dtype.kind not in "iubf":
        return None
    if labels.ndim == 2:
        return np.asarray(np.argmax(labels, axis=1)) if np.all(are_one_hot(labels)) else None
    # Floats are mostly values to predict, unless they tell two classes apart.
    is_class = labels.dtype.kind in "iub" or np.all((labels == 0) | (labels == 1))
    return labels if is_class else None
