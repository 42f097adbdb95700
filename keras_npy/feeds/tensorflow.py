"""Batches as a `tf.data.Dataset`: slices of the file, or rows gathered in Python.

In file order, batches are slices of a tensor over the mapped file, and nothing is copied. In any
other order, TensorFlow gathers the rows of a large batch from that tensor; those of other batches,
and rows that lie in no one mapping, Python gathers into recycled memory, which TensorFlow uses in
place. One call into Python costs as much as a small batch, so it gathers several batches, which are
slices of the result.
"""

import functools
import math
from typing import Any

import numpy as np

from keras_npy.feeds import cores
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.buffers import BufferPool, is_aligned
from keras_npy.feeds.maps import Leaf
from keras_npy.feeds.nests import map_leaves
from keras_npy.feeds.plan import Plan
from keras_npy.feeds.tensorflow_calls import Caller, Failures
from keras_npy.feeds.tensorflow_functions import flat_map_dataset, map_dataset
from keras_npy.feeds.tensorflow_memory import tensor_over
from keras_npy.feeds.tensorflow_pieces import MappedPiece
from keras_npy.files.layout import ALIGNMENT_BYTES
from keras_npy.order.position import Position
from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Bytes that one call into Python reads. A call takes as long as gathering 1 MB, mostly because it
# waits for the interpreter's lock. Larger pieces would take more memory for little gain.
PIECE_BYTES = 8 << 20

# TensorFlow copies a slice that does not start aligned, into new memory. Up to this size that costs
# less than a call into Python.
COPIED_SLICE_BYTES_MAX = 128 << 10

# From this size of a batch on, TensorFlow gathers its rows faster than Python does: in 0.83 to 0.94
# of the CPU time for 3 to 12 MB, because fewer bytes are in flight and more of them stay in the
# processor's cache. At 0.2 MB it would take 1.6 times as long. TensorFlow keeps the memory of its
# results for the next ones, whatever MALLOC_MMAP_THRESHOLD_ says (TensorFlow 2.21).
GATHERED_BATCH_BYTES_MIN = 2 << 20

# Then labels that are in no aligned memory are read together with the plan of a block, up to this
# size, since a call into Python for those of each batch would cost what is gained.
PLANNED_BYTES_MAX = 1 << 20

# A fixed small depth beat AUTOTUNE on two cores: 1.00x against 0.80x arrays in RAM. There are two
# calls at once, or more where more threads would read batches as large as a piece.
PREFETCH_PIECES = 1


def make_dataset(batches: Batches, failures: Failures) -> Any:
    """A `tf.data.Dataset` of batches, in the structure of `batches.data`.

    Nothing is read before the first batch is asked for. Each iterator is a pass of its own, or
    many passes if `batches.is_endless`.

    Args:
        batches: What to read.
        failures: Keeps the exceptions that reading raises. While it lives, idle memory is kept
            for the next pass.
    """
    return _Feed(batches, failures).dataset(failures)


