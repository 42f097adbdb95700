"""Describe nests of rows to a person: names, shapes, dtypes and bytes, and their batches."""

from collections.abc import Iterator
from typing import Any

from keras_npy.order.order import Order
from keras_npy.types import ShuffleArgument


def describe(data: tuple[Any, ...]) -> list[str]:
    """One line for each leaf of `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
    return [
        f"{name}{key}: {rows.dtype} {rows.shape}, {readable(rows.stored_bytes)}, {rows.name}"
        for name, nest in zip(("x", "y", "sample_weight"), data, strict=False)
        for key, rows in _named_leaves(nest)
        if rows is not None
    ]


def describe_order(order: Order, shuffle: ShuffleArgument, num_rows: int) -> list[str]:
    """How many batches there are, of how many rows, and in which order.

    Args:
        order: The rows of each batch.
        shuffle: The `shuffle` of the sequence.
        num_rows: Rows of the sources.

    Example:

    >>> describe_order(Order(5, batch_size=2), None, 5)
    ['5 samples in 3 batches of 2, the last of 1; shuffle=None, seed=0']
    >>> describe_order(Order(1, batch_size=4), None, 1)
    ['1 sample in 1 batch of 4, which holds 1; shuffle=None, seed=0']
    """
    batch, last = ("batch", "which holds") if order.num_batches == 1 else ("batches", "the last of")
    short = "" if order.has_static_batches else f", {last} {order.last_batch_rows}"
    samples = "sample" if order.num_samples == 1 else "samples"
    batches = (
        f"{order.num_samples} {samples} in {order.num_batches} {batch} of "
        f"{order.batch_size}{short}; shuffle={shuffle!r}, seed={order.seed}"
    )
    if order.shuffle_block_size is not None:
        batches = f"{batches}, shuffle_block_size={order.shuffle_block_size}"
    if order.indices is None:
        return [batches]
    return [f"a part: {order.num_samples} of {num_rows} rows", batches]


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
