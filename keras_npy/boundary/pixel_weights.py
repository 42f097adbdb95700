"""Refuse weights of pixels, or of steps, that the loss would not get for each."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_npy.boundary.class_weight import shown_weights
from keras_npy.boundary.losses import (
    axis_of_classes,
    found_loss,
    has_loss,
    is_sparse,
    loses_last_axis,
)
from keras_npy.boundary.models import output_shapes
from keras_npy.boundary.targets import look_at, mapped_targets
from keras_npy.rows.base import Rows
from keras_npy.rows.labels import ClassWeights, are_one_hot
from keras_npy.sequence import NpySequence, has_map

_FLOAT = np.dtype(np.float64)


def check_pixel_weights(
    seq: NpySequence, model: Any, class_weight: Mapping[int, float] | None
) -> None:
    """Raise if the loss of masks `(b, H, W)` with weights `(b, H, W)` is a mean over columns.

    Its values `(b, H)` are multiplied by these: an error of the backend's in the first batch, and
    none where the sizes are equal by chance, such as 32 images of 32 x 32 (Keras 3.15). One-hot
    masks `(b, H, W, C)` have weights `(b, H, W)`: with a last axis of 1, a categorical loss is 0.

    Raises:
        ValueError: If it is certain.
    """
    y = seq.y_spec
    losses = keras.tree.flatten(getattr(model, "loss", None))
    if not isinstance(y, keras.InputSpec) or len(losses) != 1:
        return
    if len(y.shape) == 2 and class_weight:
        _check_steps(seq, model, losses[0], class_weight)
    if len(y.shape) < 3:
        return
    pixels = tuple(y.shape[1:])
    weighs_pixels = pixels[-1] != 1 and _weight_shape(seq, class_weight) == pixels
    shape = output_shapes(model, seq) if weighs_pixels else None
    if not isinstance(shape, tuple) or tuple(shape[1:]) not in (pixels, (*pixels, 1)):
        return
    loss = found_loss(losses[0], y, shape)
    axis = axis_of_classes(loss)
    if axis is None and not loses_last_axis(loss):
        return
    are_alike = tuple(shape[1:]) == pixels
    if are_alike and axis is not None:
        raise _of_one_hot(pixels, axis, class_weight)
    or_classes = ""
    if are_alike and class_weight and _is_one_hot(seq):
        # A mask of one 1 in each line is one-hot as well, and has the classes 0 and 1.
        if pixels[-1] == 2 or not set(ClassWeights(class_weight, _FLOAT).classes) <= {0, 1}:
            raise _of_one_hot(pixels, -1, class_weight)
        or_classes = (
            " If the last axis holds classes, leave class_weight out: "
            f"{_by_class(pixels, -1, class_weight)}."
        )
    argument = "class_weight" if class_weight else "sample_weight"
    weights = "" if class_weight else ", sample_weight"
    remedy = f"seq.map(lambda x, y{weights}: (x, y[..., None]{weights}))"
    if tuple(shape[1:]) == pixels:
        remedy += f", and end the model with keras.layers.Reshape({(*pixels, 1)})"
    raise ValueError(
        "Weights of pixels need a loss for each pixel, which masks with a last axis of 1 have. "
        f"Received: {argument} for masks {_with_batch(pixels)} and outputs "
        f"{_with_batch(shape[1:])}, whose loss is a mean over the last axis. Pass masks "
        f"{_with_batch((*pixels, 1))}: {remedy}.{or_classes}"
    )


def _is_one_hot(seq: NpySequence) -> bool:
    leaf = mapped_targets(seq) if has_map(seq) else seq.y
    return isinstance(leaf, Rows | np.ndarray) and bool(np.all(are_one_hot(look_at(leaf))))


def _of_one_hot(
    pixels: tuple[int, ...], axis: int, class_weight: Mapping[int, float] | None
) -> ValueError:
    each = "step" if len(pixels) == 2 else "pixel"
    if class_weight:
        argument = "class_weight"
        remedy = (
            f"Leave class_weight out and weigh each {each} as its class: "
            f"{_by_class(pixels, axis, class_weight)}, in the order of the class numbers."
        )
    else:
        argument = "sample_weight"
        remedy = (
            f"Pass the weight of the class that each {each} has: seq.map(lambda x, y, "
            f"sample_weight: (x, y, (sample_weight * y).sum({axis})))."
        )
    return ValueError(
        f"A loss with one value for each {each} takes one weight for each {each}, and none for "
        f"each class. Received: {argument} for one-hot labels {_with_batch(pixels)} and outputs "
        f"of that shape. {remedy}"
    )


def _by_class(pixels: tuple[int, ...], axis: int, class_weight: Mapping[int, float]) -> str:
    # Behind the axis of the rows.
    num_classes = pixels[axis - 1 if axis > 0 else axis]
    table = shown_weights(ClassWeights(class_weight, _FLOAT), num_classes)
    return f"seq.map(lambda x, y: (x, y, {table}[y.argmax({axis})]))"


def _check_steps(
    seq: NpySequence, model: Any, loss: Any, class_weight: Mapping[int, float]
) -> None:
    """Raise for class_weight with a class number for each step: it is read as one-hot, as by Keras.

    The weights `(b,)` then do not fit the loss `(b, T)`, unless b equals T by chance (Keras 3.15).
    """
    y = seq.y_spec
    # To find the shapes may take a second.
    has_steps = y.shape[1] != 1 and has_loss(model, is_sparse)
    shape = output_shapes(model, seq) if has_steps else None
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[1] != y.shape[1]:
        return
    if is_sparse(found_loss(loss, y, shape)):
        table = shown_weights(ClassWeights(class_weight, _FLOAT), shape[-1] or 1)
        raise ValueError(
            "class_weight takes one label for each row, or a mask (b, H, W). Received: labels of "
            f"{y.shape[1]} steps {_with_batch(y.shape[1:])}. Leave class_weight out and give a "
            f"weight for each step: seq.map(lambda x, y: (x, y, {table}[y.astype(int)])), in the "
            "order of the class numbers."
        )


def _weight_shape(
    seq: NpySequence, class_weight: Mapping[int, float] | None
) -> tuple[int, ...] | None:
    """The shape of the weights of a row, if there are any of one output."""
    if class_weight:
        return ClassWeights.shape_of(seq.y_spec.shape)[1:]
    weights = seq.sample_weight_spec
    return tuple(weights.shape[1:]) if isinstance(weights, keras.InputSpec) else None


def _with_batch(shape: tuple[int | None, ...]) -> str:
    return f"(b, {', '.join(map(str, shape))})"
