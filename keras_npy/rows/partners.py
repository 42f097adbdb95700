"""Whether files that are paired by position are partners by their names: verdicts, no errors.

What differs from file to file on one side, the 7 of `img/7.npy`, must differ in the same way on the
other side, as in `msk/case_007_mask.npy`. Numbers that have the same word beside them count the
same: `sub-1_ses-2` and `ses-2_sub-1` are partners. Without such words parts belong together in the
order in which they stand, or in another order if their values fit only then, as those of
`2023-01-31` and `31-01-2023`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice, product
from operator import eq
from typing import Any, Literal, NamedTuple, TypeAlias

from keras_npy.rows.name_constants import constant_on_one_side
from keras_npy.rows.name_dates import dates_in_two_ways, with_dates_apart
from keras_npy.rows.name_digits import joined_numbers
from keras_npy.rows.name_parts import (
    FEW,
    NUMBERS,
    Column,
    Part,
    are_abbreviated,
    are_counted,
    bags_of,
    chunks_of,
    exceptions_among,
    folded,
    have_chunks_in_common,
    middles,
    nearly_parts_of,
    num_few,
    parts_of,
    with_counts,
)

_ZEROS = re.compile(r"(?<![0-9])0+")

# The share of files that may be second versions, or have no partner, for names to be in doubt.
_MANY = 0.4

# Ways in which parts may belong together that are tried.
_READINGS_MAX = 24

Pairs: TypeAlias = Sequence[tuple[Part, Part]]
"""Parts of both sides that belong together."""


class Verdict(NamedTuple):
    """What the names of two lists of files say."""

    kind: Literal["partners", "differ", "doubtful", "unknown", "strangers"]
    """`"partners"` if they agree, `"differ"` if they certainly do not, `"doubtful"` if they seem
    not to, `"strangers"` if nothing in them is alike, `"unknown"` if they do not say enough."""
    first: int = 0
    """The first position where they differ."""
    alone: Sequence[str] = ()
    """Files that are partners of no file on the other side."""
    belong: tuple[str, str] | None = None
    """A file of the first such position, and its partner, which is paired with another file."""


class _Difference(NamedTuple):
    """How names differ."""

    keys: Sequence[object]
    """What each name of the first side is compared by."""
    others: Sequence[object]
    is_certain: bool

    @property
    def num_shared(self) -> int:
        return len(set(self.keys) & set(self.others))


_Outcome: TypeAlias = Literal["partners", "unknown", "strangers"] | _Difference


def compare_names(names: Sequence[str], others: Sequence[str]) -> Verdict:
    """Compare the names of files that are paired by position.

    Example:

    >>> compare_names(["case_2.npy", "case_10.npy"], ["002_mask.npy", "010_mask.npy"]).kind
    'partners'
    >>> compare_names(["1.npy", "2.npy", "3.npy"], ["1_mask.npy", "3_mask.npy", "4_mask.npy"]).alone
    ['2.npy', '4_mask.npy']
    >>> compare_names(["s1_r10.npy", "s2_r1.npy"], ["r1_s2.npy", "r10_s1.npy"]).belong
    ('s1_r10.npy', 'r10_s1.npy')
    """
    best: _Outcome = "strangers"
    for outcome in _outcomes(folded(names), folded(others)):
        if _strength(outcome) > _strength(best):
            best = outcome
        if _strength(best) == _DECISIVE:
            break
    if isinstance(best, str):
        return Verdict(best)
    return _verdict(names, others, best)


_DECISIVE = 3


def _strength(outcome: _Outcome) -> int:
    if isinstance(outcome, _Difference):
        return _DECISIVE if outcome.is_certain else 2
    return {"partners": _DECISIVE, "unknown": 1, "strangers": 0}[outcome]


def _verdict(names: Sequence[str], others: Sequence[str], found: _Difference) -> Verdict:
    keys, other_keys = found.keys, found.others
    known, other_known = set(keys), set(other_keys)
    alone = [*_without_partner(names, keys, other_keys)]
    alone += _without_partner(others, other_keys, keys)
    first = _first_difference(keys, other_keys)
    belong = None
    if keys[first] in other_known:
        belong = names[first], others[other_keys.index(keys[first])]
    elif other_keys[first] in known:
        belong = others[first], names[keys.index(other_keys[first])]
    return Verdict("differ" if found.is_certain else "doubtful", first, alone, belong)


def _without_partner(
    names: Sequence[str], keys: Sequence[object], others: Sequence[object]
) -> list[str]:
    """The names of keys that the other side has not, or not as often: the longer ones of a key."""
    left = Counter(others)
    alone = set()
    for at in sorted(range(len(names)), key=lambda at: len(names[at])):
        left[keys[at]] -= 1
        if left[keys[at]] < 0:
            alone.add(at)
    return [names[at] for at in sorted(alone)]


def _first_difference(keys: Sequence[object], others: Sequence[object]) -> int:
    pairs = enumerate(zip(keys, others, strict=False))
    return next((at for at, (key, other) in pairs if key != other), 0)


def _outcomes(names: Sequence[str], others: Sequence[str]) -> Iterator[_Outcome]:
    """What several readings of the names say, from the most literal to the freest."""
    found = _with_constants(names, others)
    found = found or _with_dates_in_doubt(names, others)
    if found is not None:
        yield found
        return
    if middles(names) == middles(others):
        yield "partners"
    parts, other_parts = parts_of(names), parts_of(others)
    if parts is None or other_parts is None:
        yield from _as_wholes(names, others)
    else:
        num_distinct = _num_distinct(names, others)
        yield _by_parts(parts, other_parts, num_distinct)
        counted, other_counted = _counted_parts(names, parts), _counted_parts(others, other_parts)
        if (counted, other_counted) != (parts, other_parts):
            yield _by_parts(counted, other_counted, num_distinct)
    yield from _with_joined_numbers(names, others)
    yield from _with_copies(names, others)


def _with_joined_numbers(names: Sequence[str], others: Sequence[str]) -> Iterator[_Outcome]:
    """What names say of which one side writes numbers together, `0102` beside `p01_s02`."""
    pairs = [
        *joined_numbers(names, others),
        *((keys, other_keys) for other_keys, keys in joined_numbers(others, names)),
    ]
    fit = [pair for pair in pairs if set(pair[0]) == set(pair[1])]
    if not fit and any(_have_few_apart(*pair) for pair in pairs):
        fit = [max(pairs, key=lambda pair: len(set(pair[0]).intersection(pair[1])))]
    if fit and fit[0][0] != fit[0][1]:
        keys, other_keys = (list(zip(side, strict=True)) for side in fit[0])
        # Of a full grid nobody knows which of its numbers is first where they are together.
        is_ambiguous = any(one == other for one, other in fit)
        yield _Difference(keys, other_keys, not is_ambiguous and not _is_shifted(keys, other_keys))
    elif fit:
        yield "partners"


def _with_copies(names: Sequence[str], others: Sequence[str]) -> Iterator[_Outcome]:
    """What names say of which a few are second versions, such as `12_old` beside `12`."""
    if _num_distinct(names, others) < min(len(names), len(others)):
        # A file that is listed twice is no second version.
        return
    apart, others_apart = with_dates_apart(names), with_dates_apart(others)
    readings = [(names, others)]
    if (apart, others_apart) != (names, others):
        readings.append((apart, others_apart))
    for some, some_others in readings:
        parts, other_parts = nearly_parts_of(some), nearly_parts_of(some_others)
        if parts and other_parts:
            found = _by_parts(parts, other_parts, _num_distinct(names, others), with_copies=True)
            if isinstance(found, _Difference):
                num_again = _num_again(found)
                if num_again > 1:
                    return
                is_certain = _are_moved(found, names, others) and not num_again
                found = found._replace(is_certain=found.is_certain and is_certain)
            yield found


def _are_moved(found: _Difference, names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names like most others are paired, of which one belongs with another file.

    `2_6` may be the second file of case 6, or the sixth of case 2.
    """
    exceptions = exceptions_among(names) | exceptions_among(others)
    known, other_known = set(found.keys), set(found.others)
    pairs = enumerate(zip(found.keys, found.others, strict=False))
    return any(
        key != other and at not in exceptions and (key in other_known or other in known)
        for at, (key, other) in pairs
    )


