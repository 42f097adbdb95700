"""`SuperBatchOrder`: several consecutive batches of an order as one batch; integers only."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_npy.order.order import Order
from keras_npy.types import Indices

# The number of batches that stands for an endless stream.
_ENDLESS_BATCHES = 1 << 40


@dataclass(frozen=True, kw_only=True)
class SuperBatchOrder(Order):
    """The rows of several batches as one batch, which may cross the end of an endless pass.

    A super-batch may then hold the short last batch of a pass, followed by batches of the next
    pass. The short batch is filled up with copies of its last row, so that each batch starts at a
    multiple of the batch size.

    Args:
        parts: The order of the batches that are combined.
        num_parts: Batches in a super-batch.
        first_part: Number of the batch that the first super-batch begins with, in its pass.
        is_endless: Whether the next pass begins where one ends.

    Example:

    >>> order = super_batches(Order(5, batch_size=2), 2, is_endless=True)
    >>> order.rows(0, 0, 2)
    array([0, 1, 2, 3, 4, 4, 0, 1])
    >>> order.part_sizes(0), order.part_sizes(1)
    ([2, 2], [1, 2])
    """

    parts: Order
    num_parts: int
    first_part: int
    is_endless: bool

    def rows(self, epoch: int, first_batch: int, last_batch: int) -> Indices:
        """As `Order.rows`; `epoch` is the number of the first pass."""
        runs = [
            self._filled(self.parts.rows(pass_number, part, stop), stop - part)
            for pass_number, part, stop in self._runs(epoch, first_batch, last_batch)
        ]
        return runs[0] if len(runs) == 1 else np.concatenate(runs)

    def rows_ahead(
        self, epoch: int, first_batch: int, last_batch: int, *, is_first: bool
    ) -> Iterator[Indices]:
        """As `Order.rows_ahead`."""
        for run in self._runs(epoch, first_batch, last_batch):
            # All runs but the first begin a pass, and are the first of it in any case.
            yield from self.parts.rows_ahead(*run, is_first=is_first)

    def _runs(
        self, epoch: int, first_batch: int, last_batch: int
    ) -> Iterator[tuple[int, int, int]]:
        """The pass, and the first and last batch of `parts`, exclusive, of each run of batches."""
        first, last = self._parts(first_batch, last_batch)
        while first < last:
            num_passes, part = divmod(first, self.parts.num_batches)
            stop = min(part + last - first, self.parts.num_batches)
            yield epoch + num_passes, part, stop
            first += stop - part

    def part_sizes(self, batch: int) -> list[int]:
        """The number of rows in each batch of a super-batch, without those that fill it up."""
        positions = (
            part % self.parts.num_batches for part in range(*self._parts(batch, batch + 1))
        )
        bounds = (self.parts.bounds(position, position + 1) for position in positions)
        return [stop - start for start, stop in bounds]

    def is_even(self, batch: int) -> bool:
        """Whether a super-batch has all its batches, and they have one size."""
        first, last = self._parts(batch, batch + 1)
        if last - first < self.num_parts:
            return False
        # Only the last batch of a pass may be short.
        num_batches = self.parts.num_batches
        if self.parts.has_static_batches or first % num_batches + self.num_parts < num_batches:
            return True
        return len(set(self.part_sizes(batch))) == 1

    def _parts(self, first_batch: int, last_batch: int) -> tuple[int, int]:
        first = self.first_part + first_batch * self.num_parts
        last = self.first_part + last_batch * self.num_parts
        return first, last if self.is_endless else min(last, self.parts.num_batches)

    def _filled(self, rows: Indices, num_parts: int) -> Indices:
        num_missing = num_parts * (self.batch_size // self.num_parts) - len(rows)
        if not self.is_endless or num_missing == 0:
            return rows
        return np.concatenate([rows, np.full(num_missing, rows[-1])])


def super_batches(
    parts: Order, num_parts: int, *, first_part: int = 0, is_endless: bool
) -> SuperBatchOrder:
    """An order in which each batch is `num_parts` batches of `parts`."""
    # A pass may consist of one short batch.
    batch_size = num_parts * min(parts.batch_size, parts.num_samples)
    start, stop = parts.bounds(first_part, parts.num_batches)
    return SuperBatchOrder(
        num_samples=_ENDLESS_BATCHES * batch_size if is_endless else stop - start,
        batch_size=batch_size,
        shuffle=parts.shuffle,
        seed=parts.seed,
        parts=parts,
        num_parts=num_parts,
        first_part=first_part,
        is_endless=is_endless,
    )
