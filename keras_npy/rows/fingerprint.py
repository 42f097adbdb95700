"""Tell whether two sets of rows hold the same data, wherever their files lie."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Rows of at most so many bytes are compared whole, which takes 0.1 s.
WHOLE_BYTES_MAX = 64 << 20
# Of more bytes, so many rows are compared: each may be a seek of a cold disk.
SAMPLED_ROWS = 256
HASHED_AT_ONCE_BYTES = 8 << 20
DIGEST_BYTES = 16


def fingerprint_of(leaves: Iterable[Rows]) -> str:
    """A hash of the dtype, the shape and the values of rows.

    Values are compared as they are read. So a copy of a file, the same array in Fortran order, or
    the same rows in shards have the same fingerprint. If one of `leaves` has more than
    `WHOLE_BYTES_MAX` bytes, only its first row, its last row and rows between them are compared.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for rows in leaves:
        digest.update(f"{rows.dtype.str} {rows.shape};".encode())
        for indices in _compared(rows):
            rows.check_unchanged(indices)
            digest.update(rows.take(indices).tobytes())
    return digest.hexdigest()


def fingerprint_of_arrays(arrays: Iterable[Array]) -> str:
    """A hash of the dtypes, the shapes and the values of arrays in memory."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for array in arrays:
        digest.update(f"{array.dtype.name} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _compared(rows: Rows) -> Iterator[Indices]:
    """The numbers of the rows that are compared, some at a time."""
    num_rows = len(rows)
    if rows.nbytes > WHOLE_BYTES_MAX:
        # Floats would not hold the numbers of 1e16 rows.
        steps = max(SAMPLED_ROWS - 1, 1)
        numbers = {num * (num_rows - 1) // steps for num in range(SAMPLED_ROWS)}
        chosen = np.array(sorted(numbers), np.int64)
    else:
        chosen = np.arange(num_rows, dtype=np.int64)
    at_once = max(1, HASHED_AT_ONCE_BYTES // max(rows.row_bytes, 1))
    for first in range(0, len(chosen), at_once):
        yield chosen[first : first + at_once]