def _num_again(found: _Difference) -> int:
    """How many of the last names of one side begin to count again, as those of the next folder."""
    first = _first_difference(found.keys, found.others)
    num_last = len(found.keys) - first
    sides = ((found.keys, found.others), (found.others, found.keys))
    if first >= num_last and any(_begins_again(keys[first:], others) for keys, others in sides):
        return num_last
    return 0


def _begins_again(keys: Sequence[object], others: Sequence[object]) -> bool:
    expected = 0
    for key in keys:
        if key != others[expected]:
            if key != others[0]:
                return False
            expected = 0
        expected = min(expected + 1, len(others) - 1)
    return True


def _with_constants(names: Sequence[str], others: Sequence[str]) -> _Outcome | None:
    """What names say of which those of one side have a number alike that differs on the other side.

    `sub-1_ses-2` is no partner of `sub-2_ses-1`, also if all names of the first side have `sub-1`.
    `None` if there is no such number.
    """
    found = constant_on_one_side(names, others)
    if found is None:
        return None
    rest, other_rest = (found.without(parts_of(side) or []) for side in (names, others))
    outcome = _by_parts(rest, other_rest, _num_distinct(names, others))
    if outcome == "partners" or isinstance(outcome, _Difference):
        return outcome
    keys, other_keys = (list(zip(*side, strict=True)) for side in zip(*found.pairs, strict=True))
    return _Difference(keys, other_keys, found.is_certain)


def _with_dates_in_doubt(names: Sequence[str], others: Sequence[str]) -> _Difference | None:
    """What names say of which each date of one side may have the day or the month first."""
    found = dates_in_two_ways(names, others)
    if found is None:
        return None
    rest, other_rest = (parts_of(side) or [] for side in found.rest)
    if _by_parts(rest, other_rest, _num_distinct(names, others)) == "partners":
        return None
    return _Difference(found.keys, found.others, is_certain=False)


