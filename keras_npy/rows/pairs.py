"""Whether two sources belong together: as many rows, and files that are partners by name.

Rows are paired by position. If x and y are made of many files each, one file that is missing on one
side pairs all files behind it wrongly. Names show it, `img/7.npy` and `msk/case_007_mask.npy`:
what differs from file to file on one side, the 7, must differ in the same way on the other side.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from keras_npy.errors import warn
from keras_npy.files.store import FileList
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows

# As in natural order: int() refuses very long numbers.
_NUMBERS = re.compile(r"([0-9]{1,18})")

Column: TypeAlias = tuple[str, ...]

FILES_NAMED_MAX = 3

# Rows whose timesteps are compared, from all over two sources.
ROWS_COMPARED = 1000


def check_pairs(leaves: Sequence[Rows], *, check_names: bool) -> None:
    """Raise `ValueError` if sources cannot belong together, row by row.

    Args:
        leaves: The sources whose rows are paired.
        check_names: Whether files must also be partners by their names.
    """
    first, *others = leaves
    for other in others:
        if len(other) != len(first):
            raise _differ_in_length(first, other)
    if not check_names:
        return
    _check_natural_order(leaves)
    # Sources of as many files are compared with the first of them: if two pairs are right, so is
    # the third.
    firsts: dict[int, tuple[Rows, FileList]] = {}
    for rows in leaves:
        files = rows.files
        if files is not None and len(files.paths) > 1:
            first_rows, first_files = firsts.setdefault(len(files.paths), (rows, files))
            if rows is not first_rows:
                _check_files(first_files, files)
    for other in others:
        _check_windows(first, other)


def _check_natural_order(leaves: Sequence[Rows]) -> None:
    """Warn if rows in an order of their own are paired with files that a pattern found."""
    for rows in leaves:
        others = (other for other in leaves if _num_files(rows) != _num_files(other))
        other = next(others, None)
        if other is None:
            continue
        for paths in found_files(rows):
            differs = differ_by_text(paths)
            if differs:
                path, by_text = differs
                warn(
                    f"{path}: a pattern gives files in natural order, in which the rows of "
                    f"{other.name} must lie too. Received: {path} in the place where sorted paths "
                    f"have {by_text}. For rows in another order pass the paths as a list, such as "
                    "sorted(glob.glob(pattern)); check_names=False says that this order is meant."
                )
                return


def found_files(rows: Rows) -> Iterator[Sequence[str]]:
    """The files of rows that patterns found, each pattern for itself."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from found_files(source)
    elif isinstance(rows, ChosenRows):
        # Numbers count files in natural order, whichever of them are chosen.
        yield from found_files(rows.source)
    elif rows.files is not None and rows.files.are_found:
        yield rows.files.paths


def differ_by_text(paths: Sequence[str]) -> tuple[str, str] | None:
    """The first path that is another one in sorted order, and that one; `None` if there is none."""
    pairs = zip(paths, sorted(paths), strict=True)
    return next(((path, other) for path, other in pairs if path != other), None)


def _num_files(rows: Rows) -> list[int]:
    """The number of files, or those of each pattern where some rows are in no file."""
    if rows.files is not None:
        return [len(rows.files.paths)]
    return [len(paths) for paths in found_files(rows)]


def _check_windows(first: Rows, other: Rows) -> None:
    """Raise if windows of two series of one length begin at timesteps that drift apart.

    Those of a series in one file are cut in other places than those of the same series in many.
    """
    if _is_chosen(first) or _is_chosen(other):
        return
    num_rows = min(len(first), len(other))
    rows = np.unique(np.linspace(0, num_rows - 1, ROWS_COMPARED).astype(np.int64))
    begins, other_begins = first.timesteps(rows), other.timesteps(rows)
    if begins.num_steps != other_begins.num_steps or begins.num_steps in (len(first), len(other)):
        return
    apart = other_begins.begins - begins.begins
    differs = np.flatnonzero(apart != apart[0])
    if differs.size:
        at = int(differs[0])
        raise ValueError(
            f"{other.name}: windows that belong together must begin at the same timesteps, or a "
            f"fixed number apart. Received: row {rows[at]} of {first.name} begins at timestep "
            f"{begins.begins[at]}, that of {other.name} at timestep {other_begins.begins[at]}. "
            "Where one series lies in several files, cut the other one alike: windows([take(path, "
            "slice(0, 100)), take(path, slice(100, None))], ...); or pass join=True for one long "
            "series. check_names=False says that the pairs are meant."
        )


