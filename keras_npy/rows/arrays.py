"""Arrays in memory: which of them can be streamed, and what to do with the others."""

import contextlib
import os
from typing import Any

import numpy as np

from keras_npy.errors import NpyLayoutWarning, warn_once
from keras_npy.files.header import SUPPORTED_DTYPES, is_supported
from keras_npy.types import Array

# Items of an object array, or of lists, to look at.
ITEMS_LOOKED_AT = 1000


def checked_array(array: Array) -> Array:
    """The array without its subclass.

    Raises:
        TypeError: If no tensor can have the dtype, or the array has a mask.
        ValueError: If the array has no rows, or its rows no values.
    """
    received = f"Received: an array of {array.dtype} {array.shape}."
    if not is_supported(array.dtype):
        raise TypeError(
            f"An array must have one of the dtypes {SUPPORTED_DTYPES}. {received} {_remedy(array)}"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"An array must have no mask, which would be lost. {received} "
            "Fill it with array.filled(value) first."
        )
    if array.ndim == 0:
        raise ValueError(
            f"An array must hold at least one row. {received} "
            "Axis 0 counts the samples: pass array.reshape(1) for one sample."
        )
    if 0 in array.shape:
        raise ValueError(
            f"An array must hold at least one row, and a row one value. {received} "
            "Leave the empty source out."
        )
    _warn_of_spread_rows(array)
    # A subclass may index differently, and np.memmap would be pickled with all its data.
    return np.asarray(array)


