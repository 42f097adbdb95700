"""What does a feed hold in memory while a model trains from 1 GB of rows?

Run:    python -m benchmarks.bench_memory [--rows 20000]
Prints: one JSON line per variant: the growth of anonymous memory (RssAnon, of the process and
        of those that it starts) over an epoch of 64x128x128x3 shuffled, at its peak after any
        batch, in MB, the file's size, versions, commit, machine; then a line for the target.
        The rows of an epoch are checked behind it.
Cache:  warm; one process per variant, measured from before it opens the files. Peak RSS would
        count mapped pages of the page cache, which the system takes back when it wants them.
"""

from benchmarks import common, feeds

BATCH_SIZE, ROW_SHAPE = 64, (128, 128, 3)
BATCHES_MAX, EXTRA_MB_MAX = 8, 64
CASE = "64x128x128x3 shuffled"
IN_TINY = (feeds.KERAS_NPY, feeds.ARRAYS)


def measure_one(name: str, num_rows: int) -> None:
    """In a process of its own: growth over one epoch, as a JSON line."""
    import tensorflow as tf

    # The runtime, its threads and the packages are no part of a feed.
    common.consume(tf.data.Dataset.range(1))
    if name in (feeds.TORCH, feeds.TORCH_GETITEMS, feeds.TORCH_WORKERS):
        import torch.utils.data  # noqa: F401
    if name == feeds.GRAIN:
        import grain  # noqa: F401
    files = common.make_rows(num_rows, ROW_SHAPE)
    growth = common.MemoryGrowth()
    feed = feeds.FEEDS[name].open(num_rows, ROW_SHAPE, BATCH_SIZE, shuffle=True)
    growth.sample()
    for _ in feed():
        growth.sample()
    # Afterwards, since it takes memory of its own.
    feeds.check_epoch(name, feed, files, BATCH_SIZE, shuffle=True)
    common.print_line("memory", growth_mb=growth.peak_mb)


def main() -> None:
    arguments = common.parse_arguments(__doc__, {"rows": (20_000, 320)}, one=feeds.FEEDS)
    if arguments.one:
        measure_one(arguments.one, arguments.rows)
        return
    file_mb = common.make_rows(arguments.rows, ROW_SHAPE).x_bytes / 1e6
    claims, table = [], []
    for name, kind in feeds.FEEDS.items():
        if (
            not kind.can_shuffle
            or name in (feeds.LIMIT, feeds.FLOOR)
            or (arguments.tiny and name not in IN_TINY)
        ):
            continue
        if not common.is_installed(kind.package):
            common.print_skipped("memory", name, f"{kind.package} is not installed")
            continue
        # Written here, so that the process that is measured finds them.
        common.make_rows(arguments.rows, ROW_SHAPE, is_aligned=kind.is_aligned)
        (line,) = common.run_in_process(__spec__.name, one=name, rows=arguments.rows)
        growth_mb = line["growth_mb"]
        common.print_line("memory", case=CASE, variant=name, growth_mb=growth_mb, file_mb=file_mb)
        table.append((CASE, name, common.number(growth_mb), common.number(file_mb)))
        if name in (feeds.KERAS_NPY, feeds.COPYING):
            batch_mb = file_mb / arguments.rows * BATCH_SIZE
            target = EXTRA_MB_MAX + BATCHES_MAX * batch_mb
            figure = f"{name}: growth of RssAnon over an epoch"
            claims.append(common.limit_claim(CASE, figure, growth_mb, "MB", target))
    columns = ("case", "variant", "growth of RssAnon, MB", "file, MB")
    common.print_table("memory", columns, table)
    common.print_claims("memory", claims)


if __name__ == "__main__":
    main()