def _is_chosen(rows: Rows) -> bool:
    """Whether the user chose among rows by number."""
    if isinstance(rows, JoinedRows):
        return any(map(_is_chosen, rows.sources))
    if isinstance(rows, ForwardingRows):
        return isinstance(rows, ChosenRows) or _is_chosen(rows.source)
    return False


def _check_files(files: FileList, others: FileList) -> None:
    if (files.are_chosen or others.are_chosen) and not set(files.paths).isdisjoint(others.paths):
        # Two views of the same files, by number: pairs for a siamese net.
        return
    verdict = compare_names(files.paths, others.paths)
    if verdict.kind == "partners":
        _check_lengths(files, others, "; check_names=False says that they do not belong together")
    elif verdict.kind != "unknown":
        place = verdict.first
        message = (
            f"{others.paths[place]}: files are paired in order, and their names must agree in the "
            f"numbers and words that differ from file to file. Received: {files.paths[place]} with "
            f"{others.paths[place]}, pair {place + 1} of {len(files.paths)}. "
            f"{_remedy(verdict)}; check_names=False says that the pairs are meant."
        )
        if verdict.kind == "differ":
            raise ValueError(message)
        warn(message)


def _check_lengths(files: FileList, others: FileList, or_else: str = "") -> None:
    differs = np.flatnonzero(files.lengths != others.lengths)
    if differs.size:
        place = int(differs[0])
        remedy = f"Save both again, with the same rows{or_else}."
        if files.paths[place] == others.paths[place]:
            remedy = (
                "start_index and end_index count over all files: cut each for itself, "
                "[windows(path, ...) for path in paths]."
            )
        raise ValueError(
            f"{others.paths[place]}: two files that belong together must have the same number of "
            f"rows. Received: {files.paths[place]} has N={files.lengths[place]}, "
            f"{others.paths[place]} has N={others.lengths[place]}. {remedy}"
        )


def _differ_in_length(first: Rows, other: Rows) -> ValueError:
    received = (
        f"{other.name}: x, y and sample_weight must have the same number of samples on "
        f"axis 0. Received: {first.name} has N={len(first)}, {other.name} has "
        f"N={len(other)}. "
    )
    files, others = first.files, other.files
    if files and others and min(len(files.paths), len(others.paths)) > 1:
        verdict = compare_names(files.paths, others.paths)
        if verdict.alone:
            return ValueError(f"{received}{_remedy(verdict)}.")
        if verdict.kind == "partners":
            _check_lengths(files, others)
    for windows, targets in ((first, other), (other, first)):
        num_steps = windows.timesteps(np.empty(0, np.int64)).num_steps
        if num_steps == len(targets) != len(windows):
            return ValueError(
                f"{received}{targets.name} has a row for each timestep of the windows: pass it as "
                "targets= of windows, which takes those that windows begin with."
            )
    _check_windows(first, other)
    joined, one = (first, other) if len(first) > len(other) else (other, first)
    lengths = joined.shard_lengths
    if len(lengths) > 1 and np.all(lengths == len(one)):
        return ValueError(
            f"{received}A list joins its sources; if they are several inputs or outputs, pass a "
            "tuple or a dict of them."
        )
    return ValueError(
        f"{received}Save matching files; trim the longer one only if its last rows are those "
        "without a partner."
    )


def _remedy(verdict: "Verdict") -> str:
    if not verdict.alone:
        return "List the files of both in the same order"
    named = ", ".join(verdict.alone[:FILES_NAMED_MAX])
    more = len(verdict.alone) - FILES_NAMED_MAX
    return (
        f"Without a partner: {named}{f' and {more} more' if more > 0 else ''}. "
        "Leave these files out, or add their partners"
    )


