"""How much of files lies in the page cache, by a look at some of their pages."""

import os
from collections.abc import Sequence

import numpy as np

from keras_npy.files import advice, mapping
from keras_npy.files.header import NpyHeader

# Pages to look at, over all files. An estimate of a share is then right within 3 %.
LOOKS_MAX = 1024

# Files to open. To open one takes longer than to look at a page of it.
FILES_MAX = 64


def share_in_cache(headers: Sequence[NpyHeader]) -> float | None:
    """The share of the data of some files that is in the page cache; `None` if nobody can tell.

    Nothing is read from a disk for it.
    """
    step = max(1, len(headers) // FILES_MAX)
    looked_at = [header for header in headers[::step] if header.data_bytes]
    shares = [_share_of(header, max(1, LOOKS_MAX // len(looked_at))) for header in looked_at]
    weights = [header.data_bytes for header in looked_at]
    known = [(share, weight) for share, weight in zip(shares, weights, strict=True) if share != -1]
    if not known:
        return None
    return sum(share * weight for share, weight in known) / sum(weight for _, weight in known)


def _share_of(header: NpyHeader, num_looks: int) -> float:
    """The share of one file, or -1 if the system does not say."""
    if not hasattr(os, "RWF_NOWAIT"):
        return -1
    try:
        with header.place.open_unchanged() as file:
            first, size = header.offset_bytes, header.data_bytes
            data = mapping.map_bytes(file.fileno(), first, size, header.name)
            offsets = np.linspace(0, size - 1, min(num_looks, size)).astype(np.int64)
            # `mincore` first: a read that must not wait makes newer kernels read ahead (Linux 6).
            mapped = advice.pages_mapped(data.ctypes.data + offsets)
            are_there = [
                advice.are_resident_in(file.fileno(), [first + offset])
                for offset in offsets[mapped].tolist()
            ]
    except (OSError, ValueError):
        return -1
    return sum(are_there) / len(offsets)
