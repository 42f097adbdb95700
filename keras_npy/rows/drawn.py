"""Rows that differ from pass to pass, and the numbers by which a feed asks for them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

Draw: TypeAlias = Callable[[Indices, int], NDArray[np.float64]]
"""Returns fractions in [0, 1), `(len(keys), num)`, from keys and `num`."""


class DrawnRows(Rows):
    """Rows whose values depend on the pass in which they are read, such as random crops.

    `read_into` and all that uses it give the same values each time.
    """

    @abstractmethod
    def read_drawn(self, indices: Indices, out: Array, keys: Indices, draw: Draw) -> None:
        """As `read_into`, with the values that these rows have in a pass.

        Args:
            indices: As `read_into` takes them.
            out: As `read_into` takes it.
            keys: What the numbers of each row are drawn for, `(b,)`: the number that the sequence
                gives the row. Images and masks of one row then have the same numbers, however
                their files were listed.
            draw: Returns the numbers of a pass.
        """

    @property
    def crop_lengths(self) -> Indices | None:
        """The sizes to which all rows are cropped at random, `(axes,)`, if these are the same."""
        return None

    def sizes_at(self, indices: Indices) -> Indices:
        """The sizes that rows have along these axes before they are cropped, `(b, axes)`."""
        raise NotImplementedError


class RowNumbers(Rows):
    """Row i is the number i. It stands for rows that are read later, when the pass is known.

    Args:
        source: The rows.
    """

    def __init__(self, source: DrawnRows) -> None:
        self.name = source.name
        self.shape = (len(source),)
        self.dtype = np.dtype(np.int64)
        self._source = source

    def read_into(self, indices: Indices, out: Array) -> None:
        out[...] = indices

    @property
    def io(self) -> Literal["map", "read"] | None:
        return self._source.io

    def prepare(self, indices: Indices) -> None:
        self._source.prepare(indices)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self._source.check_unchanged(indices)
