"""Show the results as Markdown tables and as one picture."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import bench_feed, common, feeds

Line = dict[str, Any]

ACCENT, PLAIN, MARK = "#d9480f", "#8ea4b8", "#1f2933"
COLOURS = {feeds.KERAS_NPY: ACCENT, feeds.MISALIGNED: "#f0a27f"}
# What a user chooses from. The top README shows these, and `benchmarks/README.md` all feeds.
CHOICES = (feeds.KERAS_NPY, feeds.ARRAYS, feeds.PY_DATASET, feeds.TORCH)
PICTURE_CASE = bench_feed.SHUFFLED_LARGE
NO_FIGURE = "–"


def variant_lines(lines: list[Line], benchmark: str) -> list[Line]:
    return [line for line in lines if line["benchmark"] == benchmark and "variant" in line]


def full_markdown(results: Line) -> str:
    """All tables, for `benchmarks/README.md`."""
    lines = results["lines"]
    parts = [
        _environment(results),
        "### One epoch from a warm page cache, and what it holds\n\n"
        "Microseconds a batch: median (least to most).\n\n"
        + _feed_table(lines, feeds.FEEDS, spread=True),
        "### What the package must reach\n\n" + _claims_table(lines),
    ]
    for benchmark, (title, columns, cells) in SECTIONS.items():
        rows = [cells(line) for line in variant_lines(lines, benchmark)]
        parts.append(f"### {title}\n\n{_table(columns, rows)}")
    skipped = {f"{line['skipped']} ({line['reason']})" for line in lines if "skipped" in line}
    if skipped:
        parts.append(f"Left out: {'; '.join(sorted(skipped))}.")
    return "\n\n".join(parts)


def _epoch_cells(line: Line) -> tuple[str, ...]:
    speed = common.number(line["mb_per_s"])
    return line["case"], line["variant"], _spread(line, "us_per_batch"), speed


def _cold_cells(line: Line) -> tuple[str, ...]:
    return line["case"], line["variant"], _spread(line, "mb_per_s")


def _processes_cells(line: Line) -> tuple[str, ...]:
    parts = (f"{line[name]:.3f}" for name in ("least_of_file", "most_of_file", "sum_of_file"))
    return line["case"], line["variant"], *parts


def _start_cells(line: Line) -> tuple[str, ...]:
    growth = common.number(line["median_growth_mb"])
    return line["case"], line["variant"], _spread(line, "s"), growth


def _fit_cells(line: Line) -> tuple[str, ...]:
    growth = common.number(line["growth_mb"]) if "growth_mb" in line else NO_FIGURE
    return line["case"], line["variant"], _spread(line, "us_per_step"), growth


def _layer_cells(line: Line) -> tuple[str, ...]:
    fused = {None: NO_FIGURE, True: "yes", False: "no"}[line["has_cast_multiply_fusion"]]
    handed_over = f"{line['bytes_per_batch']:,}"
    return line["case"], line["variant"], _spread(line, "us_per_step"), handed_over, fused


def _resume_cells(line: Line) -> tuple[str, ...]:
    times = common.number(line["times_without"])
    size = common.number(line["save_mb"]) if "save_mb" in line else NO_FIGURE
    return line["case"], line["variant"], _spread(line, "ms_per_step"), times, size


# The title, the columns and the cells of a row, by benchmark.
SECTIONS: dict[str, tuple[str, tuple[str, ...], Callable[[Line], tuple[str, ...]]]] = {
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


def short_markdown(results: Line) -> str:
    """The feeds that a user would choose from, for the top `README.md`."""
    table = _feed_table(results["lines"], CHOICES, spread=False)
    return f"{table}\n\n{_environment(results)}"


def _environment(results: Line) -> str:
    environment = results["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    text = f"{environment['machine']}; {versions}; commit {environment['commit']}."
    return f"**A tiny run: its figures say nothing.** {text}" if results["is_tiny"] else text


def _feed_table(lines: list[Line], names: Iterable[str], *, spread: bool) -> str:
    feed_lines = {(line["case"], line["variant"]): line for line in variant_lines(lines, "feed")}
    growth_mb, file_mb = _memory(lines)
    rows = []
    for name in names:
        cells = []
        for case in bench_feed.CASES:
            line = feed_lines.get((case, name))
            if line is None:
                cells.append(NO_FIGURE)
            elif spread:
                cells.append(_spread(line, "us_per_batch"))
            else:
                cells.append(f"{common.number(line['median_us_per_batch'])} us")
        held = f"{growth_mb[name]:,.0f} MB" if name in growth_mb else NO_FIGURE
        rows.append(_emphasised(name, (*cells, held)))
    held = f"memory held for {file_mb:,.0f} MB"
    return _table(("feed", *bench_feed.CASES, held), rows, num_left=1)


def _memory(lines: list[Line]) -> tuple[dict[str, float], float]:
    """The memory that each feed held over the epoch that all ran, and its file's size, in MB."""
    found = [line for line in variant_lines(lines, "memory") if line["case"] == PICTURE_CASE]
    growth_mb = {line["variant"]: line["growth_mb"] for line in found}
    return growth_mb, max((line["file_mb"] for line in found), default=0)


def _emphasised(name: str, cells: tuple[str, ...]) -> tuple[str, ...]:
    if name != feeds.KERAS_NPY:
        return name, *cells
    return tuple(f"**{cell}**" for cell in (name, *cells))


def _claims_table(lines: list[Line]) -> str:
    claims = [line for line in lines if "figure" in line]
    columns = ("case", "figure", "value", "target", "reached")
    return _table(columns, [common.claim_cells(claim) for claim in claims])


def _spread(line: Line, unit: str) -> str:
    median, least, most = (
        common.number(line[f"{which}_{unit}"]) for which in ("median", "min", "max")
    )
    return f"{median} ({least} to {most})"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], num_left: int = 2) -> str:
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

    memory, file_mb = _memory(results["lines"])
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
