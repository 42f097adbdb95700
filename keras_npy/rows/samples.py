"""`samples`: rows of which each is a file of its own."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_npy.errors import check_bool, check_integer, check_io
from keras_npy.files.fitted_samples import Crop, Fit, FittedSampleStore
from keras_npy.files.header import NpyHeader
from keras_npy.files.sample_files import raise_faults, read_first, unreadable_at_begin
from keras_npy.files.samples import SampleStore
from keras_npy.files.values import as_bytes, copy_values
from keras_npy.rows.base import Rows
from keras_npy.rows.channel_axes import warn_of_channel_axes
from keras_npy.rows.drawn import Draw, DrawnRows
from keras_npy.rows.scratch import Scratch
from keras_npy.rows.sources import expand_all, is_pattern, named_paths
from keras_npy.rows.stored import StoredRows
from keras_npy.types import Array, Indices, Io, Path

# How long the headers of all files are looked at, unless it is asked for. 120 files take 13 ms.
CHECK_S = 1.0


def samples(
    source: Path | Sequence[Path],
    *,
    length: int | Mapping[int, int] | None = None,
    pad_value: float = 0,
    crop: Crop = "start",
    check: bool | None = None,
    unpack: bool = False,
    stored_dtype: str | None = None,
    io: Io = "auto",
) -> Rows:
    """Take each file as one sample.

    The first file sets shape and dtype for all. The others are compared with it now, for as long as
    a second; those that are left are compared when they are read.

    Args:
        source: A pattern (`*`, `?`, `[]`, `**`), whose files come in natural order (`x-2` before
            `x-10`), or a list of paths and patterns, which keeps its order. `"case*.npz::image"`
            takes one member of each archive, compressed or not.
        length: The size of the first axis of a sample, or of any axes: `{0: 128, 2: 64}`. Longer
            samples are cropped, and shorter ones are padded behind their end. `None` for samples
            that all have one shape.
        pad_value: What shorter samples are padded with.
        crop: The part of a longer sample to take: `"start"`, `"center"`, or `"random"`, which takes
            another part in each pass of `fit`. It depends on the seed, the pass and the number of
            the row in the sequence alone, so that images and masks of one size are cropped alike,
            also if only one side is a list or comes through `take`. `subset` and `split` keep it.
            Where sizes and `length` of two sides are in one ratio, such as 2:1 or 160:1, crops
            begin at the same place: at twice the pixel, at the sample where the frame begins.
        check: Whether to compare all files now, however long it takes; `False` for none. `None`
            stops after a second.
        unpack: Whether compressed members may hold more than 16 MiB. Each is unpacked whole each
            time that it is read, at about 100 MB a second.
        stored_dtype: `"bfloat16"` for files whose header says `|V2`, as `open_rows` takes it.
        io: `"auto"` and `"read"` read each file, which needs one call and reports every fault as an
            error. `"map"` maps each file for as long as it is copied.

    Returns:
        Rows for `NpySequence` and `open_rows`. Row i is the array in file i.

    Raises:
        NpyFileError: If nothing matches, files cannot be read or differ from the first one (it
            names all of these), or compressed members are large.
        ValueError: If `length`, `pad_value` or `crop` does not suit the samples.

    Example:

    >>> for number in range(3):
    ...     np.save(f"sample-{number}.npy", np.full((2 + number, 2), number))
    >>> samples("sample-*.npy", length=3, pad_value=9)[:2].tolist()
    [[[0, 0], [0, 0], [9, 9]], [[1, 1], [1, 1], [1, 1]]]
    """
    check_io(io)
    check_bool("unpack", unpack)
    paths, are_found = expand_all(named_paths(source, "samples"))
    pattern = source if isinstance(source, str | os.PathLike) and is_pattern(source) else None
    limit_s = None if check else CHECK_S
    faults = [] if check is False else unreadable_at_begin(paths, stored_dtype, limit_s)
    make: Callable[..., SampleStore] = SampleStore
    if length is not None:
        first, _, _ = read_first(os.fsdecode(paths[len(faults)]), stored_dtype)
        fit = checked_fit(first, length, pad_value, crop)
        make = functools.partial(FittedSampleStore, fit=fit)
    store = make(
        paths[len(faults) :],
        pattern,
        stored_dtype=stored_dtype,
        is_mapped=io == "map",
        unpack=unpack,
        are_found=are_found,
    )
    if check is not False:
        raise_faults(faults, store.faults(limit_s), len(paths))
        if isinstance(store, FittedSampleStore):
            warn_of_channel_axes(store)
    return _rows(store)


def checked_fit(
    first: NpyHeader, length: int | Mapping[int, int], pad_value: float, crop: Crop
) -> Fit:
    """The `Fit` of these arguments of `samples`.

    Raises:
        ValueError: If an argument does not suit the first sample.
        TypeError: If an argument has a wrong type.
    """
    ndim = len(first.shape)
    lengths = dict(length) if isinstance(length, Mapping) else {0: length}
    for axis, size in lengths.items():
        check_integer(f"length of axis {axis!r:.20}", size, at_least=1)
        if not isinstance(axis, int | np.integer) or not -ndim <= axis < ndim:
            raise ValueError(
                "length= names axes of a sample, of which the first is 0. Received: axis "
                f"{axis!r:.50} for {first.name} of shape {first.shape}. "
                f"Name one of its {ndim} axes."
            )
    if crop not in ("start", "center", "random"):
        raise ValueError(
            "crop must be 'start', 'center' or 'random'. "
            f"Received: crop={crop!r:.50}. Leave it out to keep the start of each sample."
        )
    if first.dtype.kind in "biu" and not _holds(first.dtype, pad_value):
        raise ValueError(
            "pad_value must be a value of the dtype of the samples. "
            f"Received: pad_value={pad_value!r:.50} for {first.dtype}. Pass one that it holds."
        )
    by_axis = tuple(sorted((int(axis) % ndim, int(size)) for axis, size in lengths.items()))
    return Fit(by_axis, pad_value, crop)


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether an integer dtype has a value."""
    with np.errstate(invalid="ignore"):
        return bool(np.full((), value).astype(dtype) == value)


def _rows(store: SampleStore) -> Rows:
    first, more = store.first, store.num_rows - 1
    name = first.name + (f" and {more} more sample{'s' * (more > 1)}" if more else "")
    if first.fortran_order:
        return FortranSampleRows(store, name)
    shape = (store.num_rows, *first.shape)
    if isinstance(store, FittedSampleStore):
        kind = CroppedRows if store.fit.crop == "random" else FittedRows
        return kind(store, name=name, shape=shape, stored_dtype=first.dtype)
    return StoredRows(store, name=name, shape=shape, stored_dtype=first.dtype)


class FittedRows(StoredRows):
    """Samples that are cropped and padded to one shape."""

    _store: FittedSampleStore

    @property
    def fit(self) -> Fit:
        """How each sample gets its shape."""
        return self._store.fit

    @property
    def stored_lengths(self) -> Indices:
        """As `FittedSampleStore.stored_lengths`."""
        return self._store.stored_lengths


class CroppedRows(FittedRows, DrawnRows):
    """Samples that are cropped at random."""

    def read_drawn(self, indices: Indices, out: Array, keys: Indices, draw: Draw) -> None:
        drawn = draw(keys, len(self.fit.lengths))
        self._store.fetch_drawn(indices, as_bytes(out), drawn)

    @property
    def crop_lengths(self) -> Indices | None:
        return np.array([length for _, length in self.fit.lengths], np.int64)

    def sizes_at(self, indices: Indices) -> Indices:
        return self._store.sizes_at(indices)


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
