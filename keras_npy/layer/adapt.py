"""Read data of any kind as blocks of rows, in one pass, for `adapt`."""

import dataclasses
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from keras_npy.errors import check_real
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.maps import Leaf
from keras_npy.order.order import Order
from keras_npy.rows.base import Rows
from keras_npy.rows.sources import open_rows
from keras_npy.sequence import NpySequence, batches_of
from keras_npy.types import Array

# A block has at most this many bytes, and so many rows that their numbers take 1 MiB.
BLOCK_BYTES_MAX = 4 << 20
BLOCK_ROWS_MAX = 1 << 17

# Less data needs no progress bar: to read it from a warm page cache takes at most a few seconds.
PROGRESS_BYTES_MIN = 1 << 30


def iterate_blocks(data: Any) -> Generator[Array, None, None]:
    """Yield arrays `(b, ...)` that hold every row once.

    A block is valid only until the next one is asked for, which may overwrite it.

    Args:
        data: An `NpySequence` of one input, the path of an `.npy` file, a pattern or list of
            paths, an array or tensor, a `tf.data.Dataset`, a `keras.utils.PyDataset`, or an
            iterable of batches. A batch `(x, y)` or `(x, y, sample_weight)` gives its `x`.

    Raises:
        NpyFileError: If a file cannot be streamed.
        TypeError: If the data is none of these, is complex or a tuple, or has several inputs.
        ValueError: If the data is endless, or its batches differ in their number of axes.
    """
    if isinstance(data, NpySequence):
        return _sequence_blocks(data)
    if isinstance(data, tuple):
        # If the tuple were iterated, y would silently count as a second batch of x.
        raise TypeError(
            "adapt takes the values of one input, and a tuple means x and y, or several inputs. "
            f"Received: a tuple of {len(data)} items. "
            "Pass x alone, or a list of batches or of paths."
        )
    if isinstance(data, str | os.PathLike | np.ndarray | Rows) or _is_list_of_sources(data):
        return _row_blocks(_in_file_order(open_rows(data)))
    if keras.ops.is_tensor(data):
        return _row_blocks(_in_file_order(open_rows(keras.ops.convert_to_numpy(data))))
    return _batch_blocks(_finite_batches(data))


def _sequence_blocks(sequence: NpySequence) -> Generator[Array, None, None]:
    # Each process reads all rows: the values are those of the whole data.
    sequence = sequence.replace(num_processes=1)
    batches = batches_of(sequence, shuffle=False, only_x=True)
    if not isinstance(batches.served[0], Rows | Leaf):
        raise TypeError(
            "adapt needs data of one input, since a layer has one. "
            f"Received: an NpySequence of {len(batches.leaves)} inputs. "
            "Pass the path or array of the layer's own input."
        )
    if batches.map is not None:
        # A map may need whole batches.
        return _batch_blocks(iter(sequence.replace(shuffle=False, drop_remainder=False)))
    return _row_blocks(batches)


def _in_file_order(rows: Rows) -> Batches:
    return Batches((rows,), Order(len(rows), batch_size=1))


def _row_blocks(batches: Batches) -> Generator[Array, None, None]:
    """Yield the rows of an unshuffled pass in blocks, whatever the batch size."""
    (rows,) = batches.rows
    check_real(rows.name, rows.dtype, rows.shape)
    num_block_rows = max(1, min(BLOCK_ROWS_MAX, BLOCK_BYTES_MAX // max(rows.row_bytes, 1)))
    order = dataclasses.replace(batches.order, batch_size=num_block_rows, drop_remainder=False)
    block = np.empty((min(num_block_rows, order.num_samples), *rows.row_shape), rows.dtype)

    def blocks() -> Iterator[Array]:
        for index in range(order.num_batches):
            # Announce the next block too: the disk reads it while this one is reduced.
            batches.prepare(order.rows(0, index, min(index + 2, order.num_batches)))
            indices = order.rows(0, index, index + 1)
            rows.read_into(indices, block[: len(indices)])
            yield block[: len(indices)]

    yield from _with_progress(blocks(), order.num_samples * rows.row_bytes)


def _with_progress(blocks: Iterator[Array], num_bytes: int) -> Iterator[Array]:
    console = Console(stderr=True)
    if num_bytes < PROGRESS_BYTES_MIN or not console.is_terminal:
        yield from blocks
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Reading for adapt", total=num_bytes)
        for block in blocks:
            yield block
            progress.advance(task, block.nbytes)


def _is_list_of_sources(data: Any) -> bool:
    """Whether a list holds a path or rows, and so is no list of batches, but for `open_rows`.

    `open_rows` refuses a list that holds other things too, and says what a source is.
    """
    return isinstance(data, list) and any(
        isinstance(source, str | os.PathLike | Rows) for source in data
    )


def _finite_batches(data: Any) -> Iterable[Any]:
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None:
            _refuse_endless("a PyDataset whose num_batches is None")
        return (data[index] for index in range(data.num_batches))
    if hasattr(data, "as_numpy_iterator"):
        # In tf.data -1 means infinite. -2 means unknown: such a dataset ends when its source does.
        if int(data.cardinality()) == -1:
            _refuse_endless("a tf.data.Dataset that repeats for ever")
        batches: Iterable[Any] = data.as_numpy_iterator()
        return batches
    if isinstance(data, Iterable) and not isinstance(data, dict | bytes):
        return data
    raise TypeError(
        "adapt takes an NpySequence, a path or list of paths, an array, a dataset, or an "
        f"iterable of batches. Received: {type(data).__name__}. Pass one of these."
    )


def _batch_blocks(batches: Iterable[Any]) -> Generator[Array, None, None]:
    ndim = None
    for batch in batches:
        block = _block_of(batch)
        ndim = block.ndim if ndim is None else ndim
        if block.ndim != ndim:
            # With axis=None no later check would notice that y was counted as a batch of x.
            raise ValueError(
                "adapt needs x alone, in batches that all have the same number of axes. "
                f"Received: a batch of shape {block.shape} behind batches of {ndim} axes. "
                "Pass adapt(x), or batches of x, not a list [x, y]."
            )
        yield block


def _block_of(batch: Any) -> Array:
    x = batch[0] if isinstance(batch, tuple) else batch
    block = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else x
    if not hasattr(block, "__array__"):
        raise TypeError(
            "A batch must be an array, or a tuple (x, y) of arrays. "
            f"Received: a batch with x of type {type(x).__name__}. "
            "Pass an iterable that yields arrays, or np.asarray(...) of all rows."
        )
    block = np.asarray(block)
    check_real("a batch", block.dtype, block.shape)
    if block.ndim == 0 or block.dtype.kind not in "biufV":
        raise TypeError(
            "A batch must hold real numbers, with axis 0 counting its samples. "
            f"Received: a batch of {block.dtype} {block.shape}. "
            "Batch the data first, and convert it with astype."
        )
    return block


def _refuse_endless(received: str) -> None:
    raise ValueError(
        "adapt reads data once, up to its end. "
        f"Received: {received}. Pass a finite one, such as dataset.take(1000)."
    )
