"""Samples that are cropped along all axes, of which some have their channels on another axis."""

import numpy as np

from keras_npy.errors import warn
from keras_npy.files.archive import MEMBER_MARK
from keras_npy.files.fitted_samples import FittedSampleStore
from keras_npy.types import Mask

# Sides of images that were turned are larger, and no channels.
CHANNELS_MAX = 64

# How many times as long as its channels an image is at least, or a recording.
TIMES_LONGER = 4

# Files that agree are so many of all.
SHARE_ALIKE = 0.5


def warn_of_channel_axes(store: FittedSampleStore) -> None:
    """Warn if channels lie on the first axis of most samples and on the last of some, or reversed.

    These would be cropped to a few rows of pixels, and padded.
    """
    ndim, lengths = len(store.first.shape), dict(store.fit.lengths)
    if ndim < 2 or not {0, ndim - 1} <= lengths.keys():
        return
    axes = list(lengths)
    sizes = store.stored_lengths[(store.stored_lengths >= 0).all(axis=1)]
    for axis, other in ((0, ndim - 1), (ndim - 1, 0)):
        channels = lengths[axis]
        long = TIMES_LONGER * channels
        ours, others = (sizes[:, axes.index(one)] for one in (axis, other))
        is_usual = (ours == channels) & (others >= long)
        is_odd = (others == channels) & (ours >= long)
        is_sure = channels <= CHANNELS_MAX and is_usual.sum() > SHARE_ALIKE * len(sizes)
        if is_sure and is_odd.any():
            _warn(store, axis, other, is_usual, is_odd)


def _warn(store: FittedSampleStore, axis: int, other: int, is_usual: Mask, is_odd: Mask) -> None:
    known = np.flatnonzero((store.stored_lengths >= 0).all(axis=1))
    odd, usual = known[is_odd], known[is_usual]
    paths, lengths = store.files.paths, store.stored_lengths
    path = paths[odd[0]]
    more = f" and in {len(odd) - 1} more" if len(odd) > 1 else ""
    moved = f"np.moveaxis({{}}, {other}, {axis})"
    # A member of an archive is not saved alone.
    code = moved.format("sample")
    if MEMBER_MARK not in path:
        code = f"np.save(path, {moved.format('np.load(path)')})"
    warn(
        f"{path}: samples that are cropped must have their channels on one axis. Received: sizes "
        f"{tuple(lengths[odd[0]].tolist())} here{more}, beside {tuple(lengths[usual[0]].tolist())} "
        f"in {paths[usual[0]]} and most others, so that axis {axis} would be cropped as if it held "
        f"channels. Save such samples again, {code}, or leave them out; check=False takes them as "
        "they are."
    )
