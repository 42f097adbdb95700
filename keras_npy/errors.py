"""The package's errors and warnings, and the checks of arguments that several files share."""

import contextvars
import types
import warnings
import weakref
from typing import Any, NamedTuple

import numpy as np

from keras_npy.frames import first_frame, package_of

# A warning points at the user's line, so the search for that line skips frames of these packages.
_PACKAGES = (
    *("keras_npy", "keras", "tensorflow", "jax", "torch"),
    *("contextlib", "functools", "importlib", "threading", "concurrent", "wrapt"),
)

SAID: set[str] = set()
"""The kinds of warning that this process has already given."""

# Of each object that is still there, the kinds of warning that were given about it.
SAID_OF: weakref.WeakKeyDictionary[object, set[str]] = weakref.WeakKeyDictionary()


class NpyFileError(ValueError):
    """A file that cannot be streamed; the first line says which, why and what to do."""


class NpyLayoutWarning(UserWarning):
    """A file that is read correctly, although its layout is slow or unusual.

    Example:

    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", NpyLayoutWarning)
    ...     # Build the sequences whose layout is intended.
    """


def warn_once(kind: str, message: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning that points at the user's line, once per process for each `kind`."""
    if kind not in SAID:
        SAID.add(kind)
        warn(message, category)


def warn_once_of(source: object, kind: str, message: str) -> None:
    """As `warn_once`, once for each `source`: what is wrong with one says nothing of the next."""
    said = SAID_OF.setdefault(source, set())
    if kind not in said:
        said.add(kind)
        warn(message)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning that points at the user's line, which led here."""
    line = _users_line()
    # A stacklevel cannot find it: Python does not count the frames of an import.
    warnings.warn_explicit(
        message, category, line.path, line.number, module=line.module, registry=line.registry
    )


def context_of_caller() -> contextvars.Context:
    """A context for a thread of ours: warnings in it point at the user's line that led here."""
    context = contextvars.copy_context()
    context.run(_LED_HERE.set, _users_line())
    return context


class _Line(NamedTuple):
    """A line of source, as `warnings.warn_explicit` takes it."""

    path: str
    number: int
    module: str
    registry: dict[str | tuple[str, type[Warning], int], int]


# The stack of a thread of ours does not show which line of the user's led to it.
_LED_HERE: contextvars.ContextVar[_Line] = contextvars.ContextVar("_LED_HERE")


def _users_line() -> _Line:
    frame = first_frame(_is_users)
    line = _line_of(frame)
    return line if _is_users(frame) else _LED_HERE.get(line)


def _is_users(frame: types.FrameType) -> bool:
    return package_of(frame) not in _PACKAGES


def _line_of(frame: types.FrameType) -> _Line:
    module = str(frame.f_globals.get("__name__"))
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    return _Line(frame.f_code.co_filename, frame.f_lineno, module, registry)


def cut(value: object) -> str:
    """Format a value for an error message: one printable line of at most 100 characters."""
    if isinstance(value, str):
        text = value.strip().encode("unicode_escape").decode()
    else:
        try:
            text = repr(value)
        except ValueError:  # Python refuses to print an integer of more than 4,300 digits.
            text = "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:97]}..."


def check_real(name: str, dtype: Any, shape: Any) -> None:
    """Raise for a complex dtype of NumPy or any backend: the imaginary part would be lost."""
    # NumPy says "complex64", torch "torch.complex64", TensorFlow "<dtype: 'complex64'>".
    if "complex" in str(dtype):
        raise TypeError(
            "NpyInputLayer takes real values: it would drop the imaginary part of complex ones. "
            f"Received: {name} of {dtype} {shape}. Store the parts as channels, with "
            "np.stack([x.real, x.imag], axis=-1)."
        )


def check_io(io: object) -> None:
    """Raise unless `io` names a way to read files."""
    if io not in ("auto", "map", "read"):
        raise ValueError(
            "io must be 'auto', 'map' or 'read'. "
            f"Received: io={io!r:.100}. Leave it out to let the mount of the file decide."
        )


def check_integer(name: str, value: object, *, at_least: int) -> None:
    """Raise unless `value` is an integer of at least `at_least`; a bool does not count."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(
            f"{name} must be an integer. Received: {name}={value!r:.100} of type "
            f"{type(value).__name__}. Pass a whole number from {at_least}."
        )
    if value < at_least:
        raise ValueError(
            f"{name} must be at least {at_least}. Received: {name}={value}. "
            f"Pass a whole number from {at_least}."
        )


def check_bool(name: str, value: object, remedy: str = "Pass a bool.") -> None:
    """Raise unless `value` is a bool, of Python or NumPy."""
    if not isinstance(value, bool | np.bool_):
        received = f"{value!r}" if isinstance(value, int | float | str) else "an object"
        raise TypeError(
            f"{name} must be True or False. "
            f"Received: {name}={received:.100} of type {type(value).__name__}. {remedy}"
        )
