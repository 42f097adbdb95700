"""Numbers that all names of one side have alike, and that differ from name to name on the other."""

from collections.abc import Sequence
from typing import NamedTuple

from keras_npy.names.parts import Column, Part, all_numbers, step_of_sample, without_folder


class OneSided(NamedTuple):
    """Numbers that are constant on one side."""

    labels: frozenset[str]
    pairs: Sequence[tuple[Column, Column]]
    """Those of both sides."""
    is_certain: bool
    """Whether each side has a constant that differs on the other one, beside the same word."""

    def without(self, parts: Sequence[Part]) -> list[Part]:
        """The parts that are not just these numbers."""
        columns = [column for pair in self.pairs for column in pair]
        return [part for part in parts if part.values not in columns or part.labels - self.labels]


def constant_on_one_side(names: Sequence[str], others: Sequence[str]) -> OneSided | None:
    """The numbers beside one word, or else in one place, that are constant on one side only.

    Example:

    >>> constant_on_one_side(["p1_s1", "p1_s2"], ["p1_s1", "p2_s1"]).is_certain
    True
    """
    some, some_others = (side[:: step_of_sample(side)] for side in (names, others))
    if _one_sided(some, some_others) is None:
        return None
    return _one_sided(names, others)


def _one_sided(names: Sequence[str], others: Sequence[str]) -> OneSided | None:
    found = _compared(names, others)
    if found is not None and found.is_certain:
        return found
    # The folder of all files may have a number that is not meant.
    return _compared(without_folder(names), without_folder(others))


def _compared(names: Sequence[str], others: Sequence[str]) -> OneSided | None:
    numbers, other_numbers = _labelled_numbers(names), _labelled_numbers(others)
    found = {
        label: (numbers[label], other_numbers[label])
        for label in numbers.keys() & other_numbers
        if _is_constant(numbers[label]) != _is_constant(other_numbers[label])
    }
    if all(set(one).isdisjoint(other) for one, other in found.values()):
        return None
    are_mutual = len({_is_constant(one) for one, _ in found.values()}) > 1
    # Numbers without words are named by their place, which may be another one on the other side.
    have_words = not any(map(str.isdecimal, found))
    if not (are_mutual or have_words):
        return None
    return OneSided(frozenset(found), list(found.values()), are_mutual and have_words)


def _labelled_numbers(names: Sequence[str]) -> dict[str, Column]:
    """All numbers that have a word of their own beside them, or by place if none has a word."""
    parts = all_numbers(names) or []
    if not any(part.labels or part.loose_labels for part in parts):
        return {str(place): part.values for place, part in enumerate(parts)}
    values: dict[str, set[Column]] = {}
    for part in parts:
        for label in part.labels:
            values.setdefault(label, set()).add(part.values)
    return {label: found.pop() for label, found in values.items() if len(found) == 1}


def _is_constant(values: Column) -> bool:
    return len(set(values)) == 1
