"""Tensors of TensorFlow over memory of NumPy, without a copy."""

import ctypes
from typing import Any

import numpy as np

from keras_npy.types import Array


def tensor_over(array: Array, owner: object = None) -> Any:
    """A tensor over the memory of an aligned array; it keeps the array alive, and `owner`.

    The array may be read-only. Nothing writes to it: TensorFlow forwards no buffer that a dataset
    captures (TensorFlow 2.21).
    """
    import tensorflow as tf

    # NumPy exports no read-only array by DLPack, and a writable private mapping of a file larger
    # than RAM fails with ENOMEM; so the address of the read-only one is wrapped (NumPy 2.4).
    is_bfloat16 = array.dtype.name == "bfloat16"  # Which NumPy does not export.
    stored = np.dtype(np.uint16) if is_bfloat16 else array.dtype
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owners = (array, owner)  # type: ignore[attr-defined] # A ctypes array takes any attribute.
    exported: Array = np.ndarray(array.shape, stored, buffer=memoryview(memory))
    with tf.device("CPU:0"):
        tensor = tf.experimental.dlpack.from_dlpack(exported.__dlpack__())
        # A bitcast shares the memory.
        return tf.bitcast(tensor, tf.bfloat16) if is_bfloat16 else tensor
