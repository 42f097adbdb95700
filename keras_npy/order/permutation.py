"""Random permutations from a seed. Any stretch of one can be computed alone."""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Indices

# A pass of up to this many rows sorts one random key per row, at most 512 KiB, and the order is as
# uniform as the keys. A Feistel network over a few hundred rows is not uniform, because its halves
# hold too few values. It needs no memory, and so is used for more rows.
SORTED_ROWS_MAX = 1 << 16

# A pseudo-random permutation needs at least four rounds (Luby and Rackoff, 1988). Eight leave a
# margin, because the round function is a multiplicative hash and not a cipher.
FEISTEL_ROUNDS = 8


def permute(start: int, stop: int, num_rows: int, seed: int, epoch: int) -> Indices:
    """The stretch `start <= i < stop` of a pseudo-random permutation of `num_rows` rows.

    Example:

    >>> sorted(permute(0, 6, 6, seed=0, epoch=0).tolist())
    [0, 1, 2, 3, 4, 5]

    Reference:
        Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002: a Feistel network
        over `a * b >= num_rows`, with cycle walking.
    """
    if num_rows <= SORTED_ROWS_MAX:
        return _sorted_permutation(num_rows, seed, epoch)[start:stop]
    return _feistel_permutation(np.arange(start, stop), num_rows, seed, epoch)


def permute_at(positions: Indices, num_rows: int, seed: int, epoch: int) -> Indices:
    """What `permute` gives at these positions, each in `0 <= position < num_rows`.

    Example:

    >>> permute_at(np.array([3, 1]), 6, seed=0, epoch=0).tolist()
    [0, 4]
    """
    if num_rows <= SORTED_ROWS_MAX:
        return _sorted_permutation(num_rows, seed, epoch)[positions]
    return _feistel_permutation(positions, num_rows, seed, epoch)


# Enough for a few sequences in use at once, such as several folds; at most 4 MiB.
@functools.lru_cache(maxsize=8)
def _sorted_permutation(num_rows: int, seed: int, epoch: int) -> Indices:
    (key,) = make_keys(1, seed, epoch)
    return _sort_keys(num_rows, key)


def permute_by(keys: NDArray[np.uint64], positions: Indices, num_rows: int) -> Indices:
    """As `permute_at`, by keys of one's own.

    Args:
        keys: `(FEISTEL_ROUNDS,)`.
        positions: Each in `0 <= position < num_rows`.
        num_rows: Rows that are permuted.

    Example:

    >>> permute_by(make_keys(FEISTEL_ROUNDS, 0, 0), np.array([3, 1]), 6).tolist()
    [0, 4]
    """
    if num_rows <= SORTED_ROWS_MAX:
        return _sorted_by(int(keys[0]), num_rows)[positions]
    return _permute_by_network(positions, num_rows, keys)


# A consumer asks for the same permutation with each of its blocks; at most 4 MiB.
@functools.lru_cache(maxsize=8)
def _sorted_by(key: int, num_rows: int) -> Indices:
    return _sort_keys(num_rows, np.uint64(key))


def _sort_keys(num_rows: int, key: np.uint64) -> Indices:
    permutation = np.argsort(hash_values(np.arange(num_rows, dtype=np.uint64) ^ key))
    permutation.flags.writeable = False
    return permutation


def permute_within_batches(
    start: int, stop: int, batch_size: int, seed: int, epoch: int
) -> Indices:
    """The stretch `start <= i < stop` of a pass that shuffles rows within each batch."""
    (key,) = make_keys(1, seed, epoch)
    rows = np.arange(start, stop, dtype=np.uint64)
    batches = rows // np.uint64(batch_size)
    # lexsort sorts by its last key first: by batch, then by the random key within it.
    return np.lexsort((hash_values(rows ^ key), batches)) + np.int64(start)


def _feistel_permutation(positions: Indices, num_rows: int, seed: int, epoch: int) -> Indices:
    return _permute_by_network(positions, num_rows, make_keys(FEISTEL_ROUNDS, seed, epoch))


def _permute_by_network(positions: Indices, num_rows: int, keys: NDArray[np.uint64]) -> Indices:
    high_size = math.isqrt(num_rows - 1) + 1
    low_size = -(-num_rows // high_size)
    values = _feistel(positions.astype(np.uint64), high_size, low_size, keys)
    # The network permutes high_size * low_size values, at most high_size - 1 more than there
    # are rows. A value past the end goes through the network again until it falls inside: fewer
    # than one value in 250 here. The result is a permutation of the rows.
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
    # This costs half of %. If the sum is below `size`, the unsigned difference wraps to a huge
    # value, and the minimum is the sum itself.
    np.minimum(half, half - np.uint64(size), out=half)


def hash_values(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection, so distinct values keep distinct sort keys."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def make_keys(count: int, seed: int, *spawn_key: int) -> NDArray[np.uint64]:
    """Random keys that depend on these numbers alone; the key of a pass is its epoch."""
    # NumPy keeps the output of SeedSequence the same across versions, but not that of Generator.
    keys = np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(count, np.uint64)
    return keys.astype(np.uint64)
