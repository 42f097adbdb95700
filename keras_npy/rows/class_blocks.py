"""Whether rows lie class by class, so that a cut of them in order parts classes from each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.labels import are_one_hot, without_column
from keras_npy.types import Array, Indices

# Bytes of labels that are read, in up to so many files, which takes up to 20 ms.
READ_BYTES = 4 << 20
FILES_READ = 64
# More are mostly no classes but counts, and so are fewer rows of each.
CLASSES_MAX = 100
ROWS_PER_CLASS = 5


class ClassesApart(NamedTuple):
    """The classes of the last part of rows that lie class by class."""

    labels: list[int]
    num_classes: int
    """Classes of all parts."""


def find_classes_apart(
    y: Rows, indices: range | Indices, parts: Sequence[range]
) -> ClassesApart | None:
    """The classes of the last part, if rows lie class by class so that it lacks some.

    Of a series in which classes come and go, the last part may well lack some.

    Args:
        y: Labels, of which those of one class per row are looked at if there are few.
        indices: The row of `y` at each position.
        parts: Positions of each part, one behind the other.
    """
    num_bytes = len(indices) * y.row_bytes
    if num_bytes > READ_BYTES or len(y.shard_lengths) > FILES_READ or len(y.row_shape) > 1:
        return None
    if y.file_paths is not None and len(indices) > FILES_READ:
        return None
    y.check_unchanged()
    labels = _labels_of(y.take(rows_at(indices, np.concatenate([*map(np.asarray, parts)]))))
    if labels is None:
        return None
    begins = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    classes = labels[begins]
    are_blocks = len(np.unique(classes)) == len(classes)
    most = min(CLASSES_MAX, len(labels) // ROWS_PER_CLASS)
    if not are_blocks or not 1 < len(classes) <= most:
        return None
    first = np.searchsorted(begins, len(labels) - len(parts[-1]), side="right") - 1
    return ClassesApart([int(label) for label in classes[first:]], len(classes))


def _labels_of(labels: Array) -> Array | None:
    """The class of each row, or `None` if rows hold something else."""
    labels = without_column(labels)
    if labels.ndim == 2:
        return np.asarray(np.argmax(labels, axis=1)) if np.all(are_one_hot(labels)) else None
    # Floats are mostly values to predict, unless they tell two classes apart.
    is_class = labels.dtype.kind in "iub" or np.all((labels == 0) | (labels == 1))
    return labels if is_class else None
