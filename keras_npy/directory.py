"""`from_directory`: a sequence over one folder per class, with Keras's argument names."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.class_folders import LABEL_MODES, LabelMode, infer_labels, list_files
from keras_npy.rows.samples import samples


class FromDirectory:
    """What `NpySequence` is built by from a directory, and what it keeps of it."""

    class_names: list[str] | None = None
    """Names of the classes by their numbers, of a sequence that `from_directory` labelled."""

    @classmethod
    def from_directory(
        cls,
        directory: str | os.PathLike[str],
        labels: Literal["inferred"] | Sequence[int] | NDArray[np.integer[Any]] | None = "inferred",
        label_mode: LabelMode = "int",
        class_names: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool | Literal["batch"] | None = None,
        seed: int | None = None,
        validation_split: float | None = None,
        subset: Literal["training", "validation", "both"] | None = None,
        follow_links: bool = False,
        drop_remainder: bool = False,
    ) -> Any:
        """Stream a directory of one folder per class, in which each `.npy` is one sample.

        Arguments have the names and meanings that they have in
        `keras.utils.image_dataset_from_directory`. Files lie under `directory/class/`, at any
        depth, and are taken class by class in natural order (`x-2.npy` before `x-10.npy`);
        hidden files and folders, and files that are not `.npy`, are passed over.

        Args:
            directory: The folder that holds the folders of the classes.
            labels: `"inferred"` numbers the folders in sorted order, those without samples
                too. A list of integers gives the label of each file, `None` none; folders then
                mean nothing, and files come folder by folder, in natural order.
            label_mode: `"int"`: int32 `(b,)`. `"binary"`, for two classes: float32 `(b, 1)`.
                `"categorical"`: float32 one-hot `(b, num_classes)`. `None`: no labels.
            class_names: The folders to use, in the order of their numbers. Only where labels
                are inferred.
            batch_size: As in `NpySequence`.
            shuffle: As in `NpySequence`.
            seed: As in `NpySequence`; it also decides the validation split.
            validation_split: Share of the samples to hold out, as `split` does it: which ones
                depends on the files and `seed` alone, so that calls with the same `seed` and
                any `shuffle` are complementary. `None` for the seed is 0 here.
            subset: `"training"`, `"validation"`, or `"both"`, where `validation_split` is set.
            follow_links: Whether links to folders are followed inside of the classes.
            drop_remainder: As in `NpySequence`.

        Returns:
            A sequence whose `class_names` are the classes in the order of their numbers, or
            `None` without labels; for `subset="both"` a tuple of two.

        Raises:
            NpyFileError: If there are no samples, or the first cannot be streamed. A file
                that differs from the first is named when it is read.
            ValueError: If an argument has a wrong value.
            TypeError: If an argument has a wrong type.
            OSError: If a folder cannot be read, such as `FileNotFoundError`.

        Example:

        >>> from keras_npy import NpySequence
        >>> for name in ("cat/1", "cat/2", "dog/1"):
        ...     os.makedirs(f"pets/{name[:3]}", exist_ok=True)
        ...     np.save(f"pets/{name}.npy", np.full(2, int(name[-1])))
        >>> seq = NpySequence.from_directory("pets")
        >>> seq[0]
        (array([[1, 1],
               [2, 2],
               [1, 1]]), array([0, 0, 1], dtype=int32))
        >>> seq.class_names
        ['cat', 'dog']
        """
        _check_label_mode(label_mode)
        _check_subset(validation_split, subset)
        has_labels = labels is not None and label_mode is not None
        is_inferred = isinstance(labels, str) and labels == "inferred"
        if class_names is not None and not (has_labels and is_inferred):
            raise ValueError(
                "class_names needs labels='inferred', which takes them from the folders. "
                f"Received: class_names={class_names!r:.100} with labels of type "
                f"{type(labels).__name__}, label_mode={label_mode!r}. Leave class_names out."
            )
        if has_labels and is_inferred:
            found = infer_labels(os.fspath(directory), class_names, follow_links=follow_links)
        else:
            given = labels if has_labels else None
            found = list_files(os.fspath(directory), given, follow_links=follow_links)
        # A mixin does not know the constructor of the class that it is mixed into.
        build: Callable[..., Any] = cls
        seq = build(
            samples(found.paths),
            found.targets(label_mode),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
        )
        seq.class_names = found.class_names
        if validation_split is None:
            return seq
        parts = dict(
            zip(("training", "validation"), seq.split(validation_split, seed=seed), strict=True)
        )
        return tuple(parts.values()) if subset == "both" else parts[str(subset)]


def _check_label_mode(label_mode: object) -> None:
    if label_mode is not None and label_mode not in LABEL_MODES:
        raise ValueError(
            "label_mode must be 'int', 'categorical', 'binary' or None. "
            f"Received: label_mode={label_mode!r:.100}. Use 'int' for integer labels."
        )


def _check_subset(validation_split: float | None, subset: object) -> None:
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(
            "subset must be 'training', 'validation', 'both' or None. "
            f"Received: subset={subset!r:.100}. Use 'both' for two sequences."
        )
    if (validation_split is None) != (subset is None):
        raise ValueError(
            "validation_split and subset must be given together. "
            f"Received: validation_split={validation_split!r:.100}, subset={subset!r}. "
            "Pass both of them, such as 0.2 and 'both', or leave both out."
        )
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            "validation_split must lie in 0 < validation_split < 1. "
            f"Received: validation_split={validation_split}. "
            "Pass the share of the validation part, such as 0.2."
        )
