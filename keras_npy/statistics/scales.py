"""Which factor turns stored values into numbers of about one, by their dtype or by their range."""

from typing import Any

import numpy as np

# The least range that is taken for one of so many bits: an integer image uses most of its range.
_BITS = (8, 10, 12, 14, 16)


def natural_scale(dtype: np.dtype[Any]) -> float:
    """The scale that turns the greatest value of an integer dtype into 1; 1 for floats and bool.

    Example:

    >>> 1 / natural_scale(np.dtype("int16"))
    32767.0
    """
    return 1 / int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def greatest_of_range(low: float, high: float) -> int:
    """The greatest value of the least usual range of integers that holds these: 1, 255, 4095.

    Example:

    >>> greatest_of_range(0, 251), greatest_of_range(-1000, 3071), greatest_of_range(0, 1)
    (255, 4095, 1)
    """
    reach = max(abs(low), abs(high))
    if reach <= 1:
        return 1
    return next((2**bits - 1 for bits in _BITS if reach < 2**bits), int(reach))
