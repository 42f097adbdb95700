"""`Batches`: what one consumer reads, as nests of rows and the order of a pass."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import keras

from keras_npy.feeds.device_cache import DeviceCache
from keras_npy.feeds.maps import BatchMap, DrawnRead, Leaf, Place, flat, lies_in, native_copy
from keras_npy.feeds.nests import leaves_of, map_leaves, names_of, pack_leaves
from keras_npy.order.order import Order
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import check_pairs
from keras_npy.rows.sources import Source, open_rows
from keras_npy.rows.windows import WindowsAndTargets
from keras_npy.types import Array, Indices, Io

Sources: TypeAlias = Source | dict[str, Any] | tuple[Any, ...]

# A block is what one call into Python plans. It holds so many batches that the call costs little
# for each, but no more rows than have their numbers in the cache, and no more bytes than should be
# read ahead.
BLOCK_BATCHES_MAX = 128
BLOCK_ROWS_MAX = 16_384
BLOCK_BYTES_MAX = 32 << 20


@dataclass(frozen=True)
class Batches:
    """What one consumer reads: which rows, in which order, in which structure.

    Args:
        data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a nest of `Rows`.
        order: Which rows each batch holds.
        is_endless: Whether the next pass begins where one ends.
        position: Returns where an iterator begins. An iterator calls it when its first batch is
            asked for: Keras makes iterators long before it uses them, and some it never uses
            (Keras 3.15).
        map: What makes a batch of the rows that `data` holds, if anything does.
        is_training: Whether passes in file order differ too, in the numbers that `map` draws.
        cache: Keeps the rows of `data` on the device, if the user wants that.
    """

    data: tuple[Any, ...]
    order: Order
    is_endless: bool = False
    position: Callable[[], Position] = Position
    map: BatchMap | DrawnRead | None = None
    is_training: bool = False
    cache: DeviceCache | None = None

    # Cached, because flattening a pair takes 25 us on torch (Keras 3.15).
    @functools.cached_property
    def rows(self) -> tuple[Rows, ...]:
        """The leaves of `data`: what is read."""
        return tuple(leaves_of(self.data))

    @functools.cached_property
    def are_in_files(self) -> bool:
        """Whether the rows of some leaf are read from files."""
        return any(rows.io is not None for rows in self.rows)

    @functools.cached_property
    def is_flat(self) -> bool:
        """Whether neither `data` nor a batch nests its leaves."""
        return all(isinstance(part, Rows | Leaf) for part in (*self.data, *self.served))

    @property
    def passes_differ(self) -> bool:
        """Whether each pass has an order, or random numbers, of its own."""
        is_random = self.map is not None and self.map.is_random
        return self.order.shuffle is not None or (self.is_training and is_random)

    @property
    def served(self) -> tuple[Any, ...]:
        """The structure of a batch, of `Leaf` or `Rows`."""
        return self.data if self.map is None else self.map.leaves

    @functools.cached_property
    def leaves(self) -> tuple[Rows | Leaf, ...]:
        """The leaves of a batch, in the order in which `pack` takes them."""
        return tuple(leaves_of(self.served))

    # Cached, as it is asked for with every block.
    @functools.cached_property
    def batch_bytes(self) -> int:
        """Bytes of a full batch, all leaves together, as it is read or as it is served."""
        read, served = (sum(leaf.row_bytes for leaf in all_) for all_ in (self.rows, self.leaves))
        return self.order.batch_size * max(read, served)

    @property
    def block_batches(self) -> int:
        """Batches that are planned, checked and advised together."""
        most_by_rows = BLOCK_ROWS_MAX // self.order.batch_size
        most_by_size = BLOCK_BYTES_MAX // max(self.batch_bytes, 1)
        return max(1, min(BLOCK_BATCHES_MAX, most_by_rows, most_by_size))

    def pack(self, leaves: list[Any]) -> tuple[Any, ...]:
        """Pack leaves, one for each of `leaves`, into the structure of a batch."""
        packed: tuple[Any, ...] = pack_leaves(self.served, leaves)
        return packed

    def apply(self, arrays: list[Array], position: Position) -> list[Array]:
        """The leaves of a batch that `map` makes of these rows, one array for each of `rows`.

        They may lie in the memory of `arrays`, or in memory of the user's.
        """
        if self.map is None:
            return arrays
        batch = self._pack_rows(arrays)
        if not self.passes_differ:
            position = Position(0, position.batch)
        return flat(self.map(batch, Place(self.order.seed, position, self.order.process_id)))

    def _pack_rows(self, arrays: list[Array]) -> tuple[Any, ...]:
        if self.is_flat:
            return tuple(arrays)
        packed: tuple[Any, ...] = pack_leaves(self.data, arrays)
        return packed

    def prepare(self, indices: Indices) -> None:
        """Announce the rows that will be read next.

        Raises:
            NpyFileError: If a file that holds them is no longer the one that was opened.
        """
        for rows in self.rows:
            rows.prepare(indices)

    def check_unchanged(self, indices: Indices) -> None:
        """Raise `NpyFileError` if a file with these rows is no longer the one that was opened."""
        for rows in self.rows:
            rows.check_unchanged(indices)

    def read(self, indices: Indices) -> tuple[Any, ...]:
        """The stored rows at `indices` as new arrays, in the structure of `data`."""
        return self._pack_rows([rows.take(indices) for rows in self.rows])

    def take(self, indices: Indices, position: Position) -> tuple[Any, ...]:
        """The batch of the rows at `indices`, as new arrays."""
        arrays = [rows.take(indices) for rows in self.rows]
        leaves = self.apply(arrays, position)
        return self.pack([leaf if lies_in(leaf, arrays) else native_copy(leaf) for leaf in leaves])

    def take_one(self, position: Position) -> Any:
        """The batch at a position as Keras packs it, in new arrays, after a look at its files."""
        rows = self.order.rows(position.epoch, position.batch, position.batch + 1)
        self.check_unchanged(rows)
        return keras.utils.pack_x_y_sample_weight(*self.take(rows, position))


def spec_of(leaves: Any, batch_size: int | None) -> Any:
    """`keras.InputSpec` of a batch of these leaves, in their structure."""
    return map_leaves(
        lambda rows: keras.InputSpec(dtype=rows.dtype.name, shape=(batch_size, *rows.row_shape)),
        leaves,
    )


def open_data(
    x: Sources, y: Sources | None, sample_weight: Sources | None, io: Io = "auto"
) -> tuple[Any, ...]:
    """Open sources as `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a nest of `Rows`.

    Raises:
        NpyFileError: If a source cannot be streamed.
        ValueError: If the structures do not match.
    """
    if not _holds_sources(x):
        raise ValueError(
            "x must hold at least one source. "
            f"Received: {x!r:.100}. Pass a path or an array for an input."
        )
    if isinstance(x, WindowsAndTargets) or _are_pairs(x):
        if y is not None:
            raise ValueError(
                "windows(...) with targets brings its own y. Received: y= as well. "
                "Leave y= out, or the targets= or predict_next= of windows."
            )
        x, y = x if isinstance(x, WindowsAndTargets) else _unzip(x)
    if y is None:
        if sample_weight is not None:
            raise ValueError(
                "sample_weight needs y, whose losses it weighs. "
                "Received: sample_weight= and y=None. Pass y=, or leave sample_weight out."
            )
        return (_open_nest(x, io),)
    if sample_weight is None:
        return _open_nest(x, io), _open_nest(y, io)
    targets, weights = _open_nest(y, io), _open_nest(sample_weight, io)
    if isinstance(weights, Rows):
        # One array of weights applies to every output, as Keras does with arrays.
        weights = map_leaves(lambda _: weights, targets)
    try:
        keras.tree.assert_same_structure(targets, weights)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "sample_weight must be one source, or have the structure of y. "
            f"Received: sample_weight={_outline(weights)}, y={_outline(targets)}. "
            "Pass one array of weights for each output."
        ) from error
    return _open_nest(x, io), targets, weights


def _unzip(pairs: list[WindowsAndTargets]) -> tuple[list[Rows], list[Rows]]:
    return [pair.x for pair in pairs], [pair.y for pair in pairs]


def _are_pairs(x: Any) -> TypeGuard[list[WindowsAndTargets]]:
    """Whether x is a list of windows with targets, whose x and y are joined apart."""
    if not isinstance(x, list) or not x:
        return False
    num_pairs = sum(isinstance(source, WindowsAndTargets) for source in x)
    if 0 < num_pairs < len(x):
        raise ValueError(
            "All windows of a list must have targets, or none of them. "
            f"Received: {num_pairs} with targets, of {len(x)} sources. "
            "Pass targets= or predict_next=True to each, or `.x` of those with targets."
        )
    return num_pairs > 0


def _open_nest(sources: Sources, io: Io) -> Any:
    if isinstance(sources, WindowsAndTargets):
        raise ValueError(
            "windows(...) with targets are x and y of a sequence, not one of several sources. "
            f"Received: them inside x, or as y or weights: {sources.x.name}. "
            "Pass `.x` of them as input, and `.y` as target."
        )
    if isinstance(sources, dict | tuple):
        if not sources:
            raise ValueError(
                "A dict or tuple of sources must hold at least one. "
                f"Received: {sources!r}. Pass a path or an array for each input."
            )
        if isinstance(sources, dict):
            return {key: _open_nest(source, io) for key, source in sources.items()}
        return tuple(_open_nest(source, io) for source in sources)
    # An output without targets or weights, or an optional input, as arrays allow it.
    return None if sources is None else open_rows(sources, io=io)


def _holds_sources(sources: Sources) -> bool:
    """Whether a nest has anything but `None` in it, or nothing at all, which is refused later."""
    if isinstance(sources, dict | tuple):
        values = list(sources.values()) if isinstance(sources, dict) else list(sources)
        return not values or any(_holds_sources(value) for value in values)
    return sources is not None


def common_length(data: tuple[Any, ...], *, check_names: bool) -> int:
    """The number of rows of every leaf of `data`.

    Raises:
        ValueError: If lengths differ, or if files are not partners by their names.
    """
    leaves = leaves_of(data)
    names = zip(("x", "y", "sample_weight"), data, strict=False)
    arguments = [argument for name, nest in names for argument in names_of(name, nest)]
    check_pairs(leaves, check_names=check_names, arguments=arguments)
    return len(leaves[0])


def _outline(nest: Any) -> str:
    return repr(map_leaves(lambda rows: os.path.basename(rows.name), nest))[:100]
