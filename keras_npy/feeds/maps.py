"""`BatchMap`: a function of the user's over whole batches, and what comes out of it.

A batch reaches the function in memory that nothing else uses, so the function may write to it. What
it returns is used as it is if it lies in that memory, and copied otherwise: the function may return
the same array of its own each time.
"""

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_npy.errors import cut
from keras_npy.feeds.nests import leaves_of, map_leaves
from keras_npy.files.header import SUPPORTED_DTYPES, is_supported
from keras_npy.order.draws import fractions
from keras_npy.order.position import Position
from keras_npy.rows.base import Sized
from keras_npy.rows.drawn import DrawnRows, RowNumbers
from keras_npy.rows.scaled_crops import read_drawn
from keras_npy.types import Array

_NAMES = ("x", "y", "sample_weight")

# Steps of the search for an element that two views have in common: under 0.1 ms.
OVERLAP_WORK = 1000


@dataclass(frozen=True)
class Leaf(Sized):
    """What one array of all batches looks like: a `Rows` that cannot be read by rows."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Place:
    """Which batch a function gets: its seed, its pass, its number in the pass, and whose part."""

    seed: int
    position: Position
    process_id: int = 0

    def rng(self, number: int) -> np.random.Generator:
        """The generator of the map with this number, the same wherever the batch is made."""
        # The order of a pass has the key (epoch,), so that these numbers are independent of it.
        key: tuple[int, ...] = (self.position.epoch, self.position.batch, number)
        if self.process_id:
            # Each process draws for its own part of the batch.
            key = (*key, self.process_id)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


@dataclass(frozen=True)
class DrawnRead:
    """Reads the rows that differ from pass to pass, of which a batch holds the numbers.

    Args:
        leaves: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a nest of `Rows`.
    """

    leaves: tuple[Any, ...]

    number = -1
    is_random = True

    def __call__(self, batch: tuple[Any, ...], place: Place) -> tuple[Any, ...]:
        beside = [rows for rows in leaves_of(self.leaves) if isinstance(rows, DrawnRows)]
        draw = functools.partial(fractions, place.seed, place.position.epoch)
        read: tuple[Any, ...] = map_leaves(
            lambda rows, array: (
                read_drawn(rows, array, beside, draw) if isinstance(rows, DrawnRows) else array
            ),
            self.leaves,
            batch,
        )
        return read

    @property
    def numbers(self) -> tuple[Any, ...]:
        """What to read before: the numbers of these rows, and all other rows as they are."""
        numbers: tuple[Any, ...] = map_leaves(
            lambda rows: RowNumbers(rows) if isinstance(rows, DrawnRows) else rows, self.leaves
        )
        return numbers


# Each is itself alone, so that it can be remembered what was said of it.
@dataclass(frozen=True, eq=False)
class BatchMap:
    """A function over whole batches.

    Args:
        function: Takes and returns `x`, `y` and `sample_weight`, as far as there are any.
        leaves: What comes out: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a nest of `Leaf`.
        takes_rng: Whether the function has a parameter `rng`.
        before: The map whose result the function gets, if there is one.
        may_write: Whether the function may write to the arrays that it gets.
    """

    function: Callable[..., Any]
    leaves: tuple[Any, ...]
    takes_rng: bool = False
    before: "BatchMap | DrawnRead | None" = None
    may_write: bool = True

    @property
    def is_random(self) -> bool:
        """Whether this map or one before it draws numbers."""
        return self.takes_rng or (self.before is not None and self.before.is_random)

    def __call__(self, batch: tuple[Any, ...], place: Place) -> tuple[Any, ...]:
        """The batch `(x,)`, `(x, y)` or `(x, y, sample_weight)` that comes out of a batch.

        Raises:
            TypeError: If the function returns something else than arrays.
            ValueError: If what it returns is not as `leaves` say, or has other rows.
            Exception: Whatever the function raises, with a note that says which batch it was.
        """
        num_rows = _num_rows(batch)
        if self.before is not None:
            batch = self.before(batch, place)
            batch = _apart(batch) if self.may_write else batch
        result = self._call(batch, place)
        _check_alike(result, self.leaves, num_rows, place.position)
        return result

    def _call(self, batch: tuple[Any, ...], place: Place) -> tuple[Any, ...]:
        rng = {"rng": place.rng(self.number)} if self.takes_rng else {}
        try:
            return _as_batch(self.function(*batch, **rng))
        except Exception as error:
            position = place.position
            error.add_note(
                f"This came from the function of map, at batch {position.batch} of pass "
                f"{position.epoch}."
            )
            raise

    @property
    def number(self) -> int:
        """The number of maps before this one."""
        return 0 if self.before is None else 1 + self.before.number


def make_map(
    function: Callable[..., Any],
    before: BatchMap | DrawnRead | None,
    batch: tuple[Any, ...],
    num_samples: int,
    seed: int,
) -> BatchMap:
    """A map of a function, whose result is looked at for one batch.

    Args:
        function: As `BatchMap` takes it.
        before: The map whose result the function gets, if there is one.
        batch: The first batch of the stored rows.
        num_samples: Rows of the sources.
        seed: The seed of the sequence.

    Raises:
        TypeError: If the function cannot be called so, or returns something else than arrays.
        ValueError: If the function returns other rows.
    """
    takes_rng = _takes_rng(function)
    num_rows = _num_rows(batch)
    place = Place(seed, Position())
    if before is not None:
        batch = _apart(before(batch, place))
    _check_signature(function, len(batch), takes_rng)
    unchecked = BatchMap(function, (), takes_rng, before)
    result = unchecked._call(batch, place)

    def look(array: Any) -> Leaf:
        _check_array(array, num_rows, Position())
        return Leaf(name, (num_samples, *array.shape[1:]), _native(array.dtype))

    name = f"map by {getattr(function, '__name__', type(function).__name__)}"
    leaves = tuple(map_leaves(look, part) for part in result)
    return BatchMap(function, leaves, takes_rng, before)


def lies_in(array: Array, arrays: list[Array]) -> bool:
    """Whether the memory of an array is part of that of one of these arrays."""
    # These are contiguous, so that the bounds of their memory say it.
    return any(np.may_share_memory(array, other) for other in arrays)


def _apart(batch: tuple[Any, ...]) -> tuple[Any, ...]:
    """The batch, in which no array shares memory with another: `x += noise` leaves `y` alone."""
    if not any(_overlap(*pair) for pair in itertools.combinations(flat(batch), 2)):
        return batch
    seen: list[Array] = []

    def copied(array: Array) -> Array:
        if any(_overlap(array, other) for other in seen):
            array = array.copy()
        seen.append(array)
        return array

    return tuple(map_leaves(copied, part) for part in batch)


def _overlap(one: Array, other: Array) -> bool:
    # Columns of one array lie between each other and share nothing, which costs a moment to find.
    effort: Any = OVERLAP_WORK  # NumPy's types know only 0 and -1 (NumPy 2.4).
    return np.may_share_memory(one, other, max_work=effort)


def native_copy(array: Array) -> Array:
    """A C-contiguous copy in this machine's byte order."""
    return np.array(array, _native(array.dtype), order="C")


