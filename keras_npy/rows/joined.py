"""Rows of several sources of any kind, joined along axis 0."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from keras_npy.files.store import FileList, Places
from keras_npy.order.selection import ascending
from keras_npy.rows.base import Rows, Timesteps
from keras_npy.rows.drawn import Draw, DrawnRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.no_source import EACH_A_SAMPLE
from keras_npy.rows.scratch import Scratch
from keras_npy.types import Array, Indices


def join_rows(sources: Sequence[Rows]) -> Rows:
    """The rows of each source, one source after the other.

    Raises:
        ValueError: If dtype or row shape differ.
    """
    first = sources[0]
    for source in sources:
        if (source.dtype, source.row_shape) != (first.dtype, first.row_shape):
            raise ValueError(
                f"{source.name}: sources in a list must have one dtype, and one shape but for axis "
                f"0, because their rows are joined. Received: {first.name} of {first.dtype} "
                f"{first.shape}, {source.name} of {source.dtype} {source.shape}. "
                f"For several inputs or outputs, pass a tuple or a dict of sources.{_each(sources)}"
            )
    if len(sources) == 1:
        return first
    if any(isinstance(source, DrawnRows) for source in sources):
        return JoinedDrawnRows(sources)
    return JoinedRows(sources)


def _each(sources: Sequence[Rows]) -> str:
    """What to do about samples of different length, if that is what the sources are."""
    kinds = {(source.dtype, len(source), len(source.shape)) for source in sources}
    if len(kinds) > 1 or len(sources[0]) > 1:
        return ""
    return f" {EACH_A_SAMPLE.replace('[:]', '[0]')}"


class JoinedRows(Rows):
    """Rows of several sources, of one dtype and row shape.

    Args:
        sources: The sources, at least one.
    """

    def __init__(self, sources: Sequence[Rows]) -> None:
        first, more = sources[0], len(sources) - 1
        self.sources = list(sources)
        lengths = np.array([len(source) for source in sources], np.int64)
        self._stops: Indices = np.cumsum(lengths)
        self._starts = self._stops - lengths
        self.name = f"{first.name}, joined with {more} more source{'s' * (more > 1)}"
        self.shape = (int(self._stops[-1]), *first.row_shape)
        self.dtype = first.dtype
        self._scratch = Scratch()

    def read_into(self, indices: Indices, out: Array) -> None:
        for number, places, rows in self._by_source(indices):
            source = self.sources[number]
            if isinstance(places, slice):
                source.read_into(rows, out[places])
                continue
            with self._scratch.lend((len(rows), *self.row_shape), self.dtype) as taken:
                source.read_into(rows, taken)
                out[places] = taken

    def prepare(self, indices: Indices) -> None:
        for number, _, rows in self._by_source(indices):
            self.sources[number].prepare(rows)

    def check_unchanged(self, indices: Indices | None = None) -> None:
        if indices is None:
            for source in self.sources:
                source.check_unchanged()
            return
        for number, _, rows in self._by_source(indices):
            self.sources[number].check_unchanged(rows)

    def timesteps(self, indices: Indices) -> Timesteps:
        nothing = np.empty(0, np.int64)
        lengths = np.array([source.timesteps(nothing).num_steps for source in self.sources])
        firsts = np.cumsum(lengths) - lengths
        begins, ends = np.empty_like(indices), np.empty_like(indices)
        for number, places, rows in self._by_source(indices):
            steps = self.sources[number].timesteps(rows)
            begins[places] = steps.begins + firsts[number]
            ends[places] = steps.ends + firsts[number]
        return Timesteps(begins, ends, int(lengths.sum()))

    @property
    def places(self) -> Places:
        homes, starts, strides, lengths = zip(
            *(source.places for source in self.sources), strict=True
        )
        return Places(
            list(itertools.chain.from_iterable(homes)),
            *(np.concatenate(numbers) for numbers in (starts, strides, lengths)),
        )

    def read_once(self, indices: range | Indices) -> Iterator[tuple[Rows, range | Indices]]:
        wanted = ascending(indices)
        cuts = [bisect.bisect_left(wanted, start) for start in (*self._starts, len(self))]
        for source, start, (first, last) in zip(
            self.sources, self._starts.tolist(), itertools.pairwise(cuts), strict=True
        ):
            if first < last:
                yield from source.read_once(_moved(wanted[first:last], -start))

    def numbers_with(self, part: Rows, indices: Indices) -> Indices:
        found = [
            start + source.numbers_with(part, indices)
            for source, start in zip(self.sources, self._starts.tolist(), strict=True)
        ]
        return np.concatenate(found)

    def locate(self, index: int) -> str:
        ((number, _, rows),) = self._by_source(np.array([index]))
        return self.sources[number].locate(int(rows[0]))

    @property
    def io(self) -> Literal["map", "read"] | None:
        # Rows of which any are mapped keep the promises of mapped files, no more.
        kinds = {source.io for source in self.sources}
        return "map" if "map" in kinds else "read" if "read" in kinds else None

    @property
    def stored_bytes(self) -> int:
        return sum(source.stored_bytes for source in self.sources)

    def _file_of(self, index: int) -> tuple[str, int]:
        ((number, _, rows),) = self._by_source(np.array([index]))
        return self.sources[number].file_of(int(rows[0]))

    @property
    def files(self) -> FileList | None:
        return _joined_files([source.files for source in self.sources])

    @property
    def files_beneath(self) -> FileList | None:
        return _joined_files([source.files_beneath for source in self.sources])

    @property
    def shard_lengths(self) -> Indices:
        return np.concatenate([source.shard_lengths for source in self.sources])

    def _by_source(self, indices: Indices) -> Iterator[tuple[int, slice | Indices, Indices]]:
        """Number each source of some of the rows; their places in `indices`, their rows in it."""
        numbers = np.searchsorted(self._stops, indices, side="right")
        order = np.argsort(numbers, kind="stable")
        cuts = np.flatnonzero(np.diff(numbers[order])) + 1
        for places in np.split(order, cuts):
            if len(places):
                number = int(numbers[places[0]])
                yield number, _as_slice(places), indices[places] - self._starts[number]


def sources_of(rows: Rows) -> Iterator[Rows]:
    """The sources that rows are joined of, in order; the rows themselves if they are no list."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from sources_of(source)
    else:
        yield rows


