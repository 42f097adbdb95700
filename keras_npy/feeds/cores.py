"""How many threads gather batches: as many as help."""

from keras_npy.machine import usable_cores

# One thread gathers about 5 GB/s, two 8 and four 12 (16 cores beside an H100). But threads take the
# interpreter from the one that dispatches steps. With a batch of 3 MB a second thread gains nothing
# there, with one of 12 MB it gathers twice as many batches.
BATCH_BYTES_OF_TWO = 6 << 20
# The model, its dispatch and the system need cores too.
CORES_OF_TWO = 4


def num_readers(batch_bytes: int) -> int:
    """The number of threads that read batches of this size ahead."""
    is_large = batch_bytes >= BATCH_BYTES_OF_TWO
    return 2 if is_large and usable_cores() >= CORES_OF_TWO else 1
