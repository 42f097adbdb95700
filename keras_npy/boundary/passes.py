"""Which passes of a sequence have trained a model: a count from what Keras says of its epochs."""

from keras_npy.feeds.batches import Batches
from keras_npy.sequence import NpySequence


class Passes:
    """Counts the passes of one adapter that train a model.

    Not the one that a symbolic build begins, nor those that an endless feed has begun, but of
    which no batch trains before Keras's epoch ends: `MirroredStrategy` takes several batches ahead
    of their use, and Keras on JAX one for a GPU (Keras 3.15) or two (3.12).

    Apart from the adapter: a method of its own in its `Batches` would be a circle, and the memory
    of its batches would stay until the next garbage collection.

    Args:
        batches_per_epoch: Batches that train in an epoch of Keras's, if the feed is endless.
    """

    def __init__(self, seq: NpySequence, batches: Batches, batches_per_epoch: int | None) -> None:
        self._seq = seq
        self._start_counted_pass = batches.start_pass
        self._note_counted_pass = batches.note_pass
        self._batches_per_epoch = batches_per_epoch
        self._is_shuffled = bool(batches.order.shuffle)
        # A symbolic build takes a batch before fit begins, and fit then resets (Keras 3.15): a
        # pass started before the first reset has trained nothing.
        self._provisional_epoch: int | None = None
        self._was_reset = False
        # Of an endless feed, since Keras reset: the epochs of its first pass and of its last that
        # has begun, and how many of Keras's have. Keras begins one before it takes a batch.
        self._first_epoch: int | None = None
        self._last_epoch = self._num_epochs_begun = 0

    def start(self) -> int:
        """The epoch of a pass that begins now."""
        epoch = self._start_counted_pass()
        self._first_epoch = self._last_epoch = epoch
        if not self._was_reset and self._is_shuffled:
            self._provisional_epoch = epoch
        return epoch

    def note(self, epoch: int) -> None:
        """The first batch of a later pass of an endless feed is handed over."""
        self._last_epoch = epoch
        self._count()

    def begin_epoch(self) -> None:
        """Keras begins an epoch, or the symbolic build."""
        self._num_epochs_begun += 1
        self._count()

    def end_epoch(self, *, is_reset: bool) -> None:
        """Keras has ended an epoch, or begins anew."""
        if is_reset:
            self._first_epoch, self._num_epochs_begun = None, 0
            if self._provisional_epoch is not None:
                self._seq.take_back_pass(self._provisional_epoch)
        self._provisional_epoch = None
        self._was_reset = True

    def _count(self) -> None:
        """Count the passes of an endless feed, up to what Keras's epochs so far can train."""
        if self._batches_per_epoch is None or self._first_epoch is None:
            return
        num_trained = self._num_epochs_begun * self._batches_per_epoch
        num_passes = -(-num_trained // self._seq.num_batches)
        self._note_counted_pass(min(self._last_epoch, self._first_epoch + num_passes - 1))
