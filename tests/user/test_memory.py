"""Memory is a few batches, whatever the size of the file, and nothing leaks."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpySequence
from tests.conftest import Stored, make_model, only_on
from tests.processes import run_forked

_GROWTH = """
    import sys
    import numpy as np, keras, keras_npy
    from keras_npy.tools.demo.run import anonymous_bytes

    path, y_path, batch_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    model = keras.Sequential([
        keras_npy.Input(path), keras_npy.NpyInputLayer(), keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1),
    ])
    model.compile("sgd", "mse")
    # The graph, the optimizer and TensorFlow's pools are paid for before the measurement.
    warm = keras_npy.NpySequence(path, y_path, batch_size=batch_size, indices=slice(0, 300))
    model.fit(warm, verbose=0)
    before = anonymous_bytes()
    seq = keras_npy.NpySequence(path, y_path, batch_size=batch_size)
    model.fit(seq, verbose=0, shuffle=sys.argv[4] == "True")
    print(anonymous_bytes() - before)
"""


ALIASED = only_on("tensorflow", reason="other backends are handed copies, which are aligned")


@pytest.mark.parametrize(
    ("dtype", "shuffle", "side", "batch_size"),
    [
        pytest.param("<u2", True, 128, 32, id="shuffled"),
        pytest.param(">u2", True, 128, 32, id="other-byte-order"),
        pytest.param("<u2", False, 128, 32, id="file-order"),
        # 125 * 125 * 3 * 2 is no multiple of 64, 32 times that is one, 31 times is none.
        pytest.param("<u2", False, 125, 32, id="file-order-rows-misaligned", marks=ALIASED),
        pytest.param("<u2", False, 125, 31, id="file-order-batches-misaligned", marks=ALIASED),
    ],
)
def test_fit_over_500_mb_holds_a_few_batches(
    tmp_path: Path, dtype: str, shuffle: bool, side: int, batch_size: int
) -> None:
    """An epoch over 500 MB grows RssAnon by less than 64 MB and 8 batches."""
    num_rows = 5_400
    shape = (num_rows, side, side, 3)
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.dtype(dtype), shape)
    array[..., 0] = 7
    array.flush()
    assert 500e6 < array.nbytes
    del array
    np.save(tmp_path / "y.npy", np.zeros(num_rows, "float32"))
    grown_bytes = run_forked(_GROWTH, tmp_path / "x.npy", tmp_path / "y.npy", batch_size, shuffle)
    assert (64 << 20) + 8 * batch_size * side * side * 6 > int(grown_bytes)


_FIT_AGAIN_AND_AGAIN = """
    import gc, os, sys, threading
    import keras_npy
    from tests.conftest import make_model

    def opened():
        # Twice: the first frees Keras's objects and with them TensorFlow's, which own ours.
        gc.collect()
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    def fit_and_abandon():
        seq = keras_npy.NpySequence(sys.argv[1], sys.argv[2], batch_size=8)
        model.fit(seq, steps_per_epoch=2, verbose=0)
        next(iter(seq))

    model = make_model()
    fit_and_abandon()
    before = opened()
    for _ in range(10):
        fit_and_abandon()
    after = opened()
    assert before == after, (before, after)
    print("same")
"""


def test_fit_many_times_leaves_no_descriptor_and_no_thread(stored: Stored) -> None:
    """Ten fits, abandoned iterators and new sequences: what was open before is open after."""
    assert "same" == run_forked(_FIT_AGAIN_AND_AGAIN, stored.x_path, stored.y_path)


_FIT_MANY_TIMES = """
    import sys, warnings
    import keras, keras_npy
    from keras_npy.tools.demo.run import anonymous_bytes

    # It says what is tested: that rows in Fortran order are copied.
    warnings.simplefilter("ignore", keras_npy.NpyLayoutWarning)
    seq = keras_npy.NpySequence(sys.argv[1], sys.argv[2], batch_size=64)
    model = keras.Sequential([keras_npy.Input(seq), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    grown = []
    for number in range(81):
        model.fit(seq, verbose=0)
        if number in (10, 80):
            grown.append(anonymous_bytes())
    print(grown[1] - grown[0])
"""


@only_on("tensorflow", "jax", reason="3,800 steps take 50 s, and torch reads as JAX does")
def test_fit_many_times_holds_no_more_than_a_few_times(tmp_path: Path) -> None:
    """In 70 more fits of 9 MB, RssAnon grows by less than 64 MB."""
    # By 29 MB at most in five runs, and by 137 to 155 MB when earlier fits kept their memory.
    np.save(tmp_path / "x.npy", np.asfortranarray(np.ones((3000, 784), "float32")))
    np.save(tmp_path / "y.npy", np.zeros((3000, 1), "float32"))
    assert 64 << 20 > int(run_forked(_FIT_MANY_TIMES, tmp_path / "x.npy", tmp_path / "y.npy"))


def test_sequence_is_freed_when_it_is_deleted(stored: Stored) -> None:
    """Neither Keras nor TensorFlow keeps a sequence that was trained on."""
    seq = stored.sequence()
    make_model().fit(seq, verbose=0)
    alive = weakref.ref(seq)
    del seq
    # The first frees Keras's model and with it TensorFlow's tensors, which own Python's objects.
    gc.collect()
    gc.collect()
    assert alive() is None


def test_sequence_iteration_peaks_at_a_few_batches(tmp_path: Path) -> None:
    """A pass over 100 batches holds less than 4 of them at a time."""
    import tracemalloc

    np.save(tmp_path / "x.npy", np.zeros((6400, 1024), "uint8"))
    seq = NpySequence(tmp_path / "x.npy", batch_size=64, shuffle=True, seed=0)
    next(iter(seq))
    tracemalloc.start()
    try:
        assert 100 == sum(1 for _ in seq)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 4 * 64 * 1024 + 6400 * 8 > peak_bytes
