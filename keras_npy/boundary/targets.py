"""Warn of targets that a loss cannot take: no probabilities, or no classes of the model."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_npy.errors import warn_once_of
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.sequence import NpySequence, has_map

# Bytes of targets to look at, and at most a batch.
LOOKED_AT_BYTES = 4 << 20

# How far outside of [0, 1] floats may lie: smoothing and resizing round.
ROUNDED = 0.01

# Losses whose targets are probabilities: their class, and their function.
_LOSSES = (
    (keras.losses.BinaryCrossentropy, keras.losses.binary_crossentropy),
    (keras.losses.BinaryFocalCrossentropy, keras.losses.binary_focal_crossentropy),
    (keras.losses.CategoricalCrossentropy, keras.losses.categorical_crossentropy),
    (keras.losses.CategoricalFocalCrossentropy, keras.losses.categorical_focal_crossentropy),
    (keras.losses.Dice, keras.losses.dice),
    (keras.losses.Tversky, keras.losses.tversky),
)
_SPARSE = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
)


def warn_of_targets(seq: NpySequence, model: Any) -> None:
    """Warn if targets of the first batch lie where the loss cannot take them.

    Outside of [0, 1] a loss of probabilities becomes negative without a word: -278 for masks of 0
    and 255 (Keras 3.15). Of class numbers that the model does not have, JAX learns nothing, and
    says nothing (jax 0.10). What a function of `map` makes of targets is not looked at.
    """
    if has_map(seq):
        return
    for loss, rows in _pairs(getattr(model, "loss", None), seq.y):
        if rows.dtype.kind not in "iuf":
            continue
        loss = _found(loss)
        name = _probability_loss(loss)
        if name is not None:
            _warn_of_no_probabilities(name, rows, seq.batch_size)
        elif _is_any(loss, *_SPARSE):
            _warn_of_no_classes(loss, rows, seq.batch_size, model)


def _warn_of_no_probabilities(name: str, rows: Rows, batch_size: int) -> None:
    first = _first(rows, batch_size)
    low, high = first.min(), first.max()
    if low < -ROUNDED or high > 1 + ROUNDED:
        warn_once_of(
            _source_of(rows),
            f"targets of {name}",
            f"{rows.name}: {name} takes targets from 0 to 1. Received: {rows.dtype} from "
            f"{low} to {high} in the first {len(first)} rows. Pass seq.map(lambda x, y: "
            "(x, y / 255)) for masks of 0 to 255, or (x, y > 0) for targets of 0 and 1; make "
            "class numbers one-hot, or take a loss for sparse ones.",
        )


def _warn_of_no_classes(loss: Any, rows: Rows, batch_size: int, model: Any) -> None:
    num_classes = _num_classes(model)
    # Keras 3.16 keeps neither as an attribute. A function has no settings.
    settings = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    if num_classes is None or settings.get("axis", -1) != -1:
        return
    first = _first(rows, batch_size)
    classes = first[first != settings.get("ignore_class")]
    if not classes.size:
        return
    low, high = classes.min(), classes.max()
    if low < 0 or high >= num_classes:
        warn_once_of(
            _source_of(rows),
            "targets of sparse_categorical_crossentropy",
            f"{rows.name}: class numbers count from 0, and the model has an output for each. "
            f"Received: numbers from {low} to {high} in the first {len(first)} rows, for "
            f"{num_classes} outputs. If they count from 1, pass seq.map(lambda x, y: (x, y - 1)); "
            "otherwise give the last layer more units, or the loss ignore_class=.",
        )


def _source_of(rows: Rows) -> Rows:
    """What is open as long as the data are: a sequence chooses the rows of a part each time."""
    return _source_of(rows.source) if isinstance(rows, ChosenRows) else rows


def _first(rows: Rows, batch_size: int) -> Any:
    return rows[: min(batch_size, len(rows), max(1, LOOKED_AT_BYTES // rows.row_bytes))]


def _num_classes(model: Any) -> int | None:
    """The number of classes of a model of one output whose shape is known."""
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):
        # A model of the user's own class has none before it is built.
        return None
    is_one = isinstance(shape, tuple) and len(shape) > 1 and isinstance(shape[-1], int)
    return shape[-1] if is_one else None


def _pairs(losses: Any, y: Any) -> Iterator[tuple[Any, Rows]]:
    """Each loss with its targets, where that is certain."""
    if isinstance(losses, dict) and isinstance(y, dict):
        for key in losses.keys() & y.keys():
            yield from _pairs(losses[key], y[key])
    elif isinstance(losses, list | tuple) and isinstance(y, tuple):
        if len(losses) == len(y):
            for loss, rows in zip(losses, y, strict=True):
                yield from _pairs(loss, rows)
    elif losses is not None and isinstance(y, Rows):
        yield losses, y


def _found(loss: Any) -> Any:
    """The loss itself, if it is spelled; `None` if Keras does not know it, and says so."""
    try:
        return keras.losses.get(loss)
    except ValueError:
        return None


def _probability_loss(loss: Any) -> str | None:
    """The name of a loss whose targets are probabilities, or `None`."""
    names = (str(one[1].__name__) for one in _LOSSES if _is_any(loss, *one))
    return next(names, None)


def _is_any(loss: Any, kind: Any, function: Any) -> bool:
    return isinstance(loss, kind) or loss is function
