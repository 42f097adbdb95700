"""Which rows two sets have in common, such as those to train on and those to validate with."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from keras_npy.files.store import Places
from keras_npy.rows.base import Rows, Timesteps
from keras_npy.rows.chosen import base_of
from keras_npy.rows.joined import stored_beneath
from keras_npy.rows.stored import StridedRows
from keras_npy.rows.stretches import Ground, Stretches, farthest_so_far
from keras_npy.rows.window_rows import are_windows
from keras_npy.types import Indices

# Rows of both sets together that are looked at, which takes up to 0.5 s, and 1.5 s if two
# inputs have windows that overlap. More are not.
ROWS_COMPARED = 1 << 21
# Samples that are told apart by their inodes, in 2 us each. More are by their paths, and shards of
# one source are by their numbers.
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

    def of(self, rows: Indices | NDArray[np.bool_]) -> Self:
        """The spans of some rows."""
        return type(self)(self.begins[rows], self.ends[rows], self.are_known[rows])


def find_in_both(
    first: Sequence[Rows],
    second: Sequence[Rows],
    targets: Sequence[tuple[Rows, Rows]] = (),
) -> InBoth | None:
    """Whether some row of two sets lies in the same place in each of their sources.

    Values are never read, so that equal rows in two places are two rows. A row of several inputs
    counts only where all of them have it: one image may serve several captions.

    Args:
        first: The sources of one set, in files or memory.
        second: Those of another.
        targets: Targets of windows of both. A row whose targets all lie outside of what the first
            set holds does not count: it predicts what is new from what was there before.
    """
    sources = [*first, *second]
    are_few = sum(map(len, sources)) <= ROWS_COMPARED
    if len(first) != len(second) or not are_few:
        return None
    pairs = [_spans_of(*pair) for pair in zip(first, second, strict=True)]
    found = [pair for pair in pairs if pair is not None]
    # Mostly two sets have files of their own.
    if len(found) < len(pairs):
        return None
    is_in_both = _are_in_both([our for our, _ in found], [their for _, their in found])
    if targets and is_in_both.any():
        at = next(filter(lambda at: is_of_windows(first[at]), range(len(first))), 0)
        are_new = [_are_new((first[at], our), (second[at], their)) for our, their in targets]
        is_in_both &= ~np.all(are_new, axis=0)
    rows = np.flatnonzero(is_in_both)
    if len(rows) == len(first[0]) == len(second[0]) and all(one.io is None for one in sources):
        # Whoever passes the same arrays twice means it.
        return None
    return InBoth(int(rows[0]), len(rows)) if len(rows) else None


def _are_in_both(ours: Sequence[_Spans], theirs: Sequence[_Spans]) -> NDArray[np.bool_]:
    """Which of their rows lie in the same places as one of ours."""
    numbers = [_num_distinct(spans.begins) for spans in ours] if len(ours) > 1 else [0]
    # Of several inputs, the one with the most rows leaves the fewest to compare in the others.
    key = int(np.argmax(numbers))
    partners = _partners(ours[key], theirs[key])
    has_partner = is_in_both = partners >= 0
    for our, their in zip(ours, theirs, strict=True):
        is_in_both = is_in_both & (our.begins[partners] < their.ends)
        is_in_both &= their.begins < our.ends[partners]
        is_in_both &= our.are_known[partners] & their.are_known
    left = np.flatnonzero(has_partner & ~is_in_both)
    if len(ours) > 1 and len(left) and _do_overlap(ours[key]):
        # Several of ours reach into one of theirs in the key: another one may lie where it does.
        is_near = np.isin(ours[key].begins, theirs[key].begins[left])
        is_in_both[left] = _have_equal(
            [spans.of(is_near) for spans in ours], [spans.of(left) for spans in theirs]
        )
    return is_in_both


def _spans_of(one: Rows, other: Rows) -> tuple[_Spans, _Spans] | None:
    """The spans of two sources, or `None` if they have no file in common."""
    base = base_of(one)
    if base is base_of(other) and len(base.files.paths if base.files else ()) > FILES_COMPARED:
        return _spans(one), _spans(other)
    places = _places_of(one, other)
    if set(places[0].homes).isdisjoint(places[1].homes) or _are_apart(*places):
        return None
    ground = Ground([one, other], places)
    return _spans(one, ground, 0), _spans(other, ground, 1)


def _are_apart(one: Places, other: Places) -> bool:
    """Whether each of two sources is one run, and these lie apart, as two arrays in memory do."""
    if len(one.homes) > 1 or len(other.homes) > 1:
        return False
    begins, ends = zip(
        *(
            (runs.starts[0], runs.starts[0] + runs.strides[0] * runs.lengths[0])
            for runs in (one, other)
        ),
        strict=True,
    )
    return bool(max(begins) >= min(ends))


def _places_of(*sources: Rows) -> list[Places]:
    """Where the rows of sources lie. Many samples are told apart by their paths.

    So each `fit` is spared a question to the disk for each of them; a hard link is then another
    file.
    """
    stored = [[*stored_beneath(rows)] for rows in sources]
    num_samples = sum(len(rows) for each in stored for rows in each if _are_samples(rows))
    if num_samples <= FILES_COMPARED:
        return [rows.places for rows in sources]
    return [_joined([_named(rows) for rows in each]) for each in stored]


def _are_samples(rows: Rows) -> bool:
    return len(rows.shard_lengths) == 1 and rows.file_paths is not None


def _named(rows: Rows) -> Places:
    if not _are_samples(rows):
        return rows.places
    ones = np.ones(len(rows), np.int64)
    return Places(rows.file_paths or [], np.zeros_like(ones), ones, ones)


def _joined(places: Sequence[Places]) -> Places:
    homes = [home for each in places for home in each.homes]
    starts, strides, lengths = (
        np.concatenate(columns) for columns in zip(*(each[1:] for each in places), strict=True)
    )
    return Places(homes, starts, strides, lengths)


def is_of_windows(rows: Rows) -> bool:
    """Whether all rows are windows of a series, or their targets, as `windows` gives them."""
    return all(are_windows(rows))


def predict_ahead(rows: Rows, targets: Rows) -> bool:
    """Whether the targets of windows lie at their last steps, or behind them."""
    first = np.zeros(1, np.int64)
    steps, of_targets = rows.timesteps(first), targets.timesteps(first)
    return bool(steps.num_steps == of_targets.num_steps and of_targets.begins >= steps.ends - 1)


def _are_new(ours: tuple[Rows, Rows], theirs: tuple[Rows, Rows]) -> NDArray[np.bool_]:
    """Which of their targets lie in front of all that ours hold in a file, or behind it.

    Args:
        ours: The windows of one set, and their targets.
        theirs: Those of another.
    """
    leaves = [*ours, *theirs]
    places = _places_of(*leaves)
    if set(places[1].homes).isdisjoint(places[3].homes):
        # Nothing says how the steps of one belong to those of the other.
        return np.zeros(len(theirs[1]), bool)
    ground = Ground(leaves, places)
    held = [_stretches(ground, 1), _stretches(ground, 0)]
    rows = np.arange(len(ours[0]))
    steps = ours[0].timesteps(rows)
    if steps.num_steps == ours[1].timesteps(rows[:1]).num_steps:
        # Targets in a file of their own, one for each timestep: its labels.
        held.append(_stretches(ground, 1, steps))
    lows = np.full(int(ground.home_of.max()) + 1, np.iinfo(np.int64).max)
    highs = np.full_like(lows, -1)
    for stretches in held:
        homes = ground.home_of[stretches.runs]
        np.minimum.at(lows, homes, stretches.begins)
        np.maximum.at(highs, homes, stretches.ends)
    targets = _stretches(ground, 3)
    homes = ground.home_of[targets.runs]
    are_new = np.ones(len(theirs[1]), bool)
    is_held = (targets.ends > lows[homes]) & (targets.begins < highs[homes])
    are_new[targets.positions[is_held]] = False
    return are_new


def _stretches(ground: Ground, leaf: int, steps: Timesteps | None = None) -> Stretches:
    return ground.stretches(leaf, np.arange(len(ground.leaves[leaf])), steps)


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
        is_strided = any(isinstance(one, StridedRows) for one in stored_beneath(rows))
        if is_strided and not is_of_windows(rows):
            # Nobody knows what windows predict that are views: only equal ones count.
            ends = begins + 1
    return _Spans(begins, ends, lengths == lengths.min())


def _num_distinct(numbers: Indices) -> int:
    # np.unique takes ten times as long: it hashes (NumPy 2.4).
    return 1 + int(np.count_nonzero(np.diff(np.sort(numbers))))


def _do_overlap(spans: _Spans) -> bool:
    order = np.argsort(spans.begins, kind="stable")
    reach, _ = farthest_so_far(spans.ends[order])
    return bool(np.any(spans.begins[order][1:] < reach[:-1]))


def _partners(ours: _Spans, theirs: _Spans) -> Indices:
    """For each of their rows, one of ours that reaches into it; -1 if there is none."""
    order = np.argsort(ours.begins, kind="stable")
    # If any of ours reaches into a row, that one does which reaches farthest.
    reach, farthest = farthest_so_far(ours.ends[order])
    at = np.searchsorted(ours.begins[order], theirs.ends, side="left") - 1
    is_reached = (at >= 0) & (reach[at] > theirs.begins)
    return np.where(is_reached, order[farthest[at]], -1)


def _have_equal(ours: Sequence[_Spans], theirs: Sequence[_Spans]) -> NDArray[np.bool_]:
    """Which of their rows begin and end where one of ours does, in all sources."""
    num_ours = len(ours[0].begins)
    ids = np.zeros(num_ours + len(theirs[0].begins), np.int64)
    for our, their in zip(ours, theirs, strict=True):
        for one, other in ((our.begins, their.begins), (our.ends, their.ends)):
            _, numbers = np.unique(np.concatenate([one, other]), return_inverse=True)
            _, ids = np.unique(ids * len(ids) + numbers, return_inverse=True)
    return np.isin(ids[num_ours:], ids[:num_ours])
