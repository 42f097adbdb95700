"""Stamps of time of two sensors, of which none are equal: those of one step belong together."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

from keras_npy.names.parts import parts_of

_DIGITS_MIN = 10
_FILES_MIN = 5

# Numbers that follow each other are no measured times.
_STEP_MIN = 10

# How far a stamp may lie from its place, in steps, and steps of two sensors from each other.
_JITTER = 0.25
_SAME_STEP = 0.02


class Stamps(NamedTuple):
    """The step of each stamp, the same for two that belong together."""

    steps: Sequence[int]
    others: Sequence[int]


def steps_of_stamps(names: Sequence[str], others: Sequence[str]) -> Stamps | None:
    """The steps of the stamps of as many names; `None` if both are not stamps of one regular step.

    Example:

    >>> names = ["1000000000", "1000000100", "1000000300", "1000000400", "1000000500"]
    >>> others = ["1000000003", "1000000104", "1000000202", "1000000303", "1000000501"]
    >>> steps_of_stamps(names, others)
    Stamps(steps=[0, 1, 3, 4, 5], others=[0, 1, 2, 3, 5])
    """
    stamps, other_stamps = _stamps(names), _stamps(others)
    if not stamps or len(stamps) != len(other_stamps):
        return None
    step, other_step = _step(stamps), _step(other_stamps)
    if step < _STEP_MIN or abs(step - other_step) > _SAME_STEP * step:
        return None
    apart = [other - stamp for stamp, other in zip(stamps, other_stamps, strict=True)]
    # From pair to pair, because clocks drift.
    jumps = [(after - before) / step for before, after in pairwise(apart)]
    moves = [0, *accumulate(map(round, jumps))]
    are_near = all(abs(jump - round(jump)) <= _JITTER for jump in jumps)
    nearest = min(range(len(apart)), key=lambda at: abs(apart[at]))
    # Of sensors of two clocks, nobody knows which belong together.
    if not are_near or abs(apart[nearest]) > step:
        return None
    steps = [0, *accumulate(round((after - before) / step) for before, after in pairwise(stamps))]
    other_steps = [one + move - moves[nearest] for one, move in zip(steps, moves, strict=True)]
    return Stamps(steps, other_steps)


def _stamps(names: Sequence[str]) -> list[int]:
    """One long number of each name, in ascending order and nearly regular; nothing else."""
    if len(names) < _FILES_MIN:
        return []
    parts = parts_of(names)
    if parts is None or len(parts) != 1 or not parts[0].is_number:
        return []
    if min(map(len, parts[0].values)) < _DIGITS_MIN:
        return []
    stamps = [int(value) for value in parts[0].values]
    step = _step(stamps)
    steps = [(after - before) / step for before, after in pairwise(stamps)] if step > 0 else [0.0]
    are_regular = all(one > _JITTER and abs(one - round(one)) <= _JITTER for one in steps)
    return stamps if are_regular else []


def _step(stamps: Sequence[int]) -> float:
    """The time between two stamps; some may be missing."""
    rises = [after - before for before, after in pairwise(stamps)]
    usual = median(rises)
    num_steps = sum(round(rise / usual) for rise in rises) if usual > 0 else 0
    return sum(rises) / num_steps if num_steps > 0 else 0.0
