"""What the command prints: tables and facts, in colour on a terminal, plain when piped, or JSON."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_npy.rows.describe import readable


def print_json(value: Any) -> None:
    """Print a value as JSON that any parser takes: NaN and infinity are strings."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """The value in types that JSON has.

    Example:

    >>> plain({"a": np.float64("nan"), "b": (np.int64(3), None)})
    {'a': 'nan', 'b': [3, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """Print a name and its facts, each on a line."""
    width = max(map(len, facts), default=0)
    if not sys.stdout.isatty():
        print(title)
        for name, value in facts.items():
            print(f"  {name:{width}}  {value}")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    # The terminal wraps long lines itself, so that a command in one of them can be copied.
    console.print(Text(title, style="bold"), soft_wrap=True)
    for name, value in facts.items():
        line = Text.assemble((f"  {name:{width}}  ", "dim"), value)
        console.print(line, soft_wrap=True)


def print_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print lines of cells under the names of their columns."""
    if not sys.stdout.isatty():
        widths = [max(map(len, cells)) for cells in zip(columns, *lines, strict=True)]
        for line in (columns, *lines):
            cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
            print("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    Console().print(table)


def print_note(text: str) -> None:
    """Print what is worth a word, beside the output."""
    print(f"keras-npy: {text}", file=sys.stderr)


def number(value: float) -> str:
    """A number as short as it can be read: four digits, whole numbers whole.

    Example:

    >>> number(0.123456), number(1234567), number(255.0), number(1.5e-9)
    ('0.1235', '1,234,567', '255', '1.5e-09')
    """
    if isinstance(value, int | np.integer) or (math.isfinite(value) and value == int(value)):
        if abs(value) < 1e15:
            return f"{int(value):,}"
    return f"{value:.4g}"


def count(many: int, one: str, several: str = "") -> str:
    """A number with its noun.

    Example:

    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{many:,} {one if many == 1 else several or one + 's'}"


def shape(sizes: Sequence[int]) -> str:
    """A shape in words.

    Example:

    >>> shape((28, 28)), shape(())
    ('28 x 28', 'one value')
    """
    return " x ".join(map(str, sizes)) or "one value"


def size(nbytes: float) -> str:
    """Bytes, in the unit that suits them."""
    return readable(nbytes)


def some_of(values: Sequence[Any], most: int = 5) -> str:
    """The first of some values.

    Example:

    >>> some_of([1, 2]), some_of([1, 2, 3], 2)
    ('1, 2', '1, 2, ...')
    """
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")


def numbers_of_rows(indices: Sequence[int], total: int) -> str:
    """The first row numbers of some, and how many there are.

    Example:

    >>> numbers_of_rows([3, 4, 9], 3)
    'rows 3, 4, 9'
    >>> numbers_of_rows([3, 4, 9], 120)
    '120 rows: 3, 4, 9, ...'
    """
    listed = ", ".join(map(str, indices))
    if total > len(indices):
        return f"{total:,} rows: {listed}, ..."
    return f"{'row' if total == 1 else 'rows'} {listed}"
