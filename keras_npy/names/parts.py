"""What differs from name to name in a list of files: numbers and words, and what each counts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, repeat
from operator import eq
from typing import NamedTuple, TypeAlias

NUMBERS = re.compile(r"([0-9]+)")

_WORDS = re.compile(r"[^\W\d_]+")
_CHUNKS = re.compile(r"[^\W_]+")
_TOKENS = re.compile(r"([^\W\d_]+)|([0-9]+)")
_LABELLED = re.compile(r"(?=[^\W_])([^\W\d_]*)[\W_]*([0-9]*)")
_WORD_AT_END = re.compile(r"([^\W\d_]+)\Z")
_WORD_AT_BEGIN = re.compile(r"\A([^\W\d_]+)")
_LAST_WORD = re.compile(r"([^\W\d_]+)[\W_]*\Z")
_FIRST_WORD = re.compile(r"\A[\W_]*([^\W\d_]+)")
_TEXT = re.compile(r"\A(.*)\Z", re.DOTALL)
_BESIDE = (
    *((-1, pattern) for pattern in (_WORD_AT_END, _LAST_WORD, _TEXT)),
    *((1, pattern) for pattern in (_WORD_AT_BEGIN, _FIRST_WORD, _TEXT)),
)

FEW = 0.25
"""The share of names that may be exceptions."""

# Numbers and words of a name of which some are chosen.
_NUMBERS_MAX = 8
_WORDS_MAX = 8

_COUNTS = (
    "zero one two three four five six seven eight nine ten eleven twelve".split(),
    "- i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx".split(),
    "- jan feb mar apr may jun jul aug sep oct nov dec".split(),
    "- january february march april may june july august september october november "
    "december".split(),
)
SPELLED = {word: str(number) for words in _COUNTS for number, word in enumerate(words)}

Column: TypeAlias = tuple[str, ...]


# Names that are looked at before all of them are.
_NAMES_LOOKED_AT = 32


class Part(NamedTuple):
    """A number or a word that differs from name to name."""

    values: Column
    """One for each name. Numbers have no leading zeros."""
    is_number: bool
    labels: frozenset[str] = frozenset()
    """What a number counts: the word beside it, the `s` of `p1_s2`, if all names have the same."""
    loose_labels: frozenset[str] = frozenset()
    """Words before several numbers, as in `tile_1_2`, which may belong to any of them."""


def step_of_sample(names: Sequence[object]) -> int:
    """Each so-manieth name, from all over a list, is looked at first."""
    return 1 + len(names) // _NAMES_LOOKED_AT


# Whom files are of, in all kinds of names; where others are meant too, they stand beside these.
SUBJECTS = ("patient", "subject", "person", "speaker", "case")


def folded(names: Sequence[str]) -> Sequence[str]:
    """The names in small letters and one Unicode form, if that makes no two of them one."""
    alike = [unicodedata.normalize("NFC", name.casefold()) for name in names]
    return alike if len(set(alike)) == len(set(names)) else names


def middles(names: Sequence[str]) -> list[str]:
    """The names without their common beginning and end, which cut no number or word in two."""
    head = num_common(names)
    while head and names[0][head - 1].isalnum():
        head -= 1
    reversed_names = [name[head:][::-1] for name in names]
    tail = num_common(reversed_names)
    while tail and reversed_names[0][tail - 1].isalnum():
        tail -= 1
    return [name[head : len(name) - tail] for name in names]


def cores(names: Sequence[str]) -> list[str]:
    """The names without all letters at their begin and end that are common to all of them."""
    head = num_common(names)
    reversed_names = [name[head:][::-1] for name in names]
    tail = num_common(reversed_names)
    return [name[: len(name) - tail] for name in (name[head:] for name in names)]


def _without_common_end(names: Sequence[str]) -> list[str]:
    tail = num_common([name[::-1] for name in names])
    while tail and names[0][-tail].isalnum():
        tail -= 1
    return [name[: len(name) - tail] for name in names]


def num_common(names: Sequence[str]) -> int:
    """The number of characters with which all names begin."""
    least, most = min(names), max(names)
    differs = (at for at, (one, other) in enumerate(zip(least, most, strict=False)) if one != other)
    return next(differs, min(len(least), len(most)))


def parts_of(names: Sequence[str]) -> list[Part] | None:
    """What differs from name to name; `None` if some names have more numbers than others."""
    rows = [NUMBERS.split(name) for name in names]
    return None if len({len(row) for row in rows}) > 1 else _parts(rows)


def nearly_parts_of(names: Sequence[str]) -> list[Part] | None:
    """As `parts_of`, where a few names have a number more than the others, or none at all.

    A second version is one, `12_v2` beside `12`: it has the parts of the first one. `None` where
    names differ as hashes do.

    Example:

    >>> nearly_parts_of(["m1", "m2", "m2_v2", "m3"])[0].values
    ('1', '2', '2', '3')
    """
    rows = [NUMBERS.split(name) for name in _without_common_end(names)]
    ((length, num_usual),) = Counter(map(len, rows)).most_common(1)
    usual = [row for row in rows if len(row) == length]
    if num_usual < len(names) - num_few(len(names)) or _touch_letters(usual):
        return None
    return _parts(
        [
            row if len(row) == length else _aligned(row, usual[0], name)
            for row, name in zip(rows, names, strict=True)
        ],
        nearly=True,
    )


def without_folder(names: Sequence[str]) -> list[str]:
    """The names without the folders that all of them are in."""
    head = names[0].rfind("/", 0, num_common(names)) + 1
    return [name[head:] for name in names]


def exceptions_among(names: Sequence[str]) -> set[int]:
    """The places of names that have more or fewer numbers or words than most."""
    counts = [(len(_WORDS.findall(name)), len(NUMBERS.findall(name))) for name in names]
    ((usual, _),) = Counter(counts).most_common(1)
    return {at for at, count in enumerate(counts) if count != usual}


def num_few(num_names: int, share_max: float = FEW) -> int:
    """How many of these names may be exceptions."""
    return max(1, int(num_names * share_max))


def _touch_letters(rows: Sequence[Sequence[str]]) -> bool:
    """Whether other letters touch the same number from name to name, as in hashes."""
    columns: list[Column] = list(zip(*rows, strict=True))
    return any(
        len({_found(pattern, text) for text in set(columns[at + side])}) > 1
        for at in range(1, len(columns), 2)
        for side, pattern in ((-1, _WORD_AT_END), (1, _WORD_AT_BEGIN))
    )


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _aligned(row: Sequence[str], model: Sequence[str], name: str) -> list[str]:
    """A row with as many numbers as the model: those that stand beside the same words."""
    wanted, known = range(1, len(model), 2), range(1, len(row), 2)
    if len(known) < len(wanted) or len(known) > _NUMBERS_MAX:
        # It is like no other name.
        return [name if at % 2 else text for at, text in enumerate(model)]

    def num_alike(chosen: Sequence[int]) -> int:
        return sum(
            _found(pattern, row[at + side]) == _found(pattern, model[place + side])
            for at, place in zip(chosen, wanted, strict=True)
            for side, pattern in _BESIDE
        )

    chosen = max(combinations(known, len(wanted)), key=num_alike)
    cuts = [-1, *chosen, len(row)]
    texts = ["".join(row[begin + 1 : end]) for begin, end in pairwise(cuts)]
    numbers = [row[at] for at in chosen]
    return [*(text for pair in zip(texts, numbers, strict=False) for text in pair), texts[-1]]


def _parts(rows: Sequence[Sequence[str]], *, nearly: bool = False) -> list[Part]:
    """What differs from row to row of texts and numbers, which alternate.

    Args:
        rows: As many of either in each.
        nearly: Whether a few texts may have more words than the others.
    """
    columns: list[Column] = list(zip(*rows, strict=True))
    parts: list[Part] = []
    for at, column in enumerate(columns):
        if len(set(column)) > 1:
            parts += [_number(columns, at)] if at % 2 else _words(column, nearly)
    return _merged(parts)


def _number(columns: Sequence[Column], at: int) -> Part:
    before, after = columns[at - 1], columns[at + 1]
    values = without_zeros(columns[at])
    label = _label(before, _WORD_AT_END) or _label(after, _WORD_AT_BEGIN)
    if label:
        return Part(values, True, frozenset([label]))
    loose = frozenset([_label(before, _LAST_WORD)]) - {""}
    more_follow = at + 2 < len(columns) and not any(map(_WORDS.search, set(after)))
    return Part(values, True, frozenset(), loose) if more_follow else Part(values, True, loose)


def all_numbers(names: Sequence[str]) -> list[Part] | None:
    """As `parts_of`: all numbers, also those that all names have alike, and no words."""
    rows = [NUMBERS.split(name) for name in names]
    if len({len(row) for row in rows}) > 1:
        return None
    columns: list[Column] = list(zip(*rows, strict=True))
    return [_number(columns, at) for at in range(1, len(columns), 2)]


def _label(texts: Column, pattern: re.Pattern[str]) -> str:
    """The word that a pattern finds in all texts, or nothing if it is not the same."""
    found = set()
    for text in set(texts):
        found.add(_found(pattern, text))
        if len(found) > 1:
            return ""
    return found.pop()


def without_zeros(numbers: Column) -> Column:
    """Numbers without leading zeros, if that makes no two of them one, as `0.05` and `0.5`."""
    values = tuple(number.lstrip("0") for number in numbers)
    return values if len(set(values)) == len(set(numbers)) else numbers


def _words(texts: Column, nearly: bool) -> Iterator[Part]:
    """The words that differ from text to text, or what differs if there are not as many in all."""
    rows = [tuple(_WORDS.findall(text)) for text in texts]
    are_ragged = len({len(row) for row in rows}) > 1
    if nearly and are_ragged:
        rows = _cut_to_usual(rows)
        are_ragged = not rows
    elif len(set(rows)) < len(set(texts)):
        are_ragged = True
    if are_ragged:
        # A sign counts, but for a plus.
        if len({text.rstrip("+-") for text in set(texts)}) == 1:
            yield Part(tuple("-" if text.endswith("-") else "" for text in texts), False)
        else:
            yield Part(tuple(text.replace("+", "") for text in middles(texts)), False)
        return
    yield from (Part(words, False) for words in zip(*rows, strict=True) if len(set(words)) > 1)


def _cut_to_usual(rows: Sequence[Column]) -> list[Column]:
    """Rows with as many words as most have, or nothing if many have another number of them."""
    ((length, num_usual),) = Counter(map(len, rows)).most_common(1)
    if num_usual < len(rows) - num_few(len(rows)):
        return []
    columns = zip(*(row for row in rows if len(row) == length), strict=True)
    same = [column[0] if len(set(column)) == 1 else None for column in columns]

    def num_alike(words: Column) -> int:
        return sum(map(eq, words, same))

    def cut(row: Column) -> Column:
        if not length <= len(row) <= _WORDS_MAX:
            return (" ".join(row),) * length
        return max(combinations(row, length), key=num_alike)

    return [row if len(row) == length else cut(row) for row in rows]


def chunks_of(names: Sequence[str]) -> list[Part] | None:
    """What differs between separators, such as hashes; `None` if some names have more of them."""
    rows = [_CHUNKS.findall(name) for name in names]
    if len({len(row) for row in rows}) > 1:
        return None
    columns = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    return _merged([_chunk(column) for column in columns])


def _chunk(values: Column) -> Part:
    is_number = all(value.isdecimal() for value in values)
    return Part(without_zeros(values) if is_number else values, is_number)


def have_chunks_in_common(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether something between separators, which differs from name to name, is on both sides."""
    chunks, other_chunks = (set(_CHUNKS.findall("/".join(side))) for side in (names, others))
    return any(not all(chunk in name for name in names) for chunk in chunks & other_chunks)


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Parts of the same values as one, without labels that several have."""
    merged: dict[Column, Part] = {}
    for part in parts:
        same = merged.get(part.values, part)
        merged[part.values] = part._replace(
            labels=part.labels | same.labels, loose_labels=part.loose_labels | same.loose_labels
        )
    labels = [label for part in merged.values() for label in part.labels | part.loose_labels]
    several = {label for label in labels if labels.count(label) > 1}
    return [
        part._replace(labels=part.labels - several, loose_labels=part.loose_labels - several)
        for part in merged.values()
    ]


def with_counts(parts: Sequence[Part]) -> list[Part]:
    """The parts, with words that all are numbers or months as numbers.

    Example:

    >>> [part.values for part in with_counts(parts_of(["run_two", "run_three"]))]
    [('2', '3')]
    """
    return [_counted(part) for part in parts]


def _counted(part: Part) -> Part:
    counts = {SPELLED.get(value, "") for value in set(part.values)}
    if part.is_number or "" in counts or len(counts) < len(set(part.values)):
        return part
    return Part(tuple(SPELLED[value] for value in part.values), True)


def bags_of(names: Sequence[str], *, with_labels: bool) -> Column:
    """The numbers and words of each name that some other name does not have, in sorted order.

    Args:
        names: The names.
        with_labels: Whether a number is another one behind another word.
    """
    pattern = _LABELLED if with_labels else _TOKENS
    rows = [
        sorted(word + number.lstrip("0") for word, number in pattern.findall(name))
        for name in names
    ]
    common = set(rows[0]).intersection(*rows[1:])
    return tuple(" ".join(token for token in row if token not in common) for row in rows)


def are_counted(parts: Sequence[Part], groups: Sequence[object] = ()) -> bool:
    """Whether the names count up, in numbers or in letters, as the parts of a data set do.

    Args:
        parts: What differs from name to name.
        groups: What each name belongs to, if they count in each for itself.
    """
    if not parts or not all(map(_is_count, parts)):
        return False
    rows = zip(*(part.values for part in parts), strict=True)
    keys = [[(len(value), value) for value in row] for row in rows]
    last: dict[object, list[tuple[int, str]]] = {}
    for key, group in zip(keys, groups or repeat(None), strict=False):
        if key < last.get(group, key):
            return False
        last[group] = key
    return True


def _is_count(part: Part) -> bool:
    return part.is_number or all(len(value) == 1 for value in part.values)


def are_abbreviated(part: Part, other: Part) -> bool:
    """Whether words begin as those of the other side, as `left` and `l`."""
    pairs = zip(part.values, other.values, strict=False)
    return all(min(pair) and max(pair).startswith(min(pair)) for pair in pairs)
