"""What is made of other rows passes on to them whatever it is not itself asked for."""

from typing import Any

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.types import Indices


class ForwardingRows(Rows):
    """Rows that are made of the rows of `source` as they are read.

    Each method of `Rows` that does nothing by default is passed on here, so that none is lost in
    what wraps rows. A subclass writes `read_into`, and `source_indices` if row i is not made of
    row i alone.

    Args:
        source: The rows that these are made of.
        name: What messages call these.
        shape: Theirs.
        dtype: Theirs.
    """

    def __init__(
        self, source: Rows, *, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.source = source
        self.name = name
        self.shape = shape
        self.dtype = dtype

    def source_indices(self, indices: Indices) -> Indices:
        """The rows of `source` to be looked at before these rows are read."""
        return indices

    def prepare(self, indices: Indices) -> None:
        self.source.prepare(self.source_indices(indices))

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self.source.check_unchanged(None if indices is None else self.source_indices(indices))

    def alias(self) -> None:
        # Their values are others than those of the source.
        return None
