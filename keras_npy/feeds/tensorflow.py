"""Batches as a `tf.data.Dataset`: order from Python once per block, bytes by TensorFlow.

A numpy_function call costs about 110 us, as much as a small batch, so Python is asked once for
a block of many batches. Rows of a mapped file never pass through Python at all: a tensor
aliases the mapping, and TensorFlow's own kernels gather or slice it. Rows that cannot be
aliased are copied into recycled memory that TensorFlow adopts.
"""

import ctypes
from typing import Any

import numpy as np

from keras_npy.batches import Batches
from keras_npy.buffers import BufferPool, is_aligned
from keras_npy.rows import Array, Rows

# A block is one call into Python. Enough batches that the call costs little for each; no more
# rows than their numbers fit the cache.
BLOCK_BATCHES_MAX = 128
BLOCK_ROWS_MAX = 16_384
BLOCK_BYTES_MAX = 32 << 20

# Copied batches up to this size are copied a block at a time: a call for each would cost more
# than the second copy that cutting up the block takes.
COPY_BLOCK_BATCH_BYTES = 64 << 10

# A fixed small depth beat AUTOTUNE on two cores: 1.00x against 0.80x of arrays in RAM.
PARALLEL_CALLS = 2
PREFETCH_BATCHES = 2


def make_dataset(batches: Batches) -> Any:
    """A `tf.data.Dataset` of batches, in the structure of `batches.data`.

    Nothing is read or counted before the first batch is asked for. Each iterator is a pass of
    its own, or many passes if `batches.is_endless`.
    """
    return _Feed(batches).dataset()


