"""Batch buffers: aligned, and lent again only when nothing looks at them any more."""

import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from keras_npy.feeds.buffers import BufferPool, is_aligned

UINT8 = np.dtype("uint8")


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


# Alignment.


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "int32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (32, 28, 28), (2, 3, 5, 7)], ids=str)
def test_lend_any_array_is_aligned_contiguous_and_writable(
    dtype: str, shape: tuple[int, ...]
) -> None:
    """A lent array has the shape and dtype asked for, and starts at a multiple of 64 bytes."""
    pool = BufferPool()
    # Several at once, so that no lucky allocation passes.
    lent = [pool.lend(shape, np.dtype(dtype)) for _ in range(8)]
    for number, array in enumerate(lent):
        assert (shape, np.dtype(dtype), 0) == (array.shape, array.dtype, address(array) % 64)
        assert is_aligned(array)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array[...] = number % 2
    assert [number % 2 for number in range(8)] == [int(array.flat[-1].real) for array in lent]


@pytest.mark.parametrize(
    ("expected", "view"),
    [
        pytest.param(True, lambda array: array, id="whole"),
        pytest.param(True, lambda array: array[1:], id="from-the-second-row"),
        pytest.param(True, lambda array: array.reshape(-1), id="flat"),
        pytest.param(False, lambda array: array.reshape(-1)[1:], id="from-the-second-byte"),
        pytest.param(False, lambda array: array.reshape(-1)[32:], id="from-byte-32"),
        pytest.param(False, lambda array: array[:, :32], id="columns"),
        pytest.param(False, lambda array: array.T, id="transposed"),
    ],
)
def test_is_aligned_view_needs_address_and_contiguity(
    expected: bool, view: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Only C-contiguous memory from a multiple of 64 bytes may be used in place."""
    array = BufferPool().lend((4, 64), UINT8)
    assert expected is is_aligned(view(array))


# Reuse.


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(lambda array: array[1:], id="slice"),
        pytest.param(lambda array: array[1:][:, 2:], id="slice-of-slice"),
        pytest.param(lambda array: array.reshape(-1), id="reshaped"),
        pytest.param(lambda array: array.T, id="transposed"),
        pytest.param(lambda array: array.view("int8"), id="other-dtype"),
        pytest.param(lambda array: np.asarray(array[0]), id="row"),
        pytest.param(lambda array: np.broadcast_to(array, (2, *array.shape)), id="broadcast"),
        pytest.param(memoryview, id="memoryview"),
        pytest.param(lambda array: np.frombuffer(array, "uint16"), id="frombuffer"),
        pytest.param(
            lambda array: np.lib.stride_tricks.as_strided(array, (2,), (1,)), id="strided"
        ),
        pytest.param(lambda array: array.flat, id="iterator"),
        pytest.param(lambda array: array.__dlpack__(), id="dlpack"),
    ],
)
def test_lend_memory_returns_with_its_last_view(keep: Callable[[np.ndarray], Any]) -> None:
    """While anything looks at a lent array its memory is not lent again; after that it is."""
    pool = BufferPool()
    first = pool.lend((16, 64), UINT8)
    memory, kept = address(first), keep(first)
    del first
    assert memory != address(pool.lend((16, 64), UINT8))
    del kept
    assert memory == address(pool.lend((16, 64), UINT8))


def test_lend_kept_view_keeps_its_values() -> None:
    """What was read into a batch stays there while later batches are read."""
    pool = BufferPool(idle_max=1)
    kept = []
    for number in range(20):
        batch = pool.lend((4, 100), UINT8)
        batch[...] = number
        if number % 3 == 0:
            kept.append(batch[1:3])
    assert [0, 3, 6, 9, 12, 15, 18] == [int(view.max()) for view in kept]
    assert [0, 3, 6, 9, 12, 15, 18] == [int(view.min()) for view in kept]


def test_lend_same_number_of_bytes_is_the_same_memory() -> None:
    """Shape and dtype do not matter to the memory, its size does."""
    pool = BufferPool()
    first = pool.lend((16, 64), UINT8)
    memory = address(first)
    del first
    other_size = pool.lend((16, 65), UINT8)
    assert memory != address(other_size)
    second = pool.lend((8, 32), np.dtype("float32"))
    assert memory == address(second)
    assert ((8, 32), np.dtype("float32")) == (second.shape, second.dtype)


def test_lend_sizes_in_turn_do_not_overlap() -> None:
    """Full and short batches, each of its own size, never share memory while they live."""
    pool = BufferPool()
    for _ in range(5):
        lent = [pool.lend((rows, 40), UINT8) for rows in (8, 3, 8, 3, 1)]
        starts = sorted((address(array), array.nbytes) for array in lent)
        for (start, nbytes), (next_start, _) in itertools.pairwise(starts):
            assert start + nbytes <= next_start


def test_lend_array_outlives_its_pool() -> None:
    """A batch that is still in use when the pool goes keeps its values."""
    pool = BufferPool()
    batch = pool.lend((1000,), UINT8)
    batch[...] = 5
    del pool
    assert 5000 == int(batch.sum())


# What is held.


@pytest.mark.parametrize("idle_max", [0, 1, 4])
def test_pool_idle_memory_is_limited(idle_max: int) -> None:
    """Of buffers that come back, `idle_max` are kept; the others are freed at the next loan."""
    nbytes = 1 << 19
    tracemalloc.start()
    try:
        pool = BufferPool(idle_max)
        lent = [pool.lend((nbytes,), UINT8) for _ in range(6)]
        assert 6 * nbytes <= tracemalloc.get_traced_memory()[0] < 7 * nbytes
        lent.clear()
        pool.lend((1,), UINT8)
        held_bytes = tracemalloc.get_traced_memory()[0]
        del pool
        left_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert idle_max == held_bytes // nbytes
    assert left_bytes < 1 << 16


class User:
    """Whoever a pool is made for."""


def test_pool_new_one_leaves_idle_memory_to_a_user_that_lives() -> None:
    """A feed between two passes keeps its memory; one that is gone does not."""
    nbytes = 1 << 19
    tracemalloc.start()
    try:
        user = User()
        pool = BufferPool(idle_max=4, user=user)
        lent = [pool.lend((nbytes,), UINT8) for _ in range(4)]
        del lent
        BufferPool(user=user)
        assert 4 == tracemalloc.get_traced_memory()[0] // nbytes
        del user
        BufferPool()
        assert 0 == tracemalloc.get_traced_memory()[0] // nbytes
    finally:
        tracemalloc.stop()


def test_pool_new_one_frees_what_others_have_idle() -> None:
    """Memory in use stays as it is, and comes back to its own pool."""
    nbytes = 1 << 19
    tracemalloc.start()
    try:
        pool = BufferPool(idle_max=4)
        lent = [pool.lend((nbytes,), UINT8) for _ in range(4)]
        lent[0][...] = 7
        del lent[1:]
        assert 4 == tracemalloc.get_traced_memory()[0] // nbytes
        BufferPool()
        assert 1 == tracemalloc.get_traced_memory()[0] // nbytes
    finally:
        tracemalloc.stop()
    assert 7 * nbytes == int(lent[0].sum(dtype="int64"))
    memory = address(lent.pop())
    assert memory == address(pool.lend((nbytes,), UINT8))


def test_pool_many_batches_do_not_add_up() -> None:
    """After the first few, batches cost no memory: neither buffers nor finalisers pile up."""
    pool = BufferPool()
    tracemalloc.start()
    try:
        # So many that the table of all finalisers, torch's as well, has been made anew.
        for _ in range(2000):
            pool.lend((1000,), UINT8)[...] = 1
        before_bytes = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            pool.lend((1000,), UINT8)[...] = 1
        after_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # 16 bytes a batch would be 32,000.
    assert after_bytes - before_bytes < 8000


def test_lend_from_many_threads_never_lends_twice() -> None:
    """Eight threads that fill, wait and look again find nothing but what they wrote."""
    pool = BufferPool(idle_max=2)

    def use(number: int) -> int:
        num_wrong = 0
        for step in range(200):
            batch = pool.lend((64 + 64 * (step % 2),), UINT8)
            batch[...] = number
            time.sleep(0)
            num_wrong += int(np.count_nonzero(batch != number))
        return num_wrong

    with ThreadPoolExecutor(8) as threads:
        assert [0] * 8 == list(threads.map(use, range(8)))


def test_lend_interrupted_before_the_loan_is_noted_costs_no_error_later() -> None:
    """Ctrl-C may fall between any two lines: a loan that nobody noted ends all the same."""

    class Interrupted(dict):
        def __setitem__(self, key: int, loan: object) -> None:
            raise KeyboardInterrupt

    pool = BufferPool()
    noted = pool._loans
    pool._loans = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        pool.lend((8,), np.dtype("uint8"))
    pool._loans = noted
    gc.collect()
    batch = pool.lend((8,), np.dtype("uint8"))
    assert 1 == pool.num_lent
    del batch
    pool.free_idle()
    assert 0 == pool.num_lent


def test_idle_bytes_are_limited_for_each_size() -> None:
    """Of ten buffers of 100 bytes three are kept; the largest keeps one."""
    pool = BufferPool(idle_max=20, idle_bytes_max=350)
    for size, expected in ((100, 3), (1000, 1)):
        lent = [pool.lend((size,), np.dtype("uint8")) for _ in range(10)]
        lent.clear()
        pool._take_back()
        assert expected == len(pool._idle[size])