def flat(batch: tuple[Any, ...]) -> list[Any]:
    """The leaves of a batch."""
    # keras.tree.flatten takes 25 us for a pair on torch (Keras 3.15).
    if all(isinstance(part, np.ndarray) for part in batch):
        return list(batch)
    return leaves_of(batch)


def _num_rows(batch: tuple[Any, ...]) -> int:
    return len(flat(batch)[0])


def _as_batch(result: Any) -> tuple[Any, ...]:
    """What a function returned, as `(x,)`, `(x, y)` or `(x, y, sample_weight)` of arrays."""
    parts = tuple(result) if isinstance(result, tuple | list) else (result,)
    if isinstance(result, tuple | list):
        while len(parts) > 1 and parts[-1] is None:
            parts = parts[:-1]
    if not 1 <= len(parts) <= 3:
        raise TypeError(
            "A function of map returns x, (x, y) or (x, y, sample_weight). "
            f"Received: {len(parts)} items. Return several inputs as ((a, b, ...), y)."
        )
    if all(isinstance(part, np.ndarray) for part in parts):
        return parts
    return tuple(_as_array(part) if part is None else map_leaves(_as_array, part) for part in parts)


def _as_array(leaf: Any) -> Array:
    # Tensors of every backend have __array__; what has none is a number or an object.
    if not hasattr(leaf, "__array__"):
        raise TypeError(
            "A function of map returns arrays, in dicts or tuples if there are several. "
            f"Received: {type(leaf).__name__} {leaf!r:.50}. Return np.asarray(...) of it, with one "
            "row for each row of the batch."
        )
    return np.asarray(leaf)


