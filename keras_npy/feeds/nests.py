"""Nests of leaves, some of which may be `None`: an output without targets, an optional input.

Keras counts `None` as a leaf (Keras 3.12 to 3.16). Nothing is read for it, and each batch has
`None` in its place.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras


def leaves_of(nest: Any) -> list[Any]:
    """The leaves that are not `None`."""
    return [leaf for leaf in keras.tree.flatten(nest) if leaf is not None]


def map_leaves(function: Callable[..., Any], nest: Any, *others: Any) -> Any:
    """A nest of what a function makes of each leaf that is not `None`."""
    return keras.tree.map_structure(
        lambda leaf, *more: None if leaf is None else function(leaf, *more), nest, *others
    )


def pack_leaves(nest: Any, leaves: Sequence[Any]) -> Any:
    """Pack these in place of the leaves of a nest that are not `None`."""
    left = iter(leaves)
    filled = [None if leaf is None else next(left) for leaf in keras.tree.flatten(nest)]
    return keras.tree.pack_sequence_as(nest, filled)


def names_of(name: str, nest: Any) -> list[str]:
    """How the leaves that are not `None` are written, in the order of `leaves_of`.

    Example:

    >>> names_of("x", {"b": 1, "a": (2, None, 3)})
    ["x['a'][0]", "x['a'][2]", "x['b']"]
    """
    found = keras.tree.flatten_with_path(nest)
    return [access(name, path) for path, leaf in found if leaf is not None]


def access(name: str, path: Iterable[Any]) -> str:
    """How what lies at a path of keys and numbers is written.

    Example:

    >>> access("y", ["a", 0])
    "y['a'][0]"
    """
    return name + "".join(f"[{key!r}]" for key in path)
