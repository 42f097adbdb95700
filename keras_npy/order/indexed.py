"""`IndexedPasses`: which batches of a shuffled pass were read by their numbers."""

# To look at the only one or two batches again and again is no training.
BATCHES_OF_A_PASS = 3


class IndexedPasses:
    """Notices that batches are read by index, pass after pass, in the order of one and the same.

    Threads may note batches at once: at worst one is missed, and a warning comes later.
    """

    def __init__(self) -> None:
        self._epoch = -1
        self._is_read = bytearray()
        self._num_left = 0
        self._num_whole = 0

    @property
    def has_any(self) -> bool:
        """Whether a batch was read since the last pass ended."""
        return bool(self._is_read)

    def end(self) -> None:
        """Forget the batches: a pass has ended."""
        self._is_read = bytearray()

    def note(self, index: int, epoch: int, num_batches: int) -> bool:
        """Take note of a batch.

        Args:
            index: Its number.
            epoch: The number of its pass.
            num_batches: Batches in a pass.

        Returns:
            Whether all batches of this very pass were read twice before. To look at a few of them,
            however often, is no pass.
        """
        if not self._is_read or epoch != self._epoch:
            self._epoch, self._num_whole = epoch, 0
            self._is_read, self._num_left = bytearray(num_batches), num_batches
        # Another thread may end the pass meanwhile.
        is_read = self._is_read or bytearray(num_batches)
        is_third = self._num_whole >= 2 and num_batches >= BATCHES_OF_A_PASS
        if not is_read[index]:
            is_read[index] = 1
            self._num_left -= 1
            if not self._num_left:
                self._num_whole += 1
                self._is_read, self._num_left = bytearray(num_batches), num_batches
        return is_third
