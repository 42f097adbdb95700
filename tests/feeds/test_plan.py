"""The walk over blocks: every batch once, from any batch of any pass on."""

import itertools

import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.feeds import batches as limits
from keras_npy.feeds.plan import Plan
from keras_npy.order.position import Position
from keras_npy.sequence import batches_of


def numbers_of(plan: Plan, num_blocks: int) -> list[tuple[int, int]]:
    """Epoch and number of each batch of the first blocks."""
    walked = []
    for number in range(num_blocks):
        first, last = plan.bounds(number)
        walked += [(first.epoch, batch) for batch in range(first.batch, last)]
    return walked


@pytest.mark.parametrize("block_batches", [1, 3, 7, 128])
@pytest.mark.parametrize("start", [0, 1, 3, 6])
def test_bounds_cover_the_rest_of_a_pass_and_then_pass_after_pass(
    monkeypatch: pytest.MonkeyPatch, block_batches: int, start: int
) -> None:
    """A block lies in one pass, and none is larger than it may be."""
    monkeypatch.setattr(limits, "BLOCK_BATCHES_MAX", block_batches)
    seq = NpySequence(np.arange(53), batch_size=8)
    plan = Plan(batches_of(seq, shuffle=False), Position(4, start))
    assert plan.num_blocks == -(-(7 - start) // block_batches)
    assert [(4, batch) for batch in range(start, 7)] == numbers_of(plan, plan.num_blocks)
    endless = Plan(batches_of(seq, shuffle=False, is_endless=True), Position(4, start))
    assert endless.num_blocks is None
    expected = [(4 + batch // 7, batch % 7) for batch in range(start, start + 40)]
    assert expected == numbers_of(endless, 40)[:40]


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_walk_serves_the_rows_of_the_order_from_a_batch_on(
    monkeypatch: pytest.MonkeyPatch, shuffle: object
) -> None:
    """A run that goes on sees what it had not seen, and nothing twice."""
    monkeypatch.setattr(limits, "BLOCK_BATCHES_MAX", 2)
    batches = batches_of(
        NpySequence(np.arange(53), batch_size=8, seed=1),
        shuffle=shuffle,  # type: ignore[arg-type] # Of a parameter, whose type is object.
        is_endless=True,
    )
    walk = Plan(batches, Position(2, 5)).walk()
    starts, rows = zip(*itertools.islice(walk, 1 + 4), strict=True)
    assert [(2, 5), (3, 0), (3, 2), (3, 4), (3, 6)] == [(at.epoch, at.batch) for at in starts]
    walked = np.concatenate(rows)
    expected = np.concatenate([batches.order.rows(2, 5, 7), batches.order.rows(3, 0, 7)])
    np.testing.assert_array_equal(expected, walked)
