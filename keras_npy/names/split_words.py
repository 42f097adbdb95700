"""Whether files are named after another part of a data set, fold or patient than their partners."""

import re
from collections.abc import Iterator, Sequence

from keras_npy.names.parts import SUBJECTS, without_folder

PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}

_WORDS = re.compile(r"[^\W\d_]+")

# What partners have in common: the fold of a data set, and whom they are of. A scan may well have
# the next one as its target; `sub2`, `p95`, `split80` and `part1` may be a step, a percentile, a
# share and a part of the body, so that only BIDS' `sub-` is a subject.
_NUMBERED = re.compile(
    rf"(?<![^\W\d_])({'|'.join(SUBJECTS)}|fold|shard|subj|sub(?=-)|participant|volunteer)"
    r"[_\-. ]?0*(\d+)(?![^\W_])",
    re.IGNORECASE,
)

# `test_run.npy` is of no test set.
_OTHER_TESTS = ("run", "case")


def other_parts(paths: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """The words for two parts of a data set, folds or patients that two lists are named after.

    Example:

    >>> other_parts(["ds/train/images/1.npy"], ["ds/val/masks/1.npy"])
    ('train', 'val')
    >>> other_parts(["ds/train/1.npy"], ["ds/labels_test_run.npy"])
    >>> other_parts(["x_fold0.npy"], ["y_fold1.npy"])
    ('fold0', 'fold1')
    """
    if len(paths) == len(others) == 1:
        numbers = _other_numbers(paths[0], others[0])
        if numbers is not None:
            return numbers
    every = without_folder([*paths, *others])
    names, other_names = every[: len(paths)], every[len(paths) :]
    # Most files have no such word, which the first ones show.
    if _differing(names[:1], other_names[:1]) is None:
        return None
    return _differing(names, other_names)


def _other_numbers(path: str, other: str) -> tuple[str, str] | None:
    """What two files are of if both say so, and not the same. Many files are compared by name."""
    names, other_names = (
        {match[1].casefold(): match for match in _NUMBERED.finditer(each)} for each in (path, other)
    )
    for word, match in names.items():
        if word in other_names and match[2] != other_names[word][2]:
            return match[0], other_names[word][0]
    return None


def _differing(names: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    # A word at the other end may mean something else: `valid_mask` beside `x_train`.
    for at in (0, -1):
        found, other_found = _words_of_all(names, at), _words_of_all(others, at)
        parts, other_parts = ({PARTS[word] for word in words} for words in (found, other_found))
        if parts and other_parts and not parts & other_parts:
            return min(found), min(other_found)
    return None


def _words_of_all(paths: Sequence[str], at: int) -> set[str]:
    words = set(_words(paths[0], at))
    for path in paths[1:]:
        if not words:
            break
        words &= set(_words(path, at))
    return words


def _words(path: str, at: int) -> Iterator[str]:
    """The words for parts that the names of folders, files and members begin or end with."""
    for name in re.split(r"[/\\]|::", path):
        words = _WORDS.findall(re.sub(r"\.[^.]*\Z", "", name).casefold())
        if not words or words[at] not in PARTS:
            continue
        if at == -1 or len(words) == 1 or (len(words) == 2 and words[1] not in _OTHER_TESTS):
            yield words[at]