def _num_distinct(names: Sequence[str], others: Sequence[str]) -> int:
    """Names of the side that has fewer different ones."""
    return min(len(set(names)), len(set(others)))


def _counted_parts(names: Sequence[str], parts: Sequence[Part]) -> Sequence[Part]:
    """The parts of names with dates taken apart, and numbers and months that are spelled."""
    apart = with_dates_apart(names)
    return with_counts((parts_of(apart) if apart != names else None) or parts)


def _as_wholes(names: Sequence[str], others: Sequence[str]) -> Iterator[_Outcome]:
    """What names say of which some have more numbers than others, such as hashes."""
    whole, other_whole = _whole(names), _whole(others)
    if whole == other_whole:
        yield "partners"
    found = _difference_of(whole, other_whole, shared_min=0.5)
    if found is not None:
        yield found._replace(is_certain=_are_certainly_others(whole, other_whole))
        return
    chunks, other_chunks = chunks_of(names), chunks_of(others)
    if chunks is not None and other_chunks is not None:
        yield _by_parts(chunks, other_chunks, _num_distinct(names, others))
    if have_chunks_in_common(names, others):
        for with_labels in (True, False):
            bags = [bags_of(side, with_labels=with_labels) for side in (names, others)]
            yield _by_keys(*bags, is_certain=Counter(bags[0]) == Counter(bags[1]))
    yield _by_keys(_numbers(names), _numbers(others), is_certain=False)


def _by_keys(keys: Column, others: Column, *, is_certain: bool) -> _Outcome:
    if keys == others:
        return "partners"
    found = _difference_of(keys, others, shared_min=0.5)
    return "strangers" if found is None else found._replace(is_certain=is_certain)


def _are_certainly_others(names: Column, others: Column) -> bool:
    """Whether names that differ, such as hashes, have other numbers, and no mere addition."""
    pairs = [(one, other) for one, other in zip(names, others, strict=False) if one != other]
    is_added = any(one.startswith(other) or other.startswith(one) for one, other in pairs)
    return not is_added and _numbers(names) != _numbers(others)


def _whole(names: Sequence[str]) -> Column:
    """All that is not common to all names, without the leading zeros of numbers."""
    return tuple(_ZEROS.sub("", middle) for middle in middles(names))


def _numbers(names: Sequence[str]) -> Column:
    """All numbers of each name."""
    numbers = ([number.lstrip("0") for number in NUMBERS.findall(name)] for name in names)
    # A name without numbers is like no other.
    return tuple(" ".join(found) or name for found, name in zip(numbers, names, strict=True))


def _by_parts(
    parts: Sequence[Part], others: Sequence[Part], num_distinct: int, *, with_copies: bool = False
) -> _Outcome:
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
    found = best or _difference_of(*_keys(readings[0]), shared_min=0.0)
    return found or ("strangers" if _are_strangers(readings[0], parts, others) else "unknown")


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


def _disagreeing(pairs: Pairs) -> _Difference | None:
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
                return _Difference(part.values, other.values, is_certain=False)
    return None


def _difference(pairs: Pairs, num_parts: int, with_copies: bool) -> _Difference | None:
    """How names differ in parts that belong together: in all, in those with much in common, or one.

    Args:
        pairs: These parts.
        num_parts: Those of the side that has fewer.
        with_copies: Whether a few files may be second versions of others.
    """
    much = [pair for pair in pairs if _has_much_in_common(*pair)]
    for some in filter(None, (pairs, much, *([pair] for pair in pairs))):
        found = _difference_of(*_keys(some), shared_min=0.5, with_copies=with_copies)
        if found is None:
            continue
        # A few names may have some part in common by chance.
        is_key = len(set(found.keys)) == len(found.keys) >= 3
        is_sure = is_key and set(found.keys) == set(found.others)
        is_sure |= with_copies and len(some[0][0].values) >= 5 and _have_few_apart(*found[:2])
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


def _difference_of(
    keys: Sequence[object],
    others: Sequence[object],
    shared_min: float,
    with_copies: bool = False,
) -> _Difference | None:
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
    if have_copies and not (with_copies and _have_few_apart(keys, others, _MANY)):
        return None
    if list(keys) == list(others):
        return None
    # Few numbers in common may be a coincidence.
    is_certain = 2 * num_shared >= min(len(known), len(other_known))
    is_certain &= not have_copies or _have_few_apart(keys, others)
    return _Difference(keys, others, is_certain and not _is_shifted(keys, others))


def _have_few_apart(
    keys: Sequence[object], others: Sequence[object], share_max: float = FEW
) -> bool:
    """Whether nearly all keys are on both sides, and few are there twice, as second versions."""
    num_keys = min(len(keys), len(others))
    num_shared = sum((Counter(keys) & Counter(others)).values())
    num_least = num_keys - num_few(num_keys, share_max)
    return num_keys >= 3 and min(num_shared, len(set(keys)), len(set(others))) >= num_least


def _is_shifted(keys: Sequence[object], others: Sequence[object]) -> bool:
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
