"""What a check finds, in words, and the rows where it found it."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.tools.checks.kinds import KINDS
from keras_npy.tools.output import numbers_of_rows
from keras_npy.tools.source import parse, paths_beside
from keras_npy.types import Indices

# Row numbers to name in the words of a finding, and to list in JSON.
ROWS_NAMED_MAX = 5
ROWS_LISTED_MAX = 100_000

# Rows that a command leaves out, between which it names each run of rows to keep.
_LEFT_OUT_MAX = 40


@dataclass(frozen=True)
class Finding:
    """Something that would spoil training."""

    kind: str
    """One of `KINDS`."""
    message: str
    """What was found, where, and what to do."""
    rows: list[int] = field(default_factory=list)
    """The first rows where it was found, `ROWS_LISTED_MAX` at most."""
    total: int = 0
    """How many rows there are."""
    files: list[str] = field(default_factory=list)
    """The files that `rows` lie in, in their order."""
    partners: list[int] = field(default_factory=list)
    """For each of `rows`, the row that equals it: of the other set, or an earlier one."""
    partner_files: list[str] = field(default_factory=list)
    """The files that `partners` lie in."""
    leave_out: bool = False
    """Whether to leave `rows` out is a remedy."""


@dataclass
class RowsFound:
    """The rows where something was found: their number, and the first ones."""

    total: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, indices: Indices) -> None:
        self.total += len(indices)
        missing = ROWS_LISTED_MAX - len(self.first)
        if missing > 0:
            self.first += indices[:missing].tolist()

    def __bool__(self) -> bool:
        return self.total > 0

    def __str__(self) -> str:
        return numbers_of_rows(self.first[:ROWS_NAMED_MAX], self.total)

    def finding(self, kind: str, message: str, source: Rows, *, leave_out: bool = False) -> Finding:
        files = files_of(source, self.first)
        return Finding(kind, message, self.first, self.total, files, leave_out=leave_out)


def rows_to_leave_out(findings: Iterable[Finding]) -> list[int]:
    """The rows of all findings whose remedy it is to leave them out, in order.

    Rows that are not listed are missing: those of a second look at what was written.
    """
    return sorted({row for one in findings if one.leave_out for row in one.rows})


def how_to_leave_out(
    rows: Sequence[int], named: Sequence[tuple[str, Rows]], taken: set[str]
) -> list[str]:
    """Lines that say how rows are left out, once for all: in Python, and as commands.

    Args:
        rows: The rows.
        named: Inputs, and their labels if they have some: what the user calls them, and the rows.
        taken: Paths of files that other commands write; those of these commands are added.
    """
    num_rows = len(named[0][1])
    if not rows or any(len(source) != num_rows for _, source in named):
        # Which label belongs to which row is not known.
        return []
    if len(rows) > _LEFT_OUT_MAX:
        return [
            f"Without all {len(rows):,} rows of {named[0][0]} that are to be left out: "
            f"indices=np.delete(np.arange({num_rows}), rows), with the rows that --json lists."
        ]
    kept = f"indices=np.delete(np.arange({num_rows}), {list(rows)})"
    names = [name for name, _ in named]
    commands = [
        _command_without(rows, num_rows, name, out)
        for name, out in zip(names, paths_beside(names, "_kept", taken), strict=True)
    ]
    also = ", or:" if all(commands) else ""
    begin = f"Without all rows of {names[0]} that are to be left out: {kept}{also}"
    return [begin, *(f"  {command}" for command in commands if also)]


def files_of(source: Rows, indices: Sequence[int]) -> list[str]:
    """The files that rows lie in, without duplicates; none if these rows lie in memory."""
    files = source.files
    if files is None or not len(indices):
        return []
    if int(files.lengths.sum()) != len(source):
        # A window has no line of its own in the list of files.
        return list(dict.fromkeys(source.file_of(index)[0] for index in indices))
    numbers = np.searchsorted(np.cumsum(files.lengths), indices, side="right")
    return [files.paths[number] for number in dict.fromkeys(numbers.tolist())]


def _command_without(rows: Sequence[int], num_rows: int, name: str, out: str) -> str:
    """The command that writes all other rows; empty if there are none, or brackets already."""
    if parse(name).index is not None:
        return ""
    begins = [0, *(row + 1 for row in rows)]
    runs = zip(begins, [*rows, num_rows], strict=True)
    kept = [f"{name}[{begin}:{end}]" for begin, end in runs if begin < end]
    return shlex.join(["keras-npy", "convert", *kept, out]) if kept else ""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by how much they spoil, and by how many rows."""
    return sorted(findings, key=lambda one: (KINDS.index(one.kind), -one.total))
