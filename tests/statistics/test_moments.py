"""Mean and variance are right in one pass, however the rows are cut and wherever they lie."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_npy.statistics import moments as statistics
from keras_npy.statistics.moments import Moments, merge, moments_of, stream


def all_rows_merged(values: np.ndarray, sizes: list[int]) -> Moments:
    """The moments of values cut into blocks of these sizes, and a last one."""
    blocks = np.split(values, np.cumsum(sizes))
    return stream(iter(blocks), lambda ndim: (ndim - 1,))


@given(
    st.lists(st.integers(0, 9), max_size=6),
    st.integers(1, 3),
    st.floats(-1e6, 1e6),
    st.integers(0, 2**32),
)
def test_stream_any_cut_gives_the_statistics_of_the_whole(
    sizes: list[int], num_channels: int, offset: float, seed: int
) -> None:
    """Blocks of any length, empty ones too."""
    values = np.random.default_rng(seed).normal(offset, 3, (40, 2, num_channels))
    moments = all_rows_merged(values, sizes)
    assert 80 == moments.count
    np.testing.assert_allclose(values.mean(axis=(0, 1)), moments.mean, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(values.var(axis=(0, 1)), moments.variance, rtol=1e-9)


@pytest.mark.parametrize("kept_axes", [(), (1,), (2,), (3,), (1, 3), (1, 2, 3)])
def test_moments_of_a_block_larger_than_a_piece(
    kept_axes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut along whatever is reduced, the values are counted once."""
    monkeypatch.setattr(statistics, "PIECE_VALUES_MAX", 50)
    block = np.arange(7 * 5 * 4 * 3).reshape(7, 5, 4, 3).astype("uint16") ** 2
    reduced = tuple(axis for axis in range(4) if axis not in kept_axes)
    moments = moments_of(block, kept_axes)
    np.testing.assert_allclose(block.mean(axis=reduced), moments.mean, rtol=1e-14)
    np.testing.assert_allclose(block.var(axis=reduced), moments.variance, rtol=1e-13)
    assert block.size == moments.count * math.prod(block.shape[axis] for axis in kept_axes)


def test_stream_float32_near_1e4_is_right_where_naive_sums_are_not() -> None:
    """2e6 values with a deviation of 0.01; a float32 sum is off by more than the deviation."""
    noise = np.random.default_rng(0).normal(0, 0.01, 1 << 21)
    values = (1e4 + noise).astype("float32")[:, None]
    exact = values.astype(np.float64)
    mean = math.fsum(exact[:, 0]) / len(exact)
    variance = math.fsum((exact[:, 0] - mean) ** 2) / len(exact)
    moments = stream(iter(np.array_split(values, 300)), lambda ndim: (1,))
    np.testing.assert_allclose(mean, moments.mean[0], rtol=1e-15)
    np.testing.assert_allclose(variance, moments.variance[0], rtol=1e-10)
    naive_mean = np.cumsum(values[:, 0], dtype=np.float32)[-1] / np.float32(len(values))
    naive_variance = np.mean(values**2, dtype=np.float64) - moments.mean[0] ** 2
    assert abs(naive_mean - mean) > 0.01
    assert abs(naive_variance - variance) > 0.1 * variance


def test_stream_1e8_rows_near_1e4_keep_their_statistics() -> None:
    """One block of known moments 100 times over: the sums grow, the statistics must not."""
    noise = np.random.default_rng(0).normal(0, 0.01, (1_000_000, 1))
    block = (1e4 + noise).astype("float32")
    # Each is moved by a step that float32 holds exactly near 1e4, so that blocks differ.
    steps = (np.arange(100) - 49.5) / 512
    moments = stream((block + np.float32(step) for step in steps), lambda ndim: (1,))
    assert 100_000_000 == moments.count
    exact = block[:, 0].astype(np.float64)
    mean = math.fsum(exact) / len(exact)
    variance = math.fsum((exact - mean) ** 2) / len(exact) + np.mean(steps**2)
    np.testing.assert_allclose(mean, moments.mean[0], rtol=1e-15)
    np.testing.assert_allclose(variance, moments.variance[0], rtol=1e-10)


def test_merge_is_exact_for_numbers_that_float64_holds() -> None:
    """Against fractions: the formula itself, with no rounding in it."""
    one, other = np.array([1.0, 2, 3, 6]), np.array([8.0, 8, 8, 16, 20, 12, 4, 4, 4, 4, 4, 4])
    merged = merge(moments_of(one, ()), moments_of(other, ()))
    both = [Fraction(int(value)) for value in (*one, *other)]
    mean = sum(both) / 16
    assert float(mean) == merged.mean
    assert float(sum((value - mean) ** 2 for value in both) / 16) == merged.variance


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64", ">f4"])
def test_stream_takes_any_real_dtype(dtype: str) -> None:
    """Accumulated in float64, whatever is stored."""
    values = np.array([[0, 1], [1, 1], [1, 1], [0, 1]]).astype(dtype)
    moments = stream([values], lambda ndim: (1,))
    assert ([0.5, 1], [0.25, 0]) == (moments.mean.tolist(), moments.variance.tolist())
    assert np.float64 == moments.mean.dtype


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_stream_values_that_have_no_variance_are_refused(value: float) -> None:
    """The rows are named."""
    blocks = [np.ones((4, 1)), np.array([[1.0], [value]])]
    with pytest.raises(
        ValueError, match=r"finite values.*(NaN or infinity|a larger value), first in row 5\. Leave"
    ):
        stream(blocks, lambda ndim: (1,))


def test_stream_without_rows_is_refused() -> None:
    """No blocks, or empty ones."""
    for blocks in ([], [np.ones((0, 3))]):
        with pytest.raises(ValueError, match=r"at least one row.*Received.*Pass a source"):
            stream(blocks, lambda ndim: (1,))


def test_stream_blocks_of_other_channels_are_refused() -> None:
    """They would broadcast, or fail without a word of the row."""
    with pytest.raises(ValueError, match=r"same sizes.*\(1,\) from row 2 on, \(3,\) before"):
        stream([np.ones((2, 3)), np.ones((2, 1))], lambda ndim: (1,))
