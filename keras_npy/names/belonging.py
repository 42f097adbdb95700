"""What names say of files that belong together, so that no split should part them."""

from collections.abc import Sequence
from typing import NamedTuple

# More files are not looked at: 20,000 take 20 ms.
FILES_LOOKED_AT = 20_000


class Belonging(NamedTuple):
    """Which files belong together."""

    whose: str
    """What those that do are, behind `files`, such as `of one patient`."""
    code: str
    """Code that computes from `path` what a file belongs to."""
    keys: Sequence[str]
    """The same of each file."""
    told_apart: Sequence[Sequence[str]]
    """What may be the class of each file, so that each part needs all of them."""
    are_copies: bool
    """Whether several files belong together, and not merely rows of one."""
