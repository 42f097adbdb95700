"""What ends a warning of targets, as code that runs for this very sequence."""

from typing import Any, NamedTuple

import numpy as np


class Targets(NamedTuple):
    """The targets of one loss."""

    leaf: Any
    """`Rows`, or the array of a batch that `map` returns."""
    path: tuple[Any, ...]
    """Keys and numbers that lead to it in `y`."""
    y: Any
    """All of `y`."""
    has_weights: bool
    """Whether the sequence serves weights too."""

    @property
    def is_mapped(self) -> bool:
        """Whether a function of the user's returned them."""
        return isinstance(self.leaf, np.ndarray)

    @property
    def name(self) -> str:
        """What a message begins with."""
        return f"{self._access} that map returns" if self.is_mapped else str(self.leaf.name)

    @property
    def _access(self) -> str:
        return "y" + "".join(f"[{key!r}]" for key in self.path)


def pass_map(targets: Targets, change: str) -> str:
    """Says which call of `map` makes `change`, in which `{y}` stands for the targets."""
    # What the function returns is what the next one gets.
    begin = "Change what your function returns, or pass" if targets.is_mapped else "Pass"
    weights = ", sample_weight" * targets.has_weights
    return f"{begin} seq.map(lambda x, y{weights}: {batch_with(targets, change)})"


def batch_with(targets: Targets, change: str) -> str:
    """A batch of which the targets have this change."""
    changed = _nest_with(targets.y, targets.path, "y", change)
    return f"(x, {changed}{', sample_weight' * targets.has_weights})"


def _nest_with(nest: Any, path: tuple[Any, ...], access: str, change: str) -> str:
    if not path:
        return change.format(y=access)
    key, rest = path[0], path[1:]
    inner = _nest_with(nest[key], rest, f"{access}[{key!r}]", change)
    if isinstance(nest, dict):
        return f"{{**{access}, {key!r}: {inner}}}"
    parts = [inner if number == key else f"{access}[{number}]" for number in range(len(nest))]
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
