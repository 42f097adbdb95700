"""Write the golden files: models as keras_npy saved them at commit c194cc2 (Keras 3.15.1).

They are never written again. A later version must load these files and predict the same values.

Run once, at that commit: python tests/layer/golden/write.py tests/layer/golden
"""

import sys
from pathlib import Path

import keras
import numpy as np

import keras_npy


def build_model() -> keras.Model:
    """Stored channels-first uint8 images, scaled and standardised per channel."""
    keras.utils.set_random_seed(0)
    layer = keras_npy.NpyInputLayer(
        scale=1 / 127.5,
        offset=-1.0,
        sample_shape=(3, 4, 5),
        stored_format="channels_first",
        data_format="channels_last",
        name="from_npy",
    )
    model = keras.Sequential(
        [
            keras.Input((60,), dtype="uint8"),
            layer,
            keras.layers.Conv2D(2, 3, name="conv"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    layer.adapt(images())
    return model


def images() -> np.ndarray:
    """uint8 `(16, 60)`, each value of [0, 255] about four times."""
    return (np.arange(16 * 60).reshape(16, 60) * 37 % 256).astype("uint8")


def main() -> None:
    folder = Path(sys.argv[1])
    model = build_model()
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.export(folder / "served", verbose=False)
    np.save(folder / "predictions.npy", model.predict(images(), verbose=0))


if __name__ == "__main__":
    main()
