"""Which rows two sets have in common, such as those to train on and those to validate with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import base_of
from keras_npy.rows.stretches import Ground
from keras_npy.types import Indices

# Rows of both sets together that are looked at, which takes up to 0.5 s. More are not.
ROWS_COMPARED = 1 << 21
# Files that are told apart to find one that comes twice. Of 100,000 samples that takes 0.2 s.
FILES_COMPARED = 1000


class InBoth(NamedTuple):
    """What two sets have in common."""

    row: int
    """A row of the second set that the first one has too."""
    num_rows: int
    """Rows of the second set that the first one has too."""


class _Spans(NamedTuple):
    """Where each row of a set begins and ends, on one line of all files."""

    begins: Indices
    ends: Indices
    are_known: NDArray[np.bool_]


def find_in_both(first: Sequence[Rows], second: Sequence[Rows]) -> InBoth | None:
    """Whether some row of two sets lies in the same place in each of their sources.

    Values are never read, so that equal rows in two places are two rows. A row of several inputs
    counts only where all of them have it: one image may serve several captions.

    Args:
        first: The sources of one set, in files or memory.
        second: Those of another.
    """
    sources = [*first, *second]
    are_few = sum(map(len, sources)) <= ROWS_COMPARED
    if len(first) != len(second) or not are_few or all(rows.io is None for rows in sources):
        return None
    pairs = [_spans_of(*pair) for pair in zip(first, second, strict=True)]
    found = [pair for pair in pairs if pair is not None]
    # Mostly two sets have files of their own.
    if len(found) < len(pairs):
        return None
    ours, theirs = [our for our, _ in found], [their for _, their in found]
    numbers = [_num_distinct(spans.begins) for spans in ours] if len(ours) > 1 else [0]
    # Of several inputs, the one with the most rows leaves the fewest to compare in the others.
    key = int(np.argmax(numbers))
    partners = _partners(ours[key], theirs[key])
    is_in_both = partners >= 0
    for our, their in zip(ours, theirs, strict=True):
        is_in_both &= (our.begins[partners] < their.ends) & (their.begins < our.ends[partners])
        is_in_both &= our.are_known[partners] & their.are_known
    if len(ours) > 1 and numbers[key] < len(first[0]):
        # Several rows have the same partner in the key: any of them may be the one.
        partners = np.where(is_in_both, partners, _equal_rows(ours, theirs))
        is_in_both = partners >= 0
    rows = np.flatnonzero(is_in_both)
    return InBoth(int(rows[0]), len(rows)) if len(rows) else None


def _spans_of(one: Rows, other: Rows) -> tuple[_Spans, _Spans] | None:
    """The spans of two sources, or `None` if they have no file in common."""
    base = base_of(one)
    if base is base_of(other) and len(base.files.paths if base.files else ()) > FILES_COMPARED:
        return _spans(one), _spans(other)
    ground = Ground([one, other])
    return None if ground.is_alone(0) else (_spans(one, ground, 0), _spans(other, ground, 1))


def _spans(rows: Rows, ground: Ground | None = None, leaf: int = 0) -> _Spans:
    """The spans of all rows of a source, counted in timesteps if nothing says where these lie."""
    numbers = np.arange(len(rows))
    begins, ends, _ = rows.timesteps(numbers)
    # A window of rows that were picked out may jump over those that lie between them.
    lengths = ends - begins
    if ground is not None:
        begins, ends, positions, _ = ground.stretches(leaf, numbers)
        # A window of several files has a stretch in each: the first one is enough.
        at = np.flatnonzero(np.diff(positions, prepend=-1))
        begins, ends = begins[at], ends[at]
    return _Spans(begins, ends, lengths == lengths.min())


def _num_distinct(numbers: Indices) -> int:
    # np.unique takes ten times as long: it hashes (NumPy 2.4).
    return 1 + int(np.count_nonzero(np.diff(np.sort(numbers))))


def _partners(ours: _Spans, theirs: _Spans) -> Indices:
    """For each of their rows, one of ours that reaches into it; -1 if there is none."""
    order = np.argsort(ours.begins, kind="stable")
    ends = ours.ends[order]
    # If any of ours reaches into a row, that one does which reaches farthest.
    reach = np.maximum.accumulate(ends)
    is_farther = np.diff(reach, prepend=-1) > 0
    farthest = np.maximum.accumulate(np.where(is_farther, np.arange(len(reach)), 0))
    at = np.searchsorted(ours.begins[order], theirs.ends, side="left") - 1
    is_reached = (at >= 0) & (reach[at] > theirs.begins)
    return np.where(is_reached, order[farthest[at]], -1)


def _equal_rows(ours: Sequence[_Spans], theirs: Sequence[_Spans]) -> Indices:
    """For each of their rows, one of ours that lies in the same places; -1 if there is none."""
    num_ours = len(ours[0].begins)
    ids = np.zeros(num_ours + len(theirs[0].begins), np.int64)
    for our, their in zip(ours, theirs, strict=True):
        for one, other in ((our.begins, their.begins), (our.ends, their.ends)):
            _, numbers = np.unique(np.concatenate([one, other]), return_inverse=True)
            _, ids = np.unique(ids * len(ids) + numbers, return_inverse=True)
    first_with = np.full(int(ids.max()) + 1, -1)
    first_with[ids[:num_ours]] = np.arange(num_ours)
    equal: Indices = first_with[ids[num_ours:]]
    return equal
