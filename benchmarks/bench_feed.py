"""Is an epoch from .npy files as fast as one from arrays in RAM, and as the memory bus allows?

Run:    python -m benchmarks.bench_feed [--large-rows 20000 --small-rows 240000 --repeats 7]
Prints: one JSON line per case and variant: median, min and max seconds of an epoch, us a batch,
        MB/s, versions, commit, machine; then a line for each ratio, with its target.
Cache:  warm; each variant's epoch is checked to be right and run once untimed first. The
        variants of a case take turns in one process.
"""

import functools
import json
import statistics
from typing import Any

from benchmarks import common, feeds

LARGE, SMALL = (128, 128, 3), (28, 28)
SHUFFLED_LARGE = "64x128x128x3 shuffled"
SHUFFLED_SMALL = "32x28x28 shuffled"
SHUFFLED_MEDIUM = "256x28x28 shuffled"
ORDERED_LARGE = "64x128x128x3 file order"

# Batch size, shape of a row, and whether rows are shuffled.
CASES = {
    SHUFFLED_LARGE: (64, LARGE, True),
    SHUFFLED_SMALL: (32, SMALL, True),
    SHUFFLED_MEDIUM: (256, SMALL, True),
    ORDERED_LARGE: (64, LARGE, False),
}

# How many times as fast keras_npy must be; None where a ratio is shown but none is set.
TARGETS: dict[str, dict[str, float | None]] = {
    SHUFFLED_LARGE: {feeds.ARRAYS: 1.0, feeds.PY_DATASET: 5.0, feeds.LIMIT: 0.9},
    SHUFFLED_SMALL: {feeds.ARRAYS: 1.1, feeds.PY_DATASET: 4.0, feeds.LIMIT: None},
    SHUFFLED_MEDIUM: {feeds.ARRAYS: 1.1, feeds.PY_DATASET: 4.0, feeds.LIMIT: None},
    ORDERED_LARGE: {feeds.ARRAYS: 2.0, feeds.PY_DATASET: None, feeds.FIXED_LENGTH: None},
}


def measure(case: str, num_rows: int, repeats: int) -> None:
    """Check and time every variant of a case, in this process, and print them."""
    batch_size, row_shape, shuffle = CASES[case]
    files = common.make_rows(num_rows, row_shape)
    opened = {}
    for name, kind in feeds.FEEDS.items():
        if shuffle and not kind.can_shuffle:
            continue
        if not common.is_installed(kind.package):
            common.print_skipped("feed", name, f"{kind.package} is not installed")
            continue
        feed = kind.open(num_rows, row_shape, batch_size, shuffle)
        feeds.check_epoch(name, feed, files, batch_size, shuffle)
        opened[name] = functools.partial(_run_epoch, feed)
    table = []
    for name, elapsed_s in common.time_in_rotation(opened, repeats).items():
        line = _print_variant(case, name, elapsed_s, files, batch_size)
        us = [common.number(line[f"{which}_us_per_batch"]) for which in ("median", "min", "max")]
        table.append((case, name, *us, common.number(line["mb_per_s"])))
    columns = ("case", "variant", "us/batch, median", "min", "max", "MB/s")
    common.print_table(f"feed: {case}", columns, table)


def _run_epoch(feed: feeds.Feed) -> None:
    common.consume(feed())


def _print_variant(
    case: str, name: str, elapsed_s: list[float], files: common.RowFiles, batch_size: int
) -> dict[str, Any]:
    num_batches = files.num_batches(batch_size)
    return common.print_line(
        "feed",
        case=case,
        variant=name,
        **common.spread(elapsed_s, "s"),
        **common.spread(elapsed_s, "us_per_batch", 1e6 / num_batches),
        mb_per_s=files.x_bytes / 1e6 / statistics.median(elapsed_s),
        num_batches=num_batches,
        repeats=len(elapsed_s),
    )


def ratios(case: str, medians: dict[str, float]) -> list[dict[str, Any]]:
    """The speed of keras_npy over that of the variants that it is held against."""
    return [
        common.ratio_claim(
            case, feeds.KERAS_NPY, name, medians[name] / medians[feeds.KERAS_NPY], target
        )
        for name, target in TARGETS[case].items()
    ] + [
        common.ratio_claim(case, feeds.COPYING, name, medians[name] / medians[feeds.COPYING])
        for name in (feeds.ARRAYS, feeds.PY_DATASET)
    ]


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {"large_rows": (20_000, 200), "small_rows": (240_000, 1_000), "repeats": (7, 2)},
        one=CASES,
    )
    if arguments.one:
        is_large = CASES[arguments.one][1] == LARGE
        num_rows = arguments.large_rows if is_large else arguments.small_rows
        measure(arguments.one, num_rows, arguments.repeats)
        return
    sizes = {name: getattr(arguments, name) for name in ("large_rows", "small_rows", "repeats")}
    claims = []
    for case in CASES:
        # A process of its own: TensorFlow keeps the arrays of a case until its process ends.
        lines = common.run_in_process(__spec__.name, one=case, **sizes)
        for line in lines:
            print(json.dumps(line), flush=True)
        claims += ratios(
            case, {line["variant"]: line["median_s"] for line in lines if "variant" in line}
        )
    common.print_claims("feed", claims)


if __name__ == "__main__":
    main()
