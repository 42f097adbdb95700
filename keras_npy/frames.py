"""Reads the call stack, for the whole package: no other file does.

Keras does not say which of its methods asks for data, and Grain does not say that it runs a
pipeline. A warning must find the user's line.
"""

import sys
import types
from collections.abc import Callable, Iterator


def callers() -> Iterator[types.FrameType]:
    """The frames that led to the caller, innermost first, without the caller's own frame."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def first_frame(matches: Callable[[types.FrameType], bool]) -> types.FrameType:
    """The innermost frame that matches. In a thread none may match: then the outermost one."""
    for frame in callers():
        if matches(frame):
            break
    return frame


def package_of(frame: types.FrameType) -> str:
    """The top-level package whose code a frame runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
