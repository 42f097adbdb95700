"""Which rows share timesteps, so that parts of a series can be kept apart."""

import bisect
import functools
import itertools
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from keras_npy.order.selection import ascending, rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.stretches import Ground, Stretches, farthest_so_far
from keras_npy.types import Indices

# Rows to look at, which takes 0.1 s and 40 MB. Of more, those at the beginning of each file are
# looked at: windows that overlap do so with their neighbours, and a file that comes twice begins
# twice. Where rows were chosen by number, or a file comes twice, a sample from all over is too.
ROWS_LOOKED_AT = 1 << 18
# Rows whose places are computed at a time for this sample.
BLOCK_ROWS = 1 << 16
# As many neighbours are in the sample together, so that windows are that begin apart.
NEIGHBOURS = 64
# An odd number with half of its bits set: it spreads places all over 64 bits.
SPREAD = np.uint64(0x9E3779B97F4A7C15)

# Rows whose order in time is looked at, from all over the sources.
ROWS_SEEN_IN_ORDER = 1000

# Of windows that come more than once, as copies of rare ones do.
REPEAT_LATER = (
    "choose each row once, split, and repeat rows of the part to train with: train, validation = "
    "NpySequence(x, y).split(0.2, in_order=True), then train.subset(rows)"
)

Kind: TypeAlias = Literal["row", "repeat", "link", "pair", "copy", "overlap"]
"""What rows share: the same row, or window; the same window, where others overlap; the same bytes,
of two names or layouts of one file; a row that is in two pairs; timesteps of windows of a file that
comes more than once; or timesteps of windows of one series."""


class Shared(NamedTuple):
    """What some rows have in common with others."""

    kind: Kind
    leaf: int
    """The number of the source of one of them."""
    row: int
    """Its row there."""
    other: int
    """The other row. It is one of the same source, unless they overlap."""
    num_rows: int
    """How many rows share something with a row that lies before them."""
    num_looked_at: int
    """Rows that were looked at."""


def find_shared(leaves: Sequence[Rows], indices: range | Indices) -> Shared | None:
    """Whether some of these rows hold the same timestep, or are the same row."""
    rows = ascending(indices) if isinstance(indices, range) else np.sort(indices)
    ground = Ground(leaves)
    looked_at = rows_at(rows, _looked_at(ground, rows))
    return _find(ground, looked_at, np.arange(len(looked_at)))


def find_shared_by_parts(
    leaves: Sequence[Rows], indices: range | Indices, parts: Sequence[Indices]
) -> Shared | None:
    """Whether rows of two of these parts hold the same timestep, or are the same row.

    Args:
        leaves: The sources.
        indices: The row of the sources at each position.
        parts: Positions of each part.
    """
    part_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return _find(Ground(leaves), rows_at(indices, np.concatenate(parts)), part_of)


def find_shared_by_label(leaf: Rows, label_of: Callable[[Indices], Indices]) -> Shared | None:
    """Whether rows of two labels hold the same timestep, or are the same row.

    Args:
        leaf: A source.
        label_of: The labels of rows.
    """
    ground = Ground([leaf])
    rows = _looked_at(ground, range(len(leaf)))
    return _find(ground, rows, label_of(rows))


def find_shared_in_order(
    leaves: Sequence[Rows], indices: range | Indices, parts: Sequence[range]
) -> Shared | None:
    """As `find_shared_by_parts`, of parts one behind the other, of rows in ascending order."""
    ground = Ground(leaves)
    looked_at = _looked_at(ground, indices)
    part_of = np.full(len(looked_at), -1)
    for number, part in enumerate(parts):
        part_of[(looked_at >= part.start) & (looked_at < part.stop)] = number
    # Between the parts, rows were left out.
    is_used = part_of >= 0
    return _find(ground, rows_at(indices, looked_at[is_used]), part_of[is_used])


