"""What does a feed hold in memory over an epoch of 1 GB of rows?

Run:    python -m benchmarks.bench_memory [--large-rows 20000 --small-rows 1200000]
Prints: one JSON line per case and variant: the growth of anonymous memory (RssAnon, of the
        process and its children) over a shuffled epoch, at its peak after any batch, in MB, the
        file's size, versions, commit, machine; then a line for each target. No model trains: each
        batch is dropped before the next. The rows of the epoch are checked afterwards.
Cache:  warm; one process per variant, measured from before it opens the files. Peak RSS would
        count mapped pages of the page cache, which the system can take back at any time.
"""

import importlib

from benchmarks import bench_feed, common, feeds

BATCHES_MAX, EXTRA_MB_MAX = 8, 64
# Every feed runs with batches of 3 MB, and keras_npy also with batches of 0.2 MB.
CASES = {
    bench_feed.SHUFFLED_LARGE: tuple(
        name
        for name, kind in feeds.FEEDS.items()
        if kind.can_shuffle and name not in feeds.NO_FEEDS
    ),
    bench_feed.SHUFFLED_MEDIUM: (feeds.KERAS_NPY,),
}
RUNS = {f"{case}: {name}": (case, name) for case, names in CASES.items() for name in names}
IN_TINY = (feeds.KERAS_NPY, feeds.ARRAYS)


def measure_one(title: str, name: str, num_rows: int) -> None:
    """Print the growth of memory over one epoch as a JSON line; runs in a new process."""
    import tensorflow as tf

    # The runtime, its threads and the packages do not belong to a feed.
    common.consume(tf.data.Dataset.range(1))
    if name in (feeds.TORCH, feeds.TORCH_GETITEMS, feeds.TORCH_WORKERS):
        importlib.import_module("torch.utils.data")
    if name == feeds.GRAIN:
        importlib.import_module("grain")
    case = bench_feed.CASES[title]
    files = common.make_rows(num_rows, case.row_shape)
    growth = common.MemoryGrowth()
    feed = feeds.FEEDS[name].open(num_rows, case.row_shape, case.batch_size, case.shuffle)
    growth.sample()
    for _ in feed():
        growth.sample()
    # Check the rows afterwards, because that takes memory too.
    feeds.check_epoch(name, feed, files, case.batch_size, case.shuffle)
    common.print_line("memory", growth_mb=growth.peak_mb)


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"large_rows": (20_000, 320), "small_rows": (1_200_000, 2_560)}, one=RUNS
    )
    sizes = {name: getattr(arguments, name) for name in ("large_rows", "small_rows")}

    def num_rows_of(title: str) -> int:
        is_large = bench_feed.CASES[title].row_shape == bench_feed.LARGE
        return sizes["large_rows" if is_large else "small_rows"]

    if arguments.one:
        title, name = RUNS[arguments.one]
        measure_one(title, name, num_rows_of(title))
        return
    claims, table = [], []
    for run, (title, name) in RUNS.items():
        case, kind, num_rows = bench_feed.CASES[title], feeds.FEEDS[name], num_rows_of(title)
        if arguments.tiny and name not in IN_TINY:
            continue
        if not common.is_installed(kind.package):
            common.print_skipped("memory", name, f"{kind.package} is not installed")
            continue
        # Write the files here, so that the measured process finds them.
        common.make_rows(num_rows, case.row_shape, is_aligned=kind.is_aligned)
        file_mb = common.make_rows(num_rows, case.row_shape).x_bytes / 1e6
        (line,) = common.run_in_process(__spec__.name, one=run, **sizes)
        growth_mb = line["growth_mb"]
        common.print_line("memory", case=title, variant=name, growth_mb=growth_mb, file_mb=file_mb)
        table.append((title, name, common.number(growth_mb), common.number(file_mb)))
        if name in (feeds.KERAS_NPY, feeds.READ, feeds.MISALIGNED):
            batch_mb = file_mb / num_rows * case.batch_size
            target = EXTRA_MB_MAX + BATCHES_MAX * batch_mb
            figure = f"{name}: growth of RssAnon over an epoch"
            claims.append(common.limit_claim(title, figure, growth_mb, "MB", target))
    columns = ("case", "variant", "growth of RssAnon, MB", "file, MB")
    common.print_table("memory", columns, table)
    common.print_claims("memory", claims)


if __name__ == "__main__":
    main()
