"""Refuse weights of pixels, or of steps, that the loss would not get for each."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_npy.boundary.class_weight import shown_weights
from keras_npy.boundary.losses import found_loss, has_loss, is_sparse, loses_last_axis
from keras_npy.boundary.models import output_shapes
from keras_npy.rows.labels import ClassWeights
from keras_npy.sequence import NpySequence


def check_pixel_weights(
    seq: NpySequence, model: Any, class_weight: Mapping[int, float] | None
) -> None:
    """Raise if the loss of masks `(b, H, W)` with weights `(b, H, W)` is a mean over columns.

    Its values `(b, H)` are multiplied by these: an error of the backend's in the first batch, and
    none where the sizes are equal by chance, such as 32 images of 32 x 32 (Keras 3.15).

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
    if not loses_last_axis(found_loss(losses[0], y, shape)):
        return
    argument = "class_weight" if class_weight else "sample_weight"
    weights = "" if class_weight else ", sample_weight"
    remedy = f"seq.map(lambda x, y{weights}: (x, y[..., None]{weights}))"
    if tuple(shape[1:]) == pixels:
        remedy += f", and end the model with keras.layers.Reshape({(*pixels, 1)})"
    raise ValueError(
        "Weights of pixels need a loss for each pixel, which masks with a last axis of 1 have. "
        f"Received: {argument} for masks {_with_batch(pixels)} and outputs "
        f"{_with_batch(shape[1:])}, whose loss is a mean over the last axis. Pass masks "
        f"{_with_batch((*pixels, 1))}: {remedy}."
    )


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
        weights = ClassWeights(class_weight, np.dtype(np.float64))
        table = shown_weights(weights, shape[-1] or 1)
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
