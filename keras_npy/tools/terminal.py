"""Pictures in a terminal: two pixels in each character."""

import os
import shutil
import sys

import numpy as np

from keras_npy.drawing.pictures import Pixels

# The upper half of a character has the colour of the text, the lower half that behind it.
_HALF_BLOCK = "▀"


def can_show_pictures() -> bool:
    """Whether standard output is a terminal that has colours."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def columns() -> int:
    """Characters in a line."""
    return shutil.get_terminal_size().columns


def as_text(picture: Pixels) -> str:
    """A picture as lines of coloured characters, each of two pixels."""
    if len(picture) % 2:
        picture = np.concatenate([picture, picture[-1:]])
    lines = []
    for upper, lower in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
        cells = (
            f"\x1b[38;2;{';'.join(map(str, one))};48;2;{';'.join(map(str, other))}m{_HALF_BLOCK}"
            for one, other in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
