"""The feeds that are compared, each written as its documentation shows it.

A feed is a function that returns the batches of one epoch, `(x, y)` each. It is called again for
the next epoch. Keras's feeds are what Keras itself iterates on the running backend, a
`tf.data.Dataset` on TensorFlow. Grain and torch are iterated as they are, without the copy into
tensors that `fit` would add, which favours them.
"""

import functools
import itertools
import os
import statistics
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.common import RowFiles

Feed = Callable[[], Iterable[tuple[Any, Any]]]

KERAS_NPY = "keras_npy"
READ = 'keras_npy, io="read"'
MISALIGNED = "keras_npy, misaligned file"
ARRAYS = "Keras, arrays in RAM"
PY_DATASET = "PyDataset by hand"
TENSOR_SLICES = "from_tensor_slices"
FIXED_LENGTH = "FixedLengthRecordDataset"
GRAIN = "Grain"
TORCH = "torch DataLoader"
TORCH_WORKERS = "torch DataLoader, 2 workers"
TORCH_GETITEMS = "torch DataLoader, __getitems__"
LIMIT = "np.take, no framework"
LIMIT_AHEAD = "np.take, four buffers in turn"
READ_LIMIT = "os.preadv, no framework"
FLOOR = "tf.data alone, no rows"
# Bounds that feeds are compared with. They cannot feed a model.
NO_FEEDS = (LIMIT, LIMIT_AHEAD, READ_LIMIT, FLOOR)


@dataclass(frozen=True)
class FeedKind:
    """One way to feed a model.

    Args:
        make: Builds the feed from the files, the batch size and whether to shuffle.
        package: The package that must be installed for it.
        can_shuffle: Whether it can serve the rows in random order.
        is_aligned: Whether it reads the file as `np.save` writes it, or a misaligned one.
    """

    make: Callable[[RowFiles, int, bool], Feed]
    package: str | None = None
    can_shuffle: bool = True
    is_aligned: bool = True

    def open(
        self, num_rows: int, row_shape: tuple[int, ...], batch_size: int, shuffle: bool
    ) -> Feed:
        files = common.make_rows(num_rows, row_shape, is_aligned=self.is_aligned)
        return self.make(files, batch_size, shuffle)


def keras_npy_feed(files: RowFiles, batch_size: int, shuffle: bool, io: str = "map") -> Feed:
    import keras_npy

    seq = keras_npy.NpySequence(files.x, files.y, batch_size=batch_size, seed=0, io=io)
    return _as_keras_iterates(keras_npy.NpyDataAdapter(seq, shuffle=shuffle))


def misaligned_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    """The same feed on a file that TensorFlow cannot read in place."""
    import keras_npy

    # The warning says what this variant is there to measure, so it is expected.
    warnings.filterwarnings("ignore", category=keras_npy.NpyLayoutWarning)
    return keras_npy_feed(files, batch_size, shuffle)


