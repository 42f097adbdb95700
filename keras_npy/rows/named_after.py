"""Samples that a pattern found beside the files they are named after, such as masks."""

import os

from keras_npy.rows.base import Rows


def remedy_of_named_after(rows: Rows, others: Rows) -> str | None:
    """What to do if, without files that are named after others, rows would be as many.

    Args:
        rows: The longer ones.
        others: Those beside them.
    """
    paths = rows.file_paths or []
    stems = {path.removesuffix(".npy") for path in paths}
    # Of `scan1_mask` and `scan1` the first is named after the second.
    after = [path for path in paths if path.removesuffix(".npy").rpartition("_")[0] in stems]
    if not after or len(paths) - len(after) != len(others):
        return None
    ends = {f"_{path.rpartition('_')[2]}" for path in after}
    if len(ends) > 1:
        return None
    (end,) = ends
    first = f"{after[0].removesuffix(end)}.npy"
    return (
        f"{len(after)} of these {len(paths)} files are named after others, as "
        f"{os.path.basename(after[0])} after {os.path.basename(first)}: leave them out, "
        f"samples([path for path in paths if not path.endswith({end!r})])."
    )
