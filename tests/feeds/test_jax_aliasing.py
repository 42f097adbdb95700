"""What JAX uses in place on the CPU is memory that is used again: nothing that it has may change.

Keras 3.16 puts each batch with `jax.device_put`, earlier ones hand it to a compiled step.
"""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter

jax = pytest.importorskip("jax")


def numbered(num_rows: int, row_values: int) -> np.ndarray:
    """Rows each full of its own number."""
    return np.broadcast_to(np.arange(num_rows, dtype="float32")[:, None], (num_rows, row_values))


def arrays_of(batch: Any) -> list[Any]:
    """The leaves of a batch, or of the batches of a short super-batch."""
    parts = batch if isinstance(batch, list) else [batch]
    return [jax.device_put(leaf) for part in parts for leaf in keras.tree.flatten(part)]


@pytest.mark.parametrize("super_batch", [None, 2, 3])
@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize(
    ("batch_size", "row_values"),
    [
        pytest.param(2, 3, id="bytes"),
        pytest.param(4, 16, id="aligned-groups"),
        pytest.param(4, 4096, id="64-kB"),
        pytest.param(4, 131072, id="2-MB"),
    ],
)
def test_get_jax_iterator_arrays_put_on_the_device_never_change(
    batch_size: int, row_values: int, steps: int | None, super_batch: int | None
) -> None:
    """All arrays of three passes are kept, while others come and go."""
    seq = NpySequence(numbered(22, row_values), np.arange(22), batch_size=batch_size, seed=1)
    adapter = PlannedAdapter(AdapterPlan(seq, shuffle=True, batches_per_epoch=steps))
    arguments = {} if super_batch is None else {"super_batch": super_batch}
    kept, seen = [], []
    for _ in range(3):
        for number, batch in enumerate(adapter.get_jax_iterator(**arguments)):
            if steps is not None and number == steps:
                break
            arrays = arrays_of(batch)
            # Half of them are let go of, so that their memory is lent again.
            if number % 2 == 0:
                kept.append(arrays)
                seen.append([np.array(array, copy=True) for array in arrays])
            del arrays, batch
    assert len(kept) >= 3
    for arrays, copies in zip(kept, seen, strict=True):
        for array, copied in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(copied, array)
        assert_rows_are_whole(arrays)


def assert_rows_are_whole(arrays: list[Any]) -> None:
    """Each row of x holds its number alone, which y has as well."""
    for x, y in zip(arrays[::2], arrays[1::2], strict=True):
        rows = np.asarray(x).reshape(-1, x.shape[-1])
        np.testing.assert_array_equal(np.asarray(y).reshape(-1), rows[:, 0])
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))
