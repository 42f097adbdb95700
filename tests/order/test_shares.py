"""The parts of a batch that processes read: together they are the batch, in its order."""

import numpy as np
import pytest

from keras_npy.order.order import Order
from keras_npy.order.permutation import SORTED_ROWS_MAX
from keras_npy.order.shares import Share, shared_order
from keras_npy.types import Shuffle


def orders_of(whole: Order, num_processes: int) -> list[Order]:
    return [shared_order(whole, Share(num_processes, number)) for number in range(num_processes)]


@pytest.mark.parametrize("shuffle", [None, "rows", "batch"])
@pytest.mark.parametrize(
    ("num_samples", "drop_remainder", "indices"),
    [
        pytest.param(48, False, None, id="even"),
        pytest.param(53, False, None, id="short-last"),
        pytest.param(53, True, None, id="dropped"),
        pytest.param(5, False, None, id="only-a-short-one"),
        pytest.param(53, False, np.arange(53)[::-1] * 2, id="chosen-rows"),
        pytest.param(SORTED_ROWS_MAX + 7, False, None, id="many-rows"),
    ],
)
@pytest.mark.parametrize("num_processes", [2, 3, 12])
def test_shared_orders_together_are_the_whole_order(
    num_processes: int,
    num_samples: int,
    drop_remainder: bool,
    indices: np.ndarray | None,
    shuffle: Shuffle,
) -> None:
    """Batch by batch, in several stretches, and in two passes."""
    whole = Order(num_samples, 12, drop_remainder, shuffle, seed=4, indices=indices)
    orders = orders_of(whole, num_processes)
    assert {whole.num_batches} == {order.num_batches for order in orders}
    first = max(0, whole.num_batches - 5)
    for epoch in (0, 3):
        for batch in range(first, whole.num_batches):
            parts = [order.rows(epoch, batch, batch + 1) for order in orders]
            np.testing.assert_array_equal(
                whole.rows(epoch, batch, batch + 1), np.concatenate(parts)
            )
            assert 1 >= max(map(len, parts)) - min(map(len, parts))
        for order in orders:
            stretch = order.rows(epoch, first, whole.num_batches)
            batches = [order.rows(epoch, at, at + 1) for at in range(first, whole.num_batches)]
            np.testing.assert_array_equal(np.concatenate(batches), stretch)
            assert order.num_samples >= len(stretch)


def test_share_of_one_process_is_the_order_itself() -> None:
    """Bit for bit, and as fast."""
    whole = Order(10, 4)
    assert whole is shared_order(whole, Share())


def test_shared_order_counts_its_own_rows() -> None:
    """Local numbers, as feeds take them."""
    one, other = orders_of(Order(17, 6), 2)
    assert (3, 9) == (one.batch_size, other.num_samples)
    assert 8 == one.num_samples
    assert (2, 3) == (one.last_batch_rows, other.last_batch_rows)
    assert not one.is_contiguous
