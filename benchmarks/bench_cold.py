"""How fast is a shuffled epoch from a file that is not in the page cache?

Run:    python -m benchmarks.bench_cold [--rows 20000 --repeats 5]
Prints: one JSON line per variant: median, min and max seconds of an epoch, MB/s, the part of
        the file that was cached when it began, versions, commit, machine; then a line for each
        ratio, with its target.
Cache:  cold. Each run is a new process, because the kernel cannot drop pages that a process maps.
        The process first checks the feed on other files, which also traces its functions; then it
        drops the files and times the epoch. The variants take turns. The disk may have a cache of
        its own, which cannot be dropped.
"""

import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks import common, feeds

BATCH_SIZE, ROW_SHAPE = 64, (128, 128, 3)
CASE = "64x128x128x3 cold"
SEQUENTIAL = "one sequential read"
READ_BYTES = 8 << 20
OTHER_ROWS = 3 * BATCH_SIZE

# keras_npy in file order is left out: its batches are slices of the mapping, which only a model
# reads.
VARIANTS = (feeds.KERAS_NPY, feeds.READ, feeds.MISALIGNED, feeds.PY_DATASET, SEQUENTIAL)
IN_TINY = (feeds.KERAS_NPY, feeds.READ, feeds.PY_DATASET, SEQUENTIAL)

# How many times as fast keras_npy must be.
TARGETS = {feeds.PY_DATASET: 2.5, SEQUENTIAL: 0.8}

# How fast reading must be, where mapping is 1.
READ_TARGET = 0.9

# If more of the file than this is in the page cache at the start, the run is not cold.
CACHED_MAX = 0.05


def measure_one(name: str, num_rows: int) -> None:
    """Print the seconds of one epoch from the disk as a JSON line; runs in a new process."""
    files = _files(name, num_rows)
    if name == SEQUENTIAL:
        cached = _drop(files)
        started = time.perf_counter()
        read_through(files.x)
    else:
        kind = feeds.FEEDS[name]
        other = kind.open(OTHER_ROWS, ROW_SHAPE, BATCH_SIZE, shuffle=True)
        feeds.check_epoch(name, other, _files(name, OTHER_ROWS), BATCH_SIZE, shuffle=True)
        # Open the feed after the drop, because pages that are mapped cannot be dropped.
        cached = _drop(files)
        feed = kind.open(num_rows, ROW_SHAPE, BATCH_SIZE, shuffle=True)
        started = time.perf_counter()
        common.consume(feed())
    elapsed_s = time.perf_counter() - started
    common.print_line("cold", elapsed_s=elapsed_s, cached_at_start=cached)


def read_through(path: Path) -> None:
    """One stream of large reads, from the first byte to the last."""
    buffer = bytearray(READ_BYTES)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _files(name: str, num_rows: int) -> common.RowFiles:
    return common.make_rows(num_rows, ROW_SHAPE, is_aligned=name != feeds.MISALIGNED)


def _drop(files: common.RowFiles) -> float:
    for path in (files.x, files.y):
        common.drop_from_page_cache(path)
    return common.resident_fraction(files.x)


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"rows": (20_000, 320), "repeats": (5, 1)}, one=VARIANTS
    )
    if arguments.one:
        measure_one(arguments.one, arguments.rows)
        return
    runs: dict[str, list[dict[str, Any]]] = {
        name: [] for name in (IN_TINY if arguments.tiny else VARIANTS)
    }
    for name in runs:
        # Write the files here: a process that has just written a gigabyte should not be timed.
        _files(name, arguments.rows)
    for _ in range(arguments.repeats):
        for name in runs:
            runs[name] += common.run_in_process(__spec__.name, one=name, rows=arguments.rows)
    table = []
    for name, lines in runs.items():
        elapsed_s = [line["elapsed_s"] for line in lines]
        mb = _files(name, arguments.rows).x_bytes / 1e6
        speeds = common.spread([mb / seconds for seconds in elapsed_s], "mb_per_s")
        cached = max(line["cached_at_start"] for line in lines)
        common.print_line(
            "cold",
            case=CASE,
            variant=name,
            **common.spread(elapsed_s, "s"),
            **speeds,
            cached_at_start=cached,
            repeats=len(elapsed_s),
        )
        table.append((CASE, name, *map(common.number, speeds.values()), f"{cached:.1%}"))
    columns = ("case", "variant", "MB/s, median", "min", "max", "cached at start")
    common.print_table("cold", columns, table)
    print_ratios(runs)


def print_ratios(runs: dict[str, list[dict[str, Any]]]) -> None:
    cached = max(line["cached_at_start"] for lines in runs.values() for line in lines)
    if cached > CACHED_MAX:
        reason = f"{cached:.0%} of a file stayed in the page cache, such as on tmpfs"
        common.print_skipped("cold", "every ratio", reason)
        return
    medians = {
        name: statistics.median(line["elapsed_s"] for line in lines) for name, lines in runs.items()
    }
    common.print_claims(
        "cold",
        [
            common.ratio_claim(
                CASE, feeds.KERAS_NPY, name, medians[name] / medians[feeds.KERAS_NPY], target
            )
            for name, target in TARGETS.items()
        ]
        + [
            common.ratio_claim(
                CASE,
                feeds.READ,
                feeds.KERAS_NPY,
                medians[feeds.KERAS_NPY] / medians[feeds.READ],
                READ_TARGET,
            )
        ],
    )


if __name__ == "__main__":
    main()
