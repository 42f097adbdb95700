"""Ask the kernel for the pages of rows that will be read soon.

A cold file that is read through page faults waits for one read after the other. With the next
batches' rows advised ahead, the disk has many reads to do at once: `benchmarks/bench_cold.py`.
The advice starts the reads and returns: no thread is needed that could outlive a pass.
"""

import ctypes
import mmap
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Indices

# Rows of a block that are looked at: if all are in memory, nothing is asked for.
RESIDENCY_LOOKS = 16

Look: TypeAlias = Callable[[Sequence[int]], bool]

_LIBC: Any = ctypes.CDLL(None, use_errno=True)


def advise_rows(address: int, row_bytes: int, indices: Indices, look: Look) -> int:
    """Ask for the pages of some rows of a mapping, unless they are in memory already.

    Args:
        address: Where row 0 lies; the mapping must outlive the call.
        row_bytes: Bytes of a row; rows lie one behind the other.
        indices: int64 `(n,)`, in any order.
        look: Says of bytes, counted from row 0, whether all are in memory.

    Returns:
        The number of ranges that were asked for.
    """
    return advise_at(
        address + indices * row_bytes,
        row_bytes,
        lambda places: look((indices[places] * row_bytes).tolist()),
    )


def advise_at(addresses: Indices, row_bytes: int, look: Callable[[Indices], bool]) -> int:
    """As `advise_rows`, for rows of any mappings, each at an address of its own.

    `look` says of places in `addresses` whether all these rows are in memory.
    """
    num_looks = min(RESIDENCY_LOOKS, len(addresses))
    places = np.linspace(0, len(addresses) - 1, num_looks).astype(np.int64)
    # Pages of a hole are not in memory, but can be looked up without a read (Linux 6); to touch
    # one makes the 8 MiB around it, if that is what the disk reads ahead: 1 ms.
    if _may_be_resident(addresses[places]) and look(places):
        return 0
    starts, sizes = page_ranges_at(addresses, row_bytes)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        # The result is of no use: advice that is not taken costs time, and no rows.
        _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_WILLNEED)
    return len(starts)


def _may_be_resident(addresses: Indices) -> bool:
    """Whether `mincore` finds these mapped bytes in memory. It is right if it does not."""
    found = ctypes.c_ubyte()
    for page in (addresses // mmap.PAGESIZE * mmap.PAGESIZE).tolist():
        _LIBC.mincore(ctypes.c_void_p(page), ctypes.c_size_t(1), ctypes.byref(found))
        if not found.value & 1:
            return False
    return True


def are_resident(path: str, offsets: Iterable[int]) -> bool:
    """Whether the bytes at all these offsets of a file are in memory.

    Read, not only looked up with `mincore`, which calls every page resident to who may neither
    write the file nor owns it (Linux 5.2). `False` where a file system or kernel does not tell, and
    where the file has no name any more: it is deleted, but its mapping is as good as before.
    """
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    byte = [bytearray(1)]
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return all(os.preadv(descriptor, byte, offset, os.RWF_NOWAIT) for offset in offsets)
    except OSError:  # BlockingIOError: it would have to be read. EOPNOTSUPP: it does not tell.
        return False
    finally:
        os.close(descriptor)


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
