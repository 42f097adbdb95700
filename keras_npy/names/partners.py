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
from itertools import chain, islice, zip_longest
from typing import Literal, NamedTuple

from keras_npy.names.constants import constant_on_one_side
from keras_npy.names.dates import dates_in_two_ways, with_dates_apart
from keras_npy.names.decimals import decimals_as_numbers
from keras_npy.names.digits import joined_numbers
from keras_npy.names.moments import compare_moments
from keras_npy.names.parts import (
    NUMBERS,
    Column,
    Part,
    bags_of,
    chunks_of,
    cores,
    exceptions_among,
    folded,
    have_chunks_in_common,
    middles,
    nearly_parts_of,
    num_few,
    parts_of,
    with_counts,
)
from keras_npy.names.readings import (
    Difference,
    Outcome,
    by_parts,
    difference_of,
    have_few_apart,
    is_shifted,
)
from keras_npy.names.signs import compare_signs
from keras_npy.names.stamps import steps_of_stamps
from keras_npy.names.wells import things_apart

# Ways in which numbers may be joined that are compared.
_JOINED_MAX = 24

# Before the words of a name without numbers, which are no number.
_WORDS_ALONE = "/"

_SEPARATORS = re.compile(r"[\W_]+")

_ZEROS = re.compile(r"(?<![0-9])0+")


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
    is_shifted: bool = False
    """Whether the names may number the same files, from 0 and from 1."""


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
    alike = folded(names), folded(others)
    best = compare_signs(*alike) or _with_decimals(*alike)
    if _strength(best) < _DECISIVE:
        best = _with_stamps(names, others, best)
    if best != "partners":
        best = compare_moments(*alike) or best
    if best == "partners":
        best = things_apart(names, others) or best
    if isinstance(best, str):
        return Verdict(best)
    return _verdict(names, others, best)


def _with_decimals(names: Sequence[str], others: Sequence[str]) -> Outcome:
    """What the names say, whose decimals may be meant as such or as two numbers that count."""
    decimals = decimals_as_numbers(names, others)
    if decimals is None:
        return _best(names, others)
    found = _best(decimals.names, decimals.others)
    if _strength(found) < 2 and (pointed := decimals_as_numbers(names, others, point=".")):
        # Beside hashes, either part of a decimal is compared for itself.
        found = max(found, _best(pointed.names, pointed.others), key=_strength)
    if decimals.are_certain or found == "partners":
        return found
    counted = _best(names, others)
    if (
        isinstance(found, Difference)
        and decimals.have_points
        and 2 * found.num_shared >= len(set(found.keys))
    ):
        if isinstance(counted, Difference):
            return max(found, counted, key=_strength)
        # Of numbers that count, one with a zero in front is the same.
        return found._replace(is_certain=found.is_certain and counted != "partners")
    return counted


def _with_stamps(names: Sequence[str], others: Sequence[str], found: Outcome) -> Outcome:
    """What stamps of time say of which few or none are equal."""
    are_equal = isinstance(found, Difference) and 2 * found.num_shared >= len(set(found.keys))
    stamps = None if are_equal else steps_of_stamps(names, others)
    if stamps is None:
        return found
    if stamps.steps == stamps.others:
        return "unknown"
    return Difference(stamps.steps, stamps.others, is_certain=False)


def _best(names: Sequence[str], others: Sequence[str]) -> Outcome:
    """What the reading says that says most."""
    best: Outcome = "strangers"
    for outcome in _outcomes(names, others):
        if _strength(outcome) > _strength(best):
            best = outcome
        if _strength(best) == _DECISIVE:
            break
    return best


_DECISIVE = 3


def _strength(outcome: Outcome) -> int:
    if isinstance(outcome, Difference):
        return _DECISIVE if outcome.is_certain else 2
    return {"partners": _DECISIVE, "unknown": 1, "strangers": 0}[outcome]


def _verdict(names: Sequence[str], others: Sequence[str], found: Difference) -> Verdict:
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
    kind: Literal["differ", "doubtful"] = "differ" if found.is_certain else "doubtful"
    return Verdict(kind, first, alone, belong, is_shifted(keys, other_keys))


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


def _outcomes(names: Sequence[str], others: Sequence[str]) -> Iterator[Outcome]:
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
        yield by_parts(parts, other_parts, num_distinct)
        counted, other_counted = _counted_parts(names, parts), _counted_parts(others, other_parts)
        if (counted, other_counted) != (parts, other_parts):
            yield by_parts(counted, other_counted, num_distinct)
    yield from _with_joined_numbers(names, others)
    yield from _with_copies(names, others)


def _with_joined_numbers(names: Sequence[str], others: Sequence[str]) -> Iterator[Outcome]:
    """What names say of which one side writes numbers together, `0102` beside `p01_s02`."""
    turned = ((keys, other_keys) for other_keys, keys in joined_numbers(others, names))
    fit: tuple[Column, Column] | None = None
    nearest: list[tuple[Column, Column]] = []
    # Of a full grid nobody knows which of its numbers is first where they are together.
    is_ambiguous = False
    for keys, other_keys in islice(chain(joined_numbers(names, others), turned), _JOINED_MAX):
        if set(keys) == set(other_keys):
            if keys == other_keys and fit is None:
                yield "partners"
                return
            fit = fit or (keys, other_keys)
            is_ambiguous |= keys == other_keys
        elif fit is None and have_few_apart(keys, other_keys):
            nearest.append((keys, other_keys))
    if fit is None and nearest:
        fit = max(nearest, key=lambda pair: len(set(pair[0]).intersection(pair[1])))
    if fit is not None:
        each, others_each = (list(zip(side, strict=True)) for side in fit)
        yield Difference(each, others_each, not is_ambiguous and not is_shifted(each, others_each))