class Verdict(NamedTuple):
    """What the names of two lists of files say.

    Args:
        kind: `"partners"` if they agree, `"differ"` if they certainly do not, `"doubtful"` if they
            seem not to, `"unknown"` if they cannot be compared.
        first: The first position where they differ.
        alone: Files that are partners of no file on the other side.
    """

    kind: Literal["partners", "differ", "doubtful", "unknown"]
    first: int = 0
    alone: Sequence[str] = ()


NOTHING_KNOWN = Verdict("unknown")


def compare_names(names: Sequence[str], others: Sequence[str]) -> Verdict:
    """Compare the names of files that are paired by position.

    Example:

    >>> compare_names(["case_2.npy", "case_10.npy"], ["002_mask.npy", "010_mask.npy"]).kind
    'partners'
    >>> compare_names(["1.npy", "2.npy", "3.npy"], ["1_mask.npy", "3_mask.npy", "4_mask.npy"])
    Verdict(kind='differ', first=1, alone=['2.npy', '4_mask.npy'])
    """
    folded, other_folded = _folded(names), _folded(others)
    if _middles(folded) == _middles(other_folded):
        return Verdict("partners")
    columns, other_columns, alike, is_certain = _compare(folded, other_folded)
    if _num_distinct(alike) >= min(_num_distinct(columns), _num_distinct(other_columns)):
        return Verdict("partners")
    keys, other_keys = _keys(columns, other_columns)
    known, other_known = set(keys), set(other_keys)
    num_shared = len(known & other_known)
    # A file that is listed twice has two partners, such as the captions of an image.
    are_distinct = len(known) == len(keys) and len(other_known) == len(other_keys)
    if num_shared == 0 or not are_distinct:
        return NOTHING_KNOWN
    alone = [name for name, key in zip(names, keys, strict=True) if key not in other_known]
    alone += [name for name, key in zip(others, other_keys, strict=True) if key not in known]
    pairs = enumerate(zip(keys, other_keys, strict=False))
    first = next((at for at, (key, other) in pairs if key != other), 0)
    # Labels may count from 1 where images count from 0, and forecasts have the file of the next
    # day as their target. Few numbers in common may be a coincidence.
    is_certain &= 2 * num_shared >= min(len(known), len(other_known))
    is_certain &= not _is_shifted(keys, other_keys)
    return Verdict("differ" if is_certain else "doubtful", first, alone)


def _folded(names: Sequence[str]) -> Sequence[str]:
    """The names in small letters, if that makes no two of them one."""
    folded = [name.casefold() for name in names]
    return folded if len(set(folded)) == len(set(names)) else names


def _compare(
    names: Sequence[str], others: Sequence[str]
) -> tuple[list[Column], list[Column], list[Column], bool]:
    """What differs from name to name on each side, what of it is alike, and if that is certain."""
    parts, other_parts = _split(names), _split(others)
    if parts is None or other_parts is None:
        numbers, other_numbers = _numbers(names), _numbers(others)
        whole, other_whole = _whole(names), _whole(others)
        if 2 * len(set(whole) & set(other_whole)) >= min(len(set(whole)), len(set(other_whole))):
            alike = [whole] if whole == other_whole else []
            return [whole], [other_whole], alike, _are_certainly_others(whole, other_whole)
        return [numbers], [other_numbers], [numbers] if numbers == other_numbers else [], False
    columns, other_columns = list(parts.columns), list(other_parts.columns)
    if not _mean_the_same(parts, other_parts):
        alike = [column for column in columns if column in other_columns]
        return columns, other_columns, alike, True
    pairs = zip(columns, other_columns, strict=True)
    alike = [column for column, other in pairs if column == other]
    # Without a word before them, numbers that agree crosswise may be day and month.
    is_certain = any(parts.labels) or set(columns) != set(other_columns)
    return columns, other_columns, alike, is_certain


def _are_certainly_others(names: Column, others: Column) -> bool:
    """Whether names that differ, such as hashes, have other numbers, and no mere addition."""
    pairs = [(one, other) for one, other in zip(names, others, strict=False) if one != other]
    is_added = any(one.startswith(other) or other.startswith(one) for one, other in pairs)
    return not is_added and _numbers(names) != _numbers(others)


