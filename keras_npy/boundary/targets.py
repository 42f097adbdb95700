"""Warn of targets that a loss takes for probabilities, although they are larger than 1."""

from collections.abc import Iterator
from typing import Any

import keras

from keras_npy.errors import warn_once
from keras_npy.rows.base import Rows
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
)


def warn_of_targets(seq: NpySequence, model: Any) -> None:
    """Warn if targets of the first batch lie outside of [0, 1] where a loss needs it.

    Such a loss becomes negative without a word: -278 for masks of 0 and 255 (Keras 3.15). What a
    function of `map` makes of targets is not looked at.
    """
    if has_map(seq):
        return
    for loss, rows in _pairs(getattr(model, "loss", None), seq.y):
        name = _probability_loss(loss)
        if name is None or rows.dtype.kind not in "iuf":
            continue
        num_rows = min(seq.batch_size, len(rows), max(1, LOOKED_AT_BYTES // rows.row_bytes))
        first = rows[:num_rows]
        low, high = first.min(), first.max()
        if low < -ROUNDED or high > 1 + ROUNDED:
            warn_once(
                f"targets of {name}",
                f"{rows.name}: {name} takes targets from 0 to 1. Received: {rows.dtype} from "
                f"{low:g} to {high:g} in the first {num_rows} rows. Pass seq.map(lambda x, y: "
                "(x, y > 0)) for targets of 0 and 1; class numbers need a sparse loss.",
            )


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


def _probability_loss(loss: Any) -> str | None:
    """The name of a loss whose targets are probabilities, or `None`."""
    try:
        loss = keras.losses.get(loss)
    except ValueError:
        # Keras itself refuses it, with its own words.
        return None
    for kind, function in _LOSSES:
        if isinstance(loss, kind) or loss is function:
            return str(function.__name__)
    return None
