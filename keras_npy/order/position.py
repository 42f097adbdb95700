"""`Position`, where reading begins, and `PassCounter`, how many passes have begun."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """A batch of a pass.

    Args:
        epoch: Number of the pass, which decides its order.
        batch: Number of the batch in the pass.
    """

    epoch: int = 0
    batch: int = 0


class PassCounter:
    """Counts the shuffled passes that have begun. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """The number of the next pass."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        with self._lock:
            self._epoch = epoch

    def begin(self) -> int:
        """Count a pass and return its number."""
        with self._lock:
            self._epoch += 1
            return self._epoch - 1

    def raise_to(self, epoch: int) -> None:
        """Make sure that the next pass has at least this number."""
        with self._lock:
            self._epoch = max(self._epoch, epoch)

    def take_back(self, counted: int, epoch: int) -> None:
        """Set the count from `counted` back to `epoch`, unless another pass has begun since."""
        with self._lock:
            if self._epoch == counted:
                self._epoch = epoch
