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
    options = parser.parse_args(arguments)
    if (options.x is None) != (options.y is None):
        parser.error("--x and --y go together: the images and their class numbers")
    # Imported here: Keras and its backend take seconds, which --help should not.
    from keras_npy.demo import run_demo

    try:
        run_demo(options.x, options.y, out=options.out, epochs=options.epochs)
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
