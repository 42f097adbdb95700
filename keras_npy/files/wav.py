"""Where the samples lie in a WAV file, whose chunks of notes may stand before and behind them."""

import os
from typing import BinaryIO

# A header of more chunks is none.
CHUNKS_MAX = 100

# Sizes that stand for "to the end of the file": of a program that wrote to a pipe.
_OPEN_ENDED = (0, 0x7FFFFFFF, 0xFFFFFFFF)

# Files of more than 4 GiB, whose chunk `ds64` holds the size of the samples in 64 bits.
_LARGE = (b"RF64", b"BW64")


def find_samples(file: BinaryIO, size_bytes: int) -> tuple[int, int] | None:
    """Where the samples of a WAV file begin and end; `None` if it is none, or does not say so.

    Reads 8 bytes a chunk, and 8 more of a file of more than 4 GiB.
    """
    descriptor = file.fileno()
    start = os.pread(descriptor, 12, 0)
    is_large = start[:4] in _LARGE
    if not (is_large or start[:4] == b"RIFF") or start[8:] != b"WAVE":
        return None
    at, large_bytes = 12, 0
    for _ in range(CHUNKS_MAX):
        head = os.pread(descriptor, 8, at)
        name, chunk_bytes = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8 or not name.isascii() or not name.decode().isprintable():
            return None
        at += 8
        if name == b"ds64" and is_large:
            # Behind the size of the file.
            large_bytes = int.from_bytes(os.pread(descriptor, 8, at + 8), "little")
        if name == b"data":
            if chunk_bytes == 0xFFFFFFFF and large_bytes:
                chunk_bytes = large_bytes
            end = at + chunk_bytes
            return at, size_bytes if chunk_bytes in _OPEN_ENDED else min(end, size_bytes)
        # A chunk of an odd size has one more byte behind it.
        at += chunk_bytes + chunk_bytes % 2
    return None