class _Feed:
    """The functions of one dataset, and what they share.

    Stages:

    1. `_count_blocks`, in Python: ask where the iterator begins, when its first batch is asked
       for. It nests no dataset function, which would be instantiated in each pass. `Dataset.scan`
       could carry the position too, but its function stays in the default graph for ever
       (TensorFlow 2.21).
    2. `_plan_block`, in Python: compute which rows the batches of the block hold. If TensorFlow
       gathers the large leaves, the small ones that it cannot gather are read here.
    3. `rebatch`: cut the rows of a block into those of pieces.
    4. `_read_piece`: slice or gather aliased rows in TensorFlow; gather the others in Python.
    5. `rebatch`: cut pieces into batches, which are slices of a piece where they start aligned.
       This stage runs when a batch is asked for. Pieces are read ahead, not batches, because to
       hand over a piece between threads costs no more than to hand over a batch.
    6. `_cut_padding`: only for an endless feed with a short last batch.

    With a map, stage 4 gathers all rows and calls the function for each batch of a piece. Then the
    number of its batch in the stream of passes stands beside each row.
    """

    def __init__(self, batches: Batches, user: object) -> None:
        self._batches = batches
        self._order = batches.order
        self._rows = batches.rows
        # In an endless feed the rows of the next pass would fill up a short last batch. So it is
        # padded, and the padding is cut off when the batch is handed over.
        # With a map each batch is a block of its own, since a function must see no padding.
        self._is_mapped = batches.map is not None
        is_cut = batches.is_endless and not self._order.has_static_batches
        self._is_padded = is_cut and not self._is_mapped
        self._is_single = is_cut and self._is_mapped
        self._is_full = self._order.has_static_batches or self._is_padded
        self._is_sliced = self._order.is_contiguous and not self._is_padded and not self._is_mapped
        self._is_gathered = self._may_gather()
        self._aliases = [self._alias(rows) for rows in self._rows]
        # Of each leaf that Python reads.
        self._copied = [
            rows for rows, alias in zip(self._rows, self._aliases, strict=True) if alias is None
        ]
        self._block_batches, self._piece_batches = self._sizes()
        piece_bytes = self._piece_batches * batches.batch_bytes
        self._parallel_calls = 1 + cores.num_readers(piece_bytes)
        # Buffers in use: by the parallel calls, by the pieces read ahead, by the piece that is
        # being sliced and by the model's step. The rest is slack, because TensorFlow releases an
        # array only at its next call into Python.
        self._pool = BufferPool(idle_max=2 * self._parallel_calls + PREFETCH_PIECES + 2, user=user)

    def _may_gather(self) -> bool:
        """Whether TensorFlow gathers the rows of all leaves but those that are planned."""
        if self._is_mapped or self._batches.batch_bytes < GATHERED_BATCH_BYTES_MIN:
            return False
        if self._is_sliced and all(map(self._slices_well, self._rows)):
            return False
        num_rows = self._order.batch_size * self._batches.block_batches
        others = [rows for rows in self._rows if _aligned_memory(rows) is None]
        return num_rows * sum(rows.row_bytes for rows in others) <= PLANNED_BYTES_MAX

    def _alias(self, rows: Rows) -> Any:
        """A tensor over all rows if batches come from it in TensorFlow, otherwise `None`."""
        if not (self._is_gathered or (self._is_sliced and self._slices_well(rows))):
            return None
        array = _aligned_memory(rows)
        return None if array is None else tensor_over(array)

    def _slices_well(self, rows: Rows | Leaf) -> bool:
        """Whether batches cost little or nothing as slices of a tensor that starts aligned."""
        batch_bytes = self._order.batch_size * rows.row_bytes
        return batch_bytes % ALIGNMENT_BYTES == 0 or batch_bytes <= COPIED_SLICE_BYTES_MAX

    def _sizes(self) -> tuple[int, int]:
        """The number of batches that are planned together, and that are read together."""
        block = self._batches.block_batches
        if self._is_gathered:
            return block, 1
        if not self._copied:
            return block, block
        if self._is_single:
            return 1, 1
        batch_bytes = self._order.batch_size * sum(rows.row_bytes for rows in self._copied)
        if self._is_mapped:
            batch_bytes = self._batches.batch_bytes
        piece = min(block, max(1, PIECE_BYTES // max(batch_bytes, 1)))
        if not all(
            map(self._slices_well, self._batches.leaves if self._is_mapped else self._copied)
        ):
            piece = 1
        # A piece across the end of a pass would need two slices of a source that is sliced.
        is_bound_to_pass = self._batches.is_endless and len(self._copied) < len(self._rows)
        return (piece if is_bound_to_pass else block), piece

    def dataset(self, failures: Failures) -> Any:
        import tensorflow as tf

        # Do not store the caller in an attribute: Python cannot collect a reference cycle through
        # TensorFlow.
        caller = Caller(self, failures)

        def function(method: Any) -> Any:
            return functools.partial(method, caller)

        batch_size = self._order.batch_size
        dataset = flat_map_dataset(tf.data.Dataset.range(1), function(self._count_blocks))
        dataset = map_dataset(dataset, function(self._plan_block)).prefetch(1)
        if self._piece_batches < self._block_batches:
            dataset = dataset.rebatch(self._piece_batches * batch_size)
        dataset = map_dataset(dataset, function(self._read_piece), self._parallel_calls)
        dataset = dataset.prefetch(PREFETCH_PIECES)
        if self._piece_batches > 1:
            dataset = dataset.rebatch(batch_size, drop_remainder=self._is_full)
        if self._is_padded:
            dataset = map_dataset(dataset, function(self._cut_padding))
        options = tf.data.Options()
        # Default optimizations and automatic sharding would serialise the dataset together with
        # the tensors over files: 1 GB more memory for a file of 1 GB, and a segmentation fault for
        # one of 784 GB (TensorFlow 2.21).
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # There is nothing to tune. With autotune the end of an iterator waits for the tuning
        # thread: 75 to 280 ms at the end of every other epoch (TensorFlow 2.21).
        options.autotune.enabled = False
        # The order comes from Python, and TensorFlow cannot save that state.
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        return dataset.with_options(options)

    def _count_blocks(self, call: Caller, _: Any) -> Any:
        """Number the blocks of an iterator; give the start position beside each number."""
        import tensorflow as tf

        (start,) = call("start", [], [tf.int64])
        start.set_shape([3])
        return tf.data.Dataset.zip(
            (tf.data.Dataset.from_tensors(start).repeat(), tf.data.Dataset.range(start[2]))
        )

    def _plan_block(self, call: Caller, start: Any, number: Any) -> Any:
        """The row numbers of a block, `(n,)`; if padded, also a bool `(n,)`, false for padding.

        With a map, also the number of each row's batch, int64 `(n,)`. If TensorFlow gathers, also
        the rows that it cannot gather, `(n, *row)`.
        """
        import tensorflow as tf

        beside = [tf.bool] * self._is_padded + [tf.int64] * self._is_mapped
        read = self._copied if self._is_gathered else []
        dtypes = [tf.int64, *beside, *(tf.as_dtype(rows.dtype) for rows in read)]
        plan = call("block_rows", [start, number], dtypes)
        row_shapes = [()] * (1 + len(beside)) + [rows.row_shape for rows in read]
        for leaf, row_shape in zip(plan, row_shapes, strict=True):
            leaf.set_shape([None, *row_shape])
        return tuple(plan)

    def start(self) -> list[Indices]:
        """In Python: the epoch and batch where an iterator begins, and its number of blocks."""
        start = self._batches.position()
        num_blocks = self._plan(start).num_blocks
        # None is no number of a tensor, and a position behind the last batch has 0 of them.
        num_blocks = np.iinfo(np.int64).max if num_blocks is None else num_blocks
        return [np.array([start.epoch, start.batch, num_blocks], np.int64)]

    def block_rows(self, start: Any, number: Any) -> list[Any]:
        """In Python: as `_plan_block` says."""
        epoch, batch, _ = start.tolist()
        plan = self._plan(Position(epoch, batch))
        # Meanwhile the block before this one is being read, because of `prefetch(1)`.
        rows = plan.rows(int(number))
        if self._is_mapped:
            return [rows, self._numbers(plan.bounds(int(number))[0], len(rows))]
        beside = []
        if self._is_padded:
            num_read = len(rows)
            # Pad with a row of the block itself: no other row may be touched.
            rows = np.pad(rows, (0, -num_read % self._order.batch_size), "edge")
            beside = [np.arange(len(rows)) < num_read]
        return [rows, *beside, *(self.take(rows) if self._is_gathered else [])]

    def _plan(self, start: Position) -> Plan:
        return Plan(self._batches, start, 1 if self._is_single else None)

    def _numbers(self, start: Position, num_rows: int) -> Indices:
        """The number of each row's batch in the stream of passes, from a batch on."""
        first = start.epoch * self._order.num_batches + start.batch
        return first + np.arange(num_rows, dtype=np.int64) // self._order.batch_size

    def take(self, indices: Any) -> list[Array]:
        """In Python: copies of the rows at `indices`, for each leaf without a tensor."""
        arrays = []
        for rows in self._copied:
            arrays.append(self._pool.lend((len(indices), *rows.row_shape), rows.dtype))
            rows.read_into(indices, arrays[-1])
        return arrays

    def take_mapped(self, indices: Any, numbers: Any) -> list[Array]:
        """In Python: what the map makes of the rows at `indices`, for each leaf of a batch."""
        rows = self.take(indices)
        pieces: list[MappedPiece] = []
        for start in range(0, len(indices), self._order.batch_size):
            batch = [array[start : start + self._order.batch_size] for array in rows]
            position = Position(*divmod(int(numbers[start]), self._order.num_batches))
            leaves = self._batches.apply(batch, position)
            pieces = pieces or [MappedPiece(leaf, rows, self._pool) for leaf in leaves]
            for piece, leaf in zip(pieces, leaves, strict=True):
                piece.put(start, leaf)
        return [piece.array for piece in pieces]

    def _read_piece(self, call: Caller, *plan: Any) -> Any:
        import tensorflow as tf

        if self._is_mapped:
            return self._read_mapped(call, *plan)
        indices, *beside = plan
        is_row = [beside.pop(0)] if self._is_padded else []
        copies = iter(beside)
        if self._copied and not self._is_gathered:
            dtypes = [tf.as_dtype(rows.dtype) for rows in self._copied]
            copies = iter(call("take", [indices], dtypes))
        leaves: list[Any] = []
        for rows, alias in zip(self._rows, self._aliases, strict=True):
            if alias is None:
                leaves.append(next(copies))
            elif self._is_gathered:
                leaves.append(tf.gather(alias, indices))
            else:
                # Slice a flat tensor: its slice copies nothing if start and end are aligned. In
                # a tensor with more axes every row would have to be aligned (TensorFlow 2.21).
                num_values = math.prod(rows.row_shape)
                start, stop = indices[0], indices[0] + tf.size(indices, tf.int64)
                flat = tf.reshape(alias, [-1])[start * num_values : stop * num_values]
                leaves.append(tf.reshape(flat, [-1, *rows.row_shape]))
            leaves[-1].set_shape([self._piece_rows, *rows.row_shape])
        batch = self._batches.pack(leaves)
        return (*is_row, batch) if self._is_padded else batch

    def _read_mapped(self, call: Caller, indices: Any, numbers: Any) -> Any:
        import tensorflow as tf

        dtypes = [tf.as_dtype(leaf.dtype) for leaf in self._batches.leaves]
        arrays = call("take_mapped", [indices, numbers], dtypes)
        for array, leaf in zip(arrays, self._batches.leaves, strict=True):
            array.set_shape([self._piece_rows, *leaf.row_shape])
        return self._batches.pack(arrays)

    @property
    def _piece_rows(self) -> int | None:
        """The rows of every piece, if each is one full batch."""
        return self._order.batch_size if self._is_full and self._piece_batches == 1 else None

    def _cut_padding(self, call: Caller, is_row: Any, batch: Any) -> Any:
        import tensorflow as tf

        size = tf.math.count_nonzero(is_row)
        return map_leaves(lambda leaf: leaf[:size], batch)


def _aligned_memory(rows: Rows) -> Array | None:
    """All rows as they lie in memory, if a tensor can lie over it."""
    array = rows.alias()
    return array if array is not None and is_aligned(array) else None
