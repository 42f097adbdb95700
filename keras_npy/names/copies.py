"""Augmented copies of a file: leaf_001, leaf_001_flip and leaf_001_rot90."""

import os
import re
from collections.abc import Callable, Iterable, Sequence

from keras_npy.names.belonging import Belonging

# These say by themselves what was done to a file.
_CERTAIN = (
    *("flip", "flipped", "hflip", "vflip", "fliph", "flipv", "fliplr", "flipud"),
    *("mirror", "mirrored", "crop", "cropped", "augmented", "augmentation"),
)
# These do so beside the file itself: rot 90 may be a parameter, and aug a month.
_OTHERS = (
    *("rot", "rotate", "rotated", "rotation", "aug", "noise", "noisy", "blur", "blurred"),
    *("brightness", "jitter", "shear", "sheared", "zoom", "zoomed", "cutout", "copy", "kopie"),
)
_ORIGINAL = ("orig", "original")

_WORDS = {*_CERTAIN, *_OTHERS, *_ORIGINAL}

# As programs name the second copy of a file: `leaf_001 (1)`.
_NUMBERED = r"\([0-9]{1,3}\)"
_AXES = "h|v|x|y|lr|ud|horizontal|vertical"
# The end of a name, before its extension and the member of an archive.
_END = r"(?=(?:\.\w+(?:::.*)?)?$)"

_AUGUST = re.compile(r"(?:19|20)[0-9]{2}[ _.-]?aug")
# OCT is a scan, too.
_MONTHS = {"jan", "feb", "mar", "apr", "jun", "jul", "sep", "nov", "dec"}

