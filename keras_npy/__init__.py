"""Train Keras models from `.npy` files: the speed of RAM, the memory of a few batches."""

from keras_npy.adapter import NpyDataAdapter
from keras_npy.input_layer import NpyInputLayer
from keras_npy.inputs import Input
from keras_npy.layout import NpyLayoutWarning
from keras_npy.npy_file import NpyFileError
from keras_npy.samples import samples
from keras_npy.sequence import NpySequence
from keras_npy.sources import open_rows
from keras_npy.version import __version__
from keras_npy.windows import windows

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
