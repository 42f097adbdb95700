"""Random numbers for rows: the same for a row in a pass, in whatever batch it lies."""

import numpy as np
from numpy.typing import NDArray

from keras_npy.order.permutation import hash_values
from keras_npy.types import Indices


def fractions(seed: int, epoch: int, rows: Indices, num: int) -> NDArray[np.float64]:
    """Numbers in 0 <= fraction < 1, `(len(rows), num)`, that depend on these values alone.

    Example:

    >>> fractions(0, 3, np.array([7, 8, 7]), 1).round(3).tolist()
    [[0.358], [0.647], [0.358]]
    """
    # The order of a pass has a key of one number, and the generators of maps have three.
    seeds = np.random.SeedSequence(seed, spawn_key=(epoch, 0))
    keys = seeds.generate_state(num, np.uint64)
    hashes = hash_values(rows.astype(np.uint64)[:, np.newaxis] ^ keys)
    # A float64 holds 53 bits.
    return (hashes >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)
