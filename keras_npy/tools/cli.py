"""The command `keras-npy`."""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 0, 1 for data it refuses, 2 for wrong use."""
    parser = argparse.ArgumentParser(
        prog="keras-npy", description="Train Keras models from .npy files."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="train, save and serve a model of images"))
    _add_convert(commands.add_parser("convert", help="write any source as one plain .npy"))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"keras-npy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-npy: interrupted", file=sys.stderr)
        return 130
    return 0


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a small convolutional network on images from .npy files, evaluate it, save it, "
        "and predict with the SavedModel in a process that has TensorFlow alone."
    )
    parser.add_argument("--x", metavar="X.npy", help="images (N, H, W) or (N, H, W, C)")
    parser.add_argument("--y", metavar="Y.npy", help="class numbers (N,), from 0")
    parser.add_argument("--out", metavar="DIR", help="where to write; default: a new folder")
    parser.add_argument(
        "--epochs", type=_positive, default=8, metavar="N", help="default: %(default)s"
    )

    def run(options: argparse.Namespace) -> None:
        if (options.x is None) != (options.y is None):
            parser.error("--x and --y go together: the images and their class numbers")
        # Imported here: Keras and its backend take seconds, which --help should not.
        from keras_npy.tools.demo.run import run_demo

        run_demo(options.x, options.y, out=options.out, epochs=options.epochs)

    parser.set_defaults(run=run)


def _add_convert(parser: argparse.ArgumentParser) -> None:
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
        "--dtype", choices=["bfloat16"], help="what values of a file that says |V2 are"
    )
    parser.set_defaults(run=_run_convert)


def _run_convert(options: argparse.Namespace) -> None:
    import warnings

    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from keras_npy.errors import NpyLayoutWarning
    from keras_npy.rows.samples import samples
    from keras_npy.tools.convert import check_new, convert

    # Before the first sample is opened.
    check_new(options.out, options.force)
    source = options.sources[0] if len(options.sources) == 1 else options.sources
    if options.samples:
        source = samples(source, dtype=options.dtype)
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar, warnings.catch_warnings():
        # They say to run this command.
        warnings.simplefilter("ignore", NpyLayoutWarning)
        task = bar.add_task("convert", total=None)
        rows = convert(
            source,
            options.out,
            force=options.force,
            dtype=None if options.samples else options.dtype,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{options.out}: {rows.dtype} {rows.shape}, {rows.nbytes} bytes from {rows.name}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
