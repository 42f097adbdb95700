"""Rows addressed by index, whatever they lie in.

Every source becomes a `Rows`: an array whose first axis is read a batch at a time. Floors
above know rows by their shape, their dtype and `take`, and never see a file.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from keras_npy.order.selection import to_indices
from keras_npy.types import Array, Indices


class Rows(ABC):
    """A virtual array that is read by rows: `shape`, `dtype`, `len` and slicing.

    `open_rows`, `samples` and `windows` make them. `dtype` is what `take` gives, always in this
    machine's byte order.

    Example:

    >>> from keras_npy import Rows, open_rows
    >>> np.save("x.npy", np.arange(6).reshape(3, 2))
    >>> rows = open_rows("x.npy")
    >>> isinstance(rows, Rows), len(rows), rows.shape
    (True, 3, (3, 2))
    >>> rows[1:]
    array([[2, 3],
           [4, 5]])
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def take(self, indices: Indices, out: Array | None = None) -> Array:
        """Copy rows into a new array, or into `out`.

        Args:
            indices: int64 `(b,)`; each in `0 <= index < N`, which the caller has ensured.
            out: C-contiguous `(b, *row)` of this dtype.

        Returns:
            `(b, *row)`, never a view of the source.
        """

    def check_unchanged(self, indices: Indices | None = None) -> None:
        """Raise `NpyFileError` if rows are no longer those that were opened.

        Args:
            indices: The rows that will be read next; of many files only theirs are looked at.
                `None` for all rows.
        """
        return

    def advise(self, indices: Indices) -> None:
        """Say which rows will be read soon, so that a cold file is read ahead."""
        return

    @property
    def array(self) -> Array | None:
        """All rows as one read-only C-contiguous array of `dtype`, if they lie so in memory."""
        return None

    def empty(self, num_rows: int) -> Array:
        """An uninitialised array of that many rows."""
        return np.empty((num_rows, *self.row_shape), self.dtype)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.shape[1:]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        """Rows by integer, slice, integers or boolean mask, with NumPy's meaning; at least one."""
        if isinstance(index, tuple):
            raise TypeError(
                "Rows are indexed on axis 0 alone. "
                f"Received: a tuple of {len(index)} indices. Take the rows first: rows[i][:, j]."
            )
        if isinstance(index, int | np.integer):
            row: Array = self.take(to_indices([index], len(self)))[0]
            return row
        return self.take(to_indices(index, len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.dtype} {self.shape})"
