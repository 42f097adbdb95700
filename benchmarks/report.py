"""Show the results of one machine or several as Markdown tables, and of one as a picture."""

import itertools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import bench_feed, bench_shuffle, common, feeds

Line = dict[str, Any]

ACCENT, PLAIN, MARK = "#d9480f", "#8ea4b8", "#1f2933"
COLOURS = {feeds.KERAS_NPY: ACCENT, feeds.MISALIGNED: "#f0a27f"}
# What a user chooses from. The top README shows these, and `benchmarks/README.md` all feeds.
CHOICES = (feeds.KERAS_NPY, feeds.ARRAYS, feeds.PY_DATASET, feeds.TORCH)
PICTURE_CASE = bench_feed.SHUFFLED_LARGE
NO_FIGURE = "–"


def variant_lines(lines: list[Line], benchmark: str) -> list[Line]:
    return [line for line in lines if line["benchmark"] == benchmark and "variant" in line]


def machine_name(results: Line) -> str:
    """The processor and its cores, by which results are filed: `AMD EPYC, 2 cores`."""
    model, cores, *_ = (*results["environment"]["machine"].split(", "), "")
    model = re.sub(r"\((R|TM)\)|\b(Processor|CPU)\b", "", model)
    return ", ".join(filter(None, (" ".join(model.split()), cores)))


def file_name(name: str) -> str:
    """The file of results of a machine or card of this name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".json"


def load_all(folder: Path) -> list[Any]:
    """The last results of each machine, or card."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def full_markdown(runs: list[Line]) -> str:
    """All tables, for `benchmarks/README.md`, with the machines side by side."""
    parts = [
        _environments(runs),
        "### One epoch from a warm page cache, and what it holds\n\n"
        "Microseconds a batch: median (least to most).\n\n"
        + "\n\n".join(_feed_table(run, feeds.FEEDS) for run in runs),
        "### What the package must reach\n\n"
        + _side_by_side(("case", "figure", "target", "value"), runs, _claim_rows, num_keys=3),
    ]
    for benchmark, (title, columns, cells) in SECTIONS.items():

        def rows(run: Line, benchmark: str = benchmark, cells: Any = cells) -> list[Any]:
            return [cells(line) for line in variant_lines(run["lines"], benchmark)]

        # What no machine has measured yet has no table.
        if any(map(rows, runs)):
            parts.append(f"### {title}\n\n{_side_by_side(columns, runs, rows)}")
    skipped = {
        f"{line['skipped']} ({line['reason']})"
        for run in runs
        for line in run["lines"]
        if "skipped" in line
    }
    if skipped:
        parts.append(f"Left out: {'; '.join(sorted(skipped))}.")
    return "\n\n".join(parts)


def _side_by_side(
    columns: tuple[str, ...],
    runs: list[Line],
    rows_of: Callable[[Line], list[tuple[str, ...]]],
    num_keys: int = 2,
) -> str:
    """A table whose first columns name a row, and whose others come once for each machine."""
    keys, figures = columns[:num_keys], columns[num_keys:]
    cells = [{row[:num_keys]: row[num_keys:] for row in rows_of(run)} for run in runs]
    if len(runs) > 1:
        figures = tuple(f"{machine_name(run)}: {name}" for run in runs for name in figures)
    missing = (NO_FIGURE,) * (len(columns) - num_keys)
    rows = [
        (*key, *itertools.chain.from_iterable(found.get(key, missing) for found in cells))
        for key in dict.fromkeys(itertools.chain.from_iterable(cells))
    ]
    return table((*keys, *figures), rows, num_left=num_keys)


def _claim_rows(run: Line) -> list[tuple[str, ...]]:
    rows = []
    for line in run["lines"]:
        if "figure" in line:
            case, figure, value, target, reached = common.claim_cells(line)
            rows.append((case, figure, target, f"{value}, {reached}" if reached else value))
    return rows


def _epoch_cells(line: Line) -> tuple[str, ...]:
    speed = common.number(line["mb_per_s"])
    return line["case"], line["variant"], spread(line, "us_per_batch"), speed


def _cold_cells(line: Line) -> tuple[str, ...]:
    return line["case"], line["variant"], spread(line, "mb_per_s")


def _processes_cells(line: Line) -> tuple[str, ...]:
    parts = (f"{line[name]:.3f}" for name in ("least_of_file", "most_of_file", "sum_of_file"))
    return line["case"], line["variant"], *parts


def _start_cells(line: Line) -> tuple[str, ...]:
    growth = common.number(line["median_growth_mb"])
    return line["case"], line["variant"], spread(line, "s"), growth


