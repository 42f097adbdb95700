"""Batches as a `tf.data.Dataset`: order from Python once per block, bytes by TensorFlow.

A call into Python costs as much as a small batch, so Python is asked once for a block of many
batches. Rows of a mapped file never pass through Python at all: a tensor
aliases the mapping, and TensorFlow's own kernels gather or slice it. Rows that cannot be
aliased are copied into recycled memory that TensorFlow adopts. Small batches are read many at
a time, and are slices of what was read.
"""

import ctypes
import functools
import itertools
import weakref
from typing import Any

import numpy as np

from keras_npy.batches import Batches
from keras_npy.buffers import BufferPool, is_aligned
from keras_npy.rows import Array

# Batches are read together up to this size: a call of a tf.data function takes as long as
# gathering 100 KB. More would leave the cache before it is used.
PIECE_BYTES = 4 << 20

# A fixed small depth beat AUTOTUNE on two cores (DESIGN, section 4, fact 14).
PARALLEL_CALLS = 2
PREFETCH_BATCHES = 2


# tf.numpy_function holds every function that it is given in a list of the default graph, for
# ever (TensorFlow 2.21): a method would keep its feed, the sequence and the open files. It is
# given the module's functions below instead, which find the feed by its number.
_FEEDS: "weakref.WeakValueDictionary[int, _Feed]" = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()

# FuncGraph copies integer tensors up to this size into the graph as constants, which would keep
# nothing alive (TensorFlow 2.21, _EAGER_CONST_THRESHOLD).
_CONSTANT_VALUES_MAX = 128


def make_dataset(batches: Batches) -> Any:
    """A `tf.data.Dataset` of batches, in the structure of `batches.data`.

    Nothing is read or counted before the first batch is asked for. Each iterator is a pass of
    its own, or many passes if `batches.is_endless`.
    """
    return _Feed(batches).dataset()


