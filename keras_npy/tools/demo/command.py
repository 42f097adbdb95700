"""The verb `demo`: its arguments."""

import argparse

from keras_npy.tools.usage import SOURCE_HELP, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy demo`, and the function that runs it."""
    parser.description = (
        "Train a small convolutional network on images from .npy files, evaluate it, save it, "
        "and predict with the SavedModel in a process that has TensorFlow alone."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("--x", metavar="X", help="images (N, H, W) or (N, H, W, C), a SOURCE")
    parser.add_argument("--y", metavar="Y", help="class numbers (N,), from 0, a SOURCE")
    parser.add_argument(
        "--out", metavar="DIR", help="where to write, replacing nothing; default: a new folder"
    )
    parser.add_argument(
        "--epochs", type=positive, default=8, metavar="N", help="default: %(default)s"
    )

    def run(options: argparse.Namespace) -> None:
        if (options.x is None) != (options.y is None):
            parser.error("--x and --y go together: the images and their class numbers")
        from keras_npy.tools.demo.data_of_user import check_out, open_images

        check_out(options.out)
        if options.x is not None:
            open_images(options.x, options.y)
        from keras_npy.tools import backend_noise

        with backend_noise.kept_away():
            # Import Keras only here: Keras and its backend take seconds, and --help should not.
            from keras_npy.tools.demo.run import run_demo

            run_demo(options.x, options.y, out=options.out, epochs=options.epochs)

    parser.set_defaults(run=run)
