"""The rows of each batch: permutations, alike wherever they are computed, and as good as random."""

import dataclasses
import math
import pickle
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy.order.order import Order
from keras_npy.order.permutation import SORTED_ROWS_MAX, permute
from keras_npy.order.selection import to_indices, to_rows

# Both sides of the limit between sorted keys and the Feistel network, squares and their
# neighbours (where the network's sides change), and primes.
NUM_ROWS = [1, 2, 3, 4, 5, 31, 1000]
NUM_ROWS += [SORTED_ROWS_MAX - 1, SORTED_ROWS_MAX, SORTED_ROWS_MAX + 1]
NUM_ROWS += [65_793, 257 * 257 - 1, 257 * 257, 257 * 257 + 1, 100_003]


def whole(num_rows: int, seed: int = 0, epoch: int = 0) -> np.ndarray:
    return permute(0, num_rows, num_rows, seed, epoch)


def chi_square(counts: np.ndarray) -> float:
    """Distance of counts from all being equal."""
    return float(((counts - counts.mean()) ** 2 / counts.mean()).sum())


# A permutation, the same for every stretch.


@pytest.mark.parametrize("num_rows", NUM_ROWS)
def test_permute_any_num_rows_serves_each_row_once(num_rows: int) -> None:
    """Every row is served exactly once, as int64."""
    order = whole(num_rows, seed=7, epoch=3)
    assert np.int64 == order.dtype
    np.testing.assert_array_equal(np.arange(num_rows), np.sort(order))


@given(
    num_rows=st.integers(1, 200_000),
    seed=st.integers(0, 2**64),
    epoch=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_permute_any_seed_and_epoch_is_a_bijection(num_rows: int, seed: int, epoch: int) -> None:
    """Whatever the number of rows, the seed and the epoch, no row is lost or doubled."""
    counts = np.bincount(whole(num_rows, seed, epoch), minlength=num_rows)
    assert (num_rows, 1, 1) == (len(counts), counts.min(), counts.max())


@pytest.mark.parametrize("num_rows", NUM_ROWS)
def test_permute_stretch_is_a_slice_of_the_whole(num_rows: int) -> None:
    """A stretch computed on its own holds what the whole pass holds there."""
    order = whole(num_rows, seed=5, epoch=2)
    rng = np.random.default_rng(num_rows)
    stretches = [(0, 0), (0, 1), (0, num_rows), (num_rows - 1, num_rows), (num_rows, num_rows)]
    stretches += [tuple(sorted(rng.integers(0, num_rows + 1, 2))) for _ in range(20)]
    for start, stop in stretches:
        np.testing.assert_array_equal(
            order[start:stop], permute(int(start), int(stop), num_rows, seed=5, epoch=2)
        )


@pytest.mark.parametrize("num_rows", [1000, 100_003])
def test_permute_other_seed_or_epoch_is_another_order(num_rows: int) -> None:
    """Seeds and epochs give orders that share no more positions than chance lets them."""
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2**32, 0), (2**64, 0)]
    orders = [whole(num_rows, seed, epoch) for seed, epoch in pairs]
    for index, order in enumerate(orders):
        for other in orders[:index]:
            # One position on average; more than 8 once in a million.
            assert np.count_nonzero(order == other) <= 8


@pytest.mark.parametrize(
    ("expected", "arguments"),
    [
        pytest.param([3, 7, 6, 4, 1, 0, 5, 2], (0, 8, 8, 0, 0), id="sorted-keys"),
        pytest.param([1, 7, 2, 0, 6, 5, 3, 4], (0, 8, 8, 0, 1), id="sorted-keys-next-epoch"),
        pytest.param([51925, 83250, 78645, 74737], (0, 4, 100_003, 0, 0), id="network"),
        pytest.param([77370, 74020], (100_001, 100_003, 100_003, 0, 0), id="network-end"),
    ],
)
def test_permute_pinned_order_holds(expected: list[int], arguments: Any) -> None:
    """The same seed gives the order that it gave in the first release.

    These may change only with a major version, and the change log must say so: whoever
    resumes or repeats a training relies on them.
    """
    assert expected == permute(*arguments).tolist()