def _whole(names: Sequence[str]) -> Column:
    """All that is not common to all names, without the leading zeros of numbers."""
    return tuple(
        _NUMBERS.sub(lambda number: number[0].lstrip("0"), middle) for middle in _middles(names)
    )


def _middles(names: Sequence[str]) -> list[str]:
    """The names without their common beginning and end, which cut no number or word in two."""
    head = _num_common(names)
    while head and names[0][head - 1].isalnum():
        head -= 1
    reversed_names = [name[head:][::-1] for name in names]
    tail = _num_common(reversed_names)
    while tail and reversed_names[0][tail - 1].isalnum():
        tail -= 1
    return [name[head : len(name) - tail] for name in names]


def _num_common(names: Sequence[str]) -> int:
    """The number of characters with which all names begin."""
    least, most = min(names), max(names)
    differs = (at for at, (one, other) in enumerate(zip(least, most, strict=False)) if one != other)
    return next(differs, min(len(least), len(most)))


class _Parts(NamedTuple):
    """What differs from name to name."""

    columns: Sequence[Column]
    """The values of each part that differs, one for each name: numbers or text."""
    labels: Sequence[str]
    """The word before each number, the `s` of `p1_s2`, if it is the same in all names."""


def _split(names: Sequence[str]) -> _Parts | None:
    """What differs from name to name; `None` if some names have more numbers than others."""
    rows = [_NUMBERS.split(name) for name in names]
    if len({len(row) for row in rows}) > 1:
        return None
    parts = list(zip(*rows, strict=True))
    columns, labels = [], []
    for at, column in enumerate(parts):
        if len(set(column)) > 1:
            # Text and numbers alternate. A number counts without its leading zeros.
            values = [text.lstrip("0") for text in column] if at % 2 else _middles(column)
            columns.append(tuple(values))
            labels.append(_label(parts[at - 1]) if at % 2 else "")
    return _Parts(columns, labels)


def _label(texts: Column) -> str:
    """The word with which these texts end, if it is one."""
    words = {re.split(r"[^a-z]", text.lower())[-1] for text in texts}
    return words.pop() if len(words) == 1 else ""


def _mean_the_same(parts: _Parts, others: _Parts) -> bool:
    """Whether part i of one side is certainly part i of the other, and not another part."""
    if parts.labels != others.labels:
        return False
    keys, other_keys = (set(zip(*side.columns, strict=True)) for side in (parts, others))
    return keys == other_keys


def _numbers(names: Sequence[str]) -> Column:
    """All numbers of each name."""
    numbers = ([str(int(number)) for number in _NUMBERS.findall(name)] for name in names)
    # A name without numbers is like no other.
    return tuple(" ".join(found) or name for found, name in zip(numbers, names, strict=True))


def _num_distinct(columns: list[Column]) -> int:
    return len(set(zip(*columns, strict=True)))


def _keys(columns: list[Column], others: list[Column]) -> tuple[list[Column], list[Column]]:
    """One key for each name, of the columns by which both lists can be compared."""
    if len(columns) != len(others):
        # One list says more, such as a date: take the columns that have most in common.
        pairs = [(column, other) for column in columns for other in others]
        best = max(pairs, key=lambda pair: len(set(pair[0]) & set(pair[1])), default=((), ()))
        is_unique = all(len(set(column)) == len(column) for column in best)
        columns, others = ([best[0]], [best[1]]) if is_unique else ([], [])
    return list(zip(*columns, strict=True)), list(zip(*others, strict=True))


def _is_shifted(keys: list[Column], others: list[Column]) -> bool:
    """Whether one number differs by the same amount in all pairs."""
    if len(keys) != len(others) or not all(
        len(key) == 1 and (key[0] or "0").isdecimal() for key in (*keys, *others)
    ):
        return False
    pairs = zip(keys, others, strict=True)
    return len({int(other[0] or 0) - int(key[0] or 0) for key, other in pairs}) == 1
