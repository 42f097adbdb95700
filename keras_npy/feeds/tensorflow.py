"""Batches as a `tf.data.Dataset`: order from Python once per block, bytes by TensorFlow.

A call into Python costs as much as a small batch, so Python is asked once for a block of many
batches. Rows of a mapped file never pass through Python at all: a tensor
aliases the mapping, and TensorFlow's own kernels gather or slice it. Rows that cannot be
aliased are copied into recycled memory that TensorFlow adopts.
"""

import ctypes
import functools
import itertools
import weakref
from typing import Any

import numpy as np

from keras_npy.batches import Batches
from keras_npy.buffers import BufferPool, is_aligned
from keras_npy.rows import Array, Rows

# Copied batches up to this size are copied a block at a time: a call for each would cost more
# than the second copy that cutting up the block takes.
COPY_BLOCK_BATCH_BYTES = 64 << 10

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

    Stages, each an element of a block or of a batch:

    1. `_count_blocks`, in Python: the epoch that the iterator begins with, drawn when its first
       batch is asked for. No function is nested in it: it would be instantiated each pass.
       `Dataset.scan` would carry the epoch as well, but its function stays in the default graph
       for ever (TensorFlow 2.21).
    2. `_plan_block`, in Python: which rows the block's batches hold.
    3. `_copy_block`, in Python: rows that cannot be aliased, for small batches.
    4. `unbatch`: a block becomes batches.
    5. `_assemble`, in TensorFlow: gather or slice the aliased rows.
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
        self._copies_blocks = bool(self._copied) and (
            self._order.batch_size * _row_bytes(self._copied) <= COPY_BLOCK_BATCH_BYTES
        )
        self._block_batches = batches.block_batches
        self._num_blocks = -(-self._order.num_batches // self._block_batches)
        # Lent to: the stages' parallel calls and queues, the model's step, and slack for
        # TensorFlow, which lets go of an array only at its next call into Python.
        self._pool = BufferPool(idle_max=2 * PARALLEL_CALLS + PREFETCH_BATCHES + 2)
        self._number = next(_NUMBERS)
        _FEEDS[self._number] = self

    def dataset(self) -> Any:
        import tensorflow as tf

        # Captured by the functions of each stage: TensorFlow lets go of it with the last dataset
        # or iterator that uses them, and until then its memory owns this feed. Not an attribute,
        # which would be a circle through TensorFlow that is never collected.
        number = self._pool.lend((_CONSTANT_VALUES_MAX + 1,), np.dtype(np.int64))
        number[...] = self._number
        anchor = _tensor_over(number, owner=self)

        dataset = tf.data.Dataset.range(1).flat_map(functools.partial(self._count_blocks, anchor))
        dataset = dataset.map(functools.partial(self._plan_block, anchor))
        if self._copies_blocks:
            dataset = dataset.map(
                functools.partial(self._copy_block, anchor),
                num_parallel_calls=PARALLEL_CALLS,
                deterministic=True,
            )
        dataset = dataset.prefetch(1).unbatch()
        dataset = dataset.map(
            functools.partial(self._assemble, anchor),
            num_parallel_calls=PARALLEL_CALLS,
            deterministic=True,
        ).prefetch(PREFETCH_BATCHES)
        if self._batches.is_endless:
            dataset = dataset.map(functools.partial(self._hand_over, anchor))
        options = tf.data.Options()
        # Both would serialise the dataset with the aliased tensors in it: 1 GB more for a 1 GB
        # file, a segmentation fault for one of 784 GB (TensorFlow 2.21).
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
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
        """The rows of each batch of a block, and how many of them count."""
        import tensorflow as tf

        epoch = first_epoch + block // self._num_blocks
        block = block % self._num_blocks
        sizes, rows, *places = tf.numpy_function(
            _block_rows, [anchor, epoch, block], [tf.int64] * (2 + len(self._placed))
        )
        sizes.set_shape([None])
        for numbers in (rows, *places):
            numbers.set_shape([None, self._order.batch_size])
        plan = {"rows": rows, "places": tuple(places), "size": sizes}
        if self._batches.is_endless:
            # The epoch of a pass that begins with this batch, else -1.
            begins = tf.logical_and(tf.equal(block, 0), tf.equal(tf.range(tf.size(sizes)), 0))
            plan["begun"] = tf.where(begins, epoch, -1)
        return plan

    def start_pass(self) -> Any:
        """In Python: the epoch of the first pass of an iterator."""
        return np.int64(self._batches.start_pass())

    def block_rows(self, epoch: Any, block: Any) -> list[Any]:
        """In Python: how many rows of each batch count `(k,)`; the rows `(k, B)`, padded with 0.

        Behind them, for each of the rows that are placed elsewhere, their places `(k, B)`.
        """
        order, first = self._order, int(block) * self._block_batches
        last = min(first + self._block_batches, order.num_batches)
        rows = np.zeros((last - first, order.batch_size), np.int64)
        wanted = order.rows(int(epoch), first, last)
        self._batches.check_unchanged(wanted)
        # The block before this one is being read meanwhile: `prefetch` is a block ahead.
        self._batches.advise(wanted)
        rows.reshape(-1)[: len(wanted)] = wanted
        sizes = np.full(last - first, order.batch_size, np.int64)
        sizes[-1] -= rows.size - len(wanted)
        plan = [sizes, rows]
        for placed in self._placed:
            places = np.zeros_like(rows)
            places.reshape(-1)[: len(wanted)] = placed.places(wanted)
            plan.append(places)
        return plan

    def _copy_block(self, anchor: Any, plan: Any) -> Any:
        import tensorflow as tf

        copies = tf.numpy_function(
            _take, [anchor, plan["rows"]], [tf.as_dtype(rows.dtype) for rows in self._copied]
        )
        for copy, rows in zip(copies, self._copied, strict=True):
            copy.set_shape([None, self._order.batch_size, *rows.row_shape])
        return {**plan, "copies": tuple(copies)}

    def take(self, indices: Any) -> list[Array]:
        """In Python: copied rows of each index, in the shape of `indices`."""
        taken = []
        for rows in self._copied:
            out = self._pool.lend((indices.size, *rows.row_shape), rows.dtype)
            rows.take(indices.reshape(-1), out)
            taken.append(out.reshape(*indices.shape, *rows.row_shape))
        return taken

    def _assemble(self, anchor: Any, plan: Any) -> Any:
        import tensorflow as tf

        size = plan["size"]
        indices = plan["rows"] if self._order.has_static_batches else plan["rows"][:size]
        if self._copies_blocks:
            copies = [copy[:size] for copy in plan["copies"]]
        elif self._copied:
            copies = tf.numpy_function(
                _take, [anchor, indices], [tf.as_dtype(rows.dtype) for rows in self._copied]
            )
        else:
            copies = []
        waiting, places = iter(copies), iter(plan["places"])
        leaves = []
        for rows, alias in zip(self._rows, self._aliases, strict=True):
            if alias is None:
                leaves.append(next(waiting))
            elif rows.array is None:
                # Padding is no place that may be touched.
                place = next(places)
                leaves.append(
                    tf.gather(alias, place if self._order.has_static_batches else place[:size])
                )
            else:
                leaves.append(self._read_alias(alias, indices, size))
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

    def _hand_over(self, anchor: Any, begun: Any, batch: Any) -> Any:
        """Count a pass when its first batch is used, not when it is read ahead."""
        import tensorflow as tf

        def note() -> Any:
            return tf.numpy_function(_note_pass, [anchor, begun], tf.int64)

        counted = tf.cond(begun >= 0, note, lambda: begun)
        with tf.control_dependencies([counted]):
            return tf.nest.map_structure(tf.identity, batch)

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


def _row_bytes(rows: list[Rows]) -> int:
    return sum(one.row_bytes for one in rows)


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