class _Feed:
    """The functions of one dataset, and what they share.

    Stages, each an element of a block or of a batch:

    1. `_plan_block`, in Python: which rows the block's batches hold. Scanned, because the
       epoch is drawn by the first block of a pass and carried to the others; a dataset nested
       in one element a pass would do too, but instantiating it costs 10 ms an iterator.
    2. `_copy_block`, in Python: rows that cannot be aliased, for small batches.
    3. `unbatch`: a block becomes batches.
    4. `_assemble`, in TensorFlow: gather or slice the aliased rows.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._order = batches.order
        self._rows = batches.rows
        self._aliases = [_alias(rows.array) for rows in self._rows]
        self._copied = [
            rows for rows, alias in zip(self._rows, self._aliases, strict=True) if alias is None
        ]
        self._copies_blocks = bool(self._copied) and (
            self._order.batch_size * _row_bytes(self._copied) <= COPY_BLOCK_BATCH_BYTES
        )
        self._block_batches = _batches_per_block(self._order.batch_size, _row_bytes(self._rows))
        self._num_blocks = -(-self._order.num_batches // self._block_batches)
        # Lent to: the stages' parallel calls and queues, the model's step, and slack for
        # TensorFlow, which lets go of an array only at its next call into Python.
        self._pool = BufferPool(idle_max=2 * PARALLEL_CALLS + PREFETCH_BATCHES + 2)

    def dataset(self) -> Any:
        import tensorflow as tf

        dataset = tf.data.Dataset.range(self._num_blocks)
        if self._batches.is_endless:
            dataset = dataset.repeat()
        dataset = dataset.scan(np.int64(-1), self._plan_block)
        if self._copies_blocks:
            dataset = dataset.map(
                self._copy_block, num_parallel_calls=PARALLEL_CALLS, deterministic=True
            )
        dataset = dataset.prefetch(1).unbatch()
        dataset = dataset.map(
            self._assemble, num_parallel_calls=PARALLEL_CALLS, deterministic=True
        ).prefetch(PREFETCH_BATCHES)
        if self._batches.is_endless:
            dataset = dataset.map(self._hand_over)
        options = tf.data.Options()
        # Both would serialise the dataset with the aliased tensors in it: 1 GB more for a 1 GB
        # file, a segmentation fault for one of 784 GB (TensorFlow 2.21).
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # The order comes from Python, which TensorFlow cannot see as state to save.
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        return dataset.with_options(options)

    def _plan_block(self, epoch: Any, block: Any) -> Any:
        """Scan step: the rows of each batch of the block, and the epoch to carry on."""
        import tensorflow as tf

        epoch, rows, sizes = tf.numpy_function(
            self._block_rows, [epoch, block], [tf.int64, tf.int64, tf.int64]
        )
        epoch.set_shape([])
        rows.set_shape([None, self._order.batch_size])
        sizes.set_shape([None])
        plan = {"rows": rows, "size": sizes}
        if self._batches.is_endless:
            # The epoch of a pass that begins with this batch, else -1.
            begins = tf.logical_and(tf.equal(block, 0), tf.equal(tf.range(tf.size(sizes)), 0))
            plan["begun"] = tf.where(begins, epoch, -1)
        return epoch, plan

    def _block_rows(self, epoch: Any, block: Any) -> tuple[Any, Any, Any]:
        """In Python: rows of each batch `(k, B)`, padded with 0, and how many count `(k,)`."""
        self._batches.check_unchanged()
        epoch, block = int(epoch), int(block)
        if epoch < 0:
            epoch = self._batches.start_pass()
        elif block == 0:
            epoch += 1
        order = self._order
        first = block * self._block_batches
        last = min(first + self._block_batches, order.num_batches)
        rows = np.zeros((last - first, order.batch_size), np.int64)
        wanted = order.rows(epoch, first, last)
        rows.reshape(-1)[: len(wanted)] = wanted
        sizes = np.full(last - first, order.batch_size, np.int64)
        sizes[-1] -= rows.size - len(wanted)
        return np.int64(epoch), rows, sizes

    def _copy_block(self, plan: Any) -> Any:
        import tensorflow as tf

        copies = tf.numpy_function(
            self._take, [plan["rows"]], [tf.as_dtype(rows.dtype) for rows in self._copied]
        )
        for copy, rows in zip(copies, self._copied, strict=True):
            copy.set_shape([None, self._order.batch_size, *rows.row_shape])
        return {**plan, "copies": tuple(copies)}

    def _take(self, indices: Any) -> list[Array]:
        """In Python: copied rows of each index, in the shape of `indices`."""
        taken = []
        for rows in self._copied:
            out = self._pool.lend((indices.size, *rows.row_shape), rows.dtype)
            rows.take(indices.reshape(-1), out)
            taken.append(out.reshape(*indices.shape, *rows.row_shape))
        return taken

    def _assemble(self, plan: Any) -> Any:
        import tensorflow as tf

        size = plan["size"]
        indices = plan["rows"] if self._order.has_static_batches else plan["rows"][:size]
        if self._copies_blocks:
            copies = [copy[:size] for copy in plan["copies"]]
        elif self._copied:
            copies = tf.numpy_function(
                self._take, [indices], [tf.as_dtype(rows.dtype) for rows in self._copied]
            )
        else:
            copies = []
        waiting = iter(copies)
        leaves = [
            next(waiting) if alias is None else self._read_alias(alias, indices, size)
            for alias in self._aliases
        ]
        num_rows = self._order.batch_size if self._order.has_static_batches else None
        for leaf, rows in zip(leaves, self._rows, strict=True):
            leaf.set_shape([num_rows, *rows.row_shape])
        batch = self._batches.pack(leaves)
        return (plan["begun"], batch) if self._batches.is_endless else batch

    def _read_alias(self, alias: Any, indices: Any, size: Any) -> Any:
        import tensorflow as tf

        if self._order.is_contiguous:
            # A slice along axis 0 that starts aligned copies nothing at all.
            return alias[indices[0] : indices[0] + size]
        return tf.gather(alias, indices)

    def _hand_over(self, begun: Any, batch: Any) -> Any:
        """Count a pass when its first batch is used, not when it is read ahead."""
        import tensorflow as tf

        def note() -> Any:
            return tf.numpy_function(self._note_pass, [begun], tf.int64)

        counted = tf.cond(begun >= 0, note, lambda: begun)
        with tf.control_dependencies([counted]):
            return tf.nest.map_structure(tf.identity, batch)

    def _note_pass(self, epoch: Any) -> Any:
        self._batches.note_pass(int(epoch))
        return epoch


def _batches_per_block(batch_size: int, row_bytes: int) -> int:
    batch_bytes = batch_size * max(row_bytes, 1)
    most = min(BLOCK_BATCHES_MAX, BLOCK_ROWS_MAX // batch_size, BLOCK_BYTES_MAX // batch_bytes)
    return max(1, most)


def _row_bytes(rows: list[Rows]) -> int:
    return sum(one.row_bytes for one in rows)


def _alias(array: Array | None) -> Any:
    """A tensor over the array's own memory, which it keeps alive; `None` where none can be."""
    import tensorflow as tf

    if array is None or not is_aligned(array):
        return None
    # NumPy exports no read-only array by DLPack, and a writable private mapping of a file
    # larger than RAM fails with ENOMEM; so the address of the read-only one is wrapped. Nothing
    # writes to it: TensorFlow forwards no buffer that a dataset captures (NumPy 2.4, TF 2.21).
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owner = array  # type: ignore[attr-defined] # A ctypes array takes any attribute.
    exported: Array = np.ndarray(array.shape, array.dtype, buffer=memoryview(memory))
    with tf.device("CPU:0"):
        return tf.experimental.dlpack.from_dlpack(exported.__dlpack__())
