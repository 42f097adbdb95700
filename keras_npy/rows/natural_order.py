"""Warns where a pattern's natural order of files is beside rows that may lie in another one."""

from collections.abc import Iterator, Sequence

from keras_npy.errors import warn
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.label_order import warn_of_label_order


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
        others = (other for other in leaves if num_files(rows) != num_files(other))
        other = next(others, None)
        if other is not None and warn_of_natural_order(rows, other.name):
            return True
    return False


def warn_of_natural_order(rows: Rows, name: str) -> bool:
    """Warn if patterns give the files of rows in another order than sorted paths.

    Args:
        rows: The rows.
        name: What lies in an order of its own beside them.

    Returns:
        Whether there was a warning.
    """
    differ = filter(None, map(differ_by_text, found_files(rows)))
    path, by_text = next(differ, ("", ""))
    if path:
        warn(
            f"{path}: a pattern gives files in natural order, in which the rows of {name} must lie "
            f"too. Received: {path} in the place where sorted paths have {by_text}. Look at the "
            f"order of {name} first: if it is natural order, check_names=False says so; only if it "
            "was made from sorted paths, pass the paths as a list, sorted(glob.glob(pattern)); "
            f"else pass a list of the paths in the order of {name}."
        )
    return bool(path)


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
