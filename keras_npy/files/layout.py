"""Warn once of a file's layout that costs speed, with the command that fixes it."""

import fnmatch
import glob
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from keras_npy.errors import NpyLayoutWarning, warn_once
from keras_npy.files.header import NpyHeader
from keras_npy.types import Path

# TensorFlow and JAX use memory in place if it starts at a multiple of this. TensorFlow aborts the
# process if the memory of a tensor does not (TensorFlow 2.21).
ALIGNMENT_BYTES = 64

# A pattern, or a list of paths.
Joined: TypeAlias = Path | Sequence[Path]


@dataclass(frozen=True)
class Apart:
    """Files of which each is a series or a class of its own: to join them would lose its ends.

    Args:
        files: Their pattern, or the list of their paths.
        keep_names: Whether a file's name means something, so that what is converted from a member
            of an archive has the name of the archive.
    """

    files: Joined
    keep_names: bool = False


Files: TypeAlias = Joined | Apart

# A longer list is joined in Python, where the user already has it, not by the command.
FILES_NAMED_MAX = 4

_MAGIC = re.compile(r"[*?[]")


def warn_of_layout(
    header: NpyHeader,
    files: Files | None = None,
    *,
    are_samples: bool = False,
    is_mapped: bool = True,
    is_compressed: bool = False,
    remedy: str | None = None,
) -> None:
    """Warn of a file's layout, once per process for each kind of layout.

    Args:
        header: The header of the file.
        files: The pattern or list that the file belongs to.
        are_samples: Whether each file is one sample.
        is_mapped: Whether the file is mapped, so that its alignment matters.
        is_compressed: Whether it is a member that is not stored.
        remedy: What to do, if it is not the command.
    """
    for kind, message in oddities(header, is_mapped and not are_samples, is_compressed):
        remedy = remedy or remedy_of(header, files, are_samples)
        warn_once(f"layout: {kind}", f"{header.name}: {message} {remedy}", NpyLayoutWarning)


def oddities(header: NpyHeader, is_mapped: bool, is_compressed: bool) -> Iterator[tuple[str, str]]:
    """Yield each oddity of a file: its kind, then the rule and what was received."""
    if header.trailing_bytes and not header.has_data_behind:
        yield (
            "trailing",
            f"an .npy file ends with its data. Received: {header.trailing_bytes} bytes behind the "
            f"{header.data_bytes} that the header promises, which are left alone.",
        )
    if is_compressed:
        yield (
            "compressed",
            "samples are read fastest from members that are stored. Received: a compressed one, "
            "which is unpacked whole each time.",
        )
    if header.fortran_order:
        yield (
            "fortran",
            "training reads fastest from rows that lie together (C order). "
            "Received: Fortran order, whose rows are gathered value by value.",
        )
    if not header.dtype.isnative:
        yield (
            "byte order",
            "training reads fastest from this machine's byte order. "
            f"Received: dtype {header.dtype.str}, whose bytes are swapped in every batch.",
        )
    if is_mapped and header.offset_bytes % ALIGNMENT_BYTES and header.data_bytes:
        yield (
            "alignment",
            "batches in file order (evaluate, predict) reach TensorFlow uncopied from one file "
            f"whose data begin at a multiple of {ALIGNMENT_BYTES} bytes. "
            f"Received: data at byte {header.offset_bytes}.",
        )


def remedy_of(header: NpyHeader, files: Files | None, are_samples: bool) -> str:
    """What makes a file one that is read fastest."""
    is_bfloat16 = header.dtype.name == "bfloat16"
    return convert_remedy(header.name, files, are_samples=are_samples, is_bfloat16=is_bfloat16)


def convert_remedy(
    name: str, files: Files | None, *, are_samples: bool = False, is_bfloat16: bool = False
) -> str:
    """How to convert a source to a plain `.npy`, with all files that belong to it."""
    option = " --stored-dtype bfloat16" if is_bfloat16 else ""
    if files is None:
        return f"To convert it: `{convert_command(name)}{option}`"
    if isinstance(files, Apart):
        return _apart_remedy(name, files, is_bfloat16)
    if isinstance(files, str | os.PathLike) or len(files) <= FILES_NAMED_MAX:
        return f"To convert all: `{join_command(files, are_samples=are_samples)}{option}`"
    stored_dtype = "bfloat16" if is_bfloat16 else None
    call = join_call(files, are_samples=are_samples, stored_dtype=stored_dtype)
    paths = "seq.file_paths as paths" if are_samples else "the list as paths"
    return f"To convert all, in Python, with {paths}: `{call}`"


def convert_command(name: str) -> str:
    """The command that converts a source to a plain `.npy`.

    Example:

    >>> convert_command("data.npz::x")
    'keras-npy convert data.npz::x x.npy'
    >>> convert_command("old.npy")
    'keras-npy convert old.npy old_converted.npy'
    """
    return f"keras-npy convert {shlex.quote(name)} {shlex.quote(name_of_converted(name))}"


