"""Compute which pass each of Keras's epochs trains, from the epochs that Keras begins."""

from keras_npy.order.position import PassCounter, Position


class Passes:
    """The shuffled passes of one adapter, counted as Keras begins its epochs.

    Only Keras knows which batches train. It also builds feeds only to learn shapes, throws some
    away unused, and a feed reads ahead. So a feed asks where to begin, and asking changes nothing.

    Args:
        counter: Counts the passes of the sequence.
        num_batches: Batches in a pass.
        batches_per_epoch: Batches that Keras trains in an epoch, if the feed is endless. The
            passes of such a feed follow each other, wherever Keras's epochs end.
    """

    def __init__(
        self, counter: PassCounter, num_batches: int, batches_per_epoch: int | None = None
    ) -> None:
        self._counter = counter
        self._num_batches = num_batches
        self._batches_per_epoch = batches_per_epoch
        # The pass that Keras's last epoch began with; for an endless feed, its first epoch.
        self._first: int | None = None
        self._num_epochs = 0
        # The counter before and after the last count, which is taken back if the epoch turns out
        # to be a symbolic build.
        self._counted: tuple[int, int] | None = None

    def position(self) -> Position:
        """Where an iterator begins if it is asked for its first batch now."""
        if self._first is not None:
            return Position(self._first)
        # Keras begins an epoch first, except for a symbolic build (Keras 3.16 on JAX). Otherwise
        # the user iterates by hand, and gets a fresh order each time.
        return Position(self._begin())

    def begin_epoch(self) -> None:
        """Count the passes of an epoch; up to Keras 3.15 it may be a symbolic build."""
        if self._first is None or self._batches_per_epoch is None:
            self._first = self._begin()
        if self._batches_per_epoch is not None:
            self._num_epochs += 1
            num_passes = -(-self._num_epochs * self._batches_per_epoch // self._num_batches)
            self._counter.raise_to(self._first + num_passes)
            self._counted = (self._first, self._counter.epoch)

    def reset(self) -> None:
        """Take the last count back: Keras resets after a symbolic build, which trains nothing."""
        if self._counted is not None:
            before, after = self._counted
            self._counter.take_back(after, before)
        self._first = self._counted = None
        self._num_epochs = 0

    def _begin(self) -> int:
        epoch = self._counter.begin()
        self._counted = (epoch, epoch + 1)
        return epoch
