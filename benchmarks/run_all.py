"""Run every benchmark, each in a new process, and rewrite the published results.

Run:    python -m benchmarks.run_all [--out DIR [--tiny] [--only bench_feed bench_memory]]
Prints: the tables of the benchmarks; writes results/MACHINE.json, throughput_memory.png and
        shuffle.png beside this file, and the results of all machines between the marks of README.md
        there and of the top README.md; with --out DIR all of them in DIR, the top one as
        TOP_README.md, if they have marks.
Cache:  as each benchmark says.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import bench_shuffle, common, report

# Benchmarks that disturb the later ones come last: `bench_cold` drops files from the page cache.
BENCHMARKS = (
    "bench_shuffle",
    "bench_layer",
    "bench_fit",
    "bench_resume",
    "bench_start",
    "bench_feed",
    "bench_backends",
    "bench_files",
    "bench_map",
    "bench_memory",
    "bench_cold",
    "bench_processes",
)
START, END = "<!-- benchmark:start -->", "<!-- benchmark:end -->"
HERE = Path(__file__).resolve().parent


def run_benchmarks(names: list[str], *, is_tiny: bool) -> dict[str, Any]:
    lines = []
    for name in names:
        print(f"== {name}", file=sys.stderr)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--tiny"] if is_tiny else [])]
        lines += common.run_command(command)
    # These are the same in every line, because all come from this machine and this commit.
    environment = common.environment()
    return {
        "is_tiny": is_tiny,
        "environment": environment,
        "lines": [
            {key: value for key, value in line.items() if key not in environment} for line in lines
        ],
    }


def require_marks(*readmes: Path) -> None:
    """Raise unless each file has the marks between which its table goes."""
    for path in readmes:
        _, start, rest = path.read_text().partition(START)
        if not (start and END in rest):
            raise ValueError(
                "A README that results are published in must have the two marks. "
                f"Received: {path}, which has no {START} before a {END}. Put them where the "
                "table belongs."
            )


def publish(results: dict[str, Any], out: Path, top_readme: Path) -> None:
    """Write the results where readers look for them.

    Raises:
        ValueError: If they are the published ones and a README has no marks.
    """
    # Write the results first: they took long to measure, and a README may be faulty.
    folder = out / "results"
    folder.mkdir(exist_ok=True)
    report.save(results, folder / report.file_name(report.machine_name(results)))
    if out == HERE:
        require_marks(out / "README.md", top_readme)
    runs = report.load_all(folder)
    report.write_between(out / "README.md", report.full_markdown(runs), START, END)
    report.write_between(top_readme, report.short_markdown(runs), START, END)
    if not common.is_installed("matplotlib"):
        print("The picture is left out: matplotlib is not installed.", file=sys.stderr)
        return
    report.draw(results, out / "throughput_memory.png")
    bench_shuffle.draw(out / "shuffle.png", results["lines"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="see in minutes that all of it runs")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--out", type=Path, help="folder of the results")
    arguments = parser.parse_args()
    is_whole = not arguments.tiny and arguments.only == list(BENCHMARKS)
    if arguments.out is None and not is_whole:
        parser.error("the published results come from one whole run: give --out with these")
    if arguments.out is None:
        require_marks(HERE / "README.md", common.ROOT / "README.md")
    else:
        # Make the folder before the long run, so that no result is lost for want of it.
        if arguments.out.exists() and not arguments.out.is_dir():
            parser.error(f"--out must be a folder. Received: {arguments.out}. Name another one.")
        arguments.out.mkdir(parents=True, exist_ok=True)
    started_s = time.monotonic()
    results = run_benchmarks(arguments.only, is_tiny=arguments.tiny)
    print(f"It took {(time.monotonic() - started_s) / 60:.0f} minutes.", file=sys.stderr)
    if arguments.out is None:
        publish(results, HERE, common.ROOT / "README.md")
    else:
        publish(results, arguments.out, arguments.out / "TOP_README.md")


if __name__ == "__main__":
    main()
