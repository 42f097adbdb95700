"""What tests share: files with known rows, small models to train on them, and helpers."""

import collections
import os
import shutil
import tempfile
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Tests compile the same steps again and again, which takes most of their time on JAX: 117 s of one
# file, and 38 s with this cache. Each process of pytest has a folder of its own, because JAX writes
# there without a lock. JAX reads these when it is imported; what a test starts inherits them.
os.environ |= {
    "JAX_COMPILATION_CACHE_DIR": tempfile.mkdtemp(prefix="jax_cache_"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import errors
from tests.processes import run_script as run_script


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test see the warnings that a process gives only once."""
    monkeypatch.setattr(errors, "SAID", set())
    monkeypatch.setattr(errors, "SAID_OF", weakref.WeakKeyDictionary())


BACKEND = keras.backend.backend()

TESTS = Path(__file__).parent

# No test in these depends on the backend of Keras. The benchmarks start each backend themselves.
WITHOUT_A_BACKEND = (
    *(
        "drawing",
        "files",
        "names",
        "order",
        "rows",
        "statistics",
        "tools/test_convert.py",
        "tools/test_inspect.py",
        "tools/test_check.py",
        "tools/test_stats.py",
        "tools/test_preview.py",
        "tools/test_command.py",
        "tools/test_convert_more.py",
    ),
    "callbacks/test_backups.py",
    # The arguments of the command; the demo itself runs on each backend.
    "tools/test_demo.py/test_command_demo_takes_the_users_files",
    "user/test_docs.py/test_page_of_rows_runs",
    # These start each backend themselves, or need no more than its package.
    *("test_benchmarks.py", "user/test_backends.py", "layer/test_pipelines.py"),
    *("feeds/test_tensorflow.py", "feeds/test_tensorflow_calls.py"),
    # And these would train the same batches once more, or look at the same targets.
    *(
        "boundary/test_targets.py",
        "feeds/test_buffers.py",
        "feeds/test_cores.py",
        "feeds/test_maps.py",
        "feeds/test_numpy.py",
        "feeds/test_plan.py",
    ),
    "test_sequence.py",
    *("test_locks.py", "test_machine.py"),
    *("test_docstrings.py", "test_doctests.py", "test_import.py"),
    *("user/test_from_directory.py", "user/test_split.py", "user/test_split_copies.py"),
    *("user/test_blocks.py", "user/test_from_class_files.py", "user/test_num_processes.py"),
    "user/test_notebook.py",
    *("faults/test_fork.py", "faults/test_fuse.py", "faults/test_hostile.py"),
    "faults/test_nth_call.py",
)


def pytest_unconfigure() -> None:
    """Remove what JAX has compiled."""
    shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that should run on each backend: `pytest -m backend`."""
    without = [TESTS / name for name in WITHOUT_A_BACKEND]
    for item in items:
        test = item.path / item.name.partition("[")[0]
        if not any(test.is_relative_to(path) for path in without):
            item.add_marker(pytest.mark.backend)


validates_on_training_rows = pytest.mark.filterwarnings("ignore:.*validation_data must hold rows")
"""Of a test that needs some validation data, whichever they are."""


def only_on(*backends: str, reason: str) -> pytest.MarkDecorator:
    """Skip the test on every other backend, and give the reason."""
    return pytest.mark.skipif(BACKEND not in backends, reason=f"not on {BACKEND}: {reason}")


@dataclass(frozen=True)
class Stored:
    """Arrays, and the files that hold them."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    x_path: Path
    y_path: Path
    weight_path: Path

    def sequence(self, **arguments: Any) -> keras_npy.NpySequence:
        """A sequence of x and y in batches of 8, the last of 5."""
        return keras_npy.NpySequence(
            self.x_path, self.y_path, **{"batch_size": 8, "seed": 3, **arguments}
        )


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    """53 samples of 6x5 uint8, three classes, and weights."""
    rng = np.random.default_rng(7)
    arrays = {
        "x": rng.integers(0, 256, (53, 6, 5)).astype("uint8"),
        "y": rng.integers(0, 3, 53),
        "weight": rng.random(53).astype("float32"),
    }
    paths = {f"{name}_path": tmp_path / f"{name}.npy" for name in arrays}
    for name, array in arrays.items():
        np.save(paths[f"{name}_path"], array)
    return Stored(**arrays, **paths)


class Models:
    """Models that tests train one after the other: tracing and compiling a step takes a second.

    A model is lent to one test, with new weights and an optimizer that has taken no step.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[keras.Model]] = collections.defaultdict(list)
        self._lent: list[tuple[str, keras.Model, Any]] = []

    def lend(self, **compile_arguments: Any) -> keras.Model:
        """A model that was compiled with these arguments."""
        keras.utils.set_random_seed(1)
        key = repr(sorted(compile_arguments.items()))
        model = self._idle[key].pop() if self._idle[key] else new_model(**compile_arguments)
        self._lent.append((key, model, model.optimizer))
        return model

    def take_back(self) -> None:
        """At the end of a test. A model that it has compiled anew is not lent again."""
        for key, model, optimizer in self._lent:
            if model.optimizer is optimizer:
                _forget_training(model)
                self._idle[key].append(model)
        self._lent.clear()


MODELS = Models()


@pytest.fixture(autouse=True)
def _models_back() -> Iterator[None]:
    yield
    MODELS.take_back()


def make_model(**compile_arguments: Any) -> keras.Model:
    """A classifier of 6x5 uint8 samples, untrained, with the same weights each time."""
    return MODELS.lend(**compile_arguments)


LEARNING_RATE = 0.01


def new_model(**compile_arguments: Any) -> keras.Model:
    """As `make_model`, and no test has trained it."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 5), dtype="uint8"),
            keras_npy.NpyInputLayer(),
            keras.layers.Flatten(),
            keras.layers.Dense(7, activation="relu"),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **compile_arguments,
    )
    model.first_weights = model.get_weights()
    return model


def _forget_training(model: keras.Model) -> None:
    """Assign all variables. After a `fit` that failed on JAX they have no value (Keras 3.15)."""
    model.set_weights(model.first_weights)
    for variable in model.optimizer.variables:
        is_rate = variable.name == "learning_rate"
        variable.assign(np.full(variable.shape, LEARNING_RATE if is_rate else 0, variable.dtype))
    model.reset_metrics()


def assert_same_weights(expected: keras.Model, model: keras.Model) -> None:
    """Assert that the weights are equal, bit for bit."""
    for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def rows_served(num_samples: int, **arguments: Any) -> list[int]:
    """The row numbers of one pass of a sequence with these arguments, in the order served."""
    rows = keras_npy.NpySequence(np.arange(num_samples), **arguments)
    return [int(row) for batch in rows for row in batch]


def rows_of_epoch(num_samples: int, epoch: int, **arguments: Any) -> list[int]:
    """The row numbers of shuffled pass `epoch`, in the order served."""
    rows = keras_npy.NpySequence(np.arange(num_samples), **{"shuffle": True, **arguments})
    rows.epoch = epoch
    return [int(row) for batch in rows for row in batch]


def peak_bytes_of(call: Callable[[], object]) -> int:
    """The peak of memory that Python and NumPy allocate during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