def _fit_cells(line: Line) -> tuple[str, ...]:
    growth = common.number(line["growth_mb"]) if "growth_mb" in line else NO_FIGURE
    return line["case"], line["variant"], spread(line, "us_per_step"), growth


def _layer_cells(line: Line) -> tuple[str, ...]:
    fused = {None: NO_FIGURE, True: "yes", False: "no"}[line["has_cast_multiply_fusion"]]
    handed_over = f"{line['bytes_per_batch']:,}"
    return line["case"], line["variant"], spread(line, "us_per_step"), handed_over, fused


def _resume_cells(line: Line) -> tuple[str, ...]:
    times = common.number(line["times_without"])
    size = common.number(line["save_mb"]) if "save_mb" in line else NO_FIGURE
    return line["case"], line["variant"], spread(line, "ms_per_step"), times, size


# The title, the columns and the cells of a row, by benchmark.
SECTIONS: dict[str, tuple[str, tuple[str, ...], Callable[[Line], tuple[str, ...]]]] = {
    "shuffle": (
        "How well rows are shuffled: p-values, and how much the classes of a batch vary",
        bench_shuffle.COLUMNS,
        bench_shuffle.cells,
    ),
    "backends": (
        "One epoch on JAX and on torch, from a warm page cache",
        ("case", "feed", "us a batch: median (least to most)", "MB/s"),
        _epoch_cells,
    ),
    "files": (
        "One epoch from many files, from a warm page cache",
        ("case", "feed", "us a batch: median (least to most)", "MB/s"),
        _epoch_cells,
    ),
    "map": (
        "One epoch with a function over batches that returns them as they are",
        ("case", "feed", "us a batch: median (least to most)", "MB/s"),
        _epoch_cells,
    ),
    "cold": (
        "One shuffled epoch from a cold page cache",
        ("case", "feed", "MB/s: median (least to most)"),
        _cold_cells,
    ),
    "processes": (
        "What processes read of a cold file in an epoch, as parts of it",
        ("case", "processes", "least", "most", "all together"),
        _processes_cells,
    ),
    "start": (
        "Constructor and first batch",
        ("data", "feed", "seconds: median (least to most)", "growth of RssAnon, MB"),
        _start_cells,
    ),
    "fit": (
        "`fit`",
        ("model", "data", "us a step: median (least to most)", "growth of RssAnon, MB"),
        _fit_cells,
    ),
    "resume": (
        "`fit` with `ResumeTraining`",
        ("model", "saves", "ms a step: median (least to most)", "times as long", "MB of a save"),
        _resume_cells,
    ),
    "layer": (
        "Preprocessing in the graph",
        ("batch", "where", "us a step: median (least to most)", "bytes a batch", "one fusion"),
        _layer_cells,
    ),
}


def short_markdown(runs: list[Line]) -> str:
    """The feeds that a user would choose from, over all machines, for the top `README.md`."""
    tables = [_feed_lines(run) for run in runs]
    rows = []
    for name in CHOICES:
        cells = []
        for case in bench_feed.CASES:
            found = [lines[case, name] for lines in tables if (case, name) in lines]
            medians = sorted(line["median_us_per_batch"] for line in found)
            cells.append(_range(list(map(common.number, medians)), "us"))
        held = sorted(growth[name] for growth, _ in map(_memory, runs) if name in growth)
        rows.append(_emphasised(name, (*cells, _range([f"{mb:,.0f}" for mb in held], "MB"))))
    columns = _feed_columns(max(_memory(run)[1] for run in runs))
    return f"{table(columns, rows, num_left=1)}\n\n{_environments(runs)}"


def _range(values: list[str], unit: str) -> str:
    """From the least to the most of the machines."""
    ends = dict.fromkeys(values[:1] + values[-1:])
    return f"{' to '.join(ends)} {unit}" if ends else NO_FIGURE


def _environments(runs: list[Line]) -> str:
    if len(runs) == 1:
        return environment_markdown(runs[0])
    return "\n".join(f"- {environment_markdown(run)}" for run in runs)