def stored_beneath(rows: Rows) -> Iterator[Rows]:
    """What rows are made of, in order: no lists, and nothing that forwards to other rows."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from stored_beneath(source)
    elif isinstance(rows, ForwardingRows):
        yield from stored_beneath(rows.source)
    else:
        yield rows


def _joined_files(lists: Sequence[FileList | None]) -> FileList | None:
    """The files of all sources, or `None` if one of them has none."""
    known = [files for files in lists if files]
    if len(known) < len(lists):
        return None
    paths = [path for files in known for path in files.paths]
    return FileList(paths, np.concatenate([files.lengths for files in known]))


class JoinedDrawnRows(JoinedRows, DrawnRows):
    """As `JoinedRows`, where some sources differ from pass to pass."""

    def read_drawn(self, indices: Indices, out: Array, keys: Indices, draw: Draw) -> None:
        for number, places, rows in self._by_source(indices):
            source = self.sources[number]
            taken = np.empty((len(rows), *self.row_shape), self.dtype)
            if isinstance(source, DrawnRows):
                source.read_drawn(rows, taken, keys[places], draw)
            else:
                source.read_into(rows, taken)
            out[places] = taken

    @property
    def crop_lengths(self) -> Indices | None:
        drawn = [source for source in self.sources if isinstance(source, DrawnRows)]
        first, *others = (source.crop_lengths for source in drawn)
        if first is None or len(drawn) < len(self.sources):
            return None
        are_alike = all(other is not None and np.array_equal(first, other) for other in others)
        return first if are_alike else None

    def sizes_at(self, indices: Indices) -> Indices:
        lengths = self.crop_lengths
        sizes = np.empty((len(indices), 0 if lengths is None else len(lengths)), np.int64)
        for number, places, rows in self._by_source(indices):
            source = self.sources[number]
            if isinstance(source, DrawnRows):
                sizes[places] = source.sizes_at(rows)
        return sizes


def _moved(indices: range | Indices, by: int) -> range | Indices:
    if isinstance(indices, range):
        return range(indices.start + by, indices.stop + by, indices.step)
    return indices + by


def _as_slice(places: Indices) -> slice | Indices:
    """Ascending places as a slice if they lie together: rows are then read where they belong."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else places
