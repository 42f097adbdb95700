"""Whether rows lie class by class, so that a cut of them in order parts classes from each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

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
