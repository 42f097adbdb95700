"""Make TensorFlow tensors over the memory of NumPy arrays, without a copy."""

import ctypes
from typing import Any

import numpy as np

from keras_npy.types import Array


def tensor_over(array: Array, owner: object = None) -> Any:
    """A tensor over the memory of an aligned array; it keeps the array and `owner` alive.

    The array may be read-only: TensorFlow never reuses a buffer for output that a dataset captures
    (TensorFlow 2.21).
    """
    import tensorflow as tf

    # NumPy does not export a read-only array by DLPack (NumPy 2.4), and a writable private mapping
    # of a file larger than RAM fails with ENOMEM. So wrap the address of the read-only array.
    is_bfloat16 = array.dtype.name == "bfloat16"  # NumPy does not export bfloat16.
    stored = np.dtype(np.uint16) if is_bfloat16 else array.dtype
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owners = (array, owner)  # type: ignore[attr-defined] # A ctypes array takes any attribute.
    exported: Array = np.ndarray(array.shape, stored, buffer=memoryview(memory))
    with tf.device("CPU:0"):
        tensor = tf.experimental.dlpack.from_dlpack(exported.__dlpack__())
        # A bitcast shares the memory.
        return tf.bitcast(tensor, tf.bfloat16) if is_bfloat16 else tensor
