"""`shuffle_block_size`: blocks of rows in random order, and rows mixed among several of them.

Random rows of a slow disk are slow, and whole blocks are not. So the blocks of a pass are dealt out
to pools, in random order, and the rows of a pool are shuffled. A consumer needs the blocks of one
pool at a time. Any stretch of a pass can be computed alone, as with `permute`.
"""

import functools

import numpy as np

from keras_npy.order.permutation import (
    FEISTEL_ROUNDS,
    hash_values,
    make_keys,
    permute_at,
    permute_by,
)
from keras_npy.types import Indices

# With as many blocks, the classes of a batch of 64, from a file that is sorted by class, vary as
# much as those of a batch of 32 rows that are drawn one by one (`benchmarks/bench_shuffle.py`).
POOL_BLOCKS = 64


class Pools:
    """One pass over rows that are shuffled by blocks.

    Pool after pool is served. The pools of a pass differ by one block at most.

    Args:
        num_rows: Rows of a pass.
        block_size: Rows in each block but the last of the file.
        seed: Any integer from 0.
        epoch: Number of the pass.
    """

    def __init__(self, num_rows: int, block_size: int, seed: int, epoch: int) -> None:
        self._block_size, self._seed, self._epoch = block_size, seed, epoch
        self._num_blocks = -(-num_rows // block_size)
        self.num_pools = -(-self._num_blocks // POOL_BLOCKS)
        # The pass has a key of one number, a row's random numbers two, and maps three or four.
        key, *keys = make_keys(1 + FEISTEL_ROUNDS, seed, epoch, 0, 0, 0, 0).tolist()
        self._keys = np.array(keys, np.uint64)
        # The last block of the file may be short. Its place among the others is drawn by itself,
        # so that each pool is known to begin where it does without a look at the other places.
        self._place_of_last = int(key) * self._num_blocks >> 64
        self._num_missing = self._num_blocks * block_size - num_rows

    def bounds(self, pool: int) -> tuple[int, int]:
        """The first and last position, exclusive, of a pool in the pass."""
        first, last = self._places(pool)
        return self._position(first), self._position(last)

    def pool_at(self, position: int) -> int:
        """The pool that serves this position of the pass."""
        last_starts = self._position(self._place_of_last)
        if position >= last_starts + self._block_size - self._num_missing:
            position += self._num_missing
        place, (size, num_larger) = position // self._block_size, self._sizes()
        if place < num_larger * (size + 1):
            return place // (size + 1)
        return num_larger + (place - num_larger * (size + 1)) // size

    def rows_at(self, positions: Indices) -> Indices:
        """The rows at these positions of the pass; positions ascend."""
        if not len(positions):
            return positions
        pools = range(self.pool_at(int(positions[0])), self.pool_at(int(positions[-1])) + 1)
        mixed = np.concatenate(list(map(self._mixed, pools, self._by_pool(positions, pools))))
        mixed[mixed >= self._position(self._place_of_last + 1)] += self._num_missing
        places, offsets = np.divmod(mixed, self._block_size)
        first, last = self._places(pools[0])[0], self._places(pools[-1])[1]
        rows: Indices = self._blocks(first, last)[places - first] * self._block_size + offsets
        return rows

    def _by_pool(self, positions: Indices, pools: range) -> list[Indices]:
        stops = [self.bounds(pool)[1] for pool in pools[:-1]]
        return np.split(positions, np.searchsorted(positions, stops))

    def _mixed(self, pool: int, positions: Indices) -> Indices:
        """Where the rows at these positions of a pool were before the pool was mixed."""
        start, stop = self.bounds(pool)
        keys = hash_values(self._keys ^ np.uint64(pool))
        return start + permute_by(keys, positions - start, stop - start)

    def _blocks(self, first: int, last: int) -> Indices:
        """The blocks at places `first <= i < last` of the pass."""
        places = np.arange(first, last)
        is_last = places == self._place_of_last
        blocks: Indices = np.full(last - first, self._num_blocks - 1)
        others = places[~is_last]
        others -= others > self._place_of_last
        blocks[~is_last] = permute_at(others, self._num_blocks - 1, self._seed, self._epoch)
        return blocks

    def _places(self, pool: int) -> tuple[int, int]:
        """The first and last place, exclusive, of the blocks of a pool."""
        size, num_larger = self._sizes()
        first, last = (number * size + min(number, num_larger) for number in (pool, pool + 1))
        return first, last

    def _sizes(self) -> tuple[int, int]:
        """Blocks of a pool, and how many pools, the first ones, have one more."""
        return divmod(self._num_blocks, self.num_pools)

    def _position(self, place: int) -> int:
        """Where the block at a place begins in the pass, if its rows were not mixed."""
        return place * self._block_size - self._num_missing * (place > self._place_of_last)


# A feed asks for the same pass with each block of batches that it plans, and for the next one.
@functools.lru_cache(maxsize=8)
def pools_of(num_rows: int, block_size: int, seed: int, epoch: int) -> Pools:
    """The pools of a pass. They hold a few numbers."""
    return Pools(num_rows, block_size, seed, epoch)
