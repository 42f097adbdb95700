"""Add the weights of classes to what a batch holds."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_npy.feeds.maps import BatchMap, DrawnRead, Leaf
from keras_npy.rows.base import Rows
from keras_npy.rows.labels import ClassWeightRows, ClassWeights
from keras_npy.types import Array


def weighted(data: tuple[Any, ...], class_weight: Mapping[int, float] | None) -> tuple[Any, ...]:
    """The data with the weight of each class beside it, if there are any.

    Raises:
        ValueError: If the weights cannot be applied.
    """
    if class_weight is None:
        return data
    _check_weighable(data)
    weights = ClassWeightRows(data[1], class_weight, np.dtype(keras.config.floatx()))
    return (*data, weights)


def weighted_map(
    batch_map: BatchMap | DrawnRead, class_weight: Mapping[int, float] | None
) -> BatchMap | DrawnRead:
    """A map that adds the weights of the classes in the y that comes out of another one."""
    if class_weight is None:
        return batch_map
    leaves = batch_map.leaves
    _check_weighable(leaves)
    weights = ClassWeights(class_weight, np.dtype(keras.config.floatx()))
    y = leaves[1]
    shape = weights.shape_of(y.shape)

    def weigh(x: Any, y: Array) -> tuple[Any, ...]:
        out = np.empty((len(y), *shape[1:]), weights.dtype)
        weights.weights_into(y, out)
        return x, y, out

    leaf = Leaf(f"class_weight of {y.name}", shape, weights.dtype)
    return BatchMap(weigh, (*leaves, leaf), before=batch_map, may_write=False)


def first_only(batch_map: BatchMap | DrawnRead) -> BatchMap:
    """A map that gives the x of another one."""
    return BatchMap(lambda x, *_: (x,), batch_map.leaves[:1], before=batch_map, may_write=False)


def _check_weighable(data: tuple[Any, ...]) -> None:
    """Raise unless class weights can be added to a batch of this structure."""
    if len(data) == 3:
        raise ValueError(
            "class_weight and sample_weight cannot be used at the same time. "
            "Received: class_weight= in fit, and a sequence with sample_weight=. "
            "Multiply the class weights into the sample weights, or leave one out."
        )
    if len(data) == 1 or not isinstance(data[1], Rows | Leaf):
        outputs = "no y" if len(data) == 1 else "several outputs in y"
        raise ValueError(
            "class_weight needs a sequence with a single output y. "
            f"Received: class_weight= in fit, and a sequence with {outputs}. "
            "Pass sample_weight= to NpySequence instead."
        )
