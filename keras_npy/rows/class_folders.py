"""Folders of classes: their files, their labels, and how Keras encodes the labels."""

import contextlib
import dataclasses
import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError, warn
from keras_npy.files.fitted_samples import Crop
from keras_npy.files.header import NpyHeader, read_header
from keras_npy.rows.base import Rows
from keras_npy.rows.class_names import warn_of_no_class_folders
from keras_npy.rows.class_order import code_of_folders, warn_of_text_order
from keras_npy.rows.label_order import order_of_labels
from keras_npy.rows.labels import OneHotRows
from keras_npy.rows.sources import Source, natural_order
from keras_npy.rows.timesteps import find_shared_by_label
from keras_npy.types import Cache, Indices, Io, Path, ShuffleArgument

LabelMode: TypeAlias = Literal["int", "categorical", "binary"] | None
LabelsOfFiles: TypeAlias = (
    Literal["inferred"] | Sequence[int] | Mapping[str, int] | NDArray[np.integer[Any]] | None
)
# Classes whose files are looked at before training; a header on a network takes milliseconds.
CLASSES_LOOKED_AT = 50

# Names of the parts of an array, such as `part-3.npy` and `x-00001-of-00002.npy`.
_PART = re.compile(
    r"(?:(?:^|[^a-z])(?:part|shard|chunk|batch|block)[_\-. ]?\d+|\d[_\-. ]of[_\-. ]\d+)\.npy$",
    re.IGNORECASE,
)

# In more files none is looked for that is in two classes: to tell them apart takes 3 us each on a
# local disk.
FILES_TOLD_APART_MAX = 100_000

# Folders that programs leave behind: macOS in archives, Python, Synology and ext4.
LEFT_BEHIND = frozenset({"__MACOSX", "__pycache__", "@eaDir", "lost+found"})

LABEL_MODES = ("int", "categorical", "binary")


class FolderArguments(TypedDict, total=False):
    """What `NpySequence.from_directory` takes by name, whatever it returns."""

    batch_size: int
    shuffle: ShuffleArgument
    seed: int | None
    validation_split: float | None
    follow_links: bool
    drop_remainder: bool
    length: int | Mapping[int, int] | None
    pad_value: float
    crop: Crop
    unpack: bool
    validate: bool
    num_classes: int | None
    io: Io
    cache: Cache | None
    member: str | None


@dataclass(frozen=True)
class ClassFolders:
    """The files of a directory in order, and their labels if labels are wanted.

    Args:
        paths: One file per sample.
        labels: int32 `(N,)`.
        class_names: Names of the classes, in the order of their numbers.
    """

    paths: list[str]
    labels: NDArray[np.int32] | None = None
    class_names: list[str] | None = None

    def warn_of_two_classes(self, rows: Rows) -> None:
        """Warn if a file, by two names, is in two classes; `rows` are all samples."""
        if self.labels is not None and len(rows) <= FILES_TOLD_APART_MAX:
            labels = self.labels.astype(np.int64)
            warn_of_two_classes(rows, lambda numbers: labels[numbers])

    def targets(self, label_mode: LabelMode) -> Source | None:
        """Labels as `keras.utils.image_dataset_from_directory` encodes them, if there are any.

        Raises:
            ValueError: If the labels do not suit `label_mode`.
        """
        if self.labels is None or self.class_names is None:
            return None
        num_classes = len(self.class_names)
        check_num_classes(label_mode, self.class_names)
        low, high = int(self.labels.min()), int(self.labels.max())
        if label_mode != "int" and (low < 0 or high >= num_classes):
            raise ValueError(
                f"label_mode={label_mode!r} needs labels in 0 <= label < {num_classes}, the number "
                f"of different labels. Received: labels from {low} to {high}. "
                "Number the classes from 0 without gaps, or use label_mode='int'."
            )
        return encode_labels(self.labels, num_classes, label_mode)


def encode_labels(labels: NDArray[np.int32] | Rows, num_classes: int, mode: LabelMode) -> Source:
    """Class numbers from 0 as `label_mode` says.

    Returns:
        `"int"`: int32 `(N,)`. `"binary"`: float32 `(N, 1)`, 0 or 1. `"categorical"`: float32
        `(N, num_classes)`, one-hot rows that are made when they are read.
    """
    if mode == "categorical":
        return OneHotRows(labels, num_classes)
    if mode == "binary":
        return np.asarray(labels).astype(np.float32)[:, np.newaxis]
    return labels


