"""Keep the files of a source open to be read, as many as a process may have open."""

import errno
import os
import resource
import time
import weakref
from collections.abc import Sequence

from keras_npy.files.header import NpyHeader
from keras_npy.files.place import Place
from keras_npy.locks import make_lock

# The files of all sources together may take a quarter of the descriptors of a process. A source
# that is opened when they are all taken still gets FILES_MIN.
SHARE_OF_LIMIT = 4
FILES_MIN = 8
FILES_MAX = 4096
# How often, and after what time, a file is opened again if all descriptors are taken.
TRIES = 20
TRY_AGAIN_S = 0.01

# How many descriptors are set aside for each living object.
_SET_ASIDE: "weakref.WeakKeyDictionary[OpenFiles, int]" = weakref.WeakKeyDictionary()
_COUNTING = make_lock()


class OpenFile:
    """An open file, which is closed when nothing refers to this object any more.

    Reading by position changes nothing in a descriptor, so a forked process may use it too.

    Raises:
        NpyFileError: If the file has changed or has been replaced.
    """

    def __init__(self, place: Place) -> None:
        self.descriptor = place.open_descriptor()
        # At exit leave the closing to the system: another finaliser might still read.
        weakref.finalize(self, os.close, self.descriptor).atexit = False


class OpenFiles:
    """The files of one source; those that were read longest ago are closed. From any thread.

    Args:
        headers: The headers of the files.
    """

    def __init__(self, headers: Sequence[NpyHeader]) -> None:
        self._headers = headers
        with _COUNTING:
            # Take half of what is left, so that the next source gets some too.
            share = max(FILES_MIN, (_limit() - sum(_SET_ASIDE.values())) // 2)
            self.files_max = min(len(headers), share)
            _SET_ASIDE[self] = self.files_max
        self._lock = make_lock()
        # In the order of their last use.
        self._open: dict[int, OpenFile] = {}

    def get(self, number: int) -> OpenFile:
        """A file, by its number. It stays open while the caller holds it."""
        if self.files_max == len(self._headers):
            # No file is ever closed.
            return self._open.get(number) or self._keep(number, self._opened(number))
        with self._lock:
            file = self._open.pop(number, None)
            if file is not None:
                self._open[number] = file
        return file or self._keep(number, self._opened(number))

    def close(self) -> None:
        """Close all files that no thread is reading."""
        with self._lock:
            self._open.clear()

    def _opened(self, number: int) -> OpenFile:
        place = self._headers[number].place
        for _ in range(TRIES):
            try:
                return OpenFile(place)
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
            # Something else has taken the descriptors, or other threads, which read from files of
            # this source and close them soon.
            self.close()
            time.sleep(TRY_AGAIN_S)
        return OpenFile(place)

    def _keep(self, number: int, file: OpenFile) -> OpenFile:
        with self._lock:
            if number in self._open:
                # Another thread was faster.
                return self._open[number]
            while len(self._open) >= self.files_max:
                del self._open[next(iter(self._open))]
            self._open[number] = file
            return file


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return FILES_MAX
    return min(FILES_MAX, limit // SHARE_OF_LIMIT)
