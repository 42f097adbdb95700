"""Inputs whose rows come in many pairs, such as users and items: no groups keep both together."""

from collections.abc import Sequence

import numpy as np

from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.timesteps import is_window
from keras_npy.types import Indices


def find_crossed(
    inputs: Sequence[Rows], indices: range | Indices, leaf: int
) -> tuple[list[int], int]:
    """The numbers of inputs whose rows come with several of one input, and these with them.

    Args:
        inputs: The sources of the inputs.
        indices: The row of the sources at each position.
        leaf: The number of a source whose rows come more than once.

    Returns:
        These, and the number of the input whose copies keep those of `leaf` together: that of
        patients, if `leaf` is that of their images, and mostly `leaf` itself.
    """
    if leaf >= len(inputs) or is_window(inputs[leaf]):
        return [], leaf
    rows = rows_at(indices, np.arange(len(indices)))
    of_leaf = inputs[leaf].timesteps(rows).begins
    crossed, wider = [], leaf
    for number, other in enumerate(inputs):
        if number == leaf or is_window(other):
            continue
        of_other = other.timesteps(rows).begins
        is_wider, is_finer = _is_within(of_leaf, of_other), _is_within(of_other, of_leaf)
        if not is_wider and not is_finer:
            crossed.append(number)
        elif is_wider and not is_finer and np.any(of_other != of_other[0]):
            wider = number
    return crossed, wider


def is_kept_apart(leaf: Rows, indices: range | Indices, parts: Sequence[Indices]) -> bool:
    """Whether each row of an input lies in one part."""
    part_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    rows = rows_at(indices, np.concatenate(parts))
    return _is_within(leaf.timesteps(rows).begins, part_of)


def _is_within(numbers: Indices, others: Indices) -> bool:
    """Whether rows with one of these numbers have one of the others, too."""
    order = np.argsort(numbers, kind="stable")
    numbers, others = numbers[order], others[order]
    are_parted = (numbers[1:] == numbers[:-1]) & (others[1:] != others[:-1])
    return not are_parted.any()
