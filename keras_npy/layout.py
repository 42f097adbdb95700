"""Say once which layout of a file costs speed, and the command that fixes it."""

import fnmatch
import os
import re
import shlex
import warnings
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from keras_npy.buffers import ALIGNMENT_BYTES
from keras_npy.npy_file import NpyHeader

# A pattern, or a list of paths.
Files: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

# Of a longer list a command names the first and the last.
FILES_NAMED_MAX = 4

_MAGIC = re.compile(r"[*?[]")

_SAID: set[str] = set()


class NpyLayoutWarning(UserWarning):
    """A file that is read as it should be, though its layout is slow or unusual.

    Example:

    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", NpyLayoutWarning)
    ...     # Build the sequences whose layout is as you want it.
    """


def warn_of_layout(
    header: NpyHeader, files: Files | None = None, *, are_samples: bool = False
) -> None:
    """Warn of a file's layout, of each kind once in a process.

    Args:
        header: The file.
        files: The pattern or list that it is one of.
        are_samples: Whether each of them is one sample, which is read and not mapped.
    """
    for kind, message in _oddities(header, are_samples):
        if kind not in _SAID:
            _SAID.add(kind)
            remedy = _remedy(header, files, are_samples)
            warnings.warn(f"{header.name}: {message} {remedy}", NpyLayoutWarning, stacklevel=2)


def _oddities(header: NpyHeader, are_samples: bool) -> Iterator[tuple[str, str]]:
    """Each oddity of a file: its kind, and the rule and what was received."""
    if header.trailing_bytes:
        yield (
            "trailing",
            f"an .npy file ends with its data. Received: {header.trailing_bytes} bytes behind the "
            f"{header.data_bytes} that the header promises, which are left alone.",
        )
    if header.fortran_order:
        yield _slow("rows that lie together (C order)", "Fortran order")
    if not header.dtype.isnative:
        yield _slow("this machine's byte order", f"dtype {header.dtype.str}")
    if not are_samples and header.offset_bytes % ALIGNMENT_BYTES and header.data_bytes:
        yield _slow(
            f"data that begin at a multiple of {ALIGNMENT_BYTES} bytes",
            f"data at byte {header.offset_bytes}",
        )


def _slow(fast: str, received: str) -> tuple[str, str]:
    return fast, (
        f"training reads fastest from {fast}. Received: {received}, whose rows are copied one by "
        "one."
    )


def _remedy(header: NpyHeader, files: Files | None, are_samples: bool) -> str:
    if files is None:
        command = convert_command(header.name)
    else:
        command = join_command(files, are_samples=are_samples)
    dtype = " --dtype bfloat16" if header.dtype.name == "bfloat16" else ""
    return f"To convert {'it' if files is None else 'all'}: `{command}{dtype}`"


def convert_command(name: str) -> str:
    """The command that makes a plain `.npy` of a source.

    Example:

    >>> convert_command("data.npz::x")
    'keras-npy convert data.npz::x x.npy'
    >>> convert_command("old.npy")
    'keras-npy convert old.npy old_converted.npy'
    """
    path, mark, member = name.partition("::")
    folder = os.path.dirname(path)
    if mark:
        new = os.path.basename(member.removesuffix(".npy")) + ".npy"
    else:
        new = os.path.basename(path).removesuffix(".npy") + "_converted.npy"
    return f"keras-npy convert {shlex.quote(name)} {shlex.quote(os.path.join(folder, new))}"


def join_command(files: Files, *, are_samples: bool = False) -> str:
    """The command that makes one plain `.npy` of many files, where their pattern finds it not.

    Example:

    >>> join_command("/data/x-*.npy")
    "keras-npy convert '/data/x-*.npy' /data/x_converted.npy"
    >>> join_command("/data/**/*.npy", are_samples=True)
    "keras-npy convert --samples '/data/**/*.npy' /data_converted.npy"
    """
    if isinstance(files, str | os.PathLike):
        named = [os.fsdecode(files)]
        new = _name_not_found(named[0].partition("::")[0])
    else:
        named = [os.fsdecode(path) for path in files]
        folders = {os.path.dirname(os.path.abspath(name.partition("::")[0])) for name in named}
        # Whatever pattern made the list, it began in this folder or below.
        new = os.path.commonpath(folders) + "_converted.npy"
    quoted = [shlex.quote(name) for name in named]
    if len(quoted) > FILES_NAMED_MAX:
        quoted = [quoted[0], "...", quoted[-1]]
    option = ["--samples"] if are_samples else []
    return " ".join(["keras-npy convert", *option, *quoted, shlex.quote(new)])


def _name_not_found(pattern: str) -> str:
    """A path that the pattern does not match: found again, its rows would be served twice."""
    folder = os.path.dirname(_MAGIC.split(pattern, maxsplit=1)[0])
    rest = pattern[len(folder) :].lstrip(os.sep)
    last = os.path.basename(rest)
    stem = _MAGIC.split(last, maxsplit=1)[0].removesuffix(".npy").rstrip("-_. ")
    is_looked_into = "**" in rest or os.sep not in rest
    for parts in ((stem, "converted"), ("converted", stem)):
        name = "_".join(part for part in parts if part) + ".npy"
        if not (is_looked_into and fnmatch.fnmatch(name, last)):
            return os.path.join(folder, name)
    return os.path.abspath(folder) + "_converted.npy"
