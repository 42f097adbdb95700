"""Which pass an epoch of Keras's trains: arithmetic on the epochs that Keras begins."""

from keras_npy.order.position import PassCounter, Position


class Passes:
    """The shuffled passes of one adapter, counted as Keras begins its epochs.

    Only Keras knows what trains. Feeds are built for shapes alone, thrown away unused and read
    ahead of their use: a feed asks where it begins, and asking changes nothing.

    Args:
        counter: Counts the passes of the sequence.
        num_batches: Batches of a pass.
        batches_per_epoch: Batches that train in an epoch of Keras's, if the feed is endless. Its
            passes follow each other, whatever Keras's epochs are.
    """

    def __init__(
        self, counter: PassCounter, num_batches: int, batches_per_epoch: int | None = None
    ) -> None:
        self._counter = counter
        self._num_batches = num_batches
        self._batches_per_epoch = batches_per_epoch
        # Of an endless feed the pass that the first of Keras's epochs began with, else that of
        # the last one.
        self._first: int | None = None
        self._num_epochs = 0
        # What was counted last, which a symbolic build takes back: the counter before and after.
        self._counted: tuple[int, int] | None = None

    def position(self) -> Position:
        """Where an iterator begins that is asked for its first batch now."""
        if self._first is not None:
            return Position(self._first)
        # Not by Keras, which begins an epoch first, but for a symbolic build (Keras 3.16 on JAX):
        # somebody iterates by hand, and gets a fresh order each time.
        return Position(self._begin())

    def begin_epoch(self) -> None:
        """Keras begins an epoch, or a symbolic build (up to Keras 3.15)."""
        if self._first is None or self._batches_per_epoch is None:
            self._first = self._begin()
        if self._batches_per_epoch is not None:
            self._num_epochs += 1
            num_passes = -(-self._num_epochs * self._batches_per_epoch // self._num_batches)
            self._counter.raise_to(self._first + num_passes)
            self._counted = (self._first, self._counter.epoch)

    def reset(self) -> None:
        """Keras begins anew: what came before was a symbolic build, which trains nothing."""
        if self._counted is not None:
            before, after = self._counted
            self._counter.take_back(after, before)
        self._first = self._counted = None
        self._num_epochs = 0

    def _begin(self) -> int:
        epoch = self._counter.begin()
        self._counted = (epoch, epoch + 1)
        return epoch
