"""Say once which layout of a file costs speed, and the command that fixes it."""

import os
import shlex
import warnings

from keras_npy.buffers import ALIGNMENT_BYTES
from keras_npy.npy_file import NpyHeader

_SAID: set[str] = set()


class NpyLayoutWarning(UserWarning):
    """A file that is read as it should be, though its layout is slow or unusual.

    Example:

    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", NpyLayoutWarning)
    ...     # Build the sequences whose layout is as you want it.
    """


def warn_of_layout(header: NpyHeader, *, is_mapped: bool = True) -> None:
    """Warn of a file's layout, of each kind once in a process.

    Args:
        header: The file.
        is_mapped: Whether it matters where in memory its data begin.
    """
    if header.trailing_bytes:
        _say(
            "trailing",
            f"{header.name}: an .npy file ends with its data. Received: "
            f"{header.trailing_bytes} bytes behind the {header.data_bytes} that the header "
            "promises, which are left alone. " + _remedy(header),
        )
    if header.fortran_order:
        _say_slow(header, "rows that lie together (C order)", "Fortran order")
    if not header.dtype.isnative:
        _say_slow(header, "this machine's byte order", f"dtype {header.dtype.str}")
    if is_mapped and header.offset_bytes % ALIGNMENT_BYTES and header.data_bytes:
        _say_slow(
            header,
            f"data that begin at a multiple of {ALIGNMENT_BYTES} bytes",
            f"data at byte {header.offset_bytes}",
        )


def _say_slow(header: NpyHeader, fast: str, received: str) -> None:
    _say(
        fast,
        f"{header.name}: training reads fastest from {fast}. Received: {received}, whose rows "
        f"are copied one by one. {_remedy(header)}",
    )


def _remedy(header: NpyHeader) -> str:
    return f"To convert it: `{convert_command(header.name)}`"


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


def _say(kind: str, message: str) -> None:
    if kind not in _SAID:
        _SAID.add(kind)
        warnings.warn(message, NpyLayoutWarning, stacklevel=2)
