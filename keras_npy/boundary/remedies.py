"""What ends a warning of targets, as code that runs for this very sequence."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_npy.feeds.nests import access
from keras_npy.types import Array


class Targets(NamedTuple):
    """The targets of one loss."""

    leaf: Any
    """`Rows`, or the array of a batch that `map` returns."""
    path: tuple[Any, ...]
    """Keys and numbers that lead to it in `y`."""
    y: Any
    """All of `y`."""
    has_weights: bool
    """Whether the sequence serves weights too."""

    @property
    def is_mapped(self) -> bool:
        """Whether a function of the user's returned them."""
        return isinstance(self.leaf, np.ndarray)

    @property
    def name(self) -> str:
        """What a message begins with."""
        if self.is_mapped:
            return f"{access('y', self.path)} that map returns"
        return str(self.leaf.name)


class Classes(NamedTuple):
    """Class numbers that a model has no outputs for."""

    low: float
    high: float
    beyond: Array
    """Each number beyond the outputs, once."""
    num_classes: int
    numbers: Array
    """Each number, once."""
    is_any_row_right: bool
    """Whether a row has none of the numbers beyond the outputs."""


# So many class numbers fit into a line.
LISTED_MAX = 20


def remedy_of_classes(targets: Targets, found: Classes, settings: Mapping[str, Any]) -> str:
    """What ends the warning of class numbers; `settings` are those of the loss."""
    others = "give the last layer more units only if all numbers are classes."
    if found.is_any_row_right:
        others = f"leave rows with others out with indices=; {others}"
    if not targets.is_mapped:
        check = f"`keras-npy check X.npy --y Y.npy --classes {found.num_classes}`"
        others = f"{check} names them: {others}"
    parts = [_wraps(targets, found)]
    are_from_1 = found.low == 1 and found.high == found.num_classes
    if len(found.numbers) == found.num_classes <= LISTED_MAX and not are_from_1:
        # As many numbers as outputs, such as 0, 127 and 255 of a mask.
        numbers = ", ".join(str(int(number)) for number in found.numbers)
        numbered = pass_map(targets, f"np.searchsorted([{numbers}], {{y}})")
        parts += [f"If these are the {found.num_classes} classes, {numbered}."]
    elif found.low == 1:
        # Unsigned numbers have none below 0, and perhaps only some of them were looked at.
        is_unsigned = targets.leaf.dtype.kind == "u"
        change = "{y}.astype('int32') - 1" if is_unsigned else "{y} - 1"
        counted = f"If they count from 1, {pass_map(targets, change)}."
        return counted if are_from_1 else f"{counted} {sentence(others)}"
    parts += [_ignored(found, settings), sentence(others)]
    return " ".join(part for part in parts if part)


# What values up to such a number are; masks of pixels, up to 255, are told of 0 and 1 too.
SCALES = {5: "votes or ratings", 10: "votes or ratings", 20: "votes or ratings", 100: "percent"}
PIXEL_MAX = 255
PIXEL_MAX_OF_16_BITS = 65535

# Probabilities that were resized or smoothed pass 0 and 1 by no more than this.
OVERSHOT = 0.5


def remedy_of_probabilities(
    targets: Targets, looked_at: Array, shape: Sequence[int | None] | None, *, are_all: bool
) -> str:
    """What ends the warning of targets that are no probabilities.

    Args:
        targets: The targets.
        looked_at: Finite values of them.
        shape: That of the outputs, if it is known.
        are_all: Whether these are the values of all rows, so that none of the others is greater.
    """
    if (one_hot := _one_hot(targets, looked_at, shape)) is not None:
        return one_hot
    # Numbers of Python are printed as they are, and change no dtype.
    low, high = looked_at.min().item(), looked_at.max().item()
    others = "make class numbers one-hot, or take a loss for sparse ones."
    if low == 1 and high == 2:
        counted = sentence(pass_map(targets, "{y} - 1"))
        return f"{counted} for two classes that are counted from 1; {others}"
    are_two = low < high and bool(np.all((looked_at == low) | (looked_at == high)))
    if low <= 0 and high != PIXEL_MAX and are_two:
        two = sentence(pass_map(targets, f"{{y}} > {low!r}"))
        return f"{two} for targets of two values; {others}"
    if looked_at.dtype.kind == "f" and low >= -OVERSHOT and high <= 1 + OVERSHOT:
        clipped = sentence(pass_map(targets, "np.clip({y}, 0, 1)"))
        return f"{clipped} for probabilities that were resized; {others}"
    if low < 0:
        return f"Numbers that are no probabilities take another loss, such as 'mse'; {others}"
    for most, kind in SCALES.items():
        if high <= most:
            return f"{_divided(targets, most)} for {kind} of at most {most}; {others}"
    if high > PIXEL_MAX:
        return f"{_divided_by_greatest(targets, high, are_all)}; {others}"
    scaled = f"{_divided(targets, PIXEL_MAX)} for masks of 0 to 255"
    if low > 0:
        # None of them is 0.
        return f"{scaled}; {others}"
    return f"{scaled}, or {batch_with(targets, '{y} > 0')} for targets of 0 and 1; {others}"


