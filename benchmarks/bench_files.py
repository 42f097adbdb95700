"""Are many files as fast as one, and one file per sample as fast as by hand?

Run:    python -m benchmarks.bench_files [--shards 1000 --large-rows 20000 --small-rows 120000
        --samples 10000 --many-shards 10000 --repeats 5]
Prints: one JSON line per case and variant: median, min and max seconds of an epoch, us a batch,
        MB/s, versions, commit, machine; then a line for each ratio, with its target if it has
        one, and for the seconds that a sequence of shards takes to open.
Cache:  warm. The rows of each variant's epoch are checked, and it runs once untimed, first. The
        variants of a case take turns in one process. For opening, directory and headers are cached.
"""

import functools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench_feed, common, feeds
from benchmarks.feeds import EpochCase, Feed

ONE_FILE = "keras_npy, one file"
SHARDS = "keras_npy, shards"
SAMPLES = "keras_npy, one file per sample"
PY_DATASET = "PyDataset by hand, np.load per sample"
TORCH = "torch DataLoader, np.load per sample"
TORCH_WORKERS = f"{TORCH}, 2 workers"

# In file order, batches of one file are slices of its mapping, which only a model reads. If they
# stay unread, they cost nothing, and no feed that copies can be 0.8 times as fast. So this case
# reads each batch.
ORDERED_READ = f"{bench_feed.ORDERED_LARGE}, each batch read once"
SHARD_CASES = {
    bench_feed.SHUFFLED_MEDIUM: bench_feed.CASES[bench_feed.SHUFFLED_MEDIUM],
    bench_feed.SHUFFLED_LARGE: bench_feed.CASES[bench_feed.SHUFFLED_LARGE],
    bench_feed.ORDERED_LARGE: bench_feed.CASES[bench_feed.ORDERED_LARGE],
    ORDERED_READ: bench_feed.CASES[bench_feed.ORDERED_LARGE],
}
SAMPLE_CASE = EpochCase(64, (64, 64, 3))
TINY_ROW = (4,)

# How many times as fast as one file shards must be. None: the ratio is shown but has no target.
SHARDS_TARGETS = {
    bench_feed.SHUFFLED_MEDIUM: 0.8,
    bench_feed.SHUFFLED_LARGE: 0.8,
    bench_feed.ORDERED_LARGE: None,
    ORDERED_READ: 0.8,
}


def keras_npy_feed(x: Any, y: Any, case: EpochCase) -> Feed:
    import keras_npy

    seq = keras_npy.NpySequence(x, y, batch_size=case.batch_size, seed=0)
    dataset = keras_npy.NpyDataAdapter(seq, shuffle=case.shuffle).get_tf_dataset()
    return lambda: dataset


def py_dataset_feed(paths: list[Path], labels: Path, case: EpochCase) -> Feed:
    """A `PyDataset` as a user writes it by hand: it loads each sample and stacks a batch."""
    import keras

    class LoadedSamples(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self._labels = np.load(labels)
            self._rng = np.random.default_rng(0)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(paths) // case.batch_size)

        def __getitem__(self, index: int) -> Any:
            rows = self._order[index * case.batch_size : (index + 1) * case.batch_size]
            return np.stack([np.load(paths[row]) for row in rows]), self._labels[rows]

        def on_epoch_end(self) -> None:
            self._order = self._rng.permutation(len(paths))

    return feeds.feed_of_py_dataset(LoadedSamples(), case.row_shape)


@dataclass(frozen=True)
class LoadedPairs:
    """torch's map-style dataset over files, with one `np.load` per sample."""

    paths: list[Path]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        import torch

        return torch.from_numpy(np.load(self.paths[index])), int(self.labels[index])


def read_each(batches: Iterable[Any]) -> None:
    """Take every batch and read its rows once, in place, as a model would."""
    for x, _ in batches:
        np.bitwise_or.reduce(np.from_dlpack(x).reshape(-1).view(np.int64))


def measure_shards(title: str, num_rows: int, num_shards: int, repeats: int) -> dict[str, Any]:
    """Time one file against the same rows in many shards; return the claim."""
    case = SHARD_CASES[title]
    files = common.make_rows(num_rows, case.row_shape)
    opened = {
        ONE_FILE: keras_npy_feed(files.x, files.y, case),
        SHARDS: keras_npy_feed(*common.make_shards(files, num_shards), case),
    }
    consume = read_each if title == ORDERED_READ else common.consume
    medians = feeds.measure_feeds("files", title, case, files, opened, repeats, consume)
    target = SHARDS_TARGETS[title]
    name = f"keras_npy, {num_shards:,} shards"
    return common.ratio_claim(title, name, ONE_FILE, medians[ONE_FILE] / medians[SHARDS], target)


def measure_samples(num_samples: int, repeats: int) -> list[dict[str, Any]]:
    """Time every way to read one file per sample; return the claims."""
    import keras_npy

    case = SAMPLE_CASE
    files = common.make_rows(num_samples, case.row_shape)
    paths = common.make_samples(files)
    opened = {
        SAMPLES: keras_npy_feed(keras_npy.samples(paths), files.y, case),
        PY_DATASET: py_dataset_feed(paths, files.y, case),
        ONE_FILE: keras_npy_feed(files.x, files.y, case),
    }
    for name, num_workers in ((TORCH, 0), (TORCH_WORKERS, 2)):
        if not common.is_installed("torch"):
            common.print_skipped("files", name, "torch is not installed")
            continue
        pairs = LoadedPairs(paths, np.load(files.y))
        opened[name] = feeds.feed_of_pairs(pairs, case.batch_size, case.shuffle, num_workers)
    title = f"64x64x64x3 shuffled, {num_samples:,} files of one sample"
    medians = feeds.measure_feeds("files", title, case, files, opened, repeats)
    return [
        common.ratio_claim(title, SAMPLES, name, median / medians[SAMPLES])
        for name, median in medians.items()
        if name != SAMPLES
    ]


def measure_opening(numbers_of_shards: Iterable[int], repeats: int) -> list[dict[str, Any]]:
    """Time the way from a pattern to a sequence; return the claims."""
    import keras_npy

    patterns = {
        number: common.make_shards(common.make_rows(number, TINY_ROW), number)[0]
        for number in numbers_of_shards
    }
    opens = {
        f"{number:,} shards of one row": functools.partial(
            keras_npy.NpySequence, pattern, batch_size=1
        )
        for number, pattern in patterns.items()
    }
    return [
        common.limit_claim(case, "keras_npy: to open them", statistics.median(elapsed_s), "s")
        for case, elapsed_s in common.time_in_turns(opens, repeats).items()
    ]


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {
            "shards": (1_000, 50),
            "large_rows": (20_000, 200),
            "small_rows": (120_000, 1_000),
            "samples": (10_000, 200),
            "many_shards": (10_000, 200),
            "repeats": (5, 1),
        },
    )
    claims = []
    for title, case in SHARD_CASES.items():
        is_large = case.row_shape == bench_feed.LARGE
        num_rows = arguments.large_rows if is_large else arguments.small_rows
        claims.append(measure_shards(title, num_rows, arguments.shards, arguments.repeats))
    claims += measure_opening((arguments.shards, arguments.many_shards), arguments.repeats)
    # This comes last, because torch stays in the process.
    claims += measure_samples(arguments.samples, arguments.repeats)
    common.print_claims("files", claims)


if __name__ == "__main__":
    main()
