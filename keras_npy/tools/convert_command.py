"""The verb `convert`: its arguments, its progress bar, and its output."""

import argparse
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_npy.rows.base import Rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy convert`, and the function that runs it."""
    parser.description = (
        "Write a source as one .npy that is read fastest: C order, this machine's byte order, "
        "64-byte aligned. A source is a file, a member of an archive (data.npz::x), or several "
        "files or a quoted pattern ('x-*.npy'), which are joined along axis 0."
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="what to read")
    parser.add_argument("out", metavar="OUT.npy", help="the new file")
    parser.add_argument("--force", action="store_true", help="replace OUT.npy if it exists")
    parser.add_argument(
        "--samples", action="store_true", help="each file is one sample, not rows of samples"
    )
    parser.add_argument(
        "--stored-dtype", choices=["bfloat16"], help="what values of a file that says |V2 are"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.errors import NpyLayoutWarning
    from keras_npy.tools.convert import check_new

    # Check the new path before the first sample is opened.
    check_new(options.out, options.force)
    with warnings.catch_warnings():
        # The remedy for these warnings is to run this command.
        warnings.simplefilter("ignore", NpyLayoutWarning)
        # But bytes that the new file will not have are worth a word.
        warnings.filterwarnings("default", ".* bytes behind the ", NpyLayoutWarning)
        rows = _convert(options)
    print(f"{options.out}: {rows.dtype} {rows.shape}, {rows.nbytes} bytes from {rows.name}")


def _convert(options: argparse.Namespace) -> "Rows":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from keras_npy.rows.samples import samples
    from keras_npy.tools.convert import convert

    source = options.sources[0] if len(options.sources) == 1 else options.sources
    stored_dtype = options.stored_dtype
    if options.samples:
        source, stored_dtype = samples(source, stored_dtype=stored_dtype, unpack=True), None
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # In a log the bar would leave an empty line (rich 15).
    is_hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("convert", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return convert(
            source, options.out, force=options.force, stored_dtype=stored_dtype, progress=show
        )