def _as_keras_iterates(adapter: Any) -> Feed:
    """What Keras's trainer iterates on the running backend (Keras 3.15, on a CPU)."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        return adapter.get_jax_iterator
    batches = (
        adapter.get_tf_dataset() if backend == "tensorflow" else adapter.get_torch_dataloader()
    )
    return lambda: batches


def arrays_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    """The feed that `fit(np.load(...))` makes of the arrays."""
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    return _as_keras_iterates(
        ArrayDataAdapter(_loaded(files.x), _loaded(files.y), batch_size=batch_size, shuffle=shuffle)
    )


def py_dataset_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    return feed_of_py_dataset(make_py_dataset(files, batch_size, shuffle), files.row_shape)


def feed_of_py_dataset(py_dataset: Any, row_shape: tuple[int, ...]) -> Feed:
    """The feed that `fit` makes of a `PyDataset` of uint8 rows and int64 labels on TensorFlow."""
    import tensorflow as tf
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    adapter = PyDatasetAdapter(py_dataset)
    # Keras finds the signature by reading two batches (Keras 3.15). On a disk that reads far ahead,
    # that fetched two thirds of a cold file before the clock started.
    adapter._output_signature = (
        tf.TensorSpec((None, *row_shape), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    dataset = adapter.get_tf_dataset()
    epochs = itertools.count()

    def epoch() -> Any:
        if next(epochs):
            py_dataset.on_epoch_end()
        return dataset

    return epoch


def make_py_dataset(files: RowFiles, batch_size: int, shuffle: bool) -> Any:
    """A `PyDataset` over mapped files, as a user writes it by hand."""
    import keras

    class MappedRows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self._x = np.load(files.x, mmap_mode="r")
            self._y = np.load(files.y, mmap_mode="r")
            self._rng = np.random.default_rng(0)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self._x) // batch_size)

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * batch_size, (index + 1) * batch_size)
            if shuffle:
                rows = self._order[rows]
            return self._x[rows], self._y[rows]

        def on_epoch_end(self) -> None:
            if shuffle:
                self._order = self._rng.permutation(len(self._x))

    return MappedRows()


def tensor_slices_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((_loaded(files.x), _loaded(files.y)))
    if shuffle:
        dataset = dataset.shuffle(files.num_rows)
    dataset = dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return lambda: dataset


def fixed_length_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    import tensorflow as tf

    if shuffle:
        raise ValueError("FixedLengthRecordDataset reads a file from its first row to its last.")

    def records(path: Path) -> Any:
        array = np.load(path, mmap_mode="r")
        dtype, row_shape = tf.as_dtype(array.dtype), array.shape[1:]
        dataset = tf.data.FixedLengthRecordDataset(
            str(path), record_bytes=array[0].nbytes, header_bytes=array.offset
        )
        return dataset.batch(batch_size).map(
            lambda raw: tf.reshape(tf.io.decode_raw(raw, dtype), (-1, *row_shape)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    dataset = tf.data.Dataset.zip((records(files.x), records(files.y)))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return lambda: dataset


class MappedPairs:
    """Rows one by one, as Grain's sources and torch's map-style datasets serve them.

    The process that uses the files maps them at their first use.
    """

    def __init__(self, files: RowFiles) -> None:
        self._files = files
        self._arrays: tuple[Any, Any] | None = None

    def __len__(self) -> int:
        return self._files.num_rows

    def __getitem__(self, index: int) -> Any:
        x, y = self._mapped()
        return x[index], y[index]

    def _mapped(self) -> tuple[Any, Any]:
        if self._arrays is None:
            self._arrays = (
                np.load(self._files.x, mmap_mode="r"),
                np.load(self._files.y, mmap_mode="r"),
            )
        return self._arrays


class TensorPairs(MappedPairs):
    """Rows as torch tensors, one by one."""

    def __getitem__(self, index: int) -> Any:
        import torch

        x, y = self._mapped()
        return torch.tensor(x[index]), int(y[index])


class TensorBatches(MappedPairs):
    """Whole batches as torch tensors, by `__getitems__`, which torch 2 calls if it exists."""

    def __getitems__(self, indices: list[int]) -> Any:
        import torch

        x, y = self._mapped()
        return torch.from_numpy(x[indices]), torch.from_numpy(y[indices])


def grain_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    import grain

    dataset = grain.MapDataset.source(MappedPairs(files))
    if shuffle:
        dataset = dataset.shuffle(seed=0)
    batches = dataset.batch(batch_size).to_iter_dataset()
    return lambda: batches


def torch_feed(files: RowFiles, batch_size: int, shuffle: bool, num_workers: int = 0) -> Feed:
    return feed_of_pairs(TensorPairs(files), batch_size, shuffle, num_workers)


def feed_of_pairs(pairs: Any, batch_size: int, shuffle: bool, num_workers: int) -> Feed:
    """torch's loader over a map-style dataset of its own tensors."""
    import torch
    from torch.utils.data import DataLoader

    # torch's workers set this for themselves. Two threads of OpenMP, which wait for each other by
    # spinning, made a batch of 3 MB take 13 to 300 ms beside TensorFlow's threads (torch 2.13).
    torch.set_num_threads(1)
    # Do not fork: TensorFlow's threads run in this process, and a forked process can hang.
    loader = DataLoader(
        pairs,
        batch_size=batch_size,
        shuffle=shuffle,
        num_workers=num_workers,
        multiprocessing_context="spawn" if num_workers else None,
        persistent_workers=num_workers > 0,
    )
    return lambda: loader


