"""Warn where classes are numbered in the order of text, and their names hold other numbers."""

import glob
from collections.abc import Sequence

from keras_npy.errors import warn
from keras_npy.rows.sources import natural_order


def code_of_folders(directory: str, names: Sequence[str]) -> str:
    """Code that gives the names of all classes, if all folders that are not hidden are classes."""
    found = [name[:-1] for name in glob.glob("*/", root_dir=directory)]
    if set(found) != set(names):
        return "seq.class_names"
    return f"[name[:-1] for name in glob.glob('*/', root_dir={directory!r})]"


# Names in the order of their numbers, as `natural_order` sorts them.
_BY_NUMBER = (
    "key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r'(\\d+)', name)]"
)


def warn_of_text_order(place: str, names: Sequence[str], code: str = "seq.class_names") -> None:
    """Warn if the names of classes hold numbers that their class numbers do not follow.

    Args:
        place: Where they were found.
        names: In the order of their class numbers, that of text, as Keras sorts them.
        code: What gives all of them, where the call returns `seq`.
    """
    natural = natural_order(names)
    if list(names) == natural:
        return
    at = next(at for at, name in enumerate(natural) if name != names[at])
    of_seq = ", of the sequence that this call returns" if code.startswith("seq") else ""
    warn(
        f"{place}: classes are numbered in the order of their names as text, as Keras numbers "
        f"them. Received: {names[at]!r:.50} as class {at}, which is {natural[at]!r:.50} in the "
        f"order of the numbers. Say which is meant: class_names=sorted({code}) is the order of "
        f"text, class_names=sorted({code}, {_BY_NUMBER}) that of the numbers{of_seq}."
    )
