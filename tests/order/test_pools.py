"""Rows shuffled by blocks: blocks whole, each row once, alike wherever they are computed."""

import dataclasses
import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

from keras_npy.order import pools as limits
from keras_npy.order.order import Order
from keras_npy.order.pools import Pools
from keras_npy.order.shares import Share, shared_order
from keras_npy.order.super_batches import super_batches


def blocked(num_rows: int, block_size: int, **arguments: Any) -> Order:
    order = Order(num_rows, 10, shuffle="rows", shuffle_block_size=block_size, seed=5)
    return dataclasses.replace(order, **arguments)


def whole(order: Order, epoch: int = 0) -> np.ndarray:
    return order.rows(epoch, 0, order.num_batches)


@pytest.mark.parametrize("pool_blocks", [1, 2, 3, 64])
@pytest.mark.parametrize("block_size", [1, 2, 3, 7, 16, 100, 2000])
def test_pools_hold_whole_blocks_and_each_row_once(
    monkeypatch: pytest.MonkeyPatch, pool_blocks: int, block_size: int
) -> None:
    """For every small number of rows; the last block may be short, and pools may differ by one."""
    monkeypatch.setattr(limits, "POOL_BLOCKS", pool_blocks)
    for num_rows, epoch in itertools.product([*range(1, 40), 503], (0, 1)):
        pools = Pools(num_rows, block_size, 5, epoch)
        rows = pools.rows_at(np.arange(num_rows))
        assert list(range(num_rows)) == sorted(rows.tolist())
        bounds = [pools.bounds(pool) for pool in range(pools.num_pools)]
        assert [0, *(stop for _, stop in bounds)] == [*(start for start, _ in bounds), num_rows]
        sizes = []
        for pool, (start, stop) in enumerate(bounds):
            assert {pool} == {pools.pool_at(position) for position in range(start, stop)}
            blocks = np.unique(rows[start:stop] // block_size)
            sizes.append(len(blocks))
            in_blocks = np.isin(np.arange(num_rows) // block_size, blocks)
            assert np.flatnonzero(in_blocks).tolist() == sorted(rows[start:stop].tolist())
        assert pool_blocks >= max(sizes)
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("expected", "order"),
    [
        pytest.param([1, 4, 0, 2, 5, 6, 3], blocked(7, 2), id="one-pool"),
        pytest.param([96, 163, 161, 902], blocked(1_000, 3, batch_size=4), id="pools"),
        pytest.param(
            [49271, 78800, 40528, 76388], blocked(100_003, 1, batch_size=4), id="network-of-blocks"
        ),
        pytest.param(
            [831523967, 477230909, 519704821, 209690926],
            blocked(10**9, 4096, batch_size=4),
            id="network-of-rows",
        ),
    ],
)
def test_pools_pinned_order_holds(expected: list[int], order: Order) -> None:
    """These may change only with a major version, as the orders of `permute`."""
    assert expected == order.rows(3, 0, 1).tolist()


@pytest.mark.parametrize("num_rows", [7, 1_003, 70_001])
@pytest.mark.parametrize("block_size", [1, 16, 1_200])
def test_pools_stretch_is_a_slice_of_the_whole(num_rows: int, block_size: int) -> None:
    """Any batch alone, and any positions, as resume and processes ask for them."""
    order = blocked(num_rows, block_size)
    rows = whole(order, 2)
    rng = np.random.default_rng(0)
    for batch in rng.integers(0, order.num_batches, 5).tolist():
        np.testing.assert_array_equal(
            rows[batch * 10 : batch * 10 + 10], order.rows(2, batch, batch + 1)
        )
    positions = np.sort(rng.choice(num_rows, num_rows // 3, replace=False))
    np.testing.assert_array_equal(rows[positions], order.rows_at(2, positions))


def test_pools_of_chosen_rows_are_blocks_of_the_choice() -> None:
    """Neighbours in the order of the sequence, whatever lies between them in the file."""
    chosen = np.arange(1_000)[::-2]
    rows = whole(blocked(500, 5, indices=chosen))
    assert sorted(chosen.tolist()) == sorted(rows.tolist())
    np.testing.assert_array_equal(chosen[whole(blocked(500, 5))], rows)


def test_pools_mix_rows_within_a_pool_and_blocks_among_all() -> None:
    """Seeds and epochs differ; a position holds any block, and any row of it, equally often."""
    at = np.arange(100, 102)
    rows = np.array([Pools(1_600, 5, 0, epoch).rows_at(at) for epoch in range(3_200)])
    for counts in (np.bincount(rows[:, 0] // 100), np.bincount(rows[:, 0] % 5)):
        assert np.all(np.abs(counts - counts.mean()) < 4.5 * np.sqrt(counts.mean()))
    # Of the 319 other rows of the pool, 4 are of the same block.
    num_together = np.count_nonzero(rows[:, 0] // 5 == rows[:, 1] // 5)
    assert abs(num_together - 3_200 * 4 / 319) < 4.5 * np.sqrt(40)


def test_pools_of_a_trillion_rows_take_the_memory_of_a_batch() -> None:
    """A pool that would not fit is not computed as a whole, and not announced."""
    order = blocked(10**12, 10**6, batch_size=128)
    tracemalloc.start()
    try:
        rows = np.concatenate([order.rows(9, first, first + 1) for first in (0, 10**9)])
        ahead = list(order.rows_ahead(9, 0, 1, is_first=True))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1_000_000 > peak_bytes
    assert 2 * 128 == len(np.unique(rows))
    assert not ahead


# What is announced.


@pytest.mark.parametrize("start", [0, 5, 37])
@pytest.mark.parametrize("step", [1, 4, 30])
def test_rows_ahead_are_whole_blocks_once_before_their_use(start: int, step: int) -> None:
    """From any batch of a pass on, and a pool ahead of the one in use."""
    order = blocked(1_003, 4)
    announced: list[int] = []
    for first in range(start, order.num_batches, step):
        last = min(first + step, order.num_batches)
        ahead = [*order.rows_ahead(3, first, last, is_first=first == start)]
        announced += [row for rows in ahead for row in rows.tolist()]
        assert set(order.rows(3, first, last).tolist()) <= set(announced)
    assert len(announced) == len(set(announced))
    counts = np.bincount(np.array(announced) // 4)
    assert set(counts[:-1].tolist()) <= {0, 4}
    assert start or 1_003 == len(announced)


def test_rows_ahead_of_the_pool_in_use_come_first() -> None:
    """So that the first batch does not wait for the pool after it."""
    order = blocked(1_000, 4)
    own, following = order.rows_ahead(0, 0, 1, is_first=True)
    assert set(order.rows(0, 0, 10).tolist()) <= set(own.tolist())
    pools = Pools(1_000, 4, 5, 0)
    assert pools.bounds(0)[1] == len(own)
    assert pools.bounds(1)[1] - pools.bounds(1)[0] == len(following)
    # Within a pool nothing is new, and its last batch announces nothing either.
    assert not [*order.rows_ahead(0, 1, 2, is_first=False)]


@pytest.mark.parametrize("shuffle", [None, "batch"])
def test_rows_ahead_are_none_unless_all_rows_are_shuffled_by_blocks(shuffle: Any) -> None:
    """File order is what `evaluate` and `predict` read; batches are shuffled in themselves."""
    order = blocked(100, 4, shuffle=shuffle)
    assert not [*order.rows_ahead(0, 0, 2, is_first=True)]
    np.testing.assert_array_equal(
        Order(100, 10, shuffle=shuffle, seed=5).rows(0, 0, 10), order.rows(0, 0, 10)
    )
    plain = Order(100, 10, shuffle="rows", seed=5)
    assert not [*plain.rows_ahead(0, 0, 2, is_first=True)]


@pytest.mark.parametrize("num_processes", [2, 5])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_shares_of_blocks_together_are_the_batches_and_the_pools(
    num_processes: int, drop_remainder: bool
) -> None:
    """Each process reads, and announces, its own rows and no others."""
    order = blocked(1_003, 4, drop_remainder=drop_remainder)
    shares = [shared_order(order, Share(num_processes, at)) for at in range(num_processes)]
    for batch in (0, 50, order.num_batches - 1):
        parts = [share.rows(1, batch, batch + 1) for share in shares]
        np.testing.assert_array_equal(order.rows(1, batch, batch + 1), np.concatenate(parts))
    for share in shares:
        ahead = [
            rows
            for first in range(0, share.num_batches, 7)
            for rows in share.rows_ahead(
                1, first, min(first + 7, share.num_batches), is_first=first == 0
            )
        ]
        assert sorted(whole(share, 1).tolist()) == sorted(np.concatenate(ahead).tolist())


def test_super_batches_of_blocks_announce_pass_after_pass() -> None:
    """The batches that they are made of, and the pools of each pass from its first one on."""
    order = blocked(1_003, 4)
    supers = super_batches(order, 30, first_part=80, is_endless=True)
    rows = supers.rows(2, 0, 2)
    expected = [order.rows(2, 80, 101), order.rows(3, 0, 39)]
    assert set(np.concatenate(expected).tolist()) == set(rows.tolist())
    ahead = [part for at in (0, 1) for part in supers.rows_ahead(2, at, at + 1, is_first=at == 0)]
    pools = Pools(1_003, 4, 5, 2)
    first = pools.pool_at(800)
    sizes = [pools.bounds(number) for number in range(first, pools.num_pools)]
    num_left = sum(stop - start for start, stop in sizes)
    of_next = sum(map(len, ahead)) - num_left
    behind = Pools(1_003, 4, 5, 3)
    assert behind.bounds(behind.pool_at(389) + 1)[1] == of_next
