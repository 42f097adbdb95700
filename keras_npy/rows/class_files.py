"""Classes of which each is one file, or a folder of files, with many rows."""

import glob
import os
from collections.abc import Iterable, Mapping

import numpy as np

from keras_npy.errors import NpyFileError, cut, warn
from keras_npy.files.archive import MEMBER_MARK, split_member
from keras_npy.files.layout import Apart
from keras_npy.rows.base import Rows
from keras_npy.rows.class_folders import checked_names, is_part, warn_of_two_classes
from keras_npy.rows.class_names import warn_of_no_class_files
from keras_npy.rows.class_order import warn_of_text_order
from keras_npy.rows.folder_files import (
    LEFT_BEHIND,
    is_ignored,
    npy_files,
    other_suffix,
    warn_of_other_suffix,
)
from keras_npy.rows.joined import join_rows
from keras_npy.rows.label_modes import LabelMode, check_label_mode, check_num_classes, encode_labels
from keras_npy.rows.labels import RunRows
from keras_npy.rows.sources import (
    Source,
    expand,
    is_path,
    is_pattern,
    named_files,
    open_groups,
    open_rows,
)
from keras_npy.types import Indices, Io, Path

# Fewer files of one shape may be the parts of a class.
_FILES_OF_CLASS_MIN = 3

# Recordings of three channels are longer than pictures.
_SIDES_MAX = 1.5


def open_classes(
    source: Path | Mapping[str, Source],
    label_mode: LabelMode,
    class_names: Iterable[str] | None,
    io: Io,
    member: str | None = None,
) -> tuple[Rows, Source, list[str]]:
    """The rows of all classes, class by class, their labels, and the names of the classes.

    Args:
        source: A directory, in which `airplane.npy` or the files under `airplane/` are a class; a
            pattern, whose files are classes; or a dict of class names and sources.
        label_mode: How to encode labels.
        class_names: The classes to use, in the order of their numbers. `None` for all, in the
            sorted order of their names; those of a dict in its own order.
        io: As `open_rows` takes it.
        member: The member with the rows, if the files of a directory are archives.

    Raises:
        NpyFileError: If there are no classes, two of one name, or one without rows.
        ValueError: If an argument has a wrong value.
    """
    check_label_mode(label_mode)
    if label_mode is None:
        raise ValueError(
            "Files of classes give labels. Received: label_mode=None. "
            "Use NpySequence(paths) for rows without labels."
        )
    sources: dict[str, Source]
    apart = None
    if isinstance(source, Mapping):
        sources = dict(source)
    else:
        place = _checked(source)
        found_at, sources, apart = _find(place, member)
        if class_names is None and not warn_of_no_class_files(place, found_at, member):
            warn_of_text_order(place, list(sources))
    names = list(sources) if class_names is None else checked_names(class_names, list(sources))
    check_num_classes(label_mode, names)
    if not names:
        raise ValueError(
            "A dict of classes must name at least one. Received: an empty dict. "
            "Pass a dict: {'cat': 'cat.npy', ...}."
        )
    # Classes that only class_names has are without samples.
    there = [name for name in names if name in sources]
    rows, of_sources = _open_each([sources[name] for name in there], io, apart)
    for name, length in zip(there, of_sources.tolist(), strict=True):
        if length == 0:
            raise NpyFileError(
                f"{cut(name)}: each class must have a row. Received: files without rows. "
                "Leave the class out, with class_names= or in the dict."
            )
    if class_names is None and not isinstance(source, Mapping):
        _warn_of_images(rows, len(there))
    lengths = np.zeros(len(names), np.int64)
    lengths[[names.index(name) for name in there]] = of_sources
    stops = np.cumsum(lengths)
    warn_of_two_classes(rows, lambda numbers: np.searchsorted(stops, numbers, side="right"), names)
    return rows, encode_labels(RunRows(lengths), len(names), label_mode), names


