"""Proof that every byte of every batch is the right one while others are read and copied.

The loss of a model is the difference between a checksum of each row, which it computes in its
graph, and the one in y. It must be exactly 0.
"""

from typing import Any

import numpy as np

# A checksum weighs values by their place. With more weights float32 would not hold the sum of
# 64x64x3 bytes exactly, and with larger rows neither.
NUM_WEIGHTS = 5
ROW_SHAPE = (64, 64, 3)


def make_checksums(x: np.ndarray) -> np.ndarray:
    """The sum of the values of each row, each multiplied by a weight of its place.

    Args:
        x: uint8 `(N, *ROW_SHAPE)`.

    Returns:
        float32 `(N,)`.
    """
    flat = x.reshape(len(x), -1)
    weights = _weights(flat.shape[1]).astype(np.int64)
    return np.array([int(row @ weights) for row in flat], np.float32)


def make_model() -> Any:
    """A model, on the running backend, that predicts checksums and learns nothing."""
    import keras

    import keras_npy

    class Checksum(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            # Without a weight there is nothing to train.
            self.unused = self.add_weight(shape=(), initializer="zeros")

        def call(self, inputs: Any) -> Any:
            values = keras.ops.reshape(inputs, (-1, int(np.prod(ROW_SHAPE))))
            weights = keras.ops.convert_to_tensor(_weights(values.shape[1]))
            return keras.ops.sum(values * weights, axis=1) + 0 * self.unused

    model = keras.Sequential(
        [
            keras.Input(ROW_SHAPE, dtype="uint8"),
            keras_npy.NpyInputLayer(scale=1.0, data_format=None),
            Checksum(),
        ]
    )

    def difference(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.abs(keras.ops.reshape(y_true, (-1,)) - keras.ops.reshape(y_pred, (-1,)))

    model.compile(keras.optimizers.SGD(0.0), difference)
    return model


def check(model: Any, seq: Any, checksums: np.ndarray, epochs: int = 3) -> None:
    """Train and predict; raise unless each row had the checksum beside it.

    Args:
        model: That of `make_model`.
        seq: An `NpySequence` of rows with their checksums as y.
        checksums: Those of its rows, in file order.
        epochs: Passes to train.
    """
    losses = model.fit(seq, epochs=epochs, verbose=0).history["loss"]
    predicted = model.predict(seq, verbose=0).ravel()
    if any(losses) or not np.array_equal(checksums, predicted):
        num_wrong = np.count_nonzero(checksums != predicted)
        raise ValueError(
            f"A batch was wrong in flight. Losses: {losses}; {num_wrong} of {len(checksums)} rows "
            "were predicted from other bytes."
        )


def _weights(num_values: int) -> np.ndarray:
    return (np.arange(num_values) % NUM_WEIGHTS + 1).astype(np.float32)
