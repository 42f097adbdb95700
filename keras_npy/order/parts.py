"""Decide which rows each part of a split or a fold holds: integers only, no files.

Like the order of a pass, a part is a pure function of the seed and the number of rows, so it is the
same on every run. `permute` draws the parts, so all parts of one size are equally likely. The rows
of a part are in ascending order.
"""

import numpy as np
from numpy.typing import NDArray

from keras_npy.order.permutation import permute
from keras_npy.types import Indices

# Rows drawn at a time. The intermediate arrays then stay in the cache and add little to the peak of
# memory.
DRAWN_ROWS = 1 << 16

# Parts are drawn with the key of an epoch that no training reaches. Each number of rows has its own
# epoch: with one key for all, a part of a part would favour the neighbours of rows left out.
FIRST_EPOCH_OF_PARTS = 1 << 40


def split_rows(
    num_rows: int, fraction: float, *, seed: int = 0, classes: Indices | None = None
) -> tuple[Indices, Indices]:
    """Two disjoint parts: `round((1 - fraction) * num_rows)` rows, and the others.

    Args:
        num_rows: Rows to deal out.
        fraction: Share of the second part, in 0 < fraction < 1.
        seed: Any integer from 0.
        classes: int64 `(num_rows,)`, each in 0 <= class < number of classes; then every class
            keeps its share. Each class must have at least two rows, one for each part.

    Raises:
        ValueError: If a part would be empty.

    Example:

    >>> [len(part) for part in split_rows(10, 0.2)]
    [8, 2]
    """
    num_second = num_rows - round((1 - fraction) * num_rows)
    if not 0 < num_second < num_rows:
        raise ValueError(
            "A split must leave at least one row in each part. "
            f"Received: fraction={fraction} of {num_rows} rows, which is {num_second}. "
            "Take a fraction nearer to 0.5, or choose the rows with subset."
        )
    dealt = _permutation(num_rows, seed)
    if classes is None:
        second = dealt[:num_second]
    else:
        dealt = _by_class(dealt, classes)
        sizes = np.bincount(classes)
        rank_in_class = np.arange(num_rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        second = dealt[rank_in_class < np.repeat(_shares(sizes, fraction, num_second), sizes)]
    is_second = np.zeros(num_rows, bool)
    is_second[second] = True
    return np.flatnonzero(~is_second), np.flatnonzero(is_second)


def fold_rows(
    num_rows: int, k: int, *, seed: int = 0, classes: Indices | None = None
) -> list[tuple[Indices, Indices]]:
    """Deal the rows out to `k` disjoint parts; return each as `(all other rows, part)`.

    The sizes of the parts differ by at most one row. If `classes` are given, the numbers of rows of
    each class also differ by at most one.

    Raises:
        ValueError: If there are fewer rows than parts.

    Example:

    >>> [len(part) for _, part in fold_rows(10, 3)]
    [4, 3, 3]
    """
    if k > num_rows:
        raise ValueError(
            "Folds need at least one row for each validation part. "
            f"Received: k={k} for {num_rows} rows. Take a smaller k."
        )
    dealt = _permutation(num_rows, seed)
    if classes is not None:
        dealt = _by_class(dealt, classes)
    # Deal the rows like cards, one class after the other: parts and classes come out even.
    part_of = np.empty(num_rows, np.int64)
    part_of[dealt] = np.arange(num_rows) % k
    return [(np.flatnonzero(part_of != part), np.flatnonzero(part_of == part)) for part in range(k)]


def _permutation(num_rows: int, seed: int) -> Indices:
    dealt = np.empty(num_rows, np.int64)
    for start in range(0, num_rows, DRAWN_ROWS):
        stop = min(start + DRAWN_ROWS, num_rows)
        dealt[start:stop] = permute(start, stop, num_rows, seed, FIRST_EPOCH_OF_PARTS + num_rows)
    return dealt


def _by_class(dealt: Indices, classes: Indices) -> Indices:
    sorted_by_class: Indices = dealt[np.argsort(classes[dealt], kind="stable")]
    return sorted_by_class


def _shares(sizes: Indices, fraction: float, num_rows: int) -> NDArray[np.int64]:
    """The number of rows of each class in a part of `num_rows`: its share, rounded up or down.

    Each class has at least one row in the part and one outside it. Within this limit the sum is as
    near to `num_rows` as possible.
    """
    shares = sizes * fraction
    least: NDArray[np.int64] = np.maximum(np.floor(shares), 1).astype(np.int64)
    most = np.minimum(np.ceil(shares), sizes - 1).astype(np.int64)
    can_grow = np.flatnonzero(least < most)
    nearest_to_next = can_grow[np.argsort(least[can_grow] - shares[can_grow], kind="stable")]
    least[nearest_to_next[: max(0, num_rows - int(least.sum()))]] += 1
    return least
