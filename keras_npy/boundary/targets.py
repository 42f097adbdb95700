"""Warn of targets that a loss cannot take: no probabilities, or no classes of the model."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_npy.boundary.losses import (
    found_loss,
    has_loss,
    is_of_outputs,
    is_one_hot,
    is_sparse,
    pair_losses,
    probability_loss,
)
from keras_npy.boundary.models import is_built, output_shapes, settings_of
from keras_npy.boundary.remedies import (
    Classes,
    Targets,
    pass_map,
    remedy_of_classes,
    remedy_of_infinity,
    remedy_of_no_numbers,
    remedy_of_probabilities,
)
from keras_npy.errors import warn_once_of
from keras_npy.order.position import Position
from keras_npy.rows.chosen import base_of
from keras_npy.rows.spread import is_cheap, read_spread
from keras_npy.sequence import NpySequence, batches_of, has_map, map_of
from keras_npy.types import Array

# How far outside of [0, 1] floats may lie: smoothing and resizing round.
ROUNDED = 0.01


def warn_of_targets(seq: NpySequence, model: Any) -> None:
    """Warn if targets lie where the loss cannot take them.

    Outside of [0, 1] a loss of probabilities becomes negative without a word: -278 for masks of 0
    and 255 (Keras 3.15). Of class numbers that the model does not have, JAX learns nothing, and
    says nothing (jax 0.10). All targets are looked at if that is cheap, and otherwise rows from all
    over, in about 10 ms; of what a function of `map` makes, the first batch.
    """
    if not has_loss(model, _is_looked_at):
        return
    y = mapped_targets(seq) if has_map(seq) else seq.y
    for loss, leaf, path, shape in pair_losses(seq, model, y):
        if leaf.dtype.kind not in "iuf":
            continue
        targets = Targets(leaf, path, y, seq.sample_weight_spec is not None)
        loss = found_loss(loss, leaf, shape)
        name = probability_loss(loss)
        if name is not None:
            _warn_of_no_probabilities(name, targets, seq, model)
        elif is_sparse(loss):
            _warn_of_no_classes(loss, targets, seq, shape)
        elif is_one_hot(loss):
            _warn_of_no_one_hot(targets, seq, shape)


# Sequences, and the models that evaluated them, each with the loss that it had.
_EVALUATED: "weakref.WeakKeyDictionary[NpySequence, weakref.WeakKeyDictionary[Any, int]]"
_EVALUATED = weakref.WeakKeyDictionary()


def warn_of_targets_once(seq: NpySequence, model: Any) -> None:
    """As `warn_of_targets`, once for a model: a callback may evaluate it after each epoch."""
    models = _EVALUATED.setdefault(seq, weakref.WeakKeyDictionary())
    loss = getattr(model, "loss", None)
    if models.get(model) != id(loss):
        warn_of_targets(seq, model)
        # What its outputs say is known only when it is built.
        if not will_be_built(model):
            models[model] = id(loss)


def check_has_targets(seq: NpySequence, model: Any, method: str) -> None:
    """Raise if a loss would get no targets: backends refuse `None` without saying what it is.

    Raises:
        ValueError: If Keras's own step hands them to the loss.
    """
    if seq.y_spec is not None or not gives_targets_to_loss(model):
        return
    where, remedy = "without y", "Pass y= to NpySequence"
    if has_map(seq):
        where, remedy = "whose map returns only x", "Return (x, y) from the function of map"
    raise ValueError(
        f"{method} hands targets to the loss of the model. Received: a sequence {where}. "
        f"{remedy}, or seq.map(lambda x: (x, x)) where the inputs are the targets."
    )


def gives_targets_to_loss(model: Any) -> bool:
    """Whether Keras's own step, and none of the user's, hands targets to a loss."""
    steps = (type(model), "train_step"), (type(model), "test_step"), (type(model), "compute_loss")
    are_of_keras = all(
        str(getattr(getattr(*step, None), "__module__", "")).startswith("keras.") for step in steps
    )
    losses = keras.tree.flatten(getattr(model, "loss", None))
    return are_of_keras and any(loss is not None for loss in losses)


def look_when_built(
    seq: NpySequence, model: Any, weigh: Callable[[Any], None] | None = None
) -> Callable[[], None] | None:
    """What looks at the targets of a model once more, when it is built and its outputs are known.

    `None` if they are known now, or do not matter. Keras asks for a batch to build a model with,
    before the first epoch (Keras 3.15).

    Args:
        seq: The sequence.
        model: The model that `fit` trains.
        weigh: What else is looked at in the model.
    """
    if not will_be_built(model):
        return None
    # By their names, several losses find their targets.
    is_one = not isinstance(getattr(model, "loss", None), dict | list | tuple)
    if weigh is None and is_one and not has_loss(model, is_of_outputs):
        return None
    left = [model]

    def look() -> None:
        if left and is_built(left[0]):
            built = left.pop()
            warn_of_targets(seq, built)
            if weigh is not None:
                weigh(built)

    return look


def will_be_built(model: Any) -> bool:
    """Whether a model gets its weights, and shapes of its outputs, only from its first batch."""
    return isinstance(model, keras.Model) and not is_built(model)


def _is_looked_at(loss: Any) -> bool:
    """Whether the targets of a loss matter: to map a batch takes time."""
    return probability_loss(loss) is not None or is_of_outputs(loss)


def mapped_targets(seq: NpySequence) -> Any:
    """The targets of the first batch that `fit` would train on if it began now and shuffled."""
    if seq.y_spec is None:
        return None
    batches = batches_of(seq, shuffle=True, is_training=True)
    try:
        # Neither counts a pass nor changes the numbers that the function draws later.
        _, y, _ = keras.utils.unpack_x_y_sample_weight(batches.take_one(Position(seq.epoch)))
    except Exception:
        # Whatever it is, the feed raises it as it says where, if it meets this batch at all.
        return None
    return y


def _warn_of_no_probabilities(name: str, targets: Targets, seq: NpySequence, model: Any) -> None:
    looked_at = look_at(targets.leaf)
    low, high = looked_at.min(), looked_at.max()
    if np.isfinite(low) and np.isfinite(high):
        numbers = looked_at
    else:
        numbers = looked_at[np.isfinite(looked_at)]
        # NaN makes the loss NaN, as anyone sees.
        _warn_of_infinity(name, looked_at, targets, seq)
    if not numbers.size:
        return
    low, high = numbers.min(), numbers.max()
    if low < -ROUNDED or high > 1 + ROUNDED:
        are_all = not targets.is_mapped and len(looked_at) == len(targets.leaf)
        # To find the shape may take a second, so that it waits until there is something to say.
        shape = output_shapes(model, seq)
        shape = shape if isinstance(shape, tuple) and not targets.path else None
        _warn(
            seq,
            targets,
            f"targets of {name}",
            f"{targets.name}: {name} takes targets from 0 to 1. Received: {looked_at.dtype} from "
            f"{low} to {high} in {which_rows(looked_at, targets.leaf)}. "
            f"{remedy_of_probabilities(targets, numbers, shape, are_all=are_all)}",
        )


def _warn_of_infinity(name: str, looked_at: Array, targets: Targets, seq: NpySequence) -> None:
    num_infinite = np.count_nonzero(np.isinf(looked_at))
    if num_infinite:
        _warn(
            seq,
            targets,
            f"infinity, {name}",
            f"{targets.name}: {name} takes targets from 0 to 1. Received: {num_infinite} infinite "
            f"values in {which_rows(looked_at, targets.leaf)}. {remedy_of_infinity(targets)}",
        )


def _warn_of_no_classes(
    loss: Any, targets: Targets, seq: NpySequence, shape: Sequence[int | None] | None
) -> None:
    settings = settings_of(loss)
    num_classes = number_of_classes(shape, settings.get("axis", -1))
    looked_at = look_at(targets.leaf)
    if _are_classes(looked_at, num_classes, settings.get("ignore_class")):
        return
    is_number = np.isfinite(looked_at)
    if not is_number.all():
        _warn_of_no_numbers(looked_at[~is_number], looked_at, targets, seq)
    classes = looked_at[is_number & (looked_at != settings.get("ignore_class"))]
    fractions = classes[classes % 1 != 0] if classes.dtype.kind == "f" else classes[:0]
    if fractions.size:
        _warn_of_fractions(fractions[0], looked_at, targets, seq)
    elif num_classes is not None and classes.size:
        beyond = np.unique(classes[(classes < 0) | (classes >= num_classes)])
        if beyond.size:
            is_right = np.isin(looked_at, beyond, invert=True).reshape(len(looked_at), -1)
            found = Classes(
                classes.min(),
                classes.max(),
                beyond,
                num_classes,
                numbers=np.unique(classes),
                is_any_row_right=bool(is_right.all(axis=1).any()),
            )
            _warn(
                seq,
                targets,
                f"targets of sparse_categorical_crossentropy, {num_classes}",
                f"{targets.name}: class numbers count from 0, and the model has an output for "
                f"each. Received: numbers from {found.low} to {found.high} in "
                f"{which_rows(looked_at, targets.leaf)}, for {num_classes} outputs. "
                f"{remedy_of_classes(targets, found, settings)}",
            )


def _are_classes(labels: Array, num_classes: int | None, ignored: Any) -> bool:
    """Whether all of them are class numbers: a quick look, since most are right."""
    if labels.dtype.kind == "f" and not np.all(labels == np.rint(labels)):
        return False
    if num_classes is None:
        return bool(labels.dtype.kind != "f" or np.isfinite(labels).all())
    are_beyond = labels >= num_classes
    if labels.dtype.kind != "u":
        are_beyond |= labels < 0
    if ignored is not None and are_beyond.any():
        are_beyond &= labels != ignored
    return not are_beyond.any()


def number_of_classes(shape: Sequence[int | None] | None, axis: int) -> int | None:
    """Outputs along an axis, which Keras counts from the end or from the batch."""
    is_axis = shape is not None and len(shape) > 1 and -len(shape) <= axis < len(shape)
    return shape[axis] if shape is not None and is_axis else None


def _warn_of_fractions(
    fraction: float, looked_at: Array, targets: Targets, seq: NpySequence
) -> None:
    _warn(
        seq,
        targets,
        "fractions",
        f"{targets.name}: sparse_categorical_crossentropy takes whole class numbers, and cuts "
        f"others. Received: {fraction} in {which_rows(looked_at, targets.leaf)}. Take a loss of "
        "values, such as mean_squared_error; if they are class numbers that were computed, "
        f"{pass_map(targets, '{y}.round()')}.",
    )


def _warn_of_no_numbers(found: Array, looked_at: Array, targets: Targets, seq: NpySequence) -> None:
    """On JAX, NaN is some class number, and the loss is finite (jax 0.10)."""
    _warn(
        seq,
        targets,
        "NaN",
        f"{targets.name}: sparse_categorical_crossentropy takes whole class numbers. Received: "
        f"{len(found)} values such as {found[0]} in {which_rows(looked_at, targets.leaf)}. "
        f"{remedy_of_no_numbers(targets)}",
    )


def _warn_of_no_one_hot(
    targets: Targets, seq: NpySequence, shape: Sequence[int | None] | None
) -> None:
    received = targets.leaf.shape
    num_classes = number_of_classes(shape, -1)
    is_broadcast = shape is not None and len(received) == len(shape) and received[-1] == 1
    if num_classes is not None and num_classes > 1 and is_broadcast:
        one_hot = f"np.eye({num_classes}, dtype='float32')[{{y}}[..., 0].astype('int32')]"
        _warn(
            seq,
            targets,
            f"targets of categorical_hinge, {num_classes}",
            f"{targets.name}: categorical_hinge takes a value for each output. Received: "
            f"{targets.leaf.dtype} {received} for {num_classes} outputs, which all get the same. "
            f"If they are class numbers from 0, {pass_map(targets, one_hot)}.",
        )


def _warn(seq: NpySequence, targets: Targets, kind: str, message: str) -> None:
    """Warn once of each source, or of each function of `map`."""
    # A sequence chooses the rows of a part anew each time.
    warn_once_of(map_of(seq) or base_of(targets.leaf), kind, message)


def look_at(rows: Any) -> Array:
    """All targets if that is cheap, or some from all over."""
    if isinstance(rows, np.ndarray):
        return rows
    looked_at: Array = rows[:] if is_cheap(rows) else read_spread(rows)
    return looked_at


def which_rows(looked_at: Array, leaf: Any) -> str:
    """What a message calls the rows that were looked at."""
    if isinstance(leaf, np.ndarray):
        return f"a batch of {len(looked_at)} rows"
    num_rows = len(leaf)
    if len(looked_at) == num_rows:
        return f"all {num_rows} rows"
    return f"{len(looked_at)} of {num_rows} rows, from all over"
