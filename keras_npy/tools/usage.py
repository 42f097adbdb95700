"""How the command is used: what a SOURCE is, and what a user typed wrongly."""

import argparse
import math
from collections.abc import Callable
from typing import Any

SOURCE_HELP = (
    "A SOURCE is a file (x.npy), a quoted pattern ('x-*.npy'), a member of an archive "
    "(data.npz::x), one sample per file ('samples:folder/*.npy'), windows of a series "
    "(windows,sequence_length=24:series.npy) or bare values "
    "(raw,dtype=uint16,shape=-1x28x28:scan.bin). Brackets choose rows: 'x.npy[0:1000]', "
    "'x.npy[[17, 88]]'."
)


class UsageError(ValueError):
    """A wrong use of the command, which ends with exit status 2."""


def shown_by(say: Callable[[str], None]) -> Callable[..., None]:
    """A `warnings.showwarning` that hands the message alone to a function."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        say(str(message))

    return show


def positive(text: str) -> int:
    """The `type=` of an argument that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def duration(text: str) -> float:
    """The `type=` of an argument that is a time."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