def check_num_classes(label_mode: LabelMode, class_names: list[str]) -> None:
    """Raise `ValueError` if a binary label would have to tell more or fewer than two classes."""
    if label_mode == "binary" and len(class_names) != 2:
        raise ValueError(
            "label_mode='binary' needs exactly 2 classes. "
            f"Received: {len(class_names)} classes, {class_names!r:.100}. "
            "Use label_mode='int' or 'categorical', or choose two with class_names."
        )


def find_samples(
    directory: Path,
    labels: LabelsOfFiles,
    label_mode: LabelMode,
    class_names: Iterable[str] | None,
    *,
    follow_links: bool,
    member: str | None = None,
    are_fitted: bool = False,
) -> tuple[ClassFolders, Source | None]:
    """The files of a directory, and their labels as targets, if any are wanted.

    Args:
        directory: The folder that holds the folders of the classes.
        labels: As `keras.utils.image_dataset_from_directory` takes them.
        label_mode: How to encode labels.
        class_names: The folders to use, in the order of their class numbers.
        follow_links: Whether to follow links to folders inside the classes.
        member: The member that is the sample, if the files are archives.
        are_fitted: Whether samples of different length are cropped and padded.

    Raises:
        NpyFileError: If there are no files.
        ValueError: If an argument has a wrong value.
    """
    check_label_mode(label_mode)
    has_labels = labels is not None and label_mode is not None
    is_inferred = isinstance(labels, str) and labels == "inferred"
    if class_names is not None and not (has_labels and is_inferred):
        raise ValueError(
            "class_names needs labels='inferred', which takes them from the folders. "
            f"Received: class_names={class_names!r:.100} with labels of type "
            f"{type(labels).__name__}, label_mode={label_mode!r}. Leave class_names out."
        )
    suffix = ".npy" if member is None else ".npz"
    if has_labels and is_inferred:
        found = infer_labels(
            os.fspath(directory), class_names, follow_links=follow_links, member=member
        )
        if suffix == ".npy" and not are_fitted:
            _check_samples(found)
    else:
        given = labels if has_labels else None
        found = list_files(os.fspath(directory), given, follow_links=follow_links, suffix=suffix)
    targets = found.targets(label_mode)
    if member is not None:
        found = dataclasses.replace(found, paths=[f"{path}::{member}" for path in found.paths])
    return found, targets


def infer_labels(
    directory: str,
    class_names: Iterable[str] | None,
    *,
    follow_links: bool,
    member: str | None = None,
) -> ClassFolders:
    """Number the folders of a directory, and label each file with the number of its folder."""
    suffix = ".npy" if member is None else ".npz"
    folders = sorted(entry for entry in os.listdir(directory) if _is_folder(directory, entry))
    names = folders if class_names is None else checked_names(class_names, folders)
    folders_of = {name: os.path.join(directory, name) for name in folders}
    files = [
        list(npy_files(folders_of[name], follow_links, suffix)) if name in folders_of else []
        for name in names
    ]
    paths = [path for of_class in files for path in of_class]
    if not paths:
        raise NpyFileError(
            f"{directory}: a directory of classes must hold one folder per class, and in these at "
            f"least one {suffix} file. Received: {len(names)} folders without any, {names!r:.100}. "
            "Save one file per sample there, or pass labels=None to ignore the folders. If each "
            "file is a class, use NpySequence.from_class_files; "
            f"{other_suffix(suffix)}."
        )
    if class_names is None:
        warn_of_text_order(directory, names, code_of_folders(directory, names))
        warn_of_no_class_folders(directory, names, suffix)
    for name, of_class in zip(names, files, strict=True):
        if name in folders_of and not of_class:
            warn_of_other_suffix(folders_of[name], member, follow_links=follow_links)
    counts = [len(of_class) for of_class in files]
    return ClassFolders(paths, np.repeat(np.arange(len(names), dtype=np.int32), counts), names)


