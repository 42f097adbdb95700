"""What lies behind the data of an `.npy` file, besides padding."""

from typing import IO

# Bytes that are read at a time.
PIECE_BYTES = 64 << 10

# Behind so many zeros only the end of the file is looked at.
ZEROS_MAX = 8 << 20


def find_data(file: IO[bytes], start_bytes: int, stop_bytes: int) -> tuple[int, bytes]:
    """Find the first byte behind an array that is no zero.

    Args:
        file: The open file. It is read in one direction only, since it may be unpacked meanwhile.
        start_bytes: Where the array ends.
        stop_bytes: Where the file ends.

    Returns:
        The number of zeros before it, and some bytes from it on; none if all are zeros.
    """
    at = start_bytes
    while at < stop_bytes:
        if at - start_bytes >= ZEROS_MAX:
            at = max(at, stop_bytes - PIECE_BYTES)
        file.seek(at)
        piece = file.read(min(PIECE_BYTES, stop_bytes - at))
        found = piece.lstrip(b"\0")
        if found:
            # The first bytes of what lies here may end in the next piece.
            zeros = at + len(piece) - len(found) - start_bytes
            return zeros, found + file.read(min(PIECE_BYTES, stop_bytes - at - len(piece)))
        if not piece:
            break
        at += len(piece)
    return stop_bytes - start_bytes, b""
