"""Where an array in memory lies: in memory, or in the file that it is a view of."""

import mmap
import os
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from keras_npy.types import Array


class Address(NamedTuple):
    """The byte at which an array begins."""

    home: Hashable
    """Its file, as `Places` names it, or memory."""
    start_bytes: int


def address_of(array: Array) -> Address:
    """Where an array begins: in a file, if it is a view of a `np.memmap`, however it was made."""
    begin = array.ctypes.data
    base: Any = array
    while base is not None:
        owner = getattr(base, "base", None)
        # Only the array that was made by mapping has the offset of its own first byte.
        if isinstance(base, np.memmap) and isinstance(owner, mmap.mmap) and base.filename:
            try:
                status = os.stat(base.filename)
            except OSError:
                break
            start_bytes = base.offset + begin - base.ctypes.data
            return Address((status.st_dev, status.st_ino), start_bytes)
        base = owner
    return Address("memory", begin)
