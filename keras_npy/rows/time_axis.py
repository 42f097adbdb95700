"""Series with a row for each channel, or each recording, whose time runs along axis 1."""

import numpy as np

from keras_npy.errors import warn
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import loaded_by

# 64 channels of EEG are so long after 13 s at 500 Hz. Embeddings and spectra are narrower, and
# features of frames are fewer beside the frames.
_TIMES_LONGER = 100
_STEPS_MIN = 5000


def warn_of_time_on_axis_1(series: Rows, targets: Rows | None) -> None:
    """Warn of windows over what seem to be channels, or recordings of a file each.

    Args:
        series: The series, of which each file and source is one of its own.
        targets: Those of its timesteps: as many say that each row is one.
    """
    if series.ndim != 2 or (targets is not None and len(targets) == len(series)):
        return
    num_rows, num_steps = int(series.shard_lengths.max()), series.shape[1]
    # Pixels of video are as many, beside few frames.
    if num_steps < max(_STEPS_MIN, _TIMES_LONGER * num_rows) or series.dtype == np.uint8:
        return
    each = f"{num_rows} rows of {num_steps} values"
    remedy = f"If time runs along axis 1, {transposed(series)}"
    if series.file_paths is not None and len(series.shard_lengths) < len(series):
        each = f"{num_rows} samples, each a file of {num_steps} values"
        remedy = "If each file is a series, leave samples out: windows(pattern, ...)"
    meant = "join=True"
    if len(series.shard_lengths) > 1:
        # It would also join the series to each other.
        meant = "[windows(path, ..., join=True) for path in paths]"
    warn(
        f"{series.name}: rows of windows are timesteps. Received: {each}. {remedy}; {meant} says "
        "that each is one timestep."
    )


def transposed(series: Rows) -> str:
    """What to pass for series of which each has a row for each channel."""
    if len(series.shard_lengths) > 1:
        return f"as in {series.shape}, pass [np.load(path, mmap_mode='r').T for path in paths]"
    loaded, what = loaded_by(series)
    return f"as in {series.shape}, pass {loaded}.T{what}"
