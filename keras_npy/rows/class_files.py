"""Classes of which each is one file, or a folder of files, with many rows."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.rows.base import Rows
from keras_npy.rows.class_folders import (
    LabelMode,
    check_label_mode,
    check_num_classes,
    checked_names,
    encode_labels,
    npy_files,
)
from keras_npy.rows.labels import RunRows
from keras_npy.rows.sources import Source, expand, is_pattern, open_rows
from keras_npy.types import Io, Path


def open_classes(
    source: Path | Mapping[str, Source],
    label_mode: LabelMode,
    class_names: Iterable[str] | None,
    io: Io,
) -> tuple[Rows, Source, list[str]]:
    """The rows of all classes, class by class, their labels, and the names of the classes.

    Args:
        source: A directory, in which `airplane.npy` or the files under `airplane/` are a class; a
            pattern, whose files are classes; or a dict of class names and sources.
        label_mode: How to encode labels.
        class_names: The classes to use, in the order of their numbers. `None` for all, in the
            sorted order of their names; those of a dict in its own order.
        io: As `open_rows` takes it.

    Raises:
        NpyFileError: If there are no classes, or two of one name.
        ValueError: If an argument has a wrong value.
    """
    check_label_mode(label_mode)
    if label_mode is None:
        raise ValueError(
            "Files of classes give labels. Received: label_mode=None. "
            "Use NpySequence(paths) for rows without labels."
        )
    sources = dict(source) if isinstance(source, Mapping) else _find(os.fspath(source))
    names = list(sources) if class_names is None else checked_names(class_names, list(sources))
    check_num_classes(label_mode, names)
    lengths = np.array([len(open_rows(sources[name], io=io)) for name in names])
    parts = [_as_list(sources[name]) for name in names]
    # One list of files is opened as one array, and not class by class.
    rows = open_rows([part for of_class in parts for part in of_class], io=io)
    return rows, encode_labels(RunRows(lengths), len(names), label_mode), names


def _as_list(source: Any) -> list[Any]:
    return source if isinstance(source, list) else [source]


def _find(place: str) -> dict[str, Source]:
    """The sources of each class in a directory, or of the files that match a pattern."""
    if is_pattern(place):
        found: list[str] = sorted(expand(place))
    else:
        entries = (os.path.join(place, entry) for entry in sorted(os.listdir(place)))
        found = [entry for entry in entries if not os.path.basename(entry).startswith(".")]
    classes: dict[str, Source] = {}
    for path in found:
        parts: Source = list(npy_files(path)) if os.path.isdir(path) else path
        if not parts or not (isinstance(parts, list) or path.lower().endswith(".npy")):
            continue
        name = os.path.basename(path) if isinstance(parts, list) else _stem(path)
        if name in classes:
            raise NpyFileError(
                f"{path}: each class must have one file, or one folder. "
                f"Received: a second one for {name!r}. Pass a dict of class names and sources."
            )
        classes[name] = parts
    if not classes:
        raise NpyFileError(
            f"{place}: a directory of class files must hold an .npy file, or a folder of them, for "
            "each class. Received: none. Save the rows of each class there, as cat.npy and dog.npy."
        )
    return classes


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
