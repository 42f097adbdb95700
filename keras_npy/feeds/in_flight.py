"""Host memory that a device still copies from, and must not be lent again yet."""

import collections
from collections.abc import Callable
from typing import Any

# Chunks whose copies nobody waits for: the next one is gathered meanwhile.
IN_FLIGHT_MAX = 2


class InFlight:
    """The copies of one feed that have begun. Several threads may use it at once.

    Args:
        is_done: Whether a copy has ended.
        wait: Waits for the end of a copy.
    """

    def __init__(self, is_done: Callable[[Any], bool], wait: Callable[[Any], None]) -> None:
        self._is_done, self._wait = is_done, wait
        self._copies: collections.deque[tuple[Any, Any]] = collections.deque()

    def add(self, copy: Any, memory: object) -> None:
        """Keep the memory that a copy reads until it has ended, and let go of that of others."""
        self._copies.append((copy, memory))
        while len(self._copies) > IN_FLIGHT_MAX or self._is_first_done():
            self._end_first()

    def drain(self) -> None:
        """Wait for all copies."""
        while self._copies:
            self._end_first()

    def _is_first_done(self) -> bool:
        try:
            return self._is_done(self._copies[0][0])
        except IndexError:
            return False

    def _end_first(self) -> None:
        try:
            copy, memory = self._copies.popleft()
        except IndexError:  # Another thread was faster.
            return
        self._wait(copy)
        del memory