def _warn_of_images(rows: Rows, num_classes: int) -> None:
    """Warn if each file seems to be one image, of which each line would be a sample."""
    files = rows.files
    if files is None or len(files.paths) < _FILES_OF_CLASS_MIN * num_classes:
        return
    shape = (int(files.lengths[0]), *rows.row_shape)
    if len(shape) not in (2, 3) or np.any(files.lengths != shape[0]):
        return
    is_picture = max(shape[:2]) <= _SIDES_MAX * min(shape[:2])
    is_image = shape[0] == shape[1] if len(shape) == 2 else is_picture and shape[-1] in (1, 3, 4)
    if is_image and not all(map(is_part, files.paths)):
        warn(
            f"{files.paths[0]}: from_class_files takes each row of a file as one sample. "
            f"Received: {len(files.paths)} files of {num_classes} classes, all of shape {shape}, "
            "which seem to be one image each. If each file is a sample, use "
            "NpySequence.from_directory; class_names= says that rows are samples."
        )


def _checked(source: object) -> str:
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            "from_class_files takes a directory, a pattern, or a dict of class names and sources. "
            f"Received: {type(source).__name__}. Pass a dict: {{'cat': 'cat.npy', ...}}."
        )
    return os.fspath(source)


def _pattern_of(place: str, member: str | None, *, has_folders: bool) -> Apart | None:
    """A pattern of the files of all classes, each of which is converted for itself."""
    if is_pattern(place):
        return None if has_folders else Apart(place, keep_names=True)
    suffix = "*.npy" if member is None else f"*.npz{MEMBER_MARK}{member}"
    return Apart(os.path.join(glob.escape(place), "**", suffix), keep_names=True)


def _open_each(sources: list[Source], io: Io, apart: Apart | None) -> tuple[Rows, Indices]:
    """The rows of all sources, and the number of rows of each. Each file is opened once."""
    if all(map(_are_paths, sources)):
        # One list of files is opened as one array, and not class by class.
        return open_groups(
            [named_files(source, "from_class_files") for source in sources], io, apart
        )
    opened = [open_rows(source, io=io) for source in sources]
    return join_rows(opened), np.array([len(rows) for rows in opened])


def _are_paths(source: Source) -> bool:
    return is_path(source) or (isinstance(source, list) and all(map(is_path, source)))


def _find(place: str, member: str | None) -> tuple[dict[str, str], dict[str, Source], Apart | None]:
    """The file or folder of each class in a directory, or of a pattern, and its source.

    And what found their files, if it is a pattern of files.
    """
    found_at: dict[str, str] = {}
    suffix, has_folders = ".npy" if member is None else ".npz", False
    classes: dict[str, Source] = {}
    empty: list[str] = []
    for path in _entries(place):
        file, named = split_member(path)
        is_folder = os.path.isdir(file)
        has_folders |= is_folder
        if named is None and not is_folder and not file.lower().endswith(suffix):
            continue
        files = list(npy_files(file, suffix=suffix)) if is_folder else [path]
        name = os.path.basename(file if is_folder else os.path.splitext(file)[0])
        if name in classes:
            raise NpyFileError(
                f"{path}: each class must have one file, or one folder. "
                f"Received: a second one for {name!r}. Pass a dict of class names and sources."
            )
        if not files:
            empty.append(file)
        else:
            found_at[name] = path
            classes[name] = [f if member is None else f"{f}{MEMBER_MARK}{member}" for f in files]
    if not classes:
        raise NpyFileError(
            f"{place}: a directory of class files must hold a file with the suffix {suffix}, or a "
            "folder of them, for each class. Received: none. Save the rows of each class there, as "
            f"cat{suffix} and dog{suffix}; {other_suffix(suffix)}."
        )
    for folder in empty:
        warn_of_other_suffix(folder, member)
    return found_at, classes, _pattern_of(place, member, has_folders=has_folders)


def _entries(place: str) -> list[str]:
    if is_pattern(place):
        # A pattern for folders ends with a slash.
        paths = sorted(path.rstrip(os.sep) for path in expand(place))
        return [path for path in paths if os.path.basename(path) not in LEFT_BEHIND]
    archive, member = split_member(place)
    if os.path.isfile(archive):
        remedy = "Pass its folder, or a dict: {'name': path, ...}"
        if member is not None or archive.lower().endswith(".npz"):
            each = f"name: f'{archive}::{{name}}' for name in np.load({archive!r}).files"
            remedy = f"If each member is a class, pass {{{each}}}"
        raise NotADirectoryError(
            f"{place}: from_class_files takes a folder with a file, or folder of files, for each "
            f"class; a pattern; or a dict. Received: one file. {remedy}."
        )
    names = sorted(os.listdir(place))
    return [os.path.join(place, name) for name in names if not is_ignored(name)]
