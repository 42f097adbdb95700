"""`Order`: which rows each batch holds. Integers only: no files, no Keras.

The order of a pass is a pure function of `(seed, epoch)` and the number of rows, and any stretch of
it can be computed alone. Nothing here grows with the number of rows: a pass over 1e9 rows starts as
fast as one over 1e4.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_npy.order.permutation import permute, permute_at, permute_within_batches
from keras_npy.order.pools import Pools, pools_of
from keras_npy.order.selection import choose, rows_at
from keras_npy.types import Indices, Shuffle

DIGEST_BYTES = 16

# The numbers of more rows would take tens of megabytes while they are announced.
ROWS_AHEAD_MAX = 1 << 20


@dataclass(frozen=True)
class Order:
    """The rows of each batch of a pass.

    Args:
        num_samples: Rows that one pass serves.
        batch_size: Rows in each batch but the last.
        drop_remainder: Whether a short last batch is left out.
        shuffle: `"rows"`, `"batch"` or `None` for file order.
        seed: Any integer from 0.
        indices: The file row of each served row, or `None` if all rows are served as they lie.
            A range takes no memory, an array takes 8 bytes a row.
        shuffle_block_size: How many neighbours stay together when rows are shuffled, up to the
            pool that they are mixed in. `None` shuffles all rows alike.
    """

    num_samples: int
    batch_size: int
    drop_remainder: bool = False
    shuffle: Shuffle = None
    seed: int = 0
    indices: range | Indices | None = None
    shuffle_block_size: int | None = None

    def shuffled(self, shuffle: Shuffle) -> "Order":
        """The same rows in another order."""
        return dataclasses.replace(self, shuffle=shuffle)

    def subset(self, positions: range | Indices) -> "Order":
        """The rows at these positions of the unshuffled pass, each below `num_samples`."""
        indices = positions if self.indices is None else choose(self.indices, positions)
        return dataclasses.replace(self, num_samples=len(indices), indices=indices)

    def check_num_batches(self) -> None:
        """Raise `ValueError` if `drop_remainder` leaves out the only batch."""
        if self.num_batches == 0:
            raise ValueError(
                "drop_remainder=True must leave at least one batch. "
                f"Received: batch_size={self.batch_size} for {self.num_samples} samples. "
                "Take a smaller batch_size, or drop_remainder=False."
            )

    @property
    def num_batches(self) -> int:
        if self.drop_remainder:
            return self.num_samples // self.batch_size
        return -(-self.num_samples // self.batch_size)

    @property
    def has_static_batches(self) -> bool:
        """Whether every batch holds exactly `batch_size` rows."""
        return self.drop_remainder or self.num_samples % self.batch_size == 0

    @property
    def is_contiguous(self) -> bool:
        """Whether a pass serves consecutive rows of the file, in file order."""
        is_run = isinstance(self.indices, range) and self.indices.step == 1
        return self.shuffle is None and (self.indices is None or is_run)

    @functools.cached_property
    def indices_fingerprint(self) -> str:
        """A hash of `indices`, in their order. It reads all of them, so it is computed once."""
        if self.indices is None or isinstance(self.indices, range):
            return repr(self.indices)
        return hashlib.blake2b(self.indices.tobytes(), digest_size=DIGEST_BYTES).hexdigest()

    def bounds(self, first_batch: int, last_batch: int) -> tuple[int, int]:
        """First and last position, exclusive, of batches `first_batch <= i < last_batch`."""
        num_served = self.num_samples
        if self.drop_remainder:
            num_served = self.num_batches * self.batch_size
        return first_batch * self.batch_size, min(last_batch * self.batch_size, num_served)

    def rows(self, epoch: int, first_batch: int, last_batch: int) -> Indices:
        """File rows of batches `first_batch <= i < last_batch` of pass `epoch`, concatenated.

        The array may be shared, so do not write to it.
        """
        start, stop = self.bounds(first_batch, last_batch)
        if (pools := self._pools(epoch)) is not None:
            rows = pools.rows_at(np.arange(start, stop, dtype=np.int64))
        elif self.shuffle == "rows":
            rows = permute(start, stop, self.num_samples, self.seed, epoch)
        elif self.shuffle == "batch":
            rows = permute_within_batches(start, stop, self.batch_size, self.seed, epoch)
        else:
            rows = np.arange(start, stop, dtype=np.int64)
        return rows if self.indices is None else rows_at(self.indices, rows)

    def rows_at(self, epoch: int, positions: Indices) -> Indices:
        """File rows at these positions of pass `epoch`; positions ascend."""
        if (pools := self._pools(epoch)) is not None:
            rows = pools.rows_at(positions)
        elif self.shuffle == "rows":
            rows = permute_at(positions, self.num_samples, self.seed, epoch)
        elif self.shuffle == "batch":
            # The order within a batch is drawn for the whole batch.
            first = int(positions[0]) // self.batch_size
            start, stop = self.bounds(first, int(positions[-1]) // self.batch_size + 1)
            rows = permute_within_batches(start, stop, self.batch_size, self.seed, epoch)
            rows = rows[positions - start]
        else:
            rows = positions
        return rows if self.indices is None else rows_at(self.indices, rows)

    def rows_ahead(
        self, epoch: int, first_batch: int, last_batch: int, *, is_first: bool
    ) -> Iterator[Indices]:
        """What to announce, beside their own rows, when these batches are planned.

        The rows of a batch lie all over the blocks of a pool. So the rows of a whole pool are
        announced together, whose blocks are then read whole, while the pool before it is used.

        Args:
            epoch: Number of the pass.
            first_batch: As in `rows`.
            last_batch: As in `rows`.
            is_first: Whether nothing of the pass was announced before.

        Yields:
            The rows of some pools, those that are needed first by themselves; nothing unless rows
            are shuffled by blocks.
        """
        for start, stop in self.stretches_ahead(epoch, first_batch, last_batch, is_first=is_first):
            yield self.rows_at(epoch, np.arange(start, stop, dtype=np.int64))

    def stretches_ahead(
        self, epoch: int, first_batch: int, last_batch: int, *, is_first: bool
    ) -> Iterator[tuple[int, int]]:
        """As `rows_ahead`: the first and last position, exclusive, of each stretch of rows."""
        start, stop = self.bounds(first_batch, last_batch)
        pools = self._pools(epoch)
        if pools is None or start >= stop:
            return
        behind = pools.pool_at(stop - 1) + 1
        if is_first or start == 0:
            first = pools.pool_at(start)
            cuts = [first, behind, behind + 1]
        else:
            cuts = [pools.pool_at(start - 1) + 2, behind + 1]
        for begin, end in itertools.pairwise(min(cut, pools.num_pools) for cut in cuts):
            if begin < end:
                stretch = pools.bounds(begin)[0], pools.bounds(end - 1)[1]
                if stretch[1] - stretch[0] <= ROWS_AHEAD_MAX:
                    yield stretch

    def _pools(self, epoch: int) -> Pools | None:
        if self.shuffle != "rows" or self.shuffle_block_size is None:
            return None
        return pools_of(self.num_samples, self.shuffle_block_size, self.seed, epoch)

    @property
    def last_batch_rows(self) -> int:
        """Rows in the last batch."""
        start, stop = self.bounds(self.num_batches - 1, self.num_batches)
        return stop - start

    @property
    def process_id(self) -> int:
        """The number of the process that reads these rows, if several share the batches."""
        return 0
