"""What the benchmarks share: arguments, data files, timing, memory, processes and output."""

import argparse
import collections
import ctypes
import functools
import gc
import importlib.metadata
import importlib.util
import json
import math
import mmap
import operator
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Keras runs on TensorFlow unless a benchmark says otherwise. TensorFlow's start-up messages are not
# results.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(tempfile.gettempdir()) / "keras_npy_benchmarks"
PACKAGES = ("numpy", "keras", "tensorflow", "jax", "torch", "grain")
WRITE_BYTES = 32 << 20
COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclass(frozen=True)
class RowFiles:
    """A pair of `.npy` files: rows of random bytes, and a label for each row.

    Args:
        x: Path of the rows, uint8 `(N, *row_shape)`.
        y: Path of the labels, int64 `(N,)`.
        num_rows: N.
        row_shape: Shape of one row.
    """

    x: Path
    y: Path
    num_rows: int
    row_shape: tuple[int, ...]

    @property
    def x_bytes(self) -> int:
        return self.num_rows * math.prod(self.row_shape)

    def num_batches(self, batch_size: int) -> int:
        return -(-self.num_rows // batch_size)


def parse_arguments(
    doc: str | None, sizes: dict[str, tuple[int, int]], one: Iterable[str] = ()
) -> argparse.Namespace:
    """Options of a benchmark: an integer for each of `sizes`, and `--tiny`.

    Args:
        doc: Docstring of the module, which `--help` shows.
        sizes: Value of each option in the real run, and with `--tiny`.
        one: Variants that each run in a new process, which `--one` selects.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (full, tiny) in sizes.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, help=f"{full}, or {tiny} with --tiny"
        )
    parser.add_argument(
        "--tiny", action="store_true", help="see in seconds that it runs; its figures say nothing"
    )
    parser.add_argument("--one", choices=sorted(one), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name, (full, tiny) in sizes.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, tiny if arguments.tiny else full)
    return arguments


def make_rows(
    num_rows: int,
    row_shape: tuple[int, ...],
    *,
    is_aligned: bool = True,
    num_classes: int | None = None,
) -> RowFiles:
    """Write random uint8 rows and their labels, unless the cache folder holds them.

    Args:
        num_rows: N.
        row_shape: Shape of one row.
        is_aligned: Whether the data starts at a multiple of 64 bytes, as `np.save` pads it, or
            of 16, as NumPy before 1.14 did. The rows are the same.
        num_classes: A label is the number of its row, modulo this if it is given.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    shape = (num_rows, *row_shape)
    name = "x".join(map(str, shape))
    x = CACHE / f"x_{name}_{'aligned' if is_aligned else 'offset16'}.npy"
    y = CACHE / f"y_{num_rows}_{num_classes or 'numbers'}.npy"
    if not x.exists():
        _write_file(x, _header("|u1", shape, is_aligned=is_aligned), _random_blocks(shape))
    if not y.exists():
        labels = np.arange(num_rows, dtype=np.int64)
        labels %= num_classes or num_rows
        _write_file(y, _header("<i8", (num_rows,)), [labels])
    return RowFiles(x, y, num_rows, row_shape)


def make_sparse_rows(num_rows: int, row_shape: tuple[int, ...]) -> RowFiles:
    """Make files of zeros that take no space on disk, whatever their size."""
    CACHE.mkdir(parents=True, exist_ok=True)
    shape = (num_rows, *row_shape)
    name = "x".join(map(str, shape))
    files = RowFiles(
        CACHE / f"x_{name}_sparse.npy", CACHE / f"y_{num_rows}_sparse.npy", num_rows, row_shape
    )
    for path, descr, one_shape, item_bytes in (
        (files.x, "|u1", shape, 1),
        (files.y, "<i8", (num_rows,), 8),
    ):
        header = _header(descr, one_shape)
        with open(path, "wb") as file:
            file.write(header)
            file.truncate(len(header) + math.prod(one_shape) * item_bytes)
    return files


def make_shards(files: RowFiles, num_shards: int) -> tuple[str, str]:
    """Cut rows and labels into this many files each; return the patterns of both."""
    cuts = [files.num_rows * shard // num_shards for shard in range(num_shards + 1)]
    arrays = {name: np.load(getattr(files, name), mmap_mode="r") for name in ("x", "y")}
    folder = _make_folder(
        f"{files.x.stem}_{num_shards}_shards",
        (
            (f"{name}-{shard}.npy", array[cuts[shard] : cuts[shard + 1]])
            for name, array in arrays.items()
            for shard in range(num_shards)
        ),
    )
    return f"{folder}/x-*.npy", f"{folder}/y-*.npy"


def make_samples(files: RowFiles) -> list[Path]:
    """Write each row into a file of its own; return the paths in file order."""
    x = np.load(files.x, mmap_mode="r")
    folder = _make_folder(
        f"{files.x.stem}_samples", ((f"{row}.npy", x[row]) for row in range(len(x)))
    )
    return [folder / f"{row}.npy" for row in range(len(x))]


def _make_folder(name: str, arrays: Iterable[tuple[str, np.ndarray]]) -> Path:
    folder = CACHE / name
    if not folder.exists():
        # Write to another name first: an interrupted run must not leave half a folder here.
        unfinished = CACHE / f"{name}.{os.getpid()}"
        unfinished.mkdir()
        for file_name, array in arrays:
            np.save(unfinished / file_name, array)
        unfinished.replace(folder)
    return folder


def _header(descr: str, shape: tuple[int, ...], *, is_aligned: bool = True) -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header_bytes = 10 + len(text) + 1
    header_bytes += -header_bytes % (64 if is_aligned else 16)
    if not is_aligned and header_bytes % 64 == 0:
        header_bytes += 16
    padded = text.ljust(header_bytes - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


def _random_blocks(shape: tuple[int, ...]) -> Iterable[np.ndarray]:
    rng = np.random.default_rng(0)
    left = math.prod(shape)
    while left:
        block = rng.integers(0, 256, min(left, WRITE_BYTES), np.uint8)
        left -= block.size
        yield block


def _write_file(path: Path, header: bytes, blocks: Iterable[np.ndarray]) -> None:
    # Write to another name first: an interrupted run must not leave half a file in the cache.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open(unfinished, "wb") as file:
        file.write(header)
        for block in blocks:
            block.tofile(file)
    unfinished.replace(path)


def consume(batches: Iterable[object]) -> None:
    """Take every batch and drop it, with no Python code in between."""
    collections.deque(batches, maxlen=0)


def turns(names: Iterable[str], repeats: int) -> Iterator[tuple[str, bool]]:
    """Yield the variants in turns, and whether to time each, so that drift hits all alike.

    The order is drawn anew for each turn. In A B C A B C, only A would always run with the caches
    and free memory that C leaves. First each variant runs once untimed, for tracing, page cache and
    threads.
    """
    rng, names = random.Random(0), list(names)
    for is_timed in (False, *[True] * repeats):
        for name in rng.sample(names, len(names)):
            yield name, is_timed


def time_in_turns(
    variants: dict[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """The seconds of each call; see `turns`. The caller has imported what the variants need."""
    elapsed_s: dict[str, list[float]] = {name: [] for name in variants}
    gc.collect()
    # Leave the modules of TensorFlow, torch and Grain out of garbage collections. To look through
    # them takes 0.44 s each time, also in the middle of a call.
    gc.freeze()
    try:
        for name, is_timed in turns(variants, repeats):
            gc.collect()
            started = time.perf_counter()
            variants[name]()
            if is_timed:
                elapsed_s[name].append(time.perf_counter() - started)
    finally:
        gc.unfreeze()
    return elapsed_s


def spread(values: list[float], unit: str, factor: float = 1) -> dict[str, float]:
    """Median, minimum and maximum, under names that say the unit."""
    return {
        f"median_{unit}": statistics.median(values) * factor,
        f"min_{unit}": min(values) * factor,
        f"max_{unit}": max(values) * factor,
    }


def rss_anon_bytes() -> int:
    """Anonymous memory of this process and its children. Mapped pages do not count."""
    return sum(_rss_anon_bytes(pid) for pid in _process_tree(os.getpid()))


def _rss_anon_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    line = next((line for line in status.splitlines() if line.startswith("RssAnon:")), "0 0 kB")
    return int(line.split()[1]) << 10


def _process_tree(pid: int) -> list[int]:
    tree = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                tree += _process_tree(int(child))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return tree


class MemoryGrowth:
    """The peak of RssAnon since this object was made, above its value at that time."""

    def __init__(self) -> None:
        gc.collect()
        self._start_bytes = self._peak_bytes = rss_anon_bytes()

    def sample(self) -> None:
        self._peak_bytes = max(self._peak_bytes, rss_anon_bytes())

    @property
    def peak_mb(self) -> float:
        return (self._peak_bytes - self._start_bytes) / 1e6


def drop_from_page_cache(path: Path) -> None:
    """Make the next read of a file come from the disk.

    Pages that a process maps stay, so the caller must ensure that no process maps the file.
    """
    with open(path, "rb") as file:
        # Pages that are not written yet cannot be dropped.
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident_fraction(path: Path) -> float:
    """How much of a file the page cache holds, from 0 to 1."""
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping,
    ):
        pages = np.zeros(-(-len(mapping) // mmap.PAGESIZE), np.uint8)
        view = np.frombuffer(mapping, np.uint8)
        address, length = view.ctypes.data, len(mapping)
        del view  # A mapping with an exported pointer cannot be closed.
        libc = ctypes.CDLL(None, use_errno=True)
        found = libc.mincore(
            ctypes.c_void_p(address), ctypes.c_size_t(length), pages.ctypes.data_as(ctypes.c_void_p)
        )
        if found:
            raise OSError(ctypes.get_errno(), "mincore failed", os.fspath(path))
    return float((pages & 1).mean())


def run_in_process(module: str, **options: object) -> list[dict[str, Any]]:
    """Run a module in a new process and return the JSON lines that it prints.

    Args:
        module: The module, such as `benchmarks.bench_memory`.
        **options: The module's options and their values.
    """
    command = [sys.executable, "-m", module]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return run_command(command)


def run_on_backend(
    module: str, backend: str, *, benchmark: str, one: str, **options: object
) -> list[dict[str, Any]]:
    """The JSON lines of one case. If the backend is not installed, say so and return none."""
    if not is_installed(backend):
        print_skipped(benchmark, one, f"{backend} is not installed")
        return []
    return run_in_process(module, one=one, **options)


def use_backend(backend: str) -> None:
    """Run Keras on a backend, in a process that has not imported it yet."""
    os.environ["KERAS_BACKEND"] = backend


def use_any_backend() -> None:
    """Run Keras on the backend that starts fastest, where what is measured needs none."""
    use_backend("jax" if is_installed("jax") else "tensorflow")


def run_command(command: list[str]) -> list[dict[str, Any]]:
    """The JSON lines that a command prints; its other output passes through."""
    ended = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def is_installed(package: str | None) -> bool:
    return package is None or importlib.util.find_spec(package) is not None


@functools.cache
def environment() -> dict[str, Any]:
    """Versions, commit and machine, without which a figure means nothing."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        if is_installed(package):
            versions[package] = importlib.metadata.version(package)
    return {"versions": versions, "commit": _commit(), "machine": _machine()}


def _commit() -> str:
    git = ["git", "-C", os.fspath(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _machine() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = models[0] if models else platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory_bytes / 2**30:.0f} GiB, Linux {platform.release()}"


def print_line(benchmark: str, **fields: object) -> dict[str, Any]:
    """Print one result as a JSON line on standard output."""
    line = {"benchmark": benchmark, **fields, **environment()}
    print(json.dumps(line), flush=True)
    return line


def print_skipped(benchmark: str, variant: str, reason: str) -> None:
    """Say which variant is left out, and why."""
    print_line(benchmark, skipped=variant, reason=reason)
    print(f"{variant} is left out: {reason}", file=sys.stderr)


def print_claims(benchmark: str, claims: list[dict[str, Any]]) -> None:
    """Print figures beside their targets: a JSON line each, and a table."""
    for claim in claims:
        print_line(benchmark, **claim)
    print_table(
        f"{benchmark}: figures and targets",
        ("case", "figure", "value", "target", "reached"),
        [tuple(cell.strip("*") for cell in claim_cells(claim)) for claim in claims],
    )


def ratio_claim(
    case: str, name: str, other: str, value: float, target: float | None = None
) -> dict[str, Any]:
    """How many times as fast as `other` the variant `name` is, and the least it should be."""
    return _claim(case, f"{name}: speed over {other}", value, "x", ">=", target)


def limit_claim(
    case: str, figure: str, value: float, unit: str, target: float | None = None
) -> dict[str, Any]:
    """A figure and its upper limit."""
    return _claim(case, figure, value, unit, "<=", target)


def exact_claim(
    case: str, figure: str, value: float, unit: str, target: float | None = None
) -> dict[str, Any]:
    """A figure that follows from the data, and its exact value."""
    return _claim(case, figure, value, unit, "==", target)


def _claim(
    case: str, figure: str, value: float, unit: str, relation: str, target: float | None
) -> dict[str, Any]:
    reached = None
    if target is not None:
        reached = COMPARISONS[relation](value, target)
    return {
        "case": case,
        "figure": figure,
        "value": value,
        "unit": unit,
        "relation": relation,
        "target": target,
        "reached": reached,
    }


def claim_cells(claim: dict[str, Any]) -> tuple[str, ...]:
    """A claim as the cells of a table's row."""
    value, unit, target = claim["value"], claim["unit"], claim["target"]
    written = f"{value:.2f}x" if unit == "x" else f"{number(value)} {unit}"
    if target is None:
        return claim["case"], claim["figure"], written, "", ""
    wanted = f"{target:g}x" if unit == "x" else f"{number(target)} {unit}"
    relation = {">=": "at least", "<=": "at most", "==": "exactly"}[claim["relation"]]
    reached = "yes" if claim["reached"] else "**no**"
    return claim["case"], claim["figure"], written, f"{relation} {wanted}", reached


def number(value: float) -> str:
    """Format a number with three significant digits: 0.123, 12.3, 1,230."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, 2 - math.floor(math.log10(abs(value)))):,.{digits}f}"


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table for people on standard error; standard output holds only JSON lines."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < 2 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
