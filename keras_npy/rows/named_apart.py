"""Warn of a split at random that parts rows which belong together, as names of files say."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_npy.errors import warn
from keras_npy.files.store import FileList
from keras_npy.names.belonging import FILES_LOOKED_AT, Belonging
from keras_npy.names.copies import of_one_original
from keras_npy.names.entities import of_one_entity
from keras_npy.names.sides import of_both_sides
from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.types import Indices

# Of long files, rows from all over are looked at. Neighbours are in one file: several in several
# parts are found in any number of files.
_PLACES_LOOKED_AT = 1 << 11
_NEIGHBOURS = 8

# Labels that are compared with what names say: a look at each file's label would take long.
_LABELS_COMPARED = 1000


class _Looked(NamedTuple):
    """Rows that are looked at, and the files that they are in."""

    positions: Indices
    """Of these rows among all that are dealt out, in ascending order."""
    files: Indices
    """The number of the file of each."""
    rows: Indices
    """The number of each in its file."""
    paths: Sequence[str]
    are_all: bool
    """Whether there are no other files."""
    hold_several: bool
    """Whether some file holds several rows."""


def warn_of_names_apart(
    leaves: Sequence[Rows],
    output: Rows | None,
    indices: range | Indices,
    parts: Sequence[Indices],
    unchecked: str,
) -> None:
    """Warn if names say that rows of one patient, or the like, are in several parts.

    Args:
        leaves: The sources.
        output: The only `y`, which may tell apart the ones that names do.
        indices: The row of the sources at each position.
        parts: Positions of each part, in ascending order.
        unchecked: Code for the same rows, of which names are not looked at.
    """
    looked = _look(leaves, indices)
    if looked is None:
        return
    for found in filter(None, _belongings(looked)):
        pair = _parted(found, looked, parts)
        if pair is not None and not _are_classes(found, looked, output, indices):
            warn(_message(found, looked, pair, unchecked))
            return


def _belongings(looked: _Looked) -> Iterator[Belonging | None]:
    """What names may say, one after the other: each takes a look at all of them."""
    several, are_all = looked.hold_several, looked.are_all
    yield of_one_entity(looked.paths, hold_several=several, are_all=are_all)
    yield of_both_sides(looked.paths)
    yield of_one_original(looked.paths)


def _message(found: Belonging, looked: _Looked, pair: tuple[int, int], unchecked: str) -> str:
    one, other = (int(looked.files[at]) for at in pair)
    if looked.hold_several:
        rows = [
            f"row {looked.rows[at]} of {looked.paths[file]}"
            for at, file in zip(pair, (one, other), strict=True)
        ]
        what, received = "rows", " and ".join(rows)
    else:
        what, received = "files", f"{looked.paths[one]} and {looked.paths[other]}"
    # No folder of classes has files of several rows.
    folders = "For either, build seq of from_directory without validation_split=."
    return (
        f"{looked.paths[one]}: {what} {found.whose} should lie in one part, or validation looks "
        f"too good. Received: {received} in two parts. Pass groups=lambda path: {found.code} to "
        f"split or folds; {unchecked} says that the parts are meant."
        f"{'' if looked.hold_several else f' {folders}'}"
    )


def _look(leaves: Sequence[Rows], indices: range | Indices) -> _Looked | None:
    """The files that a function for `groups=` is asked about, or `None` if there are none."""
    most: tuple[FileList, Rows] | None = None
    for leaf in leaves:
        files = _unchosen(leaf).files
        if files is not None and (most is None or len(files.paths) > len(most[0].paths)):
            most = files, leaf
    if most is None or len(most[0].paths) == 1:
        return None
    files, leaf = most
    num_rows = len(indices)
    hold_several = bool(np.any(files.lengths > 1))
    if not hold_several:
        positions = np.arange(min(num_rows, FILES_LOOKED_AT))
    else:
        starts = np.linspace(0, num_rows, _PLACES_LOOKED_AT, endpoint=False).astype(np.int64)
        positions = np.unique(starts[:, np.newaxis] + np.arange(_NEIGHBOURS))
        positions = positions[positions < num_rows]
    rows = rows_at(indices, positions)
    while isinstance(leaf, ChosenRows):
        rows, leaf = rows_at(leaf.indices, rows), leaf.source
    stops = np.cumsum(files.lengths)
    numbers = np.searchsorted(stops, rows, side="right")
    used = np.flatnonzero(np.bincount(numbers, minlength=len(stops)))[:FILES_LOOKED_AT]
    is_used = numbers <= used[-1]
    positions, numbers = positions[is_used], numbers[is_used]
    return _Looked(
        positions,
        np.searchsorted(used, numbers),
        rows[is_used] - (stops - files.lengths)[numbers],
        [files.paths[number] for number in used.tolist()],
        len(used) == len(stops),
        hold_several,
    )


def _unchosen(rows: Rows) -> Rows:
    # Rows chosen at random have as many stretches of files as rows.
    return _unchosen(rows.source) if isinstance(rows, ChosenRows) else rows


def _parted(found: Belonging, looked: _Looked, parts: Sequence[Indices]) -> tuple[int, int] | None:
    """Two of the rows looked at that belong together, and are in two parts."""
    numbers: dict[str, int] = {}
    of_files = np.array([numbers.setdefault(key, len(numbers)) for key in found.keys])
    ones = of_files[looked.files]
    part_of = np.full(len(ones), -1)
    for number, part in enumerate(parts):
        at = np.minimum(np.searchsorted(part, looked.positions), len(part) - 1)
        part_of[part[at] == looked.positions] = number
    first = np.unique(ones, return_index=True)[1]
    first_of = first[ones]
    is_apart = part_of != part_of[first_of]
    if found.are_copies:
        # Rows of one file alone may well be others.
        is_apart &= looked.files != looked.files[first_of]
    apart = np.flatnonzero(is_apart)
    return (int(first[ones[apart[0]]]), int(apart[0])) if len(apart) else None


def _are_classes(
    found: Belonging, looked: _Looked, output: Rows | None, indices: range | Indices
) -> bool:
    """Whether y tells the same ones from each other, as to recognize speakers."""
    if output is None or len(output.row_shape) > 1:
        return False
    # From all over: the first rows may all be of one patient, and so of one label.
    num_compared = min(len(looked.positions), _LABELS_COMPARED)
    at = np.linspace(0, len(looked.positions) - 1, num_compared).astype(np.int64)
    # They may be one-hot.
    labels = [label.tobytes() for label in output[rows_at(indices, looked.positions[at])]]
    files = looked.files[at].tolist()
    return any(_are_told_apart([keys[file] for file in files], labels) for keys in found.told_apart)


def _are_told_apart(ones: Sequence[str], labels: Sequence[bytes]) -> bool:
    pairs = set(zip(ones, labels, strict=True))
    return 1 < len(pairs) == len(set(ones)) == len(set(labels))
