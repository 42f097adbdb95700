"""`Slots`: where rows lie in an array that holds only some of them."""

import numpy as np

from keras_npy.order.selection import ascending, to_array
from keras_npy.types import Indices


class Slots:
    """The places of some rows in an array that holds each of them once, in rising order.

    Args:
        num_rows: Rows of the source.
        chosen: The rows that the array holds, or `None` for all.

    Example:

    >>> slots = Slots(10, np.array([7, 2, 7, 5]))
    >>> slots.rows
    array([2, 5, 7])
    >>> slots.of(np.array([7, 2]))
    array([2, 0])
    """

    rows: range | Indices
    """The rows that the array holds, in their order."""

    def __init__(self, num_rows: int, chosen: range | Indices | None = None) -> None:
        self.rows = ascending(range(num_rows) if chosen is None else chosen)
        self.are_all = isinstance(self.rows, range) and self.rows == range(num_rows)

    def __len__(self) -> int:
        return len(self.rows)

    def between(self, start: int, stop: int) -> Indices:
        """The rows in these places."""
        return to_array(self.rows[start:stop])

    def of(self, indices: Indices) -> Indices:
        """The places of rows, each of which the array holds."""
        if self.are_all:
            return indices
        if isinstance(self.rows, range):
            return (indices - self.rows.start) // self.rows.step
        return np.searchsorted(self.rows, indices)
