"""How fast would it be with far more data, files and processes than there are here?

Run:    python -m benchmarks.scale [--stream-mb-s 150 --random-rows-per-s 120 --memory-gb 64]
        [--repeats 5]
Prints: one JSON line per prediction that can be checked here, with the measured value and their
        ratio; one per data set that is larger than this machine; both as tables; versions, commit,
        machine. A measured value is the median. `report_disks` publishes the tables.
Cache:  the small files that are measured first, and the large ones that predictions are checked
        with, are dropped from the page cache where the disk is meant.

The model is small enough to do by hand. Reading, gathering and computing the order go on at the
same time, so the slowest of them decides:
    disk        Each row at a random place takes 1 / random-rows-per-s, or its bytes take 1 /
                stream-mb-s. A block of 1 MB takes one random place and its bytes. Rows that the
                page cache holds take nothing: that part of all rows which fits into it.
    gathering   Bytes from the page cache into batches.
    order       A row's number.
The headers of all files, constructor and first batch come once, before.
"""

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.bench_processes import bytes_fetched
from keras_npy.order.order import Order

BATCH_SIZE, ROW_SHAPE = 64, (128, 128, 3)
ROW_BYTES = 128 * 128 * 3
SPARSE_SHAPE = (28, 28)
BLOCK_BYTES, PAGE_BYTES = 1_000_000, 4_096
# Reads that wait for the disk at a time.
ADVISED_ROWS = 256
# A part of this size of what is predicted is measured.
PART = 8
ORDER_ROWS = 1 << 20

MACHINE_COLUMNS = ("figure", "value")
CHECK_COLUMNS = ("case", "unit", "predicted", "measured", "measured over predicted")
FAR_COLUMNS = (
    *("case", "order", "hours", "MB/s each", "GB/s", "cached", "slowest"),
    *("order, of that", "start"),
)


@dataclass(frozen=True)
class Machine:
    """What one process has of a machine.

    Args:
        stream_mb_s: MB that the disk, or the network before it, gives in a second.
        random_rows_per_s: Rows at random places that it gives in a second, many at a time.
        memory_gb: Page cache.
        gather_mb_s: MB of rows in the page cache that become batches in a second.
        order_ns: For a row.
        header_us: To open a file and to read its header.
        start_s: Constructor and first batch of one file.
    """

    stream_mb_s: float
    random_rows_per_s: float
    memory_gb: float
    gather_mb_s: float
    order_ns: float
    header_us: float
    start_s: float


@dataclass(frozen=True)
class DataSet:
    """What is read in an epoch.

    Args:
        num_bytes: Bytes of all rows.
        row_bytes: Bytes of a row.
        num_files: Shards.
        num_processes: Processes that share each batch, each on a machine of its own.
        has_blocks: Whether rows are shuffled by blocks of 1 MB.
    """

    num_bytes: float
    row_bytes: int
    num_files: int = 1
    num_processes: int = 1
    has_blocks: bool = False

    @property
    def num_rows(self) -> float:
        """Rows that one process reads."""
        return self.num_bytes / self.row_bytes / self.num_processes


def disk_s(machine: Machine, data: DataSet, *, cached: float) -> float:
    """Seconds of one process for the rows that the page cache does not hold."""
    read_bytes = data.num_rows * data.row_bytes * (1 - cached)
    places = data.num_rows * (1 - cached)
    # A row touches one page at least.
    pages = max(1.0, PAGE_BYTES / data.row_bytes)
    if data.has_blocks and data.row_bytes < BLOCK_BYTES:
        # Of several processes each reads its own rows of a block: fewer bytes, as many places.
        places = min(places, data.num_bytes / BLOCK_BYTES * (1 - cached))
        pages = min(pages, data.num_processes)
    read_bytes *= pages
    return max(read_bytes / machine.stream_mb_s / 1e6, places / machine.random_rows_per_s)


