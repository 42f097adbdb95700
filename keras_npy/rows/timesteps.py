"""Which rows share timesteps, so that parts of a series can be kept apart."""

import bisect
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_npy.order.selection import rows_at, to_array
from keras_npy.rows.base import Rows
from keras_npy.types import Indices

# Rows to look at. Windows that overlap do so with their neighbours.
ROWS_LOOKED_AT = 1000


class Shared(NamedTuple):
    """What some rows of a sequence have in common."""

    name: str
    """The source in which they lie."""
    are_rows: bool
    """Whether they are the same row, and not windows that hold the same timestep."""


def find_shared(leaves: Sequence[Rows], indices: range | Indices) -> Shared | None:
    """Whether some of these rows hold the same timestep, or are the same row."""
    looked_at = indices if isinstance(indices, range) else np.sort(indices)
    rows = np.sort(np.asarray(looked_at[:ROWS_LOOKED_AT], np.int64))
    for series, (begins, ends) in _timesteps(leaves, rows).items():
        if _overlap(begins, ends):
            return _shared(leaves, series, begins, ends)
    return None


def find_shared_by_parts(
    leaves: Sequence[Rows], indices: range | Indices, parts: Sequence[Indices]
) -> Shared | None:
    """Whether rows of two of these parts hold the same timestep, or are the same row.

    Args:
        leaves: The sources.
        indices: The row of the sources at each position.
        parts: Positions of each part, which together are all positions.
    """
    part_of = np.empty(len(indices), np.int64)
    for number, part in enumerate(parts):
        part_of[part] = number
    rows = to_array(indices)
    for series, (begins, ends) in _timesteps(leaves, rows).items():
        if _overlap(begins, ends) and _overlap_by_parts(begins, ends, part_of):
            return _shared(leaves, series, begins, ends)
    return None


def _shared(leaves: Sequence[Rows], series: object, begins: Indices, ends: Indices) -> Shared:
    nothing = np.empty(0, np.int64)
    name = next(leaf.name for leaf in leaves if leaf.timesteps(nothing).series == series)
    return Shared(name, are_rows=bool(np.all(ends - begins == 1)))


def _overlap_by_parts(begins: Indices, ends: Indices, part_of: Indices) -> bool:
    order = np.argsort(begins, kind="stable")
    begins, ends, part_of = begins[order], ends[order], part_of[order]
    for part in range(int(part_of.max()) + 1):
        # How far the rows of this part before each row reach, against the rows of other parts.
        reach = np.maximum.accumulate(np.where(part_of == part, ends, -1))[:-1]
        if np.any((begins[1:] < reach) & (part_of[1:] != part)):
            return True
    return False


def _overlap(begins: Indices, ends: Indices) -> bool:
    order = np.argsort(begins, kind="stable")
    return bool(np.any(begins[order][1:] < np.maximum.accumulate(ends[order])[:-1]))


def keep_apart(
    leaves: Sequence[Rows], indices: range | Indices, parts: Sequence[range]
) -> list[range]:
    """Leave out rows at the end of each part that share a timestep with the next part.

    Args:
        leaves: The sources.
        indices: The row of the sources at each position.
        parts: Positions of each part, one part behind the other.

    Raises:
        ValueError: If the rows do not lie in the order of time, or nothing is left of a part.
    """
    _check_ascending(leaves, indices)
    kept = list(parts)
    for at, (part, later) in enumerate(itertools.pairwise(parts)):
        first = [
            int(begins[0]) for begins, _ in _timesteps(leaves, _rows(indices, later.start)).values()
        ]

        def shares(position: int, first: list[int] = first) -> bool:
            steps = _timesteps(leaves, _rows(indices, position)).values()
            return any(int(ends[0]) > begin for (_, ends), begin in zip(steps, first, strict=True))

        num_kept = bisect.bisect_left(part, True, key=shares)
        if num_kept == 0:
            raise ValueError(
                "A part in order must hold a row that shares no timestep with the next part. "
                f"Received: {len(part)} rows of {leaves[0].name}, which all do. "
                "Take other fractions, or shorter windows."
            )
        kept[at] = part[:num_kept]
    return kept


def _check_ascending(leaves: Sequence[Rows], indices: range | Indices) -> None:
    positions = np.linspace(0, len(indices) - 1, ROWS_LOOKED_AT).astype(np.int64)
    for begins, _ in _timesteps(leaves, rows_at(indices, np.unique(positions))).values():
        if np.any(begins[1:] < begins[:-1]):
            raise ValueError(
                "in_order=True needs rows that lie in the order of time. "
                f"Received: rows of {leaves[0].name} in another order. "
                "Sort the indices of the subset first, or split before you choose rows."
            )


def _rows(indices: range | Indices, position: int) -> Indices:
    return rows_at(indices, np.array([position]))


def _timesteps(leaves: Sequence[Rows], rows: Indices) -> dict[object, tuple[Indices, Indices]]:
    """For each series, the first timestep of each row in any leaf, and that behind the last."""
    by_series: dict[object, tuple[Indices, Indices]] = {}
    for leaf in leaves:
        series, begins, ends, _ = leaf.timesteps(rows)
        if series in by_series:
            others = by_series[series]
            begins, ends = np.minimum(begins, others[0]), np.maximum(ends, others[1])
        by_series[series] = begins, ends
    return by_series