def _check_samples(found: ClassFolders) -> None:
    """Raise, or warn, if files hold the rows of a class and not one sample each.

    Looks at the first and the last file of each class: parts of a class differ at its end.
    """
    labels, paths = np.asarray(found.labels), found.paths
    firsts = np.flatnonzero(np.diff(labels, prepend=-1))[:CLASSES_LOOKED_AT]
    lasts = np.flatnonzero(np.diff(labels, append=-1))[:CLASSES_LOOKED_AT]
    looked_at = [paths[at] for at in np.stack([firsts, lasts], 1).ravel().tolist()]
    headers = list(_readable(dict.fromkeys(looked_at)))
    if not headers:
        return
    first = headers[0]
    other = next((header for header in headers if header.shape != first.shape), None)
    remedy = (
        "If each row is a sample, use NpySequence.from_class_files, which takes a class as one "
        "file or as a folder of files."
    )
    if other is not None and first.shape and other.shape[1:] == first.shape[1:]:
        raise NpyFileError(
            f"{other.name}: from_directory takes each file as one sample, and samples have one "
            f"shape. Received: {first.name} of {first.shape}, {other.name} of {other.shape}, "
            f"which differ in their number of rows. {remedy} Samples of unequal length need "
            "length=, which crops and pads them."
        )
    if len(first.shape) < 2 or first.shape[0] < 2 or len(paths) < 2:
        return
    if np.all(np.diff(labels)):
        found_of = f"one file for each of {len(paths)} classes"
    elif all(map(is_part, paths)):
        found_of = f"{len(paths)} files whose names say that they are parts"
    else:
        return
    warn(
        f"{first.name}: from_directory takes each file as one sample. "
        f"Received: {found_of}, the first of shape {first.shape}. {remedy}"
    )


def is_part(path: str) -> bool:
    """Whether a file is named after the parts of an array."""
    return _PART.search(os.path.basename(path)) is not None


def _readable(paths: Iterable[str]) -> Iterator[NpyHeader]:
    """The headers of the files that have one: `samples` names all others in one error."""
    for path in paths:
        with contextlib.suppress(NpyFileError, OSError):
            yield read_header(path, is_sample=True, looks_behind=False)


def list_files(
    directory: str, labels: object | None, *, follow_links: bool, suffix: str = ".npy"
) -> ClassFolders:
    """All files under a directory, with the given labels if there are any."""
    paths = list(npy_files(directory, follow_links, suffix))
    if not paths:
        raise NpyFileError(
            f"{directory}: a directory of samples must hold at least one {suffix} file. Received: "
            "none there or in its folders. Save one file per sample there; "
            f"{other_suffix(suffix)}."
        )
    if labels is None:
        return ClassFolders(paths)
    if isinstance(labels, Mapping):
        labels = _labels_by_name(labels, paths, directory)
    given = _checked_labels(labels)
    if len(given) != len(paths):
        raise ValueError(
            f"labels must hold one label per {suffix} file of the directory. "
            f"Received: {len(given)} labels for {len(paths)} files in {directory}. "
            "Pass a dict with the label of each file name."
        )
    if not isinstance(labels, ByName):
        _check_order(paths, given, directory)
    return ClassFolders(paths, given, [str(label) for label in np.unique(given)])


class ByName(list[Any]):
    """Labels that were given by file name, in the order of the files."""


def _labels_by_name(labels: Mapping[Any, Any], paths: list[str], directory: str) -> "ByName":
    """The label of each file, by its path in the directory, or by its name if no other has it."""
    relative = [os.path.relpath(path, directory) for path in paths]
    counts = Counter(map(os.path.basename, relative))
    known = {*relative, *counts}
    left = {_relative(name, known, directory): label for name, label in labels.items()}
    found = ByName()
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


