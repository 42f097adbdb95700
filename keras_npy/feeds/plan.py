"""The walk over blocks: batches that are planned, checked and read ahead together."""

import itertools
from collections.abc import Iterable, Iterator

from keras_npy.feeds.batches import Batches
from keras_npy.order.position import Position
from keras_npy.types import Indices


class Plan:
    """The blocks of batches from a position on, numbered from 0.

    No block crosses the end of a pass. If the batches are endless, pass follows pass.

    Args:
        batches: What to read.
        start: Where to begin.
        block_batches: Batches in a block; `None` for as many as `batches` says.
    """

    def __init__(self, batches: Batches, start: Position, block_batches: int | None = None) -> None:
        self._batches = batches
        self._start = start
        self._block_batches = block_batches or batches.block_batches
        self._num_first = self._num_from(start.batch)

    @property
    def num_blocks(self) -> int | None:
        """The number of blocks, or `None` for endless batches."""
        return None if self._batches.is_endless else self._num_first

    def numbers(self) -> Iterable[int]:
        """The numbers of all blocks."""
        return itertools.count() if self.num_blocks is None else range(self.num_blocks)

    def bounds(self, number: int) -> tuple[Position, int]:
        """The first batch of a block, and the number of the batch after its last one."""
        if number < self._num_first:
            epoch, first = self._start.epoch, self._start.batch + number * self._block_batches
        else:
            passes, block = divmod(number - self._num_first, self._num_from(0))
            epoch, first = self._start.epoch + 1 + passes, block * self._block_batches
        last = min(first + self._block_batches, self._batches.order.num_batches)
        return Position(epoch, first), last

    def rows(self, number: int) -> Indices:
        """The rows of a block, after a check of their files and advice to the kernel."""
        first, last = self.bounds(number)
        order, block = self._batches.order, (first.epoch, first.batch, last)
        if self._batches.are_in_files:
            for ahead in order.rows_ahead(*block, is_first=number == 0):
                self._batches.prepare(ahead)
        rows = order.rows(*block)
        self._batches.prepare(rows)
        return rows

    def walk(self) -> Iterator[tuple[Position, Indices]]:
        """Yield the start and rows of each block, while the kernel reads those of the next one."""
        ready = None
        for number in self.numbers():
            upcoming = self.bounds(number)[0], self.rows(number)
            if ready is not None:
                yield ready
            ready = upcoming
        if ready is not None:
            # If all rows lie in one file, the check for each block is a second one for the block
            # before it. Nothing follows the last block, so its files are checked again.
            self._batches.check_unchanged(ready[1])
            yield ready

    def _num_from(self, batch: int) -> int:
        """The number of blocks in a pass from this batch on."""
        return -(-(self._batches.order.num_batches - batch) // self._block_batches)
