"""64-byte-aligned batch buffers that are reused once the backend has released them.

For every batch of a few megabytes the C library would map, zero and unmap new memory: 1964 us for
3 MB, against 357 us for memory that is already mapped. TensorFlow and JAX use a NumPy array in
place if it starts at a multiple of 64 bytes, so its memory can be lent again as soon as nothing
refers to the batch in it.
"""

import collections
import contextlib
import ctypes
import math
import sys
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.files.layout import ALIGNMENT_BYTES
from keras_npy.locks import make_lock

Allocate: TypeAlias = Callable[[int], NDArray[np.uint8]]


class BufferPool:
    """Lends arrays over recycled memory.

    A pool lends memory again only after the last array over it is gone, including views and
    tensors. Memory is reused only for arrays of the same size, so a pool should serve few sizes. A
    new pool frees the idle memory of pools whose users are gone.

    Args:
        idle_max: Idle buffers that the pool keeps of each size.
        idle_bytes_max: Idle bytes that the pool keeps of each size; at least one buffer.
        user: The pool keeps idle memory while this object lives. With `None` it keeps idle memory
            until another pool is made.
        allocate: Makes new memory, of so many bytes, that starts at a multiple of 64 bytes.

    Example:

    >>> pool = BufferPool()
    >>> batch = pool.lend((32, 28, 28), np.dtype("uint8"))
    >>> batch.ctypes.data % 64
    0
    """

    def __init__(
        self,
        idle_max: int = 4,
        idle_bytes_max: int = sys.maxsize,
        user: object = None,
        allocate: Allocate | None = None,
    ) -> None:
        # Append and pop of a deque are atomic and need no lock. Any thread may return a buffer at
        # any moment, even a thread that holds a lock.
        self._idle: dict[int, collections.deque[NDArray[np.uint8]]] = {}
        self._idle_max = idle_max
        self._idle_bytes_max = idle_bytes_max
        self._user = None if user is None else weakref.ref(user)
        self._allocate = allocate or aligned_memory
        # A loan that has ended is in both until `_take_back` has handled it.
        self._loans: dict[int, _Loan] = {}
        self._ended: collections.deque[_Loan] = collections.deque()
        with _POOLS_LOCK:
            others = tuple(_POOLS)
            _POOLS.add(self)
        for pool in others:
            if not pool.is_in_use():
                pool.free_idle()

    @property
    def num_lent(self) -> int:
        """The number of arrays whose memory is in use."""
        return len(self._loans) - len(self._ended)

    def is_in_use(self) -> bool:
        """Whether the object that the pool was made for still lives."""
        return self._user is not None and self._user() is not None

    def lend(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An uninitialised C-contiguous array that starts at a multiple of 64 bytes."""
        self._take_back()
        nbytes = math.prod(shape) * dtype.itemsize
        try:
            memory = self._idle_of(nbytes).pop()
        except IndexError:
            memory = self._allocate(nbytes)
        # A view of a view refers to the array that owns the memory, but NumPy does not look past
        # an object of another type. So every view of the lent array keeps this ctypes object, and
        # when the object ends, the memory is free (NumPy 2.4).
        lease = (ctypes.c_char * nbytes).from_buffer(memory.data)
        # The end of a loan must run no Python code, such as a `__del__`: it would swallow Ctrl-C.
        loan = _Loan(lease, self._ended.append)
        loan.memory = memory
        self._loans[id(loan)] = loan
        return np.ndarray(shape, dtype, buffer=memoryview(lease))

    def free_idle(self) -> None:
        """Release idle memory. The pool lends new memory next."""
        self._take_back()
        for idle in tuple(self._idle.values()):
            idle.clear()

    def _take_back(self) -> None:
        while self._ended:
            try:
                loan = self._ended[0]
            except IndexError:  # Another thread was faster.
                return
            # Ctrl-C may come between any two lines, here and in `lend`. The pool may then lose
            # a buffer, but it must neither fail later nor miscount the arrays in use.
            if self._loans.pop(id(loan), None) is not None:
                self._idle_of(loan.memory.nbytes).append(loan.memory)
            with contextlib.suppress(ValueError):
                self._ended.remove(loan)

    def _idle_of(self, nbytes: int) -> collections.deque[NDArray[np.uint8]]:
        num_max = min(self._idle_max, max(1, self._idle_bytes_max // max(nbytes, 1)))
        return self._idle.setdefault(nbytes, collections.deque(maxlen=num_max))


class _Loan(weakref.ref[Any]):
    """Ends when the lent array ends, and keeps its memory until the pool has it back."""

    __slots__ = ("memory",)

    memory: NDArray[np.uint8]


def is_aligned(array: NDArray[Any]) -> bool:
    """Whether TensorFlow may use the array's memory in place: contiguous and aligned.

    A tensor over unaligned memory aborts the process (TensorFlow 2.21).
    """
    return array.flags.c_contiguous and array.ctypes.data % ALIGNMENT_BYTES == 0


def aligned_memory(nbytes: int) -> NDArray[np.uint8]:
    """Uninitialised memory that starts at a multiple of 64 bytes."""
    memory = np.empty(nbytes + ALIGNMENT_BYTES, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT_BYTES
    return memory[start : start + nbytes]


# TensorFlow keeps pools in reference cycles until a garbage collection, although their users are
# gone: 40 calls of `fit` with a Fortran file of 9 MB left 160 MiB in them (TensorFlow 2.21).
_POOLS: "weakref.WeakSet[BufferPool]" = weakref.WeakSet()
_POOLS_LOCK = make_lock()
