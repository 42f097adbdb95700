"""Do pieces of reading one after the other, or in several threads if each has to be waited for."""

import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_npy.errors import context_of_caller
from keras_npy.locks import make_lock

# Pieces that are read at the same time. Reads from a disk or a network wait more than they compute.
READ_THREADS = 8

# If so many pieces in a row take longer than this, they are large or have to be waited for, and
# threads help. A file in memory takes 5 to 10 us. For such files eight threads take twice as long
# as one, because they wait for Python's lock. On a busy machine, a single piece may take long
# because another process computes.
SLOW_S = 200e-6
LOOKED_AT = 4

# Pieces that are done by one call while they are fast, such as the 4 MB of 80 rows of 48 kB. Each
# call takes 3 us.
TOGETHER_MAX = 32


class SideBySide:
    """Threads that are started when they are first needed, and end with this object."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = -1
        # Both go on from call to call, because a batch may have few pieces.
        self._num_slow = 0
        self._num_together = 1
        self._lock = make_lock()

    def run(self, work: Callable[[int, int], None], number: int) -> None:
        """Do pieces 0 to `number - 1`, in threads while pieces are slow.

        Args:
            work: Does the pieces from one number up to another.
            number: The number of pieces.
        """
        at, before_s = 0, time.perf_counter()
        while at < number:
            stop = min(at + self._num_together, number)
            work(at, stop)
            now_s = time.perf_counter()
            if now_s - before_s > SLOW_S * (stop - at):
                self._num_slow, self._num_together = self._num_slow + 1, 1
            else:
                self._num_slow = 0
                self._num_together = min(self._num_together * 2, TOGETHER_MAX)
            at, before_s = stop, now_s
            if self._num_slow >= LOOKED_AT:
                self._run_in_threads(work, at, number)
                return

    def _run_in_threads(self, work: Callable[[int, int], None], start: int, stop: int) -> None:
        cuts = np.unique(np.linspace(start, stop, READ_THREADS + 1).astype(int))
        context = context_of_caller()
        reads = [
            # Each thread needs a copy: a context runs one function at a time.
            self._threads().submit(context.copy().run, work, *ends)
            for ends in itertools.pairwise(cuts.tolist())
        ]
        # Wait for all reads before raising an error of one, because they write into memory of the
        # caller.
        errors = [read.exception() for read in reads]
        for error in errors:
            if error is not None:
                raise error

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._process != os.getpid():
                # In a forked child the threads of the parent's pool do not exist.
                self._pool = ThreadPoolExecutor(READ_THREADS, "keras_npy-read")
                self._process = os.getpid()
            return self._pool

    def __reduce__(self) -> tuple[Any, ...]:
        return SideBySide, ()
