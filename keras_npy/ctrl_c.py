"""What Ctrl-C does in the command `keras-npy`: a word, and status 130, from the first import on.

A `KeyboardInterrupt` is lost if it is raised in a callback of another library's C++ code, such as
JAX's (`_xla_gc_callback`, JAX 0.7), and within an import it may come back as another error. So the
command takes the signal itself. A program that imports keras_npy keeps its own handler.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Literal, NoReturn

STATUS = 130

When = Literal["at once", "raise", "next batch"]


class _State:
    """Of this process, which the signal hits as a whole."""

    def __init__(self) -> None:
        self.when: When = "at once"
        self.is_watched = False
        self.num_pressed = 0
        # What the user is told of a command that can go on.
        self.again: Callable[[], str] = str


_state = _State()


_is_ending = threading.Lock()


def watch_command() -> None:
    """Take the signal if this process is the command, which has imported nothing yet."""
    is_main = threading.current_thread() is threading.main_thread()
    # A shell lets a command in the background ignore the signal.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_main and is_default and _is_command():
        signal.signal(signal.SIGINT, _take)
        _state.is_watched = True


def is_watched() -> bool:
    """Whether this process is the command."""
    return _state.is_watched


def set_again(again: Callable[[], str] = str) -> None:
    """Set what says whether the same command goes on where this one ends; it imports nothing."""
    _state.again = again


def set_again_beside(note_path: str, words: str) -> None:
    """Say these words of a command that goes on as long as it has a note at a path."""
    set_again(lambda: words if os.path.exists(note_path) else "")


def message() -> str:
    """What is said at the end."""
    return f"keras-npy: interrupted{_state.again()}"


def end_when(when: When) -> None:
    """Set what Ctrl-C does from now on.

    Args:
        when: `"at once"` ends the process, where nothing is lost and nothing lies around; `"raise"`
            raises `KeyboardInterrupt`; `"next batch"` waits for `raise_if_pressed`. In each case
            a second Ctrl-C ends the process at once.
    """
    _state.when = when


def end_at_once_in_compilers() -> None:
    """See the signal also while the main thread is in C++ for seconds, such as to compile."""
    if not _state.is_watched:
        return
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read_fd,), daemon=True).start()


def raise_if_pressed() -> None:
    """Between two batches: raise `KeyboardInterrupt` if Ctrl-C was pressed."""
    if not _state.is_watched:
        return
    end_when("next batch")
    if _state.num_pressed:
        end_when("raise")
        raise KeyboardInterrupt


def end() -> NoReturn:
    """End the process. Threads of JAX and TensorFlow may crash it if it tidies up first."""
    if not _is_ending.acquire(blocking=False):
        # The thread that watches, or a press before, is doing it.
        time.sleep(1)
    try:
        # File descriptor 2 may lead through a filter (tools/backend_noise.py).
        stderr = 2 if sys.stderr is None else sys.stderr.fileno()
        # A bar of progress has hidden the cursor.
        shown = "\x1b[?25h" if os.isatty(stderr) else ""
        os.write(stderr, f"{shown}{message()}\n".encode())
    finally:
        os._exit(STATUS)


def _is_command() -> bool:
    # A program that embeds Python may have no arguments.
    program = next(iter(getattr(sys, "argv", ())), "")
    return os.path.basename(program) == "keras-npy" or sys.orig_argv[1:3] == ["-m", "keras_npy"]


def _take(number: int, frame: FrameType | None) -> None:
    _state.num_pressed += 1
    if _state.when == "at once" or _state.num_pressed > 1:
        end()
    if _state.when == "raise":
        raise KeyboardInterrupt


def _watch(read_fd: int) -> None:
    num_pressed = 0
    while True:
        num_pressed += os.read(read_fd, 1) == bytes([signal.SIGINT])
        if num_pressed and (_state.when == "at once" or num_pressed > 1):
            end()