_ANY = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(_WORDS)})(?![a-z])|\(")

# Fewer files with copies come by chance.
_FILES_MIN = 3

# Names that are looked at before all of them are: neighbours, from all over, since copies may be
# of a few rare files, and come one after another.
_PLACES_LOOKED_AT = 32
_PLACES_FIRST = 4
_NEIGHBOURS = 32


def of_one_original(paths: Sequence[str]) -> Belonging | None:
    """Which files are copies of one, if words of augmentation are all that tells them apart.

    Example:

    >>> paths = [f"a/{number}{how}.npy" for number in (7, 8, 9) for how in ("", "_flip")]
    >>> of_one_original(paths).keys
    ['a/7.npy', 'a/7.npy', 'a/8.npy', 'a/8.npy', 'a/9.npy', 'a/9.npy']
    >>> of_one_original(paths[1::2])
    """
    if not _count_words(_from_all_over(paths, _PLACES_LOOKED_AT)):
        return None
    few = _from_all_over(paths, _PLACES_FIRST)
    if len(few) < len(paths) and _count_words(few) == len(few) and not of_one_original(few):
        # Such words are in all names, and say something else.
        return None
    by_place = (_found(paths, make) for make in (_at_end, _at_begin_with_number, _at_begin))
    return next(filter(None, by_place), None)


def _from_all_over(paths: Sequence[str], num_places: int) -> list[str]:
    step = max(_NEIGHBOURS, len(paths) // num_places)
    return [path for at in range(0, len(paths), step) for path in paths[at : at + _NEIGHBOURS]]


def _count_words(paths: Sequence[str]) -> int:
    return sum(map(bool, map(_ANY.search, map(os.path.basename, paths))))


def _found(
    paths: Sequence[str], make: Callable[[Iterable[str]], re.Pattern[str]]
) -> Belonging | None:
    """As `of_one_original`, of words in one place of a name, which a pattern made of them finds."""
    every = make([*_WORDS, ""])
    words = set().union(*(_words(affix) for affix in {_affix(every, path) for path in paths}))
    if "aug" in words and _are_months(paths):
        words.discard("aug")
    if words <= {*_ORIGINAL}:
        return None
    pattern = make(words)
    affixes = [_affix(pattern, path) for path in paths]
    keys = [
        pattern.sub("", path) if affix else path for path, affix in zip(paths, affixes, strict=True)
    ]
    # In front of a number such words may be those of classes.
    if not _are_copies(keys, affixes, needs_original=make is not _at_end):
        return None
    shorter = _shorter_pattern(words)
    if not _are_grouped_alike(keys, [shorter.sub("", path) for path in paths]):
        shorter = pattern
    code = f"re.sub({shorter.pattern!r}, '', path)"
    return Belonging("that are augmented copies of one", code, keys, [keys, affixes], True)


def _shorter_pattern(words: set[str]) -> re.Pattern[str]:
    """What finds all from the first of these words on: enough for most names."""
    spelled = "|".join(sorted(filter(None, words)))
    each = [rf"(?<![a-z])({spelled})(?![a-z])"][: bool(spelled)] + [r"\("][: "" in words]
    return re.compile(rf"(?i)([ _.-]*({'|'.join(each)})[^/]*)?\.np[yz].*$")


def _are_grouped_alike(keys: Sequence[str], others: Sequence[str]) -> bool:
    return len({*zip(keys, others, strict=True)}) == len({*keys}) == len({*others})


def _at_end(words: Iterable[str]) -> re.Pattern[str]:
    """What finds all of these words at the end of a name; an empty one is a number in brackets."""
    spelled = "|".join(sorted(filter(None, words)))
    each = [rf"(?<![a-z])(?:{spelled})(?:[ _-]?(?:{_AXES}))?(?:[ _-]?[0-9]{{1,3}})?(?![a-z0-9])"]
    each = each[: bool(spelled)] + [_NUMBERED][: "" in words]
    return re.compile(rf"(?i)(?:[ _.-]*(?:{'|'.join(each)}))+{_END}")


def _at_begin(words: Iterable[str], number: str = "") -> re.Pattern[str]:
    """What finds these words at the begin of a name, as in `flip_leaf_001`."""
    spelled = "|".join(sorted(filter(None, words)))
    each = rf"(?:{spelled})(?:[ _-]?(?:{_AXES}))?{number}[ _-]+"
    return re.compile(rf"(?i)(?<![^/:])(?:{each})+(?=[^/]*$)")


def _at_begin_with_number(words: Iterable[str]) -> re.Pattern[str]:
    """As `_at_begin`, where a number behind a word may belong to it: `rot90_leaf_001`."""
    return _at_begin(words, "(?:[ _-]?[0-9]{1,3})?")


def _affix(pattern: re.Pattern[str], path: str) -> str:
    found = pattern.search(path, path.rfind("/") + 1)
    return found[0].casefold() if found else ""


def _words(affix: str) -> set[str]:
    words = _WORDS.intersection(re.findall("[a-z]+", affix))
    return words | {""} if "(" in affix else words


def _are_months(paths: Sequence[str]) -> bool:
    """Whether names say `aug` as a month."""
    names = [os.path.basename(path).casefold() for path in paths]
    return all(_AUGUST.search(name) for name in names if "aug" in name) or any(
        _MONTHS.intersection(re.findall("[a-z]+", name)) for name in names
    )


def _are_copies(keys: Sequence[str], affixes: Sequence[str], *, needs_original: bool) -> bool:
    by_key: dict[str, set[str]] = {}
    for key, affix in zip(keys, affixes, strict=True):
        by_key.setdefault(key, set()).add(affix)
    certain = {
        key
        for key, found in by_key.items()
        if ("" in found or not needs_original) and _are_certain(key, found)
    }
    with_words = [key for key, affix in zip(keys, affixes, strict=True) if affix]
    num_certain = sum(key in certain for key in with_words)
    return len(certain) >= _FILES_MIN and 2 * num_certain >= len(with_words)


def _are_certain(key: str, affixes: set[str]) -> bool:
    """Whether the files of one name, with these words, are surely copies of one."""
    of_each = [_words(affix).difference(_ORIGINAL) for affix in affixes]
    words = set().union(*of_each)
    has_number = bool(re.search("[0-9]", os.path.basename(key)))
    if len(affixes) < 2 or not words:
        return False
    if not all(of_each):
        # The file itself is there. `images (1)` is no copy of `images`, where a browser saves.
        return words != {""} or has_number
    is_counted = any(re.search("aug[ _-]?0+(?![0-9])", affix) for affix in affixes)
    return has_number and (
        len(words - {""}) > 1 or bool(words.intersection(_CERTAIN)) or is_counted
    )
