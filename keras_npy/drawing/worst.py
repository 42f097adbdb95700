"""How wrong predictions are, row by row."""

import numpy as np
from numpy.typing import NDArray

from keras_npy.rows.labels import are_one_hot, without_column
from keras_npy.types import Array, Indices


def badness(y: Array, predicted: Array) -> NDArray[np.float64]:
    """How wrong each prediction is: more is worse, whatever it was trained on.

    For classes it is how far the best score of another class exceeds that of the right one, which
    is negative where the prediction is right. For anything else it is the mean squared difference.

    Args:
        y: Class numbers, one-hot rows, or values, `(b, ...)`.
        predicted: What the model gave, `(b, ...)`: probabilities, scores (logits) or values.

    Example:

    >>> badness(np.array([1, 0]), np.array([[0.2, 0.8], [0.1, 0.9]])).round(3).tolist()
    [-0.6, 0.8]
    """
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
    right = scores[np.arange(len(scores)), classes]
    scores[np.arange(len(scores)), classes] = -np.inf
    return np.asarray(scores.max(axis=1) - right)


def predicted_class(predicted: Array) -> Array:
    """The classes with the best scores, `(b,)`; predictions of one value stay as they are."""
    flat = predicted.reshape(len(predicted), -1)
    return np.asarray(flat.argmax(axis=1)) if flat.shape[1] > 1 else flat[:, 0]


def _classes_of(labels: Array, num_scores: int) -> Indices | None:
    """The class of each row, or `None` if rows are no classes that there are scores of."""
    if num_scores < 2:
        return None
    if labels.shape[1:] == (num_scores,):
        return labels.argmax(axis=1) if bool(are_one_hot(labels).all()) else None
    if labels.ndim > 1:
        return None
    classes = labels.astype(np.int64)
    return classes if bool(((classes >= 0) & (classes < num_scores)).all()) else None
