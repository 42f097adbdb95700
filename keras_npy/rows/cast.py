"""Rows in another dtype, with a look at each value that it stays what it was."""

from typing import Any

import numpy as np

from keras_npy.files.header import SUPPORTED_DTYPES, is_supported
from keras_npy.rows.base import Rows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.types import Array, Indices


def cast(rows: Rows, dtype: Any, *, may_round: bool) -> Rows:
    """Rows in another dtype; reading a value that it cannot hold is an error.

    Args:
        rows: The rows.
        dtype: The new dtype, or its name.
        may_round: Whether a value may become the nearest one that the dtype has.

    Raises:
        ValueError: If no tensor can have the dtype, or numbers would lose their imaginary part.

    Example:

    >>> from keras_npy import open_rows
    >>> cast(open_rows(np.array([0.0, 255.0])), "uint8", may_round=False)[:]
    array([  0, 255], dtype=uint8)
    """
    new = np.dtype(dtype).newbyteorder("=") if is_known(dtype) else None
    if new is None or (rows.dtype.kind == "c" and new.kind != "c"):
        raise ValueError(
            f"{rows.name}: rows become one of {SUPPORTED_DTYPES}; complex numbers stay complex. "
            f"Received: dtype={dtype!r:.50} for {rows.dtype}. Pass such as 'uint8' or 'float32'."
        )
    return rows if new == rows.dtype else CastRows(rows, new, may_round)


def is_known(dtype: Any) -> bool:
    """Whether rows can be given this dtype, or the dtype of this name."""
    try:
        return is_supported(np.dtype(dtype).newbyteorder("="))
    except (TypeError, ValueError, SyntaxError):
        return False


class CastRows(ForwardingRows):
    """Rows of `source` in another dtype."""

    def __init__(self, source: Rows, dtype: np.dtype[Any], may_round: bool) -> None:
        super().__init__(source, name=source.name, shape=source.shape, dtype=dtype)
        self._may_round = may_round

    def read_into(self, indices: Indices, out: Array) -> None:
        values = self.source.take(indices)
        # Values that the new dtype cannot hold are looked for below.
        with np.errstate(all="ignore"):
            rounds = self._may_round and values.dtype.kind not in "biu" and self.dtype.kind in "iu"
            out[...] = (np.rint(values) if rounds else values).astype(self.dtype)
            is_kept = self._are_kept(values, out, may_round=self._may_round)
        if not is_kept.all():
            at = np.unravel_index(int(np.argmin(is_kept)), is_kept.shape)
            place = self.source.locate_among_all(int(indices[at[0]]))
            raise ValueError(
                f"{place}: a value must stay what it is in another dtype. "
                f"Received: {values[at]} of {values.dtype}, which would be "
                f"{out[at]} in {self.dtype}. {self._remedy(values[at], out[at])}"
            )

    def locate(self, index: int) -> str:
        return self.source.locate(index)

    def _are_kept(self, values: Array, new: Array, *, may_round: bool) -> Array:
        """Which values have not changed, or only by rounding if that is allowed."""
        # NumPy warns of an imaginary part that is dropped, though it is 0.
        is_complex_only_now = new.dtype.kind == "c" and values.dtype.kind != "c"
        back = (new.real if is_complex_only_now else new).astype(values.dtype)
        is_kept: Array = (back == values) | ((back != back) & (values != values))
        if self.dtype.kind in "iu" and values.dtype.kind in "iu":
            # From int64 to uint64 and back, -1 is itself.
            is_kept &= (values < 0) == (new < 0)
        if not may_round or self.dtype.kind == "b":
            return is_kept
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            # The greatest 64-bit integers have no float of their own: stay below the next power.
            nearest = np.rint(values)
            in_range = (nearest >= limits.min) & (nearest < float(limits.max) + 1)
            return is_kept | (in_range if values.dtype.kind not in "iu" else is_kept)
        return is_kept | (np.isfinite(values) & np.isfinite(new))

    def _remedy(self, value: Any, new: Any) -> str:
        with np.errstate(all="ignore"):
            helps = not self._may_round and self._are_kept(value, new, may_round=True)
        if helps:
            return "Choose a dtype that holds it, or allow rounding: may_round=True (--round)."
        return "Choose a dtype that holds it, mend the value, or leave the row out."
