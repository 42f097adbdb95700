"""What does shuffling by blocks gain on a disk on which random rows are slow?

Run:    python -m benchmarks.bench_blocks [--mib 128 --repeats 5]
Prints: one JSON line per disk, size of rows and way to shuffle: median, min and max rows a second,
        versions, commit, machine; then a line for each ratio. `report_disks` publishes the table.
Cache:  cold. Each run is a new process, because the kernel cannot drop pages that a process maps.
        The disk of this machine is dropped from the page cache. The slow disk is simulated: a FUSE
        file system, mounted anew for each run, that waits 1 ms for each read that does not go on
        where the last one ended, and gives 150 MB/s. It needs root, and is left out without.
"""

import contextlib
import math
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import common

BATCH_SIZE = 64
BLOCK_BYTES = 1_000_000
SHAPES = {"4 kB": (64, 64), "48 kB": (128, 128, 3)}
HERE, SLOW_DISK = "disk of this machine", "slow disk, simulated"
UNIFORM, BLOCKS = "uniform", "blocks of 1 MB"
SEEK_S, STREAM_MB_S = 0.001, 150

VARIANTS = tuple(
    f"{disk}, {rows}, {way}"
    for disk in (HERE, SLOW_DISK)
    for rows in SHAPES
    for way in (UNIFORM, BLOCKS)
)


def measure_one(name: str, mib: int) -> None:
    """Print the rows a second of a cold pass as a JSON line; runs in a new process."""
    # What reads is the same on each backend.
    common.use_any_backend()
    import keras_npy

    disk, rows, way = name.rsplit(", ", 2)
    files = _files(rows, mib)
    row_bytes = files.x_bytes // files.num_rows
    size = BLOCK_BYTES // row_bytes if way == BLOCKS else None
    common.drop_from_page_cache(files.x)
    with _on(disk, files.x) as path:
        seq = keras_npy.NpySequence(
            str(path), batch_size=BATCH_SIZE, seed=0, shuffle_block_size=size
        )
        feed = keras_npy.NpyDataAdapter(seq, shuffle=True).get_numpy_iterator()
        started = time.perf_counter()
        common.consume(feed)
        elapsed_s = time.perf_counter() - started
        # What reads the mount must end before the mount.
        del seq, feed
    common.print_line("blocks", rows_per_s=files.num_rows / elapsed_s, row_bytes=row_bytes)


@contextlib.contextmanager
def _on(disk: str, path: Path) -> Iterator[Path]:
    """The path of a file on this disk."""
    if disk == HERE:
        yield path
        return
    # The file system that the tests use needs no library.
    from tests.faults.fuse import mounted

    folder = path.parent / f"slow_disk_{os.getpid()}"
    folder.mkdir()
    os.link(path, folder / path.name)
    point = folder.with_suffix(".mnt")
    try:
        with mounted(folder, point, seek_s=SEEK_S, mb_per_s=STREAM_MB_S, is_async=True) as served:
            yield served.folder / path.name
    finally:
        (folder / path.name).unlink()
        for leftover in (folder, point):
            leftover.rmdir()
        folder.with_suffix(".control").unlink()


def _files(rows: str, mib: int) -> common.RowFiles:
    shape = SHAPES[rows]
    return common.make_rows((mib << 20) // math.prod(shape), shape)


def _can_mount() -> bool:
    return os.path.exists("/dev/fuse") and os.geteuid() == 0


def main() -> None:
    arguments = common.parse_arguments(__doc__, {"mib": (128, 4), "repeats": (5, 1)}, one=VARIANTS)
    if arguments.one:
        measure_one(arguments.one, arguments.mib)
        return
    wanted = VARIANTS[-2:] if arguments.tiny else VARIANTS
    names = [name for name in wanted if HERE in name or _can_mount()]
    for name in set(wanted) - set(names):
        common.print_skipped("blocks", name, "a FUSE file system needs root")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for rows in SHAPES:
        _files(rows, arguments.mib)
    for _ in range(arguments.repeats):
        for name in names:
            runs[name] += common.run_in_process(__spec__.name, one=name, mib=arguments.mib)
    print_results(runs)


def print_results(runs: dict[str, list[dict[str, Any]]]) -> None:
    table, medians = [], {}
    for name, lines in runs.items():
        case, way = name.rsplit(", ", 1)
        speeds = [line["rows_per_s"] for line in lines]
        figures = common.spread(speeds, "rows_per_s")
        mb_per_s = statistics.median(speeds) * lines[0]["row_bytes"] / 1e6
        common.print_line(
            "blocks", case=case, variant=way, **figures, mb_per_s=mb_per_s, repeats=len(lines)
        )
        medians[case, way] = statistics.median(speeds)
        cells = map(common.number, (*figures.values(), mb_per_s))
        table.append((case, way, *cells))
    columns = ("case", "order", "rows a second, median", "min", "max", "MB/s")
    common.print_table("blocks", columns, table)
    cases = {case: None for case, _ in medians}
    claims = [
        common.ratio_claim(case, BLOCKS, UNIFORM, medians[case, BLOCKS] / medians[case, UNIFORM])
        for case in cases
    ]
    common.print_claims("blocks", claims)


if __name__ == "__main__":
    main()