def torch_getitems_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        TensorBatches(files), batch_size=batch_size, shuffle=shuffle, collate_fn=lambda batch: batch
    )
    return lambda: loader


def limit_feed(files: RowFiles, batch_size: int, shuffle: bool, num_buffers: int = 1) -> Feed:
    """Copy rows into memory that is already there: no feed that copies can be faster.

    The order is drawn beforehand. One buffer stays in the processor's cache, but its batch is valid
    only until the next one. A feed that reads ahead needs several buffers, which do not stay there.
    """
    x, y = np.load(files.x, mmap_mode="r"), np.load(files.y, mmap_mode="r")
    order = np.random.default_rng(0).permutation(len(x)) if shuffle else None
    buffers = [
        (np.empty((batch_size, *files.row_shape), x.dtype), np.empty(batch_size, y.dtype))
        for _ in range(num_buffers)
    ]

    def epoch() -> Iterable[tuple[Any, Any]]:
        for start, (x_buffer, y_buffer) in zip(
            range(0, len(x), batch_size), itertools.cycle(buffers), strict=False
        ):
            stop = min(start + batch_size, len(x))
            x_batch, y_batch = x_buffer[: stop - start], y_buffer[: stop - start]
            if order is None:
                np.copyto(x_batch, x[start:stop])
                np.copyto(y_batch, y[start:stop])
            else:
                np.take(x, order[start:stop], axis=0, out=x_batch, mode="clip")
                np.take(y, order[start:stop], axis=0, out=y_batch, mode="clip")
            yield x_batch, y_batch

    return epoch


def read_limit_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    """As `limit_feed`, of rows that a bare loop reads by position: a call for each, and no check.

    Rows in file order are read by one call.
    """
    x, y = np.load(files.x, mmap_mode="r"), np.load(files.y)
    row_bytes = x[0].nbytes
    order = np.random.default_rng(0).permutation(len(x)) if shuffle else np.arange(len(x))
    buffer = np.empty((batch_size, *files.row_shape), x.dtype)
    memory = memoryview(buffer).cast("B")

    def read(descriptor: int, rows: np.ndarray) -> None:
        stop_bytes = len(rows) * row_bytes
        step = row_bytes if shuffle else stop_bytes
        starts = range(0, stop_bytes, step)
        for row, start in zip(rows.tolist(), starts, strict=False):
            os.preadv(descriptor, (memory[start : start + step],), x.offset + row * row_bytes)

    def epoch() -> Iterable[tuple[Any, Any]]:
        with open(files.x, "rb") as file:
            for start in range(0, len(x), batch_size):
                rows = order[start : start + batch_size]
                read(file.fileno(), rows)
                yield buffer[: len(rows)], y[rows]

    return epoch


def floor_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    """A pair of numbers for each batch: what tf.data costs before any row is read."""
    import tensorflow as tf

    numbers = tf.data.Dataset.range(files.num_batches(batch_size))
    options = tf.data.Options()
    # keras_npy sets the same options.
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    dataset = tf.data.Dataset.zip((numbers, numbers)).with_options(options)
    return lambda: dataset


# All variants that need the arrays in memory share one copy, less than they would hold otherwise.
@functools.lru_cache(maxsize=2)
def _loaded(path: Path) -> np.ndarray:
    return np.load(path)


FEEDS = {
    KERAS_NPY: FeedKind(keras_npy_feed),
    READ: FeedKind(functools.partial(keras_npy_feed, io="read")),
    MISALIGNED: FeedKind(misaligned_feed, is_aligned=False),
    ARRAYS: FeedKind(arrays_feed),
    PY_DATASET: FeedKind(py_dataset_feed),
    TENSOR_SLICES: FeedKind(tensor_slices_feed),
    FIXED_LENGTH: FeedKind(fixed_length_feed, can_shuffle=False),
    GRAIN: FeedKind(grain_feed, package="grain"),
    TORCH: FeedKind(torch_feed, package="torch"),
    TORCH_WORKERS: FeedKind(functools.partial(torch_feed, num_workers=2), package="torch"),
    TORCH_GETITEMS: FeedKind(torch_getitems_feed, package="torch"),
    LIMIT: FeedKind(limit_feed),
    LIMIT_AHEAD: FeedKind(functools.partial(limit_feed, num_buffers=4)),
    READ_LIMIT: FeedKind(read_limit_feed),
    FLOOR: FeedKind(floor_feed),
}


