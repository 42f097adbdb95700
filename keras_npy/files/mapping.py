"""Map bytes of a file read-only, without keeping a file descriptor.

`mmap.mmap` keeps a duplicate of the descriptor for as long as the mapping lives (CPython 3.11), so
that 1,024 shards would use up a usual limit. The system call needs the descriptor only while it
maps.
"""

import ctypes
import errno
import mmap
import os
import resource
import sys
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBC: Any = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t),
    *(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64),
)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_MAP_FAILED = ctypes.c_void_p(-1).value
# Python's mmap does not define these (3.11). Linux and macOS differ only in NORESERVE.
_PROT_NONE = 0
_MAP_FIXED = 0x10
_MAP_NORESERVE = 0x4000 if sys.platform == "linux" else 0x40


def map_bytes(descriptor: int, offset_bytes: int, size_bytes: int, name: str) -> NDArray[np.uint8]:
    """Map a stretch of an open file. It is unmapped when the last view of the array ends.

    Args:
        descriptor: The open file. It may be closed as soon as this returns.
        offset_bytes: Where the stretch begins, at any byte.
        size_bytes: Its length, at least 1.
        name: What to call the file in an error.

    Returns:
        uint8 `(size_bytes,)`, which cannot be made writable.

    Raises:
        OSError: If the system refuses, for example because there are too many mappings.
    """
    # A mapping must begin at a page.
    ahead_bytes = offset_bytes % mmap.ALLOCATIONGRANULARITY
    mapped_bytes = ahead_bytes + size_bytes
    address = _LIBC.mmap(
        None,
        mapped_bytes,
        mmap.PROT_READ,
        mmap.MAP_SHARED,
        descriptor,
        offset_bytes - ahead_bytes,
    )
    if address == _MAP_FAILED:
        raise _refused(ctypes.get_errno(), name, mapped_bytes)
    return _own(address, mapped_bytes)[ahead_bytes:]


class Reservation:
    """A reserved stretch of addresses, into which files are mapped.

    Files that are mapped at suitable distances can be read as one array. When the last view of
    `bytes` ends, all files are unmapped and the addresses are released.

    Args:
        size_bytes: Length of the stretch. Addresses cost no memory.

    Raises:
        OSError: If the system does not have, or does not allow (RLIMIT_AS), that many addresses.
    """

    bytes: NDArray[np.uint8]
    """uint8 `(size_bytes,)`. Reading a byte to which no file is mapped ends the process."""

    def __init__(self, size_bytes: int) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        address = _LIBC.mmap(None, size_bytes, _PROT_NONE, flags, -1, 0)
        if address == _MAP_FAILED:
            raise _refused(ctypes.get_errno(), "shards", size_bytes)
        self._address = address
        self.bytes = _own(address, size_bytes)

    def map_file(
        self, at_bytes: int, descriptor: int, size_bytes: int, name: str, offset_bytes: int = 0
    ) -> None:
        """Map a stretch of a file at a free place; both begin at a multiple of `mmap.PAGESIZE`."""
        flags = mmap.MAP_SHARED | _MAP_FIXED
        address = self._address + at_bytes
        mapped = _LIBC.mmap(address, size_bytes, mmap.PROT_READ, flags, descriptor, offset_bytes)
        if address != mapped:
            raise _refused(ctypes.get_errno(), name, size_bytes)

    def copy_file(
        self, at_bytes: int, descriptor: int, size_bytes: int, name: str, offset_bytes: int
    ) -> None:
        """Copy a stretch of a file into a page to which no file is mapped.

        Raises:
            OSError: If the file ends too early, or the system has no memory.
        """
        within = at_bytes % mmap.PAGESIZE
        page = self._address + at_bytes - within
        if _LIBC.mprotect(page, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE):
            raise _refused(ctypes.get_errno(), name, mmap.PAGESIZE)
        place = (ctypes.c_char * size_bytes).from_address(page + within)
        if os.preadv(descriptor, [place], offset_bytes) != size_bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        _LIBC.mprotect(page, mmap.PAGESIZE, mmap.PROT_READ)


def _own(address: int, mapped_bytes: int) -> NDArray[np.uint8]:
    """A mapping as an array. It is unmapped when the last view of the array ends."""
    memory = (ctypes.c_char * mapped_bytes).from_address(address)
    # At exit leave the unmapping to the system: another finaliser might still read.
    weakref.finalize(memory, _LIBC.munmap, address, mapped_bytes).atexit = False
    return np.frombuffer(memoryview(memory).toreadonly(), np.uint8)


def _refused(code: int, name: str, size_bytes: int) -> OSError:
    if code != errno.ENOMEM:
        return OSError(code, os.strerror(code), name)
    rule, remedy = _limit_hit(size_bytes)
    return OSError(
        code,
        f"{name}: {rule}. Received: {os.strerror(code)}, where {size_bytes} bytes were to be "
        f"mapped. {remedy}, or pass io='read', which maps nothing",
    )


def _limit_hit(size_bytes: int) -> tuple[str, str]:
    """The limit behind ENOMEM, and how to raise it."""
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    used_bytes, num_maps, maps_max = _usage()
    if limit_bytes != resource.RLIM_INFINITY and used_bytes + size_bytes > limit_bytes:
        return (
            f"this process may use {limit_bytes} bytes of addresses (`ulimit -v`, RLIMIT_AS), and "
            f"uses {used_bytes}",
            "Raise the limit with `ulimit -v unlimited`",
        )
    # A call may need a mapping more than it makes, because it splits one.
    if num_maps + 2 >= maps_max:
        return (
            f"a process may have {maps_max} mappings (vm.max_map_count), and this one has "
            f"{num_maps}",
            "Join shards with `keras-npy convert`, raise the limit with `sysctl vm.max_map_count`",
        )
    return "a mapping needs addresses, and memory for its tables", "Free some of them"


def _usage() -> tuple[int, int, int]:
    """Bytes of addresses and mappings of this process, and how many mappings it may have."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used_bytes = int(file.read().split()[0]) * mmap.PAGESIZE
        with open("/proc/self/maps", "rb") as lines:
            num_maps = sum(1 for _ in lines)
        with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
            return used_bytes, num_maps, int(file.read())
    except OSError:  # Only Linux has these files.
        return 0, 0, sys.maxsize
