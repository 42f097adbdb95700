"""`class_weight` as rows of sample weights, looked up as the labels are read."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.types import Array


class ClassWeightRows(Rows):
    """One weight per sample: that of its class, 1 for a class that is not named.

    Classes are read from `y` as Keras reads them from arrays: integers `(N,)` or `(N, 1)`,
    floats rounded, and rows of more than one value by their largest (one-hot).

    Args:
        y: Labels, `(N,)`, `(N, 1)` or `(N, num_classes)`.
        class_weight: Weight of each class number.
        dtype: dtype of the weights.

    Raises:
        ValueError: If a label has more than one axis, or a class is no integer.
    """

    def __init__(self, y: Rows, class_weight: Mapping[int, float], dtype: np.dtype[Any]) -> None:
        if len(y.row_shape) > 1:
            raise ValueError(
                "class_weight needs one class per sample: y of shape (N,), (N, 1) or "
                f"(N, num_classes). Received: {y.name} of shape {y.shape}. "
                "Pass sample_weight= to NpySequence instead."
            )
        _check_class_weight(class_weight)
        self.name = f"class_weight of {y.name}"
        self.shape = (len(y),)
        self.dtype = dtype
        self._y = y
        classes = sorted(class_weight)
        self._classes = np.array(classes, np.int64)
        self._weights = np.array([class_weight[key] for key in classes], dtype)

    def take(self, indices: NDArray[np.int64], out: Array | None = None) -> Array:
        labels = self._y.take(indices)
        if labels.ndim == 2:
            labels = labels[:, 0] if labels.shape[1] == 1 else np.argmax(labels, axis=1)
        if labels.dtype.kind != "b":
            labels = np.round(labels)
        labels = labels.astype(np.int64)
        if out is None:
            out = np.empty(len(indices), self.dtype)
        out[...] = 1
        if self._classes.size:
            nearest = np.searchsorted(self._classes, labels).clip(max=self._classes.size - 1)
            named = self._classes[nearest] == labels
            out[named] = self._weights[nearest[named]]
        return out

    def check_unchanged(self, indices: NDArray[np.int64] | None = None) -> None:
        self._y.check_unchanged(indices)

    def advise(self, indices: NDArray[np.int64]) -> None:
        self._y.advise(indices)


def _check_class_weight(class_weight: object) -> None:
    if not isinstance(class_weight, Mapping) or not all(
        isinstance(key, int | np.integer)
        and -(2**63) <= key < 2**63
        and isinstance(weight, int | float | np.integer | np.floating)
        and math.isfinite(weight)
        for key, weight in class_weight.items()
    ):
        raise ValueError(
            "class_weight must be a dict of class number to finite weight. "
            f"Received: {str(class_weight)[:100]}. Use the integers that y holds as keys."
        )