def test_rows_pinned_batch_shuffle_holds() -> None:
    """Batches shuffled within keep their order too, and may change as the orders above may."""
    order = Order(10, batch_size=4, shuffle="batch")
    assert [3, 1, 0, 2, 7, 6, 4, 5, 8, 9] == order.rows(0, 0, 3).tolist()


# As good as random. Seeds are fixed, so that a statistic is a constant of the algorithm; the
# limits are those that true chance exceeds once in a thousand runs.


@pytest.mark.parametrize("shuffle", ["rows", "batch"])
@pytest.mark.parametrize(
    ("num_rows", "limit"),
    [pytest.param(2, 10.8, id="2"), pytest.param(3, 20.5, id="3"), pytest.param(4, 49.7, id="4")],
)
def test_rows_all_orders_of_few_rows_are_equally_frequent(
    shuffle: Any, num_rows: int, limit: float
) -> None:
    """Each of the 2, 6 or 24 orders comes up as often as any other."""
    order = Order(num_rows, batch_size=num_rows, shuffle=shuffle)
    found = Counter(
        tuple(dataclasses.replace(order, seed=seed).rows(epoch, 0, 1).tolist())
        for seed in range(600)
        for epoch in range(4)
    )
    assert math.factorial(num_rows) == len(found)
    assert chi_square(np.array(list(found.values()))) < limit


