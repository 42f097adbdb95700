"""Decide which rows each part of a split or a fold holds: integers only, no files.

Like the order of a pass, a part is a pure function of the seed and the number of rows, so it is the
same on every run. `permute` draws the parts, so all parts of one size are equally likely. The rows
of a part are in ascending order.
"""

import itertools
import math
from collections.abc import Sequence

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
    num_rows: int, fractions: Sequence[float], *, seed: int = 0, classes: Indices | None = None
) -> list[Indices]:
    """Disjoint parts: one part for each fraction, after a first part that holds the other rows.

    Args:
        num_rows: Rows to deal out.
        fractions: Share of the second part, of the third, and so on; their sum is below 1.
        seed: Any integer from 0.
        classes: int64 `(num_rows,)`, each in 0 <= class < number of classes; then every class
            keeps its share. Each class must have at least as many rows as there are parts.

    Raises:
        ValueError: If a part would be empty.

    Example:

    >>> [len(part) for part in split_rows(10, [0.2])]
    [8, 2]
    """
    # The first part gets `round((1 - fraction) * num_rows)` rows, also where there is one more.
    stops = [num_rows - round((1 - share) * num_rows) for share in np.cumsum(fractions)]
    sizes = np.diff(stops, prepend=0)
    _check_sizes([num_rows - stops[-1], *sizes.tolist()], fractions)
    dealt = draw_permutation(num_rows, seed)
    if classes is None:
        return _parts(dealt, np.repeat(np.arange(len(stops)) + 1, sizes))
    dealt = _by_class(dealt, classes)
    class_sizes = np.bincount(classes)
    rank_in_class = np.arange(num_rows) - np.repeat(
        np.cumsum(class_sizes) - class_sizes, class_sizes
    )
    part_of, taken = np.zeros(num_rows, np.int64), np.zeros_like(class_sizes)
    for at, fraction in enumerate(fractions):
        # Leave at least one row of each class to each part that follows, and to the first one.
        most = class_sizes - taken - (len(fractions) - at)
        before, taken = taken, taken + _shares(class_sizes, fraction, int(sizes[at]), most)
        is_here = rank_in_class >= np.repeat(before, class_sizes)
        part_of[is_here & (rank_in_class < np.repeat(taken, class_sizes))] = at + 1
    return _parts(dealt, part_of)


def split_in_order(num_rows: int, fractions: Sequence[float]) -> list[range]:
    """Consecutive parts: the first rows, and then one part for each fraction.

    Keras's `validation_split` cuts arrays at the same row.

    Raises:
        ValueError: If a part would be empty.

    Example:

    >>> split_in_order(10, [0.25])
    [range(0, 7), range(7, 10)]
    """
    parts = cut_in_order(num_rows, fractions)
    _check_sizes([len(part) for part in parts], fractions)
    return parts


def cut_in_order(num_rows: int, fractions: Sequence[float]) -> list[range]:
    """As `split_in_order`, also where a part is empty."""
    shares = np.cumsum(np.asarray(fractions)[::-1])[::-1]
    cuts = [0, *(math.floor(num_rows * (1.0 - share)) for share in shares), num_rows]
    return [range(start, stop) for start, stop in itertools.pairwise(cuts)]


def without(part: Indices, num_rows: int) -> Indices:
    """All rows that are not in the part."""
    is_elsewhere = np.ones(num_rows, bool)
    is_elsewhere[part] = False
    return np.flatnonzero(is_elsewhere)


def _check_sizes(sizes: Sequence[int], fractions: Sequence[float]) -> None:
    if min(sizes) < 1:
        received = ", ".join(f"{fraction}" for fraction in fractions)
        raise ValueError(
            "A split must leave at least one row in each part. "
            f"Received: fraction={received} of {sum(sizes)} rows, which is "
            f"{', '.join(map(str, sizes[1:]))}. "
            "Take a fraction nearer to 0.5, or choose the rows with subset."
        )


def _parts(dealt: Indices, part_of: Indices) -> list[Indices]:
    """The rows of each part, in ascending order; rows that are dealt out last are in part 0.

    Args:
        dealt: All rows, as they are dealt out.
        part_of: The part of each of the first dealt rows.
    """
    number = np.zeros(len(dealt), np.int64)
    number[dealt[: len(part_of)]] = part_of
    return [np.flatnonzero(number == part) for part in range(int(number.max()) + 1)]


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
    dealt = draw_permutation(num_rows, seed)
    if classes is not None:
        dealt = _by_class(dealt, classes)
    # Deal the rows like cards, one class after the other: parts and classes come out even.
    part_of = np.empty(num_rows, np.int64)
    part_of[dealt] = np.arange(num_rows) % k
    return [(np.flatnonzero(part_of != part), np.flatnonzero(part_of == part)) for part in range(k)]


def part_of_each(parts: Sequence[Indices], num_rows: int) -> Indices:
    """The number of the part that each row is in; -1 for rows that are in none.

    Example:

    >>> part_of_each([np.array([0, 3]), np.array([1])], 4).tolist()
    [0, 1, -1, 0]
    """
    part_of = np.full(num_rows, -1)
    for number, part in enumerate(parts):
        part_of[part] = number
    return part_of


def draw_permutation(num_rows: int, seed: int, attempt: int = 0) -> Indices:
    """The numbers below `num_rows` in an order that no training has, not even of a part."""
    epoch = FIRST_EPOCH_OF_PARTS + num_rows + (attempt << 80)
    dealt = np.empty(num_rows, np.int64)
    for start in range(0, num_rows, DRAWN_ROWS):
        stop = min(start + DRAWN_ROWS, num_rows)
        dealt[start:stop] = permute(start, stop, num_rows, seed, epoch)
    return dealt


def _by_class(dealt: Indices, classes: Indices) -> Indices:
    sorted_by_class: Indices = dealt[np.argsort(classes[dealt], kind="stable")]
    return sorted_by_class


def _shares(
    sizes: Indices, fraction: float, num_rows: int, most_rows: Indices
) -> NDArray[np.int64]:
    """The number of rows of each class in a part of `num_rows`: its share, rounded up or down.

    Each class has at least one row in the part and at most `most_rows`. Within this limit the sum
    is as near to `num_rows` as possible.
    """
    shares = sizes * fraction
    least: NDArray[np.int64] = np.clip(np.floor(shares), 1, most_rows).astype(np.int64)
    most = np.minimum(np.ceil(shares), most_rows)
    can_grow = np.flatnonzero(least < most)
    nearest_to_next = can_grow[np.argsort(least[can_grow] - shares[can_grow], kind="stable")]
    least[nearest_to_next[: max(0, num_rows - int(least.sum()))]] += 1
    return least
