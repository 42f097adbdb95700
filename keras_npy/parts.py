"""Sequences over some of the rows that another serves: `subset`, `split`, `folds`."""

import copy
from typing import Any, Self

from keras_npy.order import Order, to_indices


class Parts:
    """What `NpySequence` does to serve fewer rows of the same files."""

    _data: tuple[Any, ...]
    _order: Order

    def subset(self, indices: object) -> Self:
        """Serve only some of the rows that this sequence serves, from the same open files.

        Batch size, seed, shuffling and structure stay; the count of passes starts at 0.

        Args:
            indices: Positions in the file order of *this sequence*: a slice, a range, integers
                (negative ones count from the end) or a boolean mask of `num_samples` values.
                Their order becomes the file order of the subset. So a subset of a subset is
                what NumPy gives for `rows[first][second]`.

        Raises:
            ValueError: If no row is selected, a mask has another length, or
                `drop_remainder=True` leaves no batch.
            TypeError: If `indices` is none of these.
            IndexError: If a position is out of range.

        Example:

        >>> from keras_npy import NpySequence
        >>> evens = NpySequence(np.arange(10), batch_size=2).subset(slice(0, None, 2))
        >>> [batch.tolist() for batch in evens.subset([4, 0])]
        [[8, 0]]
        """
        order = self._order.subset(to_indices(indices, self._order.num_samples))
        order.check_num_batches()
        # Copied as if pickled: the rows are shared, the lock and the count of passes are not.
        part = copy.copy(self)
        part._order = order
        return part
