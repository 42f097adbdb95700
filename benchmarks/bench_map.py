"""What does a function over batches cost, and what does it cost elsewhere?

Run:    python -m benchmarks.bench_map [--large-rows 5000 --small-rows 60000 --repeats 5]
Prints: one JSON line per case and variant: median, min and max seconds of an epoch, us a batch,
        MB/s, versions, commit, machine; then a line for each ratio, with its target if it has one.
Cache:  warm. The function returns its batch as it is, so that what is measured is the way to it and
        back. The rows of each variant's epoch are checked, and it runs once untimed, first. The
        variants of a case take turns in one process.
"""

from typing import Any

from benchmarks import bench_feed, common, feeds
from benchmarks.common import RowFiles
from benchmarks.feeds import Feed

PLAIN = feeds.KERAS_NPY
MAPPED = "keras_npy, map"
TF_DATA = "from_tensor_slices, map with numpy_function"
PY_DATASET = "PyDataset by hand, function of a batch"
TORCH = "torch DataLoader, __getitems__, function of a batch"

CASES = {
    name: bench_feed.CASES[name] for name in (bench_feed.SHUFFLED_LARGE, bench_feed.SHUFFLED_MEDIUM)
}

# How many times as fast map must be. None: the ratio is shown but has no target.
TARGETS: dict[str, float | None] = {PLAIN: 0.8, TF_DATA: None, PY_DATASET: None, TORCH: None}


def identity(x: Any, y: Any) -> Any:
    return x, y


def map_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    import keras_npy

    seq = keras_npy.NpySequence(files.x, files.y, batch_size=batch_size, seed=0).map(identity)
    dataset = keras_npy.NpyDataAdapter(seq, shuffle=shuffle).get_tf_dataset()
    return lambda: dataset


def tf_data_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    """As TensorFlow's documentation calls a Python function: on arrays that are held in RAM."""
    import tensorflow as tf

    dataset = feeds.tensor_slices_feed(files, batch_size, shuffle)().map(
        lambda x, y: tf.numpy_function(identity, [x, y], [tf.uint8, tf.int64]),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return lambda: dataset


def py_dataset_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    import keras

    inner = feeds.make_py_dataset(files, batch_size, shuffle)

    class Changed(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(inner)

        def __getitem__(self, index: int) -> Any:
            return identity(*inner[index])

        def on_epoch_end(self) -> None:
            inner.on_epoch_end()

    return feeds.feed_of_py_dataset(Changed(), files.row_shape)


def torch_feed(files: RowFiles, batch_size: int, shuffle: bool) -> Feed:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        feeds.TensorBatches(files),
        batch_size=batch_size,
        shuffle=shuffle,
        collate_fn=lambda batch: identity(*batch),
    )
    return lambda: loader


VARIANTS = {
    PLAIN: feeds.keras_npy_feed,
    MAPPED: map_feed,
    TF_DATA: tf_data_feed,
    PY_DATASET: py_dataset_feed,
    TORCH: torch_feed,
}


def measure(title: str, num_rows: int, repeats: int) -> list[dict[str, Any]]:
    case, opened = CASES[title], {}
    files = common.make_rows(num_rows, case.row_shape)
    for name, make in VARIANTS.items():
        if name == TORCH and not common.is_installed("torch"):
            common.print_skipped("map", name, "torch is not installed")
            continue
        opened[name] = make(files, case.batch_size, case.shuffle)
    medians = feeds.measure_feeds("map", title, case, files, opened, repeats)
    return [
        common.ratio_claim(title, MAPPED, name, medians[name] / medians[MAPPED], target)
        for name, target in TARGETS.items()
        if name in medians
    ]


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"large_rows": (5_000, 200), "small_rows": (60_000, 1_000), "repeats": (5, 1)}
    )
    claims = []
    for title, case in CASES.items():
        is_large = case.row_shape == bench_feed.LARGE
        num_rows = arguments.large_rows if is_large else arguments.small_rows
        claims += measure(title, num_rows, arguments.repeats)
    common.print_claims("map", claims)


if __name__ == "__main__":
    main()
