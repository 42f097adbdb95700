"""Which rows each batch holds: integers only, no files, no Keras.

The order of a pass is a pure function of `(seed, epoch)` and the number of rows, computed for
any stretch of the pass on its own. Nothing here grows with the number of rows: a pass over
1e9 rows starts as fast as one over 1e4.
"""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shuffle = Literal["rows", "batch"] | None
"""Uniformly over all rows, within each consecutive batch, or file order."""

Indices = NDArray[np.int64]

# Up to here a pass sorts one random key per row, at most 512 KiB, which is as uniform as the keys
# are. A Feistel network over a few hundred rows is not: its halves hold too few values. Above,
# the network needs no memory.
SORTED_ROWS_MAX = 1 << 16

# Four rounds are the least that a pseudo-random permutation needs (Luby and Rackoff, 1988).
# Eight leave a margin for the round function, which is a multiplicative hash and no cipher.
FEISTEL_ROUNDS = 8


@dataclass(frozen=True)
class Order:
    """The rows of each batch of a pass.

    Args:
        num_samples: Rows that one pass serves.
        batch_size: Rows in each batch but the last.
        drop_remainder: Whether a short last batch is left out.
        shuffle: `"rows"`, `"batch"` or `None` for file order.
        seed: Any integer from 0.
        indices: File row of each served row, or `None` if they are the same. A range takes no
            memory, an array 8 bytes a row.
    """

    num_samples: int
    batch_size: int
    drop_remainder: bool = False
    shuffle: Shuffle = None
    seed: int = 0
    indices: range | Indices | None = None

    def shuffled(self, shuffle: Shuffle) -> "Order":
        """The same rows in another order."""
        return dataclasses.replace(self, shuffle=shuffle)

    def subset(self, positions: range | Indices) -> "Order":
        """The rows at these positions of the unshuffled pass, each below `num_samples`."""
        indices = positions if self.indices is None else _choose(self.indices, positions)
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
        """Whether a pass serves rows that lie one after the other in the file."""
        is_run = isinstance(self.indices, range) and self.indices.step == 1
        return self.shuffle is None and (self.indices is None or is_run)

    def bounds(self, first_batch: int, last_batch: int) -> tuple[int, int]:
        """Positions in the pass, from and up to, of batches `first_batch <= i < last_batch`."""
        num_served = self.num_samples
        if self.drop_remainder:
            num_served = self.num_batches * self.batch_size
        return first_batch * self.batch_size, min(last_batch * self.batch_size, num_served)

    def rows(self, epoch: int, first_batch: int, last_batch: int) -> Indices:
        """File rows of batches `first_batch <= i < last_batch` of pass `epoch`, concatenated.

        The array may be shared: it must not be written to.
        """
        start, stop = self.bounds(first_batch, last_batch)
        if self.shuffle == "rows":
            rows = permute(start, stop, self.num_samples, self.seed, epoch)
        elif self.shuffle == "batch":
            rows = _permute_within_batches(start, stop, self.batch_size, self.seed, epoch)
        else:
            rows = np.arange(start, stop, dtype=np.int64)
        return rows if self.indices is None else _at(self.indices, rows)


def to_indices(index: object, num_rows: int) -> Indices:
    """`to_rows` as an array.

    Example:

    >>> to_indices(slice(0, None, 2), 5).tolist()
    [0, 2, 4]
    """
    rows = to_rows(index, num_rows)
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop, rows.step, dtype=np.int64)
    return rows


def to_rows(index: object, num_rows: int) -> range | Indices:
    """Row numbers that a slice, a range, integers or a boolean mask select.

    Negative integers count from the end, as in NumPy. A slice or a range of numbers from 0 stays
    a range.

    Raises:
        TypeError: If `index` is none of these.
        ValueError: If a mask has another length than `num_rows`, if no row is selected, or if
            the integers have more than one axis.
        IndexError: If an integer is out of range.

    Example:

    >>> to_rows(slice(0, None, 2), 5)
    range(0, 5, 2)
    """
    if isinstance(index, slice):
        index = range(*index.indices(num_rows))
    if isinstance(index, range) and index and 0 <= min(index[0], index[-1]):
        _check_bounds(min(index[0], index[-1]), max(index[0], index[-1]), num_rows)
        return index
    chosen = np.asarray(index)
    if chosen.dtype == bool:
        if chosen.shape != (num_rows,):
            raise ValueError(
                "A boolean mask must have one value per row. "
                f"Received: a mask of shape {chosen.shape} for {num_rows} rows. "
                "Pass a mask of that length, or row numbers."
            )
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        raise ValueError(
            f"Indices must select at least one row. Received: none of {num_rows}. "
            "Pass other row numbers, or leave indices out for all rows."
        )
    if chosen.dtype.kind not in "iu":
        raise TypeError(
            "Indices must be a slice, a range, integers or a boolean mask. "
            f"Received: {type(index).__name__} of {chosen.dtype}. Pass row numbers."
        )
    if chosen.ndim != 1:
        raise ValueError(
            f"Indices must have one axis. Received: shape {chosen.shape}. Pass them flat."
        )
    low, high = int(chosen.min()), int(chosen.max())
    _check_bounds(low, high, num_rows)
    chosen = chosen.astype(np.int64)
    return np.where(chosen < 0, chosen + num_rows, chosen) if low < 0 else chosen


