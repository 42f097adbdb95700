"""Warns where a pattern's natural order of files is beside rows that may lie in another one."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_npy.errors import warn
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.joined import JoinedRows, sources_of
from keras_npy.rows.label_order import warn_of_label_order
from keras_npy.types import Array

# Labels are read, and images are not: no two of these are the same.
_BYTES_MAX = 1 << 20
_ROW_BYTES_MAX = 1 << 10
_FILES_MAX = 64


def check_natural_order(leaves: Sequence[Rows]) -> None:
    """Warn if rows in an order of their own are paired with files that a pattern found."""
    if _differs_by_text(leaves):
        return
    for rows in leaves:
        for other in leaves:
            in_own_order = other is not rows and num_files(other) in ([], [1])
            if in_own_order and warn_of_label_order(rows, other):
                return


def _differs_by_text(leaves: Sequence[Rows]) -> bool:
    for rows in leaves:
        others = [other for other in leaves if num_files(rows) != num_files(other)]
        # To sort the paths of many files takes a while.
        differ = _first_by_text(rows) if others else None
        for other in others:
            if differ is not None and not _is_alike_in_both(rows, other):
                _warn(*differ, other.name)
                return True
    return False


def warn_of_natural_order(rows: Rows, name: str) -> None:
    """Warn if patterns give the files of rows in another order than sorted paths.

    Args:
        rows: The rows.
        name: What lies in an order of its own beside them.
    """
    differ = _first_by_text(rows)
    if differ is not None:
        _warn(*differ, name)


def _first_by_text(rows: Rows) -> tuple[str, str] | None:
    """As `differ_by_text`, of the files that patterns found."""
    return next(filter(None, map(differ_by_text, found_files(rows))), None)


def _warn(path: str, by_text: str, name: str) -> None:
    warn(
        f"{path}: a pattern gives files in natural order, in which the rows of {name} must lie "
        f"too. Received: {path} in the place where sorted paths have {by_text}. Look at the "
        f"order of {name} first: if it is natural order, check_names=False says so; only if it "
        "was made from sorted paths, pass the paths as a list, sorted(glob.glob(pattern)); "
        f"else pass a list of the paths in the order of {name}."
    )


def _is_alike_in_both(rows: Rows, beside: Rows) -> bool:
    """Whether the order of sorted paths gives each row the same values beside it."""
    if len(beside) * beside.row_bytes > _BYTES_MAX or beside.row_bytes > _ROW_BYTES_MAX:
        return False
    files = beside.files_beneath
    if files is not None and len(files.paths) > _FILES_MAX:
        return False
    values = beside[:].reshape(len(beside), -1)
    first = 0
    for source in sources_of(rows):
        if not _is_alike(source, values[first : first + len(source)]):
            return False
        first += len(source)
    return True


def _is_alike(source: Rows, values: Array) -> bool:
    """Whether the values beside a source are the same in the order of its sorted paths."""
    if np.all(values == values[:1]) or all(
        differ_by_text(one) is None for one in found_files(source)
    ):
        return True
    files = source.files
    if files is None or files.are_chosen:
        return False
    stops = np.cumsum(files.lengths)
    of_files = [np.arange(*span) for span in zip(stops - files.lengths, stops, strict=True)]
    by_text = sorted(range(len(of_files)), key=files.paths.__getitem__)
    return bool(np.array_equal(values[np.concatenate([of_files[at] for at in by_text])], values))


def found_files(rows: Rows) -> Iterator[Sequence[str]]:
    """The files of rows that patterns found, each pattern for itself."""
    if isinstance(rows, JoinedRows):
        for source in rows.sources:
            yield from found_files(source)
    elif isinstance(rows, ChosenRows):
        # Numbers count files in natural order, whichever of them are chosen.
        yield from found_files(rows.source)
    else:
        files = rows.files_beneath
        if files is not None and files.are_found:
            yield files.paths


def differ_by_text(paths: Sequence[str]) -> tuple[str, str] | None:
    """The first path that is another one in sorted order, and that one; `None` if there is none."""
    pairs = zip(paths, sorted(paths), strict=True)
    return next(((path, other) for path, other in pairs if path != other), None)


def num_files(rows: Rows) -> list[int]:
    """The number of files, or those of each pattern where some rows are in no file."""
    files = rows.files_beneath
    if files is not None:
        return [len(files.paths)]
    return [len(paths) for paths in found_files(rows)]
