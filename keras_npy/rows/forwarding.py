"""`ForwardingRows`: the base of rows that are made from other rows."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from keras_npy.files.store import FileList, Places
from keras_npy.order.selection import ascending
from keras_npy.rows.base import Rows, Timesteps
from keras_npy.rows.drawn import DrawnRows
from keras_npy.types import Indices


class ForwardingRows(Rows):
    """Rows that are made from the rows of `source` when they are read.

    This class passes on each method of `Rows` that does nothing by default, so that no subclass
    can forget one. A subclass implements `read_into`; it also implements `source_indices` if its
    row i is not made from row i alone.

    Args:
        source: The rows from which the new rows are made.
        name: Name of the new rows in messages.
        shape: Shape of the new rows.
        dtype: dtype of the new rows.
    """

    def __init__(
        self, source: Rows, *, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        if isinstance(source, DrawnRows) and not isinstance(self, DrawnRows):
            raise TypeError(
                f"{source.name}: rows that differ from pass to pass go into a sequence as they "
                f"are, or through take. Received: random crops below {name[:50]}. "
                "Pass crop='start' or 'center' to samples."
            )
        self.source = source
        self.name = name
        self.shape = shape
        self.dtype = dtype

    @property
    def files(self) -> FileList | None:
        return self.source.files

    @property
    def files_beneath(self) -> FileList | None:
        return self.source.files_beneath

    @property
    def places(self) -> Places:
        return self.source.places

    @property
    def stored_bytes(self) -> int:
        return min(self.nbytes, self.source.stored_bytes)

    @property
    def file_paths(self) -> list[str] | None:
        return self.source.file_paths

    def _file_of(self, index: int) -> tuple[str, int]:
        return self.source.file_of(index)

    def timesteps(self, indices: Indices) -> Timesteps:
        return self.source.timesteps(self.source_indices(indices))

    @property
    def shard_lengths(self) -> Indices:
        return self.source.shard_lengths

    def source_indices(self, indices: Indices) -> Indices:
        """The rows of `source` to check and prepare before these rows are read."""
        return indices

    def prepare(self, indices: Indices) -> None:
        self.source.prepare(self.source_indices(indices))

    def check_unchanged(self, indices: Indices | None = None) -> None:
        self.source.check_unchanged(None if indices is None else self.source_indices(indices))

    def read_once(self, indices: range | Indices) -> Iterator[tuple[Rows, range | Indices]]:
        # The new rows may have other values than the source.
        yield self, ascending(indices)

    def numbers_with(self, part: Rows, indices: Indices) -> Indices:
        # As `read_once`: the new rows are not read from those of the source.
        return super().numbers_with(part, indices)

    def locate(self, index: int) -> str:
        # The new row may be made of several rows, so its own number says more.
        return f"{self.name}, row {index}"

    @property
    def io(self) -> Literal["map", "read"] | None:
        return self.source.io

    def alias(self) -> None:
        # The new rows have other values than the source.
        return None
