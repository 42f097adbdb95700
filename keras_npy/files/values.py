"""Turn the bytes of a file into values: byte order, booleans, layouts other than C order."""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keras_npy.files.header import NpyHeader
from keras_npy.types import Array


def dtype_named(name: str) -> np.dtype[Any]:
    """The dtype of a name, also of one that NumPy does not know.

    Example:

    >>> dtype_named("bfloat16").itemsize
    2
    """
    try:
        return np.dtype(name)
    except TypeError:
        # bfloat16 and the small floats are those of a package that Keras installs.
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype


def as_bytes(array: Array) -> NDArray[np.uint8]:
    """The memory of a C-contiguous array `(n, *row)` as uint8 `(n, row_bytes)`."""
    row_bytes = array.itemsize * math.prod(array.shape[1:])
    return array.reshape(len(array), -1).view(np.uint8).reshape(len(array), row_bytes)


def make_native(out: Array, stored: np.dtype[Any]) -> None:
    """Convert `out` in place: it holds bytes of dtype `stored`, and gets values of its dtype."""
    if not stored.isnative:
        out.byteswap(inplace=True)
    if out.dtype.kind == "b":
        # Any byte but 0 is true, but frameworks rely on 1.
        np.not_equal(out.view(np.uint8), 0, out=out)


def copy_values(stored: Array, out: Array) -> None:
    """Copy an array of any layout into `out`, which has its dtype in native byte order."""
    if out.dtype.kind == "b":
        # As in make_native: NumPy would copy the bytes of booleans as they are.
        np.not_equal(stored.view(np.uint8), 0, out=out)
    else:
        out[...] = stored


def as_stored(data: NDArray[np.uint8], header: NpyHeader) -> Array:
    """The bytes as the array that the header describes, without a copy."""
    order: Literal["C", "F"] = "F" if header.fortran_order else "C"
    return np.ndarray(header.shape, header.dtype, data, order=order)
