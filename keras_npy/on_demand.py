"""Import public names on first use, and what Keras must know as soon as Keras is imported.

Importing Keras and its backend takes seconds and writes to standard error. A program that only
reads files, such as `keras-npy convert`, needs neither. A program that uses Keras needs our layer
and our feed registered, whichever of the two packages it imports first.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType

import wrapt

if sys.platform == "win32":
    raise ImportError(
        "keras_npy needs Linux or macOS, whose system calls it reads files with. "
        "Received: Windows. Run it in WSL, the Linux that Windows brings: `wsl --install`."
    )


def import_with_keras(modules: Iterable[str]) -> None:
    """Import these modules when Keras is imported, or now if Keras is imported already.

    If another thread has begun to import one of them, importing Keras may return first.
    """
    modules = set(modules)
    # A module begins with its room, which imports Keras before the module itself is known.
    rooms = {module.rpartition(".")[0] for module in modules} - {__package__}
    missing = {"keras", *rooms, *modules}

    def import_missing(module: ModuleType) -> None:
        missing.discard(module.__name__)
        # One of these modules may be the one that is importing Keras. It must finish first; the
        # hook runs again when it has.
        if not any(name in sys.modules for name in list(missing)):
            for name in sorted(missing):
                importlib.import_module(name)

    for name in sorted(missing):
        wrapt.register_post_import_hook(import_missing, name)


def make_getattr(
    package: str, homes: Mapping[str, str], keras_homes: Mapping[str, str]
) -> Callable[[str], object]:
    """The `__getattr__` (PEP 562) of a package whose names are defined in other modules.

    Args:
        package: Name of the package.
        homes: The defining module of each name that needs no Keras.
        keras_homes: The defining module of each name that needs Keras.
    """

    def find(name: str) -> object:
        if name in keras_homes:
            # Import Keras before one of our modules: another thread that imports Keras holds
            # Keras's import lock while it imports our modules. If this thread held the lock of one
            # of them and waited for Keras, the two would wait for each other.
            importlib.import_module("keras")
        home = homes.get(name) or keras_homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(home), name)
        # From now on Python finds the name in the package and does not call this function.
        setattr(sys.modules[package], name, value)
        return value

    return find
