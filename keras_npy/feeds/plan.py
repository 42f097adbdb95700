"""Which batches are planned, checked and asked for together: the walk over blocks."""

import itertools
from collections.abc import Iterator

from keras_npy.feeds.batches import Batches
from keras_npy.order.position import Position
from keras_npy.types import Indices


class Plan:
    """The blocks of batches from a position on, numbered from 0.

    A block lies in one pass. Of endless batches pass follows pass.

    Args:
        batches: What to read.
        start: Where to begin.
    """

    def __init__(self, batches: Batches, start: Position) -> None:
        self._batches = batches
        self._start = start
        self._num_first = self._num_from(start.batch)

    @property
    def num_blocks(self) -> int | None:
        """How many there are, or `None` for endless batches."""
        return None if self._batches.is_endless else self._num_first

    def bounds(self, number: int) -> tuple[Position, int]:
        """The first batch of a block, and the number of the batch behind its last one."""
        if number < self._num_first:
            epoch, first = self._start.epoch, self._start.batch + number * self._block_batches
        else:
            passes, block = divmod(number - self._num_first, self._num_from(0))
            epoch, first = self._start.epoch + 1 + passes, block * self._block_batches
        last = min(first + self._block_batches, self._batches.order.num_batches)
        return Position(epoch, first), last

    def rows(self, number: int) -> Indices:
        """Rows of a block: their files are unchanged, and the kernel was asked for them."""
        first, last = self.bounds(number)
        rows = self._batches.order.rows(first.epoch, first.batch, last)
        self._batches.prepare(rows)
        return rows

    def walk(self) -> Iterator[Indices]:
        """Rows of block after block. The kernel reads those of the next one meanwhile."""
        numbers = itertools.count() if self.num_blocks is None else range(self.num_blocks)
        ready = None
        for number in numbers:
            upcoming = self.rows(number)
            if ready is not None:
                yield ready
            ready = upcoming
        if ready is not None:
            # Those before it were, with the block behind them.
            self._batches.check_unchanged(ready)
            yield ready

    @property
    def _block_batches(self) -> int:
        return self._batches.block_batches

    def _num_from(self, batch: int) -> int:
        """Blocks of a pass from this batch on."""
        return -(-(self._batches.order.num_batches - batch) // self._block_batches)
