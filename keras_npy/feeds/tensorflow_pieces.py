"""`MappedPiece`: what a map returns for the batches of a piece, as one array."""

from keras_npy.feeds.buffers import BufferPool
from keras_npy.types import Array


class MappedPiece:
    """One leaf of the batches of a piece.

    If the map returns its input as it is, the piece is that input, and nothing is copied.

    Args:
        leaf: What the map returned for the first batch.
        inputs: The rows of the piece that the map is given.
        pool: Lends memory for a piece that is no input.
    """

    array: Array
    """The piece. It is complete once each batch has been put there."""

    def __init__(self, leaf: Array, inputs: list[Array], pool: BufferPool) -> None:
        self._pool = pool
        self._num_rows = len(inputs[0])
        given = [array for array in inputs if _is_at(leaf, array, 0)]
        self._is_input = bool(given)
        self.array = given[0] if given else self._lend(leaf)

    def put(self, start: int, leaf: Array) -> None:
        """Put what the map returned for the batch that begins at this row; they come in order."""
        if self._is_input and not _is_at(leaf, self.array, start):
            # Do not write to the input: it may be another leaf too.
            given, self._is_input = self.array, False
            self.array = self._lend(leaf)
            self.array[:start] = given[:start]
        if not self._is_input:
            self.array[start : start + len(leaf)] = leaf

    def _lend(self, leaf: Array) -> Array:
        shape = (self._num_rows, *leaf.shape[1:])
        return self._pool.lend(shape, leaf.dtype.newbyteorder("="))


def _is_at(leaf: Array, piece: Array, start: int) -> bool:
    """Whether `leaf` is `piece[start : start + len(leaf)]` itself."""
    place = piece[start : start + len(leaf)]
    is_alike = (leaf.shape, leaf.strides, leaf.dtype) == (place.shape, place.strides, place.dtype)
    return is_alike and leaf.ctypes.data == place.ctypes.data
