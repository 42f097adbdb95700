"""Classes of which each is one file, or a folder of files, with many rows."""

import glob
import os
import re
from collections.abc import Iterable, Mapping

import numpy as np

from keras_npy.errors import NpyFileError, cut, warn
from keras_npy.files.archive import MEMBER_MARK, split_member
from keras_npy.files.layout import Apart
from keras_npy.rows.base import Rows
from keras_npy.rows.class_folders import (
    LEFT_BEHIND,
    LabelMode,
    check_label_mode,
    check_num_classes,
    checked_names,
    encode_labels,
    is_ignored,
    is_part,
    npy_files,
    other_suffix,
    warn_of_other_suffix,
    warn_of_two_classes,
)
from keras_npy.rows.class_order import warn_of_text_order
from keras_npy.rows.joined import join_rows
from keras_npy.rows.labels import RunRows
from keras_npy.rows.sources import (
    Source,
    expand,
    is_path,
    is_pattern,
    named_files,
    natural_order,
    open_groups,
    open_rows,
)
from keras_npy.rows.split_words import is_no_class, named_after_parts
from keras_npy.types import Indices, Io, Path

# Fewer files of one shape may be the parts of a class.
_FILES_OF_CLASS_MIN = 3

# Names of parts of a class: `cat_00001-of-00002` certainly is one, `cat_0` may be one.
_OF = re.compile(r"(.+?)[_\-. ]?(\d+)[_\-. ]of[_\-. ]\d+", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*[^\W\d_]{2}.*)[_\-. ](\d+)", re.IGNORECASE)

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
        sources, apart = _find(place, member)
        if class_names is None:
            warn_of_text_order(place, list(sources))
            _warn_of_no_classes(place, sources, member)
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


def _warn_of_no_classes(place: str, sources: Mapping[str, Source], member: str | None) -> None:
    """Warn if files or folders are named after other things than classes.

    These are the parts of a data set, inputs and their targets, or parts of one array.
    """
    what, remedy = _found_instead(sources, member) or ("", "")
    if what:
        warn(
            f"{place}: from_class_files takes each file, or folder of files, as a class. Received: "
            f"{', '.join(list(sources)[:5])}, which seem to be {what}. {remedy}; class_names= says "
            "that they are classes."
        )


def _found_instead(sources: Mapping[str, Source], member: str | None) -> tuple[str, str] | None:
    """What sources are that are no classes, and the remedy."""
    codes = {name: _code(name, source, member) for name, source in sources.items()}
    found = is_no_class(list(sources))
    of_part = named_after_parts(list(sources))
    if found is not None:
        what, names = found
        if len(names) > 1:
            return what, f"Pair them, NpySequence({', '.join(codes[name] for name in names)})"
        (name,) = names
        folder = _folder_of(name, sources[name])
        if folder is None:
            return what, f"Open one of them with its labels, NpySequence({codes[name]}, labels)"
        named = "" if member is None else f", member={member!r}"
        return what, f"Open one of them, NpySequence.from_class_files({folder!r}{named})"
    if of_part is not None:
        what = "parts of a data set"
        inner = is_no_class(list(of_part))
        if inner is not None and len(inner[1]) > 1:
            pair = ", ".join(codes[of_part[name]] for name in inner[1])
            return what, f"Pair the files of one part, NpySequence({pair})"
        if len(of_part) == 1:
            (name,) = of_part.values()
            return what, f"Open one of them with its labels, NpySequence({codes[name]}, labels)"
        return what, f"Name the files of one, {_call({k: codes[of_part[k]] for k in of_part})}"
    stems = _stems(sources)
    if stems is None:
        return None
    lists = {stem: f"[{', '.join(codes[name] for name in of)}]" for stem, of in stems.items()}
    if len(lists) == 1:
        return "parts of one array", f"Open them as one, NpySequence({lists.popitem()[1]})"
    return "parts of classes", f"Name the files of each, {_call(lists)}"


def _call(codes: Mapping[str, str]) -> str:
    inside = ", ".join(f"{name!r}: {code}" for name, code in codes.items())
    return f"NpySequence.from_class_files({{{inside}}})"


def _folder_of(name: str, source: Source) -> str | None:
    """The folder of a class, if its files lie in one of its own."""
    path = str(source[0]) if isinstance(source, list) else str(source)
    head, found, _ = path.rpartition(f"{os.sep}{name}{os.sep}")
    return f"{head}{os.sep}{name}" if found else None


def _code(name: str, source: Source, member: str | None) -> str:
    folder = _folder_of(name, source)
    if folder is None:
        return repr(source[0] if isinstance(source, list) else source)
    suffix = "*.npy" if member is None else f"*.npz{MEMBER_MARK}{member}"
    return repr(os.path.join(glob.escape(folder), "**", suffix))


def _stems(sources: Mapping[str, Source]) -> dict[str, list[str]] | None:
    """The names of numbered files by what they have before the number, if they are parts.

    A number of one word only counts classes, as `level_1` and `level_2`, and those of several
    words may: only from 0 on they count parts.
    """
    stems: dict[str, list[str]] = {}
    counts: dict[str, list[int]] = {}
    pattern = _OF if all(map(_OF.fullmatch, sources)) else _NUMBERED
    for name in natural_order(list(sources)):
        found = pattern.fullmatch(name)
        if found is None or _folder_of(name, sources[name]) is not None:
            return None
        stems.setdefault(found[1], []).append(name)
        counts.setdefault(found[1], []).append(int(found[2]))
    count_parts = all(of == list(range(len(of))) for of in counts.values())
    are_parts = pattern is _OF or (count_parts and 1 < len(stems))
    return stems if are_parts and len(stems) < len(sources) else None


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


def _find(place: str, member: str | None) -> tuple[dict[str, Source], Apart | None]:
    """The sources of each class in a directory, or of the files that match a pattern.

    And what found their files, if it is a pattern of files.
    """
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
            classes[name] = [f if member is None else f"{f}{MEMBER_MARK}{member}" for f in files]
    if not classes:
        raise NpyFileError(
            f"{place}: a directory of class files must hold a file with the suffix {suffix}, or a "
            "folder of them, for each class. Received: none. Save the rows of each class there, as "
            f"cat{suffix} and dog{suffix}; {other_suffix(suffix)}."
        )
    for folder in empty:
        warn_of_other_suffix(folder, member)
    return classes, _pattern_of(place, member, has_folders=has_folders)


def _entries(place: str) -> list[str]:
    if is_pattern(place):
        # A pattern for folders ends with a slash.
        paths = sorted(path.rstrip(os.sep) for path in expand(place))
        return [path for path in paths if os.path.basename(path) not in LEFT_BEHIND]
    names = sorted(os.listdir(place))
    return [os.path.join(place, name) for name in names if not is_ignored(name)]
