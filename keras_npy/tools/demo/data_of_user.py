"""The images and class numbers that a user gives the demo, checked without Keras."""

import os

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.cast import cast
from keras_npy.rows.pairs import check_pairs
from keras_npy.rows.walk import walk
from keras_npy.tools.source import open_source

CLASSES_MAX = 10_000

# What the demo writes to its folder.
WRITTEN = ("model.keras", "served", "served_predictions.npy")


def open_images(x: str, y: str) -> tuple[Rows, Rows]:
    """The images, and their class numbers as integers.

    Args:
        x: Images, as a source is spelled.
        y: Their class numbers; floats that are whole are numbers too.

    Raises:
        ValueError: If they cannot be used.
    """
    images, labels = open_source(x), open_source(y)
    _check_images(images)
    if labels.row_shape not in ((), (1,)) or labels.dtype.kind == "c":
        raise ValueError(
            f"{y}: class numbers must be numbers of shape (N,). "
            f"Received: {labels.dtype} {labels.shape}. Save one class number for each image."
        )
    if len(images) < 10:
        raise ValueError(
            f"{x}: the demo needs ten images, to keep one of them for the test. "
            f"Received: {len(images)}. Pass a larger file."
        )
    check_pairs([images, labels], check_names=False)
    if labels.dtype.kind not in "biu":
        labels = cast(labels, "int64", may_round=False)
    _check_range(labels)
    return images, labels


def check_out(out: str | None) -> None:
    """Raise unless the demo can write to a folder, and would replace nothing there."""
    if out is None:
        return
    # TensorFlow finds a SavedModel's variables with a glob over the whole path (TensorFlow 2.21).
    if set(out) & set("*?[]"):
        raise ValueError(
            f"{out}: a SavedModel needs a path without any of *?[], which TensorFlow reads as a "
            f"pattern. Received: --out {out}. Name another folder."
        )
    for name in WRITTEN:
        path = os.path.join(out, name)
        if os.path.lexists(path):
            raise FileExistsError(
                f"{path}: the demo replaces no file. Received: --out {out}, where an earlier one "
                "wrote this. Name another folder, or delete it."
            )


def _check_images(images: Rows) -> None:
    if len(images.row_shape) not in (2, 3) or images.dtype.kind == "c":
        raise ValueError(
            f"{images.name}: images must be real, of shape (N, H, W) or (N, H, W, C). "
            f"Received: {images.dtype} {images.shape}. Reshape them before np.save."
        )


def _check_range(labels: Rows) -> None:
    for indices, block in walk(labels, title="classes"):
        numbers = block.reshape(-1)
        wrong = np.flatnonzero((numbers < 0) | (numbers >= CLASSES_MAX))
        if labels.dtype.kind != "b" and len(wrong):
            at = int(wrong[0])
            raise ValueError(
                f"{labels.locate_among_all(int(indices[at]))}: class numbers must lie in "
                f"0 <= class < {CLASSES_MAX}. Received: {numbers[at]}. Number the classes from 0."
            )
