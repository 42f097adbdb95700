"""Lists of numbers or names: data that are no sources, and that NumPy makes no array of."""

import errno
import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_npy.errors import cut
from keras_npy.rows.arrays import ITEMS_LOOKED_AT, number_names, remedy_of_objects
from keras_npy.rows.no_source import RULE


def check_no_values(sources: Sequence[Any]) -> None:
    """Raise if a list holds lists of unequal length, or names that are no paths.

    Raises:
        TypeError: If they are numbers, or names of which some are there twice.
        FileNotFoundError: If each name is there once, so that all may be paths of missing files.
    """
    items = list(itertools.islice(_leaves(sources), ITEMS_LOOKED_AT))
    are_nested = all(isinstance(source, list | tuple) for source in sources)
    if items and all(isinstance(item, str) for item in items):
        if any(items) and not any(map(_may_be_path, items)):
            raise _no_paths(items, _REMEDY_OF_LISTS if are_nested else number_names("source"))
    elif are_nested and items and all(isinstance(item, _NUMBERS) for item in items):
        try:
            np.asarray(sources)
        except ValueError:
            array = np.empty(len(sources), object)
            array[:] = sources
            remedy = remedy_of_objects(array).replace("(array,", "(source,")
            raise TypeError(
                f"{RULE} Received: a list of {len(sources)} lists of unequal length. {remedy}"
            ) from None


_NUMBERS = (bool, int, float, np.number, np.bool_)

_REMEDY_OF_LISTS = (
    "Number the names, from 1 on, and pad the lists with 0: names = sorted(set(sum(source, []))); "
    "keras.utils.pad_sequences([[names.index(name) + 1 for name in one] for one in source])."
)


def _no_paths(names: Sequence[str], remedy: str) -> Exception:
    if len(set(names)) < len(names):
        return TypeError(
            f"{RULE} Received: a list of names that are no paths, such as {cut(names[0])}. {remedy}"
        )
    missing = f"{os.strerror(errno.ENOENT)} (if these are names, and no paths: {remedy[:-1]})"
    return FileNotFoundError(errno.ENOENT, missing, names[0])


def _leaves(item: Any) -> Iterator[Any]:
    """What stands in lists of lists."""
    for one in item:
        if isinstance(one, list | tuple):
            yield from _leaves(one)
        else:
            yield one


def _may_be_path(name: str) -> bool:
    return (
        "." in name
        or os.sep in name
        or "::" in name
        or glob.has_magic(name)
        or (os.path.lexists(name))
    )
