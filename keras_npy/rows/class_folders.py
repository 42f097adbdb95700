"""Folders of classes: their files, and the label of each file."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import NpyFileError, warn
from keras_npy.files.fitted_samples import Crop
from keras_npy.files.header import NpyHeader, read_header
from keras_npy.rows.base import Rows
from keras_npy.rows.class_names import warn_of_no_class_folders
from keras_npy.rows.class_order import code_of_folders, warn_of_text_order
from keras_npy.rows.folder_files import (
    is_ignored,
    npy_files,
    other_suffix,
    warn_of_other_suffix,
)
from keras_npy.rows.given_labels import LabelsOfFiles, labels_of_files
from keras_npy.rows.label_modes import (
    LabelMode,
    check_label_mode,
    check_num_classes,
    encode_labels,
)
from keras_npy.rows.sources import Source
from keras_npy.rows.timesteps import find_shared_by_label
from keras_npy.types import Cache, Indices, Io, Path, ShuffleArgument

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
    given = labels_of_files(labels, paths, directory, suffix)
    return ClassFolders(paths, given, [str(label) for label in np.unique(given)])


def _is_folder(directory: str, entry: str) -> bool:
    return not is_ignored(entry) and os.path.isdir(os.path.join(directory, entry))


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