@dataclass(frozen=True)
class EpochCase:
    """An epoch on which feeds are compared.

    Args:
        batch_size: Rows of a batch.
        row_shape: Shape of one row.
        shuffle: Whether the rows come in random order.
    """

    batch_size: int
    row_shape: tuple[int, ...]
    shuffle: bool = True


def measure(
    benchmark: str, title: str, case: EpochCase, names: Iterable[str], num_rows: int, repeats: int
) -> None:
    """Check and time an epoch of every feed in this process, and print the results."""
    opened = {}
    for name in names:
        kind = FEEDS[name]
        if case.shuffle and not kind.can_shuffle:
            continue
        if not common.is_installed(kind.package):
            common.print_skipped(benchmark, name, f"{kind.package} is not installed")
            continue
        opened[name] = kind.open(num_rows, case.row_shape, case.batch_size, case.shuffle)
    files = common.make_rows(num_rows, case.row_shape)
    measure_feeds(benchmark, title, case, files, opened, repeats)


def measure_feeds(
    benchmark: str,
    title: str,
    case: EpochCase,
    files: RowFiles,
    opened: dict[str, Feed],
    repeats: int,
    consume: Callable[[Iterable[Any]], None] = common.consume,
) -> dict[str, float]:
    """Check and time an epoch of feeds that all serve the rows of `files`; print the results.

    Returns:
        The median seconds of each feed.
    """
    for name, feed in opened.items():
        if name != FLOOR:
            check_epoch(name, feed, files, case.batch_size, case.shuffle)
    runs = {name: functools.partial(_run_epoch, feed, consume) for name, feed in opened.items()}
    table, medians = [], {}
    num_batches = files.num_batches(case.batch_size)
    for name, elapsed_s in common.time_in_turns(runs, repeats).items():
        medians[name] = statistics.median(elapsed_s)
        speed = {}
        if name != FLOOR:
            speed["mb_per_s"] = files.x_bytes / 1e6 / medians[name]
        line = common.print_line(
            benchmark,
            case=title,
            variant=name,
            **common.spread(elapsed_s, "s"),
            **common.spread(elapsed_s, "us_per_batch", 1e6 / num_batches),
            **speed,
            num_batches=num_batches,
            repeats=len(elapsed_s),
        )
        us = [common.number(line[f"{which}_us_per_batch"]) for which in ("median", "min", "max")]
        table.append((title, name, *us, *map(common.number, speed.values())))
    columns = ("case", "variant", "us/batch, median", "min", "max", "MB/s")
    common.print_table(f"{benchmark}: {title}", columns, table)
    return medians


def _run_epoch(feed: Feed, consume: Callable[[Iterable[Any]], None]) -> None:
    consume(feed())


def check_epoch(name: str, feed: Feed, files: RowFiles, batch_size: int, shuffle: bool) -> None:
    """Raise unless an epoch has every row once, with its label, in batches of the right size."""
    x = np.load(files.x, mmap_mode="r")
    numbers = []
    for x_batch, y_batch in feed():
        # Labels are row numbers. Copy them, because the buffer of a batch may be reused.
        rows = np.array(y_batch)
        if not np.array_equal(np.asarray(x_batch), x[rows]):
            raise ValueError(f"{name} gave rows that are not those of their labels.")
        numbers.append(rows)
    served = np.concatenate(numbers)
    expected = np.arange(files.num_rows)
    is_in_order = np.array_equal(served, expected)
    if shuffle and is_in_order:
        raise ValueError(f"{name} gave the rows in file order, where they should be shuffled.")
    if not is_in_order and not (shuffle and np.array_equal(np.sort(served), expected)):
        raise ValueError(f"{name} gave other rows than the file holds, or in another order.")
    if [len(rows) for rows in numbers[:-1]] != [batch_size] * (files.num_batches(batch_size) - 1):
        raise ValueError(f"{name} gave batches of another size than {batch_size}.")
