"""What TensorFlow's C++ prints when it starts: kept from the terminal, where it buries the answer.

TensorFlow 2.21 prints these lines whatever `TF_CPP_MIN_LOG_LEVEL` says: that oneDNN is on, that
there is no CUDA. They go to file descriptor 2, not through Python.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# A process of its own, so that what C++ says before it aborts is shown. It goes on after Ctrl-C,
# as long as somebody can write. Error 303 of CUDA is that there is no driver; others may explain
# why a GPU is not used.
_FILTER = r"""
import re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
noise = rb"WARNING: All log messages before absl|I\d{4} \d\d:|E\d{4} \d\d:.* cuInit: .*303"
for line in sys.stdin.buffer:
    if not re.match(noise, line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""

# From level 2 on TensorFlow says nothing else of what it informs and warns of. A user who sets a
# lower one wants to see these lines.
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# The filter ends with the last process that holds the pipe. A child of ours may outlive us.
_WAIT_S = 1.0


@contextlib.contextmanager
def kept_away() -> Iterator[None]:
    """Within the `with` block, in which Keras is imported, show what is not such a line."""
    level = os.environ.get(_LEVEL)
    if level in ("0", "1") or not _is_open(2):
        yield
        return
    os.environ.setdefault(_LEVEL, "2")
    python_stderr = sys.stderr
    python_stderr.flush()
    # It stays open: loggers that are made in the block keep it.
    shown = os.dup(2)
    process = _begin_filter(shown)
    if python_stderr is sys.__stderr__:
        # What Python says is shown at once, and it may draw bars if this is a terminal.
        sys.stderr = open(shown, "w", buffering=1, errors="backslashreplace", closefd=False)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = python_stderr
        os.dup2(shown, 2)
        if level is None:
            os.environ.pop(_LEVEL, None)
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_WAIT_S)


def _begin_filter(shown: int) -> subprocess.Popen[bytes] | None:
    """Lead file descriptor 2 through the filter, if there can be one more process."""
    read_end, write_end = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER], stdin=read_end, stdout=shown
        )
        os.dup2(write_end, 2)
    except OSError:
        return None
    finally:
        os.close(read_end)
        os.close(write_end)
    return process


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        # A shell has closed it (`2>&-`).
        return False
    return True