def environment_markdown(results: Line) -> str:
    """Machine, versions and commit of a run."""
    environment = results["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    text = f"{environment['machine']}; {versions}; commit {environment['commit']}."
    return f"**A tiny run: its figures say nothing.** {text}" if results["is_tiny"] else text


def _feed_lines(run: Line) -> dict[tuple[str, str], Line]:
    return {(line["case"], line["variant"]): line for line in variant_lines(run["lines"], "feed")}


def _feed_columns(file_mb: float) -> tuple[str, ...]:
    return "feed", *bench_feed.CASES, f"memory held for {file_mb:,.0f} MB"


def _feed_table(run: Line, names: Iterable[str]) -> str:
    feed_lines = _feed_lines(run)
    growth_mb, file_mb = _memory(run)
    rows = []
    for name in names:
        found = [feed_lines.get((case, name)) for case in bench_feed.CASES]
        cells = [spread(line, "us_per_batch") if line else NO_FIGURE for line in found]
        held = f"{growth_mb[name]:,.0f} MB" if name in growth_mb else NO_FIGURE
        rows.append(_emphasised(name, (*cells, held)))
    return f"{machine_name(run)}:\n\n{table(_feed_columns(file_mb), rows, num_left=1)}"


def _memory(run: Line) -> tuple[dict[str, float], float]:
    """The memory that each feed held over the epoch that all ran, and its file's size, in MB."""
    lines = variant_lines(run["lines"], "memory")
    found = [line for line in lines if line["case"] == PICTURE_CASE]
    growth_mb = {line["variant"]: line["growth_mb"] for line in found}
    return growth_mb, max((line["file_mb"] for line in found), default=0)


def _emphasised(name: str, cells: tuple[str, ...]) -> tuple[str, ...]:
    if name != feeds.KERAS_NPY:
        return name, *cells
    return tuple(f"**{cell}**" for cell in (name, *cells))


def spread(line: Line, unit: str) -> str:
    median, least, most = (
        common.number(line[f"{which}_{unit}"]) for which in ("median", "min", "max")
    )
    return f"{median} ({least} to {most})"


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], num_left: int = 2) -> str:
    rules = ["---" if index < num_left else "---:" for index in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rules, *rows))


def write_between(path: Path, text: str, start: str, end: str) -> bool:
    """Put text between two marks of a file; return whether the file has them."""
    if not path.exists():
        return False
    before, has_start, rest = path.read_text().partition(start)
    _, has_end, after = rest.partition(end)
    if not (has_start and has_end):
        return False
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}")
    return True


def draw(results: Line, path: Path) -> None:
    """Throughput and memory of every feed, side by side, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    memory, file_mb = _memory(results)
    speeds = {
        line["variant"]: line["mb_per_s"] / 1e3
        for line in variant_lines(results["lines"], "feed")
        if line["case"] == PICTURE_CASE and "mb_per_s" in line
    }
    limit = speeds.get(feeds.LIMIT, 0)
    speeds = {name: speed for name, speed in speeds.items() if name not in feeds.NO_FEEDS}
    names = sorted(speeds, key=speeds.__getitem__)

    plt.rcParams.update({"font.size": 11, "font.family": "DejaVu Sans", "text.color": MARK})
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(11, 0.42 * len(names) + 1.9), layout="constrained"
    )
    _draw_bars(left, names, speeds, "{:.2g}")
    _draw_bars(right, names, memory, "{:,.0f}")
    _draw_mark(left, limit, f"np.take into one buffer, no framework: {limit:.2g}  ", "right")
    _draw_mark(right, file_mb, f"  the file itself: {file_mb:,.0f}", "left")
    left.set_title("Speed (longer is better)", loc="left", size=12, weight="bold")
    right.set_title("Memory (shorter is better)", loc="left", size=12, weight="bold")
    left.set_xlabel("gigabytes of rows per second")
    right.set_xlabel("growth of anonymous memory over an epoch, MB")
    left.set_ylim(-1.15, len(names) - 0.4)
    for label in left.get_yticklabels():
        if label.get_text() == feeds.KERAS_NPY:
            label.set(weight="bold", color=ACCENT)
    title = f"One {PICTURE_CASE} epoch, uint8, file of {file_mb / 1e3:.2g} GB, warm page cache"
    figure.suptitle(title, x=0.01, ha="left", size=12)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def _draw_bars(axes: Any, names: list[str], values: dict[str, float], written: str) -> None:
    from matplotlib import patheffects

    colours = [COLOURS.get(name, PLAIN) for name in names]
    axes.barh(names, [values.get(name, 0) for name in names], color=colours, height=0.68)
    # A white background behind the figures, because a line crosses them.
    outline = [patheffects.withStroke(linewidth=3, foreground="white")]
    for name in values.keys() & set(names):
        text = f" {written.format(values[name])}"
        axes.text(values[name], name, text, va="center", path_effects=outline)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.14)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _draw_mark(axes: Any, value: float, label: str, side: str) -> None:
    if value:
        axes.axvline(value, color=MARK, linewidth=1.2, linestyle="--", zorder=0)
        axes.text(value, -0.85, label, ha=side, va="center", size=9.5)


def save(results: Line, path: Path) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n")
