"""How much of a file does each of several processes read from the disk?

Run:    python -m benchmarks.bench_processes [--rows 10000]
Prints: one JSON line per number of processes and order: the bytes that each process made the
        kernel fetch, as parts of those of the file, versions, commit, machine; then a line for each
        limit.
Cache:  cold. The parts are read one after the other in this process, and the file is dropped from
        the page cache before each.
"""

import gc
from pathlib import Path
from typing import Any

from benchmarks import common

BATCH_SIZE, ROW_SHAPE = 64, (128, 128, 3)
NUM_PROCESSES = (1, 2, 4)
ORDERS = {"shuffled": True, "file order": False}

# What the kernel may read beside a part: pages that two rows share, and its own read-ahead.
BESIDE_MAX = 1.2


def bytes_fetched() -> int:
    """Bytes that this process has made the kernel fetch from the disk."""
    (line,) = (
        line
        for line in Path("/proc/self/io").read_text().splitlines()
        if line.startswith("read_bytes")
    )
    return int(line.split()[1])


def fetched_by(
    files: common.RowFiles, num_processes: int, process_id: int, shuffle: bool
) -> tuple[float, float]:
    """The part of the file that one process fetches in an epoch; and what was cached before."""
    import keras_npy

    # The kernel drops no page that a process maps.
    gc.collect()
    common.drop_from_page_cache(files.x)
    cached, before = common.resident_fraction(files.x), bytes_fetched()
    seq = keras_npy.NpySequence(
        str(files.x),
        batch_size=BATCH_SIZE,
        seed=0,
        num_processes=num_processes,
        process_id=process_id,
    )
    common.consume(keras_npy.NpyDataAdapter(seq, shuffle=shuffle).get_numpy_iterator())
    return (bytes_fetched() - before) / files.x_bytes, cached


def measure(files: common.RowFiles, order: str, num_processes: int) -> list[dict[str, Any]]:
    name = "1 process" if num_processes == 1 else f"{num_processes} processes"
    parts, cached = zip(
        *(
            fetched_by(files, num_processes, number, ORDERS[order])
            for number in range(num_processes)
        ),
        strict=True,
    )
    common.print_line(
        "processes",
        case=order,
        variant=name,
        least_of_file=min(parts),
        most_of_file=max(parts),
        sum_of_file=sum(parts),
        cached_at_start=max(cached),
    )
    if num_processes == 1:
        return []
    limit = BESIDE_MAX / num_processes
    figure = f"{name}: most that one fetches"
    return [common.limit_claim(order, figure, max(parts), "of the file", limit)]


def main() -> None:
    arguments = common.parse_arguments(__doc__, {"rows": (10_000, 1_280)})
    files = common.make_rows(arguments.rows, ROW_SHAPE)
    claims = []
    for order in ORDERS:
        for num_processes in NUM_PROCESSES:
            claims += measure(files, order, num_processes)
    common.print_claims("processes", claims)


if __name__ == "__main__":
    main()
