"""Docstrings of public names have the sections that a reader needs."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import keras_npy

# Keras calls these, and their docstrings are Keras's.
_OF_KERAS = ("build", "call", "compute_output", "get_config", "on_", "set_", "save_own", "load_own")


def _public() -> Iterator[tuple[str, Callable[..., Any], str]]:
    for name in keras_npy.__all__:
        item = getattr(keras_npy, name)
        if inspect.isfunction(item):
            yield name, item, item.__doc__ or ""
        elif inspect.isclass(item) and not issubclass(item, Exception):
            if item.__init__ is not object.__init__:
                yield name, item.__init__, item.__doc__ or ""
            for method, value in vars(item).items():
                function = getattr(value, "__func__", value)
                is_public = not method.startswith(("_", *_OF_KERAS))
                if inspect.isfunction(function) and is_public:
                    yield f"{name}.{method}", function, function.__doc__ or ""


@pytest.mark.parametrize(
    ("function", "docstring"), [pytest.param(*rest, id=name) for name, *rest in _public()]
)
def test_public_docstring_names_each_argument(function: Callable[..., Any], docstring: str) -> None:
    """In a section `Args`. Ruff checks the form of the sections, and that none forgets one."""
    parameters = inspect.signature(function).parameters.values()
    # `**others: Never` is there to refuse what people give by habit.
    named = [p.name for p in parameters if p.name not in ("self", "cls", "others")]
    section = docstring.partition("Args:\n")[2]
    assert [] == [name for name in named if not re.search(rf"^ +\**{name}: ", section, re.M)]