def _check_bounds(low: int, high: int, num_rows: int) -> None:
    if low < -num_rows or high >= num_rows:
        raise IndexError(
            f"Indices must lie in {-num_rows} <= index < {num_rows}, the number of rows. "
            f"Received: {low if low < -num_rows else high}. Leave out rows that do not exist."
        )


def _at(indices: range | Indices, positions: Indices) -> Indices:
    if isinstance(indices, range):
        return indices.start + indices.step * positions
    return indices[positions]


def _choose(indices: range | Indices, positions: range | Indices) -> range | Indices:
    """`indices[positions]`, a range if both are."""
    if isinstance(positions, range):
        if isinstance(indices, range):
            start, step = indices[positions.start], indices.step * positions.step
            return range(start, start + step * len(positions), step)
        positions = np.arange(positions.start, positions.stop, positions.step, dtype=np.int64)
    return _at(indices, positions)


def permute(start: int, stop: int, num_rows: int, seed: int, epoch: int) -> Indices:
    """Stretch `start <= i < stop` of a pseudo-random permutation of `num_rows` rows.

    Example:

    >>> sorted(permute(0, 6, 6, seed=0, epoch=0).tolist())
    [0, 1, 2, 3, 4, 5]

    Reference:
        Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002: a Feistel network
        over `a * b >= num_rows`, with cycle walking.
    """
    if num_rows <= SORTED_ROWS_MAX:
        return _sorted_permutation(num_rows, seed, epoch)[start:stop]
    return _feistel_permutation(start, stop, num_rows, seed, epoch)


# A few sequences in use at once, such as several inputs or folds; 4 MiB at the most.
@functools.lru_cache(maxsize=8)
def _sorted_permutation(num_rows: int, seed: int, epoch: int) -> Indices:
    (key,) = _keys(1, seed, epoch)
    permutation = np.argsort(_hash(np.arange(num_rows, dtype=np.uint64) ^ key))
    permutation.flags.writeable = False
    return permutation


def _permute_within_batches(
    start: int, stop: int, batch_size: int, seed: int, epoch: int
) -> Indices:
    (key,) = _keys(1, seed, epoch)
    rows = np.arange(start, stop, dtype=np.uint64)
    batches = rows // np.uint64(batch_size)
    # lexsort sorts by its last key first: by batch, then by the random key within it.
    return np.lexsort((_hash(rows ^ key), batches)) + np.int64(start)


def _feistel_permutation(start: int, stop: int, num_rows: int, seed: int, epoch: int) -> Indices:
    keys = _keys(FEISTEL_ROUNDS, seed, epoch)
    high_size = math.isqrt(num_rows - 1) + 1
    low_size = -(-num_rows // high_size)
    values = _feistel(np.arange(start, stop, dtype=np.uint64), high_size, low_size, keys)
    # The network permutes high_size * low_size values, at most high_size - 1 more than there
    # are rows. A value past the end is sent through again until it falls inside, which keeps
    # the whole a permutation of the rows: fewer than one in 250 here.
    while (outside := np.flatnonzero(values >= num_rows)).size:
        values[outside] = _feistel(values[outside], high_size, low_size, keys)
    return values.astype(np.int64)


def _feistel(
    values: NDArray[np.uint64], high_size: int, low_size: int, keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    high, low = np.divmod(values, np.uint64(low_size))
    for round_index, key in enumerate(keys):
        if round_index % 2:
            _add_modulo(low, _round_function(high, key, low_size), low_size)
        else:
            _add_modulo(high, _round_function(low, key, high_size), high_size)
    return high * np.uint64(low_size) + low


def _round_function(half: NDArray[np.uint64], key: np.uint64, size: int) -> NDArray[np.uint64]:
    """A hash of `half` in `0 <= hash < size`, which must be under 2**32."""
    mixed = half ^ key
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    mixed >>= np.uint64(32)
    mixed *= np.uint64(size)
    mixed >>= np.uint64(32)
    return mixed


def _add_modulo(half: NDArray[np.uint64], summand: NDArray[np.uint64], size: int) -> None:
    """`half = (half + summand) % size` in place; both must be below `size`."""
    half += summand
    # Half the cost of %: a value below 2 * size less size wraps to a huge one if it was below.
    np.minimum(half, half - np.uint64(size), out=half)


def _hash(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection, so distinct values keep distinct sort keys."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _keys(count: int, seed: int, epoch: int) -> NDArray[np.uint64]:
    # NumPy promises SeedSequence's output across versions; it does not promise Generator's.
    keys = np.random.SeedSequence(seed, spawn_key=(epoch,)).generate_state(count, np.uint64)
    return keys.astype(np.uint64)
