"""What a check finds, in words, and the rows where it found it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from keras_npy.tools.output import numbers_of_rows
from keras_npy.types import Indices

# Row numbers to name in the words of a finding, and to list in JSON.
ROWS_NAMED_MAX = 5
ROWS_LISTED_MAX = 100_000

# The kinds of findings, the worst first: what makes results wrong, then what makes them worse.
KINDS = (
    *("leak", "pairs", "nan", "infinity", "labels", "conflict", "differ"),
    *("missing class", "sorted", "scale", "duplicates", "constant", "imbalance"),
)


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

    def finding(self, kind: str, message: str) -> Finding:
        return Finding(kind, message, self.first, self.total)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by how much they spoil, and by how many rows."""
    return sorted(findings, key=lambda one: (KINDS.index(one.kind), -one.total))
