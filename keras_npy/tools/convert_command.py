"""The verb `convert`: its arguments, its progress bar, and its output."""

import argparse
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_npy import ctrl_c
from keras_npy.tools.usage import SOURCE_HELP, positive, shown_by

if TYPE_CHECKING:
    from keras_npy.types import Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy convert`, and the function that runs it."""
    parser.description = (
        "Write a source as one .npy that is read fastest: C order, this machine's byte order, "
        "64-byte aligned. A source is a file, a member of an archive (data.npz::x), or several "
        "files or a quoted pattern ('x-*.npy'), which are joined along axis 0; or a folder of "
        "images (images:folder, or images,size=224x224:folder). If OUT is a folder, each source, "
        "and each member of an archive, becomes a file in it. A command that was killed is given "
        "again."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="what to read")
    parser.add_argument("out", metavar="OUT", help="the new file, x.npy, or a folder")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    parser.add_argument(
        "--samples", action="store_true", help="each file is one sample, not rows of samples"
    )
    parser.add_argument(
        "--stored-dtype", choices=["bfloat16"], help="what values of a file that says |V2 are"
    )
    parser.add_argument(
        "--dtype", help="the dtype of OUT, such as uint8; a value that it cannot hold is an error"
    )
    parser.add_argument(
        "--round", action="store_true", help="let --dtype round values to the nearest"
    )
    parser.add_argument(
        "--shards", type=positive, metavar="N", help="write N files: x-00000-of-0000N.npy and so on"
    )
    parser.add_argument("--y", metavar="Y.npy", help="of images: also write their class numbers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.errors import NpyLayoutWarning
    from keras_npy.tools.new_files import check_new, is_folder

    _check(options)
    ctrl_c.set_again_beside(
        f"{options.out}.shards",
        ": the same command keeps the shards that are complete, and goes on behind them",
    )
    with warnings.catch_warnings():
        # The remedy for these warnings is to run this command.
        warnings.simplefilter("ignore", NpyLayoutWarning)
        # But bytes that the new file will not have are worth a word.
        warnings.filterwarnings("default", ".* bytes behind the ", NpyLayoutWarning)
        warnings.showwarning = shown_by(_say)
        if is_folder(options.out):
            _write_each(options)
            return
        # Check the new paths before the first sample is opened.
        check_new(options.out, options.force or options.shards is not None)
        if options.y is not None:
            check_new(options.y, options.force)
        source = options.sources[0] if len(options.sources) == 1 else options.sources
        # First: an image in no class is found before an hour of decoding.
        classes = None if options.y is None else _classes_of(options)
        _write(source, options.out, options)
        if classes is not None:
            _write_classes(classes, options)


def _say(message: str) -> None:
    """Print a warning without its remedy, if that is this command."""
    from keras_npy.tools.output import print_note

    print_note(message.partition(" To convert it:")[0])


def _check(options: argparse.Namespace) -> None:
    from keras_npy.files.header import SUPPORTED_DTYPES
    from keras_npy.rows.cast import is_known
    from keras_npy.tools.new_files import is_folder
    from keras_npy.tools.source import parse
    from keras_npy.tools.usage import UsageError

    if options.y is not None and [parse(one).kind for one in options.sources] != ["images"]:
        raise UsageError(
            "--y writes the classes of a folder of images. "
            f"Received: --y {options.y} for {' '.join(options.sources):.100}. "
            "Name images:FOLDER as the only source, or leave --y out."
        )
    if options.dtype is not None and not is_known(options.dtype):
        raise UsageError(
            f"--dtype takes one of {SUPPORTED_DTYPES}. Received: {options.dtype}. "
            "Give a dtype such as uint8 or float32."
        )
    is_one_file = options.shards is None and not is_folder(options.out)
    for path in (options.out if is_one_file else None, options.y):
        if path is not None and not path.endswith(".npy"):
            raise UsageError(
                f"{path}: a file is written as .npy. Received: a path that ends otherwise, and is "
                f"no folder. Write it like {path.removesuffix('.')}.npy, or make the folder first."
            )
    if options.round and options.dtype is None:
        raise UsageError(
            "--round goes with --dtype, to which values are rounded. "
            "Received: --round alone. Add --dtype."
        )


def _write_each(options: argparse.Namespace) -> None:
    """Write each source, and each member of an archive, into a folder."""
    from keras_npy.tools.found import members_of
    from keras_npy.tools.new_files import check_new
    from keras_npy.tools.source import stem_of
    from keras_npy.tools.usage import UsageError

    outs: dict[str, str] = {}
    for source in options.sources:
        for member in members_of(source):
            out = os.path.join(options.out, f"{stem_of(member)}.npy")
            if out in outs:
                raise UsageError(
                    f"{out}: each source becomes a file of its own in a folder. "
                    f"Received: {outs[out]} and {member}, which have the same name. "
                    "Convert them into two folders."
                )
            outs[out] = member
    for out in outs:
        check_new(out, options.force or options.shards is not None)
    for out, member in outs.items():
        _write(member, out, options)


def _write(source: Any, out: str, options: argparse.Namespace) -> None:
    from keras_npy.tools.convert import convert
    from keras_npy.tools.convert_shards import convert_to_shards
    from keras_npy.tools.output import count
    from keras_npy.tools.prediction_files import warn_of_other_parts

    source, stored_dtype = _source(source, options)
    arguments: dict[str, Any] = {
        **{"force": options.force, "stored_dtype": stored_dtype},
        **{"dtype": options.dtype, "may_round": options.round},
    }
    if options.shards is not None:
        paths = _with_progress(
            lambda show: convert_to_shards(source, out, options.shards, **arguments, progress=show)
        )
        print(f"{paths[0]}: the first of {count(len(paths), 'shard')}")
        warn_of_other_parts(paths[0], "shards")
        return
    rows = _with_progress(lambda show: convert(source, out, **arguments, progress=show))
    print(f"{out}: {rows.dtype} {rows.shape}, {rows.nbytes} bytes from {rows.name}")


def _classes_of(options: argparse.Namespace) -> tuple["Array", list[str]]:
    from keras_npy.tools.images import classes_of
    from keras_npy.tools.source import parse

    return classes_of(parse(options.sources[0]).path)


def _write_classes(classes: tuple["Array", list[str]], options: argparse.Namespace) -> None:
    from keras_npy.tools.convert import convert

    numbers, names = classes
    convert(numbers, options.y, force=options.force)
    print(f"{options.y}: {numbers.dtype} {numbers.shape}, classes {', '.join(names)}")


def _source(source: Any, options: argparse.Namespace) -> tuple[Any, str | None]:
    """A source as `convert` takes it, and its stored dtype if that is not known yet."""
    from keras_npy.rows.samples import samples

    if options.samples:
        return samples(source, stored_dtype=options.stored_dtype, unpack=True), None
    if isinstance(source, list):
        opened = [_opened(one) for one in source]
    else:
        opened = _opened(source)
    return opened, options.stored_dtype


def _opened(text: str) -> Any:
    """The rows of a spelled source; a path stays one, since a compressed member is unpacked."""
    from keras_npy.tools.source import check_no_folder, parse

    spelled = parse(text)
    check_no_folder(spelled.path if spelled.is_plain else "")
    is_path = spelled.is_plain and spelled.index is None
    return text if is_path else spelled.open_chosen()


def _with_progress(write: Callable[[Callable[[int, int], None]], Any]) -> Any:
    """Call a function with another one that shows how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # In a log the bar would leave an empty line (rich 15).
    is_hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("convert", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return write(show)
