"""Rows chosen with `take` on one side alone, beside those of partners in files of their own."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from keras_npy.names.partners import compare_names
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.types import Indices


class _Choice(NamedTuple):
    """Which rows come from which file."""

    paths: list[str]
    """All files, also those that no row was chosen of."""
    lengths: Indices
    """Rows of each file."""
    numbers: Indices
    """The file of each run of chosen rows."""
    counts: Indices
    """Rows of each run."""


def check_chosen_pairs(leaves: Sequence[Rows]) -> None:
    """Raise `ValueError` if `take` chose rows of one source, and none of its partner.

    If both have as many rows as before, one row that comes twice pairs those behind it wrongly.
    """
    if not any(map(_is_chosen, leaves)):
        return
    for first, second in combinations(leaves, 2):
        # Whoever chooses on both sides, or takes files whole and chosen, such as a text and one
        # that does not fit, means the pairs.
        if _is_chosen(first) != _is_chosen(second):
            chosen = first if _is_chosen(first) else second
            if not any(_are_views(chosen, leaf) for leaf in leaves if leaf is not chosen):
                _check(first, second)


def _check(first: Rows, second: Rows) -> None:
    one, other = _choice_of(first), _choice_of(second)
    if one is None or other is None or not _may_be_partners(one, other):
        return
    numbers, other_numbers = (np.repeat(side.numbers, side.counts) for side in (one, other))
    differs = np.flatnonzero(numbers != other_numbers)
    if not differs.size or compare_names(one.paths, other.paths).kind != "partners":
        return
    row = int(differs[0])
    path, other_path = one.paths[numbers[row]], other.paths[other_numbers[row]]
    chosen, left = (first, second) if _is_chosen(first) else (second, first)
    raise ValueError(
        f"{other_path}: rows of files that belong together must be chosen alike. Received: take "
        f"of {chosen.name} alone, which pairs {path} with {other_path}, row {row}, but {path} "
        f"belongs with {other.paths[numbers[row]]}. Choose the same rows of {left.name}, with "
        "take(source, indices) of the same indices; check_names=False says that the pairs are "
        "meant."
    )


def _may_be_partners(one: _Choice, other: _Choice) -> bool:
    return 1 < len(one.paths) == len(other.paths) and bool(np.all(one.lengths == other.lengths))


def _are_views(rows: Rows, other: Rows) -> bool:
    """Whether two sources have files in common: pairs for a siamese net."""
    files, others = rows.files, other.files
    if files is None or others is None:
        return False
    return not set(files.paths).isdisjoint(others.paths)


def _is_chosen(rows: Rows) -> bool:
    if isinstance(rows, JoinedRows):
        return any(map(_is_chosen, rows.sources))
    return isinstance(rows, ChosenRows)


def _choice_of(rows: Rows) -> _Choice | None:
    """Which rows were chosen of which file; `None` if some rows are in no file."""
    if isinstance(rows, JoinedRows):
        return _joined([_choice_of(source) for source in rows.sources])
    if isinstance(rows, ChosenRows):
        files = rows.source.files
        runs = None if files is None else rows.runs(files.lengths)
    else:
        files = rows.files
        runs = None if files is None else (np.arange(len(files.paths)), files.lengths)
    return None if files is None or runs is None else _Choice([*files.paths], files.lengths, *runs)


def _joined(choices: list[_Choice | None]) -> _Choice | None:
    known = [choice for choice in choices if choice is not None]
    if len(known) < len(choices):
        return None
    firsts = np.cumsum([0, *(len(choice.paths) for choice in known)])
    return _Choice(
        [path for choice in known for path in choice.paths],
        np.concatenate([choice.lengths for choice in known]),
        np.concatenate(
            [choice.numbers + first for choice, first in zip(known, firsts[:-1], strict=True)]
        ),
        np.concatenate([choice.counts for choice in known]),
    )
