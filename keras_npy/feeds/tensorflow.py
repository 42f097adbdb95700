"""Batches as a `tf.data.Dataset`: slices of the file in file order, or else gathered in Python.

Batches in file order are slices of a tensor that aliases the mapped file, and copy nothing. All
others are gathered into recycled memory that TensorFlow adopts, and are slices of what was
gathered: a call into Python costs as much as a small batch, so each is for several. TensorFlow's
own gather would put each batch into memory that is new, and its first touch costs more than the
rows: see `buffers.py`.
"""

import functools
import math
from typing import Any

import numpy as np

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool, is_aligned
from keras_npy.feeds.plan import Plan
from keras_npy.feeds.tensorflow_calls import Caller, Failures
from keras_npy.feeds.tensorflow_memory import tensor_over
from keras_npy.files.layout import ALIGNMENT_BYTES
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Batches are read together up to this size: a call into Python takes as long as gathering 1 MB,
# most of it spent waiting for the interpreter's lock. More would be more memory for little.
PIECE_BYTES = 8 << 20

# A slice of a tensor that does not start aligned is copied by TensorFlow, into new memory. Smaller
# ones than this are sliced all the same: the copy costs less than a call into Python.
COPIED_SLICE_BYTES_MAX = 128 << 10

# A fixed small depth beat AUTOTUNE on two cores: 1.00x against 0.80x arrays in RAM.
PARALLEL_CALLS = 2
PREFETCH_PIECES = 1


def make_dataset(batches: Batches, failures: Failures) -> Any:
    """A `tf.data.Dataset` of batches, in the structure of `batches.data`.

    Nothing is read or counted before the first batch is asked for. Each iterator is a pass of
    its own, or many passes if `batches.is_endless`.

    Args:
        batches: What to read.
        failures: Keeps what reading raises and TensorFlow reports. While it lives, memory that
            is idle is kept for the next pass.
    """
    return _Feed(batches, failures).dataset(failures)


