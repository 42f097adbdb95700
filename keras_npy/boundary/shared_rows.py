"""Warn of validation data that hold rows of the training data."""

import contextlib
import os
import weakref
from collections.abc import Sequence

from keras_npy.errors import warn_once_of
from keras_npy.feeds.nests import leaves_of
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import base_of
from keras_npy.rows.in_both import find_in_both, is_of_windows, predict_ahead
from keras_npy.rows.timesteps import is_window
from keras_npy.sequence import NpySequence

# What each sequence that trains was compared with: `fit` may be called once for each epoch.
_COMPARED: weakref.WeakKeyDictionary[NpySequence, weakref.WeakSet[NpySequence]] = (
    weakref.WeakKeyDictionary()
)


def warn_of_shared_rows(training: NpySequence, validation: NpySequence) -> None:
    """Warn if `fit` validates with rows that it trains on: their metrics look too good.

    Only where the rows lie is compared, once for each pair: 0.5 ms for 1,000 rows, 8 ms for
    60,000, and 6 ms for twice 20,000 samples in files of their own.
    """
    compared = _COMPARED.setdefault(training, weakref.WeakSet())
    if validation in compared:
        return
    compared.add(validation)
    ours, theirs = leaves_of(training.x), leaves_of(validation.x)
    targets = _targets_of_windows(training, validation)
    found = find_in_both(ours, theirs, targets)
    if found is None:
        return
    leaf = next(filter(is_window, theirs), theirs[0])
    path, at = leaf.file_of(found.row)
    what, which = "train the model too", "row"
    if is_window(leaf):
        what, which = "have timesteps of training rows", "the one from timestep"
    has_classes = training.class_names is not None
    inputs = next(filter(is_of_windows, ours), ours[0])
    are_ahead = bool(targets) and all(predict_ahead(inputs, each) for each, _ in targets)
    remedy = _remedy(ours[0], leaf, path, are_ahead, has_classes)
    warn_once_of(
        training,
        "rows of validation",
        f"{leaf.name}: validation_data must hold rows that the model does not train on, or its "
        f"metrics look too good. Received: {found.num_rows} of {len(leaf)} rows that {what}, such "
        f"as {which} {at} of {path}. {remedy} If it is "
        "meant, warnings.filterwarnings('ignore', '.*validation_data must hold') ends this "
        "warning.",
    )


def _targets_of_windows(training: NpySequence, validation: NpySequence) -> list[tuple[Rows, Rows]]:
    """The targets of both, if all are those of windows: they say what a window predicts."""
    ours, theirs = leaves_of(training.y), leaves_of(validation.y)
    if len(ours) != len(theirs) or not all(map(is_of_windows, [*ours, *theirs])):
        return []
    return list(zip(ours, theirs, strict=True))


def _remedy(ours: Rows, theirs: Rows, path: str, are_ahead: bool, has_classes: bool) -> str:
    """What keeps rows of training out of validation.

    Args:
        ours: The first input of training.
        theirs: That of validation.
        path: A file of both, as validation names it.
        are_ahead: Whether windows predict their last steps, or what comes behind these.
        has_classes: Whether the labels of training come from folders or files of classes.
    """
    if is_window(theirs):
        cut = (
            "Cut by time: train, validation = seq.split(0.2, in_order=True), or "
            "windows(..., end_index=t) to train with and windows(..., start_index=t) to validate."
        )
        if not are_ahead:
            return cut
        return (
            f"{cut} These may begin in the training data if they predict what comes behind: "
            "start_index=t - sequence_length + 1."
        )
    divide = "train, validation = seq.split(0.2), or one pair of seq.folds(5)"
    paths = _files_of(ours)
    if base_of(ours) is base_of(theirs) or len(set(paths)) < 2:
        return f"Divide the rows once: {divide}."
    own = _name_among(paths, path)
    if has_classes:
        # A list of files has no classes, and to delete a file of all samples would end its class.
        is_link = own != path and base_of(ours).file_paths is not None
        linked = _remedy_of_links(own, path) if is_link else None
        return linked or f"Divide the rows once: {divide}."
    names = [*map(os.path.basename, paths)]
    name = os.path.basename(own)
    return (
        "Give NpySequence a list of the training files without "
        f"{name if names.count(name) == 1 else own}, or divide all rows once: {divide}."
    )


def _name_among(paths: Sequence[str], path: str) -> str:
    """The path among these that is the same file, by another name if it is a link."""
    if path in paths:
        return path
    for other in paths:
        # Members of archives are no files.
        with contextlib.suppress(OSError):
            if os.path.samefile(other, path):
                return other
    return path


def _remedy_of_links(own: str, path: str) -> str | None:
    """What to do with two names of one file, of which one is a link; nothing for linked folders."""
    links = [one for one in (path, own) if os.path.islink(one)]
    if not links and os.path.realpath(own) == os.path.realpath(path):
        return None
    which = links[0] if links else "one of the two"
    return f"{own}, which trains, and {path} are two names of one file, a link: delete {which}."


def _files_of(rows: Rows) -> Sequence[str]:
    files = base_of(rows).files
    return files.paths if files else ()
