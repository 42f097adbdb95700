"""Describe nests of rows to a person: names, shapes, dtypes and bytes."""

from collections.abc import Iterator
from typing import Any


def describe(data: tuple[Any, ...]) -> list[str]:
    """One line for each leaf of `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
    return [
        f"{name}{key}: {rows.dtype} {rows.shape}, {readable(rows.stored_bytes)}, {rows.name}"
        for name, nest in zip(("x", "y", "sample_weight"), data, strict=False)
        for key, rows in _named_leaves(nest)
        if rows is not None
    ]


def _named_leaves(nest: Any) -> Iterator[tuple[str, Any]]:
    # A leaf is `Rows`, or what a map makes of them.
    if not isinstance(nest, dict | tuple | list):
        yield "", nest
        return
    for key, child in nest.items() if isinstance(nest, dict) else enumerate(nest):
        for path, rows in _named_leaves(child):
            yield f"[{key!r}]{path}", rows


def readable(nbytes: float) -> str:
    """Bytes in the unit that suits them.

    Example:

    >>> readable(784), readable(47_040_000)
    ('784 B', '47 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 999.5:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} TB"
