"""Augmented copies of a file: leaf_001, leaf_001_flip and leaf_001_rot90."""

import os
import re
from collections.abc import Sequence

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

_AUGUST = re.compile(r"(?:19|20)[0-9]{2}[ _.-]?aug", re.IGNORECASE)
_MONTHS = {"jan", "feb", "mar", "apr", "jun", "jul", "sep", "oct", "nov", "dec"}

# Fewer files with copies come by chance.
_FILES_MIN = 3

# Names that are looked at before all of them are: neighbours, from all over, since copies may be
# of a few rare files, and come one after another.
_PLACES_LOOKED_AT = 32
_NEIGHBOURS = 32


def of_one_original(paths: Sequence[str]) -> Belonging | None:
    """Which files are copies of one, if words of augmentation are all that tells them apart.

    Example:

    >>> paths = [f"a/{number}{how}.npy" for number in (7, 8, 9) for how in ("", "_flip")]
    >>> of_one_original(paths).keys
    ['a/7.npy', 'a/7.npy', 'a/8.npy', 'a/8.npy', 'a/9.npy', 'a/9.npy']
    >>> of_one_original(paths[1::2])
    """
    every = _pattern([*_WORDS, ""])
    step = max(_NEIGHBOURS, len(paths) // _PLACES_LOOKED_AT)
    first = (path for at in range(0, len(paths), step) for path in paths[at : at + _NEIGHBOURS])
    if not any(map(every.search, map(os.path.basename, first))):
        return None
    words = set().union(*(_words(tail) for tail in {_tail(every, path) for path in paths}))
    if "aug" in words and _are_months(paths):
        words.discard("aug")
    pattern = _pattern(sorted(words))
    tails = [_tail(pattern, path) for path in paths]
    keys = [
        pattern.sub("", path) if tail else path for path, tail in zip(paths, tails, strict=True)
    ]
    if not words or not _are_copies(keys, tails):
        return None
    shorter = _shorter_pattern(words)
    if not _are_grouped_alike(keys, [shorter.sub("", path) for path in paths]):
        shorter = pattern
    code = f"re.sub({shorter.pattern!r}, '', path)"
    return Belonging("that are augmented copies of one", code, keys, [keys, tails], True)


def _shorter_pattern(words: set[str]) -> re.Pattern[str]:
    """What finds all from the first of these words on: enough for most names."""
    spelled = "|".join(sorted(filter(None, words)))
    each = [rf"(?<![a-z])({spelled})(?![a-z])"][: bool(spelled)] + [r"\("][: "" in words]
    return re.compile(rf"(?i)([ _.-]*({'|'.join(each)})[^/]*)?\.np[yz].*$")


def _are_grouped_alike(keys: Sequence[str], others: Sequence[str]) -> bool:
    return len({*zip(keys, others, strict=True)}) == len({*keys}) == len({*others})


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """What finds all of these words at the end of a name; an empty one is a number in brackets."""
    spelled = "|".join(sorted(filter(None, words)))
    each = [rf"(?<![a-z])(?:{spelled})(?:[ _-]?(?:{_AXES}))?(?:[ _-]?[0-9]{{1,3}})?(?![a-z0-9])"]
    each = each[: bool(spelled)] + [_NUMBERED][: "" in words]
    return re.compile(rf"(?i)(?:[ _.-]*(?:{'|'.join(each)}))+{_END}")


def _tail(pattern: re.Pattern[str], path: str) -> str:
    found = pattern.search(path)
    return found[0].casefold() if found else ""


def _words(tail: str) -> set[str]:
    words = _WORDS.intersection(re.findall("[a-z]+", tail))
    return words | {""} if "(" in tail else words


def _are_months(paths: Sequence[str]) -> bool:
    """Whether names say `aug` as a month."""
    return any(
        _AUGUST.search(path) or _MONTHS.intersection(re.findall("[a-z]+", path.casefold()))
        for path in map(os.path.basename, paths)
    )


def _are_copies(keys: Sequence[str], tails: Sequence[str]) -> bool:
    by_key: dict[str, set[str]] = {}
    for key, tail in zip(keys, tails, strict=True):
        by_key.setdefault(key, set()).add(tail)
    certain = {key for key, found in by_key.items() if _are_certain(key, found)}
    with_tails = [key for key, tail in zip(keys, tails, strict=True) if tail]
    num_certain = sum(key in certain for key in with_tails)
    return len(certain) >= _FILES_MIN and 2 * num_certain >= len(with_tails)


def _are_certain(key: str, tails: set[str]) -> bool:
    """Whether the files of one name, with these ends, are surely copies of one."""
    of_each = [_words(tail).difference(_ORIGINAL) for tail in tails]
    words = set().union(*of_each)
    has_number = bool(re.search("[0-9]", os.path.basename(key)))
    if len(tails) < 2 or not words:
        return False
    if not all(of_each):
        # The file itself is there. `images (1)` is no copy of `images`, where a browser saves.
        return words != {""} or has_number
    is_counted = any(re.search("aug[ _-]?0+(?![0-9])", tail) for tail in tails)
    return has_number and (
        len(words - {""}) > 1 or bool(words.intersection(_CERTAIN)) or is_counted
    )