class _Feed:
    """The functions of one dataset, and what they share.

    Stages:

    1. `_count_blocks`, in Python: the epoch that the iterator begins with, drawn when its first
       batch is asked for. No function is nested in it: it would be instantiated each pass.
       `Dataset.scan` would carry the epoch as well, but its function stays in the default graph
       for ever (TensorFlow 2.21).
    2. `_plan_block`, in Python: which rows the block's batches hold.
    3. `rebatch`: the rows of a block become those of pieces.
    4. `_read_piece`: gather or slice aliased rows in TensorFlow; copy the others in Python.
    5. `rebatch`: pieces become batches, which are slices of them where they start aligned.
    6. `_hand_over`, of an endless feed alone: count passes, cut off padding.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._order = batches.order
        self._rows = batches.rows
        self._aliases = [_alias(rows.memory) for rows in self._rows]
        self._copied = [
            rows for rows, alias in zip(self._rows, self._aliases, strict=True) if alias is None
        ]
        # Aliased rows that lie elsewhere in memory than their numbers say.
        self._placed = [
            rows
            for rows, alias in zip(self._rows, self._aliases, strict=True)
            if alias is not None and rows.array is None
        ]
        # Pass follows pass without a gap: a short last batch is filled up, and cut when it is
        # handed over, or else the next pass would fill it.
        self._is_padded = batches.is_endless and not self._order.has_static_batches
        self._is_full = self._order.has_static_batches or self._is_padded
        self._is_sliced = self._order.is_contiguous and not self._is_padded
        self._block_batches, self._piece_batches = self._sizes()
        self._num_blocks = -(-self._order.num_batches // self._block_batches)
        # Lent to: the stages' parallel calls and queues, the model's step, and slack for
        # TensorFlow, which lets go of an array only at its next call into Python.
        self._pool = BufferPool(idle_max=2 * PARALLEL_CALLS + PREFETCH_BATCHES + 2)
        self._number = next(_NUMBERS)
        _FEEDS[self._number] = self

    def _sizes(self) -> tuple[int, int]:
        """How many batches are planned together, and how many are read together."""
        block = self._batches.block_batches
        is_free = self._is_sliced and not self._copied and not self._placed
        if is_free:
            return block, block
        batch_bytes = self._order.batch_size * sum(rows.row_bytes for rows in self._rows)
        piece = min(block, max(1, PIECE_BYTES // max(batch_bytes, 1)))
        # A piece of two passes could not be sliced.
        return (piece if self._is_sliced else block), piece

    def dataset(self) -> Any:
        import tensorflow as tf

        # Captured by the functions of each stage: TensorFlow lets go of it with the last dataset
        # or iterator that uses them, and until then its memory owns this feed. Not an attribute,
        # which would be a circle through TensorFlow that is never collected.
        number = self._pool.lend((_CONSTANT_VALUES_MAX + 1,), np.dtype(np.int64))
        number[...] = self._number
        anchor = _tensor_over(number, owner=self)

        def function(method: Any) -> Any:
            # Autograph would make the first dataset of a process take 190 ms instead of 40, and
            # write a temporary file for each function, which a killed process leaves there.
            return tf.autograph.experimental.do_not_convert(functools.partial(method, anchor))

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
        if self._piece_batches > 1:
            dataset = dataset.rebatch(batch_size, drop_remainder=self._is_full)
        dataset = dataset.prefetch(PREFETCH_BATCHES)
        if self._batches.is_endless:
            dataset = dataset.map(function(self._hand_over))
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

    def _count_blocks(self, anchor: Any, _: Any) -> Any:
        """Number the blocks of an iterator, beside the epoch of its first pass."""
        import tensorflow as tf

        epoch = tf.numpy_function(_start_pass, [anchor], tf.int64)
        epoch.set_shape([])
        num_blocks = tf.int64.max if self._batches.is_endless else self._num_blocks
        return tf.data.Dataset.zip(
            (tf.data.Dataset.from_tensors(epoch).repeat(), tf.data.Dataset.range(num_blocks))
        )

    def _plan_block(self, anchor: Any, first_epoch: Any, block: Any) -> Any:
        """The rows of a block, `(n,)` each: their numbers, their places, their marks."""
        import tensorflow as tf

        num_outputs = 1 + len(self._placed) + self._batches.is_endless
        plan = tf.numpy_function(
            _block_rows,
            [anchor, first_epoch + block // self._num_blocks, block % self._num_blocks],
            [tf.int64] * num_outputs,
        )
        for numbers in plan:
            numbers.set_shape([None])
        return tuple(plan)

    def start_pass(self) -> Any:
        """In Python: the epoch of the first pass of an iterator."""
        return np.int64(self._batches.start_pass())

    def block_rows(self, epoch: Any, block: Any) -> list[Any]:
        """In Python: rows `(n,)`; for each of the rows that are placed elsewhere, their places.

        Of an endless feed also marks: 1 + epoch of the pass that begins with this row, -1 for
        padding, else 0.
        """
        order, first = self._order, int(block) * self._block_batches
        last = min(first + self._block_batches, order.num_batches)
        rows = order.rows(int(epoch), first, last)
        self._batches.check_unchanged(rows)
        # The block before this one is being read meanwhile: `prefetch` is a block ahead.
        self._batches.advise(rows)
        num_padding = (last - first) * order.batch_size - len(rows) if self._is_padded else 0
        plan = [rows, *(placed.places(rows) for placed in self._placed)]
        if self._batches.is_endless:
            marks = np.zeros(len(rows) + num_padding, np.int64)
            marks[len(rows) :] = -1
            if first == 0:
                marks[0] = 1 + epoch
            # Only rows that are asked for may be touched.
            return [*(np.pad(numbers, (0, num_padding), "edge") for numbers in plan), marks]
        return plan

    def take(self, indices: Any) -> list[Array]:
        """In Python: the copied rows at `indices`."""
        return [
            rows.take(indices, self._pool.lend((len(indices), *rows.row_shape), rows.dtype))
            for rows in self._copied
        ]

    def _read_piece(self, anchor: Any, *plan: Any) -> Any:
        import tensorflow as tf

        indices, *others = plan
        copies = iter(())
        if self._copied:
            dtypes = [tf.as_dtype(rows.dtype) for rows in self._copied]
            copies = iter(tf.numpy_function(_take, [anchor, indices], dtypes))
        places = iter(others)
        num_rows = self._order.batch_size if self._is_full and self._piece_batches == 1 else None
        leaves: list[Any] = []
        for rows, alias in zip(self._rows, self._aliases, strict=True):
            if alias is None:
                leaves.append(next(copies))
            elif rows.array is None:
                leaves.append(tf.gather(alias, next(places)))
            elif self._is_sliced:
                # A slice along axis 0 that starts aligned copies nothing at all.
                leaves.append(alias[indices[0] : indices[0] + tf.size(indices, tf.int64)])
            else:
                leaves.append(tf.gather(alias, indices))
            leaves[-1].set_shape([num_rows, *rows.row_shape])
        batch = self._batches.pack(leaves)
        return (next(places), batch) if self._batches.is_endless else batch

    def _hand_over(self, anchor: Any, marks: Any, batch: Any) -> Any:
        """Count a pass when its first batch is used, not when it is read ahead."""
        import tensorflow as tf

        begun = marks[0] - 1

        def note() -> Any:
            return tf.numpy_function(_note_pass, [anchor, begun], tf.int64)

        with tf.control_dependencies([tf.cond(begun >= 0, note, lambda: begun)]):
            if not self._is_padded:
                return tf.nest.map_structure(tf.identity, batch)
            size = tf.math.count_nonzero(marks >= 0)
            return tf.nest.map_structure(lambda leaf: leaf[:size], batch)

    def note_pass(self, epoch: Any) -> Any:
        self._batches.note_pass(int(epoch))
        return epoch


def _start_pass(anchor: Any) -> Any:
    return _FEEDS[int(anchor[0])].start_pass()


def _block_rows(anchor: Any, epoch: Any, block: Any) -> Any:
    return _FEEDS[int(anchor[0])].block_rows(epoch, block)


def _take(anchor: Any, indices: Any) -> Any:
    return _FEEDS[int(anchor[0])].take(indices)


def _note_pass(anchor: Any, epoch: Any) -> Any:
    return _FEEDS[int(anchor[0])].note_pass(epoch)


def _alias(array: Array | None) -> Any:
    """A tensor over the array's own memory, or `None` where there can be none."""
    if array is None or not is_aligned(array):
        return None
    return _tensor_over(array)


def _tensor_over(array: Array, owner: Any = None) -> Any:
    """A tensor over the memory of an aligned array; it keeps the array alive, and `owner`."""
    import tensorflow as tf

    # NumPy exports no read-only array by DLPack, and a writable private mapping of a file
    # larger than RAM fails with ENOMEM; so the address of the read-only one is wrapped. Nothing
    # writes to it: TensorFlow forwards no buffer that a dataset captures (NumPy 2.4, TF 2.21).
    is_bfloat16 = array.dtype.name == "bfloat16"  # Which NumPy does not export.
    stored = np.dtype(np.uint16) if is_bfloat16 else array.dtype
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owners = (array, owner)  # type: ignore[attr-defined] # A ctypes array takes any attribute.
    exported: Array = np.ndarray(array.shape, stored, buffer=memoryview(memory))
    with tf.device("CPU:0"):
        tensor = tf.experimental.dlpack.from_dlpack(exported.__dlpack__())
        # A bitcast shares the memory.
        return tf.bitcast(tensor, tf.bfloat16) if is_bfloat16 else tensor
