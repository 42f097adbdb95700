"""How many threads gather batches: as many as help."""

from keras_npy.machine import usable_cores

# One thread gathers about 7 GB/s, two 13 and four 15 (16 cores beside an H200). But threads take
# the interpreter from the one that dispatches steps, so small batches have one.
LARGE_BATCH_BYTES = 6 << 20

# The model, its dispatch and the system need cores too: the most threads for so many cores.
READERS_BY_CORES = ((8, 3), (4, 2))


def num_readers(batch_bytes: int) -> int:
    """The number of threads that read batches of this size ahead."""
    if batch_bytes < LARGE_BATCH_BYTES:
        return 1
    cores = usable_cores()
    return next((readers for least, readers in READERS_BY_CORES if cores >= least), 1)
