"""`samples`: rows of which each is a file of its own."""

import os
from collections.abc import Sequence

from keras_npy.errors import check_io
from keras_npy.files.samples import SampleStore
from keras_npy.files.values import as_bytes, copy_values
from keras_npy.rows.base import Rows
from keras_npy.rows.scratch import Scratch
from keras_npy.rows.sources import expand, is_pattern
from keras_npy.rows.stored import StoredRows
from keras_npy.types import Array, Indices, Io, Path


def samples(
    source: Path | Sequence[Path], *, stored_dtype: str | None = None, io: Io = "auto"
) -> Rows:
    """Take each file as one sample.

    The first file sets shape and dtype for all. The other files are checked when they are read, so
    that 100,000 files open at once. An error then names a file that differs.

    Args:
        source: A pattern (`*`, `?`, `[]`, `**`), whose files come in natural order (`x-2` before
            `x-10`), or a list of paths, which keeps its order. `"case*.npz::image"` takes one
            member of each archive, compressed or not.
        stored_dtype: `"bfloat16"` for files whose header says `|V2`, as `open_rows` takes it.
        io: `"auto"` and `"read"` read each file, which needs one call and reports every fault as an
            error. `"map"` maps each file for as long as it is copied.

    Returns:
        Rows for `NpySequence` and `open_rows`. Row i is the array in file i.

    Raises:
        NpyFileError: If nothing matches, or the first file cannot be read.

    Example:

    >>> for number in range(3):
    ...     np.save(f"sample-{number}.npy", np.full((2, 2), number))
    >>> samples("sample-*.npy").shape
    (3, 2, 2)
    """
    check_io(io)
    is_mapped = io == "map"
    if isinstance(source, str | os.PathLike):
        pattern = source if is_pattern(source) else None
        paths: Sequence[Path] = [source] if pattern is None else expand(pattern)
        return _rows(SampleStore(paths, pattern, stored_dtype=stored_dtype, is_mapped=is_mapped))
    if isinstance(source, list) and all(isinstance(path, str | os.PathLike) for path in source):
        if source:
            return _rows(SampleStore(source, stored_dtype=stored_dtype, is_mapped=is_mapped))
        raise ValueError(
            "samples needs at least one file. Received: an empty list. Pass the files' paths."
        )
    raise TypeError(
        "samples takes a pattern or a list of paths. "
        f"Received: {type(source).__name__}. Pass 'folder/*.npy', or open one array by its path."
    )


def _rows(store: SampleStore) -> Rows:
    first, more = store.first, store.num_rows - 1
    name = first.name + (f" and {more} more sample{'s' * (more > 1)}" if more else "")
    if first.fortran_order:
        return FortranSampleRows(store, name)
    shape = (store.num_rows, *first.shape)
    return StoredRows(store, name=name, shape=shape, stored_dtype=first.dtype)


class FortranSampleRows(StoredRows):
    """Rows of which each lies in Fortran order in its file."""

    def __init__(self, store: SampleStore, name: str) -> None:
        shape, dtype = (store.num_rows, *store.first.shape), store.first.dtype
        super().__init__(store, name=name, shape=shape, stored_dtype=dtype)
        self._scratch = Scratch()

    def read_into(self, indices: Indices, out: Array) -> None:
        # With its axes reversed, a row is in C order.
        as_it_lies = (len(indices), *reversed(self.row_shape))
        with self._scratch.lend(as_it_lies, self._stored_dtype) as stored:
            self._store.fetch(indices, as_bytes(stored))
            copy_values(stored.transpose(0, *range(stored.ndim - 1, 0, -1)), out)
