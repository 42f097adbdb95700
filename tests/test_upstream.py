"""Canaries: each quirk of Keras, TensorFlow, JAX, torch and NumPy that a workaround stands on.

A test that fails here says that a quirk is gone, and where the workaround is that can go with it.
"""

import functools
import importlib.util
import io
import mmap
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import only_on
from tests.processes import run_forked

# NumPy and Python.


def test_np_take_raising_gathers_into_a_buffer_of_its_own_first() -> None:
    """files/values.py, rows/stored.py: rows are taken with mode="clip"."""
    rows, out = np.zeros((64, 4096), "uint8"), np.empty((32, 4096), "uint8")
    peaks = {}
    for mode in ("raise", "clip"):
        tracemalloc.start()
        np.take(rows, np.arange(32), axis=0, out=out, mode=mode)  # type: ignore[call-overload] # A loop variable is no literal.
        peaks[mode] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["clip"] < out.nbytes <= peaks["raise"]


def test_numpy_exports_no_read_only_array_by_dlpack() -> None:
    """feeds/tensorflow.py: the address of the mapping is wrapped instead."""
    array = np.zeros(4)
    array.flags.writeable = False
    with pytest.raises(BufferError, match="readonly"):
        array.__dlpack__()


def test_numpy_exports_no_bfloat16_by_dlpack() -> None:
    """feeds/tensorflow.py: it is exported as uint16 and bitcast."""
    import ml_dtypes

    with pytest.raises(BufferError, match="DLPack"):
        np.zeros(4, ml_dtypes.bfloat16).__dlpack__()


def test_numpy_saves_bfloat16_as_two_bytes_without_a_meaning(tmp_path: Path) -> None:
    """files/header.py: the user says what the values of |V2 are."""
    import ml_dtypes

    np.save(tmp_path / "x.npy", np.zeros(3, ml_dtypes.bfloat16))
    assert "|V2" == np.load(tmp_path / "x.npy").dtype.str


def test_numpy_reads_a_header_of_any_declared_length_before_it_checks_it() -> None:
    """files/header.py: the length is checked first."""
    asked: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or -1)
            return super().read(min(size or 0, 64))

    with pytest.raises(ValueError, match="EOF"):
        np.lib.format.read_array_header_2_0(Watched((1 << 30).to_bytes(4, "little")))
    assert 1 << 30 == max(asked)


def test_pickled_memmap_is_the_data(tmp_path: Path) -> None:
    """rows/: paths and headers are pickled instead."""
    np.save(tmp_path / "x.npy", np.zeros(100_000, "uint8"))
    assert 100_000 < len(pickle.dumps(np.load(tmp_path / "x.npy", mmap_mode="r")))