def _with_copies(names: Sequence[str], others: Sequence[str]) -> Iterator[Outcome]:
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
            found = by_parts(parts, other_parts, _num_distinct(names, others), with_copies=True)
            if isinstance(found, Difference):
                num_again = _num_again(found)
                if num_again > 1:
                    return
                is_certain = _are_moved(found, names, others) and not num_again
                found = found._replace(is_certain=found.is_certain and is_certain)
            yield found


def _are_moved(found: Difference, names: Sequence[str], others: Sequence[str]) -> bool:
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


def _num_again(found: Difference) -> int:
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


def _with_constants(names: Sequence[str], others: Sequence[str]) -> Outcome | None:
    """What names say of which those of one side have a number alike that differs on the other side.

    `sub-1_ses-2` is no partner of `sub-2_ses-1`, also if all names of the first side have `sub-1`.
    `None` if there is no such number.
    """
    found = constant_on_one_side(names, others)
    if found is None:
        return None
    rest, other_rest = (found.without(parts_of(side) or []) for side in (names, others))
    outcome = by_parts(rest, other_rest, _num_distinct(names, others))
    if outcome == "partners" or isinstance(outcome, Difference):
        return outcome
    keys, other_keys = (list(zip(*side, strict=True)) for side in zip(*found.pairs, strict=True))
    return Difference(keys, other_keys, found.is_certain)


def _with_dates_in_doubt(names: Sequence[str], others: Sequence[str]) -> Difference | None:
    """What names say of which each date of one side may have the day or the month first."""
    found = dates_in_two_ways(names, others)
    if found is None:
        return None
    rest, other_rest = (parts_of(side) or [] for side in found.rest)
    if by_parts(rest, other_rest, _num_distinct(names, others)) == "partners":
        return None
    return Difference(found.keys, found.others, is_certain=False)


def _num_distinct(names: Sequence[str], others: Sequence[str]) -> int:
    """Names of the side that has fewer different ones."""
    return min(len(set(names)), len(set(others)))


def _counted_parts(names: Sequence[str], parts: Sequence[Part]) -> Sequence[Part]:
    """The parts of names with dates taken apart, and numbers and months that are spelled."""
    apart = with_dates_apart(names)
    return with_counts((parts_of(apart) if apart != names else None) or parts)


def _as_wholes(names: Sequence[str], others: Sequence[str]) -> Iterator[Outcome]:
    """What names say of which some have more numbers than others, such as hashes."""
    whole, other_whole = _whole(names), _whole(others)
    if whole == other_whole:
        yield "partners"
    found = difference_of(whole, other_whole, shared_min=0.5)
    if found is not None:
        yield found._replace(is_certain=_are_certainly_others(whole, other_whole))
        return
    chunks, other_chunks = chunks_of(names), chunks_of(others)
    if chunks is not None and other_chunks is not None:
        yield by_parts(chunks, other_chunks, _num_distinct(names, others))
    if have_chunks_in_common(names, others):
        for with_labels in (True, False):
            bags = [bags_of(side, with_labels=with_labels) for side in (names, others)]
            yield _by_keys(*bags, is_certain=Counter(bags[0]) == Counter(bags[1]))
    numbers, other_numbers = _numbers(names), _numbers(others)
    numbers = _with_words_alike(numbers, other_numbers)
    is_certain = _are_few_words(numbers, other_numbers)
    yield _by_keys(numbers, other_numbers, is_certain=is_certain)


def _by_keys(keys: Column, others: Column, *, is_certain: bool) -> Outcome:
    if keys == others:
        return "partners"
    found = difference_of(keys, others, shared_min=0.5)
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
    """All numbers of each name that are not common to all names, or its words if it has none."""
    inside = middles(names)
    numbers = ([number.lstrip("0") for number in NUMBERS.findall(name)] for name in inside)
    words = map(_SEPARATORS.split, cores(names))
    return tuple(
        " ".join(found) if found else _WORDS_ALONE + " ".join(filter(None, alone))
        for found, alone in zip(numbers, words, strict=True)
    )


def _are_few_words(keys: Column, others: Column) -> bool:
    """Whether all numbers agree, and few pairs are of words that do not."""
    if len(keys) != len(others):
        return False
    apart = [pair for pair in zip(keys, others, strict=True) if len(set(pair)) > 1]
    are_words = all(one.startswith(_WORDS_ALONE) for pair in apart for one in pair)
    return are_words and len(apart) <= num_few(len(keys)) and len(keys) - len(apart) >= 3


def _with_words_alike(keys: Column, others: Column) -> Column:
    """The keys of names, with those of the other side for words of which it says more or fewer."""
    return tuple(
        other if key.startswith(_WORDS_ALONE) and _are_nested(key, other) else key
        for key, other in zip_longest(keys, others[: len(keys)], fillvalue="")
    )


def _are_nested(words: str, others: str) -> bool:
    """Whether one of these begins as the other one does, or has all of its words."""
    some, some_others = (set(side.removeprefix(_WORDS_ALONE).split()) for side in (words, others))
    return others.startswith(_WORDS_ALONE) and (
        some <= some_others
        or some_others <= some
        or words.startswith(others)
        or others.startswith(words)
    )
