"""Ask the kernel to read the pages of rows that will be needed soon.

If the file is cold, page faults read one page after the other. With advice about the next rows, the
disk has many reads to do at once (`benchmarks/bench_cold.py`). The advice starts the reads and
returns, so it needs no thread that could outlive a pass.
"""

import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.types import Indices

# The number of rows in a block to look at. If all of them are in memory, no advice is given.
RESIDENCY_LOOKS = 16

# The kernel reads no more at one call than its read-ahead for the disk, 128 KiB on most, and drops
# the rest of the advice.
ADVICE_BYTES = 128 << 10

# A mapping up to this size is asked for as a whole. Where all of it is in memory, that takes 19 us,
# and to look at a block of its rows 76 us.
WHOLE_BYTES_MAX = 512 << 10

Look: TypeAlias = Callable[[Sequence[int]], bool]

_LIBC: Any = ctypes.CDLL(None, use_errno=True)
# `mincore` waits for nothing. To give up the interpreter for it would stop this thread until others
# hand it back, at each call.
_LIBC_AT_ONCE: Any = ctypes.PyDLL(None, use_errno=True)

# Reads pages, and fails where a touch of them would end the process (Linux 5.14). Python has no
# name for it.
_MADV_POPULATE_READ = 22


def advise_rows(address: int, row_bytes: int, indices: Indices, look: Look) -> int:
    """Ask for the pages of some rows of a mapping, unless they are in memory already.

    Args:
        address: Address of row 0. The mapping must outlive the call.
        row_bytes: Bytes of a row. The rows are contiguous.
        indices: int64 `(n,)`, in any order.
        look: Returns whether all bytes at these offsets from row 0 are in memory.

    Returns:
        The number of ranges that were asked for.
    """
    return advise_at(
        address + indices * row_bytes,
        row_bytes,
        lambda places: look((indices[places] * row_bytes).tolist()),
    )


def advise_whole(address: int, num_bytes: int) -> None:
    """Ask for all pages of a small mapping, whether they are in memory or not."""
    _advise(*page_ranges(address, num_bytes, np.zeros(1, np.int64)))


def advise_at(addresses: Indices, row_bytes: int, look: Callable[[Indices], bool]) -> int:
    """As `advise_rows`, for rows of any mappings, each at its own address.

    `look` returns whether the rows at these places of `addresses` are all in memory.
    """
    num_looks = min(RESIDENCY_LOOKS, len(addresses))
    places = np.linspace(0, len(addresses) - 1, num_looks).astype(np.int64)
    # Ask `mincore` first. `look` reads a page of a hole without disk access (Linux 6) and finds it
    # present. A page fault on it would make the 8 MiB around it, if the disk reads ahead so much:
    # 1 ms.
    if _may_be_resident(addresses[places]) and look(places):
        return 0
    starts, sizes = page_ranges_at(addresses, row_bytes)
    _advise(starts, sizes)
    return len(starts)


def _advise(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
    for start, size in _taken_at_once(starts, sizes):
        # Ignore the result: if the kernel does not take the advice, only time is lost.
        _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_WILLNEED)


def _may_be_resident(addresses: Indices) -> bool:
    """Whether `mincore` finds these mapped bytes in memory. Only its "no" is reliable."""
    return all(map(_is_mapped_in, addresses.tolist()))


def pages_mapped(addresses: Indices) -> NDArray[np.bool_]:
    """Of each of these mapped bytes, whether `mincore` finds it in memory."""
    return np.array([_is_mapped_in(address) for address in addresses.tolist()], np.bool_)


def _is_mapped_in(address: int) -> bool:
    found = ctypes.c_ubyte()
    page = address // mmap.PAGESIZE * mmap.PAGESIZE
    _LIBC_AT_ONCE.mincore(ctypes.c_void_p(page), ctypes.c_size_t(1), ctypes.byref(found))
    return bool(found.value & 1)


