"""Read which rows belong together, such as the slices of a patient."""

import datetime
import enum
import itertools
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_npy.errors import cut, warn_once_of
from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.rows.natural_order import differ_by_text, warn_of_natural_order
from keras_npy.rows.pairs import check_beside
from keras_npy.rows.sources import open_rows
from keras_npy.types import Array, Indices, Path

Groups: TypeAlias = Sequence[Any] | Array | Path | Rows | Callable[[str], Hashable]


def read_groups(
    groups: Groups,
    leaves: Sequence[Rows],
    names: Sequence[str],
    indices: range | Indices | None,
    num_rows: int,
    *,
    check_names: bool = True,
) -> Indices:
    """Number the groups of the rows from 0.

    Args:
        groups: One value for each row, in an array, a list or a source; or a function that returns
            the group of a file from its path.
        leaves: The sources of the rows.
        names: What a user calls the rows of the first of them.
        indices: The rows of the sources that count, or `None` for all.
        num_rows: Their number.
        check_names: Whether files of groups must be partners of those of the rows.

    Returns:
        int64 `(num_rows,)`.

    Raises:
        ValueError: If there is not one group for each row, or one is equal to no other.
        TypeError: If groups cannot be compared with each other.
    """
    if callable(groups):
        return _chosen(_groups_of_files(groups, leaves, names), indices)
    is_source = isinstance(groups, str | os.PathLike | Rows)
    source = open_rows(groups) if is_source else None  # type: ignore[arg-type] # A string is a source.
    values = np.asarray(groups if source is None else source)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) not in (num_rows, len(leaves[0])):
        remedy = "Pass an array (N,), the path of one, or a function of a file's path."
        if values.dtype.kind == "U" and all(str(value).endswith(".npy") for value in values.flat):
            remedy = (
                "Names of files are no groups: pass keras_npy.open_rows(groups), which reads them."
            )
        raise ValueError(
            "groups must hold one value for each row. "
            f"Received: {values.dtype} {values.shape} for {num_rows} rows. {remedy}"
        )
    if len(values) == len(leaves[0]):
        _warn_of_paths(values, leaves)
        _check_order(values, leaves)
        if check_names and source is not None:
            check_beside(leaves, source)
        elif check_names:
            _warn_of_order(values, leaves)
    if len(values) != num_rows:
        values = _chosen(values, indices)
    _check_said(values)
    try:
        return np.unique(values, return_inverse=True)[1].astype(np.int64, copy=False)
    except TypeError as error:
        raise TypeError(
            "groups must be values that can be sorted, such as integers or names. "
            f"Received: {error}. Convert them with np.asarray(groups, str)."
        ) from error


def _check_said(values: Array) -> None:
    """Raise if an array does not say of each row where it belongs."""
    if values.dtype.kind == "O":
        said = values.tolist()
        for value in said:
            _check_group(value, "")
        if len(set(map(id, said))) == len(said):
            for value in said:
                _check_comparable(value, "")
        return
    is_missing = np.isnan(values) if values.dtype.kind in "fcmM" else np.zeros(0, bool)
    if is_missing.any():
        raise _not_said(f"{int(is_missing.sum())} {'NaT' if values.dtype.kind in 'mM' else 'NaN'}")


def _not_said(received: str) -> ValueError:
    return ValueError(
        f"groups must say for each row where it belongs. Received: {received}. "
        "Give these rows groups of their own, or leave them out with subset."
    )


def _parts(group: Any) -> Iterator[Any]:
    """A group, or what lies in its tuples."""
    if isinstance(group, tuple):
        for part in group:
            yield from _parts(part)
    else:
        yield group


def _check_group(group: Any, where: str) -> None:
    """Raise if the group of a row, or a part of it, is NaN or NaT.

    Args:
        group: The group.
        where: Of which file, for the message.
    """
    for part in _parts(group):
        if isinstance(part, float | np.floating | np.datetime64 | datetime.date) and part != part:
            raise _not_said(f"{part}{where}")


def _check_comparable(group: Any, where: str) -> None:
    """Raise if a group, or a part of it, is equal only to itself."""
    for part in _parts(group):
        is_single = part is None or isinstance(part, enum.Enum | type)
        equals: object = type(part).__eq__
        if equals is object.__eq__ and not is_single:
            raise ValueError(
                "groups must be values that are equal where rows belong together, such as names. "
                f"Received: {cut(part)}{where}, which is equal only to itself. Give a str, "
                "such as match.group() of a match."
            )


def _warn_of_paths(values: Array, leaves: Sequence[Rows]) -> None:
    is_text = values.dtype.kind in "UO"
    if is_text and any(leaf.file_paths == values.tolist() for leaf in leaves):
        _warn_of_single(leaves[0], values[:3].tolist(), len({*values.tolist()}), len(values))


