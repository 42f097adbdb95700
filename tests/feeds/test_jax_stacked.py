"""Small super-batches that the reader thread makes as arrays of JAX, on the CPU."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from tests.conftest import only_on

jax = pytest.importorskip("jax")
pytestmark = only_on("jax", reason="there alone are super-batches made by JAX")

NUM_PARTS = 5


def adapter(num_rows: int, steps: int | None) -> PlannedAdapter:
    """Rows, labels and bits that each say the row's number."""
    numbers = np.arange(num_rows)
    x = {"a": np.repeat(numbers[:, None], 16, 1).astype("float32"), "b": numbers % 3 == 0}
    seq = NpySequence(x, numbers, batch_size=4, seed=1)
    return PlannedAdapter(AdapterPlan(seq, shuffle=True, batches_per_epoch=steps))


@pytest.mark.parametrize(
    ("num_rows", "steps", "least_made"),
    [
        pytest.param(800, None, 96, id="whole-batches"),
        pytest.param(799, None, 72, id="short-last-batch"),
        pytest.param(800, 37, 96, id="endless"),
        pytest.param(399, 37, 1, id="endless-with-short-batches"),
        pytest.param(36, None, 0, id="few"),
    ],
)
def test_super_batches_made_by_jax_are_the_batches_and_never_change(
    num_rows: int, steps: int | None, least_made: int
) -> None:
    """All of three passes are kept, while the memory of their rows is lent again and again."""
    num_taken = 60 if steps else None
    single, supers = adapter(num_rows, steps), adapter(num_rows, steps)
    num_made = 0
    for _ in range(3):
        expected = single.get_jax_iterator()
        for got in list(itertools.islice(supers.get_jax_iterator(NUM_PARTS), num_taken)):
            parts = [next(expected) for _ in range(NUM_PARTS if steps else len(got_parts(got)))]
            for got_part, part in zip(got_parts(got), parts, strict=True):
                for leaf, one in zip(got_part, keras.tree.flatten(part), strict=True):
                    np.testing.assert_array_equal(one, leaf)
            num_made += isinstance(keras.tree.flatten(got)[0], jax.Array)
        if steps is None:
            assert next(expected, None) is None
    assert num_made >= least_made


def got_parts(got: Any) -> list[list[np.ndarray]]:
    """The batches of a super-batch, each as its leaves."""
    if isinstance(got, list):
        return [[np.asarray(leaf) for leaf in keras.tree.flatten(part)] for part in got]
    return list(zip(*(np.asarray(leaf) for leaf in keras.tree.flatten(got)), strict=True))


@pytest.mark.parametrize("has_64_bits", [False, True])
def test_super_batches_where_jax_holds_64_bits_keep_them(has_64_bits: bool) -> None:
    """JAX may hold 64 bits in the thread of `fit` alone, which the reader thread cannot see."""
    with jax.enable_x64(has_64_bits):
        batches = adapter(400, None).get_jax_iterator(NUM_PARTS)
        assert {"int64" if has_64_bits else "int32"} == {
            jax.device_put(y).dtype.name for _, y in batches
        }
