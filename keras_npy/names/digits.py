"""Numbers that one side writes together and the other side apart, as `0102` and `p01_s02`."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations, product

from keras_npy.names.parts import NUMBERS, Column, step_of_sample, without_folder

# Numbers of a name that are joined, and how many digits each is given; 0 for those that it has.
_NUMBERS_MAX = 4
_WIDTHS = (0, 1, 2, 3)


def joined_numbers(names: Sequence[str], others: Sequence[str]) -> Iterator[tuple[Column, Column]]:
    """Numbers of the first side and joined numbers of the other side that may be the same.

    Example:

    >>> next(joined_numbers(["0102", "0301"], ["s02_p1", "s01_p3"]))
    (('102', '301'), ('102', '301'))
    """
    columns, other_columns = _numbers(names), _numbers(others)
    if not 2 <= len(other_columns) <= _NUMBERS_MAX:
        return
    step = step_of_sample(others)
    for column in columns:
        keys = _stripped(column)
        known = set(keys)
        if len(known) < len(names) or max(map(len, column)) < 2:
            continue
        counts_up = _counts_up(keys)
        for chosen, widths in _ways(other_columns):
            sampled = _joined([one[::step] for one in chosen], widths)
            # A counter beside a grid, as 1 to 96 beside r1_c01 to r8_c12, has some of its numbers
            # joined by chance.
            if counts_up and sampled != keys[::step]:
                continue
            if _share(sampled, known) < 0.5:
                continue
            joined = _joined(chosen, widths)
            if joined == keys or not counts_up:
                yield keys, joined


def _numbers(names: Sequence[str]) -> list[Column]:
    """The numbers of each name, of which some may be the same in all names."""
    rows = [NUMBERS.findall(name) for name in without_folder(names)]
    return [] if len({len(row) for row in rows}) > 1 else list(zip(*rows, strict=True))


def _ways(columns: Sequence[Column]) -> Iterator[tuple[Sequence[Column], Sequence[int]]]:
    """Which numbers are joined, in which order, with how many digits."""
    for number in range(2, len(columns) + 1):
        for chosen in permutations(columns, number):
            # Padding a number that all names have alike would say no more.
            each = [_WIDTHS if len(set(column)) > 1 else (0,) for column in chosen]
            for widths in product(*each):
                yield chosen, widths


def _joined(columns: Sequence[Column], widths: Sequence[int]) -> Column:
    padded = [_padded(column, width) for column, width in zip(columns, widths, strict=True)]
    return _stripped(tuple(map("".join, zip(*padded, strict=True))))


def _counts_up(column: Column) -> bool:
    numbers = [int(number or 0) for number in column]
    return all(after == number + 1 for number, after in pairwise(numbers))


def _padded(column: Column, width: int) -> Column:
    return tuple(number.lstrip("0").zfill(width) for number in column) if width else column


def _stripped(column: Column) -> Column:
    return tuple(number.lstrip("0") for number in column)


def _share(keys: Column, known: set[str]) -> float:
    return sum(key in known for key in keys) / len(keys)