def _warn_of_single(leaf: Rows, first: Sequence[Hashable], num_groups: int, num_rows: int) -> None:
    """Warn of as many groups as rows, which keep nothing together."""
    if num_groups == num_rows > 2:
        warn_once_of(
            leaf,
            "groups",
            f"{leaf.name}: groups= should give rows that belong together one value. Received: "
            f"{num_groups} different values for {num_rows} rows, such as "
            f"{', '.join(map(cut, first))}. Pass what they have in common, such as the number of "
            "a patient; leave groups= out if each row stands alone.",
        )


def _check_order(values: Array, leaves: Sequence[Rows]) -> None:
    """Raise if groups that are named in the paths of files lie in the order of sorted paths."""
    for leaf in leaves:
        paths = leaf.file_paths
        if paths is None or differ_by_text(paths) is None:
            continue
        names = _names(paths)
        row = _first_not_named(values, names)
        if row is not None and _first_not_named(values, sorted(names)) is None:
            raise ValueError(
                f"{paths[row]}: groups must lie in the order of the rows, which for a pattern is "
                f"natural order. Received: {str(values[row])!r:.100} for this file, as for sorted "
                "paths. Make them from seq.file_paths, or pass a function of a file's path."
            )


def _warn_of_order(values: Array, leaves: Sequence[Rows]) -> None:
    """Warn if an array would hold other groups, had it been made from sorted paths."""
    for leaf in leaves:
        files = leaf.files
        if files is None or not files.are_found or files.are_chosen:
            continue
        by_text = np.array(sorted(range(len(files.paths)), key=files.paths.__getitem__))
        starts = np.cumsum(files.lengths) - files.lengths
        lengths = files.lengths[by_text]
        within = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.repeat(starts[by_text], lengths) + within
        names = np.repeat(np.array(_names(files.paths), object), files.lengths)
        if (
            not _are_same(values, values[np.argsort(rows)])
            and _first_not_named(values, names) is not None
        ):
            warn_of_natural_order(leaf, "groups=")
            return


def _are_same(values: Array, others: Array) -> bool:
    """Whether the same rows belong together, whatever the groups are called."""
    pairs = set(zip(values.tolist(), others.tolist(), strict=True))
    return len(pairs) == len({value for value, _ in pairs})


def _names(paths: Sequence[str]) -> list[str]:
    # Numbers in the path of the folder of all files say nothing.
    start = len(os.path.commonpath(paths))
    return [path[start:] for path in paths]


def _first_not_named(values: Array, paths: Sequence[str] | Array) -> int | None:
    pairs = enumerate(zip(values.tolist(), paths, strict=True))
    return next((row for row, (value, path) in pairs if str(value) not in path), None)


def _chosen(values: Array, indices: range | Indices | None) -> Array:
    if indices is None:
        return values
    return np.asarray(values[rows_at(indices, np.arange(len(indices)))])


def _groups_of_files(
    function: Callable[[str], Hashable], leaves: Sequence[Rows], names: Sequence[str]
) -> Indices:
    lists = [leaf.files for leaf in leaves]
    files = max(
        (files for files in lists if files), key=lambda found: len(found.paths), default=None
    )
    if files is None:
        raise _no_files(leaves, names)
    numbers: dict[Hashable, int] = {}
    of_files = [numbers.setdefault(_group_of(function, path), len(numbers)) for path in files.paths]
    if len(numbers) == len(of_files):
        # An object that several files share is a group, whatever it is equal to.
        for group, path in zip(numbers, files.paths, strict=True):
            _check_comparable(group, f" for {path}")
    first = list(itertools.islice(numbers, 3))
    _warn_of_single(leaves[0], first, len(numbers), int(files.lengths.sum()))
    return np.repeat(np.array(of_files, np.int64), files.lengths)


def _group_of(function: Callable[[str], Hashable], path: str) -> Hashable:
    group = function(path)
    try:
        hash(group)
    except TypeError as error:
        raise ValueError(
            f"{path}: a function for groups= must return a name or a number. Received: "
            f"{type(group).__name__} {cut(group)}. Return a str or a tuple of it."
        ) from error
    _check_group(group, f" for {path}")
    return group


def _no_files(leaves: Sequence[Rows], names: Sequence[str]) -> ValueError:
    on_disk = ((leaf, name) for leaf, name in zip(leaves, names, strict=False) if leaf.io)
    leaf, name = next(on_disk, (leaves[0], None))
    rule = f"{leaf.name}: groups as a function takes the path of the one file that holds a row. "
    if name is None:
        return ValueError(
            f"{rule}Received: rows in memory. Pass an array with the group of each row."
        )
    return ValueError(
        f"{rule}Received: rows that lie in several files each, or partly in memory. Pass the group "
        f"of each row: groups=[function({name}.file_of(i)[0]) for i in range(seq.num_samples)] "
        "takes the file in which each begins. Make the windows of each group apart, as a list: a "
        "window over two of them would be in both."
    )
