"""On TensorFlow: what does each epoch cost before its first batch, and an epoch of few rows?

Run:    python -m benchmarks.bench_iterator [--num-rows 2000 --epochs 20 --repeats 5]
Prints: one JSON line per variant: ms to make an iterator, and to take all batches of one (median,
        min, max), versions, commit, machine; then a line for each target.
Cache:  warm. The dataset is made once, as `fit` makes it. The rows of each variant's epoch are
        checked, and it runs once untimed, first. The variants take turns.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks import common, feeds
from benchmarks.feeds import Feed

BATCH_SIZE, ROW_SHAPE = 32, (28, 28)
VARIANTS = (feeds.KERAS_NPY, feeds.ARRAYS, feeds.PY_DATASET, feeds.FLOOR)
MADE, TAKEN = "iterator made", "all batches taken"
ITERATOR_MS_MAX = 10.0


def make_iterators(feed: Feed, count: int) -> None:
    for _ in range(count):
        iter(feed())


def take_all(feed: Feed, count: int) -> None:
    for _ in range(count):
        common.consume(feed())


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"num_rows": (2_000, 100), "epochs": (20, 1), "repeats": (5, 1)}
    )
    files = common.make_rows(arguments.num_rows, ROW_SHAPE)
    runs: dict[str, Callable[[], object]] = {}
    for name in VARIANTS:
        feed = feeds.FEEDS[name].make(files, BATCH_SIZE, True)
        if name != feeds.FLOOR:
            feeds.check_epoch(name, feed, files, BATCH_SIZE, True)
        for what, run in ((MADE, make_iterators), (TAKEN, take_all)):
            runs[f"{name}: {what}"] = functools.partial(run, feed, arguments.epochs)
    elapsed_s = common.time_in_turns(runs, arguments.repeats)
    medians = {name: statistics.median(seconds) for name, seconds in elapsed_s.items()}
    print_results(elapsed_s, 1e3 / arguments.epochs)
    case = f"{arguments.num_rows:,} rows, shuffled"
    made, taken = (f"{feeds.KERAS_NPY}: {what}" for what in (MADE, TAKEN))
    arrays = medians[f"{feeds.ARRAYS}: {TAKEN}"]
    made_ms = medians[made] * 1e3 / arguments.epochs
    claims: list[dict[str, Any]] = [
        common.limit_claim(case, made, made_ms, "ms", ITERATOR_MS_MAX),
        common.ratio_claim(case, taken, feeds.ARRAYS, arrays / medians[taken]),
    ]
    common.print_claims("iterator", claims)


def print_results(elapsed_s: dict[str, list[float]], factor: float) -> None:
    table = []
    for name, seconds in elapsed_s.items():
        figures = common.spread(seconds, "ms", factor)
        common.print_line("iterator", variant=name, **figures, repeats=len(seconds))
        table.append((name, *map(common.number, figures.values())))
    common.print_table("iterator", ("variant", "ms, median", "min", "max"), table)


if __name__ == "__main__":
    main()
