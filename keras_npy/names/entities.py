"""Whom files are of, as names say: several slices of one patient, whom no split should part."""

import re
from collections.abc import Sequence

from keras_npy.names.belonging import Belonging
from keras_npy.names.parts import SUBJECTS, step_of_sample, without_folder

# Whom or what a file is of. `sub-` is that of BIDS.
_OTHERS = (
    *("spk", "spkr", "subj", "sub(?=-)", "volunteer", "participant", "donor", "child", "athlete"),
    *("user", "client", "customer", "driver", "rider", "household"),
    *("slide", "video", "scan", "session"),
)
_ENTITY = re.compile(
    rf"(?<![^\W\d_])({'|'.join((*SUBJECTS, *_OTHERS))})[ _-]?[0-9]+",
    re.IGNORECASE,
)

# Years, and dates: those of a scan say when it was made.
_TIME = re.compile(r"(?:19|20)[0-9]{2}|[0-9]{8,}")


def of_one_entity(paths: Sequence[str], *, hold_several: bool, are_all: bool) -> Belonging | None:
    """Which files are of one patient, or the like.

    Args:
        paths: Files.
        hold_several: Whether files hold several rows, so that one of a patient can be parted.
        are_all: Whether the code is asked about no other files.
    """
    pattern = entity_pattern(paths, hold_several=hold_several)
    if pattern is None:
        return None
    keys = [re.findall(pattern, path)[-1].casefold() for path in paths]
    word = keys[0].rstrip("0123456789 _-")
    return Belonging(
        f"of one {word}", code_of_entity(paths, pattern, are_all=are_all), keys, [keys], False
    )


def entity_pattern(paths: Sequence[str], *, hold_several: bool = False) -> str | None:
    """What finds whom each file is of, if all names say it, and some are of the same one.

    Args:
        paths: Files.
        hold_several: Whether files hold several rows: then each may be of another one.

    Example:

    >>> entity_pattern(["a/patient03/07.npy", "a/patient03/08.npy", "a/patient04/01.npy"])
    '(?i)(?<![a-z])patient[ _-]?[0-9]+'
    >>> entity_pattern(["patient03.npy", "patient04.npy"])
    >>> entity_pattern(["patient03.npy", "patient04.npy"], hold_several=True)
    '(?i)(?<![a-z])patient[ _-]?[0-9]+'
    """
    names = without_folder(paths)
    # Those that stand first have the others, such as the sessions of a subject.
    words = {_word(name) for name in names[:: step_of_sample(names)]}
    word = words.pop() if len(words) == 1 else ""
    if not word:
        return None
    pattern = rf"(?i)(?<![a-z]){word}[ _-]?[0-9]+"
    found = set()
    for name in names:
        each = re.findall(pattern, name)
        if not each:
            return None
        found.add(each[-1].casefold())
    if all(_TIME.fullmatch(re.sub("[^0-9]", "", one)) for one in found):
        return None
    return pattern if 1 < len(found) < len(names) + hold_several else None


def code_of_entity(paths: Sequence[str], pattern: str, *, are_all: bool = True) -> str:
    """Code for whom the file `path` is of, by `entity_pattern`.

    Args:
        paths: Files whose names all say it.
        pattern: The pattern.
        are_all: Whether there are no other files, of which the names may say nothing.

    Example:

    >>> code_of_entity(["a1/7.npy", "a2/7.npy"], "(?i)a[0-9]")
    "re.findall('(?i)a[0-9]', path)[-1]"
    >>> code_of_entity(["a1/7.npy", "A1/8.npy"], "(?i)a[0-9]")
    "re.findall('(?i)a[0-9]', path)[-1].casefold()"
    """
    found = f"re.findall({pattern!r}, path)"
    code = f"{found}[-1]" if are_all else f"({found} or [path])[-1]"
    spelled = {re.findall(pattern, path)[-1] for path in paths}
    return code if len(spelled) == len({*map(str.casefold, spelled)}) else f"{code}.casefold()"


def _word(name: str) -> str:
    found = _ENTITY.search(name)
    return found[1].casefold() if found else ""
