"""The verb `preview`: its arguments and its output."""

import argparse

from keras_npy.tools.usage import SOURCE_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy preview`, and the function that runs it."""
    parser.description = (
        "Draw samples from all over X: images, slices of volumes, curves, spectrograms, with their "
        "labels, or with masks laid over them. -o needs matplotlib: "
        "pip install 'keras_npy[plot]'."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument(
        "x", metavar="X", help="a SOURCE; brackets choose rows: 'x.npy[0:100]', 'x.npy[[17, 88]]'"
    )
    parser.add_argument("--y", metavar="Y", help="labels, or masks as large as the samples")
    parser.add_argument(
        "--names", metavar="A,B,...", help="the names of the classes, or a file of them"
    )
    parser.add_argument(
        "-o", "--out", metavar="SHEET.png", help="where to write; .png, .pdf, .svg or .jpg"
    )
    parser.add_argument(
        "--number",
        type=int,
        default=24,
        metavar="N",
        help="samples, fewer if these take more than 256 MB; default: %(default)s",
    )
    parser.add_argument(
        "--as",
        dest="look",
        choices=["image", "volume", "curve", "spectrogram"],
        help="how samples are shown; a spectrogram has axes (time, frequency); default: by "
        "their shape",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.tools import output, terminal
    from keras_npy.tools.new_files import check_folder
    from keras_npy.tools.preview import Preview, check_suffix, read_names
    from keras_npy.tools.source import remarks
    from keras_npy.tools.usage import UsageError

    if options.out is None and not terminal.can_show_pictures():
        raise UsageError(
            "preview shows pictures in a terminal, or writes them. Received: no -o, and output "
            "that is no terminal with colours. Add -o sheet.png."
        )
    if options.out is not None:
        check_suffix(options.out)
        # Before all samples are drawn.
        check_folder(options.out)
    names = read_names(options.names) if options.names else None
    with remarks() as said:
        preview = Preview(options.x, options.y, options.number, options.look)
    for remark in (*said, preview.remark_on(names)):
        if remark:
            output.print_note(remark)
    if terminal.can_show_pictures():
        strip = preview.strip(terminal.columns(), names)
        if strip is not None:
            picture, line = strip
            print(terminal.as_text(picture))
            print(line)
    if options.out is not None:
        figure = preview.draw(names)
        figure.savefig(options.out, dpi=120)
        print(f"{options.out}: {output.count(len(preview.indices), 'sample')} of {options.x}")
    return 0