def _one_hot(targets: Targets, looked_at: Array, shape: Sequence[int | None] | None) -> str | None:
    """What ends the warning of class numbers for several outputs; `None` if they may be others."""
    received = targets.leaf.shape
    num_classes = shape[-1] if shape else None
    if shape is None or num_classes is None or num_classes < 2:
        return None
    has_column = len(received) == len(shape) and received[-1] == 1
    low, high = looked_at.min(), looked_at.max()
    are_classes = low >= 0 and high - (low >= 1) < num_classes and np.all(looked_at % 1 == 0)
    if not are_classes or not (has_column or len(received) == len(shape) - 1):
        return None
    numbers = "{y}[..., 0].astype('int32')" if has_column else "{y}.astype('int32')"
    if high == num_classes:
        numbers += " - 1"
    made = sentence(pass_map(targets, f"np.eye({num_classes}, dtype='float32')[{numbers}]"))
    counted = " counted from 1" if high == num_classes else ""
    sparse = "" if counted else "; or take loss='sparse_categorical_crossentropy' as they are"
    return f"{made} for class numbers{counted}{sparse}."


def _divided(targets: Targets, most: object) -> str:
    return sentence(pass_map(targets, f"{{y}} / {most}"))


def _divided_by_greatest(targets: Targets, high: float, are_all: bool) -> str:
    """How to divide targets that have no scale of their own."""
    if high == PIXEL_MAX_OF_16_BITS:
        return f"{_divided(targets, high)} for pixels of 16 bits"
    if are_all:
        return f"{_divided(targets, repr(high))} for counts, by the greatest of them"
    # Rows that were not looked at may hold a greater one.
    of_all = "" if targets.is_mapped else f", such as {access('seq.y', targets.path)}[:].max()"
    divided = _divided(targets, "greatest")
    return f"{divided} for counts, where greatest is the greatest value of all rows{of_all}"


def remedy_of_infinity(targets: Targets) -> str:
    """What ends the warning of probabilities that are infinite."""
    if targets.is_mapped:
        return "Leave such rows out with subset, before map."
    values = f"{access('seq.y', targets.path)}[:]"
    if np.prod(targets.leaf.shape[1:]) == 1:
        return f"Leave such rows out: seq.subset(np.isfinite({values}).ravel())."
    each = f"np.isfinite({values}).reshape(seq.num_samples, -1).all(axis=1)"
    return f"Leave such rows out: seq.subset({each})."


def remedy_of_no_numbers(targets: Targets) -> str:
    """What ends the warning of class numbers that are NaN or infinite."""
    if np.prod(targets.leaf.shape[1:]) != 1:
        marked = pass_map(targets, "np.nan_to_num({y}, nan=255, posinf=255, neginf=255)")
        return f"{sentence(marked)}, and give the loss ignore_class=255."
    return remedy_of_infinity(targets)


def sentence(text: str) -> str:
    """The text with a capital."""
    return text[0].upper() + text[1:]


def _wraps(targets: Targets, found: Classes) -> str:
    is_unsigned = targets.is_mapped and targets.leaf.dtype.kind == "u"
    if not is_unsigned or found.high != np.iinfo(targets.leaf.dtype).max:
        return ""
    dtype = targets.leaf.dtype
    return (
        f"{dtype} has no numbers below 0: where your function makes {found.high} of y - 1, "
        "y.astype('int32') - 1 is -1."
    )


def _ignored(found: Classes, settings: Mapping[str, Any]) -> str:
    if len(found.beyond) != 1:
        return ""
    given = {key: settings[key] for key in ("from_logits", "axis") if key in settings}
    given = {key: value for key, value in given.items() if value not in (False, -1)}
    arguments = "".join(f"{key}={value}, " for key, value in given.items())
    number = int(found.beyond[0])
    return (
        f"If {number} means no class: compile(loss=keras.losses.SparseCategoricalCrossentropy("
        f"{arguments}ignore_class={number}))."
    )


def pass_map(targets: Targets, change: str) -> str:
    """Says which call of `map` makes `change`, in which `{y}` stands for the targets."""
    # What the function returns is what the next one gets.
    begin = "change what your function returns, or pass" if targets.is_mapped else "pass"
    weights = ", sample_weight" * targets.has_weights
    return f"{begin} seq.map(lambda x, y{weights}: {batch_with(targets, change)})"


def batch_with(targets: Targets, change: str) -> str:
    """A batch of which the targets have this change."""
    changed = _nest_with(targets.y, targets.path, "y", change)
    return f"(x, {changed}{', sample_weight' * targets.has_weights})"


def _nest_with(nest: Any, path: tuple[Any, ...], name: str, change: str) -> str:
    if not path:
        return change.format(y=name)
    key, rest = path[0], path[1:]
    inner = _nest_with(nest[key], rest, access(name, [key]), change)
    if isinstance(nest, dict):
        return f"{{**{name}, {key!r}: {inner}}}"
    parts = [inner if at == key else access(name, [at]) for at in range(len(nest))]
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
