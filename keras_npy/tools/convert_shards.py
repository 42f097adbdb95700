"""Write a source as several plain `.npy` files, and go on where a killed command has stopped."""

import json
import os

import numpy as np

from keras_npy.errors import check_integer
from keras_npy.rows.base import Rows
from keras_npy.rows.cast import cast
from keras_npy.rows.chosen import choose_rows
from keras_npy.rows.fingerprint import fingerprint_of
from keras_npy.rows.sources import Source
from keras_npy.tools.convert import Progress, open_any, write_rows
from keras_npy.tools.new_files import check_new, new_file


def convert_to_shards(
    source: Source,
    path: str | os.PathLike[str],
    num_shards: int,
    *,
    force: bool = False,
    stored_dtype: str | None = None,
    dtype: str | None = None,
    may_round: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Write a source as `num_shards` files: `x-00000-of-00008.npy` and so on for `x.npy`.

    A note of what is written, `x.npy.shards`, lies beside them until all are there. If the command
    is killed, the same command writes only what is missing.

    Args:
        source: As `convert` takes it.
        path: The path from which the names of the shards are made.
        num_shards: How many files, of which each holds a part of the rows, in order.
        force: Whether to replace files.
        stored_dtype: As `convert` takes it.
        dtype: As `convert` takes it.
        may_round: As `convert` takes it.
        progress: As `convert` takes it.

    Returns:
        The paths of the shards.

    Raises:
        FileExistsError: If there are files of these names that no such command has left.
        ValueError: If there are fewer rows than shards, or `dtype` would change a value.
        NpyFileError: If the source cannot be read.
    """
    check_integer("num_shards", num_shards, at_least=1)
    note = check_new(f"{os.fsdecode(path)}.shards", force=True)
    with open_any(source, stored_dtype, os.path.dirname(note)) as rows:
        rows = rows if dtype is None else cast(rows, dtype, may_round=may_round)
        if num_shards > len(rows):
            raise ValueError(
                f"{rows.name}: each shard holds at least one row. Received: {num_shards} shards "
                f"for N={len(rows)}. Ask for fewer."
            )
        paths = name_shards(note.removesuffix(".shards"), num_shards)
        done = _begin(note, rows, paths, force)
        bounds = np.linspace(0, len(rows), num_shards + 1).astype(np.int64).tolist()
        try:
            for shard, start, stop in zip(paths, bounds[:-1], bounds[1:], strict=True):
                if shard not in done:
                    part, shown = choose_rows(rows, range(start, stop)), start * rows.row_bytes
                    write_rows(part, shard, force, _from(progress, shown, rows.nbytes))
        except BaseException:
            if not any(map(os.path.lexists, paths)):
                # There is nothing to go on behind.
                os.unlink(note)
            raise
    os.unlink(note)
    return paths


def name_shards(path: str, num_shards: int) -> list[str]:
    """The names of shards, whose natural order is theirs.

    Example:

    >>> name_shards("x.npy", 2)
    ['x-00000-of-00002.npy', 'x-00001-of-00002.npy']
    """
    stem = path.removesuffix(".npy")
    return [f"{stem}-{number:05}-of-{num_shards:05}.npy" for number in range(num_shards)]


def _begin(note: str, rows: Rows, paths: list[str], force: bool) -> set[str]:
    """Check the files that are there, and note what is written; the shards that are complete."""
    begun = {"source": fingerprint_of([rows]), "shards": [os.path.basename(path) for path in paths]}
    if _read(note) == begun:
        return {path for path in paths if os.path.lexists(path)}
    for path in paths:
        check_new(path, force)
    with new_file(note, force=True) as file:
        file.write(json.dumps(begun).encode())
    return set()


def _read(note: str) -> object:
    try:
        with open(note, "rb") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return None


def _from(progress: Progress | None, start_bytes: int, total_bytes: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(start_bytes + done, total_bytes)
