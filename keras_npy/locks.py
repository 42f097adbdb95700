"""Locks that a forked process finds open, whichever thread of its parent held them."""

import os
import threading
import weakref

# What a thread may hold while another one forks. The process that is forked has no copy of that
# thread, so nobody would ever release the lock: a forked worker that read shards hung, if the
# thread that reads ahead opened one at that moment.
_LOCKS: "weakref.WeakSet[threading.Lock]" = weakref.WeakSet()


def make_lock() -> threading.Lock:
    """A lock for `with`.

    What it protects must be in order at any moment, since a fork may come between two lines.
    """
    # No class of our own around it: Ctrl-C in a method `__enter__` that is written in Python left
    # the lock held for good, in half of the trials (Python 3.11 and 3.13).
    lock = threading.Lock()
    _LOCKS.add(lock)
    return lock


def _renew_all() -> None:
    for lock in list(_LOCKS):
        # So do `threading` and `logging` themselves; there is no public name (Python 3.14).
        lock._at_fork_reinit()  # type: ignore[attr-defined] # Typeshed leaves it out.


os.register_at_fork(after_in_child=_renew_all)