def test_mmap_keeps_a_descriptor(tmp_path: Path) -> None:
    """files/mapping.py: the system's own call keeps none."""
    (tmp_path / "x").write_bytes(b"x" * 5000)
    before = len(os.listdir("/proc/self/fd"))
    with open(tmp_path / "x", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert before + 1 == len(os.listdir("/proc/self/fd"))
    mapped.close()


# Keras.


def test_keras_hands_a_data_adapter_back_and_drops_the_other_arguments() -> None:
    """boundary/wrap.py: a sequence is no adapter, since shuffle and class_weight would be lost."""
    from keras.src.trainers.data_adapters import get_data_adapter
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    adapter = ArrayDataAdapter(np.zeros((4, 2)), shuffle=False)
    original = get_data_adapter.__wrapped__
    assert adapter is original(adapter, shuffle=True, class_weight={0: 1.0})


@only_on("tensorflow", "jax", reason="Keras 3.15 takes no steps_per_execution on torch")
def test_keras_last_execution_of_an_epoch_is_a_whole_one() -> None:
    """boundary/adapter.py: an endless feed must have batches for all of it."""
    from keras.src.trainers.epoch_iterator import EpochIterator

    steps = EpochIterator(np.zeros((40, 1)), batch_size=4, steps_per_epoch=3, steps_per_execution=2)
    assert [(0, 1), (2, 3)] == [(first, last) for first, last, _ in steps]


def test_keras_makes_an_iterator_at_the_end_of_a_pass_and_throws_it_away() -> None:
    """feeds/: nothing is read or started before the first batch is asked for."""
    from keras.src.trainers.epoch_iterator import EpochIterator

    made: list[object] = []

    class Watched(EpochIterator):  # type: ignore[misc] # Keras ships no types.
        def _get_iterator(self) -> Any:
            made.append(1)
            return super()._get_iterator()

    epochs = Watched(np.zeros((8, 1)), batch_size=4)
    for _ in range(3):
        for _ in epochs:
            pass
    assert 6 == len(made)


def test_keras_input_is_float32_unless_it_is_told() -> None:
    """layer/input.py: `Input` reads the dtype from the source."""
    assert "float32" == keras.Input((2,)).dtype


def test_keras_autocasts_float_inputs_before_call_sees_them() -> None:
    """layer/input_layer.py: the layer turns it off."""
    seen = []

    class Watching(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types.
        def call(self, inputs: Any) -> Any:
            seen.append(keras.backend.standardize_dtype(inputs.dtype))
            return inputs

    Watching(dtype="mixed_float16")(np.zeros((1, 2), "float32"))
    assert ["float16"] == seen


def test_keras_time_distributed_calls_call() -> None:
    """layer/input_layer.py: inputs are checked there too."""
    called = []

    class Watching(keras.layers.Layer):  # type: ignore[misc] # Keras ships no types.
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            called.append("__call__")
            return super().__call__(*args, **kwargs)

        def call(self, inputs: Any) -> Any:
            called.append("call")
            return inputs

    keras.layers.TimeDistributed(Watching())(np.zeros((1, 2, 3), "float32"))
    assert "__call__" not in called
    assert "call" in called


# TensorFlow.


@only_on("tensorflow", reason="TensorFlow's own")
def test_tensorflow_numpy_function_keeps_its_function_for_ever() -> None:
    """feeds/: it is given a module's function, which finds the feed by its number."""
    kept = run_forked(
        """
        import gc, weakref
        import numpy as np, tensorflow as tf

        class Feed:
            def rows(self, number):
                return number

        feed = Feed()
        dataset = tf.data.Dataset.range(3).map(
            lambda number: tf.numpy_function(feed.rows, [number], tf.int64)
        )
        list(dataset)
        reference = weakref.ref(feed)
        del feed, dataset
        gc.collect()
        print(reference() is not None)
        """
    )
    assert "True" == kept


@only_on("tensorflow", reason="TensorFlow's own")
def test_tensorflow_copies_small_tensors_into_a_graph() -> None:
    """feeds/: what keeps a feed alive is larger than these."""
    import tensorflow as tf

    kinds = {}
    for size in (128, 129):
        numbers = tf.range(size)
        traced = tf.function(functools.partial(tf.add, numbers, 1)).get_concrete_function()
        kinds[size] = {operation.type for operation in traced.graph.get_operations()}
    assert "Placeholder" not in kinds[128]
    assert "Placeholder" in kinds[129]


@only_on("tensorflow", reason="TensorFlow's own")
def test_tensorflow_aborts_on_memory_that_is_not_aligned() -> None:
    """files/layout.py: such memory is copied."""
    with pytest.raises(AssertionError, match="IsAligned"):
        run_forked(
            """
            import numpy as np, tensorflow as tf
            memory = np.zeros(1000, "uint8")
            start = -memory.ctypes.data % 64 + 4
            tensor = tf.experimental.dlpack.from_dlpack(
                memory[start : start + 400].view("float32").__dlpack__()
            )
            print((tensor + 1.0).numpy().sum())
            """
        )


# JAX and torch.


@only_on("jax", reason="JAX's own")
def test_jax_uses_aligned_memory_in_place() -> None:
    """feeds/buffers.py: memory is lent again only when nothing refers to the array in it."""
    import jax

    memory = np.zeros(4096 + 64, "uint8")
    start = -memory.ctypes.data % 64
    array = memory[start : start + 4096].view("float32")
    on_device = jax.device_put(array)
    on_device.block_until_ready()
    array[:] = 7
    assert 7 == float(on_device[0])


@only_on("jax", reason="JAX's own")
def test_jax_holds_64_bits_in_32() -> None:
    """feeds/jax.py: uint64 warns that its values wrap."""
    import jax

    assert "uint32" == jax.device_put(np.zeros(3, "uint64")).dtype.name


@only_on("torch", reason="torch's own")
def test_torch_loader_makes_a_list_of_a_tuple_of_inputs() -> None:
    """feeds/torch.py: batches are handed over without torch's own iterator."""
    import torch

    class Pairs(torch.utils.data.IterableDataset):  # type: ignore[misc] # Its types are not followed.
        def __iter__(self) -> Any:
            yield (torch.zeros(2), torch.zeros(2)), torch.zeros(2)

    ((x, _),) = torch.utils.data.DataLoader(Pairs(), batch_size=None)
    assert isinstance(x, list)


@only_on("torch", reason="torch's own")
@pytest.mark.parametrize(("stored", "wider"), [("uint16", "int32"), ("uint32", "int64")])
def test_keras_takes_a_wider_dtype_on_torch(stored: str, wider: str) -> None:
    """rows/: so do rows for torch."""
    tensor = keras.ops.convert_to_tensor(np.zeros(3, stored))
    assert wider == keras.backend.standardize_dtype(tensor.dtype)


@pytest.mark.skipif(
    importlib.util.find_spec("grain") is None, reason="needs grain, which is optional"
)
def test_grain_computes_in_the_folders_that_are_looked_for() -> None:
    """layer/pipelines.py: a call from there is answered in NumPy."""
    import grain

    folder = Path(grain.__file__).parent / "_src" / "python"
    assert (folder / "dataset").is_dir()
    assert list(folder.glob("data_loader*"))


def test_monitor_callback_turns_min_delta_each_time_it_chooses_its_comparison() -> None:
    """callbacks/training_state.py: `min_delta` is not restored."""
    callback = keras.callbacks.EarlyStopping("loss", min_delta=0.5, patience=3)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 1)), np.zeros((4, 1)), callbacks=[callback], verbose=0)
    assert -0.5 == callback.min_delta
    assert callable(callback.monitor_op)


def test_save_weights_leaves_out_seeds_of_layers(tmp_path: Path) -> None:
    """callbacks/training_state.py: all variables are saved, by their place."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5, seed=1)])
    path = tmp_path / "x.weights.h5"
    model.save_weights(path)
    seeds = np.array(keras.ops.convert_to_numpy(model.variables[0]))
    model(np.zeros((1, 4)), training=True)
    moved = np.array(keras.ops.convert_to_numpy(model.variables[0]))
    model.load_weights(path)
    loaded = keras.ops.convert_to_numpy(model.variables[0])
    assert seeds.tolist() != moved.tolist()
    assert moved.tolist() == loaded.tolist()
