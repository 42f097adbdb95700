"""Wells, sessions and other things that names state, also where another number tells them apart."""

import re
from collections.abc import Sequence

from keras_npy.names.parts import SUBJECTS, Column, all_numbers, middles, without_folder
from keras_npy.names.readings import Difference

# A01, a row and a column of a plate; r01c02 as microscopes write it.
_WELL = re.compile(r"(?<![^\W_])([a-p])0?([1-9][0-9]?)(?![0-9])", re.IGNORECASE)
_ROW_AND_COLUMN = re.compile(
    r"(?<![^\W_])r(?:ow)?[_-]?0*([0-9]+)[_-]?c(?:ol(?:umn)?)?[_-]?0*([0-9]+)", re.IGNORECASE
)

# What these words number is one thing, of which both files of a pair are. A version may be another.
_THINGS = frozenset(
    "sub subj pat ses session scan slide plate well field site pos slice tile video vid "
    "clip".split()
).union(SUBJECTS)


def things_apart(names: Sequence[str], others: Sequence[str]) -> Difference | None:
    """How names differ that agree in enough to tell all files apart, but not in a well or the like.

    Few pairs are apart: where most are, the number counts otherwise on the other side.

    Example:

    >>> names = ["A01_s1", "A02_s2", "B01_s1"], ["A01_s1", "A03_s2", "B01_s1"]
    >>> things_apart(*names).keys[1], things_apart(*names).others[1]
    (('A2', '1'), ('A3', '1'))
    """
    if len(names) != len(others):
        return None
    # To read 100,000 names takes 1 s, to see that they are equal but for `_mask` a tenth of it.
    if middles(names) == middles(others):
        return None
    some, some_others = without_folder(names), without_folder(others)
    wells = _few_apart(_wells(some), _wells(some_others), is_certain=True)
    if wells is not None:
        return wells
    numbers, other_numbers = _numbers(some), _numbers(some_others)
    each = (
        _few_apart(numbers[word], other_numbers[word], is_certain=False)
        for word in numbers.keys() & other_numbers
    )
    return next(filter(None, each), None)


def _few_apart(keys: Column, others: Column, *, is_certain: bool) -> Difference | None:
    num_apart = sum(key != other for key, other in zip(keys, others, strict=False))
    if not keys or not others or not 0 < 2 * num_apart <= len(keys):
        return None
    # The numbers that agree say which file is which.
    sides = [[(key, str(at)) for at, key in enumerate(side)] for side in (keys, others)]
    return Difference(sides[0], sides[1], is_certain)


def _wells(names: Sequence[str]) -> Column:
    """The well of each name; nothing if they may be something else, such as fields or versions."""
    grid = [_ROW_AND_COLUMN.findall(name) for name in names]
    if all(len(found) == 1 for found in grid):
        return tuple(f"r{row}c{column}" for ((row, column),) in grid)
    rows = [_WELL.findall(name) for name in names]
    if len(set(map(len, rows))) > 1:
        return ()
    columns = [
        tuple(letter.upper() + number for letter, number in column)
        for column in zip(*rows, strict=True)
        if len({letter for letter, _ in column}) > 1
    ]
    return columns[0] if len(columns) == 1 else ()


def _numbers(names: Sequence[str]) -> dict[str, Column]:
    """The numbers that differ from name to name, of things that have one."""
    parts = all_numbers(names) or []
    words = [word for part in parts for word in part.labels | part.loose_labels]
    return {
        word: tuple(f"{word}{value}" for value in part.values)
        for part in parts
        for word in part.labels | part.loose_labels
        if word.casefold() in _THINGS and words.count(word) == 1 and len(set(part.values)) > 1
    }
