"""Warn of `class_weight` that means something else than it seems to: Keras says nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from keras_npy.boundary.losses import found_loss, is_sparse, probability_loss
from keras_npy.boundary.models import output_shapes
from keras_npy.boundary.targets import look_at, mapped_targets, number_of_classes, which_rows
from keras_npy.errors import warn_once_of
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import base_of
from keras_npy.rows.labels import ClassWeights, classes_as_keras
from keras_npy.sequence import NpySequence, has_map, map_of, numbered_classes
from keras_npy.types import Array

# More are not written into a message.
_WEIGHTS_SHOWN_MAX = 10


class _Output(NamedTuple):
    """What is known of the only output of a model."""

    loss: Any = None
    shape: tuple[int | None, ...] | None = None

    @property
    def num_classes(self) -> int | None:
        """Classes that it tells apart."""
        if is_sparse(self.loss):
            return number_of_classes(self.shape, -1)
        return 2 if self.is_binary and number_of_classes(self.shape, -1) == 1 else None

    @property
    def is_binary(self) -> bool:
        """Whether each of its values is compared with 0 or 1, apart from the others."""
        return (probability_loss(self.loss) or "").startswith("binary")


def warn_of_class_weight(
    seq: NpySequence, model: Any, class_weight: Mapping[int, float] | None
) -> None:
    """Warn if weights meet other labels than they seem to: keys of no label, or several in a row.

    Args:
        seq: What is trained on.
        model: The model, or `None` where batches are read by hand.
        class_weight: As `fit` takes it.
    """
    y = seq.y_spec
    if class_weight is None or not isinstance(y, keras.InputSpec):
        return
    weights = ClassWeights(class_weight, np.dtype(np.float64))
    is_wide = len(y.shape) == 2 and y.shape[1] > 1
    if has_map(seq):
        leaf = mapped_targets(seq) if is_wide else None
        name = "y that map returns"
    else:
        leaf = seq.y
        name = getattr(leaf, "name", "y")
    if not isinstance(leaf, Rows | np.ndarray) or leaf.dtype.kind not in "iubf":
        return
    labels = look_at(leaf)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        return
    message, which = None, which_rows(labels, leaf)
    if is_wide:
        message = _of_several(labels, weights, _output_of(seq, model), which)
    if message is None and isinstance(leaf, Rows):
        message = _of_keys(labels, weights) if len(labels) == len(leaf) else None
        if message is None and (shift := _shift(labels, weights)):
            # To find the outputs may take a second.
            named = numbered_classes(seq)
            output = _Output() if named or is_wide else _output_of(seq, model)
            known = y.shape[1] if is_wide else len(named or ())
            num_classes = known or output.num_classes
            message = _of_shifted(shift, weights, num_classes, which)
            if message and shift > 0 and num_classes is None and is_sparse(output.loss):
                # TensorFlow builds the model only behind this look: labels may be the wrong ones.
                change = "y.astype('int32') - 1" if y.dtype.startswith("uint") else "y - 1"
                weight = ", weight" if seq.sample_weight_spec is not None else ""
                message = (
                    f"{message[:-1]}; if the model has {len(weights.classes)} outputs, leave "
                    f"class_weight and pass seq.map(lambda x, y{weight}: (x, {change}{weight}))."
                )
    if message is not None:
        warn_once_of(map_of(seq) or base_of(seq.y), "class_weight", f"{name}: {message}")


def shown_weights(weights: ClassWeights, num_classes: int) -> str:
    """Code for the weight of each class number from 0: of these, and of all that have one."""
    num_weights = max([num_classes, *(number + 1 for number in weights.classes)])
    if num_weights > _WEIGHTS_SHOWN_MAX:
        return "weights_of_classes"
    return f"np.array({weights.of_classes(np.arange(num_weights)).tolist()})"


def _output_of(seq: NpySequence, model: Any) -> _Output:
    losses = keras.tree.flatten(getattr(model, "loss", None))
    shape = output_shapes(model, seq) if isinstance(model, keras.Model) else None
    if len(losses) != 1:
        return _Output()
    shape = tuple(shape) if isinstance(shape, tuple) else None
    return _Output(found_loss(losses[0], seq.y_spec, shape), shape)


def _of_several(labels: Array, weights: ClassWeights, output: _Output, which: str) -> str | None:
    """What is wrong with rows of several values that are not one-hot; `None` if nothing is.

    Whole numbers, of which the largest comes more than once in a row: several labels, none, or one
    for each step. Probabilities are none, and one-hot rows may have any two values.
    """
    if labels.dtype.kind == "f" and np.any(labels != np.rint(labels)):
        return None
    size = labels.shape[1]
    have_steps = output.shape is not None and tuple(output.shape[1:]) == (size, 1)
    most = labels.max(axis=1)
    is_most = labels == most[:, np.newaxis]
    are_several: NDArray[np.bool_] = np.count_nonzero(is_most, axis=1) > 1
    if not (have_steps or output.is_binary):
        # Of a categorical loss, a row without any label has no part in the loss.
        are_several &= ~(is_most.all(axis=1) & (most <= 0))
    low, high = int(labels.min()), int(most.max())
    if have_steps and size > 2 and set(weights.classes) <= {0, 1} and low >= 0 and high == 1:
        are_several[:] = True
    if not are_several.any():
        return None
    shape = f"{labels.dtype} (b, {size})"
    leave = "Leave class_weight out, and"
    each_step = f"{shown_weights(weights, high + 1)}[y.astype(int)]"
    weigh_steps = (
        f"weigh each step: seq.map(lambda x, y: (x, y[..., None], {each_step})), in the order of "
        "the class numbers"
    )
    if have_steps and low >= 0:
        return (
            "class_weight gives each row one weight, and none of its own to each step. Received: "
            f"labels {shape} for outputs (b, {size}, 1), so that a row weighs as class i if its "
            f"first largest label is that of step i. {leave} {weigh_steps}."
        )
    received = (
        "class_weight gives each row the weight of one class, that of its first largest value. "
        f"Received: {shape}, of which {np.count_nonzero(are_several)} of {which} hold it more than "
        "once"
    )
    if high <= 1:
        table = shown_weights(weights, size)
        largest = f"((y > 0) * {table}).max(axis=1)"
        is_known = output.shape is not None or low < 0
        or_steps = "" if is_known else f" For outputs (b, {size}, 1), {weigh_steps}."
        return (
            f"{received}, as rows of several labels or of none do. {leave} let a row weigh as the "
            "heaviest of its labels, and 1 without any: seq.map(lambda x, y: (x, y, "
            f"np.where((y > 0).any(axis=1), {largest}, 1))).{or_steps}"
        )
    if low >= 0 and (output.shape is None or is_sparse(output.loss)):
        return (
            f"{received}, as class numbers of steps do. {leave} weigh each step: seq.map(lambda x, "
            f"y: (x, y, {each_step})), in the order of the class numbers."
        )
    return f"{received}. {leave} pass a weight for each row: NpySequence(..., sample_weight=...)."


def _of_keys(labels: Array, weights: ClassWeights) -> str | None:
    """What to say if none of all labels has a weight."""
    if weights.has_any_of(labels):
        return None
    return (
        "class_weight needs the class numbers that y holds as keys. Received: no class of "
        f"{', '.join(map(str, weights.classes))!s:.100}, in {labels.dtype} from {labels.min()} to "
        f"{labels.max()} in all {len(labels)} rows, which all weigh 1. Pass a dict with the "
        "numbers of np.unique(seq.y[:]) as keys."
    )


def _shift(labels: Array, weights: ClassWeights) -> int:
    """What to add to keys 0 to K-1 beside labels 1 to K, or the other way round; 0 for others."""
    keys = weights.classes
    size = len(keys)
    if size < 2 or keys != list(range(keys[0], keys[0] + size)):
        return 0
    classes = classes_as_keras(labels) if labels.ndim == 2 else labels
    low, high = round(float(classes.min())), round(float(classes.max()))
    if keys[0] == 0 and (low, high) == (1, size):
        return 1
    return -1 if keys[0] == 1 and (low, high) == (0, size - 1) else 0


def _of_shifted(
    shift: int, weights: ClassWeights, num_classes: int | None, which: str
) -> str | None:
    """What to say if keys count from 0 and labels from 1, or the other way round."""
    keys = weights.classes
    size = len(keys)
    if shift > 0 and num_classes is not None and num_classes <= size:
        # A model with an output for each is warned of the labels themselves.
        return None
    if shift < 0 and num_classes != size:
        # There may be a class more of which these rows have none.
        return None
    low, high = keys[0] + shift, keys[-1] + shift
    change, alone = ("+", high) if shift > 0 else ("-", low)
    return (
        "class_weight needs the class numbers that y holds as keys. Received: keys from "
        f"{keys[0]} to {keys[-1]}, and labels from {low} to {high} in {which}, so "
        f"that label {alone} weighs 1, and each other one as its neighbour. Pass class_weight="
        f"{{number {change} 1: weight for number, weight in class_weight.items()}}."
    )
