"""`Position`, where reading begins, and `PassCounter`, how many passes have begun."""

from dataclasses import dataclass

from keras_npy.locks import make_lock


@dataclass(frozen=True)
class Position:
    """A batch of a pass.

    Args:
        epoch: Number of the pass, which decides its order.
        batch: Number of the batch in the pass.
    """

    epoch: int = 0
    batch: int = 0

    def after(self, num_batches: int, batches_per_pass: int) -> "Position":
        """The position `num_batches` batches later, if pass follows pass.

        Example:

        >>> Position(2, 5).after(4, batches_per_pass=7)
        Position(epoch=3, batch=2)
        """
        passes, batch = divmod(self.batch + num_batches, batches_per_pass)
        return Position(self.epoch + passes, batch)


@dataclass(frozen=True)
class Count:
    """What a `PassCounter` holds at one moment.

    Args:
        position: Where the next pass begins.
        is_set: Whether the user has chosen this position, and no pass has begun since.
    """

    position: Position = Position()
    is_set: bool = False


class PassCounter:
    """Counts the shuffled passes that have begun. May be used from any thread.

    Args:
        position: Where the first pass begins.
    """

    def __init__(self, position: Position | None = None) -> None:
        self._lock = make_lock()
        self._count = Count(position or Position())
        self._reached = self._count, self._count.position

    @property
    def count(self) -> Count:
        """The present count. It is another one after each change."""
        return self._count

    @property
    def epoch(self) -> int:
        """The number of the next pass."""
        return self._count.position.epoch

    @property
    def position(self) -> Position:
        """Where the next pass begins. A position that is set holds for the next pass."""
        return self._count.position

    @position.setter
    def position(self, position: Position) -> None:
        with self._lock:
            self._count = Count(position, is_set=True)

    @property
    def reached(self) -> Position:
        """The batch after the last one that `reach` noted, or the next pass if one has begun."""
        count, position = self._reached
        return position if count == self._count else self._count.position

    def reach(self, position: Position) -> None:
        """Note the next batch of the pass that began last."""
        self._reached = self._count, position

    def begin(self, start: Position | None = None) -> Position:
        """Count a pass and return where it begins.

        Args:
            start: Where it begins. `None` for the present position.
        """
        with self._lock:
            start = start or self._count.position
            self._count = Count(Position(start.epoch + 1))
            return start

    def begin_uncounted(self) -> Position:
        """Where a pass in file order begins. The next one begins with its first batch."""
        with self._lock:
            start = self._count.position
            if start.batch:
                self._count = Count(Position(start.epoch))
            return start

    def raise_to(self, epoch: int) -> None:
        """Make sure that the next pass has at least this number."""
        with self._lock:
            if epoch > self._count.position.epoch:
                self._count = Count(Position(epoch))

    def take_back(self, counted: Count, count: Count) -> None:
        """Set the count from `counted` back to `count`, unless another pass has begun since."""
        with self._lock:
            if self._count == counted:
                self._count = count
