"""Are rows shuffled as well as by NumPy, and what do blocks cost?

Run:    python -m benchmarks.bench_shuffle [--rows 1000000 --values 10000000]
Prints: one JSON line per number of rows and way to shuffle: p-values of three tests, and how much
        the classes of a batch vary where the file is sorted by class, in times of a uniform
        shuffle; versions, commit, machine; then a line for each limit.
Cache:  none; no file is read. Seeds are fixed, so all figures but those of NumPy's own generator
        are the same on every machine.

The tests, over many seeds:
    positions   Does each part of a pass get rows of each part of the file alike?
    pairs       Is the next row unrelated to this one? The distance of both, modulo the number of
                rows, takes each value equally often.
    labels      Do batches have the classes that chance would give them, if the file is sorted by
                class?
A p-value is the chance that a uniform shuffle is as far from what is expected as this, or further:
too even is as suspicious as too uneven.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from keras_npy.order.order import Order
from keras_npy.order.permutation import SORTED_ROWS_MAX

KERAS_NPY, NUMPY = "keras_npy", "NumPy, Generator.permutation"
BATCH_SIZE, NUM_CLASSES = 64, 10
NUM_GROUPS = 8
# Primes and powers of two, and both sides of the limit at which keras_npy changes its method.
NUM_ROWS = (2, 3, 7, 64, 1_009, 4_096, SORTED_ROWS_MAX, SORTED_ROWS_MAX + 1, 262_144, 999_983)
BLOCK_SIZES = (16, 64, 256, 1_024, 4_096)
SAMPLED_ROWS = 10**9
VALUES = 10_000_000
# A pass of few rows takes as long as one of so many.
SEEDS_MIN, FEW_ROWS = 5, 500
# Fewer rows have distances that depend on each other, so one pair of each pass is looked at.
ALL_PAIRS_ROWS = 1_000
P_MIN = 1e-4

COLUMNS = ("case", "order", "positions", "pairs", "labels", "spread of labels")

# The rows at positions `start <= i < stop` of a shuffled pass, for a seed.
Shuffle = Callable[[int, int, int], np.ndarray]


@dataclass(frozen=True)
class Looked:
    """The rows of some passes, in stretches of consecutive positions.

    Args:
        num_rows: Rows of a pass.
        shuffle: What shuffles them.
        stretches: The first and last position, exclusive, of each stretch.
        num_seeds: Passes to look at.
    """

    num_rows: int
    shuffle: Shuffle
    stretches: list[tuple[int, int]]
    num_seeds: int

    @property
    def is_whole(self) -> bool:
        return self.stretches == [(0, self.num_rows)]

    def passes(self) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
        """Yield positions and rows of each pass, and where stretches end in them."""
        positions = np.concatenate([np.arange(*stretch) for stretch in self.stretches])
        ends = np.cumsum([stop - start for start, stop in self.stretches]).tolist()
        for seed in range(self.num_seeds):
            rows = [self.shuffle(start, stop, seed) for start, stop in self.stretches]
            yield positions, np.concatenate(rows), ends


def measure(looked: Looked) -> dict[str, float]:
    """The p-value of each test, and the spread of labels in times of a uniform shuffle."""
    num_groups = min(NUM_GROUPS, looked.num_rows)
    table = np.zeros((num_groups, num_groups))
    distances = np.zeros(min(NUM_GROUPS, looked.num_rows - 1))
    labels, labels_freedom = 0.0, 0.0
    for seed, (positions, rows, ends) in enumerate(looked.passes()):
        groups = group_of(positions, looked.num_rows, num_groups)
        table += counts_of(groups, group_of(rows, looked.num_rows, num_groups), num_groups)
        distances += distances_of(rows, ends, looked.num_rows, len(distances), seed)
        spread, freedom = spread_of_labels(rows, looked)
        labels, labels_freedom = labels + spread, labels_freedom + freedom
    figures = {"p_value_positions": test_positions(table, looked)}
    if len(distances) > 1:
        figures["p_value_pairs"] = test_equal(distances, looked.num_rows - 1)
    if labels_freedom:
        figures["p_value_labels"] = p_value_of(labels, labels_freedom)
        figures["spread_of_labels"] = labels / labels_freedom
    return figures


def group_of(values: np.ndarray, num_values: int, num_groups: int) -> np.ndarray:
    """Which of some groups of neighbours each value belongs to."""
    return values * num_groups // num_values


def sizes_of(num_values: int, num_groups: int) -> np.ndarray:
    """How many of the values below `num_values` belong to each group."""
    # The first value of group g is the least one with value * num_groups >= g * num_values.
    starts = [-(-group * num_values // num_groups) for group in range(num_groups + 1)]
    return np.diff(np.array(starts, float))


def counts_of(groups: np.ndarray, others: np.ndarray, num_others: int) -> np.ndarray:
    num_groups = int(groups.max()) + 1
    counts = np.bincount(groups * num_others + others, minlength=num_groups * num_others)
    return counts.reshape(num_groups, num_others)


def distances_of(
    rows: np.ndarray, ends: list[int], num_rows: int, num_groups: int, seed: int
) -> np.ndarray:
    """How often the next row lies at a distance of each group, modulo the number of rows."""
    if not num_groups:
        return np.zeros(0)
    distances = np.diff(rows) % num_rows
    if num_rows < ALL_PAIRS_ROWS:
        distances = distances[[seed % len(distances)]]
    else:
        # From one stretch to the next is no pair.
        distances = np.delete(distances, np.array(ends[:-1], int) - 1)
    return np.bincount(group_of(distances - 1, num_rows - 1, num_groups), minlength=num_groups)


def spread_of_labels(rows: np.ndarray, looked: Looked) -> tuple[float, float]:
    """Chi-square of the classes of the full batches of a pass, and its degrees of freedom."""
    num_batches = len(rows) // BATCH_SIZE
    if num_batches < 2:
        return 0.0, 0.0
    rows = rows[: num_batches * BATCH_SIZE]
    shares = sizes_of(looked.num_rows, NUM_CLASSES) / looked.num_rows
    classes = group_of(rows, looked.num_rows, NUM_CLASSES)
    counts = counts_of(np.arange(len(rows)) // BATCH_SIZE, classes, NUM_CLASSES)
    expected = BATCH_SIZE * shares
    # No row comes twice in a batch, so its classes vary less than those of drawn rows.
    factor = (looked.num_rows - 1) / (looked.num_rows - BATCH_SIZE)
    square = ((counts - expected) ** 2 / expected).sum() * factor
    # Batches of one pass exclude each other's rows: all of them together have the classes of all.
    num_free = num_batches - len(rows) / looked.num_rows
    return square * num_free / num_batches, num_free * (NUM_CLASSES - 1)


def test_positions(table: np.ndarray, looked: Looked) -> float:
    """The p-value of counts by groups of positions and of rows, of all passes together."""
    num_groups = table.shape[1]
    shares = sizes_of(looked.num_rows, num_groups) / looked.num_rows
    expected = table.sum(axis=1, keepdims=True) * shares
    square = ((table - expected) ** 2 / expected).sum()
    if not looked.is_whole:
        return p_value_of(square, table.shape[0] * (num_groups - 1))
    # A permutation gives each group of rows as often as it is large, so its counts vary more.
    factor = (looked.num_rows - 1) / looked.num_rows
    return p_value_of(square * factor, (table.shape[0] - 1) * (num_groups - 1))


def test_equal(counts: np.ndarray, num_values: int) -> float:
    """The p-value of counts of groups of equally frequent values."""
    expected = counts.sum() * sizes_of(num_values, len(counts)) / num_values
    return p_value_of(float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1)


def p_value_of(square: float, freedom: float) -> float:
    """The p-value of chi-square with so many degrees of freedom, of both sides."""
    more = chance_of_more(float(square), freedom)
    return min(1.0, 2 * min(more, 1 - more))


def chance_of_more(square: float, freedom: float) -> float:
    """The chance that chi-square with so many degrees of freedom is larger than this."""
    # It takes seconds to import, and only this needs it.
    import tensorflow as tf

    half, x = (tf.constant(value / 2, tf.float64) for value in (freedom, square))
    return float(tf.math.igammac(half, x))


def by_keras_npy(num_rows: int, block_size: int | None = None) -> Shuffle:
    order = Order(num_rows, 1, shuffle="rows", shuffle_block_size=block_size)

    def shuffle(start: int, stop: int, seed: int) -> np.ndarray:
        # The number of a pass counts as much as a seed.
        return order.rows(seed, start, stop)

    return shuffle


def by_numpy(num_rows: int) -> Shuffle:
    def shuffle(start: int, stop: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(num_rows)[start:stop]

    return shuffle


def by_affine(num_rows: int) -> Shuffle:
    """A bad way to shuffle: steps of one size around a circle. The tests must find it."""

    def shuffle(start: int, stop: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        step, first = (int(rng.integers(1, num_rows)), int(rng.integers(num_rows)))
        while math.gcd(step, num_rows) > 1:
            step = step % num_rows + 1
        return (first + step * np.arange(start, stop)) % num_rows

    return shuffle


def looked_at(num_rows: int, shuffle: Shuffle, values: int = VALUES) -> Looked:
    """All rows of many passes, or some rows if there are too many: about `values` of them."""
    if num_rows > SAMPLED_ROWS // 2:
        num_stretches = values // (SEEDS_MIN * BATCH_SIZE * 16)
        starts = np.linspace(0, num_rows - BATCH_SIZE, num_stretches).astype(np.int64).tolist()
        return Looked(num_rows, shuffle, [(at, at + BATCH_SIZE) for at in starts], SEEDS_MIN)
    num_seeds = max(SEEDS_MIN, values // max(num_rows, FEW_ROWS))
    return Looked(num_rows, shuffle, [(0, num_rows)], num_seeds)


def variants(num_rows: int, most_rows: int) -> dict[str, Shuffle]:
    """The ways to shuffle so many rows; blocks are compared at the most rows."""
    ways = {KERAS_NPY: by_keras_npy(num_rows)}
    if num_rows <= most_rows:
        ways[NUMPY] = by_numpy(num_rows)
    if num_rows == most_rows:
        ways |= {f"{KERAS_NPY}, blocks of {s:,}": by_keras_npy(num_rows, s) for s in BLOCK_SIZES}
    return ways


def draw(path: Path, lines: list[dict[str, Any]]) -> None:
    """Where rows go in a pass, and how much the classes of batches vary, as a PNG.

    Nothing is drawn if the benchmark did not run.
    """
    spreads = spreads_by_block(lines)
    if not spreads:
        return
    num_rows = max(line["num_rows"] for line in lines if line.get("is_most"))
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 4, figsize=(14, 3.6), layout="constrained")
    ways = {
        KERAS_NPY: by_keras_npy(num_rows),
        NUMPY: by_numpy(num_rows),
        "keras_npy, blocks of 256": by_keras_npy(num_rows, 256),
    }
    shown = np.linspace(0, num_rows - 1, 6_000).astype(np.int64)
    for panel, (name, shuffle) in zip(panels, ways.items(), strict=False):
        panel.plot(shown, shuffle(0, num_rows, 0)[shown], ",", color="#1f2933")
        panel.set_title(name, loc="left", size=11)
        panel.set(xlabel="position in the pass", ylabel="row of the file", xticks=[], yticks=[])
    last = panels[-1]
    last.plot(list(spreads), list(spreads.values()), "o-", color="#d9480f")
    last.axhline(1, color="#8ea4b8", linestyle="--")
    last.set(xscale="log", xlabel="shuffle_block_size", ylim=(0, None))
    last.set_xticks(list(spreads), [f"{size:,}" for size in spreads])
    last.minorticks_off()
    last.set_title("variance of classes in a batch, uniform = 1", loc="left", size=11)
    last.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"One pass over {num_rows:,} rows", x=0.01, ha="left", size=12, weight="bold")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def spreads_by_block(lines: list[dict[str, Any]]) -> dict[int, float]:
    """The spread of labels for each size of blocks, and 1 for all rows alike."""
    found = {line["variant"]: line["spread_of_labels"] for line in lines if line.get("is_most")}
    named = {1: KERAS_NPY} | {size: f"{KERAS_NPY}, blocks of {size:,}" for size in BLOCK_SIZES}
    return {size: found[name] for size, name in named.items() if name in found}


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"rows": (1_000_000, 4_099), "values": (VALUES, 300_000)}
    )
    small = [num_rows for num_rows in NUM_ROWS if num_rows < arguments.rows]
    lines = []
    for num_rows in (*small, arguments.rows, SAMPLED_ROWS):
        for name, shuffle in variants(num_rows, arguments.rows).items():
            figures = measure(looked_at(num_rows, shuffle, arguments.values))
            is_most = {"is_most": True} if num_rows == arguments.rows else {}
            case = f"{num_rows:,} rows"
            line = {"case": case, "variant": name, "num_rows": num_rows, **is_most, **figures}
            lines.append(common.print_line("shuffle", **line))
    common.print_table("shuffle: p-values", COLUMNS, [cells(line) for line in lines])
    common.print_claims("shuffle", [claim_of(lines)])


def cells(line: dict[str, Any]) -> tuple[str, ...]:
    """A line as the cells of a table's row."""
    names = ("p_value_positions", "p_value_pairs", "p_value_labels", "spread_of_labels")
    figures = (f"{line[name]:.3f}" if name in line else "–" for name in names)
    return line["case"], line["variant"], *figures


def claim_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """How many p-values of keras_npy are too small, where all rows are shuffled alike."""
    values = [
        value
        for line in lines
        if line["variant"] == KERAS_NPY
        for name, value in line.items()
        if name.startswith("p_value")
    ]
    num_small = sum(value < P_MIN for value in values)
    figure = f"{KERAS_NPY}: p-values below {P_MIN:g}"
    return common.limit_claim("all numbers of rows", figure, num_small, f"of {len(values)}", 0)


if __name__ == "__main__":
    main()
