"""Compute which pass each of Keras's epochs trains, from the epochs that Keras begins."""

from keras_npy.order.position import Count, PassCounter, Position


class Passes:
    """The passes of one adapter, counted as Keras begins its epochs.

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
        # Where the pass of Keras's last epoch begins; for an endless feed, its first epoch.
        self._first: Position | None = None
        # Batches that the endless feed gave before Keras's last epoch.
        self._num_before = 0
        # The count before and after the last epoch began. It is taken back if that epoch turns out
        # to be a symbolic build.
        self._counted: tuple[Count, Count] | None = None
        # Where the next epoch begins, and how many of its batches trained before a restart.
        self._resumed: tuple[Position, int] | None = None
        self._num_done = 0

    def resume(self, position: Position, num_done: int) -> None:
        """Begin the next epoch here, as the rest of an epoch of which `num_done` batches trained.

        Args:
            position: The first batch that has not trained yet.
            num_done: Batches of Keras's epoch that have trained. It is less than an epoch.
        """
        self._resumed = position, num_done
        self._first = None

    def num_done(self) -> int:
        """Batches that the epoch which begins next leaves out, since they have trained."""
        if self._resumed is not None:
            return self._resumed[1]
        begins_new_pass = self._first is None or self._batches_per_epoch is None
        is_rest = self._batches_per_epoch is None and begins_new_pass
        return self._counter.position.batch if is_rest else 0

    def position(self) -> Position:
        """Where an iterator begins if it is asked for its first batch now."""
        if self._first is not None:
            return self._first
        # Keras begins an epoch first, except for a symbolic build (Keras 3.16 on JAX). Otherwise
        # the user iterates by hand, and gets a fresh order each time.
        return self._begin(None)

    def position_at(self, step: int) -> Position:
        """The position of a batch of Keras's present epoch.

        Args:
            step: Number of the batch in the epoch; the number of batches for the next epoch.
        """
        first = self._first or self._counter.position
        if self._batches_per_epoch is None:
            is_end = step >= self._num_batches
            return self._counter.position if is_end else Position(first.epoch, step)
        num_trained = self._num_before + step - self._num_done
        return first.after(num_trained, self._num_batches)

    def begin_epoch(self, epoch: int | None = None) -> None:
        """Count the passes of an epoch; up to Keras 3.15 it may be a symbolic build.

        Args:
            epoch: Its number in `fit`. `None` if it is not an epoch of `fit`.
        """
        steps = self._batches_per_epoch
        if self._first is not None and steps is not None:
            self._num_before += steps - self._num_done
            self._num_done = 0
        else:
            self._num_before, self._num_done = 0, self.num_done()
            self._first = self._begin(epoch)
        if steps is not None:
            last = self._first.after(
                self._num_before + steps - self._num_done - 1, self._num_batches
            )
            self._counter.raise_to(last.epoch + 1)
            if self._counted is not None:
                self._counted = self._counted[0], self._counter.count

    def reset(self) -> None:
        """Take the last count back: Keras resets after a symbolic build, which trains nothing."""
        if self._counted is not None:
            before, after = self._counted
            self._counter.take_back(after, before)
        self._first = self._counted = None
        self._num_before = self._num_done = 0

    def upcoming(self, epoch: int | None) -> Position:
        """Where the next epoch begins, if it begins a pass.

        Args:
            epoch: Its number in `fit`. `None` if it is not an epoch of `fit`.
        """
        if self._resumed is not None:
            return self._resumed[0]
        count = self._counter.count
        if not epoch or count.is_set or self._counted is not None:
            return count.position
        # The epochs before the first one of `fit(initial_epoch=...)` were trained by another
        # `fit`, perhaps in another process.
        num_before = epoch * (self._batches_per_epoch or self._num_batches)
        return Position().after(num_before, self._num_batches)

    def _begin(self, epoch: int | None) -> Position:
        before = self._counter.count
        start = self._counter.begin(self.upcoming(epoch))
        self._resumed = None
        self._counted = before, self._counter.count
        return start