class _Feed:
    """The functions of one dataset, and what they share.

    Stages:

    1. `_count_blocks`, in Python: where the iterator begins, asked when its first batch is. No
       function is nested in it: it would be instantiated each pass. `Dataset.scan` would carry
       the position as well, but its function stays in the default graph for ever (TensorFlow
       2.21).
    2. `_plan_block`, in Python: which rows the block's batches hold.
    3. `rebatch`: the rows of a block become those of pieces.
    4. `_read_piece`: slice aliased rows in TensorFlow; gather the others in Python.
    5. `rebatch`: pieces become batches, which are slices of them where they start aligned. It
       runs when a batch is asked for: what is read ahead are pieces, whose hand-over from thread
       to thread costs as much as that of a batch.
    6. `_cut_padding`, of an endless feed with a short last batch alone.
    """

    def __init__(self, batches: Batches, user: object) -> None:
        self._batches = batches
        self._order = batches.order
        self._rows = batches.rows
        # Pass follows pass without a gap: a short last batch is filled up, and cut when it is
        # handed over, or else the next pass would fill it.
        self._is_padded = batches.is_endless and not self._order.has_static_batches
        self._is_full = self._order.has_static_batches or self._is_padded
        self._is_sliced = self._order.is_contiguous and not self._is_padded
        self._aliases = [self._alias(rows) for rows in self._rows]
        self._copied = [
            rows for rows, alias in zip(self._rows, self._aliases, strict=True) if alias is None
        ]
        self._block_batches, self._piece_batches = self._sizes()
        # Lent to: the parallel calls, those that are read ahead, the one that is being sliced, the
        # model's step, and slack for TensorFlow, which lets go of an array only at its next call
        # into Python.
        self._pool = BufferPool(idle_max=2 * PARALLEL_CALLS + PREFETCH_PIECES + 2, user=user)

    def _alias(self, rows: Rows) -> Any:
        """A tensor over all rows, if batches are to be slices of it; or else `None`."""
        array = rows.alias() if self._is_sliced else None
        if array is None or not is_aligned(array) or not self._slices_well(rows):
            return None
        return tensor_over(array)

    def _slices_well(self, rows: Rows) -> bool:
        """Whether batches cost nothing, or little, as slices of a tensor that starts aligned."""
        batch_bytes = self._order.batch_size * rows.row_bytes
        return batch_bytes % ALIGNMENT_BYTES == 0 or batch_bytes <= COPIED_SLICE_BYTES_MAX

    def _sizes(self) -> tuple[int, int]:
        """How many batches are planned together, and how many are read together."""
        block = self._batches.block_batches
        if not self._copied:
            return block, block
        batch_bytes = self._order.batch_size * sum(rows.row_bytes for rows in self._copied)
        piece = min(block, max(1, PIECE_BYTES // max(batch_bytes, 1)))
        if not all(map(self._slices_well, self._copied)):
            piece = 1
        # Where one pass goes over into the next, a source that is sliced would need two slices.
        is_bound_to_pass = self._batches.is_endless and len(self._copied) < len(self._rows)
        return (piece if is_bound_to_pass else block), piece

    def dataset(self, failures: Failures) -> Any:
        import tensorflow as tf

        # Not an attribute: a reference cycle through TensorFlow is never collected.
        caller = Caller(self, failures)

        def function(method: Any) -> Any:
            # Autograph would make the first dataset of a process take 190 ms instead of 40, and
            # write a temporary file for each function, which a killed process leaves there.
            return tf.autograph.experimental.do_not_convert(functools.partial(method, caller))

        batch_size = self._order.batch_size
        dataset = tf.data.Dataset.range(1).flat_map(function(self._count_blocks))
        dataset = dataset.map(function(self._plan_block)).prefetch(1)
        if self._piece_batches < self._block_batches:
            dataset = dataset.rebatch(self._piece_batches * batch_size)
        dataset = dataset.map(
            function(self._read_piece),
            num_parallel_calls=PARALLEL_CALLS,
            deterministic=True,
        )
        dataset = dataset.prefetch(PREFETCH_PIECES)
        if self._piece_batches > 1:
            dataset = dataset.rebatch(batch_size, drop_remainder=self._is_full)
        if self._is_padded:
            dataset = dataset.map(function(self._cut_padding))
        options = tf.data.Options()
        # Both would serialise the dataset with the aliased tensors in it: 1 GB more for a 1 GB
        # file, a segmentation fault for one of 784 GB (TensorFlow 2.21).
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # Nothing here is left to tune, and the end of an iterator waited for the thread that tunes:
        # 75 to 280 ms at the end of every other epoch (TensorFlow 2.21).
        options.autotune.enabled = False
        # The order comes from Python, which TensorFlow cannot see as state to save.
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        return dataset.with_options(options)

    def _count_blocks(self, call: Caller, _: Any) -> Any:
        """Number the blocks of an iterator, beside the position that it begins at."""
        import tensorflow as tf

        (start,) = call("start", [], [tf.int64])
        start.set_shape([3])
        return tf.data.Dataset.zip(
            (tf.data.Dataset.from_tensors(start).repeat(), tf.data.Dataset.range(start[2]))
        )

    def _plan_block(self, call: Caller, start: Any, number: Any) -> Any:
        """The rows of a block, `(n,)` each: their numbers and, if padded, which are no padding."""
        import tensorflow as tf

        dtypes = [tf.int64, tf.bool][: 1 + self._is_padded]
        plan = call("block_rows", [start, number], dtypes)
        for numbers in plan:
            numbers.set_shape([None])
        return tuple(plan)

    def start(self) -> list[Indices]:
        """In Python: epoch and batch that an iterator begins at, and its number of blocks."""
        start = self._batches.position()
        num_blocks = self._plan(start).num_blocks
        # None is no number of a tensor, and a position behind the last batch has 0 of them.
        num_blocks = np.iinfo(np.int64).max if num_blocks is None else num_blocks
        return [np.array([start.epoch, start.batch, num_blocks], np.int64)]

    def block_rows(self, start: Any, number: Any) -> list[Any]:
        """In Python: rows `(n,)`; if they are padded also which are no padding, bool `(n,)`."""
        epoch, batch, _ = start.tolist()
        # The block before this one is being read meanwhile: `prefetch` is a block ahead.
        rows = self._plan(Position(epoch, batch)).rows(int(number))
        if not self._is_padded:
            return [rows]
        num_rows = -(-len(rows) // self._order.batch_size) * self._order.batch_size
        # Only rows that are asked for may be touched.
        padded = np.pad(rows, (0, num_rows - len(rows)), "edge")
        return [padded, np.arange(num_rows) < len(rows)]

    def _plan(self, start: Position) -> Plan:
        return Plan(self._batches, start)

    def take(self, indices: Any) -> list[Array]:
        """In Python: the copied rows at `indices`."""
        arrays = []
        for rows in self._copied:
            arrays.append(self._pool.lend((len(indices), *rows.row_shape), rows.dtype))
            rows.read_into(indices, arrays[-1])
        return arrays

    def _read_piece(self, call: Caller, *plan: Any) -> Any:
        import tensorflow as tf

        indices, *is_row = plan
        copies = iter(())
        if self._copied:
            dtypes = [tf.as_dtype(rows.dtype) for rows in self._copied]
            copies = iter(call("take", [indices], dtypes))
        num_rows = self._order.batch_size if self._is_full and self._piece_batches == 1 else None
        leaves: list[Any] = []
        for rows, alias in zip(self._rows, self._aliases, strict=True):
            if alias is None:
                leaves.append(next(copies))
            else:
                # A slice that starts and ends aligned copies nothing at all, if it is one of a
                # flat tensor: of others, each row would have to be aligned (TensorFlow 2.21).
                num_values = math.prod(rows.row_shape)
                start, stop = indices[0], indices[0] + tf.size(indices, tf.int64)
                flat = tf.reshape(alias, [-1])[start * num_values : stop * num_values]
                leaves.append(tf.reshape(flat, [-1, *rows.row_shape]))
            leaves[-1].set_shape([num_rows, *rows.row_shape])
        batch = self._batches.pack(leaves)
        return (*is_row, batch) if self._is_padded else batch

    def _cut_padding(self, call: Caller, is_row: Any, batch: Any) -> Any:
        import tensorflow as tf

        size = tf.math.count_nonzero(is_row)
        return tf.nest.map_structure(lambda leaf: leaf[:size], batch)
