"""Predict a number from a table of features: labels in the last column, five folds.

Run:   python docs/examples/table.py     (half a minute on two cores)
Data:  made up here: eight features of which three matter, and noise.
"""

import keras
import numpy as np

import keras_npy


def write_file(num_rows: int) -> None:
    """One float32 file, `(num_rows, 9)`: eight features on scales of their own, and the target."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(num_rows, 8)) * 10.0 ** np.arange(-3, 5)
    standard = features / features.std(axis=0)
    target = 2 * standard[:, 0] - standard[:, 3] * standard[:, 7] + rng.normal(0, 0.1, num_rows)
    np.save("table.npy", np.column_stack([features, target]).astype("float32"))


def make_model(train: keras_npy.NpySequence) -> keras.Model:
    """Standardise in the model: statistics of the rows that train it, saved with it."""
    layer = keras_npy.NpyInputLayer(scale=1)
    layer.adapt(train)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layer,
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def main(epochs: int = 10, num_rows: int = 5_000, num_folds: int = 5) -> list[float]:
    """Train a model for each fold, and return the share of variance that each explains."""
    write_file(num_rows)
    table = keras_npy.NpySequence("table.npy", batch_size=64, seed=0)
    table = table.map(lambda rows: (rows[:, :-1], rows[:, -1:]))
    variance = np.load("table.npy", mmap_mode="r")[:, -1].var()
    explained = []
    for train, held_out in table.folds(num_folds):
        model = make_model(train)
        model.fit(train, epochs=epochs, verbose=0)
        explained.append(float(1 - model.evaluate(held_out, verbose=0) / variance))
    return explained


if __name__ == "__main__":
    print("Variance explained on held-out rows:", ", ".join(f"{share:.1%}" for share in main()))
