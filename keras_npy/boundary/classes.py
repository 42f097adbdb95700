"""Refuse validation data whose class numbers stand for other classes than those of training."""

from typing import Any

from keras_npy.boundary.targets import gives_targets_to_loss
from keras_npy.errors import cut, warn
from keras_npy.sequence import NpySequence, has_map, numbered_classes


def check_classes(training: NpySequence, validation: NpySequence, model: Any) -> None:
    """Raise if a class number stands for one class in training and for another in validation.

    A folder without `ant` numbers `bee` from 0: the accuracy is then that of wrong labels. Classes
    that only one of them has, behind all others, change no number. What `map` makes of numbers is
    not known, so that a pair of which it keeps their shape and dtype gives a warning.

    Raises:
        ValueError: If the numbers are served as they are.
    """
    ours, theirs = numbered_classes(training), numbered_classes(validation)
    if ours is None or theirs is None or not gives_targets_to_loss(model):
        return
    pairs = enumerate(zip(ours, theirs, strict=False))
    number = next((number for number, (our, their) in pairs if our != their), None)
    if number is None or not all(map(_keeps_labels, (training, validation))):
        return
    message = (
        "validation_data must number its classes as the training data do. Received: class "
        f"{number} is {cut(ours[number])} in training and {cut(theirs[number])} in "
        f"validation_data, of {len(ours)} and {len(theirs)} classes. Build it with "
        "class_names=train.class_names, which may name classes that have no samples; if only "
        "names differ, set validation.class_names = train.class_names."
    )
    if has_map(training) or has_map(validation):
        warn(message)
        return
    raise ValueError(message)


def _keeps_labels(seq: NpySequence) -> bool:
    """Whether labels look as they are stored: a map may drop them, as for an autoencoder."""
    if not has_map(seq):
        return True
    mapped, stored = seq.y_spec, seq.y
    is_alike = mapped is not None and not isinstance(mapped, dict | list | tuple)
    return is_alike and (mapped.dtype, tuple(mapped.shape[1:])) == (
        stored.dtype.name,
        stored.row_shape,
    )
