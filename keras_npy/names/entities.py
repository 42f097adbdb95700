"""Whom files are of, as names say: several slices of one patient, whom no split should part."""

import re
from collections.abc import Iterator, Sequence

from keras_npy.names.parts import SUBJECTS, step_of_sample, without_folder

# Whom or what a file is of. `sub-` is that of BIDS.
_ENTITY = re.compile(
    rf"(?<![^\W\d_])({'|'.join(SUBJECTS)}|sub(?=-)|volunteer|participant|slide|video|scan|session)"
    r"[ _-]?[0-9]+",
    re.IGNORECASE,
)

# Years, and dates: those of a scan say when it was made.
_TIME = re.compile(r"(?:19|20)[0-9]{2}|[0-9]{8,}")

# More files are not looked at: 20,000 take 20 ms.
FILES_LOOKED_AT = 20_000


def entity_pattern(paths: Sequence[str]) -> str | None:
    """What finds whom each file is of, if all names say it, and some are of the same one.

    Example:

    >>> entity_pattern(["a/patient03/07.npy", "a/patient03/08.npy", "a/patient04/01.npy"])
    '(?i)(?<![a-z])patient[ _-]?[0-9]+'
    >>> entity_pattern(["patient03.npy", "patient04.npy"])
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
    return pattern if 1 < len(found) < len(names) else None


def entities(paths: Sequence[str], pattern: str) -> Iterator[str]:
    """Whom each file is of, by `entity_pattern`."""
    return (re.findall(pattern, path)[-1].casefold() for path in paths)


def code_of_entity(paths: Sequence[str], pattern: str) -> str:
    """Code for whom the file `path` is of, by `entity_pattern`.

    Args:
        paths: Files whose names all say it, the first ones of perhaps more.
        pattern: The pattern.

    Example:

    >>> code_of_entity(["a1/7.npy", "a2/7.npy"], "(?i)a[0-9]")
    "re.findall('(?i)a[0-9]', path)[-1]"
    >>> code_of_entity(["a1/7.npy", "A1/8.npy"], "(?i)a[0-9]")
    "re.findall('(?i)a[0-9]', path)[-1].casefold()"
    """
    found = f"re.findall({pattern!r}, path)"
    # The names of more files were not looked at, and may say nothing.
    code = f"({found} or [path])[-1]" if len(paths) >= FILES_LOOKED_AT else f"{found}[-1]"
    spelled = {re.findall(pattern, path)[-1] for path in paths}
    return code if len(spelled) == len({*map(str.casefold, spelled)}) else f"{code}.casefold()"


def _word(name: str) -> str:
    found = _ENTITY.search(name)
    return found[1].casefold() if found else ""