def can_be_read(address: int, num_bytes: int) -> bool:
    """Whether those pages of a mapping that are looked at can be read.

    Where the kernel cannot tell, the result is `False`.
    """
    last = address + num_bytes - 1
    for place in np.linspace(address, last, RESIDENCY_LOOKS).astype(np.int64).tolist():
        page = place // mmap.PAGESIZE * mmap.PAGESIZE
        size = ctypes.c_size_t(mmap.PAGESIZE)
        if _LIBC.madvise(ctypes.c_void_p(page), size, _MADV_POPULATE_READ):
            return False
    return True


def are_resident(path: str, offsets: Iterable[int]) -> bool:
    """Whether the bytes at all these offsets of a file are in memory.

    This reads the bytes. `mincore` alone is not enough: it calls every page resident if the process
    neither owns the file nor may write to it (Linux 5.2). The result is `False` if the file system
    or kernel cannot tell, or if the file has been deleted, which does not harm its mapping.
    """
    return bool(_look(path, offsets))


def mapped_are_resident(path: str, offsets: Iterable[int]) -> bool:
    """As `are_resident`, of bytes that `mincore` has found in memory.

    If the file system cannot tell, as tmpfs, `mincore` is believed where the process may write to
    the file. Advice on 256 rows there takes longer than gathering them.
    """
    found = _look(path, offsets)
    return os.access(path, os.W_OK) if found is None else found


def _look(path: str, offsets: Iterable[int]) -> bool | None:
    """As `are_resident`; `None` if the file system cannot tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _are_read_at_once(descriptor, offsets)
    except OSError as error:  # BlockingIOError: the disk would be read.
        return None if error.errno == errno.EOPNOTSUPP else False
    finally:
        os.close(descriptor)


def are_resident_in(descriptor: int, offsets: Iterable[int]) -> bool:
    """As `are_resident`, for an open file of which `mincore` was not asked."""
    try:
        return _are_read_at_once(descriptor, offsets)
    except OSError:  # BlockingIOError: the disk would be read. EOPNOTSUPP: it cannot tell.
        return False


def _are_read_at_once(descriptor: int, offsets: Iterable[int]) -> bool:
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    byte = [bytearray(1)]
    return all(os.preadv(descriptor, byte, offset, os.RWF_NOWAIT) for offset in offsets)


def advise_file(descriptor: int, offsets: Indices, row_bytes: int) -> None:
    """Ask for the pages of rows at these offsets of an open file, to read them by position."""
    if not hasattr(os, "posix_fadvise"):
        return
    starts, sizes = page_ranges_at(offsets, row_bytes)
    for start, size in _taken_at_once(starts, sizes):
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)


def _taken_at_once(
    starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Cut ranges into pieces of which the kernel takes each as a whole."""
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        for at in range(start, start + size, ADVICE_BYTES):
            yield at, min(ADVICE_BYTES, start + size - at)


def page_ranges(
    address: int, row_bytes: int, indices: Indices
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First byte and size of each run of whole pages that holds the rows, in rising order.

    Example:

    >>> starts, sizes = page_ranges(0, mmap.PAGESIZE, np.array([7, 2, 1]))
    >>> (starts // mmap.PAGESIZE).tolist(), (sizes // mmap.PAGESIZE).tolist()
    ([1, 7], [2, 1])
    """
    return page_ranges_at(address + indices * row_bytes, row_bytes)


def page_ranges_at(
    addresses: Indices, row_bytes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `page_ranges`, for rows that each lie at their own address."""
    first_bytes = np.sort(addresses)
    starts = first_bytes // mmap.PAGESIZE
    stops = (first_bytes + row_bytes - 1) // mmap.PAGESIZE + 1
    # The addresses are sorted and all rows have one size. So a run ends where the first page of
    # the next row lies beyond it.
    begins = np.concatenate(([True], starts[1:] > stops[:-1]))
    ends = np.concatenate((begins[1:], [True]))
    return (
        starts[begins] * mmap.PAGESIZE,
        (stops[ends] - starts[begins]) * mmap.PAGESIZE,
    )
