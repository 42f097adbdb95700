"""Signs in names of files: `x-1_y1` is no partner of `y-1_x1`."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from keras_npy.names.parts import NUMBERS, Column, without_folder
from keras_npy.names.readings import Difference, Outcome
from keras_npy.names.signed import COORDINATES, last_word

_BEHIND_SEPARATOR = re.compile(r"[_/-]-\Z")


class _Column(NamedTuple):
    """One number of each name, and what stands before it."""

    word: str
    """The last word before it, if all names have the same."""
    values: Sequence[str]
    """Without leading zeros."""
    has_dash: Sequence[bool]
    is_signed: bool = False
    """Whether the dashes are certainly minuses."""


def compare_signs(names: Sequence[str], others: Sequence[str]) -> Outcome | None:
    """What signs say of names whose numbers agree in all pairs but for these; `None` if nothing.

    Nothing is said of dashes that may be mere separators: those that all names have, and those of
    `case-1` beside `case2`.

    Example:

    >>> compare_signs(["x-1_y1", "x1_y-1"], ["y-1_x1", "y1_x-1"]).keys
    [('-1', '1'), ('1', '-1')]
    >>> compare_signs(["case-1", "case2"], ["case1_m", "case-2_m"])
    """
    sides = names, others
    if len(names) != len(others) or not all(any("-" in name for name in side) for side in sides):
        return None
    columns, other_columns = map(_columns, sides)
    if not any(column.is_signed for column in (*columns, *other_columns)):
        return None
    pairs = _by_words(columns, other_columns)
    have_words = bool(pairs)
    pairs = pairs or list(zip(columns, other_columns, strict=False))
    is_alike = all(one.values == other.values for one, other in pairs)
    if not is_alike or not (have_words or len(columns) == len(other_columns)):
        return None
    signed = [pair for pair in pairs if any(column.is_signed for column in pair)]
    keys, other_keys = (_keys(side) for side in zip(*signed, strict=True))
    # Without words, row and column may be turned.
    if keys == other_keys or (not have_words and _sorted(keys) == _sorted(other_keys)):
        return "partners" if len(set(keys)) == len(set(names)) else None
    num_shared = len(set(keys) & set(other_keys))
    return Difference(keys, other_keys, is_certain=2 * num_shared >= len(set(keys)))


def _columns(names: Sequence[str]) -> list[_Column]:
    """All numbers of the names; nothing if some have more of them than others."""
    rows = [NUMBERS.split(name) for name in without_folder(names)]
    if len({len(row) for row in rows}) > 1:
        return []
    texts: list[Column] = list(zip(*rows, strict=True))
    columns = [_column(texts[at - 1], texts[at], at == 1) for at in range(1, len(texts), 2)]
    mixed = [_is_mixed(texts[at - 1], columns[at // 2]) for at in range(1, len(texts), 2)]
    values = list(zip(*(column.values for column in columns), strict=True))
    # Only the sign tells -3 from 3.
    are_signs = any(mixed) and len(set(values)) < len(set(names))
    return [
        column._replace(is_signed=is_mixed and (are_signs or _is_minus(before, column)))
        for column, is_mixed, before in zip(columns, mixed, texts[::2], strict=False)
    ]


def _column(texts: Column, numbers: Column, is_first: bool) -> _Column:
    # A dash between two numbers, as in 2024-01, only separates them.
    has_dash = [text.endswith("-") and (is_first or text != "-") for text in texts]
    words = {last_word(text) for text in set(texts)}
    word = words.pop() if len(words) == 1 else ""
    return _Column(word, [number.lstrip("0") for number in numbers], has_dash)


def _is_mixed(texts: Column, column: _Column) -> bool:
    """Whether some names have a dash and some have none, behind the same text."""
    before = {text.rsplit("/", 1)[-1].rstrip("+-") for text in set(texts)}
    return len(before) == 1 and len(set(column.has_dash)) == 2


def _is_minus(texts: Column, column: _Column) -> bool:
    """Whether dashes that some names have are signs: of a coordinate, or behind a separator."""
    dashes = {text for text in set(texts) if text.endswith("-")}
    return column.word in COORDINATES or all(map(_BEHIND_SEPARATOR.search, dashes))


def _by_words(
    columns: Sequence[_Column], others: Sequence[_Column]
) -> list[tuple[_Column, _Column]]:
    """The numbers beside the same words, if all with a sign have one."""
    sides = [[column.word for column in side] for side in (columns, others)]
    shared = [word for word in sides[0] if word and all(side.count(word) == 1 for side in sides)]
    if any(one.is_signed and one.word not in shared for one in (*columns, *others)):
        return []
    return [(columns[sides[0].index(word)], others[sides[1].index(word)]) for word in shared]


def _keys(columns: Sequence[_Column]) -> list[tuple[str, ...]]:
    """The numbers of each name, with their signs."""
    signed = [
        ["-" * dash + value for dash, value in zip(one.has_dash, one.values, strict=True)]
        for one in columns
    ]
    return list(zip(*signed, strict=True))


def _sorted(keys: Sequence[tuple[str, ...]]) -> list[list[str]]:
    return list(map(sorted, keys))
