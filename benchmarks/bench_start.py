"""What do a sequence and its first batch cost, from ten thousand rows to a billion?

Run:    python -m benchmarks.bench_start [--rows-max 1000000000 --repeats 5]
Prints: one JSON line per number of rows and variant: median, min and max seconds from the
        constructor to the first shuffled batch, growth of anonymous memory (RssAnon) meanwhile
        in MB, versions, commit, machine; then a line for each target.
Cache:  the files are sparse: rows of 784 zeros that take no disk, 784 GB for a billion. There is
        one process per run, which imports and starts TensorFlow first. The variants take turns.
"""

import importlib
import time
from typing import Any

import numpy as np

from benchmarks import common, feeds

BATCH_SIZE, ROW_SHAPE = 32, (28, 28)
NUM_ROWS = (10_000, 1_000_000, 100_000_000, 1_000_000_000)

# With more rows a variant would take minutes, or more memory than the machine has: a permutation of
# a billion rows takes 8 GB, and arrays in RAM take two to three times the size of the file.
ROWS_MAX = {feeds.KERAS_NPY: 10**12, feeds.PY_DATASET: 10**8, feeds.ARRAYS: 10**6}

# What constructor and first batch may take, for any number of rows.
ELAPSED_S_MAX, GROWTH_MB_MAX = 1.0, 64.0

# They should take as long as for the fewest rows. The rest is for the noise of a start.
ELAPSED_RATIO_MAX = 2.0


def measure_one(name: str, num_rows: int) -> None:
    """Print seconds and memory up to the first batch as a JSON line; runs in a new process."""
    import tensorflow as tf

    # The packages do not belong to a feed.
    importlib.import_module("keras_npy")
    common.consume(tf.data.Dataset.range(1))
    files = common.make_sparse_rows(num_rows, ROW_SHAPE)
    growth = common.MemoryGrowth()
    started = time.perf_counter()
    feed = feeds.FEEDS[name].make(files, BATCH_SIZE, True)
    x, y = next(iter(feed()))
    elapsed_s = time.perf_counter() - started
    growth.sample()
    if x.shape != (BATCH_SIZE, *ROW_SHAPE) or y.shape != (BATCH_SIZE,) or np.any(x):
        raise ValueError(f"{name} gave a batch that is not {BATCH_SIZE} rows of zeros.")
    common.print_line("start", elapsed_s=elapsed_s, growth_mb=growth.peak_mb)


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {"rows_max": (NUM_ROWS[-1], NUM_ROWS[0]), "repeats": (5, 1)},
        one=ROWS_MAX,
    )
    if arguments.one:
        measure_one(arguments.one, arguments.rows_max)
        return
    runs: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for num_rows in NUM_ROWS:
        for name, rows_max in ROWS_MAX.items():
            if num_rows <= min(rows_max, arguments.rows_max):
                runs[num_rows, name] = []
    for name, rows_max in ROWS_MAX.items():
        if rows_max < arguments.rows_max:
            reason = "it takes minutes, or more memory than there is"
            common.print_skipped("start", f"{name}, more than {rows_max:,} rows", reason)
    for _ in range(arguments.repeats):
        for (num_rows, name), lines in runs.items():
            lines += common.run_in_process(__spec__.name, one=name, rows_max=num_rows)
    print_results(runs)


def print_results(runs: dict[tuple[int, str], list[dict[str, Any]]]) -> None:
    table, medians = [], {}
    for (num_rows, name), lines in runs.items():
        case = _case(num_rows)
        elapsed = common.spread([line["elapsed_s"] for line in lines], "s")
        growth = common.spread([line["growth_mb"] for line in lines], "growth_mb")
        common.print_line(
            "start",
            case=case,
            variant=name,
            num_rows=num_rows,
            **elapsed,
            **growth,
            repeats=len(lines),
        )
        medians[num_rows, name] = elapsed["median_s"], growth["median_growth_mb"]
        figures = (*elapsed.values(), growth["median_growth_mb"])
        table.append((case, name, *map(common.number, figures)))
    columns = ("case", "variant", "seconds, median", "min", "max", "growth of RssAnon, MB")
    common.print_table("start", columns, table)
    common.print_claims("start", claims_of(medians))


def claims_of(medians: dict[tuple[int, str], tuple[float, float]]) -> list[dict[str, Any]]:
    """The targets for the largest file measured, and how it compares with the smallest."""
    measured = [rows for rows, name in medians if name == feeds.KERAS_NPY]
    least, most = min(measured), max(measured)
    elapsed_s, growth_mb = medians[most, feeds.KERAS_NPY]
    least_s, least_mb = medians[least, feeds.KERAS_NPY]
    case, figure = _case(most), f"{feeds.KERAS_NPY}: constructor and first batch"
    return [
        common.limit_claim(case, figure, elapsed_s, "s", ELAPSED_S_MAX),
        common.limit_claim(
            case,
            f"{figure}, over {least:,} rows",
            elapsed_s / least_s,
            "x",
            ELAPSED_RATIO_MAX,
        ),
        common.limit_claim(case, f"{figure}, growth of RssAnon", growth_mb, "MB", GROWTH_MB_MAX),
        common.limit_claim(
            case, f"{figure}, growth over {least:,} rows", growth_mb - least_mb, "MB"
        ),
    ]


def _case(num_rows: int) -> str:
    return f"{num_rows:,} rows of {np.prod(ROW_SHAPE)} bytes"


if __name__ == "__main__":
    main()
