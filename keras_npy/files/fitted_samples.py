"""Samples of different length, each cropped or padded to one shape when it is read."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, Unpack

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError
from keras_npy.files.archive import split_member
from keras_npy.files.header import NpyHeader
from keras_npy.files.layout import Joined, each_remedy
from keras_npy.files.place import open_regular
from keras_npy.files.reading import read_data
from keras_npy.files.sample_files import turned_remedy
from keras_npy.files.samples import HowToRead, SampleState, SampleStore
from keras_npy.files.store import map_rows
from keras_npy.files.values import as_stored, copy_values
from keras_npy.types import Array, Indices, Path

Crop: TypeAlias = Literal["start", "center", "random"]


@dataclass(frozen=True)
class Fit:
    """How a sample becomes one of the wanted shape.

    Args:
        lengths: Each axis of a sample that is cropped or padded, and its size afterwards.
        pad_value: What stands behind a sample that is too short.
        crop: Which part of a sample that is too long is taken.
    """

    lengths: tuple[tuple[int, int], ...]
    pad_value: float = 0
    crop: Crop = "start"

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that a sample of this shape gets."""
        fitted = list(shape)
        for axis, length in self.lengths:
            fitted[axis] = length
        return tuple(fitted)

    def copy(self, values: Array, out: Array, fractions: Sequence[float]) -> None:
        """Copy a sample into `out`, which has the wanted shape.

        Args:
            values: The sample as it is stored.
            out: The memory of the fitted sample.
            fractions: Where a random crop begins, in 0 <= fraction < 1, for each of `lengths`.
        """
        source = [slice(None)] * out.ndim
        target = [slice(None)] * out.ndim
        for (axis, length), fraction in zip(self.lengths, fractions, strict=True):
            surplus = max(values.shape[axis] - length, 0)
            begin = {"start": 0, "center": surplus // 2}.get(
                self.crop, int(fraction * (surplus + 1))
            )
            source[axis] = slice(begin, begin + length)
            target[axis] = slice(0, values.shape[axis])
        part = values[tuple(source)]
        if part.shape != out.shape:
            out[...] = self.pad_value
        copy_values(part, out[tuple(target)])


class FittedSampleStore(SampleStore):
    """Serves the data of each file as one row of the wanted shape, in C order.

    Args:
        paths: The files.
        pattern: The pattern that found them, if any.
        fit: How samples are cropped and padded.
        **how: As `SampleStore` takes them.

    Raises:
        NpyFileError: As `SampleStore` raises it.
    """

    fit: Fit
    stored_lengths: Indices
    """The sizes of each sample, as it is stored, along the axes that are cropped, `(N, axes)`: of
    those whose headers were looked at when the store was opened, and -1 of the others."""

    def __init__(
        self, paths: Sequence[Path], pattern: Path | None, fit: Fit, **how: Unpack[HowToRead]
    ) -> None:
        self.fit = fit
        super().__init__(paths, pattern, **how)

    def _set_up(self, state: SampleState) -> None:
        super()._set_up(state)
        self.stored_lengths = np.full((self.num_rows, len(self.fit.lengths)), -1, np.int64)
        self._note_shape(0, state.first.shape)
        self.first = dataclasses.replace(
            self.first,
            shape=self.fit.shape_of(self.first.shape),
            dtype=self.first.dtype.newbyteorder("="),
            fortran_order=False,
        )
        self.row_bytes = self.first.data_bytes

    def _note_shape(self, index: int, shape: tuple[int, ...]) -> None:
        self.stored_lengths[index] = [shape[axis] for axis, _ in self.fit.lengths]

    def sizes_at(self, indices: Indices) -> Indices:
        """As `stored_lengths`, of these samples. A header that was not read yet is read now."""
        unknown = indices[(self.stored_lengths[indices] < 0).any(axis=1)]
        for index in unknown.tolist():
            self._note_shape(index, self._check_header(self._paths[index]).shape)
        return self.stored_lengths[indices]

    def _remedy(self, header: NpyHeader, files: Joined) -> str:
        # Samples of different length fit into no common file.
        return each_remedy(header, files)

    def fetch(self, indices: Indices, out: NDArray[np.uint8]) -> None:
        # Outside of a pass the crops are the same each time: those at the middle.
        self.fetch_drawn(indices, out, np.full((len(indices), len(self.fit.lengths)), 0.5))

    def fetch_drawn(
        self, indices: Indices, out: NDArray[np.uint8], fractions: NDArray[np.float64]
    ) -> None:
        """As `fetch`, with the fractions `(b, number of axes)` at which random crops begin."""
        numbers, places = indices.tolist(), fractions.tolist()

        def read(first: int, last: int) -> None:
            for at in range(first, last):
                self._read_fitted(numbers[at], out[at], places[at])

        self._threads.run(read, len(numbers))

    def _read_fitted(self, index: int, out: NDArray[np.uint8], fractions: Sequence[float]) -> None:
        header, data = self._read_whole(index)
        self._check_alike(header)
        self._say_once(index, header)
        fitted = out.view(self.first.dtype).reshape(self.first.shape)
        self.fit.copy(as_stored(data, header), fitted, fractions)

    def _read_whole(self, index: int) -> tuple[NpyHeader, NDArray[np.uint8]]:
        """The header of a file, and its data; of a mapping only what is copied is read."""
        path = self._paths[index]
        archive, member = split_member(path)
        with open_regular(archive) as file:
            self._note(index, os.fstat(file.fileno()))
            if member is None:
                header = self._header_of(index)
                return header, map_rows(header) if self.io == "map" else read_data(header)
            with self._open_member(index, file, archive, member) as opened:
                header = opened.header
                data = np.empty(header.data_bytes, np.uint8)
                opened.read_into(data, header.offset_bytes - header.place.start_bytes)
                return header, data

    def _check_alike(self, header: NpyHeader) -> None:
        first = self._state.first
        is_like_first = len(header.shape) == len(first.shape) and (
            self.fit.shape_of(header.shape) == self.first.shape
        )
        if not is_like_first or header.dtype.newbyteorder("=") != self.first.dtype:
            axes = ", ".join(str(axis) for axis, _ in self.fit.lengths)
            like: list[int | None] = list(first.shape)
            for axis, _ in self.fit.lengths:
                like[axis] = None
            raise NpyFileError(
                f"{header.name}: each sample must have the dtype and shape of the first file, but "
                f"for the axes of length= ({axes}). Received: {first.name} of {first.dtype} "
                f"{first.shape}, this one of {header.dtype} {header.shape}. "
                f"{turned_remedy(header, like)}Convert it, leave it out, or name the axis "
                "in length=."
            )
