"""Mean and variance in one pass, in float64, block by block; rows with NaN are refused.

A sum of squares cannot give the variance of values that are far from zero: near 1e4, float32
sums of 1e8 rows stop growing. So each block first subtracts its own mean. The parallel algorithm
then merges the blocks and adds only differences.

Reference: T. F. Chan, G. H. Golub, R. J. LeVeque, Updating formulae and a pairwise algorithm for
computing sample variances, 1979.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# As float64 these take 2 MiB. A core's cache holds them from one pass over them to the next.
PIECE_VALUES_MAX = 1 << 18

# Rows to name that have no statistics.
ROWS_NAMED_MAX = 5


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, and sum of squared differences from the mean, of the values seen so far.

    Args:
        count: Values behind each number in `mean`.
        mean: float64, in the shape of the kept axes.
        squares: Sums of squared differences; float64, in the same shape.

    Example:

    >>> moments = merge(moments_of(np.array([1, 2]), ()), moments_of(np.array([3, 6]), ()))
    >>> float(moments.mean), float(moments.variance)
    (3.0, 3.5)
    """

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def variance(self) -> NDArray[np.float64]:
        """The variance of the values, divided by their count as in `np.var`."""
        return self.squares / self.count


def merge(one: Moments, other: Moments) -> Moments:
    """The moments of the values of both together."""
    count = one.count + other.count
    difference = other.mean - one.mean
    share = other.count / count
    return Moments(
        count,
        one.mean + difference * share,
        one.squares + other.squares + difference**2 * (one.count * share),
    )


def moments_of(block: Array, kept_axes: tuple[int, ...]) -> Moments:
    """The moments of a block over all axes except `kept_axes`, which are in ascending order.

    Besides the block and the result, this takes the memory of a few times `PIECE_VALUES_MAX`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        pieces = _pieces(block, kept_axes)
        moments = _moments_of_piece(next(pieces), kept_axes)
        for piece in pieces:
            moments = merge(moments, _moments_of_piece(piece, kept_axes))
    return moments


def stream(blocks: Iterable[Array], kept_axes: Callable[[int], tuple[int, ...]]) -> Moments:
    """The moments of all blocks, in one pass.

    Args:
        blocks: Arrays `(b, ...)`.
        kept_axes: Returns the axes with statistics of their own, for a number of axes.

    Raises:
        ValueError: If there is no block, if their kept axes differ, or if a value is NaN or
            infinite.
    """
    total: Moments | None = None
    num_rows = 0
    for block in blocks:
        if block.size == 0:
            continue
        moments = moments_of(block, kept_axes(block.ndim))
        if total is not None and total.mean.shape != moments.mean.shape:
            raise ValueError(
                f"All rows must have the same sizes on the axes that have statistics. Received: "
                f"{moments.mean.shape} from row {num_rows} on, {total.mean.shape} before. "
                "Pass data of one shape, or axis=None."
            )
        if not np.isfinite(moments.mean).all() or not np.isfinite(moments.squares).all():
            raise ValueError(
                "Statistics need finite values, with squares below 1.8e308. Received: "
                f"{_first_wrong(block, num_rows)}. Leave the rows out, such as with "
                "NpySequence(..., indices=); `keras-npy check` names all of them."
            )
        total = moments if total is None else merge(total, moments)
        num_rows += len(block)
    if total is None:
        raise ValueError(
            "Statistics need at least one row. Received: data without any. "
            "Pass a source or an iterable that yields batches."
        )
    return total


def _first_wrong(block: Array, num_rows: int) -> str:
    """What rows of a block have no statistics, with the numbers of the first ones."""
    values = block.reshape(len(block), -1)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    what = "NaN or infinity"
    if not len(wrong):
        wrong = np.argmax(np.abs(values).max(axis=1), keepdims=True)
        what = "a larger value"
    named = ", ".join(str(num_rows + row) for row in wrong[:ROWS_NAMED_MAX].tolist())
    more = ", ..." if len(wrong) > ROWS_NAMED_MAX else ""
    return f"{what}, first in row{'s' * (len(wrong) > 1)} {named}{more}"


def _pieces(block: Array, kept_axes: tuple[int, ...]) -> Iterator[Array]:
    """Cut a block along its reduced axes, the longest first, until the pieces are small."""
    reduced = [axis for axis in range(block.ndim) if axis not in kept_axes]
    axis = max(reduced, key=lambda axis: block.shape[axis], default=None)
    if block.size <= PIECE_VALUES_MAX or axis is None or block.shape[axis] == 1:
        yield block
        return
    num_parts = min(block.shape[axis], math.ceil(block.size / PIECE_VALUES_MAX))
    for part in np.array_split(block, num_parts, axis=axis):
        yield from _pieces(part, kept_axes)


def _moments_of_piece(piece: Array, kept_axes: tuple[int, ...]) -> Moments:
    kept_shape = tuple(piece.shape[axis] for axis in kept_axes)
    # Make one contiguous row for each kept number: NumPy adds such rows pairwise and fast.
    front = np.moveaxis(piece, kept_axes, range(len(kept_axes)))
    values = np.array(front, dtype=np.float64, order="C").reshape(math.prod(kept_shape), -1)
    count = values.shape[1]
    mean = values.mean(axis=1)
    values -= mean[:, None]
    # Correct the rounding of the mean: subtract what remains of it.
    rest = values.mean(axis=1)
    squares = np.einsum("ij,ij->i", values, values) - count * rest**2
    return Moments(
        count, (mean + rest).reshape(kept_shape), np.maximum(squares, 0).reshape(kept_shape)
    )
