"""Values drawn from all rows, from which the bulk of each column is known in bounded memory."""

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Rows of more columns are not a table of features.
COLUMNS_MAX = 10_000

# Values to keep, of all columns together, and rows to draw of a table of many columns at least.
_VALUES_MAX = 1 << 16
_ROWS_MIN = 64

# Values to keep of a drawn row that is no row of a table.
_PER_ROW = 16


def is_table(rows: Rows) -> bool:
    """Whether each value of a row is a feature with a range of its own."""
    return rows.ndim == 1 or (rows.ndim == 2 and rows.shape[1] <= COLUMNS_MAX)


class Sample:
    """Some rows of a table, drawn at random, or some values of other rows as one column.

    Args:
        rows: The rows that are walked over.
    """

    def __init__(self, rows: Rows) -> None:
        self._is_table = is_table(rows)
        width = rows.size // len(rows) if self._is_table else _PER_ROW
        wanted = max(_ROWS_MIN, _VALUES_MAX // max(1, width))
        self._random = np.random.default_rng(0)
        drawn = np.arange(len(rows))
        if wanted < len(rows):
            drawn = np.unique(self._random.integers(0, len(rows), wanted))
        self._drawn = drawn
        self._kept: list[Array] = []

    def see(self, indices: Indices, flat: Array) -> None:
        """Keep what is drawn of a block of rows `(b, n)`."""
        flat = flat[np.isin(indices, self._drawn, assume_unique=True)]
        if not self._is_table:
            number = min(len(flat) * _PER_ROW, flat.size)
            flat = flat.reshape(-1)[self._random.integers(0, max(1, flat.size), number)][:, None]
        if len(flat):
            self._kept.append(flat.copy())

    def columns(self) -> Array:
        """What was drawn, `(n, C)`; empty if there was nothing."""
        return np.concatenate(self._kept) if self._kept else np.empty((0, 1))