@pytest.mark.parametrize("num_rows", [1000, SORTED_ROWS_MAX, SORTED_ROWS_MAX + 1, 100_003])
@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_permute_one_position_holds_any_row_equally_often(num_rows: int, position: str) -> None:
    """Over the epochs, each position holds rows of every sixteenth of the file alike."""
    at = {"first": 0, "middle": num_rows // 2, "last": num_rows - 1}[position]
    # A sort of 65,536 keys takes 5 ms.
    epochs = range(300 if num_rows == SORTED_ROWS_MAX else 2000)
    rows = np.array([permute(at, at + 1, num_rows, 0, epoch)[0] for epoch in epochs])
    assert chi_square(np.bincount(rows * 16 // num_rows, minlength=16)) < 37.7


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_rows", [1000, SORTED_ROWS_MAX + 1, 100_003])
def test_permute_one_pass_is_uniform(num_rows: int, seed: int) -> None:
    """In one pass, each part of it holds rows of every part of the file alike."""
    buckets = 16 if num_rows > 10_000 else 8
    order = whole(num_rows, seed)
    positions = np.arange(num_rows)
    table = np.bincount(
        (positions * buckets // num_rows) * buckets + order * buckets // num_rows,
        minlength=buckets**2,
    )
    freedom = (buckets - 1) ** 2
    assert abs(chi_square(table) - freedom) < 3.5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_rows", [1000, SORTED_ROWS_MAX + 1, 100_003])
def test_permute_neighbours_in_a_pass_are_unrelated(num_rows: int, seed: int) -> None:
    """No serial correlation at lags 1 to 4, none with the position, none with the next epoch."""
    order = whole(num_rows, seed)
    correlations = [np.corrcoef(order[:-lag], order[lag:])[0, 1] for lag in (1, 2, 3, 4)]
    correlations.append(np.corrcoef(np.arange(num_rows), order)[0, 1])
    correlations.append(np.corrcoef(order, whole(num_rows, seed, epoch=1))[0, 1])
    # In standard deviations, which are 1 / sqrt(num_rows).
    assert max(map(abs, correlations)) * math.sqrt(num_rows) < 3.9
    # Rows that are neighbours in the file follow each other twice in a pass on average.
    assert np.count_nonzero(np.abs(np.diff(order)) == 1) <= 10


# Memory.


@pytest.mark.parametrize("shuffle", ["rows", "batch", None])
def test_rows_of_a_trillion_take_the_memory_of_a_batch(shuffle: Any) -> None:
    """A batch out of 10**12 rows costs under 1 MB, wherever in the pass it stands."""
    order = Order(10**12, batch_size=128, shuffle=shuffle, seed=1)
    tracemalloc.start()
    try:
        batches = [order.rows(9, first, first + 1) for first in (0, 10**9, order.num_batches - 1)]
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000
    rows = np.concatenate(batches)
    assert 3 * 128 == len(np.unique(rows))
    assert 0 <= rows.min() <= rows.max() < 10**12


# Batches.


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "drop_remainder", "num_batches", "is_static"),
    [
        pytest.param(12, 4, False, 3, True, id="no-remainder"),
        pytest.param(12, 4, True, 3, True, id="no-remainder-to-drop"),
        pytest.param(13, 4, False, 4, False, id="short-last-batch"),
        pytest.param(13, 4, True, 3, True, id="short-last-batch-dropped"),
        pytest.param(15, 4, False, 4, False, id="last-batch-lacks-one"),
        pytest.param(3, 4, False, 1, False, id="only-a-short-batch"),
        pytest.param(3, 4, True, 0, True, id="only-a-short-batch-dropped"),
        pytest.param(3, 1, False, 3, True, id="batches-of-one"),
    ],
)
def test_order_batches_are_counted(
    num_samples: int, batch_size: int, drop_remainder: bool, num_batches: int, is_static: bool
) -> None:
    """Batches are counted with their remainder or without, and known to be full or not."""
    order = Order(num_samples, batch_size, drop_remainder)
    assert (num_batches, is_static) == (order.num_batches, order.has_static_batches)
    served = num_batches * batch_size if drop_remainder else num_samples
    assert (0, served) == order.bounds(0, order.num_batches)


@pytest.mark.parametrize(
    ("expected", "first_batch", "last_batch", "drop_remainder"),
    [
        pytest.param((0, 4), 0, 1, False, id="first"),
        pytest.param((4, 12), 1, 3, False, id="two"),
        pytest.param((8, 13), 2, 4, False, id="short-last-batch"),
        pytest.param((8, 12), 2, 4, True, id="short-last-batch-dropped"),
        pytest.param((12, 13), 3, 9, False, id="past-the-end"),
        pytest.param((4, 4), 1, 1, False, id="none"),
    ],
)
def test_bounds_of_batches_end_with_the_pass(
    expected: tuple[int, int], first_batch: int, last_batch: int, drop_remainder: bool
) -> None:
    """Batches are whole but the last, which ends where the pass does."""
    order = Order(13, 4, drop_remainder)
    assert expected == order.bounds(first_batch, last_batch)


@pytest.mark.parametrize("shuffle", ["rows", "batch", None])
@pytest.mark.parametrize("num_samples", [13, 70_001])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_rows_of_batches_make_up_the_pass(
    shuffle: Any, num_samples: int, drop_remainder: bool
) -> None:
    """Batches taken one by one, or several at once, are the same rows; none comes twice."""
    batch_size = 4 if num_samples < 100 else 3000
    order = Order(num_samples, batch_size, drop_remainder, shuffle, seed=3)
    one_by_one = [order.rows(2, i, i + 1) for i in range(order.num_batches)]
    whole_pass = order.rows(2, 0, order.num_batches)
    np.testing.assert_array_equal(whole_pass, np.concatenate(one_by_one))
    served = len(whole_pass)
    assert served == len(np.unique(whole_pass))
    assert num_samples - (num_samples % batch_size if drop_remainder else 0) == served


def test_rows_unshuffled_are_in_file_order() -> None:
    """Without shuffling a pass is the file from its first row to its last."""
    order = Order(10, 4)
    assert order.is_contiguous
    assert [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] == order.rows(5, 0, 3).tolist()


@pytest.mark.parametrize("num_samples", [13, 70_001])
def test_rows_batch_shuffle_keeps_the_set_of_each_batch(num_samples: int) -> None:
    """`"batch"` moves rows within their batch alone, and does move them."""
    order = Order(num_samples, 4, shuffle="batch")
    rows = order.rows(0, 0, order.num_batches)
    batches = [sorted(rows[start : start + 4].tolist()) for start in range(0, num_samples, 4)]
    in_file_order = [list(range(start, start + 4)) for start in range(0, num_samples - 1, 4)]
    assert [*in_file_order, [num_samples - 1]] == batches
    assert np.count_nonzero(rows != np.arange(num_samples)) > num_samples / 2
    assert rows.tolist() != order.rows(1, 0, order.num_batches).tolist()


@pytest.mark.parametrize("shuffle", ["rows", "batch", None])
def test_rows_with_indices_are_those_alone(shuffle: Any) -> None:
    """An order over chosen rows serves these, in the order of one over as many rows."""
    indices = np.array([50, 3, 8, 9, 2, 40, 41])
    plain = Order(7, 3, shuffle=shuffle, seed=4)
    chosen = dataclasses.replace(plain, indices=indices)
    assert not chosen.is_contiguous
    assert indices[plain.rows(1, 0, 3)].tolist() == chosen.rows(1, 0, 3).tolist()


@pytest.mark.parametrize("num_samples", [1000, 70_000])
@pytest.mark.parametrize("shuffle", ["rows", "batch", None])
def test_rows_rebuilt_order_is_equal(num_samples: int, shuffle: Any) -> None:
    """A pickled and a shuffled copy serve the same rows, epoch by epoch."""
    order = Order(num_samples, 64, shuffle=shuffle, seed=2**40)
    copies = [pickle.loads(pickle.dumps(order)), Order(num_samples, 64, seed=2**40)]
    copies[1] = copies[1].shuffled(shuffle)
    for epoch in (0, 1, 2, 0):
        for copy in copies:
            np.testing.assert_array_equal(order.rows(epoch, 3, 9), copy.rows(epoch, 3, 9))


def test_rows_writing_into_a_batch_leaves_the_order_alone() -> None:
    """Rows handed out are read-only where they are a view of the kept order."""
    order = Order(8, 4, shuffle="rows")
    with pytest.raises(ValueError, match="read-only"):
        order.rows(0, 0, 1)[0] = 9


# Which rows an index selects.


@pytest.mark.parametrize(
    ("expected", "index"),
    [
        pytest.param([0, 1, 2, 3, 4], slice(None), id="all"),
        pytest.param([1, 3], slice(1, None, 2), id="slice-with-step"),
        pytest.param([4, 3, 2, 1, 0], slice(None, None, -1), id="slice-backwards"),
        pytest.param([3, 4], slice(-2, None), id="slice-from-the-end"),
        pytest.param([2, 3, 4], slice(2, 99), id="slice-past-the-end"),
        pytest.param([0, 2, 4], range(0, 5, 2), id="range"),
        pytest.param([4, 2], range(4, 1, -2), id="range-backwards"),
        pytest.param([3, 4], range(-2, 0), id="negative-range"),
        pytest.param([4, 0, 4], [4, 0, 4], id="list-with-repeat"),
        pytest.param([4, 0], [-1, -5], id="negative"),
        pytest.param([1, 4, 0], [1, -1, 0], id="both-signs"),
        pytest.param([4, 1], np.array([4, 1], "uint8"), id="uint8"),
        pytest.param([4, 1], np.array([-1, 1], "int8"), id="int8"),
        pytest.param([1, 4], np.array([False, True, False, False, True]), id="mask"),
        pytest.param([0, 2], [True, False, True, False, False], id="list-as-mask"),
    ],
)
def test_to_indices_selection_means_what_it_means_in_numpy(expected: list[int], index: Any) -> None:
    """Slices, ranges, integers and masks select the rows that NumPy would, as int64."""
    indices = to_indices(index, 5)
    assert np.int64 == indices.dtype
    assert expected == indices.tolist()
    if not isinstance(index, range):
        assert expected == np.arange(5)[index].tolist()


def test_to_indices_small_dtype_with_many_rows_does_not_overflow() -> None:
    """A negative int8 counts from the end of a file with more rows than int8 can say."""
    assert [999, 872] == to_indices(np.array([-1, -128], "int8"), 1000).tolist()


@pytest.mark.parametrize(
    ("error", "index", "message"),
    [
        pytest.param(ValueError, [True, False], r"shape \(2,\) for 5 rows", id="short-mask"),
        pytest.param(ValueError, [True] * 6, r"shape \(6,\) for 5 rows", id="long-mask"),
        pytest.param(ValueError, np.ones((5, 1), bool), r"shape \(5, 1\) for", id="2-d-mask"),
        pytest.param(ValueError, True, r"shape \(\) for 5 rows", id="bool"),
        pytest.param(ValueError, [False] * 5, "Received: none of 5", id="empty-mask"),
        pytest.param(ValueError, [], "Received: none of 5", id="empty-list"),
        pytest.param(ValueError, slice(3, 3), "Received: none of 5", id="empty-slice"),
        pytest.param(ValueError, slice(9, None), "Received: none of 5", id="slice-of-nothing"),
        pytest.param(ValueError, range(0), "Received: none of 5", id="empty-range"),
        pytest.param(ValueError, [[0, 1]], r"Received: shape \(1, 2\).*flat", id="2-d"),
        pytest.param(ValueError, 3, r"Received: shape \(\).*flat", id="single-integer"),
        pytest.param(IndexError, [0, 5], "-5 <= index < 5.*Received: 5.*Leave", id="too-high"),
        pytest.param(IndexError, [0, -6], "-5 <= index < 5.*Received: -6.*Leave", id="too-low"),
        pytest.param(IndexError, range(3, 7), "Received: 6", id="range-too-high"),
        pytest.param(IndexError, np.array([2**64 - 1], "uint64"), "1844674407370955161", id="huge"),
        pytest.param(TypeError, [0.0, 1.0], "Received: list of float64.*row numbers", id="floats"),
        pytest.param(TypeError, 1.5, "Received: float of float64", id="float"),
        pytest.param(TypeError, ["1"], "Received: list of <U1", id="strings"),
        pytest.param(TypeError, None, "Received: NoneType of object", id="none"),
        pytest.param(TypeError, [2**70], "Received: list of object", id="beyond-64-bits"),
    ],
)
def test_to_indices_no_selection_of_rows_is_refused(
    error: type[Exception], index: Any, message: str
) -> None:
    """What selects no rows, or rows that do not exist, is refused with what to pass instead."""
    with pytest.raises(error, match=message):
        to_indices(index, 5)


def test_order_of_a_range_takes_no_memory() -> None:
    """A slice of 1e12 rows is served like a file of its own, and a slice of it too."""
    tracemalloc.start()
    try:
        rows = to_rows(slice(5, None), 10**12)
        order = Order(num_samples=len(rows), batch_size=4, indices=rows)
        part = order.subset(to_rows(slice(10, 100_000_000, 3), order.num_samples))
        assert [15, 18, 21, 24] == part.rows(0, 0, 1).tolist()
        assert [10**12 - 1] == order.rows(0, order.num_batches - 1, order.num_batches).tolist()[-1:]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1_000_000 > peak_bytes
    assert order.is_contiguous
    assert not part.is_contiguous


@settings(deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_order_subset_of_any_kind_indexes_twice(data: st.DataObject) -> None:
    """A range or numbers of a range or numbers are NumPy's indices of indices."""

    def draw(num_rows: int) -> Any:
        if data.draw(st.booleans()):
            start, stop = sorted(
                data.draw(st.lists(st.integers(0, num_rows), min_size=2, max_size=2))
            )
            step = data.draw(st.integers(1, 3))
            chosen = range(start, stop, step)
            chosen = chosen[::-1] if data.draw(st.booleans()) else chosen
            return chosen if chosen else range(num_rows)
        return data.draw(st.lists(st.integers(0, num_rows - 1), min_size=1, max_size=20))

    first = draw(40)
    order = Order(num_samples=40, batch_size=100).subset(to_rows(first, 40))
    second = draw(len(first))
    part = order.subset(to_rows(second, len(first)))
    expected = np.arange(40)[np.array(first)][np.array(second)]
    assert expected.tolist() == part.rows(0, 0, 1).tolist()