def holds_paths(array: object) -> bool:
    """Whether this is an array of text that names files."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "UT" or not array.size:
        return False
    name = str(array.flat[0])
    return name.lower().endswith((".npy", ".npz")) or os.path.exists(name)


def _warn_of_spread_rows(array: Array) -> None:
    """Warn once of a view of a mapped file in which a row is spread over much of the file."""
    row = array[0]
    reach_bytes = array.itemsize + sum(
        (size - 1) * abs(stride) for size, stride in zip(row.shape, row.strides, strict=True)
    )
    # Rows that reach far are in place if they overlap, as windows do, or lie one after the other.
    is_spread = reach_bytes > 2 * max(row.nbytes, abs(array.strides[0]))
    if isinstance(array, np.memmap) and is_spread:
        warn_once(
            "layout: spread",
            "training reads fastest from rows that lie together. Received: a view of "
            f"{array.filename} of shape {array.shape}, in which a row of {row.nbytes} bytes is "
            f"spread over {reach_bytes}. Write the view once, with "
            "keras_npy.convert(view, 'x.npy'), and give the new path.",
            NpyLayoutWarning,
        )


def _remedy(array: Array) -> str:
    """What makes an array of numbers of an array that is none."""
    dtype = array.dtype
    if dtype.names is not None:
        return (
            f"Pass one field, array[{dtype.names[0]!r}], or all as a dict: "
            "{name: array[name] for name in array.dtype.names}."
        )
    if dtype.kind == "O":
        return remedy_of_objects(array)
    if dtype.kind in "SUT":
        return _remedy_of_names(array)
    if dtype.kind in "mM":
        missing = np.flatnonzero(np.isnat(array))
        if missing.size:
            # As an integer it is -2 ** 63, the least one.
            is_nat = "np.isnat(array)"
            if array.ndim > 1:
                is_nat += ".reshape(len(array), -1).any(axis=1)"
            return (
                f"Count it in integers, without its {missing.size} NaT, which would be the least "
                f"of all: array[~{is_nat}].astype('int64'); leave out their partners alike."
            )
        return "Count it in integers: array.astype('int64')."
    if dtype.kind == "V":
        return "If it is bfloat16, import ml_dtypes and pass array.view('bfloat16')."
    return f"Convert it: array.astype({'complex128' if dtype.kind == 'c' else 'float64'!r})."


def _remedy_of_names(array: Array) -> str:
    if holds_paths(array):
        return "Pass the paths as a list: array.tolist()."
    whole = _whole_numbers(array)
    if whole is not None:
        read = f"Read the numbers in it: array.astype({whole.dtype.name!r})"
        if len(np.unique(whole)) == len(np.unique(array)):
            return f"{read}."
        return f"{read}. If they are names, of which '07' is another one than '7': {_NUMBERED}."
    with contextlib.suppress(ValueError):
        # Of more digits than 64 bits hold, float64 makes some ids equal.
        if len(np.unique(array.astype("float64"))) == len(np.unique(array)) or not _are_digits(
            array
        ):
            return "Read the numbers in it: array.astype('float64')."
    return number_names("array")


def _whole_numbers(array: Array) -> Array | None:
    """The whole numbers that an array of text holds, if 64 bits hold them: float64 rounds ids."""
    for dtype in ("int64", "uint64"):
        with contextlib.suppress(ValueError, OverflowError):
            return array.astype(dtype)
    return None


def _are_digits(array: Array) -> bool:
    return all(
        str(text, "ascii", "replace").isdigit() if isinstance(text, bytes) else str(text).isdigit()
        for text in array.flat
    )


_NUMBERED = "np.unique(array, return_inverse=True)[1]"


def number_names(names: str) -> str:
    """How to make class numbers of names."""
    return f"Number the names: {_NUMBERED.replace('array', names)}."


def remedy_of_objects(array: Array) -> str:
    """What makes numbers of an array of objects."""
    if array.ndim == 0:
        item = array.item()
        dense = dense_of(item, "array.item()")
        remedy = "take it apart with array.item()" if dense is None else f"pass {dense}"
        return f"It holds a {type(item).__name__}: {remedy}."
    items = [item for _, item in zip(range(ITEMS_LOOKED_AT), array.flat, strict=False)]
    if any(isinstance(item, str | bytes) for item in items):
        return _remedy_of_names(np.asarray(array, str)).replace("array", "array.astype(str)")
    if items and all(isinstance(item, dict) and item for item in items):
        key = next(iter(items[0]))
        return (
            f"Its items are dicts: pass each key by itself: np.stack([d[{key!r}] for d in array])."
        )
    shapes = {_shape(item) for item in items}
    if shapes == {()}:
        return _remedy_of_numbers(array)
    if len(shapes) == 1 and None not in shapes:
        return "Its items have one shape: pass np.stack(list(array))."
    # pad_sequences takes no numbers beside lists, and no lists of lists of unequal length.
    if array.ndim == 1 and all(shapes) and len({shape[1:] for shape in shapes if shape}) == 1:
        return (
            "Its items differ in length: pad them to one, as "
            f"keras.utils.pad_sequences(array, dtype={_dtype_of_all(items)!r}) does with lists of "
            "numbers, or save each in a file of its own."
        )
    return "Its items differ in shape: pad each to one shape, such as with np.pad, and stack them."


def dense_of(source: object, name: str) -> str | None:
    """Code for the dense array of a sparse one, of which NumPy makes an object; else `None`."""
    if callable(getattr(source, "toarray", None)):
        return f"{name}.toarray()"
    if type(source).__name__ == "SparseTensor":
        return f"tf.sparse.to_dense({name}).numpy()"
    if getattr(source, "is_sparse", False):
        return f"{name}.to_dense().numpy()"
    if callable(getattr(source, "todense", None)):
        return f"np.asarray({name}.todense())"
    return None


# Whole numbers beyond it are rounded in float64, so that two ids may become one.
_WHOLE_MAX = 2**53


def _remedy_of_numbers(array: Array) -> str:
    """What makes an array of numbers of one of objects that are single values."""
    # All are looked at: int64 would cut a fraction among them.
    if all(isinstance(item, int | np.integer) for item in array.flat):
        low, high = min(array.flat), max(array.flat)
        for dtype in ("int64", "uint64"):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return f"Convert it: array.astype({dtype!r})."
        return f"Number the values, which 64 bits do not hold: {_NUMBERED}."
    items = [item for item in array.flat if item is not None]
    are_whole = all(isinstance(item, int | np.integer) for item in items)
    if items and are_whole and max(abs(int(item)) for item in items) > _WHOLE_MAX:
        return (
            "Give what is missing a number, which float64 would round: np.array([-1 if item is "
            "None else item for item in array.flat]).reshape(array.shape)."
        )
    return "Convert it: array.astype('float64')."


def _dtype_of_all(items: list[Any]) -> str:
    """A dtype that holds the numbers of all items. That of pad_sequences is int32 by default."""
    try:
        return np.result_type(*{np.asarray(item).dtype for item in items}).name
    except (TypeError, ValueError):
        return "float64"


def _shape(item: Any) -> tuple[int, ...] | None:
    try:
        shape: tuple[int, ...] = np.shape(item)
    except ValueError:
        # A list of lists of unequal length has none.
        return None
    return shape
