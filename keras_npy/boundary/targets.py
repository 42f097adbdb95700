"""Warn of targets that a loss cannot take: no probabilities, or no classes of the model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_npy.boundary.models import is_built, output_shapes, settings_of
from keras_npy.boundary.remedies import (
    Classes,
    Targets,
    batch_with,
    pass_map,
    remedy_of_classes,
    sentence,
)
from keras_npy.errors import warn_once_of
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.labels import ClassWeights
from keras_npy.sequence import NpySequence, batches_of, has_map, map_of
from keras_npy.types import Array

# Bytes of targets to look at: all of them, in up to 20 ms, or as many as there are of a batch.
LOOKED_AT_BYTES = 4 << 20
# Files that may be opened for that.
FILES_LOOKED_AT = 64

# How far outside of [0, 1] floats may lie: smoothing and resizing round.
ROUNDED = 0.01

# Losses whose targets are probabilities: their class, and their function.
_LOSSES = (
    (keras.losses.BinaryCrossentropy, keras.losses.binary_crossentropy),
    (keras.losses.BinaryFocalCrossentropy, keras.losses.binary_focal_crossentropy),
    (keras.losses.CategoricalCrossentropy, keras.losses.categorical_crossentropy),
    (keras.losses.CategoricalFocalCrossentropy, keras.losses.categorical_focal_crossentropy),
    (keras.losses.KLDivergence, keras.losses.kl_divergence),
    (keras.losses.Dice, keras.losses.dice),
    (keras.losses.Tversky, keras.losses.tversky),
)
_SPARSE = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_ONE_HOT = (keras.losses.CategoricalHinge, keras.losses.categorical_hinge)


class Output(NamedTuple):
    """A loss with what it compares."""

    loss: Any
    leaf: Any
    """Targets: `Rows`, or the array of a batch."""
    path: tuple[Any, ...]
    """Keys and numbers that lead to them in `y`."""
    shape: Sequence[int | None] | None
    """The shape of the predictions, if it is known."""


def warn_of_targets(seq: NpySequence, model: Any) -> None:
    """Warn if targets lie where the loss cannot take them.

    Outside of [0, 1] a loss of probabilities becomes negative without a word: -278 for masks of 0
    and 255 (Keras 3.15). Of class numbers that the model does not have, JAX learns nothing, and
    says nothing (jax 0.10). All targets are looked at if they take up to `LOOKED_AT_BYTES` in few
    files, and otherwise the first batch; of what a function of `map` makes, the first batch.
    """
    if not _has_loss_to_look_at(model):
        return
    y = _mapped(seq) if has_map(seq) else seq.y
    for loss, leaf, path, shape in _outputs(seq, model, y):
        if leaf.dtype.kind not in "iuf":
            continue
        targets = Targets(leaf, path, y, seq.sample_weight_spec is not None)
        loss = _found(loss, leaf, shape)
        name = _probability_loss(loss)
        if name is not None:
            _warn_of_no_probabilities(name, targets, seq)
        elif _is_any(loss, *_SPARSE):
            _warn_of_no_classes(loss, targets, seq, shape)
        elif _is_any(loss, *_ONE_HOT):
            _warn_of_no_one_hot(targets, seq, shape)


def look_when_built(seq: NpySequence, model: Any) -> Callable[[], None] | None:
    """What looks at the targets of a model once more, when it is built and its outputs are known.

    `None` if they are known now, or do not matter. Keras asks for a batch to build a model with,
    before the first epoch (Keras 3.15).
    """
    if not isinstance(model, keras.Model) or is_built(model):
        return None
    # By their names, several losses find their targets.
    is_one = not isinstance(getattr(model, "loss", None), dict | list | tuple)
    if is_one and not _has_loss(model, _is_of_outputs):
        return None
    left = [model]

    def look() -> None:
        if left and is_built(left[0]):
            warn_of_targets(seq, left.pop())

    return look


def _has_loss_to_look_at(model: Any) -> bool:
    """Whether the targets matter: to map a batch takes time."""
    return _has_loss(model, _is_looked_at)


def _has_loss(model: Any, is_one: Callable[[Any], bool]) -> bool:
    losses = keras.tree.flatten(getattr(model, "loss", None))
    return any(_is_crossentropy(loss) or is_one(_get(loss)) for loss in losses)


def _is_looked_at(loss: Any) -> bool:
    return _probability_loss(loss) is not None or _is_of_outputs(loss)


def _is_of_outputs(loss: Any) -> bool:
    """Whether the number of outputs matters."""
    return _is_any(loss, *_SPARSE) or _is_any(loss, *_ONE_HOT)


def _mapped(seq: NpySequence) -> Any:
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


def _warn_of_no_probabilities(name: str, targets: Targets, seq: NpySequence) -> None:
    looked_at = _looked_at(targets.leaf, seq.batch_size)
    low, high = looked_at.min(), looked_at.max()
    if low < -ROUNDED or high > 1 + ROUNDED:
        _warn(
            seq,
            targets,
            f"targets of {name}",
            f"{targets.name}: {name} takes targets from 0 to 1. Received: {looked_at.dtype} from "
            f"{low} to {high} in {_which(looked_at, targets)}. "
            f"{sentence(pass_map(targets, '{y} / 255'))} for masks of 0 to 255, or "
            f"{batch_with(targets, '{y} > 0')} for targets of 0 and 1; make "
            "class numbers one-hot, or take a loss for sparse ones.",
        )


def _warn_of_no_classes(
    loss: Any, targets: Targets, seq: NpySequence, shape: Sequence[int | None] | None
) -> None:
    settings = settings_of(loss)
    num_classes = _num_classes(shape, settings.get("axis", -1))
    looked_at = _looked_at(targets.leaf, seq.batch_size)
    # Keras gives NaN for NaN.
    classes = looked_at[np.isfinite(looked_at) & (looked_at != settings.get("ignore_class"))]
    fractions = classes[classes % 1 != 0] if classes.dtype.kind == "f" else classes[:0]
    if fractions.size:
        _warn_of_fractions(fractions[0], looked_at, targets, seq)
    elif num_classes is not None and classes.size:
        beyond = np.unique(classes[(classes < 0) | (classes >= num_classes)])
        if beyond.size:
            found = Classes(classes.min(), classes.max(), beyond, num_classes)
            _warn(
                seq,
                targets,
                f"targets of sparse_categorical_crossentropy, {num_classes}",
                f"{targets.name}: class numbers count from 0, and the model has an output for "
                f"each. Received: numbers from {found.low} to {found.high} in "
                f"{_which(looked_at, targets)}, for {num_classes} outputs. "
                f"{remedy_of_classes(targets, found, settings)}",
            )


def _num_classes(shape: Sequence[int | None] | None, axis: int) -> int | None:
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
        f"others. Received: {fraction} in {_which(looked_at, targets)}. Take a loss of values, "
        "such as mean_squared_error; if they are class numbers that were computed, "
        f"{pass_map(targets, '{y}.round()')}.",
    )


def _warn_of_no_one_hot(
    targets: Targets, seq: NpySequence, shape: Sequence[int | None] | None
) -> None:
    received = targets.leaf.shape
    num_classes = _num_classes(shape, -1)
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
    warn_once_of(map_of(seq) or _source_of(targets.leaf), kind, message)


def _source_of(rows: Rows) -> Rows:
    """What is open as long as the data are: a sequence chooses the rows of a part each time."""
    return _source_of(rows.source) if isinstance(rows, ChosenRows) else rows


def warn_of_class_weight(seq: NpySequence, class_weight: Any) -> None:
    """Warn if no class of the targets has a weight: Keras says nothing, and all weigh 1.

    That is certain where all targets can be looked at, before any `map`.
    """
    y = seq.y
    if class_weight is None or has_map(seq) or not isinstance(y, Rows) or not _are_few(y):
        return
    labels = y[:]
    weights = ClassWeights(class_weight, np.dtype(np.float64))
    if not np.isfinite(labels).all() or weights.has_any_of(labels):
        return
    warn_once_of(
        _source_of(y),
        "class_weight",
        f"{y.name}: class_weight needs the class numbers that y holds as keys. Received: no class "
        f"of {', '.join(map(str, class_weight))!s:.100}, in {y.dtype} from {labels.min()} to "
        f"{labels.max()} in all {len(y)} rows, which all weigh 1. Pass a dict with the numbers of "
        "np.unique(seq.y[:]) as keys.",
    )


def _looked_at(rows: Any, batch_size: int) -> Array:
    """All targets if that is cheap, or those of the first batch."""
    if isinstance(rows, np.ndarray):
        return rows
    num_rows = len(rows)
    if not _are_few(rows):
        num_rows = min(batch_size, num_rows, max(1, LOOKED_AT_BYTES // rows.row_bytes))
    looked_at: Array = rows[:num_rows]
    return looked_at


def _are_few(rows: Rows) -> bool:
    """Whether to read all of them is cheap. A sample is a file of its own."""
    # Chosen rows look at each number to count their files.
    return (
        rows.nbytes <= LOOKED_AT_BYTES
        and len(rows.shard_lengths) <= FILES_LOOKED_AT
        and rows.file_paths is None
    )


def _which(looked_at: Array, targets: Targets) -> str:
    if targets.is_mapped:
        return f"a batch of {len(looked_at)} rows"
    rows = targets.leaf
    return f"{'the first' if len(looked_at) < len(rows) else 'all'} {len(looked_at)} rows"


def _outputs(seq: NpySequence, model: Any, y: Any) -> Iterator[Output]:
    """Each loss with its targets, where that is certain, as Keras pairs them (Keras 3.15)."""
    # To find these may take a second.
    shapes = output_shapes(model, seq) if _has_loss(model, _is_of_outputs) else None
    names = getattr(model, "output_names", None) or ()
    return _pairs(getattr(model, "loss", None), y, shapes, names)


def _pairs(
    losses: Any, y: Any, shapes: Any, names: Sequence[str] = (), path: tuple[Any, ...] = ()
) -> Iterator[Output]:
    if isinstance(y, dict | tuple) and len(y) == 1:
        (key,) = y if isinstance(y, dict) else [0]
        y, path = y[key], (*path, key)
    if isinstance(y, Rows | np.ndarray):
        for loss in _of_one(losses):
            yield Output(loss, y, path, shapes if _is_shape(shapes) else _only(shapes))
    elif isinstance(y, dict | tuple):
        keys = _keys(losses, y, names)
        # Where the targets of each output lie in y.
        places = {key: key for key in y} if isinstance(y, dict) else _numbered(keys, y)
        of_outputs = _by_key(losses, keys)
        has_each = isinstance(shapes, list | tuple) and len(shapes) == len(keys)
        shape_of = dict(zip(keys, shapes, strict=True)) if has_each else {}
        for key in of_outputs.keys() & places.keys():
            place = places[key]
            yield from _pairs(of_outputs[key], y[place], shape_of.get(key), path=(*path, place))


def _numbered(keys: Sequence[Any], y: tuple[Any, ...]) -> dict[Any, int]:
    return {key: number for number, key in enumerate(keys) if number < len(y)}


def _of_one(losses: Any) -> list[Any]:
    """The losses of the only targets: several in a list are added, of a dict one may count."""
    is_many = isinstance(losses, dict | list | tuple)
    each = losses.values() if isinstance(losses, dict) else losses if is_many else [losses]
    found = [loss for loss in each if loss and not isinstance(loss, dict | list | tuple)]
    return [] if isinstance(losses, dict) and len(found) > 1 else found


def _keys(losses: Any, y: Any, names: Sequence[str]) -> Sequence[Any]:
    """The keys or numbers of the outputs, in their order."""
    given = y if isinstance(y, dict) else losses if isinstance(losses, dict) else None
    if given is None:
        return range(len(y))
    # The keys of a dict of outputs may be other than the names of their layers.
    return names if set(given) <= set(names) else sorted(given)


def _by_key(losses: Any, keys: Sequence[Any]) -> dict[Any, Any]:
    if isinstance(losses, dict):
        return losses
    if isinstance(losses, list | tuple):
        return dict(zip(keys, losses, strict=False))
    return dict.fromkeys(keys, losses)


def _is_shape(shapes: Any) -> bool:
    return isinstance(shapes, tuple) and all(isinstance(size, int | None) for size in shapes)


def _only(shapes: Any) -> Any:
    is_one = isinstance(shapes, list | tuple) and len(shapes) == 1
    return shapes[0] if is_one else None


def _found(loss: Any, rows: Any, shape: Sequence[int | None] | None) -> Any:
    """The loss itself, if it is spelled; `None` if Keras does not know it, and says so."""
    return _crossentropy(rows, shape) if _is_crossentropy(loss) else _get(loss)


def _is_crossentropy(loss: Any) -> bool:
    return isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")


def _get(loss: Any) -> Any:
    try:
        return keras.losses.get(loss)
    except ValueError:
        return None


def _crossentropy(rows: Any, shape: Sequence[int | None] | None) -> Any:
    """The loss that Keras takes for this name (Keras 3.15)."""
    if not shape:
        return None
    if shape[-1] == 1:
        return keras.losses.binary_crossentropy
    is_sparse = len(rows.shape) < len(shape) or rows.shape[-1] == 1
    losses = keras.losses
    return losses.sparse_categorical_crossentropy if is_sparse else losses.categorical_crossentropy


def _probability_loss(loss: Any) -> str | None:
    """The name of a loss whose targets are probabilities, or `None`."""
    names = (str(one[1].__name__) for one in _LOSSES if _is_any(loss, *one))
    return next(names, None)


def _is_any(loss: Any, kind: Any, function: Any) -> bool:
    return isinstance(loss, kind) or loss is function
