"""Read classes from labels `y`, and make labels from classes."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.scratch import Scratch
from keras_npy.types import Array, Indices

# Bytes of labels to read at a time. Only class numbers are kept of them.
LABELS_AT_ONCE_BYTES = 8 << 20


def read_classes(y: Rows, indices: Indices | None, *, at_least: int) -> Indices:
    """Number the classes of some rows from 0, in the sorted order of their labels.

    Args:
        y: Labels: integers, booleans or whole floats `(N,)` or `(N, 1)`, or one-hot rows
            `(N, num_classes)`.
        indices: The rows to read, or `None` for all.
        at_least: The number of rows that each class must have.

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
    labels = np.concatenate(list(_classes_by_blocks(y, indices)))
    names, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rarest = int(np.argmin(counts))
    if counts[rarest] < at_least:
        raise ValueError(
            f"stratify=True needs at least {at_least} rows of each class. "
            f"Received: {counts[rarest]} of class {names[rarest]}, of {len(names)} classes in "
            f"{y.name}. Leave the rare classes out with subset, or use stratify=False."
        )
    return classes.astype(np.int64, copy=False)


class ClassWeights:
    """The weight of each label: that of its class, or 1 for a class without a weight.

    Classes are read from labels as Keras reads them from arrays. Labels `(N,)` or `(N, 1)` are
    class numbers, and floats are rounded. In rows of several values (one-hot) the largest counts.
    Labels with more axes are masks, or steps `(N, T, 1)`: a class number for each pixel or step,
    which gets a weight of its own.

    Args:
        class_weight: Weight of each class number.
        dtype: dtype of the weights.

    Raises:
        ValueError: If a class is no integer, or a weight no number.
    """

    def __init__(self, class_weight: Mapping[int, float], dtype: np.dtype[Any]) -> None:
        weights = _checked_class_weight(class_weight)
        classes = sorted(weights)
        self.dtype = dtype
        self._classes = np.array(classes, np.int64)
        self._weights = np.array([weights[key] for key in classes], dtype)
        # Masks are mostly of bytes: look up their weights at once.
        self._of_bytes = self.of_classes(np.arange(256))

    def weights_into(self, labels: Array, out: Array) -> None:
        """Write the weights of labels, of the shape that `shape_of` gives.

        Raises:
            ValueError: If a mask is one-hot.
        """
        are_pixels = labels.ndim > 2
        if are_pixels:
            labels = _class_of_each_pixel(labels)
        if labels.dtype.kind in "bu" and labels.dtype.itemsize == 1 and labels.shape == out.shape:
            np.take(self._of_bytes, labels, out=out, mode="clip")
        else:
            # Steps have two axes then, as one-hot rows have.
            out[...] = self.of_classes(_whole(labels) if are_pixels else classes_as_keras(labels))

    def has_any_of(self, labels: Array) -> bool:
        """Whether any of these labels has a weight.

        Raises:
            ValueError: If a mask is one-hot.
        """
        are_pixels = labels.ndim > 2
        if are_pixels:
            labels = _class_of_each_pixel(labels)
        is_wide = labels.ndim == 2 and labels.shape[1] > 1 and not are_pixels
        if labels.dtype.kind in "iu" and not is_wide:
            # Mostly the first one is there; np.isin would copy, and sort, a whole mask.
            return any(bool((labels == number).any()) for number in self.classes)
        classes = _whole(labels) if are_pixels else classes_as_keras(labels)
        return bool(np.isin(self._classes, classes).any())

    @property
    def classes(self) -> list[int]:
        """The class numbers that have a weight, in ascending order."""
        return [int(number) for number in self._classes]

    def of_classes(self, classes: Indices) -> Array:
        """The weight of each of these class numbers."""
        out = np.ones(classes.shape, self.dtype)
        if self._classes.size:
            nearest = np.searchsorted(self._classes, classes).clip(max=self._classes.size - 1)
            named = self._classes[nearest] == classes
            out[named] = self._weights[nearest[named]]
        return out

    @staticmethod
    def shape_of(labels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the weights of labels of this shape."""
        if len(labels) <= 2:
            return labels[:1]
        return labels[:-1] if labels[-1] == 1 else labels


class ClassWeightRows(ForwardingRows):
    """The weights of the labels in `y`.

    Args:
        y: Labels, as `ClassWeights` takes them.
        class_weight: Weight of each class number.
        dtype: dtype of the weights.

    Raises:
        ValueError: If a class is no integer, or a weight no number.
    """

    def __init__(self, y: Rows, class_weight: Mapping[int, float], dtype: np.dtype[Any]) -> None:
        shape = ClassWeights.shape_of(y.shape)
        weights = ClassWeights(class_weight, dtype)
        name = f"class_weight of {y.name}"
        super().__init__(y, name=name, shape=shape, dtype=weights.dtype)
        self._class_weights = weights
        self._scratch = Scratch()

    def read_into(self, indices: Indices, out: Array) -> None:
        shape = (len(indices), *self.source.row_shape)
        with self._scratch.lend(shape, self.source.dtype) as labels:
            self.source.read_into(indices, labels)
            self._class_weights.weights_into(labels, out)


class RunRows(Rows):
    """Class numbers of rows that lie class by class, int32 `(N,)`.

    Args:
        lengths: Rows of each class.
    """

    def __init__(self, lengths: Indices) -> None:
        self.name = "class numbers"
        self.dtype = np.dtype(np.int32)
        self._stops: Indices = np.cumsum(lengths)
        self.shape = (int(self._stops[-1]),)

    def read_into(self, indices: Indices, out: Array) -> None:
        out[...] = np.searchsorted(self._stops, indices, side="right")


class OneHotRows(Rows):
    """Class numbers, served as one-hot float32 rows.

    Args:
        classes: `(N,)` integers in 0 <= class < num_classes, which the caller has ensured, in
            memory or as rows.
        num_classes: Length of a row.
    """

    def __init__(self, classes: NDArray[np.int32] | Rows, num_classes: int) -> None:
        self.name = "one-hot labels"
        self.shape = (len(classes), num_classes)
        self.dtype = np.dtype(np.float32)
        self._classes = classes

    def read_into(self, indices: Indices, out: Array) -> None:
        out[...] = 0
        out[np.arange(len(indices)), self._classes[indices]] = 1


def _classes_by_blocks(y: Rows, indices: Indices | None) -> Iterator[Array]:
    num_rows = len(y) if indices is None else len(indices)
    block_rows = max(1, LABELS_AT_ONCE_BYTES // max(1, y.row_bytes))
    for start in range(0, num_rows, block_rows):
        stop = min(start + block_rows, num_rows)
        rows = np.arange(start, stop) if indices is None else indices[start:stop]
        yield _one_class_per_row(without_column(y.take(rows)), y)


def classes_as_keras(labels: Array) -> Indices:
    """The class of each label, as Keras's `class_weight` reads it from any numbers."""
    labels = without_column(labels)
    if labels.ndim == 2:
        labels = np.argmax(labels, axis=1)
    return _whole(labels)


def _whole(labels: Array) -> Indices:
    return (labels if labels.dtype.kind == "b" else np.round(labels)).astype(np.int64)


def _one_class_per_row(labels: Array, y: Rows) -> Array:
    """The class of each label. Rows are dealt out by it, so raise if it is not certain."""
    if labels.ndim == 2:
        if np.all(are_one_hot(labels)):
            return np.asarray(np.argmax(labels, axis=1))
        raise _no_classes(y, "rows of several values that are not one-hot")
    if labels.ndim > 2:
        raise _no_classes(y, "more than one value per row")
    if labels.dtype.kind == "f" and np.all(np.isfinite(labels) & (np.rint(labels) == labels)):
        return labels
    if labels.dtype.kind not in "iub":
        raise _no_classes(y, "values that are not whole numbers")
    return labels


def without_column(labels: Array) -> Array:
    """Labels `(N, 1)` as `(N,)`; others as they are."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def are_one_hot(labels: Array) -> NDArray[np.bool_]:
    """Which of the labels `(..., num_classes)` hold one 1 and zeros.

    Example:

    >>> are_one_hot(np.array([[0, 1, 0], [1, 1, 0], [0, 0, 2]])).tolist()
    [True, False, False]
    """
    is_one_hot: NDArray[np.bool_] = (np.count_nonzero(labels, axis=-1) == 1) & (
        labels.max(axis=-1) == 1
    )
    return is_one_hot


def _no_classes(y: Rows, fault: str) -> ValueError:
    return ValueError(
        "stratify=True needs one class per row: whole numbers (N,) or (N, 1), or one-hot rows. "
        f"Received: {fault} in {y.name}, {y.dtype} {y.shape}. "
        "Use stratify=False, or choose the rows with subset."
    )


def _class_of_each_pixel(mask: Array) -> Array:
    """A mask without a last axis of one value; raise if its last axis is one of classes."""
    if mask.shape[-1] == 1:
        return mask[..., 0]
    # Of a mask of class numbers not every line of every sample is one-hot.
    if np.all(are_one_hot(mask)):
        raise ValueError(
            "class_weight takes masks of class numbers, (N, H, W) or (N, H, W, 1). "
            f"Received: one-hot masks, {mask.dtype} (b, {str(mask.shape[1:])[1:]}. Turn them into "
            "class numbers, with seq.map(lambda x, y: (x, y.argmax(-1))) and a sparse loss."
        )
    return mask


def _checked_class_weight(class_weight: Any) -> dict[int, float]:
    """The weights by class number; raise for what Keras could not look up in arrays."""
    remedy = "Use the integers that y holds as keys."
    if isinstance(class_weight, list | tuple | np.ndarray):
        remedy = "Pass dict(enumerate(class_weight)), whose keys are the integers that y holds."
    try:
        # A Series of pandas has them too.
        return {_class_number(key): _weight(value) for key, value in class_weight.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        received = " ".join(str(class_weight).split())[:100]
        raise ValueError(
            "class_weight must be a dict of class number to finite weight. "
            f"Received: {received}. {remedy}"
        ) from error


def _class_number(key: Any) -> int:
    """Whatever equals an integer: Keras finds 1.0 where a label is 1."""
    number = int(key)
    if not number == key or not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _weight(value: Any) -> float:
    weight = float(value)
    if not math.isfinite(weight):
        raise ValueError
    return weight
