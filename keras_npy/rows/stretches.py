"""What rows hold of files and memory, on one line on which all of these lie side by side."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from keras_npy.files.store import Places
from keras_npy.rows.base import Rows, Timesteps
from keras_npy.types import Indices


class Stretches(NamedTuple):
    """Stretches of the line, `(num_stretches,)` each."""

    begins: Indices
    ends: Indices
    positions: Indices
    """Which of the rows that were asked for holds it."""
    runs: Indices
    """The run of `Places` in which it begins, counted over all sources."""

    def sorted(self) -> Self:
        """The same in the order of their begins."""
        order = np.argsort(self.begins, kind="stable")
        return self._replace(**{name: self._asdict()[name][order] for name in self._fields})

    def are_apart(self) -> bool:
        """Whether each one begins behind the one before it."""
        return bool(np.all(self.begins[1:] >= self.ends[:-1]))


def farthest_so_far(ends: Indices) -> tuple[Indices, Indices]:
    """Of sorted stretches, how far those up to each one reach, and which of them does."""
    reach = np.maximum.accumulate(ends)
    is_farther = np.diff(reach, prepend=-1) > 0
    return reach, np.maximum.accumulate(np.where(is_farther, np.arange(len(reach)), 0))


class Ground:
    """The files and memories of some sources.

    Args:
        leaves: The sources.
        places: Where the rows of each lie, if that is not `leaf.places`.
    """

    leaves: Sequence[Rows]
    leaf_of: Indices
    """The number of the source of each run."""
    home_of: Indices
    """The number of the file or memory of each run."""
    number_of: Indices
    """The number of each run in its source."""

    def __init__(self, leaves: Sequence[Rows], places: Sequence[Places] | None = None) -> None:
        self.leaves = leaves
        places = places or [leaf.places for leaf in leaves]
        numbers: dict[object, int] = {}
        of_homes = [
            numbers.setdefault(home, len(numbers)) for runs in places for home in runs.homes
        ]
        self.home_of = np.array(of_homes, np.int64)
        self.leaf_of = np.repeat(np.arange(len(leaves)), [len(runs.homes) for runs in places])
        self.number_of = np.concatenate([np.arange(len(runs.homes)) for runs in places])
        starts = np.concatenate([runs.starts for runs in places])
        self._strides = np.concatenate([runs.strides for runs in places])
        self._lengths = np.concatenate([runs.lengths for runs in places])
        ends = starts + self._strides * self._lengths
        lows = np.full(len(numbers), np.iinfo(np.int64).max)
        highs = np.zeros(len(numbers), np.int64)
        np.minimum.at(lows, self.home_of, starts)
        np.maximum.at(highs, self.home_of, ends)
        bases = np.cumsum(highs - lows) - (highs - lows)
        # Where each run begins on the line.
        self._begins: Indices = (bases - lows)[self.home_of] + starts

    def is_alone(self, leaf: int) -> bool:
        """Whether no other source has a file or memory of this one."""
        here = self.leaf_of == leaf
        return not np.isin(self.home_of[here], self.home_of[~here]).any()

    def has_copies(self, leaf: int) -> bool:
        """Whether a source has several runs of one file or memory."""
        homes = self.home_of[self.leaf_of == leaf]
        return len(np.unique(homes)) < len(homes)

    def stretches(self, leaf: int, rows: Indices, steps: Timesteps | None = None) -> Stretches:
        """What these rows of a source hold.

        Args:
            leaf: The number of the source.
            rows: Their numbers.
            steps: The timesteps of the source to take for each, if not those that it holds.
        """
        runs = np.flatnonzero(self.leaf_of == leaf)
        line, strides, lengths = self._begins[runs], self._strides[runs], self._lengths[runs]
        stops = np.cumsum(lengths)
        begins, ends, _ = steps or self.leaves[leaf].timesteps(rows)
        positions, lasts = np.arange(len(rows)), ends - 1
        first, last = (np.searchsorted(stops, steps, side="right") for steps in (begins, lasts))
        follow_each_other = np.all(line[1:] == (line + strides * lengths)[:-1])
        if not follow_each_other and np.any(first != last):
            # Rows that reach into several runs have a stretch in each.
            counts = last - first + 1
            positions = np.repeat(positions, counts)
            behind = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
            first = last = first[positions] + behind
            begins = np.maximum(begins[positions], (stops - lengths)[first])
            lasts = np.minimum(lasts[positions], stops[first] - 1)
        origins = line - (stops - lengths) * strides
        return Stretches(
            origins[first] + begins * strides[first],
            origins[last] + (lasts + 1) * strides[last],
            positions,
            runs[first],
        )
