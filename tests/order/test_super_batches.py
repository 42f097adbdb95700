"""Several batches of an order as one: the rows of the batches, one after the other."""

from typing import Any

import numpy as np
import pytest

from keras_npy.order.order import Order
from keras_npy.order.super_batches import super_batches


def parts_of(order: Order, num_passes: int) -> list[list[int]]:
    """The rows of each batch of some passes."""
    return [
        order.rows(epoch, batch, batch + 1).tolist()
        for epoch in range(3, 3 + num_passes)
        for batch in range(order.num_batches)
    ]


@pytest.mark.parametrize("shuffle", [None, "rows", "batch"])
@pytest.mark.parametrize("num_parts", [1, 2, 3, 7, 32])
@pytest.mark.parametrize(
    "order",
    [
        pytest.param({"num_samples": 53, "batch_size": 8}, id="short-last-batch"),
        pytest.param({"num_samples": 48, "batch_size": 8}, id="full-batches"),
        pytest.param(
            {"num_samples": 53, "batch_size": 8, "drop_remainder": True}, id="drop-remainder"
        ),
        pytest.param({"num_samples": 5, "batch_size": 8}, id="one-short-batch"),
        pytest.param({"num_samples": 3, "batch_size": 1}, id="batches-of-one"),
        pytest.param({"num_samples": 9, "batch_size": 4, "indices": range(20, 2, -2)}, id="chosen"),
    ],
)
@pytest.mark.parametrize("is_endless", [False, True])
def test_super_batches_hold_the_rows_of_their_batches(
    order: Any, num_parts: int, shuffle: Any, is_endless: bool
) -> None:
    """Whatever stretch is asked for; what fills a batch up lies behind its own rows."""
    parts = Order(**order, shuffle=shuffle, seed=5)
    expected = parts_of(parts, 200 if is_endless else 1)
    supers = super_batches(parts, num_parts, is_endless=is_endless)
    num_asked = 5 if is_endless else supers.num_batches
    part_size = supers.batch_size // num_parts
    got = []
    for first, last in ((0, (num_asked + 1) // 2), ((num_asked + 1) // 2, num_asked)):
        rows = supers.rows(3, first, last) if first < last else np.empty(0, np.int64)
        for number, start in enumerate(range(0, len(rows), supers.batch_size), first):
            for part, size in enumerate(supers.part_sizes(number)):
                position = start + part * part_size
                got.append(rows[position : position + size].tolist())
    assert (expected[: num_asked * num_parts] if is_endless else expected) == got


@pytest.mark.parametrize("is_endless", [False, True])
def test_super_batches_from_within_a_pass_begin_with_that_batch(is_endless: bool) -> None:
    """A run that goes on in the middle of a pass."""
    parts = Order(53, 8, shuffle="rows", seed=5)
    supers = super_batches(parts, 3, first_part=5, is_endless=is_endless)
    assert [8, 5, 8][: 3 if is_endless else 2] == supers.part_sizes(0)
    rows = supers.rows(3, 0, 1)
    assert parts.rows(3, 5, 7).tolist() == rows[:13].tolist()
    assert not is_endless or parts.rows(4, 0, 1).tolist() == rows[16:].tolist()
    assert is_endless or 1 == supers.num_batches
