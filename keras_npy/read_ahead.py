"""Ask the kernel for the pages of rows that will be read soon.

A cold file that is read through page faults gives 175 MB/s here; with the next batches' rows
advised ahead, over 1,000 MB/s, because the disk then has many reads to do at once. The advice
starts the reads and returns: no thread is needed that could outlive a pass.
"""

import ctypes
import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.order import Indices

# Places of a block that are looked at: if all are in memory, nothing is asked for. 16 looks
# cost about 20 us a block of up to 128 batches.
RESIDENCY_LOOKS = 16

_LIBC: Any = ctypes.CDLL(None, use_errno=True)


def advise_rows(address: int, row_bytes: int, indices: Indices, *, can_look: bool) -> int:
    """Ask for the pages of some rows of a mapping, unless they are in memory already.

    Args:
        address: Where row 0 lies; the mapping must outlive the call.
        row_bytes: Bytes of a row; rows lie one behind the other.
        indices: int64 `(n,)`, in any order.
        can_look: Whether the kernel tells this process which pages are in memory.

    Returns:
        The number of ranges that were asked for.
    """
    return advise_at(address + indices * row_bytes, row_bytes, can_look=can_look)


def advise_at(addresses: Indices, row_bytes: int, *, can_look: bool) -> int:
    """As `advise_rows`, for rows of any mappings, each at an address of its own."""
    starts, sizes = page_ranges_at(addresses, row_bytes)
    if can_look:
        looks = np.linspace(0, len(starts) - 1, min(RESIDENCY_LOOKS, len(starts))).astype(int)
        if all(is_resident(int(starts[look])) for look in looks):
            return 0
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        # The result is of no use: advice that is not taken costs time, and no rows.
        _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_WILLNEED)
    return len(starts)


def can_look(path: str) -> bool:
    """Whether `mincore` tells this process the truth about a file.

    Linux calls every page resident to who may neither write the file nor owns it (5.2).
    """
    return os.access(path, os.W_OK)


def is_resident(address: int) -> bool:
    """Whether the page at a page's address is in memory, as far as the kernel tells."""
    page = ctypes.c_ubyte(1)
    _LIBC.mincore(ctypes.c_void_p(address), ctypes.c_size_t(1), ctypes.byref(page))
    return bool(page.value & 1)


def page_ranges(
    address: int, row_bytes: int, indices: Indices
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First byte and size of each run of whole pages that the rows lie in, in rising order.

    Example:

    >>> starts, sizes = page_ranges(0, mmap.PAGESIZE, np.array([7, 2, 1]))
    >>> (starts // mmap.PAGESIZE).tolist(), (sizes // mmap.PAGESIZE).tolist()
    ([1, 7], [2, 1])
    """
    return page_ranges_at(address + indices * row_bytes, row_bytes)


def page_ranges_at(
    addresses: Indices, row_bytes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `page_ranges`, for rows each at an address of its own."""
    first_bytes = np.sort(addresses)
    starts = first_bytes // mmap.PAGESIZE
    stops = (first_bytes + row_bytes - 1) // mmap.PAGESIZE + 1
    # Rows rise, and all have one size: a run ends where the next row's first page is beyond it.
    begins = np.concatenate(([True], starts[1:] > stops[:-1]))
    ends = np.concatenate((begins[1:], [True]))
    return (
        starts[begins] * mmap.PAGESIZE,
        (stops[ends] - starts[begins]) * mmap.PAGESIZE,
    )