def _looked_at(ground: Ground, indices: range | Indices) -> Indices:
    """The positions of some rows, in ascending order of rows and positions."""
    if len(indices) <= ROWS_LOOKED_AT:
        return np.arange(len(indices))
    chosen = [number for number, leaf in enumerate(ground.leaves) if _are_chosen(leaf)]
    files = [leaf.shard_lengths for at, leaf in enumerate(ground.leaves) if at not in chosen]
    lengths = max(files, key=len, default=np.zeros(1, np.int64))
    begins = [
        bisect.bisect_left(indices, first) for first in (np.cumsum(lengths) - lengths).tolist()
    ]
    behind_each = np.arange(max(2, ROWS_LOOKED_AT // len(begins)))
    positions = np.unique(np.array(begins)[:, np.newaxis] + behind_each)
    twice = [number for number in range(len(ground.leaves)) if ground.has_copies(number)]
    by_number = [0] if isinstance(indices, np.ndarray) else []
    samples = [_sample(ground, leaf, indices) for leaf in {*chosen, *twice, *by_number}]
    return functools.reduce(np.union1d, samples, positions[positions < len(indices)])


def _are_chosen(rows: Rows) -> bool:
    """Whether rows were chosen by number, so that each may come anywhere."""
    if isinstance(rows, JoinedRows):
        return any(map(_are_chosen, rows.sources))
    if isinstance(rows, ChosenRows) and isinstance(rows.indices, np.ndarray):
        return True
    return isinstance(rows, ForwardingRows) and _are_chosen(rows.source)


def _sample(ground: Ground, leaf: int, indices: range | Indices) -> Indices:
    """Positions of rows that begin in some places: all rows that begin there, wherever they come.

    A hash of the place decides, so that of rows that have something in common mostly all are in the
    sample or none.
    """
    begins, ends, _, _ = ground.stretches(leaf, rows_at(indices, np.arange(1)))
    size = np.uint64(NEIGHBOURS * int(ends[0] - begins[0]))
    every = np.uint64(-(-len(indices) // ROWS_LOOKED_AT))
    found = []
    for start in range(0, len(indices), BLOCK_ROWS):
        positions = np.arange(start, min(start + BLOCK_ROWS, len(indices)))
        stretches = ground.stretches(leaf, rows_at(indices, positions))
        places = stretches.begins.astype(np.uint64) // size * SPREAD
        is_drawn = (places >> np.uint64(32)) % every == 0
        found.append(positions[stretches.positions[is_drawn]])
    return np.unique(np.concatenate(found))


def _find(ground: Ground, rows: Indices, labels: Indices) -> Shared | None:
    """Whether rows of two labels have something in common."""
    leaves = ground.leaves
    found = [ground.stretches(leaf, rows) for leaf in range(len(leaves))]
    # Mostly rows lie one behind the other, in files of their own: there is nothing to sort.
    suspects = [
        stretches
        for leaf, stretches in enumerate(found)
        if not (ground.is_alone(leaf) and stretches.are_apart())
    ]
    if not suspects:
        return None
    stretches = Stretches(*map(np.concatenate, zip(*suspects, strict=True))).sorted()
    later, earlier = _overlaps(stretches, labels[stretches.positions])
    if not later.size:
        return None
    runs, others = stretches.runs[later], stretches.runs[earlier]
    # Where x and y have the same files, the first of one is no copy of the first of the other.
    are_copies = (ground.number_of[runs] != ground.number_of[others]) & (
        ground.home_of[runs] == ground.home_of[others]
    )
    # Windows of a row that take repeats begin and end together.
    are_same = np.all(
        [getattr(stretches, name)[later] == getattr(stretches, name)[earlier] for name in _EDGES],
        axis=0,
    ) & (ground.leaf_of[runs] == ground.leaf_of[others])
    at = int(np.argmax(are_copies if are_copies.any() else are_same))
    row, other = (int(rows[stretches.positions[ones[at]]]) for ones in (later, earlier))
    leaf, leaf_of_other = (int(ground.leaf_of[ones[at]]) for ones in (runs, others))
    kind: Kind = "copy" if are_copies[at] else "overlap"
    are_steps = _is_step(leaves[leaf], row) and _is_step(leaves[leaf_of_other], other)
    if leaf == leaf_of_other and are_steps:
        is_same = leaves[leaf].file_of(row) == leaves[leaf].file_of(other)
        # Where two inputs have rows in common, to group those of one leaves the other's apart.
        are_paired = bool(np.any(ground.leaf_of[runs] != ground.leaf_of[others]))
        kind = ("pair" if are_paired else "row") if is_same else "link"
    elif are_steps:
        kind = "pair"
    elif kind == "overlap" and are_same[at]:
        kind = "row" if are_same.all() else "repeat"
        later = later[are_same]
    num_rows = len(np.unique(stretches.positions[later]))
    return Shared(kind, leaf, row, other, num_rows, len(rows))


_EDGES = ("begins", "ends")


def _overlaps(stretches: Stretches, labels: Indices) -> tuple[Indices, Indices]:
    """Numbers of sorted stretches, and for each of them that of one before it which it overlaps.

    If any stretches of two labels overlap, one of them overlaps with the one before it that reaches
    farthest. So only that is looked at.
    """
    reach, farthest = (found[:-1] for found in farthest_so_far(stretches.ends))
    do_overlap = (stretches.begins[1:] < reach) & (labels[1:] != labels[farthest])
    later = np.flatnonzero(do_overlap)
    return later + 1, farthest[later]


def is_window(leaf: Rows) -> bool:
    """Whether the rows of a source hold several timesteps each."""
    return not _is_step(leaf, 0)


def _is_step(leaf: Rows, row: int) -> bool:
    begins, ends, _ = leaf.timesteps(np.array([row]))
    return bool(ends[0] - begins[0] == 1)


def keep_apart(
    leaves: Sequence[Rows],
    indices: range | Indices,
    parts: Sequence[range],
    names: Sequence[str],
) -> list[range]:
    """Leave out rows at the end of each part that share a timestep with the next part.

    Args:
        leaves: The sources.
        indices: The row of the sources at each position.
        parts: Positions of each part, one part behind the other.
        names: What a user calls the rows of each source.

    Raises:
        ValueError: If rows that share timesteps do not lie in the order of time, or nothing is left
            of a part.
    """
    series = _by_series(leaves)
    if not _are_ascending(series, indices):
        _check_apart(leaves, indices, names)
        return list(parts)
    kept = list(parts)
    for at, (part, later) in enumerate(itertools.pairwise(parts)):
        first = [int(begins[0]) for begins, _ in _timesteps(series, _rows(indices, later.start))]

        def shares(position: int, first: list[int] = first) -> bool:
            steps = _timesteps(series, _rows(indices, position))
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


def _are_ascending(series: Sequence[Sequence[Rows]], indices: range | Indices) -> bool:
    positions = np.linspace(0, len(indices) - 1, ROWS_SEEN_IN_ORDER).astype(np.int64)
    found = _timesteps(series, rows_at(indices, np.unique(positions)))
    return all(np.all(begins[1:] >= begins[:-1]) for begins, _ in found)


def _check_apart(leaves: Sequence[Rows], indices: range | Indices, names: Sequence[str]) -> None:
    """Raise if rows in an order of their own share timesteps with others, so that no cut is one.

    Where they share none, their order is the one that is meant, such as the order of time.
    """
    shared = find_shared(leaves, indices)
    if shared is None:
        return
    leaf, kind = leaves[shared.leaf], shared.kind
    if kind == "link" or (kind == "row" and _is_step(leaf, shared.row)):
        # The rows that come into several parts are warned of.
        return
    path, row = leaf.file_of(shared.row)
    if kind in ("row", "repeat"):
        raise ValueError(
            "in_order=True needs windows that lie in the order of time. Received: row "
            f"{row} of {path} more than once. First {REPEAT_LATER}."
        )
    raise ValueError(
        "in_order=True needs rows that lie in the order of time, if they share timesteps. "
        f"Received: rows of {leaf.name} in another order, such as the one from timestep {row} of "
        f"{path}. If time runs as in the files, {_in_time(leaves, indices, names[shared.leaf])} "
        "has them in order; otherwise save the series in the order of time."
    )


def _in_time(leaves: Sequence[Rows], indices: range | Indices, name: str) -> str:
    """Code for the same rows in the order of time."""
    in_order = ascending(indices) if isinstance(indices, range) else np.sort(indices)
    key = "seq.indices"
    if not _are_ascending(_by_series(leaves), in_order):
        # The source itself has another order, by take.
        key = f"{name}.timesteps(np.arange(seq.num_samples)).begins"
    return f"seq.subset(np.argsort({key}))"


def _rows(indices: range | Indices, position: int) -> Indices:
    return rows_at(indices, np.array([position]))


def _by_series(leaves: Sequence[Rows]) -> list[list[Rows]]:
    """The sources of each series."""
    by_series: dict[Hashable, list[Rows]] = {}
    for leaf in leaves:
        homes, *numbers = leaf.places
        key = (tuple(homes), *(column.tobytes() for column in numbers))
        by_series.setdefault(key, []).append(leaf)
    return list(by_series.values())


def _timesteps(series: Sequence[Sequence[Rows]], rows: Indices) -> list[tuple[Indices, Indices]]:
    """For each series, the first timestep of each row in any source, and that behind the last."""
    found = []
    for leaves in series:
        steps = [leaf.timesteps(rows) for leaf in leaves]
        begins = functools.reduce(np.minimum, (one.begins for one in steps))
        found.append((begins, functools.reduce(np.maximum, (one.ends for one in steps))))
    return found
