"""Numbers with a sign that names of files state: tilt_-20, ev+1, z-10 and lon20W."""

import re
from collections.abc import Sequence

from keras_npy.names.parts import num_common, without_folder

_NUMBERS = re.compile(r"([0-9]+(?:\.[0-9]+)?)")
_WORD = re.compile(r"([^\W\d_]+)[\W_]*\Z")

_COMPASS = frozenset("lon lng long longitude lat latitude".split())
# Beside these words a dash that only some names have is a minus.
COORDINATES = _COMPASS | frozenset(
    "x y z dx dy dz tx ty tz rx ry rz yaw pitch roll angle theta phi azimuth elevation".split()
)
# What else is counted from zero in two directions.
_TWO_SIDED = COORDINATES | frozenset(
    "tilt ang deg degree rot rotation ev exposure offset shift delta focus defocus temp "
    "temperature".split()
)
# What stands for minus, and for plus, beside those words. Elsewhere neg and pos are classes.
_LETTERS = (("m", "p"), ("n", "p"), ("neg", "pos"), ("minus", "plus"))
_DIRECTIONS = (("w", "e"), ("s", "n"))

# Numbers that are there with and without a dash: one may be a second version.
_TWICE_MIN = 2


def signed_numbers(paths: Sequence[str]) -> list[float]:
    """The number of each path, if these are certainly signed, and nothing else differs.

    Nothing for dashes that may be mere separators: those that all names have, and those of `case-1`
    beside `case2`.

    Example:

    >>> signed_numbers(["tilt_+00", "tilt_+20", "tilt_-20"])
    [0.0, 20.0, -20.0]
    >>> signed_numbers(["img-01", "img-02"])
    []
    """
    rows = [_NUMBERS.split(name.casefold()) for name in without_folder(paths)]
    if len({len(row) for row in rows}) > 1:
        return []
    columns = list(zip(*rows, strict=True))
    differ = {at for at, column in enumerate(columns) if len(set(column)) > 1}
    for at in range(1, len(columns), 2):
        for beside in (at - 1, at + 1):
            if beside in differ and differ <= {at, beside}:
                numbers = [float(number) for number in columns[at]]
                before, after = columns[at - 1], columns[at + 1]
                signs = _before(before, numbers) if beside < at else _behind(before[0], after)
                signed = [sign * number for sign, number in zip(signs, numbers, strict=False)]
                return signed if len(set(signed)) == len(rows) else []
    return []


def _before(texts: Sequence[str], numbers: Sequence[float]) -> list[int]:
    """The signs that stand before numbers; nothing if these are none."""
    head = texts[0][: num_common(texts)]
    marks = [text[len(head) :] for text in texts]
    word = last_word(head)
    is_minus = [mark == "-" for mark in marks]
    if set(marks) <= {"", "+", "-"} and any(is_minus):
        # Behind a separator a dash is no separator.
        is_certain = "+" in marks or not head[-1:].isalnum() or word in _TWO_SIDED
        return _signs(is_minus) if is_certain or _are_twice(is_minus, numbers) else []
    marks = [mark.strip("_-") for mark in marks]
    # The x of x_pos_1 is mostly no coordinate but the inputs.
    has_letters = word in _TWO_SIDED and len(word) > 1
    return _of_letters(marks, _LETTERS if has_letters else (), word)


def _behind(before: str, texts: Sequence[str]) -> list[int]:
    """The signs of numbers with a direction behind them; nothing if they have none."""
    tail = num_common([text[::-1] for text in texts])
    marks = [text[: len(text) - tail].strip("_-") for text in texts]
    return _of_letters(marks, (), last_word(before))


def _of_letters(marks: Sequence[str], letters: Sequence[tuple[str, str]], word: str) -> list[int]:
    for minus, plus in (*letters, *(_DIRECTIONS if word in _COMPASS else ())):
        # Zero has no direction.
        if {minus, plus} <= set(marks) <= {minus, plus, ""}:
            return _signs([mark == minus for mark in marks])
    return []


def _are_twice(is_minus: Sequence[bool], numbers: Sequence[float]) -> bool:
    """Whether only the sign tells numbers apart."""
    sides: tuple[set[float], set[float]] = (set(), set())
    for minus, number in zip(is_minus, numbers, strict=True):
        sides[minus].add(number)
    return len(sides[0] & sides[1]) >= _TWICE_MIN


def _signs(is_minus: Sequence[bool]) -> list[int]:
    return [-1 if minus else 1 for minus in is_minus]


def last_word(text: str) -> str:
    """The word that a text ends with but for other signs; empty if it has none."""
    found = _WORD.search(text)
    return found[1] if found else ""
