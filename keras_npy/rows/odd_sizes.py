"""Pairs of files whose sizes are unlike those of all other pairs: axes swapped, another image."""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.files.fitted_samples import Fit
from keras_npy.files.sample_files import turning
from keras_npy.rows.base import Rows
from keras_npy.rows.scaled_crops import ALIKE, FRAMES_APART
from keras_npy.types import Indices, Mask

# Sizes of another kind, such as boxes beside pixels, agree by chance in fewer pairs than these.
SURE_SHARE = 0.75

# So many pairs, each of another size, are not all turned by chance.
_TURNED_MIN = 3

# Of fewer pairs of one size, the next one may be of any.
_EQUAL_MIN = 3

# Boxes beside pixels are in any ratio, to a box.
_SCALED_MIN = 8


class Sides(NamedTuple):
    """Two sources whose rows are paired, and the sizes of the files of each."""

    one: Rows
    other: Rows
    fit: Fit
    """How each row of the first gets its shape: the axes whose sizes are compared."""
    other_fit: Fit
    stored: Indices
    """`(N, axes)`, and -1 where no header was read."""
    others: Indices


def swapped_axes(sides: Sides) -> str | None:
    """What to say if files have the sizes of their partners, but along other axes.

    Wherever they are cropped or padded, a pixel then lies beside another one. It is certain where
    nearly all other pairs are of one size, or all of many sizes are turned.
    """
    known = _known(sides)
    if sides.stored.shape[1] < 2 or not known.size:
        return None
    stored, others = sides.stored[known], sides.others[known]
    is_alike, ratio = _alike(stored, others)
    if is_alike.all():
        return None
    for order in itertools.permutations(range(stored.shape[1])):
        is_turned = _are_as_many_times(stored, others[:, order], ratio) & ~is_alike
        num_sizes = len(np.unique(stored[is_turned], axis=0))
        # A user who turns all of them, and the lengths too, means it.
        is_meant = sides.other_fit.lengths != sides.fit.lengths and _are_turned(sides, order)
        is_backed = is_alike.any() or (num_sizes >= _TURNED_MIN and not is_meant)
        is_sure = np.count_nonzero(is_turned | is_alike) >= SURE_SHARE * len(known)
        if is_turned.any() and is_backed and is_sure:
            return _of_swapped(sides, known[is_turned], order)
    return None


def odd_size(sides: Sides) -> str | None:
    """What to say if a few images are of another size than their partners, unlike all others.

    Of series, which differ along one axis, one side may end earlier: they begin alike.
    """
    known = _known(sides)
    if not known.size:
        return None
    stored, others = sides.stored[known], sides.others[known]
    is_equal = np.all(stored == others, axis=1)
    is_odd = np.any(np.abs(stored - others) > FRAMES_APART, axis=1)
    num_equal = np.count_nonzero(is_equal)
    is_sure = num_equal >= max(_EQUAL_MIN, SURE_SHARE * len(known))
    varies = (stored != stored[0]).any(axis=0) | (stored != others).any(axis=0)
    if not is_sure or not is_odd.any() or np.count_nonzero(varies) < 2:
        return None
    odd = known[is_odd]
    return (
        f"{sides.other.file_of(int(odd[0]))[0]}: samples that belong together have one size, "
        f"where nearly all do. Received: {_received(sides, odd)}, while {num_equal} of "
        f"{len(known)} pairs are of one size. Look whether these two belong together: save them "
        "again so that they do, or leave both out; check_names=False says that the sizes are meant."
    )


def _of_swapped(sides: Sides, rows: Indices, order: tuple[int, ...]) -> str:
    row = int(rows[0])
    is_ours = _is_like_most(sides.others, row) and not _is_like_most(sides.stored, row)
    if is_ours or sides.other.files_beneath is None:
        # All files of the other side are of one size, or none is a file: it lies on this side.
        one, other, fit, other_fit, stored, others = sides
        sides = Sides(other, one, other_fit, fit, others, stored)
        order = tuple(np.argsort(order).tolist())
    path = sides.other.file_of(row)[0]
    axes = [axis for axis, _ in sides.other_fit.lengths]
    turned = list(range(len(sides.other.row_shape)))
    for axis, number in zip(axes, order, strict=True):
        turned[axis] = axes[number]
    return (
        f"{path}: samples that belong together must have the same axes. Received: "
        f"{_received(sides, rows)}: the axes of one seem swapped. Look which one it is: "
        f"{turning(path, turned)}; check_names=False says that the axes are meant."
    )


def _are_turned(sides: Sides, order: tuple[int, ...]) -> bool:
    """Whether the lengths of one side are those of the other one, with axes in this order."""
    lengths, others = ([size for _, size in fit.lengths] for fit in (sides.fit, sides.other_fit))
    return lengths == [others[axis] for axis in order]


def _received(sides: Sides, rows: Indices) -> str:
    row, more = int(rows[0]), len(rows) - 1
    others = f", and {more} more pair{'s' * (more > 1)}" if more else ""
    return (
        f"{_tuple(sides.others[row])} here, beside {_tuple(sides.stored[row])} in "
        f"{sides.one.file_of(row)[0]}, pair {row + 1} of {len(sides.one)}{others}"
    )


def _known(sides: Sides) -> Indices:
    """The pairs of which both headers were read."""
    if sides.stored.shape != sides.others.shape:
        return np.empty(0, np.int64)
    return np.flatnonzero((sides.stored >= 0).all(axis=1) & (sides.others >= 0).all(axis=1))


def _alike(stored: Indices, others: Indices) -> tuple[Mask, NDArray[np.float64]]:
    """Which pairs are of one size, or in one ratio; and that ratio, of all axes."""
    ratio = np.median(stored.prod(axis=1) / np.maximum(others.prod(axis=1), 1))
    ratios = np.full(stored.shape[1], ratio ** (1 / stored.shape[1]))
    return _are_as_many_times(stored, others, ratios), ratios


def _are_as_many_times(stored: Indices, others: Indices, ratio: NDArray[np.float64]) -> Mask:
    """Whether files are so many times larger; exactly, or to a pixel, if it is not once."""
    if np.all(np.abs(ratio - 1) <= ALIKE):
        is_equal: Mask = np.all(stored == others, axis=1)
        return is_equal
    if min(stored.min(), others.min()) < _SCALED_MIN:
        return np.zeros(len(stored), bool)
    is_scaled: Mask = np.all(np.abs(stored - others * ratio) <= np.maximum(ratio, 1), axis=1)
    return is_scaled


def _is_like_most(sizes: Indices, row: int) -> bool:
    return 2 * int(np.count_nonzero((sizes == sizes[row]).all(axis=1))) > len(sizes)


def _tuple(sizes: Indices) -> tuple[int, ...]:
    return tuple(sizes.tolist())
