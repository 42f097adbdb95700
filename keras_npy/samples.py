"""One file is one sample: files are opened when their sample is read, and not before."""

import glob
import os

import numpy as np

from keras_npy import npy_file
from keras_npy.npy_file import NpyFileError
from keras_npy.order import Indices
from keras_npy.rows import Array, Rows


def samples(source: str | os.PathLike[str] | list[str]) -> "SampleRows":
    """Take each file as one sample, all of the shape and dtype of the first."""
    if isinstance(source, list):
        return SampleRows(source)
    return SampleRows(sorted(glob.glob(os.fspath(source), recursive=True)))


class SampleRows(Rows):
    """Rows of which each is the whole array of one file."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = [os.path.abspath(path) for path in paths]
        header = npy_file.read_header(self._paths[0])
        self.name = f"{len(paths)} files from {header.path}"
        self.shape = (len(paths), *header.shape)
        self.dtype = header.dtype.newbyteorder("=")

    def take(self, indices: Indices, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((len(indices), *self.row_shape), self.dtype)
        for position, index in enumerate(indices):
            header = npy_file.read_header(self._paths[index])
            if (header.shape, header.dtype.newbyteorder("=")) != (self.row_shape, self.dtype):
                raise NpyFileError(
                    f"{header.path}: each sample must have the shape and dtype of the first. "
                    f"Received: {header.dtype} {header.shape}, and {self.dtype} "
                    f"{self.row_shape} in {self._paths[0]}. Leave it out, or save it anew."
                )
            out[position] = npy_file.map_data(header)
        return out
