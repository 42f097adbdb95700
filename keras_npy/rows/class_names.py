"""What the names of classes say: that they are no classes, but parts of a data set or of one."""

import glob
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from keras_npy.errors import warn
from keras_npy.files.archive import MEMBER_MARK, split_member
from keras_npy.names.parts import num_common
from keras_npy.names.split_words import PARTS
from keras_npy.rows.sources import natural_order

# Folders of one kind of data each, which together are no classes.
_INPUTS = {"image", "images", "img", "imgs", "x", "inputs"}
_TARGETS = {
    "mask",
    "masks",
    "label",
    "labels",
    "seg",
    "segmentation",
    "annotations",
    "y",
    "targets",
}


_PART_OF_SET = "|".join(sorted(PARTS, key=len, reverse=True))
_BEHIND = re.compile(rf"(?P<rest>.+?)[_\-. ]+(?P<word>{_PART_OF_SET})\Z", re.IGNORECASE)
_BEFORE = re.compile(rf"(?P<word>{_PART_OF_SET})[_\-. ]+(?P<rest>.+)\Z", re.IGNORECASE)

_SEPARATORS = re.compile(r"[_\-. ]+")

# `cat_00000-of-00002`, as `convert` names shards, and `cat_0`, `cat_part-1`.
_SHARD = re.compile(r"(?P<rest>.+?)[_\-. ]+(?P<number>\d+)[_\-. ]of[_\-. ]\d+\Z", re.IGNORECASE)
_NUMBERED = re.compile(
    r"(?P<rest>.+?)[_\-. ]+(?:(?:part|shard|chunk)[_\-. ]?)?(?P<number>\d+)\Z", re.IGNORECASE
)


class NoClasses(NamedTuple):
    """What names are that seem to be no classes."""

    what: str
    kind: Literal["one", "pair", "classes"]
    names: dict[str, list[str]]
    """What to use in place of them: one name; those of the input `x` and the target `y`; or those
    of each class."""


def read_class_names(names: Sequence[str], *, are_files: bool) -> NoClasses | None:
    """What names are that stand for parts, or for inputs and targets, and not for classes.

    Args:
        names: The names of all classes.
        are_files: Whether each is a file: folders `apple_1` and `apple_2` may well be classes.

    Example:

    >>> read_class_names(["test", "train", "val"], are_files=False)
    NoClasses(what='parts of a data set', kind='one', names={'train': ['train']})
    >>> read_class_names(["cat_0", "cat_1", "dog_0"], are_files=True).names
    {'cat': ['cat_0', 'cat_1'], 'dog': ['dog_0']}
    >>> read_class_names(["cat", "test"], are_files=True)
    """
    stems = (_numbered(names) if are_files else None) or {name: [name] for name in names}
    found = _of_set([*stems]) or _beside_words_alike([*stems]) or _by_part([*stems])
    if found is None:
        return NoClasses("parts of classes", "classes", stems) if len(stems) < len(names) else None
    numbered = {
        name: [one for stem in of_class for one in stems[stem]]
        for name, of_class in found.names.items()
    }
    return found._replace(names=numbered)


def _of_set(names: Sequence[str]) -> NoClasses | None:
    """Names of which each is a word for a part, or for inputs or targets."""
    words = {name.casefold(): name for name in names}
    if len(words) > 1 and words.keys() <= PARTS.keys():
        of_training = [words[word] for word in words if PARTS[word] == "train"]
        one = (*of_training, names[-1])[0]
        return NoClasses("parts of a data set", "one", {one: [one]})
    inputs, targets = ([words[one] for one in words if one in of] for of in (_INPUTS, _TARGETS))
    if len(inputs) == 1 and len(targets) == 1 and len(words) == 2:
        return NoClasses("inputs and their targets", "pair", {"x": inputs, "y": targets})
    return None


def _beside_words_alike(names: Sequence[str]) -> NoClasses | None:
    """Two names such as `x_train` and `y_train`: inputs and targets alike."""
    words = [_SEPARATORS.split(name) for name in names]
    if len(names) != 2 or len(words[0]) != len(words[1]):
        return None
    differs = [at for at, pair in enumerate(zip(*words, strict=True)) if pair[0] != pair[1]]
    if len(differs) != 1:
        return None
    (at,) = differs
    found = _of_set([of_name[at] for of_name in words])
    rest = {word.casefold() for word in words[0][:at] + words[0][at + 1 :]}
    # Chromosomes and axes are x and y, too.
    are_letters = max(len(of_name[at]) for of_name in words) == 1
    if found is None or found.kind != "pair" or (are_letters and rest.isdisjoint(PARTS)):
        return None
    whole = {of_name[at]: name for of_name, name in zip(words, names, strict=True)}
    return found._replace(names={key: [whole[one]] for key, (one,) in found.names.items()})


def _by_part(names: Sequence[str]) -> NoClasses | None:
    """Names such as `cat_train` and `cat_test`: one class in several parts."""
    for pattern in (_BEHIND, _BEFORE):
        # What each part holds, and under which name. Those of training may stand without a word.
        parts: dict[str, dict[str, str]] = {}
        for name in names:
            match = pattern.match(name)
            part, rest = (PARTS[match["word"].casefold()], match["rest"]) if match else ("", name)
            parts.setdefault(part, {})[rest] = name
        counts = Counter(rest for of_part in parts.values() for rest in of_part)
        if max(counts.values()) == 1 or not _are_training(parts, counts):
            continue
        of_training = parts.get("", parts.get("train")) or next(iter(parts.values()))
        pair = _of_set([*of_training])
        if pair is not None and pair.kind == "pair":
            names_of = {key: [of_training[one]] for key, (one,) in pair.names.items()}
            return NoClasses("inputs and targets of parts of a data set", "pair", names_of)
        kind: Literal["one", "classes"] = "one" if len(counts) == 1 else "classes"
        by_class = {rest: [name] for rest, name in of_training.items()}
        return NoClasses("parts of a data set", kind, by_class)
    return None