def name_of_converted(name: str) -> str:
    """A path beside a source, for what is converted from it.

    Example:

    >>> name_of_converted("data/train.bin")
    'data/train_converted.npy'
    """
    path, mark, member = name.partition("::")
    folder = os.path.dirname(path)
    if mark:
        new = os.path.basename(member.removesuffix(".npy")) + ".npy"
    else:
        new = os.path.splitext(os.path.basename(path))[0] + "_converted.npy"
    return os.path.join(folder, new)


def join_command(files: Joined, *, are_samples: bool = False) -> str:
    """The command that joins files into one plain `.npy`, which their pattern does not match.

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
        new = _name_beside(named)
    option = ["--samples"] if are_samples else []
    quoted = [shlex.quote(name) for name in (*named, new)]
    return " ".join(["keras-npy convert", *option, *quoted])


def join_call(
    files: Sequence[Path], *, are_samples: bool = False, stored_dtype: str | None = None
) -> str:
    """The Python code that joins `paths`, a list too long for a command, into one plain `.npy`.

    Example:

    >>> join_call(["/data/0.npy", "/data/1.npy"])
    "from keras_npy import convert; convert(paths, '/data_converted.npy')"
    """
    new = _name_beside([os.fsdecode(path) for path in files])
    option = f", stored_dtype={stored_dtype!r}" if stored_dtype else ""
    if are_samples:
        return f"from keras_npy import convert, samples; convert(samples(paths{option}), {new!r})"
    return f"from keras_npy import convert; convert(paths, {new!r}{option})"


def each_remedy(header: NpyHeader, files: Joined) -> str:
    """How to convert each of many samples for itself, as those need that fit into no one file.

    A member of an archive goes into a file beside the archive; an `.npy` is replaced.
    """
    found, _, member = header.name.partition("::")
    suffix = os.path.splitext(found)[1]
    if isinstance(files, str | os.PathLike):
        pattern = os.fsdecode(files).partition("::")[0]
    else:
        folders = [os.path.dirname(os.path.abspath(os.fsdecode(path))) for path in files]
        pattern = os.path.join(glob.escape(os.path.commonpath(folders)), "**", f"*{suffix}")
    call = _call_of_each(suffix, member, _end_of(member), header.dtype.name == "bfloat16")
    return _remedy_of_pattern(call, pattern)


def _remedy_of_pattern(call: str, pattern: str) -> str:
    return (
        "To convert each, in Python: `import glob; from keras_npy import convert; "
        f"[{call} for path in glob.glob({pattern!r}, recursive=True)]`"
    )


def _end_of(member: str, keep_names: bool = False) -> str:
    """What follows the name of an archive in the name of the file for its member."""
    return ".npy" if keep_names else f"_{os.path.basename(member.removesuffix('.npy'))}.npy"


def _call_of_each(suffix: str, member: str, end: str, is_bfloat16: bool) -> str:
    """The call that converts the file `path`, or the member of the archive `path`."""
    option = ", stored_dtype='bfloat16'" if is_bfloat16 else ""
    if not member:
        return f"convert(path, path, force=True{option})"
    return f"convert(path + {'::' + member!r}, path.removesuffix({suffix!r}) + {end!r}{option})"


def _apart_remedy(name: str, apart: Apart, is_bfloat16: bool) -> str:
    """How to convert each of several files for itself; an `.npy` is replaced."""
    files = apart.files
    if not isinstance(files, str | os.PathLike) and len(files) <= FILES_NAMED_MAX:
        option = " --stored-dtype bfloat16" if is_bfloat16 else ""
        commands = (_apart_command(os.fsdecode(path), apart.keep_names) for path in files)
        return f"To convert each: `{'; '.join(command + option for command in commands)}`"
    found, _, member = name.partition("::")
    suffix = os.path.splitext(found)[1]
    call = _call_of_each(suffix, member, _end_of(member, apart.keep_names), is_bfloat16)
    if isinstance(files, str | os.PathLike):
        return _remedy_of_pattern(call, os.fsdecode(files).partition("::")[0])
    # The user's list may hold patterns too.
    return (
        "To convert each, in Python, with the list of files as paths: `import glob, os; "
        f"from keras_npy import convert; [{call} for given in paths "
        "for one in [os.fspath(given).partition('::')[0]] "
        "for path in glob.glob(one, recursive=True) or [one]]`"
    )


def _apart_command(path: str, keep_names: bool) -> str:
    archive, mark, member = path.partition("::")
    if not mark:
        return f"keras-npy convert --force {shlex.quote(path)} {shlex.quote(path)}"
    new = os.path.splitext(archive)[0] + _end_of(member, keep_names)
    return f"keras-npy convert {shlex.quote(path)} {shlex.quote(new)}"


def _name_beside(names: list[str]) -> str:
    """A path outside the files' common folder: no pattern that found the files matches it."""
    folders = {os.path.dirname(os.path.abspath(name.partition("::")[0])) for name in names}
    return os.path.commonpath(folders) + "_converted.npy"


def _name_not_found(pattern: str) -> str:
    """A path that the pattern does not match, since its rows would then be served twice."""
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
