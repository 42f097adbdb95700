"""Lists of numbers or names: data that are no sources, and that NumPy makes no array of."""

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_npy.errors import cut
from keras_npy.rows.arrays import remedy_of_objects

# Items to look at.
ITEMS_LOOKED_AT = 1000

_RULE = "A source must be the path of an .npy file, a list of sources, or a NumPy array. "


def check_no_values(sources: Sequence[Any]) -> None:
    """Raise `TypeError` if a list holds lists of unequal length, or names that are no paths."""
    items = list(itertools.islice(_leaves(sources), ITEMS_LOOKED_AT))
    are_nested = all(isinstance(source, list | tuple) for source in sources)
    if items and all(isinstance(item, str) for item in items):
        if any(items) and not any(map(_may_be_path, items)):
            raise TypeError(
                f"{_RULE}Received: a list of names that are no paths, such as {cut(items[0])}. "
                f"{_REMEDY_OF_LISTS if are_nested else _REMEDY_OF_NAMES}"
            )
    elif are_nested and items and all(isinstance(item, _NUMBERS) for item in items):
        try:
            np.asarray(sources)
        except ValueError:
            array = np.empty(len(sources), object)
            array[:] = sources
            remedy = remedy_of_objects(array).replace("(array,", "(source,")
            raise TypeError(
                f"{_RULE}Received: a list of {len(sources)} lists of unequal length. {remedy}"
            ) from None


_NUMBERS = (bool, int, float, np.number, np.bool_)

_REMEDY_OF_NAMES = "Number the names: np.unique(source, return_inverse=True)[1]."
_REMEDY_OF_LISTS = (
    "Number the names, from 1 on, and pad the lists with 0: names = sorted(set(sum(source, []))); "
    "keras.utils.pad_sequences([[names.index(name) + 1 for name in one] for one in source])."
)


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
