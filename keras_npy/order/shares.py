"""`Share`: which part of each batch a process reads; integers only."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_npy.errors import warn_once
from keras_npy.order.order import Order
from keras_npy.types import Indices


@dataclass(frozen=True)
class Share:
    """One process among those that share each batch.

    Args:
        num_processes: Processes that share a batch.
        process_id: Number of this process, from 0.
    """

    num_processes: int = 1
    process_id: int = 0

    def part(self, num_rows: int) -> tuple[int, int]:
        """The first and last row, exclusive, that this process reads of so many rows.

        Parts of several processes differ by one row at most.

        Example:

        >>> [Share(3, process_id).part(8) for process_id in range(3)]
        [(0, 2), (2, 5), (5, 8)]
        """
        start, stop = (num_rows * (self.process_id + end) // self.num_processes for end in (0, 1))
        return start, stop

    def divides(self, num_rows: int) -> bool:
        """Whether all processes read the same number of rows."""
        return num_rows % self.num_processes == 0


@dataclass(frozen=True, kw_only=True)
class SharedOrder(Order):
    """The part of each batch that one process reads. Each pass has as many batches as the whole.

    The parts of all processes, in the order of their numbers, are the batch of one process.

    Args:
        whole: The order of the batches that are shared. `share.num_processes` divides its batch
            size.
        share: The process that reads.

    Example:

    >>> whole = Order(10, batch_size=4)
    >>> [shared_order(whole, Share(2, process_id)).rows(0, 0, 3).tolist() for process_id in (0, 1)]
    [[0, 1, 4, 5, 8], [2, 3, 6, 7, 9]]
    """

    whole: Order
    share: Share

    @property
    def num_batches(self) -> int:
        return self.whole.num_batches

    @property
    def has_static_batches(self) -> bool:
        return self.whole.has_static_batches

    @property
    def is_contiguous(self) -> bool:
        return False

    @property
    def process_id(self) -> int:
        return self.share.process_id

    def rows(self, epoch: int, first_batch: int, last_batch: int) -> Indices:
        """As `Order.rows`. Only this process's rows are computed."""
        positions = self._positions(first_batch, last_batch)
        return self.whole.rows_at(epoch, positions) if len(positions) else positions

    def rows_ahead(
        self, epoch: int, first_batch: int, last_batch: int, *, is_first: bool
    ) -> Iterator[Indices]:
        """As `Order.rows_ahead`. Of each block only this process's rows are announced."""
        stretches = self.whole.stretches_ahead(epoch, first_batch, last_batch, is_first=is_first)
        for start, stop in stretches:
            batches = start // self.whole.batch_size, -(-stop // self.whole.batch_size)
            positions = self._positions(batches[0], min(batches[1], self.num_batches))
            positions = positions[(start <= positions) & (positions < stop)]
            if len(positions):
                yield self.whole.rows_at(epoch, positions)

    def _positions(self, first_batch: int, last_batch: int) -> Indices:
        """Where this process's rows of some batches stand in the whole pass, in rising order."""
        start, stop = self.bounds(first_batch, last_batch)
        batches, within = np.divmod(np.arange(start, stop, dtype=np.int64), self.batch_size)
        if not len(batches):
            return batches
        first, _ = self.share.part(self.whole.batch_size)
        positions = batches * self.whole.batch_size + first + within
        if last_batch == self.num_batches:
            # The last batch may be shorter, and is shared anew.
            first_of_last, _ = self.share.part(self.whole.last_batch_rows)
            positions[batches == self.num_batches - 1] += first_of_last - first
        return positions


def check_rows(order: Order, share: Share) -> None:
    """Raise `ValueError` if there is no batch, or no row for some process."""
    order.check_num_batches()
    if order.num_samples < share.num_processes:
        raise ValueError(
            "There must be a row for each process. "
            f"Received: {order.num_samples} samples for num_processes={share.num_processes}. "
            "Take more rows, or fewer processes."
        )


def check_last_batch(order: Order, share: Share) -> None:
    """Raise if some process has no row of the last batch; warn if parts differ in size."""
    last = order.last_batch_rows
    if share.divides(last):
        return
    if last < share.num_processes:
        raise ValueError(
            "Each process must have a row of each batch. "
            f"Received: a last batch of {last} rows for num_processes={share.num_processes}. "
            "Pass drop_remainder=True to NpySequence, or another batch_size."
        )
    warn_once(
        f"last batch of {last} of {order.num_samples} rows for {share.num_processes} processes",
        f"The last batch has {last} rows, which {share.num_processes} processes share unevenly: "
        "a mean over processes of their means is not the mean of these rows. Weigh means by "
        "rows, or pass drop_remainder=True to NpySequence.",
    )


def shared_order(whole: Order, share: Share) -> Order:
    """The rows that one process reads; `whole` itself if it is alone."""
    if share.num_processes == 1:
        return whole
    batch_size = whole.batch_size // share.num_processes
    start, stop = share.part(whole.last_batch_rows)
    return SharedOrder(
        num_samples=(whole.num_batches - 1) * batch_size + stop - start,
        batch_size=batch_size,
        drop_remainder=whole.drop_remainder,
        shuffle=whole.shuffle,
        seed=whole.seed,
        indices=whole.indices,
        shuffle_block_size=whole.shuffle_block_size,
        whole=whole,
        share=share,
    )
