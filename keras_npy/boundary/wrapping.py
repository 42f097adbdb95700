"""Wrap functions of Keras, each once however often the package is imported."""

import functools
from collections.abc import Callable
from typing import Any

_MARK = "wrapped_by_keras_npy"


def wrap(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a function by a wrapper of it. Do nothing if there is none, or it is wrapped already.

    Args:
        owner: The module or class that has the function; `None` if this Keras has no such owner.
        name: Name of the function.
        make: Makes the wrapper of the function that it is given.
    """
    original = getattr(owner, name, None)
    if original is None or is_wrapped(owner, name):
        return
    wrapper = functools.wraps(original)(make(original))
    setattr(wrapper, _MARK, True)
    setattr(owner, name, wrapper)


def is_wrapped(owner: Any, name: str) -> bool:
    """Whether `wrap` has wrapped the function."""
    return bool(getattr(getattr(owner, name, None), _MARK, False))
