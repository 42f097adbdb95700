"""How Keras encodes the labels of files: `label_mode`."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.rows.labels import OneHotRows
from keras_npy.rows.sources import Source

LabelMode: TypeAlias = Literal["int", "categorical", "binary"] | None

LABEL_MODES = ("int", "categorical", "binary")


def encode_labels(labels: NDArray[np.int32] | Rows, num_classes: int, mode: LabelMode) -> Source:
    """Class numbers from 0 as `label_mode` says.

    Returns:
        `"int"`: int32 `(N,)`. `"binary"`: float32 `(N, 1)`, 0 or 1. `"categorical"`: float32
        `(N, num_classes)`, one-hot rows that are made when they are read.
    """
    if mode == "categorical":
        return OneHotRows(labels, num_classes)
    if mode == "binary":
        return np.asarray(labels).astype(np.float32)[:, np.newaxis]
    return labels


def check_num_classes(label_mode: LabelMode, class_names: list[str]) -> None:
    """Raise `ValueError` if a binary label would have to tell more or fewer than two classes."""
    if label_mode == "binary" and len(class_names) != 2:
        raise ValueError(
            "label_mode='binary' needs exactly 2 classes. "
            f"Received: {len(class_names)} classes, {class_names!r:.100}. "
            "Use label_mode='int' or 'categorical', or choose two with class_names."
        )


def check_label_mode(label_mode: object) -> None:
    """Raise `ValueError` for a `label_mode` that Keras does not have."""
    if label_mode is not None and label_mode not in LABEL_MODES:
        raise ValueError(
            "label_mode must be 'int', 'categorical', 'binary' or None. "
            f"Received: label_mode={label_mode!r:.100}. Use 'int' for integer labels."
        )
