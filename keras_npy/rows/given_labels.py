"""Labels that a user gives for the files of a directory: in a list, or by name."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import warn
from keras_npy.rows.label_order import order_of_labels

LabelsOfFiles: TypeAlias = (
    Literal["inferred"] | Sequence[int] | Mapping[str, int] | NDArray[np.integer[Any]] | None
)


def labels_of_files(
    labels: object, paths: list[str], directory: str, suffix: str
) -> NDArray[np.int32]:
    """The label of each file, int32 `(N,)`.

    Args:
        labels: A list of one label per file in the order of the files, or the label of each name.
        paths: The files of the directory, in natural order.
        directory: The directory.
        suffix: How the names of its files end.

    Raises:
        ValueError: If it is not certain which label belongs to which file.
        TypeError: If these are no labels.
    """
    if isinstance(labels, Mapping):
        labels = _labels_by_name(labels, paths, directory)
    given = _checked_labels(labels)
    if len(given) != len(paths):
        raise ValueError(
            f"labels must hold one label per {suffix} file of the directory. "
            f"Received: {len(given)} labels for {len(paths)} files in {directory}. "
            "Pass a dict with the label of each file name."
        )
    if not isinstance(labels, _ByName):
        _check_order(paths, given, directory)
    return given


class _ByName(list[Any]):
    """Labels that were given by file name, in the order of the files."""


def _labels_by_name(labels: Mapping[Any, Any], paths: list[str], directory: str) -> "_ByName":
    """The label of each file, by its path in the directory, or by its name if no other has it."""
    relative = [os.path.relpath(path, directory) for path in paths]
    counts = Counter(map(os.path.basename, relative))
    known = {*relative, *counts}
    left = {_relative(name, known, directory): label for name, label in labels.items()}
    found = _ByName()
    for path in relative:
        base = os.path.basename(path)
        name = base if base in left and path not in left and counts[base] == 1 else path
        if name not in left:
            raise ValueError(
                f"{os.path.join(directory, path)}: labels must hold a label for each .npy file of "
                f"the directory. Received: {len(labels)} labels, none for {path!r}. "
                "Add it by this path, or move the file away."
            )
        found.append(left.pop(name))
    if left:
        raise ValueError(
            f"{directory}: labels must name .npy files of the directory, each once. "
            f"Received: {next(iter(left))!r:.100}, and {len(left) - 1} more that name none. "
            f"Leave them out; files have names such as {relative[0]!r}."
        )
    return found


def _relative(name: object, known: set[str], directory: str) -> str:
    """The name of a file as it is known, for a name or a path that a user gives."""
    if not isinstance(name, str | os.PathLike):
        raise TypeError(
            "labels as a dict must have the names of files as keys. "
            f"Received: the key {name!r:.50} of type {type(name).__name__}. "
            "Pass {'name.npy': 3, ...}, or a list of labels."
        )
    text = os.fsdecode(name)
    below = os.path.relpath(text, directory)
    return below if text not in known and below in known else text


def _check_order(paths: list[str], labels: NDArray[np.int32], directory: str) -> None:
    """Raise if the order that Keras documents would give a file another label.

    Warn if the order that the names state may be that of the labels.
    """
    by_keras = sorted(range(len(paths)), key=lambda at: os.path.split(paths[at]))
    differs = np.flatnonzero(labels[by_keras] != labels)
    if not differs.size:
        order = order_of_labels(paths, labels)
        if order:
            names = [os.path.relpath(paths[at], directory) for at in (0, *order[:2])]
            warn(
                f"{directory}: labels in a list must lie in the natural order of the files, which "
                f"begins with {names[0]}. Received: labels that rise, and names that rise in "
                f"another order, which begins with {names[1]} and {names[2]}. Say which label "
                f"belongs to which file: labels={{{names[1]!r}: {labels[0]}, ...}} if the labels "
                f"rise as the names do, else labels={{{names[0]!r}: {labels[0]}, ...}}."
            )
        return
    # The first place at which the two orders name another file.
    at = next(at for at, other in enumerate(by_keras) if at != other)
    names = [os.path.relpath(path, directory) for path in paths]
    natural = ", ".join(names[at : at + 3])
    as_text = ", ".join(names[other] for other in by_keras[at : at + 3])
    raise ValueError(
        f"{directory}: labels in a list must lie in the order of the files, which is not certain "
        f"here: {len(differs)} labels belong to another file in another order. Received: files in "
        f"natural order ({natural}) and sorted as text, as Keras sorts them ({as_text}). Say which "
        f"label belongs to which file: labels={{{names[at]!r}: {labels[at]}, ...}}."
    )


def _checked_labels(labels: Any) -> NDArray[np.int32]:
    given = np.asarray(labels) if isinstance(labels, list | tuple | np.ndarray) else None
    if given is None or given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        received = "dict" if isinstance(labels, _ByName) else type(labels).__name__
        received += f" {labels!r:.50}" if given is None else f" of {given.dtype} {given.shape}"
        raise TypeError(
            "labels must be 'inferred', None, a list of one integer per file, or a dict. "
            f"Received: {received}. Pass a dict with the integer of each file name; "
            "np.unique(names, return_inverse=True)[1] numbers names."
        )
    limits = np.iinfo(np.int32)
    if given.size and not limits.min <= int(given.min()) <= int(given.max()) <= limits.max:
        raise ValueError(
            "labels must fit int32. "
            f"Received: labels from {given.min()} to {given.max()}. Number the classes from 0."
        )
    return given.astype(np.int32)
