"""Samples of a source as a contact sheet, and as a strip in the terminal."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_npy.drawing.pictures import Look, Pixels, find_look, shrink
from keras_npy.drawing.sheets import (
    SAMPLES_MAX,
    can_write,
    draw_sheet,
    num_drawn,
    spread_rows,
    title_of,
    unnamed_classes,
)
from keras_npy.drawing.shown import Shown
from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import check_pairs
from keras_npy.tools.output import count, some_of
from keras_npy.tools.source import open_source, parse
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
        self.x, numbers = parse(x).open_numbered()
        self.y = None if y is None else open_source(y)
        if self.y is not None:
            check_pairs([self.x, self.y], check_names=True)
        self.indices = spread_rows(len(self.x), num_drawn(number, self.x, self.y))
        # What brackets leave out is counted too.
        self.numbers = rows_at(numbers, self.indices)
        self.look = look or find_look(self.x.row_shape)
        _check_look(self.x, self.look)

    def draw(self, names: Sequence[str] | None) -> "Figure":
        return draw_sheet(
            self.x, self.y, self.indices, look=self.look, names=names, numbers=self.numbers
        )

    def strip(self, width: int, names: Sequence[str] | None) -> tuple[Pixels, str] | None:
        """As many samples beside each other as fit, from all over, and what to write below them.

        `None` for values that have no picture.
        """
        if self.look == "value":
            return None
        first = Shown.read(self.x, self.y, self.indices[:1], self.look)
        one_width = shrink(first.picture(0), width, STRIP_HEIGHT).shape[1]
        number = min(SAMPLES_OF_STRIP_MAX, max(1, (width + 1) // (one_width + 1)))
        at = spread_rows(len(self.indices), number)
        shown = Shown.read(self.x, self.y, self.indices[at], self.look)
        parts: list[Pixels] = []
        for one in range(len(at)):
            picture = shrink(shown.picture(one), width, STRIP_HEIGHT)
            parts += [picture, np.zeros((len(picture), 1, 3), np.uint8)]
        labels = [None] * len(at) if shown.labels is None else shown.labels
        titles = [
            title_of(row, label, names)
            for row, label in zip(self.numbers[at].tolist(), labels, strict=True)
        ]
        return np.concatenate(parts[:-1], axis=1), _line_of(titles, one_width)

    def remark_on(self, names: Sequence[str] | None) -> str | None:
        """What to say if some classes have no name."""
        if names is None or self.y is None or self.y.ndim > 2:
            return None
        self.y.prepare(self.indices)
        unnamed = unnamed_classes(self.y.take(self.indices), names)
        if not unnamed:
            return None
        from_0 = "" if min(unnamed) > len(names) else ", and the first name is that of class 0"
        return (
            f"--names has {count(len(names), 'name')}, none for class {some_of(unnamed)}: "
            f"shown by number{from_0}."
        )


def _line_of(titles: Sequence[str], width: int) -> str:
    """Each title below its picture, if all fit there."""
    if max(map(len, titles)) <= width:
        return " ".join(f"{title:{width}}" for title in titles).rstrip()
    return ", ".join(titles)


def check_suffix(path: str) -> None:
    """Raise `UsageError` unless a sheet can be written under this name."""
    suffix = os.path.splitext(path)[1]
    if not can_write(suffix):
        raise UsageError(
            f"{path}: a sheet is written as its name says: .png, .pdf, .svg or .jpg. "
            f"Received: {f'the suffix {suffix}' if suffix else 'no suffix'}. "
            f"Write it like -o {os.path.splitext(path)[0]}.png."
        )


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
