"""The command `keras-npy`: its verbs, and its exit status."""

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

from keras_npy import ctrl_c
from keras_npy.tools.usage import UsageError, shown_by
from keras_npy.version import __version__

# Each verb lies in a module of its own, which imports what it needs only when it runs.
VERBS = {
    "inspect": ("inspect_command", "what a source is, from its header, at once"),
    "check": ("check_command", "what would spoil training, in one pass over the rows"),
    "stats": ("stats_command", "mean, variance and range, and the layer that normalises"),
    "preview": ("preview_command", "a sheet of samples with their labels or masks"),
    "bench": ("bench_command", "how fast batches can be had, and what limits"),
    "convert": ("convert_command", "write any source as one plain .npy"),
    "predict": ("predict_command", "write what a saved model predicts, batch by batch"),
    "demo": ("demo.command", "train, save and serve a model of images"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0; 1 for findings, or data that it refuses; 2 for wrong use; 130 for Ctrl-C.
    """
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            # A shell has closed it (`>&-`). What would be printed is not wanted.
            setattr(sys, stream, open(os.devnull, "w"))
    ctrl_c.set_again()
    options = _parse(arguments)
    with warnings.catch_warnings():
        # A path and a line of Python's source say nothing to a user of the command.
        warnings.showwarning = shown_by(lambda text: print(f"keras-npy: {text}", file=sys.stderr))
        return _run(options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _make_parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        hint = ". X is given without --x" if "--x" in unknown else ""
        if any(os.path.exists(one) for one in unknown):
            # A shell has expanded a pattern, or labels were given as to `NpySequence`.
            others = {"y": "labels follow --y", "against": "another set follows --against"}
            hints = [words for name, words in others.items() if hasattr(options, name)]
            hint = f". X is one SOURCE: {'; '.join(['quote a pattern', *hints])}"
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options


def _run(options: argparse.Namespace) -> int:
    try:
        if not getattr(options, "ends_at_once", False):
            # Within NumPy's import `KeyboardInterrupt` may come back as `ImportError`.
            importlib.import_module("numpy")
            ctrl_c.end_when("raise")
        status: int = options.run(options) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The program that reads the output, such as `head`, has read enough. Python would print
        # an error when it flushes standard output at its end. A verb that can find something has
        # set `status` before it prints.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(getattr(options, "status", 0))
    except UsageError as error:
        print(f"keras-npy: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError, RuntimeError, IndexError, ImportError) as error:
        print(f"keras-npy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if ctrl_c.is_watched():
            ctrl_c.end()
        print(ctrl_c.message(), file=sys.stderr)
        return ctrl_c.STATUS


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-npy",
        description="Look at .npy files, convert them, and train Keras models from them.",
        epilog=(
            "Exit status: 0, or 1 for findings and for data that cannot be used, "
            "or 2 for wrong use."
        ),
    )
    parser.add_argument("--version", action="version", version=f"keras-npy {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for verb, (module, text) in VERBS.items():
        verb_parser = commands.add_parser(verb, help=text)
        importlib.import_module(f"keras_npy.tools.{module}").add_arguments(verb_parser)
    return parser
