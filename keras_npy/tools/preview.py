"""Samples of a source as a contact sheet, and as a strip in the terminal."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_npy.drawing.pictures import Look, Pixels, find_look, shrink
from keras_npy.drawing.sheets import SAMPLES_MAX, draw_sheet, num_drawn, spread_rows
from keras_npy.drawing.shown import Shown
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import check_pairs
from keras_npy.tools.source import open_source
from keras_npy.tools.usage import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Height of a picture in the terminal, in pixels, of which a character has two.
STRIP_HEIGHT = 32

# Samples that may fit beside each other.
SAMPLES_OF_STRIP_MAX = 20


class Preview:
    """Some rows of a source, from all over it.

    Args:
        x: The samples, as a source is spelled.
        y: Their labels or masks.
        number: How many rows to show; fewer are shown of large ones.
        look: How samples are shown, or `None`.

    Raises:
        UsageError: If too many are asked for, or something is spelled wrongly.
        NpyFileError: If a source cannot be read.
        ValueError: If `x` and `y` do not belong together.
    """

    def __init__(self, x: str, y: str | None, number: int, look: Look | None) -> None:
        if not 1 <= number <= SAMPLES_MAX:
            raise UsageError(
                f"A sheet shows 1 to {SAMPLES_MAX} samples. Received: --number {number}. "
                "Choose rows with brackets, 'x.npy[0:100]', and make several sheets."
            )
        self.x, self.y = open_source(x), None if y is None else open_source(y)
        if self.y is not None:
            check_pairs([self.x, self.y], check_names=True)
        self.indices = spread_rows(len(self.x), num_drawn(number, self.x, self.y))
        self.look = look or find_look(self.x.row_shape)
        _check_look(self.x, self.look)

    def draw(self, names: Sequence[str] | None) -> "Figure":
        return draw_sheet(self.x, self.y, self.indices, look=self.look, names=names)

    def strip(self, width: int) -> Pixels | None:
        """As many samples beside each other as fit; `None` for values that have no picture."""
        if self.look == "value":
            return None
        indices = self.indices[:SAMPLES_OF_STRIP_MAX]
        shown = Shown.read(self.x, self.y, indices, self.look)
        height, used = STRIP_HEIGHT, 0
        parts: list[Pixels] = []
        for at in range(len(indices)):
            picture = shrink(shown.picture(at), width, height)
            used += picture.shape[1] + 1
            if used > width and parts:
                break
            parts += [picture, np.zeros((len(picture), 1, 3), np.uint8)]
        least = min(len(part) for part in parts)
        return np.concatenate([part[:least] for part in parts[:-1]], axis=1)


def read_names(text: str) -> list[str]:
    """The names of classes: a file with one on each line, or the names themselves.

    Example:

    >>> read_names("cat, dog")
    ['cat', 'dog']
    """
    if os.path.isfile(text):
        with open(text, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    return [name.strip() for name in text.split(",")]


def _check_look(x: Rows, look: Look) -> None:
    least = {"value": 0, "curve": 1, "image": 2, "spectrogram": 2, "volume": 3}[look]
    if len(x.row_shape) < least or (look == "value" and x.row_shape):
        raise UsageError(
            f"{x.name}: rows are shown as {look} if they have the axes for it. "
            f"Received: --as {look} for rows of shape {x.row_shape}. Leave --as out."
        )
