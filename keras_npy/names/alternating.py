"""Names of files that several series take turns in: f1_l, f1_r, f2_l, f2_r."""

from collections.abc import Sequence

from keras_npy.names.calendar import DAYS, LONG_DAYS, LONG_MONTHS, MONTHS
from keras_npy.names.parts import Part, parts_of, without_folder

# Fewer rounds are alike by chance.
_ROUNDS_MIN = 3

# More series than these are no views of one.
_SERIES_MAX = 32

# One series has these one after another: times, the sides of a page, and a, b, c.
_TIMES = {"am", "pm", *DAYS, *LONG_DAYS, *MONTHS, *LONG_MONTHS}
_SIDES = ({"r", "v"}, {"recto", "verso"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def num_alternating(names: Sequence[str]) -> int:
    """How many series these files alternate between: 1 for most lists.

    A word goes round while a number tells the rounds apart, and no round lacks a file.

    Example:

    >>> num_alternating(["f1_l", "f1_r", "f2_l", "f2_r", "f3_l", "f3_r"])
    2
    >>> num_alternating(["f1_a", "f1_b", "f2_a", "f2_b", "f3_a", "f3_b"])
    1
    """
    # Those that stand first decide for most lists, of which some are long.
    first = _num_in_round(names[: _ROUNDS_MIN * _SERIES_MAX], is_whole=False)
    return _num_in_round(names, is_whole=True) if first > 1 else 1


def _num_in_round(names: Sequence[str], *, is_whole: bool) -> int:
    parts = parts_of([name.casefold() for name in without_folder(names)]) or []
    rounds = [part for part in parts if part.is_number]
    for part in parts:
        series = len(set(part.values))
        if part.is_number or series > _SERIES_MAX or not _are_series(set(part.values)):
            continue
        num_rounds, left = divmod(len(names), series)
        if (left and is_whole) or num_rounds < _ROUNDS_MIN:
            continue
        goes_round = all(value == part.values[at % series] for at, value in enumerate(part.values))
        if goes_round and any(_tells_apart(number, series) for number in rounds):
            return series
    return 1


def _are_series(words: set[str]) -> bool:
    are_letters = "".join(sorted(words)) == _LETTERS[: len(words)]
    return len(words) > 1 and not (are_letters or words <= _TIMES or words in _SIDES)


def _tells_apart(number: Part, series: int) -> bool:
    """Whether a number is the same in each round, and another one in the next."""
    values = number.values
    return all((values[at] == values[at - 1]) == (at % series > 0) for at in range(1, len(values)))
