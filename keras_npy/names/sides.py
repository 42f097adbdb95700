"""Files of both sides of one number, such as two eyes of a person: 10_left and 10_right."""

import os
import re
from collections.abc import Sequence

from keras_npy.names.belonging import Belonging
from keras_npy.names.parts import FEW, step_of_sample

_SIDES = (("left", "right"), ("l", "r"), ("os", "od"), ("lt", "rt"), ("lh", "rh"))

# Fewer numbers have both sides by chance. More files of one number may be a scene, not a person.
_NUMBERS_MIN = 3
_FILES_MAX = 8

# Names without a side that may be among others.
_WITHOUT_MAX = 0.1


def of_both_sides(paths: Sequence[str]) -> Belonging | None:
    """Which files are the left and right ones of one number, if nearly all come in both.

    Example:

    >>> paths = [f"a/{number}_{side}.npy" for number in (7, 8, 9) for side in ("left", "right")]
    >>> of_both_sides(paths).keys
    ['7_', '7_', '8_', '8_', '9_', '9_']
    >>> of_both_sides(paths[::2])
    """
    for sides in _SIDES:
        pattern = rf"(?i)(?<![a-z])({'|'.join(sides)})(?![a-z])"
        # Most lists have no sides, which a few names from all over show.
        if not _is_in_nearly_all(pattern, paths[:: step_of_sample(paths)]):
            continue
        if not _is_in_nearly_all(pattern, paths):
            return None
        words = [_side(pattern, path) for path in paths]
        names = [*map(os.path.basename, paths)]
        # What stands before a side is whose it is, if that is a number: `10_left_2` is of 10.
        for ones, tail in ((names, ".*"), (names, ""), (paths, "")):
            keys = [re.sub(pattern + tail, "", one) for one in ones]
            if _come_in_both(keys, words, sides):
                shown = "path" if ones is paths else "os.path.basename(path)"
                code = f"re.sub({pattern + tail!r}, '', {shown})"
                whose = f"of both sides of one number, {' and '.join(sides)},"
                return Belonging(whose, code, keys, [keys, words], True)
        return None
    return None


def _side(pattern: str, path: str) -> str:
    """The side that a name says, or nothing if it says none, or several."""
    found = re.findall(pattern, os.path.basename(path))
    return found[0].casefold() if len(found) == 1 else ""


def _is_in_nearly_all(pattern: str, paths: Sequence[str]) -> bool:
    num_without = sum(not _side(pattern, path) for path in paths)
    return num_without <= _WITHOUT_MAX * len(paths)


def _come_in_both(keys: Sequence[str], words: Sequence[str], sides: tuple[str, str]) -> bool:
    """Whether nearly all keys have numbers, and as many left as right files."""
    by_key: dict[str, list[str]] = {}
    for key, word in zip(keys, words, strict=True):
        by_key.setdefault(key, []).append(word)
    complete = [
        key
        for key, found in by_key.items()
        if 0 < found.count(sides[0]) == found.count(sides[1])
        and len(found) <= _FILES_MAX
        and re.search("[0-9]", key)
    ]
    return len(complete) >= max(_NUMBERS_MIN, (1 - FEW) * len(by_key))
