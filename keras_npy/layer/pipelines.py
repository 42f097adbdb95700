"""Choose the operations for an input: Keras's, or those of the data pipeline around it.

`Dataset.map` passes TensorFlow's symbolic tensors on every Keras backend. A worker process of Grain
should not start JAX, torch or TensorFlow to scale a few pixels.
"""

import os
import sys
import types
from typing import Any

import keras
import ml_dtypes  # Keras depends on it.
import numpy as np

from keras_npy.frames import callers

_GRAIN_FOLDERS = tuple(
    os.path.join("grain", "_src", "python", name) for name in ("dataset", "data_loader")
)


def _cast(array: Any, dtype: str) -> Any:
    return np.asarray(array).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


NUMPY_OPS = types.SimpleNamespace(
    add=np.add,
    cast=_cast,
    expand_dims=np.expand_dims,
    multiply=np.multiply,
    reshape=np.reshape,
    shape=np.shape,
    subtract=np.subtract,
    transpose=np.transpose,
)
"""NumPy under the names that `keras.ops` and `tensorflow` share."""


def pipeline_ops(inputs: Any) -> Any:
    """The operations for `inputs` inside a data pipeline, or `None` for Keras's own."""
    if _is_foreign_symbol(inputs):
        return sys.modules["tensorflow"]
    if isinstance(inputs, np.ndarray | np.generic) and _is_called_by_grain():
        return NUMPY_OPS
    return None


def _is_foreign_symbol(inputs: Any) -> bool:
    """Whether this is TensorFlow's symbolic tensor, while Keras runs on another backend."""
    tensorflow = sys.modules.get("tensorflow")
    return (
        tensorflow is not None
        and keras.backend.backend() != "tensorflow"
        and tensorflow.is_tensor(inputs)
        and not tensorflow.executing_eagerly()
    )


def _is_called_by_grain() -> bool:
    # Grain does not say that it is the caller. Keras's preprocessing layers look for the same
    # folders (Keras 3.15, Grain 0.2). If none is found, Keras computes the same values.
    return "grain" in sys.modules and any(
        folder in frame.f_code.co_filename for frame in callers() for folder in _GRAIN_FOLDERS
    )
