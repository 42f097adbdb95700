"""How a source is spelled on the command line, and its rows.

A SOURCE is what `open_rows` takes: `x.npy`, `'x-*.npy'`, `data.npz::x`. What takes a function in
Python takes its name in front here, with its arguments: `samples:'folder/*.npy'`,
`windows,sequence_length=24:series.npy`, `raw,dtype=uint16,shape=-1x28x28:scan.bin`. Brackets at the
end choose rows and values, as in NumPy: `x.npy[0:5, :, -1]`, or a list of rows: `x.npy[[17, 88]]`.
"""

import glob
import itertools
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_npy.errors import NpyLayoutWarning
from keras_npy.files.archive import MEMBER_MARK
from keras_npy.order.selection import to_rows
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import choose_rows
from keras_npy.rows.raw import raw
from keras_npy.rows.samples import samples
from keras_npy.rows.sources import open_rows
from keras_npy.rows.windows import windows
from keras_npy.tools.images import images
from keras_npy.tools.usage import UsageError
from keras_npy.types import Indices

Index: TypeAlias = tuple[Any, ...]


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split("x"))


# What stands in front of a path, the function that it names, and the arguments of that function.
_KINDS: Mapping[str, tuple[Callable[..., Any], Mapping[str, Callable[[str], Any]]]] = {
    "npy": (open_rows, {"stored_dtype": str, "io": str}),
    "samples": (
        samples,
        {
            **{"length": int, "pad_value": _number, "crop": str, "check": _truth},
            **{"unpack": _truth, "stored_dtype": str, "io": str},
        },
    ),
    "windows": (
        windows,
        {
            **{"sequence_length": int, "sequence_stride": int, "sampling_rate": int},
            **{"start_index": int, "end_index": int, "join": _truth, "io": str},
        },
    ),
    "images": (images, {"size": _shape, "mode": str}),
    "raw": (raw, {"dtype": str, "shape": _shape, "offset": int, "io": str}),
}
_REQUIRED = {"windows": "sequence_length=24", "raw": "dtype=uint8"}

_KIND = re.compile(rf"({'|'.join(_KINDS)})((?:,[^,:=]*=[^,:]*)*):(.*)", re.DOTALL)
# A list of rows may stand first, in brackets of its own.
_INDEXED = re.compile(r"(.+)\[(\s*\[[-+0-9, ]*\]\s*(?:,[-+0-9:,. ]*)?|[-+0-9:,. ]*)\]", re.DOTALL)


@dataclass(frozen=True)
class SpelledSource:
    """A source as a user spells it."""

    text: str
    """All of it, without brackets."""
    kind: str
    path: str
    """What stands behind the kind: a path, a pattern, or another spelled source."""
    arguments: Mapping[str, Any]
    index: Index | None
    """What the brackets choose."""

    @property
    def is_plain(self) -> bool:
        """Whether the text is a path or a pattern."""
        return self.text == self.path

    @property
    def has_headers(self) -> bool:
        """Whether its files are `.npy`, not bare values or images."""
        if self.kind in ("raw", "images"):
            return False
        return self.is_plain or parse(self.path).has_headers

    def open(self) -> Rows:
        """All rows, whatever the brackets choose.

        Raises:
            UsageError: If something that the kind needs is missing.
            NpyFileError: If the source cannot be read.
        """
        make, _ = _KINDS[self.kind]
        missing = _REQUIRED.get(self.kind, "")
        if missing and missing.split("=")[0] not in self.arguments:
            raise UsageError(
                f"{self.path}: {self.kind} needs {missing.split('=')[0]}=. Received: {self.text}. "
                f"Write it like {self.kind},{missing}:{self.path}."
            )
        if self.kind != "images":
            check_no_folder(self.path)
        nested = parse(self.path)
        inner = self.path if nested.is_plain else nested.open()
        try:
            rows: Rows = make(inner, **self.arguments)
        except TypeError as error:
            raise UsageError(str(error)) from error
        return rows

    def open_chosen(self) -> Rows:
        """The rows that the brackets choose, all if there are none.

        Raises:
            UsageError: If they choose more than rows, or if there are no such rows.
        """
        return self.open_numbered()[0]

    def open_numbered(self) -> tuple[Rows, range | Indices]:
        """The rows that the brackets choose, and their numbers without brackets.

        Raises:
            UsageError: If they choose more than rows, or if there are no such rows.
        """
        rows = self.open()
        if self.index is None:
            return rows, range(len(rows))
        first, *others = self.index
        if others or first is Ellipsis:
            raise UsageError(
                f"{self.text}: brackets choose rows here, such as [0:1000]. "
                f"Received: {len(self.index)} indices. Leave out all but the first, write a list "
                "of rows as [[17, 88]], or convert the part first."
            )
        try:
            numbers = to_rows([first] if isinstance(first, int) else first, len(rows))
        except (IndexError, ValueError) as error:
            raise UsageError(f"{self.text}: {error}") from error
        return choose_rows(rows, numbers), numbers


def check_no_folder(path: str) -> None:
    """Raise `UsageError` if a path is a folder, which only `images:` takes."""
    if os.path.isdir(path):
        pattern = os.path.join(glob.escape(path), "x-*.npy")
        raise UsageError(
            f"{path}: a source is a file, or a pattern of the names of files. Received: a folder. "
            f"Give a pattern, such as {pattern!r}; `{shlex.join(['keras-npy', 'inspect', path])}` "
            "lists those that there are."
        )