def _check_array(array: Array, num_rows: int, position: Position) -> None:
    if array.ndim == 0 or len(array) != num_rows:
        remedy = "Choose rows with subset, before map."
        if num_rows == 1:
            remedy = (
                "In a batch of one row np.squeeze and reductions need axis=, "
                "such as np.squeeze(x, axis=-1)."
            )
        raise ValueError(
            "A function of map must return one row for each row of the batch. "
            f"Received: an array of {array.dtype} {array.shape} for {num_rows} "
            f"row{'s' * (num_rows != 1)}, at batch "
            f"{position.batch} of pass {position.epoch}. {remedy}"
        )
    if not is_supported(array.dtype):
        raise TypeError(
            f"A function of map must return arrays of the dtypes {SUPPORTED_DTYPES}. "
            f"Received: {cut(array.dtype)} {array.shape}. Convert it with astype."
        )


def _check_alike(
    batch: tuple[Any, ...], leaves: tuple[Any, ...], num_rows: int, position: Position
) -> None:
    """Raise unless a batch looks as the first one did."""
    if len(batch) != len(leaves):
        raise _differs(_parts(batch), _parts(leaves), position)
    for name, part, expected in zip(_NAMES, batch, leaves, strict=False):
        if isinstance(part, np.ndarray) and isinstance(expected, Leaf):
            _check_leaf(name, part, expected, num_rows, position)
            continue
        try:
            keras.tree.assert_same_structure(part, expected)
        except (ValueError, TypeError) as error:
            raise _differs(_outline(part), _outline(expected), position) from error
        arrays, others = keras.tree.flatten(part), keras.tree.flatten(expected)
        for array, leaf in zip(arrays, others, strict=True):
            if (array is None) != (leaf is None):
                raise _differs(_outline(part), _outline(expected), position)
            if array is None:
                continue
            _check_leaf(name, array, leaf, num_rows, position)


def _check_leaf(name: str, array: Array, leaf: Leaf, num_rows: int, position: Position) -> None:
    _check_array(array, num_rows, position)
    if array.shape[1:] != leaf.row_shape or _native(array.dtype) != leaf.dtype:
        raise _differs(
            f"{name} of {array.dtype} {array.shape}",
            f"{leaf.dtype} {(num_rows, *leaf.row_shape)}",
            position,
        )


def _differs(received: str, expected: str, position: Position) -> ValueError:
    return ValueError(
        "A function of map must return the same structure, shapes and dtypes for every batch. "
        f"Received: {received} at batch {position.batch} of pass {position.epoch}, where the "
        f"first batch gave {expected}. Crop or pad to one shape, and convert with astype."
    )


def _parts(batch: tuple[Any, ...]) -> str:
    return f"({', '.join(_NAMES[: len(batch)])})"


def _outline(nest: Any) -> str:
    return repr(map_leaves(lambda leaf: str(leaf.dtype), nest))[:100]


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("=")


def _takes_rng(function: object) -> bool:
    if not callable(function):
        raise TypeError(
            "map takes a function of the arrays of a batch. "
            f"Received: {type(function).__name__}. Pass a function such as "
            "lambda x, y: (x / 255, y)."
        )
    parameters = _parameters(function)
    return parameters is not None and "rng" in parameters.parameters


def _parameters(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # Some functions written in C have none.
        return None


def _check_signature(function: Callable[..., Any], num_parts: int, takes_rng: bool) -> None:
    signature = _parameters(function)
    if signature is None:
        return
    try:
        signature.bind(*_NAMES[:num_parts], **({"rng": None} if takes_rng else {}))
    except TypeError as error:
        wanted = ", ".join(_NAMES[:num_parts])
        raise TypeError(
            f"A function of map takes what the sequence serves: function({wanted}), and rng= if "
            f"it draws numbers. Received: a function of {signature}. "
            f"Give it the parameters ({wanted})."
        ) from error
    _check_defaults(signature, num_parts)


def _check_defaults(signature: inspect.Signature, num_parts: int) -> None:
    """Raise if an option such as `eps=0.2` would get the targets or the weights."""
    positional = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    for part, parameter in list(zip(_NAMES[:num_parts], positional, strict=False))[1:]:
        if not _is_option(parameter, part):
            continue
        wanted = ", ".join(_NAMES[:num_parts])
        raise TypeError(
            f"A function of map takes what the sequence serves: function({wanted}). Received: a "
            f"function of {signature}, whose option {cut(str(parameter))} would get the {part} of "
            f"each batch. Give it the parameters ({wanted}), and options behind them."
        )


def _is_option(parameter: inspect.Parameter, part: str) -> bool:
    """Whether a parameter for `y` or `sample_weight` is one that has a value of its own."""
    # What may be left out, of whatever name, is None where there is none.
    if parameter.default is parameter.empty or parameter.default is None:
        return False
    if part == "y":
        return parameter.name != part
    return "weight" not in parameter.name and parameter.name != "w"
