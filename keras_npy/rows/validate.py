"""Look through the values of sources once, for what would spoil training in silence."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_npy.errors import check_bool, check_integer
from keras_npy.rows.base import Rows
from keras_npy.rows.left_out import STEPS_MAX, which_windows
from keras_npy.rows.walk import walk
from keras_npy.rows.window_rows import are_windows
from keras_npy.types import Array, Indices


def check_validation(validate: bool, num_classes: int | None) -> None:
    """Raise unless these are `validate` and `num_classes` of a sequence, which go together."""
    check_bool("validate", validate)
    if num_classes is None:
        return
    check_integer("num_classes", num_classes, at_least=1)
    if not validate:
        raise ValueError(
            "num_classes is what labels are checked against, with validate=True. "
            f"Received: num_classes={num_classes} and validate=False. Pass validate=True too."
        )


def validate_rows(
    sources: Sequence[Rows],
    outputs: Sequence[Rows],
    chosen: range | Indices | None,
    num_classes: int | None,
) -> None:
    """Raise `ValueError` at the first value that is not finite, or no class number.

    Args:
        sources: What to look through for values that are not finite.
        outputs: Those of `y`.
        chosen: The rows that are used, or `None` for all.
        num_classes: What labels are below, or `None` if they are not looked at.
    """
    if num_classes is not None:
        if len(outputs) != 1:
            raise ValueError(
                "num_classes needs a sequence with a single output y. "
                f"Received: {len(outputs)} outputs. Leave num_classes out."
            )
        check_labels(outputs[0], chosen, num_classes)
    check_finite(sources, chosen)


def check_finite(sources: Iterable[Rows], chosen: range | Indices | None) -> None:
    """Raise `ValueError` at the first NaN or infinity; integers, which have none, are not read.

    Args:
        sources: What to look through.
        chosen: The rows that are used, or `None` for all.
    """
    sources = list(sources)
    for rows in sources:
        if np.issubdtype(rows.dtype, np.integer) or rows.dtype.kind == "b":
            continue
        found = _first_wrong(rows, chosen, np.isfinite)
        if found is not None:
            received, way_out = "", ", or leave its rows out with indices="
            if any(are_windows(rows)):
                steps = found.rows[:STEPS_MAX]
                held, way_out = which_windows(sources, found.part, steps, chosen)
                first = "the first " if len(steps) < len(found.rows) else ""
                more = f", in {first}{len(steps)} timesteps" if len(steps) > 1 else ""
                received = f"{more}, which {held}"
            raise ValueError(
                f"{found.place}: validate=True allows finite values only. "
                f"Received: {found.value} in {rows.dtype} {rows.row_shape}{received}. "
                f"Replace it with np.nan_to_num{way_out}."
            )


def check_labels(y: Rows, chosen: range | Indices | None, num_classes: int) -> None:
    """Raise `ValueError` at the first label that is no class number.

    Rows with one value for each class, such as one-hot rows, have no class numbers.
    """
    if y.row_shape[-1:] == (num_classes,) and num_classes > 1:
        return

    def is_class(values: Array) -> Array:
        in_range: Array = (values >= 0) & (values < num_classes)
        if values.dtype.kind in "biu":
            return in_range
        is_whole: Array = in_range & (values == np.floor(values))
        return is_whole

    found = _first_wrong(y, chosen, is_class)
    if found is not None:
        raise ValueError(
            f"{found.place}: a label must be a whole number in 0 <= label < "
            f"{num_classes}, the num_classes given. Received: {found.value}. "
            "Number the classes from 0, or pass the number of classes that there are."
        )


def _place(rows: Rows, part: Rows, index: int) -> str:
    """The name of row `index` of a part of some rows, with its number among them if it has one."""
    if part is rows:
        return rows.locate_among_all(index)
    place = part.locate(index)
    if any(are_windows(rows)) and not any(are_windows(part)):
        # The timestep of a series lies in several windows.
        return place
    numbers = rows.numbers_with(part, np.array([index])).tolist()
    if not numbers or place.endswith(f", row {numbers[0]}"):
        return place
    more = f" and {len(numbers) - 1} more rows" if len(numbers) > 2 else ""
    known = " and ".join(map(str, numbers[: 1 if more else 2]))
    is_row = "is row" if len(numbers) == 1 else "are rows"
    return f"{place}, which {is_row} {known}{more} of the source"


class _Wrong(NamedTuple):
    place: str
    """The file and the row of the value."""
    value: Any
    part: Rows
    rows: Indices
    """All rows of the part with such a value that lie in the same block."""


def _first_wrong(
    rows: Rows, chosen: range | Indices | None, is_right: Callable[[Array], Array]
) -> _Wrong | None:
    """The first value that is not right, in the order of the files.

    A timestep in several windows, or a row that is taken several times, is read once.
    """
    for part, wanted in rows.read_once(range(len(rows)) if chosen is None else chosen):
        for indices, values in walk(part, wanted, title=f"validate {part.name}"):
            right = is_right(values)
            if not right.all():
                at = np.unravel_index(int(np.argmin(right)), right.shape)
                place = _place(rows, part, int(indices[at[0]]))
                is_wrong = ~right.reshape(len(right), -1).all(axis=1)
                return _Wrong(place, values[at], part, indices[is_wrong])
    return None
