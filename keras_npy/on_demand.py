"""Public names are imported when they are asked for, and with Keras those that it must know.

Keras and its backend take seconds and write to standard error. A program that only reads files,
such as `keras-npy convert`, needs neither; one that imports Keras needs our layer and our feed,
whichever of the two packages it imports first.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType

import wrapt


def import_with_keras(modules: Iterable[str]) -> None:
    """Import these modules when Keras is imported: now, if it has been."""
    missing = {"keras", *modules}

    def import_missing(module: ModuleType) -> None:
        missing.discard(module.__name__)
        # One that has begun imports Keras itself, and so has led here: it must end first, and
        # leads here again when it has.
        if not any(name in sys.modules for name in list(missing)):
            for name in sorted(missing):
                importlib.import_module(name)

    for name in sorted(missing):
        wrapt.register_post_import_hook(import_missing, name)


def make_getattr(
    package: str, homes: Mapping[str, str], keras_homes: Mapping[str, str]
) -> Callable[[str], object]:
    """The `__getattr__` (PEP 562) of a package whose names lie in other modules.

    Args:
        package: The package.
        homes: Names, and the modules that define them.
        keras_homes: Those that need Keras.
    """

    def find(name: str) -> object:
        if name in keras_homes:
            # Before the lock of any module of ours is held: a thread that imports Keras holds
            # Keras's while it imports our modules, and the two would wait for each other.
            importlib.import_module("keras")
        home = homes.get(name) or keras_homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(home), name)
        # Found there the next time, without this function.
        setattr(sys.modules[package], name, value)
        return value

    return find