def _is_folder(directory: str, entry: str) -> bool:
    return not is_ignored(entry) and os.path.isdir(os.path.join(directory, entry))


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or no user made it."""
    return name.startswith(".") or name in LEFT_BEHIND


def checked_names(class_names: Iterable[str], folders: list[str]) -> list[str]:
    """The names to use, or an error.

    Classes may have no folder, as they may have an empty one, if all folders are named: so none of
    them is misspelt.
    """
    if isinstance(class_names, str):
        raise TypeError(
            "class_names must be a list of folder names. "
            f"Received: the string {class_names!r:.100}. Pass ['{class_names[:50]}']."
        )
    names = list(class_names)
    missing = [name for name in names if name not in folders]
    left = set(folders) - set(names)
    are_known = not missing or not (left or len(missing) == len(names))
    if not are_known or len(set(names)) < len(names) or not names:
        fault = f"without a folder: {missing!r:.100}" if missing else f"{names!r:.100}"
        raise ValueError(
            "class_names must name folders of the directory, each once. "
            f"Received: {fault}, where there are {folders!r:.100}. "
            "Correct the names, or leave class_names out for all folders in sorted order; where a "
            "class has no samples, name all folders beside it."
        )
    return names


def _checked_labels(labels: Any) -> NDArray[np.int32]:
    given = np.asarray(labels) if isinstance(labels, list | tuple | np.ndarray) else None
    if given is None or given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        received = "dict" if isinstance(labels, ByName) else type(labels).__name__
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


def other_suffix(suffix: str) -> str:
    """What to do if the files are of the other kind."""
    if suffix == ".npy":
        return "for .npz files pass member= too"
    return "for .npy files leave member= out"


def warn_of_other_suffix(folder: str, member: str | None, *, follow_links: bool = False) -> None:
    """Warn if the folder of a class, without samples, has files of the other kind."""
    suffix, other = (".npy", ".npz") if member is None else (".npz", ".npy")
    path = next(npy_files(folder, follow_links, other), None)
    if path is None:
        return
    paths = os.path.join(glob.escape(folder), "**", f"*{other}")
    save = "np.save(path[:-1] + 'y', np.load(path)[np.load(path).files[0]])"
    if member is not None:
        save = f"np.savez(path[:-1] + 'z', **{{{member!r}: np.load(path)}})"
    warn(
        f"{path}: only {suffix} files are read {'without' if member is None else 'with'} "
        f"member=. Received: the folder {folder}, which has {other} files and none of these, so "
        f"that its class has no samples. Save them again, [{save} for path in "
        f"glob.glob({paths!r}, recursive=True)], or move the folder away."
    )


def npy_files(folder: str, follow_links: bool = False, suffix: str = ".npy") -> Iterator[str]:
    """Yield the files of a folder in natural order, then those of each folder in it."""
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=follow_links):
        # os.walk continues with the folders that remain in this list, in its order.
        folders[:] = [
            name
            for name in natural_order(folders)
            if not is_ignored(name) and not (follow_links and _leads_back(root, name))
        ]
        for name in natural_order(files):
            if not is_ignored(name) and name.lower().endswith(suffix):
                yield os.path.join(root, name)


def _leads_back(root: str, name: str) -> bool:
    # os.walk would follow a link to a folder above again and again, until the path is too long.
    target = os.path.realpath(os.path.join(root, name))
    return os.path.commonpath([target, os.path.realpath(root)]) == target


def _raise(error: OSError) -> None:
    # Without this, os.walk silently skips a folder that it may not read.
    raise error


def check_label_mode(label_mode: object) -> None:
    """Raise `ValueError` for a `label_mode` that Keras does not have."""
    if label_mode is not None and label_mode not in LABEL_MODES:
        raise ValueError(
            "label_mode must be 'int', 'categorical', 'binary' or None. "
            f"Received: label_mode={label_mode!r:.100}. Use 'int' for integer labels."
        )


def warn_of_two_classes(
    rows: Rows, label_of: Callable[[Indices], Indices], names: Sequence[str] | None = None
) -> None:
    """Warn if a file is in two classes, so that its rows are trained towards both.

    Args:
        rows: The rows of all classes.
        label_of: The class numbers of rows.
        names: The classes, if files do not name them.
    """
    shared = find_shared_by_label(rows, label_of)
    if shared is None:
        return
    found = [
        (f"row {at} of {path}", int(label_of(np.array([row]))[0]))
        for row in (shared.other, shared.row)
        for path, at in [rows.file_of(row)]
    ]
    (one, label), (other, other_label) = found
    where, there = (number if names is None else names[number] for number in (label, other_label))
    also = "" if one == other else f"as {other} "
    warn(
        f"{rows.name}: each row should be in one class. Received: {one} in class {where!r}, and "
        f"{also}in class {there!r}; so are {shared.num_rows} of {shared.num_looked_at} rows. Give "
        "each file to one class; for rows with several labels pass y= with a column for each class."
    )
