"""Random crops of two resolutions: where one begins, the other one does, as many times later."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.drawn import Draw, DrawnRows
from keras_npy.types import Array, Indices

# So many frames more or less, of the coarser source, come of how a recording's ends are counted.
FRAMES_APART = 2

# How far the shares of a file that two crops take may lie from each other: frames of sound and of
# film, of which one is cut off, still show the same.
ALIKE = 0.05

# The last frame of a short file may be whole on one side only. Of 2 or 3 annotations beside a file
# of any size, the sizes would agree by chance.
PART_OF_FRAME = 0.15

# Lengths such as 3 : 2 have a place in common at every second pixel of the coarser one. Those of
# larger terms would leave too few places to begin at.
TERM_MAX = 4


def read_drawn(rows: DrawnRows, numbers: Indices, beside: Sequence[DrawnRows], draw: Draw) -> Array:
    """The rows with these numbers, as they are in a pass, in new memory.

    Args:
        rows: The rows.
        numbers: Their numbers, `(b,)`.
        beside: All rows of the sequence that differ from pass to pass.
        draw: Returns the numbers of the pass.
    """
    out = np.empty((len(numbers), *rows.row_shape), rows.dtype)
    # The number that the sources share, not that of a leaf's own file: the leaves of a row may
    # count their files differently.
    rows.read_drawn(numbers, out, numbers, _scaled_draw(rows, beside, draw))
    return out


def _scaled_draw(rows: DrawnRows, beside: Sequence[DrawnRows], draw: Draw) -> Draw:
    """What makes random crops begin at the same place as those of other lengths beside them.

    Without it, each begins at the same share of what it leaves out, which is not the same pixel.
    """
    ours = rows.crop_lengths
    if ours is None:
        return draw
    scaled = [
        (other, theirs)
        for other in beside
        if (theirs := other.crop_lengths) is not None and _are_scaled(ours, theirs)
    ]
    return functools.partial(_draw_scaled, rows, ours, scaled, draw) if scaled else draw


def _are_scaled(ours: Indices, theirs: Indices) -> bool:
    """Whether crops may be of two resolutions, by their lengths."""
    if len(ours) != len(theirs) or np.array_equal(ours, theirs):
        return False
    terms = np.minimum(ours, theirs) // np.gcd(ours, theirs)
    return bool((terms <= TERM_MAX).all())


def _draw_scaled(
    rows: DrawnRows,
    lengths: Indices,
    beside: Sequence[tuple[DrawnRows, Indices]],
    draw: Draw,
    keys: Indices,
    num: int,
) -> NDArray[np.float64]:
    # That a crop begins at one of few places depends on the sizes of the row's files alone, so
    # that a pass that goes on in another process has the same crops.
    sizes = rows.sizes_at(keys)
    partners = []
    units = np.broadcast_to(lengths, sizes.shape)
    for other, theirs in beside:
        others = other.sizes_at(keys)
        is_scaled = _have_scaled_sizes(sizes, others, lengths, theirs)[:, np.newaxis]
        partners.append((others, theirs, is_scaled))
        units = np.where(is_scaled, np.gcd(units, theirs), units)
    steps = lengths // units
    surplus = np.maximum(sizes - lengths, 0)
    last = surplus // steps
    for others, theirs, is_scaled in partners:
        their_last = np.maximum(others - theirs, 0) * units // theirs
        last = np.where(is_scaled, np.minimum(last, their_last), last)
    begins = steps * (draw(keys, num) * (last + 1)).astype(np.int64)
    # Half a place further, rounding leads to the same place again.
    fractions: NDArray[np.float64] = (begins + 0.5) / (surplus + 1)
    return fractions


def _have_scaled_sizes(
    sizes: Indices, others: Indices, lengths: Indices, theirs: Indices
) -> NDArray[np.bool_]:
    """Whether files are as many times larger as their crops, but for some frames, `(b,)`."""
    ours, other = sizes * theirs, others * lengths
    apart, longer, frame = (
        np.abs(ours - other),
        np.maximum(ours, other),
        np.maximum(lengths, theirs),
    )
    are_alike = (apart <= ALIKE * longer) & (apart <= FRAMES_APART * frame)
    is_part_of_frame = (apart <= PART_OF_FRAME * longer) & (apart < frame)
    are_scaled: NDArray[np.bool_] = (are_alike | is_part_of_frame).all(axis=1)
    return are_scaled
