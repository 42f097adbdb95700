"""Groups of rows are dealt out whole, near to the shares."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy.order.groups import deal_groups


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(0, 99),
    st.booleans(),
)
def test_groups_two_parts_differ_from_their_shares_by_less_than_a_group(
    sizes: list[int], fraction: float, seed: int, has_classes: bool
) -> None:
    """Disjoint, complete, in order, none empty, and no group on both sides."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    classes = rng.integers(0, 3, len(groups)) if has_classes else None
    first, second = deal_groups(groups, [1 - fraction, fraction], seed=seed, classes=classes)
    assert list(range(len(groups))) == sorted([*first, *second])
    assert [sorted(first), sorted(second)] == [first.tolist(), second.tolist()]
    assert not set(groups[first]) & set(groups[second])
    assert min(len(first), len(second)) >= 1
    if not has_classes:
        assert max(sizes) > abs(len(second) - fraction * len(groups))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(2, 6), st.data())
def test_groups_of_folds_differ_by_at_most_a_group(k: int, data: st.DataObject) -> None:
    """As with scikit-learn's GroupKFold, each group is in one fold."""
    sizes = data.draw(st.lists(st.integers(1, 30), min_size=k, max_size=40))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    parts = deal_groups(groups, [1 / k] * k)
    assert list(range(len(groups))) == sorted(itertools.chain(*parts))
    assert all(len(part) for part in parts)
    held = [set(groups[part].tolist()) for part in parts]
    assert len(sizes) == sum(map(len, held))
    assert max(sizes) >= max(abs(len(part) - len(groups) / k) for part in parts)


def score(weights: np.ndarray, part_of: Any, fraction: float) -> float:
    """The squares of what the second of two parts misses, or has too much."""
    return float(np.square(weights[np.asarray(part_of) == 1].sum(axis=0) - fraction).sum())


@pytest.mark.parametrize("has_classes", [False, True])
def test_groups_that_are_few_are_dealt_out_nearly_as_well_as_possible(has_classes: bool) -> None:
    """Compared with all ways to deal up to 8 groups out: the best one in nine of ten cases."""
    rng, num_best = np.random.default_rng(0), 0
    for _ in range(30):
        sizes = rng.integers(1, 20, rng.integers(3, 9))
        groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
        classes = rng.integers(0, 3, len(groups)) if has_classes else None
        counts = [np.bincount(groups)]
        if classes is not None:
            counts += [np.bincount(groups[classes == c], minlength=len(sizes)) for c in range(3)]
        weights = np.stack([count / count.sum() for count in counts], axis=1)
        fraction = float(rng.choice([0.2, 0.3, 0.5]))
        second = deal_groups(groups, [1 - fraction, fraction], classes=classes)[1]
        is_second = np.isin(np.arange(len(sizes)), groups[second])
        ways = (
            way for way in itertools.product((0, 1), repeat=len(sizes)) if 0 < sum(way) < len(way)
        )
        best = min(score(weights, way, fraction) for way in ways)
        num_best += score(weights, is_second, fraction) <= best + 1e-9
    assert 27 <= num_best


def test_groups_any_group_may_be_held_out() -> None:
    """Large ones too: a part is no choice by size."""
    sizes = np.array([8, 1, 1, 1, 5, 5, 3, 3, 3, 10])
    groups = np.repeat(np.arange(10), sizes)
    held = set()
    for seed in range(40):
        held |= set(groups[deal_groups(groups, [0.7, 0.3], seed=seed)[1]].tolist())
    assert set(range(10)) == held
