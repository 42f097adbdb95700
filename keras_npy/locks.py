"""A lock that a forked process finds open, whichever thread of its parent held it."""

import os
import threading
import weakref

# What a thread may hold while another one forks. The process that is forked has no copy of that
# thread, so nobody would ever release the lock: a forked worker that read shards hung, if the
# thread that reads ahead opened one at that moment.
_LOCKS: "weakref.WeakSet[Lock]" = weakref.WeakSet()


class Lock:
    """A lock for `with`.

    What it protects must be in order at any moment, since a fork may come between two lines.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Be open, whoever held the lock."""
        self._lock = threading.Lock()


def _renew_all() -> None:
    for lock in list(_LOCKS):
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)
