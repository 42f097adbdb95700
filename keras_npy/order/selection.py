"""Convert a slice, a range, integers or a mask to row numbers."""

import numpy as np

from keras_npy.errors import warn
from keras_npy.types import Array, Indices

# Columns of pairs, or of a few inputs.
_COLUMNS_MAX = 4

# Of up to so many rows, numbers that are drawn at random may all be 0 or 1: of 5 in 1 of 100 draws.
_FEW_ROWS = 5


def to_indices(index: object, num_rows: int) -> Indices:
    """`to_rows` as an array.

    Example:

    >>> to_indices(slice(0, None, 2), 5).tolist()
    [0, 2, 4]
    """
    return to_array(to_rows(index, num_rows))


def to_array(rows: range | Indices) -> Indices:
    """Row numbers as an array."""
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop, rows.step, dtype=np.int64)
    return rows


def to_rows(index: object, num_rows: int) -> range | Indices:
    """The row numbers that a slice, a range, integers or a boolean mask select.

    Negative integers count from the end, as in NumPy. A slice, or a range without negative numbers,
    gives a range.

    Raises:
        TypeError: If `index` is none of these.
        ValueError: If the length of a mask is not `num_rows`, if no row is selected, or if the
            integers have more than one axis.
        IndexError: If an integer is out of range.

    Example:

    >>> to_rows(slice(0, None, 2), 5)
    range(0, 5, 2)
    """
    if isinstance(index, slice):
        index = range(*index.indices(num_rows))
    if isinstance(index, range) and index and 0 <= min(index[0], index[-1]):
        _check_bounds(index, min(index[0], index[-1]), max(index[0], index[-1]), num_rows)
        return index
    chosen = np.asarray(index)
    if chosen.dtype == bool:
        if chosen.shape != (num_rows,):
            raise ValueError(
                "A boolean mask must have one value per row. "
                f"Received: a mask of shape {chosen.shape} for {num_rows} rows. "
                "Pass a mask of that length, or row numbers."
            )
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        raise ValueError(
            f"Indices must select at least one row. Received: none of {num_rows}. "
            "Pass other row numbers, or leave indices out for all rows."
        )
    if chosen.dtype.kind not in "iu":
        raise TypeError(
            "Indices must be a slice, a range, integers or a boolean mask. "
            f"Received: {type(index).__name__} of {chosen.dtype}{_to_integers(index, num_rows)}"
        )
    if chosen.ndim != 1:
        raise ValueError(
            f"Indices must have one axis. Received: shape {chosen.shape}. {_flat(chosen.shape)}"
        )
    low, high = int(chosen.min()), int(chosen.max())
    _check_bounds(index, low, high, num_rows)
    chosen = chosen.astype(np.int64)
    return np.where(chosen < 0, chosen + num_rows, chosen) if low < 0 else chosen


def chosen_rows(index: object, num_rows: int) -> range | Indices:
    """`to_rows`, of what a user chooses: a mask of zeros and ones is no row numbers.

    Of few rows, numbers of a byte are refused, and others give a warning: they may be drawn.

    Raises:
        ValueError: As `to_rows`, and for one 0 or 1 for each row.
    """
    rows = to_rows(index, num_rows)
    if isinstance(rows, range) or len(rows) != num_rows:
        return rows
    chosen = np.asarray(index)
    ends = {int(rows.min()), int(rows.max())}
    # Of 0 and 1, ~ makes -1 and -2.
    is_mask = ends <= {0, 1} or ends <= {num_rows - 1, num_rows - 2}
    if chosen.dtype == bool or not is_mask:
        return rows
    if num_rows <= _FEW_ROWS and (
        num_rows == len(ends) or (num_rows == 2 and not _is_byte(chosen))
    ):
        # Each row once, or one of two rows twice.
        return rows
    received = (
        "A mask must be boolean, since integers are row numbers. Received: one of two integers for "
        f"each of {num_rows} rows, which would be two rows again and again."
    )
    # A list has no astype.
    mask = "np.asarray(mask, bool)" if isinstance(index, list | tuple) else "mask.astype(bool)"
    remedy = f"{mask}, or ~{mask} for the others; if two rows are meant, take them first."
    if num_rows > _FEW_ROWS or _is_byte(chosen):
        raise ValueError(f"{received} Pass {remedy}")
    warn(f"{received} If they are a mask, pass {remedy}")
    return rows


def _is_byte(numbers: Array) -> bool:
    """Whether the dtype is that of a mask, and hardly of row numbers."""
    return numbers.dtype.itemsize == 1


def _flat(shape: tuple[int, ...]) -> str:
    """What makes row numbers of an array of this shape."""
    if len(shape) == 2 and 1 < shape[1] <= _COLUMNS_MAX and shape[0] > 1:
        # Flat, pairs would be twice as many rows as there are pairs.
        columns = ", ".join(f"indices[:, {column}]" for column in range(shape[1]))
        return f"Choose with each column by itself: {columns}."
    return "Pass them flat: np.ravel(indices)."


def _to_integers(index: object, num_rows: int) -> str:
    """How what was received goes on, and what makes row numbers of it."""
    numbers = np.asarray(index)
    otherwise = ". Pass row numbers, or a mask by astype(bool)."
    if numbers.dtype.kind != "f":
        return otherwise
    is_nan = np.isnan(numbers)
    known = numbers[~is_nan]
    is_mask = numbers.shape == (num_rows,) and np.isin(known, (0, 1)).all()
    if is_mask or not known.size or not (np.isfinite(known) & (known == np.floor(known))).all():
        # A NaN would be True in a mask.
        without = f", with {is_nan.sum()} NaN. Pass row numbers, or a mask, without NaN."
        return without if is_nan.any() else otherwise
    name, integers = "indices", "indices.astype(int)"
    if not isinstance(index, np.ndarray):
        name, integers = "np.asarray(indices)", "np.asarray(indices, int)"
    if not is_nan.any():
        return f", all whole. Pass row numbers: {integers}."
    return (
        f", with {is_nan.sum()} NaN among whole numbers. Leave those rows out of x and y alike: "
        f"indices = {name}[~np.isnan(indices)].astype(int)."
    )


def _check_bounds(index: object, low: int, high: int, num_rows: int) -> None:
    if low >= -num_rows and high < num_rows:
        return
    received = str(low if low < -num_rows else high)
    remedy = "Leave out rows that do not exist."
    if low == 1 < num_rows == high:
        # Without the last row, all others would be taken for the ones behind them, in silence.
        numbers = "indices" if isinstance(index, np.ndarray) else "np.asarray(indices)"
        received = f"1 to {high}, and no 0"
        remedy = f"They seem to count from 1, and row numbers from 0: pass {numbers} - 1."
    raise IndexError(
        f"Indices must lie in {-num_rows} <= index < {num_rows}, the number of rows. "
        f"Received: {received}. {remedy}"
    )


def rows_at(indices: range | Indices, positions: Indices) -> Indices:
    """`indices[positions]`."""
    if isinstance(indices, range):
        return indices.start + indices.step * positions
    return indices[positions]


def choose(indices: range | Indices, positions: range | Indices) -> range | Indices:
    """`indices[positions]`, a range if both are."""
    if isinstance(positions, range):
        if isinstance(indices, range):
            start, step = indices[positions.start], indices.step * positions.step
            return range(start, start + step * len(positions), step)
        positions = to_array(positions)
    return rows_at(indices, positions)


def ascending(indices: range | Indices) -> range | Indices:
    """The same numbers, each once, in ascending order."""
    if isinstance(indices, range):
        return indices if indices.step > 0 else indices[::-1]
    return np.unique(indices)
