"""Train Keras models from `.npy` files: the speed of RAM, the memory of a few batches."""

from typing import TYPE_CHECKING

from keras_npy.ctrl_c import watch_command

# Before the imports that take longest (hence E402). Only in the command this does something.
watch_command()

from keras_npy.on_demand import import_with_keras, make_getattr  # noqa: E402 # See above.
from keras_npy.version import __version__  # noqa: E402 # See above.

if TYPE_CHECKING:
    from keras_npy.boundary.adapter import NpyDataAdapter
    from keras_npy.callbacks.report import InputReport
    from keras_npy.callbacks.resume import ResumeTraining
    from keras_npy.errors import NpyFileError, NpyLayoutWarning
    from keras_npy.layer.input import Input
    from keras_npy.layer.input_layer import NpyInputLayer
    from keras_npy.rows.base import Rows
    from keras_npy.rows.chosen import take
    from keras_npy.rows.raw import raw
    from keras_npy.rows.samples import samples
    from keras_npy.rows.sources import open_rows
    from keras_npy.rows.windows import windows
    from keras_npy.sequence import NpySequence
    from keras_npy.tools.convert import convert
    from keras_npy.tools.predict import predict_to_npy

__all__ = [
    "Input",
    "InputReport",
    "NpyDataAdapter",
    "NpyFileError",
    "NpyInputLayer",
    "NpyLayoutWarning",
    "NpySequence",
    "ResumeTraining",
    "Rows",
    "__version__",
    "convert",
    "open_rows",
    "predict_to_npy",
    "raw",
    "samples",
    "take",
    "windows",
]

_HOMES = {
    "NpyFileError": "keras_npy.errors",
    "NpyLayoutWarning": "keras_npy.errors",
    "Rows": "keras_npy.rows.base",
    "convert": "keras_npy.tools.convert",
    "open_rows": "keras_npy.rows.sources",
    "raw": "keras_npy.rows.raw",
    "samples": "keras_npy.rows.samples",
    "take": "keras_npy.rows.chosen",
    "windows": "keras_npy.rows.windows",
}
_KERAS_HOMES = {
    "Input": "keras_npy.layer.input",
    "InputReport": "keras_npy.callbacks.report",
    "NpyDataAdapter": "keras_npy.boundary.adapter",
    "NpyInputLayer": "keras_npy.layer.input_layer",
    "NpySequence": "keras_npy.sequence",
    "ResumeTraining": "keras_npy.callbacks.resume",
}
# These need Keras, and Keras needs nothing of them.
_LATER_HOMES = {"predict_to_npy": "keras_npy.tools.predict"}

# Type checkers must not see it: they would take every name as defined.
if not TYPE_CHECKING:
    __getattr__ = make_getattr(__name__, _HOMES, _KERAS_HOMES | _LATER_HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)


import_with_keras(
    [*_KERAS_HOMES.values(), "keras_npy.boundary.wrap", "keras_npy.boundary.tf_keras"]
)
