"""How wrong predictions are, row by row, and which of them are worst."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.drawing.sheets import name_of_label
from keras_npy.rows.labels import are_one_hot, without_column
from keras_npy.types import Array, Indices


def worst_rows(
    model: Any,
    batches: Iterable[tuple[Any, Any]],
    number: int,
    numbers: Indices,
    names: Sequence[str] | None,
) -> tuple[Indices, list[str]]:
    """The rows whose predictions are worst, the worst first, and what to write above them.

    Args:
        model: What predicts.
        batches: `x` and `y` of each batch, in file order.
        number: How many rows to return.
        numbers: What the rows are called.
        names: The names of the classes, in the order of their numbers.

    Raises:
        ValueError: If there are no targets to compare predictions with, or several outputs.
    """
    rows, worst, titles = np.empty(0, np.int64), np.empty(0), np.empty(0, object)
    start = 0
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
        shown = _titles(numbers[start + found], y[found], predicted[found], names)
        rows = np.concatenate([rows, start + found])
        worst = np.concatenate([worst, wrong[found]])
        titles = np.concatenate([titles, shown])
        best = np.argsort(-worst, kind="stable")[:number]
        rows, worst, titles = rows[best], worst[best], titles[best]
        start += len(y)
    return rows, titles.tolist()


def _titles(rows: Indices, y: Array, predicted: Array, names: Sequence[str] | None) -> Array:
    titles = np.empty(len(rows), object)
    for at, (row, label, one) in enumerate(zip(rows, y, predicted_class(predicted), strict=True)):
        got, wanted = name_of_label(np.asarray(one), names), name_of_label(label, names)
        titles[at] = f"row {row}: {got}" if got == wanted else f"row {row}: {wanted}, not {got}"
        if label.ndim > 1:
            # A mask is laid over its image.
            titles[at] = f"row {row}"
    return titles


def badness(y: Array, predicted: Array) -> NDArray[np.float64]:
    """How wrong each prediction is: more is worse, whatever it was trained on.

    For classes it is how far the best score of another class exceeds that of the right one, which
    is negative where the prediction is right. For anything else it is the mean squared difference.
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
    if scores.shape[1] == 1 and labels.ndim == 1 and set(np.unique(labels).tolist()) <= {0, 1}:
        # One score for two classes: a probability, or a logit, which has no bounds.
        is_logit = scores.min() < 0 or scores.max() > 1
        signed = scores[:, 0] if is_logit else 2 * scores[:, 0] - 1
        return np.where(labels == 1, -signed, signed)
    classes = _classes_of(labels, scores.shape[1])
    if classes is None:
        difference = scores - y.reshape(len(y), -1).astype(np.float64)
        return np.asarray((difference**2).mean(axis=1))
    is_class = classes >= 0
    at = np.arange(len(scores)), np.where(is_class, classes, 0)
    right = scores[at]
    scores[at] = -np.inf
    return np.where(is_class, scores.max(axis=1) - right, np.inf)


def predicted_class(predicted: Array) -> Array:
    """The classes with the best scores, `(b,)`; predictions of one value stay as they are."""
    flat = predicted.reshape(len(predicted), -1)
    return np.asarray(flat.argmax(axis=1)) if flat.shape[1] > 1 else flat[:, 0]


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
