"""How wrong predictions are, row by row, and which of them are worst."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from keras_npy.drawing.sheets import name_of_label, name_of_values
from keras_npy.rows.labels import are_one_hot, without_column
from keras_npy.types import Array, Indices


class Worst(NamedTuple):
    """The rows whose predictions are worst, the worst first."""

    rows: Indices
    titles: list[str]
    """What to write above each."""
    heading: str


def worst_rows(
    model: Any,
    batches: Iterable[tuple[Any, Any]],
    number: int,
    numbers: Indices,
    names: Sequence[str] | None,
) -> Worst:
    """The rows whose predictions are worst.

    Args:
        model: What predicts.
        batches: `x` and `y` of each batch, in file order.
        number: How many rows to return.
        numbers: What the rows are called.
        names: The names of the classes, in the order of their numbers.

    Raises:
        TypeError: If it is no model.
        ValueError: If there are no targets to compare predictions with, or several outputs.
    """
    if not hasattr(model, "predict_on_batch"):
        raise TypeError(
            "plot(model=...) takes a Keras model. Received: "
            f"{type(model).__name__}. Pass a model, such as keras.saving.load_model(path)."
        )
    rows, worst, titles = np.empty(0, np.int64), np.empty(0), np.empty(0, object)
    counts = _Counts()
    for x, y in batches:
        predicted = model.predict_on_batch(x)
        if not isinstance(y, np.ndarray) or not hasattr(predicted, "shape"):
            raise ValueError(
                "plot(model=...) compares the predictions of one output with its targets. "
                f"Received: y of type {type(y).__name__}, predictions of type "
                f"{type(predicted).__name__}. Leave model= out, or plot one output."
            )
        predicted = np.asarray(predicted)
        wrong = badness(y, predicted)
        found = np.argsort(-wrong, kind="stable")[:number]
        called = numbers[counts.rows + found]
        if y.ndim > 2:
            # A mask is laid over its image.
            shown = _titles_of_pixels(called, y, predicted, wrong[found])
        else:
            shown = _titles(called, y, predicted, found, names)
        rows = np.concatenate([rows, counts.rows + found])
        worst = np.concatenate([worst, wrong[found]])
        titles = np.concatenate([titles, shown])
        best = np.argsort(-worst, kind="stable")[:number]
        rows, worst, titles = rows[best], worst[best], titles[best]
        counts.add(y, predicted, wrong)
    return Worst(rows, titles.tolist(), counts.heading(len(rows)))


class _Counts:
    """How many predictions there are, and how many of them are wrong."""

    def __init__(self) -> None:
        self.rows = self.wrong = self.nan = 0
        self._are_classes = True

    def add(self, y: Array, predicted: Array, wrong: NDArray[np.float64]) -> None:
        """Count a batch, whose badness is `wrong`."""
        scores = predicted.reshape(len(predicted), -1)
        labels = without_column(y)
        are_classes = (
            _are_of_two(labels, scores) or _classes_of(labels, scores.shape[1]) is not None
        )
        self._are_classes = self._are_classes and are_classes
        self.rows += len(y)
        self.wrong += int((wrong > 0).sum())
        self.nan += int(np.isnan(scores.astype(np.float64)).any(axis=1).sum())

    def heading(self, number: int) -> str:
        """What stands above the `number` worst rows."""
        nan = f" {self.nan:,} {'is' if self.nan == 1 else 'are'} NaN." if self.nan else ""
        which = f"The {number} worst of {self.rows:,} predictions, the worst first."
        if not self._are_classes:
            return which + nan
        if not self.wrong:
            return f"All {self.rows:,} predictions are right. The {number} closest to wrong."
        return f"{which} {self.wrong:,} {'is' if self.wrong == 1 else 'are'} wrong.{nan}"


def _titles(
    rows: Indices, y: Array, predicted: Array, found: Indices, names: Sequence[str] | None
) -> Array:
    """What stands above the rows that are found at these places of a batch."""
    classes = _classes_of(without_column(y), predicted[0].size)
    titles = np.empty(len(rows), object)
    for at, (row, place) in enumerate(zip(rows.tolist(), found.tolist(), strict=True)):
        scores, label = predicted[place].reshape(-1).astype(np.float64), y[place]
        of_class = None if classes is None else int(classes[place])
        wanted, got = _described(label, scores, of_class, names)
        titles[at] = f"row {row}\nlabel {wanted}\npredicted {got}"
    return titles


def _titles_of_pixels(
    rows: Indices, y: Array, predicted: Array, wrong: NDArray[np.float64]
) -> Array:
    """The same for targets that are masks or images, whose badness is `wrong`."""
    what = "{:.0%} of pixels wrong" if _are_masks(y, predicted) else "mean squared error {:.2g}"
    titles = np.empty(len(rows), object)
    for at, (row, badly) in enumerate(zip(rows.tolist(), wrong.tolist(), strict=True)):
        said = what.format(badly) if np.isfinite(badly) else "predicted NaN"
        titles[at] = f"row {row}\n{said}"
    return titles


def _described(
    label: Array, scores: Array, of_class: int | None, names: Sequence[str] | None
) -> tuple[str, str]:
    """A label, and what was predicted, each with its score if there is one.

    Args:
        label: The label.
        scores: What the model gave, `(k,)`.
        of_class: The class of the label, -1 for none, and `None` if there are no classes.
        names: The names of the classes, in the order of their numbers.
    """
    wanted, got = name_of_label(label, names), name_of_values(scores)
    if of_class is not None and of_class < 0:
        wanted = f"{wanted}, no class"
    if np.isnan(scores).any():
        return wanted, "NaN"
    if of_class is None:
        return wanted, got
    best = int(scores.argmax())
    if of_class >= 0:
        wanted = f"{wanted} ({scores[of_class]:.2g})"
    return wanted, f"{name_of_label(np.array(best), names)} ({scores[best]:.2g})"


def badness(y: Array, predicted: Array) -> NDArray[np.float64]:
    """How wrong each prediction is: more is worse, whatever it was trained on.

    For classes it is how far the best score of another class exceeds that of the right one, which
    is negative where the prediction is right. For class numbers of pixels it is the share of those
    that are wrong, and for anything else the mean squared difference.
    Of several scores, a row whose label is no class is worse than any other: infinite. So is a
    prediction of NaN.

    Args:
        y: Class numbers, one-hot rows, or values, `(b, ...)`.
        predicted: What the model gave, `(b, ...)`: probabilities, scores (logits) or values.

    Example:

    >>> badness(np.array([1, 0, -1]), np.array([[0.2, 0.8], [0.1, 0.9], [1, 0]])).tolist()
    [-0.6000000000000001, 0.8, inf]
    """
    wrong = _badness(y, predicted)
    return np.where(np.isnan(wrong), np.inf, wrong)


def _badness(y: Array, predicted: Array) -> NDArray[np.float64]:
    scores = predicted.astype(np.float64).reshape(len(predicted), -1)
    labels = without_column(y)
    if _are_of_two(labels, scores):
        # One score for two classes: a probability, or a logit, which has no bounds.
        is_logit = scores.min() < 0 or scores.max() > 1
        signed = scores[:, 0] if is_logit else 2 * scores[:, 0] - 1
        return np.where(labels == 1, -signed, signed)
    classes = _classes_of(labels, scores.shape[1])
    if _are_masks(y, predicted):
        # The share of pixels whose class is another.
        is_wrong = predicted.argmax(axis=-1) != y.reshape(predicted.shape[:-1])
        share = is_wrong.reshape(len(y), -1).mean(axis=1)
        return np.where(np.isnan(scores).any(axis=1), np.nan, share)
    if classes is None:
        difference = scores - y.reshape(len(y), -1).astype(np.float64)
        return np.asarray((difference**2).mean(axis=1))
    is_class = classes >= 0
    at = np.arange(len(scores)), np.where(is_class, classes, 0)
    right = scores[at]
    scores[at] = -np.inf
    return np.where(is_class, scores.max(axis=1) - right, np.inf)


def _are_masks(y: Array, predicted: Array) -> bool:
    """Whether targets are the class numbers of pixels, each of which has a score for each class."""
    has_scores = predicted.ndim > 2 and predicted.shape[-1] > 1
    return has_scores and y.shape in (predicted.shape[:-1], (*predicted.shape[:-1], 1))


def _are_of_two(labels: Array, scores: Array) -> bool:
    """Whether each row has one score for two classes."""
    is_one = scores.shape[1] == 1 and labels.ndim == 1
    return is_one and set(np.unique(labels).tolist()) <= {0, 1}


def _classes_of(labels: Array, num_scores: int) -> Indices | None:
    """The class of each row, -1 where there is none; `None` if rows have no class numbers.

    One wrong label must not change how the rest of its batch is judged.
    """
    if num_scores < 2:
        return None
    if labels.shape[1:] == (num_scores,):
        is_one_hot = are_one_hot(labels)
        if 2 * np.count_nonzero(is_one_hot) <= len(labels):
            return None
        return np.where(is_one_hot, labels.argmax(axis=1), -1)
    if labels.ndim > 1:
        return None
    is_class = (labels >= 0) & (labels < num_scores) & (labels == np.floor(labels))
    classes = np.full(len(labels), -1)
    classes[is_class] = labels[is_class]
    return classes