def cached_part(machine: Machine, data: DataSet) -> float:
    """The part of the rows that the page cache holds when an epoch begins."""
    # The rows that a process reads are others in each epoch, so all rows compete for its memory.
    return min(1.0, machine.memory_gb * 1e9 / data.num_bytes)


def epoch_s(machine: Machine, data: DataSet, *, cached: float) -> dict[str, float]:
    """Seconds of an epoch, by what takes them; they go on at the same time."""
    return {
        "disk": disk_s(machine, data, cached=cached),
        "gathering": data.num_rows * data.row_bytes / machine.gather_mb_s / 1e6,
        "order": data.num_rows * machine.order_ns / 1e9,
    }


def start_s(machine: Machine, data: DataSet) -> float:
    """Seconds from the constructor to the first batch."""
    return machine.start_s + (data.num_files - 1) * machine.header_us / 1e6


# What this machine has, measured on less than what is predicted.


def timed(call: Callable[[], object], repeats: int) -> float:
    """The seconds of a call, the median of several."""
    elapsed_s = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        call()
        elapsed_s.append(time.perf_counter() - started)
    return statistics.median(elapsed_s)


def measure_machine(arguments: argparse.Namespace) -> Machine:
    """What the arguments say of this machine, and otherwise what is measured."""
    files = common.make_rows(max(arguments.rows // PART, 4 * BATCH_SIZE), ROW_SHAPE)
    rng = np.random.default_rng(0)
    offsets = rng.permutation(files.num_rows) * ROW_BYTES
    num_shards, repeats = max(arguments.shards // PART, 2), arguments.repeats
    shards, _ = common.make_shards(_small(arguments), num_shards)
    few = common.make_sparse_rows(10_000, SPARSE_SHAPE)
    measured = Machine(
        stream_mb_s=files.x_bytes / 1e6 / timed(lambda: read_cold(files, offsets=None), repeats),
        random_rows_per_s=files.num_rows
        / timed(lambda: read_cold(files, offsets=offsets), repeats),
        memory_gb=os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9,
        gather_mb_s=files.x_bytes / 1e6 / timed(lambda: gather(files), repeats),
        order_ns=timed(compute_order, repeats) / ORDER_ROWS * 1e9,
        header_us=timed(lambda: open_all(shards), repeats) / num_shards * 1e6,
        start_s=timed(lambda: first_batch(few), repeats),
    )
    given = {
        name: float(value)
        for name in ("stream_mb_s", "random_rows_per_s", "memory_gb")
        if (value := getattr(arguments, name))
    }
    return replace(measured, **given)


def _small(arguments: argparse.Namespace) -> common.RowFiles:
    return common.make_rows(arguments.shards, (16,))


def read_cold(files: common.RowFiles, *, offsets: np.ndarray | None) -> None:
    """Read a file that is not in memory: in order, or its rows at these offsets."""
    common.drop_from_page_cache(files.x)
    descriptor, buffer = os.open(files.x, os.O_RDONLY), bytearray(8 << 20)
    try:
        if offsets is None:
            while os.readv(descriptor, [buffer]):
                pass
            return
        for first in range(0, len(offsets), ADVISED_ROWS):
            some = offsets[first : first + ADVISED_ROWS].tolist()
            for offset in some:
                os.posix_fadvise(descriptor, offset, ROW_BYTES, os.POSIX_FADV_WILLNEED)
            for offset in some:
                os.pread(descriptor, ROW_BYTES, offset)
    finally:
        os.close(descriptor)


def gather(files: common.RowFiles) -> None:
    """Copy all rows of a file that is in memory into batches."""
    rows = np.load(files.x, mmap_mode="r")
    out = np.empty((BATCH_SIZE, *ROW_SHAPE), np.uint8)
    for start in range(0, files.num_rows - BATCH_SIZE + 1, BATCH_SIZE):
        np.take(rows, range(start, start + BATCH_SIZE), axis=0, out=out, mode="clip")


def compute_order() -> None:
    """Compute the numbers of rows as a feed does, a block at a time."""
    order = Order(1_000 * ORDER_ROWS, BATCH_SIZE, shuffle="rows")
    for first in range(0, ORDER_ROWS // BATCH_SIZE, 128):
        order.rows(0, first, first + 128)


def open_all(pattern: str) -> None:
    import keras_npy

    keras_npy.open_rows(pattern)


def first_batch(files: common.RowFiles) -> None:
    import keras_npy

    keras_npy.NpySequence(str(files.x), str(files.y), shuffle=True, seed=0)[0]


# Predictions, and what comes of them here.


def epoch_of(files: common.RowFiles, **arguments: Any) -> None:
    """A shuffled epoch from a file that is not in memory."""
    import keras_npy

    common.drop_from_page_cache(files.x)
    seq = keras_npy.NpySequence(str(files.x), batch_size=BATCH_SIZE, seed=0, **arguments)
    common.consume(keras_npy.NpyDataAdapter(seq, shuffle=True).get_numpy_iterator())


@dataclass(frozen=True)
class Check:
    """A prediction, and the measured value."""

    case: str
    unit: str
    predicted: float
    measured: float

    @property
    def cells(self) -> tuple[str, ...]:
        figures = (self.predicted, self.measured, self.measured / self.predicted)
        return self.case, self.unit, *map(common.number, figures)


def check_all(machine: Machine, arguments: argparse.Namespace) -> list[Check]:
    """Each prediction that can be checked here, beside the measured value."""
    files = common.make_rows(arguments.rows, ROW_SHAPE)
    return [
        *check_epochs(machine, files, arguments.repeats),
        *check_processes(machine, files, arguments.repeats),
        *check_starts(machine, arguments),
    ]


def check_epochs(machine: Machine, files: common.RowFiles, repeats: int) -> list[Check]:
    """Cold epochs of one process: uniform, and by blocks."""
    checks = []
    for name, size in (("uniform", None), ("blocks of 1 MB", BLOCK_BYTES // ROW_BYTES)):
        data = DataSet(files.x_bytes, ROW_BYTES, has_blocks=size is not None)
        predicted_s = max(epoch_s(machine, data, cached=0).values())
        measured_s = timed(lambda size=size: epoch_of(files, shuffle_block_size=size), repeats)
        case = f"{files.x_bytes / 1e9:.2g} GB cold, {name}"
        checks.append(Check(case, "s an epoch", predicted_s, measured_s))
    return checks


def check_processes(machine: Machine, files: common.RowFiles, repeats: int) -> list[Check]:
    """What one of two and of four processes reads and waits for, each disk to itself."""
    checks = []
    for num_processes in (2, 4):
        data = DataSet(files.x_bytes, ROW_BYTES, num_processes=num_processes)
        before = bytes_fetched()
        measured_s = timed(
            lambda num=num_processes: epoch_of(files, num_processes=num, process_id=0), repeats
        )
        read_mb = (bytes_fetched() - before) / repeats / 1e6
        predicted_s = max(epoch_s(machine, data, cached=0).values())
        case = f"{files.x_bytes / 1e9:.2g} GB cold, 1 of {num_processes} processes"
        predicted_mb = data.num_rows * (ROW_BYTES + PAGE_BYTES) / 1e6
        checks.append(Check(case, "s an epoch", predicted_s, measured_s))
        checks.append(Check(case, "MB from the disk", predicted_mb, read_mb))
    return checks


def check_starts(machine: Machine, arguments: argparse.Namespace) -> list[Check]:
    """What comes before the first step: very many rows, and many files."""
    sparse = common.make_sparse_rows(arguments.sparse_rows, SPARSE_SHAPE)
    shards, _ = common.make_shards(_small(arguments), arguments.shards)
    data, repeats = DataSet(sparse.x_bytes, 784), arguments.repeats
    header_s = start_s(replace(machine, start_s=0), DataSet(1, 1, arguments.shards + 1))
    return [
        Check(
            f"{arguments.sparse_rows:,} sparse rows",
            "s to the first batch",
            start_s(machine, data),
            timed(lambda: first_batch(sparse), repeats),
        ),
        Check(
            f"{arguments.shards:,} shards",
            "s to open",
            header_s,
            timed(lambda: open_all(shards), repeats),
        ),
    ]


FAR = {
    "1 TB": DataSet(1e12, ROW_BYTES, 1_000),
    "1 TB of small rows": DataSet(1e12, 784, 1_000),
    "100 TB": DataSet(1e14, ROW_BYTES, 100_000),
    "100 TB, 1,000 processes": DataSet(1e14, ROW_BYTES, 100_000, 1_000),
    "100 TB of small rows, 1,000 processes": DataSet(1e14, 784, 100_000, 1_000),
    "1,000,000 files, 1,000 processes": DataSet(1e14, ROW_BYTES, 1_000_000, 1_000),
}


def far_lines(machine: Machine) -> list[dict[str, Any]]:
    """An epoch of each data set, uniform and by blocks, and its start."""
    lines = []
    for case, uniform in FAR.items():
        for name, data in (("uniform", uniform), ("blocks", replace(uniform, has_blocks=True))):
            cached = cached_part(machine, data)
            parts = epoch_s(machine, data, cached=cached)
            slowest = max(parts, key=parts.__getitem__)
            mb = data.num_bytes / data.num_processes / 1e6
            lines.append(
                {
                    "case": case,
                    "variant": name,
                    "epoch_hours": parts[slowest] / 3_600,
                    "mb_per_s_of_a_process": mb / parts[slowest],
                    "gb_per_s": mb / parts[slowest] * data.num_processes / 1e3,
                    "cached_at_start": cached,
                    "slowest": slowest,
                    "order_part": parts["order"] / parts[slowest],
                    "start_s": start_s(machine, data),
                }
            )
    return lines


def main() -> None:
    sizes = {
        "rows": (20_000, 640),
        "shards": (10_000, 80),
        "sparse_rows": (10**9, 10**6),
        # 0 stands for what is measured.
        "stream_mb_s": (0, 0),
        "random_rows_per_s": (0, 0),
        "memory_gb": (0, 0),
        "repeats": (5, 1),
    }
    arguments = common.parse_arguments(__doc__, sizes)
    common.use_any_backend()
    # The first use of anything takes longer, by imports of its own.
    first_batch(common.make_sparse_rows(1_000, SPARSE_SHAPE))
    machine = measure_machine(arguments)
    print_all(machine, check_all(machine, arguments), far_lines(machine))


def print_all(machine: Machine, checks: list[Check], far: list[dict[str, Any]]) -> None:
    common.print_line("scale", machine_has=vars(machine))
    rows = [(name, common.number(value)) for name, value in vars(machine).items()]
    common.print_table("scale: this machine", MACHINE_COLUMNS, rows)
    for check in checks:
        common.print_line("scale", **vars(check), ratio=check.measured / check.predicted)
    common.print_table("scale: predictions", CHECK_COLUMNS, [check.cells for check in checks])
    for line in far:
        common.print_line("scale", **line)
    common.print_table("scale: an epoch", FAR_COLUMNS, [far_cells(line) for line in far])


def far_cells(line: dict[str, Any]) -> tuple[str, ...]:
    """A line as the cells of a table's row."""
    figures = (line[name] for name in ("epoch_hours", "mb_per_s_of_a_process", "gb_per_s"))
    return (
        *(line["case"], line["variant"], *map(common.number, figures)),
        *(f"{line['cached_at_start']:.1%}", line["slowest"], f"{line['order_part']:.1%}"),
        f"{common.number(line['start_s'])} s",
    )


if __name__ == "__main__":
    main()