def _are_training(parts: Mapping[str, Mapping[str, str]], counts: Mapping[str, int]) -> bool:
    """Whether names without a word for a part, if there are any, are those of training."""
    if "" not in parts:
        return True
    # `run` and `run_test` alone may be classes.
    return "train" not in parts and len(counts) > 1 and set(counts.values()) == {len(parts)}


def _numbered(names: Sequence[str]) -> dict[str, list[str]] | None:
    """The numbered names of each class, if numbers count its files and not classes."""
    are_shards = any(map(_SHARD.match, names))
    stems: dict[str, list[str]] = {}
    numbers: dict[str, list[int]] = {}
    for name in natural_order(names):
        match = (_SHARD if are_shards else _NUMBERED).match(name)
        if match is None and not are_shards:
            return None
        rest = match["rest"] if match else name
        stems.setdefault(rest, []).append(name)
        numbers.setdefault(rest, []).append(int(match["number"]) if match else 0)
    # `level_1` and `level_2` are classes, and so are names with numbers that do not count.
    first = min(of_class[0] for of_class in numbers.values())
    do_count = first in (0, 1) and all(
        of_class == [*range(first, first + len(of_class))] for of_class in numbers.values()
    )
    if len(stems) == len(names) or not (are_shards or (do_count and len(stems) > 1)):
        return None
    return stems


def warn_of_no_class_folders(directory: str, names: Sequence[str], suffix: str) -> None:
    """Warn if the folders of `from_directory` seem to be no classes."""
    found = read_class_names(names, are_files=False)
    if found is None:
        return
    chosen = [name for of_class in found.names.values() for name in of_class]
    remedy = f"Pass those of one part, class_names={chosen}"
    if found.kind == "one":
        remedy = f"Pass one of them, such as {os.path.join(directory, chosen[0])!r}"
    if found.kind == "pair":
        behind = "" if suffix == ".npy" else f"{MEMBER_MARK}member"
        x, y = (
            f"samples({_below(os.path.join(directory, one), suffix) + behind!r})" for one in chosen
        )
        remedy = f"Pair their files, NpySequence({x}, {y})"
    what = (
        f"from_directory takes each folder as a class. Received: the folders {', '.join(names[:5])}"
    )
    _warn(f"{directory}: {what}", found, remedy)


def warn_of_no_class_files(place: str, found_at: Mapping[str, str], member: str | None) -> bool:
    """Warn if the files or folders of `from_class_files` seem to be no classes.

    Args:
        place: Where they were found.
        found_at: The file or folder of each class.
        member: The member that is asked for.

    Returns:
        Whether it warns.
    """
    folders = {name for name, path in found_at.items() if os.path.isdir(path)}
    found = read_class_names([*found_at], are_files=not folders)
    if found is None:
        return False
    codes = {
        name: _code([found_at[one] for one in of_class], member)
        for name, of_class in found.names.items()
    }
    if found.kind == "one":
        ((name, code),) = codes.items()
        remedy = f"Pass one of them, NpySequence({code})"
        if found.names[name][0] in folders and name.casefold() not in _INPUTS:
            also = "" if member is None else f", member={member!r}"
            path = found_at[found.names[name][0]]
            remedy = f"Pass one of them, NpySequence.from_class_files({path!r}{also})"
    elif found.kind == "pair":
        remedy = f"Pair them, NpySequence({codes['x']}, {codes['y']})"
    else:
        classes = ", ".join(f"{name!r}: {code}" for name, code in codes.items())
        remedy = f"Name the files of each class, NpySequence.from_class_files({{{classes}}})"
    names = ", ".join([*found_at][:5])
    what = f"from_class_files takes each file or folder as a class. Received: {names}"
    _warn(f"{place}: {what}", found, remedy)
    return True


def _warn(received: str, found: NoClasses, remedy: str) -> None:
    warn(
        f"{received}, which seem to be {found.what}. {remedy}; class_names= says that they are "
        "classes."
    )


def _below(folder: str, suffix: str) -> str:
    """A pattern of all files in a folder."""
    return os.path.join(glob.escape(folder), "**", f"*{suffix}")


def _code(found_at: Sequence[str], member: str | None) -> str:
    """Code of the source that has the rows of some files or folders."""
    behind = "" if member is None else f"{MEMBER_MARK}{member}"
    paths = [
        _below(path, ".npy" if member is None else ".npz") if os.path.isdir(path) else path
        for path in found_at
    ]
    if len(paths) > 1:
        # One pattern is shorter than the paths of all shards.
        begin = glob.escape(paths[0][: num_common(paths)].rstrip("0123456789"))
        file, mark, named = paths[0].partition(MEMBER_MARK)
        pattern = f"{begin}[0-9]*{os.path.splitext(file)[1]}"
        if natural_order(glob.glob(pattern)) == natural_order(
            split_member(one)[0] for one in paths
        ):
            paths = [f"{pattern}{mark}{named}"]
    codes = [f"{path + behind!r}" for path in paths]
    return codes[0] if len(codes) == 1 else f"[{', '.join(codes)}]"
