"""The command `keras-npy`: its verbs, and its exit status."""

import argparse
import sys
from collections.abc import Sequence

from keras_npy.tools import convert_command
from keras_npy.tools.demo import command as demo_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 for data that it refuses, 2 for wrong use, 130 for Ctrl-C."""
    options = _make_parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"keras-npy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("keras-npy: interrupted", file=sys.stderr)
        return 130
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-npy", description="Train Keras models from .npy files."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo_command.add_arguments(
        commands.add_parser("demo", help="train, save and serve a model of images")
    )
    convert_command.add_arguments(
        commands.add_parser("convert", help="write any source as one plain .npy")
    )
    return parser
