"""Walk over all rows of a source once, in the memory of one block."""

import sys
from collections.abc import Iterable, Iterator

import numpy as np

from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# A block has at most this many bytes, and so many rows that their numbers take 1 MiB.
BLOCK_BYTES = 4 << 20
BLOCK_ROWS_MAX = 1 << 17


def walk(
    rows: Rows, chosen: range | Indices | None = None, *, title: str
) -> Iterator[tuple[Indices, Array]]:
    """Yield the numbers of the rows of each block, and the rows; show progress on a terminal.

    A block is valid only until the next one is asked for, which overwrites it.

    Args:
        rows: The source.
        chosen: The rows to walk over, or `None` for all.
        title: What stands before the progress bar.

    Raises:
        NpyFileError: If a file has changed, or cannot be read.
    """
    num_rows = len(rows) if chosen is None else len(chosen)
    step = max(1, min(BLOCK_ROWS_MAX, BLOCK_BYTES // rows.row_bytes))
    block = np.empty((min(step, num_rows), *rows.row_shape), rows.dtype)
    for start in shown(range(0, num_rows, step), title):
        # Announce the next block too: the disk reads it while this one is looked at.
        announced = _numbers(chosen, start, min(start + 2 * step, num_rows))
        rows.prepare(announced)
        indices = announced[:step]
        rows.read_into(indices, block[: len(indices)])
        yield indices, block[: len(indices)]


def _numbers(chosen: range | Indices | None, start: int, stop: int) -> Indices:
    indices = np.arange(start, stop)
    return indices if chosen is None else rows_at(chosen, indices)


def shown(starts: range, title: str) -> Iterable[int]:
    """The same numbers; a terminal shows how far they are."""
    if not sys.stderr.isatty() or len(starts) < 2:
        return starts
    from rich.console import Console
    from rich.progress import track

    return track(starts, title, console=Console(stderr=True), transient=True)