def parse(text: str) -> SpelledSource:
    """Take a spelled source apart. A path that exists under that very name is a path.

    Raises:
        UsageError: If an argument of the kind is unknown or has a wrong value.

    Example:

    >>> parse("windows,sequence_length=24:data.npz::series[:, 0]").arguments
    {'sequence_length': 24}
    >>> parse("x.npy[0:5, -1]").index
    (slice(0, 5, None), -1)
    >>> parse("x.npy[[17, 88]]").index
    ([17, 88],)
    """
    if not text:
        raise UsageError(
            "A source is a file, or a pattern of the names of files. Received: an empty name. "
            "Give a name, such as x.npy."
        )
    if os.path.lexists(text):
        return SpelledSource(text, "npy", text, {}, None)
    indexed = _INDEXED.fullmatch(text)
    index = None if indexed is None else _parse_index(text, indexed[2])
    if indexed is not None:
        text = indexed[1]
    match = _KIND.fullmatch(text)
    if match is None:
        return SpelledSource(text, "npy", text, {}, index)
    kind, arguments, path = match.groups()
    return SpelledSource(text, kind, path, _parse_arguments(text, kind, arguments), index)


def open_source(text: str) -> Rows:
    """The rows of a spelled source, those that its brackets choose.

    Raises:
        UsageError: If it is spelled wrongly.
        NpyFileError: If it cannot be read.
        OSError: If the system refuses access; `FileNotFoundError` is one.
    """
    return parse(text).open_chosen()


def stem_of(text: str) -> str:
    """The name of a file that is made of a spelled source, without folder and suffix.

    Example:

    >>> stem_of("data/x.npy[0:5]"), stem_of("d.npz::y"), stem_of("samples:scans/case-*.npy")
    ('x', 'y', 'case')
    """
    while not (spelled := parse(text)).is_plain:
        text = spelled.path
    path, is_member, member = spelled.path.partition(MEMBER_MARK)
    stem = member.removesuffix(".npy") if is_member else os.path.splitext(path.rstrip("/"))[0]
    # The characters of patterns would make the new file one.
    return re.sub(r"\[[^]]*\]|[*?]", "", os.path.basename(stem)).strip("-_.") or "rows"


def paths_beside(texts: Sequence[str], suffix: str, taken: set[str]) -> list[str]:
    """Paths of new files that are made of spelled sources, and are not there yet.

    Each lies beside its source, but in the working directory if the source is a pattern: else the
    new file might match it. All have the same number.

    Args:
        texts: The sources.
        suffix: What the names end with, before `.npy`.
        taken: Paths that are taken too; the new ones are added.

    Example:

    >>> taken = set()
    >>> paths_beside(["a/x.npy[2:]", "y.npy"], "_kept", taken)
    ['a/x_kept.npy', 'y_kept.npy']
    >>> paths_beside(["b/x.npy", "b/y-*.npy"], "_kept", taken)
    ['b/x_kept_2.npy', 'y_kept_2.npy']
    """
    begins: list[str] = []
    for text in texts:
        begin = _begin_beside(text)
        begins.append(f"{begin}_y" if begin in begins else begin)
    for number in itertools.chain([""], (f"_{at}" for at in itertools.count(2))):
        paths = [f"{begin}{suffix}{number}.npy" for begin in begins]
        if not any(path in taken or os.path.lexists(path) for path in paths):
            break
    taken.update(paths)
    return paths


def _begin_beside(text: str) -> str:
    inner = text
    while not (spelled := parse(inner)).is_plain:
        inner = spelled.path
    file = spelled.path.partition(MEMBER_MARK)[0]
    folder = "" if glob.has_magic(file) else os.path.dirname(file)
    return os.path.join(folder, stem_of(text))


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Collect what is said of the layout of files within the `with` block, without duplicates."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NpyLayoutWarning)
        yield said
    said += dict.fromkeys(str(warning.message) for warning in caught)


def _parse_arguments(text: str, kind: str, arguments: str) -> dict[str, Any]:
    _, known = _KINDS[kind]
    parsed = {}
    for argument in arguments.split(",")[1:]:
        name, _, value = argument.partition("=")
        try:
            parsed[name] = known[name](value)
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"{text}: {kind} takes {', '.join(f'{one}=' for one in known)}, each with a value "
                f"of its kind. Received: {argument}. Write them as in Python."
            ) from error
    return parsed


def _parse_index(text: str, inside: str) -> Index:
    try:
        # At the commas that stand in no list.
        return tuple(_parse_one(part.strip()) for part in re.split(r",(?![^\[]*\])", inside))
    except ValueError as error:
        raise UsageError(
            f"{text}: brackets hold integers and slices, as in NumPy. Received: [{inside}]. "
            "Write it like 'x.npy[0:5, :, -1]', or 'x.npy[[17, 88]]'."
        ) from error


def _parse_one(part: str) -> Any:
    if part == "...":
        return Ellipsis
    if part.startswith("["):
        return [_parse_number(number) for number in part[1:-1].split(",")]
    if ":" not in part:
        return _parse_number(part)
    bounds = [int(bound) if bound.strip() else None for bound in part.split(":")]
    if len(bounds) > 3 or 0 in bounds[2:]:
        raise ValueError
    return slice(*bounds)


def _parse_number(text: str) -> int:
    number = int(text)
    if abs(number) > sys.maxsize:
        raise ValueError
    return number
