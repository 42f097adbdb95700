"""Locks: open in a process that is forked, and never held for good by Ctrl-C."""

import os
import signal
import threading
from typing import Any

import pytest

from keras_npy.locks import make_lock


class _Interrupt(Exception):
    """What a signal raises, wherever the interpreter is."""


def _interrupt(*_: Any) -> None:
    raise _Interrupt


# JAX warns, if an earlier test of the same process has used it (jax 0.10).
@pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning")
def test_lock_is_open_in_a_process_that_is_forked() -> None:
    """No thread there would release it."""
    lock, later = make_lock(), make_lock()
    lock.acquire()
    child = os.fork()
    if not child:
        os._exit(lock.locked() or not later.acquire(timeout=1))
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert lock.locked()


def test_lock_is_released_wherever_an_interrupt_comes() -> None:
    """Half of the trials left a lock held whose `__enter__` was a function in Python."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        for number in range(200):
            lock = make_lock()
            try:
                # Once more after a second, because Python drops an interrupt that comes while it
                # frees the lock before this one: the test then never ended.
                signal.setitimer(signal.ITIMER_REAL, 2e-4 + 1.37e-5 * (number % 37), 1)
                while True:
                    with lock:
                        pass
            except _Interrupt:
                assert not lock.locked()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
