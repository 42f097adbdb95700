"""Where the call stack is looked at: nothing else does.

Keras does not say which of its methods asks for data, nor Grain that it runs a pipeline, and a
warning must find the user's line.
"""

import sys
import types
from collections.abc import Callable, Iterator


def callers() -> Iterator[types.FrameType]:
    """The frames that led here, the innermost first, but for that of the function that asks."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def first_frame(matches: Callable[[types.FrameType], bool]) -> types.FrameType:
    """The innermost frame that matches, or the outermost one if none does, as in a thread."""
    for frame in callers():
        if matches(frame):
            break
    return frame


def package_of(frame: types.FrameType) -> str:
    """The top-level package whose code a frame runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
