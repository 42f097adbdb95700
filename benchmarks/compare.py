"""Which figures of keras_npy differ between two runs, by more than they spread within a run?

Run:    python -m benchmarks.compare OLD.json NEW.json
Prints: for each variant that both runs timed, its median in the one and the other, how many times
        as fast the new one is, and whether that is beyond the spread: the two ranges from least to
        most have nothing in common. Then how fast the peers are, which shows what the machine
        itself did meanwhile, and the figures of keras_npy that fell beyond their spread. The exit
        status is 1 if there are any.
Cache:  none: it reads files of `run_all`.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import common

# A unit and whether more of it is better.
UNITS = {
    "us_per_batch": False,
    "us_per_step": False,
    "ms_per_step": False,
    "s": False,
    "mb_per_s": True,
}

OURS = ("keras_npy", "NpyInputLayer")


class Times(NamedTuple):
    """The median of a variant in one run, and the range in which its repeats lie."""

    median: float
    least: float
    most: float


class Pair(NamedTuple):
    """One variant in both runs."""

    name: tuple[str, str, str]
    unit: str
    old: Times
    new: Times

    @property
    def speed(self) -> float:
        """How many times as fast the new run is."""
        is_rate = UNITS[self.unit]
        return (self.new.median / self.old.median) ** (1 if is_rate else -1)

    @property
    def is_beyond_spread(self) -> bool:
        return self.new.least > self.old.most or self.new.most < self.old.least

    @property
    def is_ours(self) -> bool:
        return self.name[2].startswith(OURS)

    @property
    def fell(self) -> bool:
        return self.is_ours and self.speed < 1 and self.is_beyond_spread


def read_times(path: Path) -> dict[tuple[str, str, str], dict[str, Times]]:
    """The times of each variant by unit, from the results of one run."""
    found: dict[tuple[str, str, str], dict[str, Times]] = {}
    for line in json.loads(path.read_text())["lines"]:
        if "variant" in line:
            name = line["benchmark"], line["case"], line["variant"]
            found[name] = dict(_times_of(line))
    return found


def _times_of(line: dict[str, Any]) -> Iterator[tuple[str, Times]]:
    for unit in UNITS:
        if f"median_{unit}" in line:
            yield unit, Times(*(line[f"{which}_{unit}"] for which in ("median", "min", "max")))


def pair(old: Path, new: Path) -> list[Pair]:
    """The variants that both runs timed, in the order of the new one."""
    before = read_times(old)
    return [
        Pair(name, unit, before[name][unit], times)
        for name, units in read_times(new).items()
        for unit, times in units.items()
        if unit in before.get(name, {})
    ]


def _cells(pair: Pair) -> tuple[str, ...]:
    old, new = (
        "{} ({} to {})".format(*map(common.number, times)) for times in (pair.old, pair.new)
    )
    beyond = "beyond the spread" if pair.is_beyond_spread else ""
    return " ".join(pair.name[:2]), pair.name[2], pair.unit, old, new, f"{pair.speed:.2f}x", beyond


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="results of run_all")
    parser.add_argument("new", type=Path, help="results of another run, of the same machine")
    arguments = parser.parse_args()
    pairs = pair(arguments.old, arguments.new)
    columns = ("case", "variant", "unit", "old", "new", "speed", "")
    common.print_table("Both runs: median (least to most)", columns, list(map(_cells, pairs)))
    fell = [pair for pair in pairs if pair.fell]
    for name, is_ours in (("keras_npy", True), ("peers", False)):
        speeds = [pair.speed for pair in pairs if pair.is_ours == is_ours]
        if speeds:
            print(f"{name}: {len(speeds)} figures, median speed {statistics.median(speeds):.2f}x")
    print(f"{len(fell)} of keras_npy fell by more than their spread.")
    for found in fell:
        print(" ".join(_cells(found)))
    sys.exit(bool(fell))


if __name__ == "__main__":
    main()
