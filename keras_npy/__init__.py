"""Train Keras models from `.npy` files: the speed of RAM, the memory of a few batches."""

from keras_npy.boundary.adapter import NpyDataAdapter
from keras_npy.errors import NpyFileError, NpyLayoutWarning
from keras_npy.layer.input import Input
from keras_npy.layer.input_layer import NpyInputLayer
from keras_npy.rows.samples import samples
from keras_npy.rows.sources import open_rows
from keras_npy.rows.windows import windows
from keras_npy.sequence import NpySequence
from keras_npy.version import __version__

__all__ = [
    "Input",
    "NpyDataAdapter",
    "NpyFileError",
    "NpyInputLayer",
    "NpyLayoutWarning",
    "NpySequence",
    "__version__",
    "open_rows",
    "samples",
    "windows",
]
