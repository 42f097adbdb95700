"""Labels read as classes, to stratify by."""

from collections.abc import Iterator

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Labels read at a time: of one-hot rows, only the class numbers are kept.
READ_BYTES = 8 << 20


def read_classes(y: Rows, indices: Indices | None, *, at_least: int) -> Indices:
    """Number the classes of some rows from 0, in the sorted order of their labels.

    Args:
        y: Labels: integers, booleans or whole floats `(N,)` or `(N, 1)`, or one-hot rows
            `(N, num_classes)`.
        indices: The rows to read, or `None` for all.
        at_least: Rows that each class must have.

    Returns:
        int64 `(number of rows,)`.

    Raises:
        ValueError: If `y` is not one class per row, or a class has too few rows.

    Example:

    >>> from keras_npy import open_rows
    >>> read_classes(open_rows(np.array([7, 3, 3, 7])), None, at_least=2).tolist()
    [1, 0, 0, 1]
    """
    y.check_unchanged()
    labels = np.concatenate(list(_blocks(y, indices)))
    names, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rarest = int(np.argmin(counts))
    if counts[rarest] < at_least:
        raise ValueError(
            f"stratify=True needs at least {at_least} rows of each class. "
            f"Received: {counts[rarest]} of class {names[rarest]}, of {len(names)} classes in "
            f"{y.name}. Leave the rare classes out with subset, or use stratify=False."
        )
    return classes.astype(np.int64, copy=False)


def _blocks(y: Rows, indices: Indices | None) -> Iterator[Array]:
    num_rows = len(y) if indices is None else len(indices)
    block_rows = max(1, READ_BYTES // max(1, y.row_bytes))
    for start in range(0, num_rows, block_rows):
        stop = min(start + block_rows, num_rows)
        rows = np.arange(start, stop) if indices is None else indices[start:stop]
        yield _one_class_per_row(y.take(rows), y)


def _one_class_per_row(labels: Array, y: Rows) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        is_one_hot = np.count_nonzero(labels, axis=1) == 1
        if np.all(is_one_hot) and np.all(labels.max(axis=1) == 1):
            return np.asarray(np.argmax(labels, axis=1))
        raise _no_classes(y, "rows of several values that are not one-hot")
    if labels.ndim > 2:
        raise _no_classes(y, "more than one value per row")
    if labels.dtype.kind == "f" and np.all(np.isfinite(labels) & (np.rint(labels) == labels)):
        return labels
    if labels.dtype.kind not in "iub":
        raise _no_classes(y, "values that are not whole numbers")
    return labels


def _no_classes(y: Rows, fault: str) -> ValueError:
    return ValueError(
        "stratify=True needs one class per row: whole numbers (N,) or (N, 1), or one-hot rows. "
        f"Received: {fault} in {y.name}, {y.dtype} {y.shape}. "
        "Use stratify=False, or choose the rows with subset."
    )
