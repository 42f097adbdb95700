"""Some of the rows of a source, in an order of their own."""

from keras_npy.order.selection import rows_at, to_rows
from keras_npy.rows.base import Rows
from keras_npy.rows.drawn import DrawnRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.sources import Source, open_rows
from keras_npy.types import Array, Indices


def take(source: Source, indices: object) -> Rows:
    """Rows of a source by their numbers, as `np.take` gives them on axis 0, but read on demand.

    Row i is row `indices[i]` of the source. So one image serves several captions, two views of one
    file make pairs, and rare rows of one input come more often.

    Args:
        source: As `open_rows` takes it.
        indices: A slice, a range, integers (negative ones count from the end) or a boolean mask, in
            any order and as often as needed. They take 8 bytes a row, or none as a slice or range.

    Returns:
        Rows for `NpySequence` and `open_rows`.

    Raises:
        IndexError: If a number is out of range.
        ValueError: If no row is selected, or the indices have more than one axis.
        TypeError: If `indices` is none of these.
        NpyFileError: If the source cannot be streamed.

    Example:

    >>> np.save("images.npy", np.array([[10, 10], [20, 20]]))
    >>> take("images.npy", [0, 0, 0, 1, 1])[2:4]
    array([[10, 10],
           [20, 20]])
    """
    rows = open_rows(source)
    return choose_rows(rows, to_rows(indices, len(rows)))


def choose_rows(rows: Rows, indices: range | Indices) -> Rows:
    """Some rows, whose numbers the caller has checked."""
    if isinstance(rows, DrawnRows):
        return ChosenDrawnRows(rows, indices)
    return ChosenRows(rows, indices)


class ChosenRows(ForwardingRows):
    """Rows that are some of the rows of `source`.

    Args:
        source: The rows to choose from.
        indices: Numbers of the chosen rows, `(N,)`, each in `0 <= index < len(source)`.
    """

    def __init__(self, source: Rows, indices: range | Indices) -> None:
        shape = (len(indices), *source.row_shape)
        super().__init__(source, name=source.name, shape=shape, dtype=source.dtype)
        self._indices = indices

    def source_indices(self, indices: Indices) -> Indices:
        return rows_at(self._indices, indices)

    def read_into(self, indices: Indices, out: Array) -> None:
        self.source.read_into(self.source_indices(indices), out)


class ChosenDrawnRows(ChosenRows, DrawnRows):
    """As `ChosenRows`, of rows that differ from pass to pass."""

    source: DrawnRows

    def read_drawn(self, indices: Indices, out: Array, seed: int, epoch: int) -> None:
        self.source.read_drawn(self.source_indices(indices), out, seed, epoch)
