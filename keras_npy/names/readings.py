"""Ways in which parts of the names of two lists of files may belong together, and what they say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice, product
from operator import eq
from typing import Any, Literal, NamedTuple, TypeAlias

from keras_npy.names.parts import FEW, Column, Part, are_abbreviated, are_counted, num_few

# Ways in which parts may belong together that are tried.
_READINGS_MAX = 24

# The share of files that may be second versions, or have no partner, for names to be in doubt.
_MANY = 0.4

Pairs: TypeAlias = Sequence[tuple[Part, Part]]
"""Parts of both sides that belong together."""


class Difference(NamedTuple):
    """How names differ."""

    keys: Sequence[object]
    """What each name of the first side is compared by."""
    others: Sequence[object]
    is_certain: bool

    @property
    def num_shared(self) -> int:
        return len(set(self.keys) & set(self.others))


Outcome: TypeAlias = Literal["partners", "unknown", "strangers"] | Difference


def by_parts(
    parts: Sequence[Part], others: Sequence[Part], num_distinct: int, *, with_copies: bool = False
) -> Outcome:
    """What the parts say that differ from name to name.

    Args:
        parts: Those of one side.
        others: Those of the other side.
        num_distinct: Different names of the side that has fewer.
        with_copies: Whether a few files may be second versions of others.
    """
    readings = [pairs for pairs in islice(_readings(parts, others), _READINGS_MAX) if pairs]
    if not readings:
        return "unknown" if are_counted(parts) and are_counted(others) else "strangers"
    num_parts = min(len(parts), len(others))
    if _agree(readings[0], num_distinct):
        return _disagreeing(readings[0]) or "partners"
    plain = _difference(readings[0], num_parts, with_copies)
    if _agree(_alike(parts, others), num_distinct):
        # Numbers that agree crosswise may be day and month.
        are_alike = plain is not None and set(plain.keys) == set(plain.others)
        return plain._replace(is_certain=False) if plain and are_alike else "partners"
    best = plain
    for reading in readings[1:]:
        found = _difference(reading, num_parts, with_copies)
        if found is not None and (best is None or found.num_shared > best.num_shared):
            best = found
    found = best or difference_of(*_keys(readings[0]), shared_min=0.0)
    found = found or _repeated(readings[0], parts, others)
    return found or ("strangers" if _are_strangers(readings[0], parts, others) else "unknown")


def _repeated(pairs: Pairs, parts: Sequence[Part], others: Sequence[Part]) -> Difference | None:
    """Numbers that one side has once each, and the other side a few of, each with several words.

    `case_1_L` and `case_1_R` are no partners of `case_1` and `case_2`. Those of folders that count
    anew, `L/case_1` and `R/case_1`, may be.
    """
    for part, other in pairs:
        # A name without a number stands for itself.
        are_numbers = all((value or "0").isdecimal() for value in part.values + other.values)
        if not (part.is_number and are_numbers and part.labels & other.labels):
            continue
        for once, often, all_often in ((part, other, others), (other, part, parts)):
            values, numbers = set(once.values), [int(value or 0) for value in often.values]
            rest = [one for one in all_often if one is not often]
            is_once = len(values) == len(once.values) > 2 and set(often.values) < values
            have_words = bool(rest) and not any(one.is_number for one in rest)
            if is_once and have_words and numbers == sorted(numbers):
                return Difference(part.values, other.values, is_certain=False)
    return None


def _are_strangers(pairs: Pairs, parts: Sequence[Part], others: Sequence[Part]) -> bool:
    """Whether names of the same case have nothing in common, as `p1_pre` with `p1_1`.

    Those that count up belong together in order, and an abbreviation with its word.
    """
    if any(part.values != other.values for part, other in pairs):
        return False
    groups = list(zip(*(part.values for part, _ in pairs), strict=True))
    rest = [part for part in parts if all(part is not one for one, _ in pairs)]
    other_rest = [part for part in others if all(part is not other for _, other in pairs)]
    if are_counted(rest, groups) and are_counted(other_rest, groups):
        return False
    return not any(are_abbreviated(*pair) for pair in product(rest, other_rest))


def _readings(parts: Sequence[Part], others: Sequence[Part]) -> Iterator[Pairs]:
    """Ways in which parts of both sides may belong together, from the most likely one."""
    if len(parts) > len(others):
        for pairs in _readings(others, parts):
            yield [(part, other) for other, part in pairs]
        return
    yield from _matchings(_choices(parts, others), parts, others, 0, frozenset())
    if any(part.loose_labels for part in (*parts, *others)):
        certain, other_certain = _without_loose_labels(parts), _without_loose_labels(others)
        yield from _matchings(_choices(certain, other_certain), parts, others, 0, frozenset())


def _without_loose_labels(parts: Sequence[Part]) -> list[Part]:
    return [part._replace(loose_labels=frozenset()) for part in parts]


def _alike(parts: Sequence[Part], others: Sequence[Part]) -> Pairs:
    """Parts that have the same values in all pairs of names."""
    choices = _choices(_without_loose_labels(parts), _without_loose_labels(others))
    return [
        (part, others[number])
        for part, numbers in zip(parts, choices, strict=True)
        for number in numbers
        if part.values == others[number].values
    ]


def _matchings(
    choices: Sequence[Sequence[int]],
    parts: Sequence[Part],
    others: Sequence[Part],
    at: int,
    used: frozenset[int],
) -> Iterator[Pairs]:
    if at == len(parts):
        yield []
        return
    for number in [number for number in choices[at] if number not in used] or [-1]:
        pair = [] if number < 0 else [(parts[at], others[number])]
        for pairs in _matchings(choices, parts, others, at + 1, used | {number}):
            yield [*pair, *pairs]


def _choices(parts: Sequence[Part], others: Sequence[Part]) -> list[list[int]]:
    """For each part the numbers of those that it may belong to, the most likely one first."""
    shared = _labels(parts, loose=False) & _labels(others, loose=True)
    shared |= _labels(parts, loose=True) & _labels(others, loose=False)
    counts, other_counts = ([Counter(part.values) for part in side] for side in (parts, others))
    ranks, other_ranks = _ranks(parts), _ranks(others)

    def is_possible(at: int, number: int) -> bool:
        part, other = parts[at], others[number]
        labels = shared & (part.labels | part.loose_labels)
        other_labels = shared & (other.labels | other.loose_labels)
        are_labelled_alike = bool(labels & other_labels) or not labels | other_labels
        is_alike = part.is_number == other.is_number and are_labelled_alike
        return is_alike and not counts[at].keys().isdisjoint(other_counts[number])

    def likelihood(at: int, number: int) -> tuple[bool, int]:
        return counts[at] != other_counts[number], abs(other_ranks[number] - ranks[at])

    return [
        sorted(
            (number for number in range(len(others)) if is_possible(at, number)),
            key=partial(likelihood, at),
        )
        for at in range(len(parts))
    ]


def _labels(parts: Sequence[Part], *, loose: bool) -> frozenset[str]:
    labels = [part.labels | part.loose_labels if loose else part.labels for part in parts]
    return frozenset().union(*labels)


def _ranks(parts: Sequence[Part]) -> list[int]:
    """The place of each part among those of its kind."""
    kinds = [part.is_number for part in parts]
    return [kinds[:at].count(kind) for at, kind in enumerate(kinds)]


def _agree(pairs: Pairs, num_distinct: int) -> bool:
    """Whether parts that are alike in all pairs of names tell all names apart."""
    alike = [part.values for part, other in pairs if part.values == other.values]
    return len(set(zip(*alike, strict=True))) >= num_distinct


def _disagreeing(pairs: Pairs) -> Difference | None:
    """A part that tells all names apart, and says that some are no partners.

    The other parts agree, such as numbers that count the files of either side.
    """
    for part, other in pairs:
        num_names = len(part.values)
        values, other_values = set(part.values), set(other.values)
        is_key = 3 <= num_names == len(values) == len(other_values) == len(other.values)
        if is_key and part.values != other.values:
            num_alike = sum(map(eq, part.values, other.values))
            if values == other_values or 2 * num_alike > num_names:
                return Difference(part.values, other.values, is_certain=False)
    return None


def _difference(pairs: Pairs, num_parts: int, with_copies: bool) -> Difference | None:
    """How names differ in parts that belong together: in all, in those with much in common, or one.

    Args:
        pairs: These parts.
        num_parts: Those of the side that has fewer.
        with_copies: Whether a few files may be second versions of others.
    """
    much = [pair for pair in pairs if _has_much_in_common(*pair)]
    for some in filter(None, (pairs, much, *([pair] for pair in pairs))):
        found = difference_of(*_keys(some), shared_min=0.5, with_copies=with_copies)
        if found is None:
            continue
        # A few names may have some part in common by chance.
        is_key = len(set(found.keys)) == len(found.keys) >= 3
        is_sure = is_key and set(found.keys) == set(found.others)
        is_sure |= with_copies and len(some[0][0].values) >= 5 and have_few_apart(*found[:2])
        is_certain = found.is_certain and (len(some) == num_parts or is_sure)
        return found._replace(is_certain=is_certain)
    return None


def _has_much_in_common(part: Part, other: Part) -> bool:
    values, other_values = set(part.values), set(other.values)
    return 2 * len(values & other_values) >= min(len(values), len(other_values))


def _keys(pairs: Pairs) -> tuple[list[Column], list[Column]]:
    """One key for each name, of the parts of either side."""
    sides = zip(*pairs, strict=True)
    keys, others = (list(zip(*(part.values for part in side), strict=True)) for side in sides)
    return keys, others


def difference_of(
    keys: Sequence[object],
    others: Sequence[object],
    shared_min: float,
    with_copies: bool = False,
) -> Difference | None:
    """How keys differ; `None` if they do not, or have too little in common to be compared.

    Args:
        keys: One key for each name.
        others: Those of the other side.
        shared_min: The share of keys that both sides must have.
        with_copies: Whether a few files may be second versions of others, and have their keys.
    """
    known, other_known = set(keys), set(others)
    num_shared = len(known & other_known)
    if num_shared == 0 or num_shared < shared_min * min(len(known), len(other_known)):
        return None
    # A file that is listed twice has two partners, such as the captions of an image.
    are_distinct = len(known) == len(keys) and len(other_known) == len(others)
    have_copies = not are_distinct and Counter(keys) != Counter(others)
    if have_copies and not (with_copies and have_few_apart(keys, others, _MANY)):
        return None
    if list(keys) == list(others):
        return None
    # Few numbers in common may be a coincidence.
    is_certain = 2 * num_shared >= min(len(known), len(other_known))
    is_certain &= not have_copies or have_few_apart(keys, others)
    return Difference(keys, others, is_certain and not is_shifted(keys, others))


def have_few_apart(
    keys: Sequence[object], others: Sequence[object], share_max: float = FEW
) -> bool:
    """Whether nearly all keys are on both sides, and few are there twice, as second versions."""
    num_keys = min(len(keys), len(others))
    num_shared = sum((Counter(keys) & Counter(others)).values())
    num_least = num_keys - num_few(num_keys, share_max)
    return num_keys >= 3 and min(num_shared, len(set(keys)), len(set(others))) >= num_least


def is_shifted(keys: Sequence[object], others: Sequence[object]) -> bool:
    """Whether numbers differ by the same amount in all pairs, or all of them are later ones.

    Labels may count from 1 where images count from 0, and forecasts have the file of the next day
    as their target.
    """
    if len(keys) != len(others) or not all(map(_is_numeric, (*keys, *others))):
        return False
    return _is_raised(keys, others) or _is_later(keys, others) or _is_later(others, keys)


def _is_numeric(key: object) -> bool:
    return isinstance(key, tuple) and all((part or "0").isdecimal() for part in key)


def _is_raised(keys: Sequence[Any], others: Sequence[Any]) -> bool:
    if len(keys[0]) != 1:
        return False
    pairs = zip(keys, others, strict=True)
    return len({Decimal(other[0] or 0) - Decimal(key[0] or 0) for key, other in pairs}) == 1


def _is_later(keys: Sequence[object], others: Sequence[object]) -> bool:
    """Whether each key is that of a later name of the other side."""
    if keys[0] not in others:
        return False
    num_later = len(keys) - others.index(keys[0])
    return list(keys[:num_later]) == list(others[-num_later:]) and set(keys[num_later:]).isdisjoint(
        others
    )
