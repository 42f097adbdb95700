"""Publish what `bench_gpu` printed, perhaps on another machine.

Run:    python -m benchmarks.report_gpu LINES...     files with the JSON lines of bench_gpu
        python -m benchmarks.report_gpu              only writes the tables anew
Prints: nothing; writes results/gpu/CARD.json beside this file, and the tables of all cards between
        the marks of README.md there and of docs/gpu.md.
Cache:  none: it measures nothing.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks import bench_gpu, common, feeds, report

START, END = "<!-- gpu:start -->", "<!-- gpu:end -->"
FOLDER = common.ROOT / "benchmarks" / "results" / "gpu"
# A user chooses from these; the short names stand beside an explanation of them.
SHORT = {
    bench_gpu.RESIDENT: "resident",
    bench_gpu.DEVICE: '`cache="device"`',
    feeds.KERAS_NPY: "files",
    feeds.ARRAYS: "arrays in RAM",
    feeds.PY_DATASET: "`PyDataset` by hand",
}


def save(lines: list[report.Line], folder: Path) -> None:
    """Write the times of each card into a file of its own, without what was left out."""
    timed = [line for line in lines if "variant" in line]
    folder.mkdir(parents=True, exist_ok=True)
    for card in {str(line["card"]) for line in timed}:
        path = folder / report.file_name(card)
        found = [line for line in timed if str(line["card"]) == card]
        measured = {line["backend"] for line in found}
        before = json.loads(path.read_text()) if path.exists() else []
        # A run of one backend leaves the figures of the other.
        found += [line for line in before if line["backend"] not in measured]
        path.write_text(json.dumps(found, indent=1) + "\n")


def full_markdown(lines: list[report.Line]) -> str:
    """Median and spread of every variant, and the targets, for `benchmarks/README.md`."""
    return "\n\n".join(
        [
            _environment(lines[0]),
            *_tables(
                lines,
                {name: name for name in SHORT},
                lambda line: report.spread(line, "us_per_step"),
            ),
            _claims(lines),
        ]
    )


def short_markdown(lines: list[report.Line]) -> str:
    """Medians, for the page on GPUs."""
    shown = _tables(lines, SHORT, lambda line: common.number(line["median_us_per_step"]))
    return "\n\n".join([_environment(lines[0]), *shown])


def _environment(line: report.Line) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items())
    return f"{line['card']}; {line['machine']}; {versions}; commit {line['commit']}."


def _tables(
    lines: list[report.Line], names: dict[str, str], write: Callable[[report.Line], str]
) -> list[str]:
    return [
        report.table(
            (backend, *names.values()),
            [
                (shape, *(_cell(lines, backend, shape, variant, write) for variant in names))
                for shape in map(str, bench_gpu.SHAPES)
            ],
            num_left=1,
        )
        for backend in bench_gpu.BACKENDS
        if any(line["backend"] == backend for line in lines)
    ]


def _cell(
    lines: list[report.Line],
    backend: str,
    shape: str,
    variant: str,
    write: Callable[[report.Line], str],
) -> str:
    key = backend, shape, variant
    for line in lines:
        if (line["backend"], line["shape"], line["variant"]) == key:
            return write(line)
    return report.NO_FIGURE


def _claims(lines: list[report.Line]) -> str:
    claims = []
    for backend in bench_gpu.BACKENDS:
        medians = {
            (line["shape"], line["variant"]): line["median_us_per_step"]
            for line in lines
            if line["backend"] == backend
        }
        claims += bench_gpu.make_claims(backend, medians) if medians else []
    columns = ("case", "figure", "value", "target", "reached")
    return report.table(columns, list(map(common.claim_cells, claims)))


def publish(folder: Path, readme: Path, page: Path) -> None:
    cards = report.load_all(folder)
    for path, write in ((readme, full_markdown), (page, short_markdown)):
        report.write_between(path, "\n\n".join(map(write, cards)), START, END)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lines", nargs="*", type=Path, help="what bench_gpu printed")
    for path in parser.parse_args().lines:
        save([json.loads(line) for line in path.read_text().splitlines() if line], FOLDER)
    publish(FOLDER, FOLDER.parent.parent / "README.md", common.ROOT / "docs" / "gpu.md")


if __name__ == "__main__":
    main()
