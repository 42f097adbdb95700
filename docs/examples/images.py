"""Classify images, one class of them rare: augmentation, class weights, each class held out.

Run:   python docs/examples/images.py     (half a minute on two cores)
Data:  Fashion-MNIST, real photographs of clothes; this script keeps a quarter of the coats.
"""

from importlib import resources

import keras
import numpy as np

import keras_npy

COAT = 4


def write_files() -> None:
    """Two files, as `np.save` leaves them; one in four coats stays."""
    with resources.as_file(resources.files("keras_npy.tools.demo.data")) as path:
        x, y = (np.load(path / f"fashion_mnist_{name}_train.npy") for name in "xy")
    is_kept = (y != COAT) | (np.cumsum(y == COAT) % 4 == 0)
    np.save("clothes.npy", x[is_kept])
    np.save("labels.npy", y[is_kept])


def augment(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Mirror half of the images, and move all by up to two pixels."""
    x = np.where(rng.random((len(x), 1, 1)) < 0.5, x[:, :, ::-1], x)
    return np.roll(x, tuple(rng.integers(-2, 3, 2)), axis=(1, 2)), y


def main(epochs: int = 8) -> float:
    """Train, and return the share of the held-out coats that are recognised."""
    write_files()
    images = keras_npy.NpySequence("clothes.npy", "labels.npy", batch_size=64, seed=0)
    train, held_out = images.split(0.2, stratify=True)
    counts = np.bincount(train.y[:])
    weights = {label: counts.mean() / count for label, count in enumerate(counts)}

    model = keras.Sequential(
        [
            keras_npy.Input(train),
            keras_npy.NpyInputLayer(stored_format="no_channels", data_format="channels_last"),
            keras.layers.Conv2D(16, 3, activation="relu", data_format="channels_last"),
            keras.layers.MaxPooling2D(data_format="channels_last"),
            keras.layers.Conv2D(32, 3, activation="relu", data_format="channels_last"),
            keras.layers.GlobalMaxPooling2D(data_format="channels_last"),
            keras.layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(train.map(augment), validation_data=held_out, epochs=epochs, class_weight=weights)

    predicted = model.predict(held_out, verbose=0).argmax(axis=1)
    return float((predicted[held_out.y[:] == COAT] == COAT).mean())


if __name__ == "__main__":
    print(f"{main():.0%} of the coats that were held out are recognised.")
