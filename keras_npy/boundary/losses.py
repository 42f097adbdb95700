"""Which loss of a model compares which targets, as Keras pairs them, and what it takes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_npy.boundary.models import output_shapes
from keras_npy.rows.base import Rows
from keras_npy.sequence import NpySequence

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
# Of these, losses of all classes together.
_OF_ONE_CLASS = ("categorical_crossentropy", "categorical_focal_crossentropy", "kl_divergence")
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


def has_loss(model: Any, is_one: Callable[[Any], bool]) -> bool:
    """Whether a model has a loss of which `is_one` says so.

    `"crossentropy"` may be any, until the outputs are known.
    """
    losses = keras.tree.flatten(getattr(model, "loss", None))
    return any(_is_crossentropy(loss) or is_one(_get(loss)) for loss in losses)


def is_of_outputs(loss: Any) -> bool:
    """Whether the number of outputs matters."""
    return is_sparse(loss) or is_one_hot(loss)


def pair_losses(seq: NpySequence, model: Any, y: Any) -> Iterator[Output]:
    """Each loss with its targets, where that is certain, as Keras pairs them (Keras 3.15)."""
    # To find these may take a second.
    shapes = output_shapes(model, seq) if has_loss(model, is_of_outputs) else None
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


def found_loss(loss: Any, rows: Any, shape: Sequence[int | None] | None) -> Any:
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


def probability_loss(loss: Any) -> str | None:
    """The name of a loss whose targets are probabilities, or `None`."""
    names = (str(one[1].__name__) for one in _LOSSES if _is_any(loss, *one))
    return next(names, None)


def _is_any(loss: Any, kind: Any, function: Any) -> bool:
    return isinstance(loss, kind) or loss is function


def is_sparse(loss: Any) -> bool:
    """Whether targets are class numbers."""
    return _is_any(loss, *_SPARSE)


def is_one_hot(loss: Any) -> bool:
    """Whether targets are compared with each output, and no probabilities."""
    return _is_any(loss, *_ONE_HOT)


def axis_of_classes(loss: Any) -> int | None:
    """The axis that a loss of one class for each row, step or pixel sums; `None` of another."""
    kinds = [one for one in _LOSSES if one[1].__name__ in _OF_ONE_CLASS]
    if any(_is_any(loss, *one) for one in (*kinds, _ONE_HOT)):
        return int(getattr(loss, "axis", -1))
    return None


def loses_last_axis(loss: Any) -> bool:
    """Whether a loss of Keras's is a mean over the last axis: tried with one small batch."""
    kind = loss if callable(loss) and hasattr(loss, "__name__") else type(loss)
    if not str(getattr(kind, "__module__", "")).startswith("keras."):
        return False
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss
    values = np.zeros((1, 2, 3), "float32")
    try:
        return tuple(call(values, values).shape) == (1, 2)
    except Exception:
        # It takes other shapes, such as class numbers.
        return False
