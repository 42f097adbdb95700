"""Publish what `bench_blocks` and `scale` printed, which `run_all` leaves out.

Run:    python -m benchmarks.report_disks LINES...   files with the JSON lines of one or both
        python -m benchmarks.report_disks            only writes the tables anew
Prints: nothing; writes results/disks/BENCHMARK_MACHINE.json beside this file, and the tables of all
        machines between the marks of README.md there.
Cache:  none: it measures nothing.
"""

import argparse
import itertools
import json
from pathlib import Path

from benchmarks import common, report, scale

FOLDER = common.ROOT / "benchmarks" / "results" / "disks"
# Rows are found by the fields that only lines of their table have.
MACHINE, CHECK, FAR = "machine_has", "predicted", "epoch_hours"


def save(lines: list[report.Line], folder: Path) -> None:
    """Write the lines of each benchmark and machine into a file of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    by_file = {f"{line['benchmark']}_{report.file_name(_machine(line))}": line for line in lines}
    for name, one in by_file.items():
        of_file = (one["benchmark"], one["machine"])
        found = [line for line in lines if (line["benchmark"], line["machine"]) == of_file]
        (folder / name).write_text(json.dumps(found, indent=1) + "\n")


def _machine(line: report.Line) -> str:
    return report.machine_name({"environment": line})


def blocks_markdown(lines: list[report.Line]) -> str:
    """Rows a second from each disk, in each order."""
    columns = ("disk, rows", "order", "rows a second: median (least to most)", "MB/s")
    rows = [
        (*_key(line), report.spread(line, "rows_per_s"), common.number(line["mb_per_s"]))
        for line in report.variant_lines(lines, "blocks")
    ]
    return f"{_environment(lines[0])}\n\n{report.table(columns, rows)}"


def _key(line: report.Line) -> tuple[str, str]:
    return line["case"], line["variant"]


def scale_markdown(lines: list[report.Line]) -> str:
    """What a machine has, its predictions beside what came of them, and those of larger data."""
    has = {name: value for line in lines for name, value in line.get(MACHINE, {}).items()}
    tables = [
        report.table(
            scale.MACHINE_COLUMNS, [(name, common.number(has[name])) for name in has], num_left=1
        ),
        report.table(
            scale.CHECK_COLUMNS,
            [_check(line).cells for line in lines if CHECK in line],
        ),
        report.table(scale.FAR_COLUMNS, [scale.far_cells(line) for line in lines if FAR in line]),
    ]
    return "\n\n".join([_environment(lines[0]), *tables])


def _check(line: report.Line) -> scale.Check:
    return scale.Check(line["case"], line["unit"], line["predicted"], line["measured"])


def _environment(line: report.Line) -> str:
    return report.environment_markdown({"environment": line, "is_tiny": False})


TABLES = {"blocks": blocks_markdown, "scale": scale_markdown}


def publish(folder: Path, readme: Path) -> None:
    """Write the tables of all machines between the marks of each benchmark."""
    for benchmark, write in TABLES.items():
        runs = [run for run in report.load_all(folder) if run[0]["benchmark"] == benchmark]
        start, end = f"<!-- {benchmark}:start -->", f"<!-- {benchmark}:end -->"
        report.write_between(readme, "\n\n".join(map(write, runs)), start, end)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lines", nargs="*", type=Path, help="what bench_blocks or scale printed")
    texts = [path.read_text().splitlines() for path in parser.parse_args().lines]
    save([json.loads(line) for line in itertools.chain.from_iterable(texts) if line], FOLDER)
    publish(FOLDER, FOLDER.parent.parent / "README.md")


if __name__ == "__main__":
    main()
