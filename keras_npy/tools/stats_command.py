"""The verb `stats`: its arguments and its output."""

import argparse
from typing import TYPE_CHECKING

from keras_npy.tools.usage import SOURCE_HELP

if TYPE_CHECKING:
    from keras_npy.tools.stats import Statistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy stats`, and the function that runs it."""
    parser.description = (
        "Mean, variance, range, percentiles and zeros of each channel, in one pass, and the "
        "NpyInputLayer(...) that normalises with them, to paste."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("x", metavar="X", help="a SOURCE, such as x.npy or 'x-*.npy'")
    parser.add_argument(
        "--channels",
        choices=["last", "first", "none"],
        help="which axis of a row has statistics of its own; default: by the shape",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.tools import output
    from keras_npy.tools.source import open_source, remarks
    from keras_npy.tools.stats import compute

    with remarks() as said:
        rows = open_source(options.x)
        statistics = compute(rows, options.channels, title=f"stats {options.x}")
    if options.json:
        output.print_json(statistics.facts())
        return 0
    for remark in (*said, *statistics.remarks):
        output.print_note(remark)
    shape = output.shape(rows.row_shape)
    print(f"{options.x}: {output.count(len(rows), 'row')} of {shape}, {rows.dtype}")
    output.print_table(*_table(statistics))
    print(f"\n{statistics.layer}")
    return 0


# A table of features has a line for each of the first ones.
LINES_MAX = 20


def _table(statistics: "Statistics") -> tuple[list[str], list[list[str]]]:
    from keras_npy.tools.output import number
    from keras_npy.tools.stats import PERCENTILES

    columns = ["channel", "mean", "deviation", "variance", "min"]
    columns += [f"{percent} %" for percent in PERCENTILES] + ["max", "zeros"]
    lines = []
    for at in range(min(LINES_MAX, len(statistics.mean))):
        variance = float(statistics.variance[at])
        values = [float(statistics.mean[at]), variance**0.5, variance, float(statistics.low[at])]
        values += [float(one[at]) for one in statistics.percentiles] + [float(statistics.high[at])]
        name = "all" if statistics.channels == "none" else str(at)
        lines.append([name, *map(number, values), f"{statistics.zeros[at]:.1%}"])
    if len(statistics.mean) > LINES_MAX:
        lines.append([f"and {len(statistics.mean) - LINES_MAX} more", *[""] * 9])
    return columns, lines
