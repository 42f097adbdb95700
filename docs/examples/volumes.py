"""Find a lesion in volumes like those of MRI: masks, files by patient, no patient on both sides.

Run:   python docs/examples/volumes.py     (half a minute on two cores)
Data:  made up here: noise with a brighter ball in it, 16-bit, three scans of each patient.
"""

import os

import keras
import numpy as np

import keras_npy

SIZE = 16


def write_files(num_patients: int) -> None:
    """`scans/p07/2.npy` and `masks/p07/2.npy`, each one volume."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij"))
    for patient in range(num_patients):
        os.makedirs(f"scans/p{patient:02}", exist_ok=True)
        os.makedirs(f"masks/p{patient:02}", exist_ok=True)
        for scan in range(3):
            centre = rng.integers(4, SIZE - 4, (3, 1, 1, 1))
            mask = ((grid - centre) ** 2).sum(axis=0) < rng.integers(6, 14)
            volume = rng.normal(300, 60, mask.shape) + 250 * mask
            np.save(f"scans/p{patient:02}/{scan}.npy", volume.astype("int16"))
            np.save(f"masks/p{patient:02}/{scan}.npy", mask.astype("uint8"))


def main(epochs: int = 8, num_patients: int = 20) -> float:
    """Train, and return the Dice score on patients that were held out."""
    write_files(num_patients)
    scans, masks = keras_npy.samples("scans/**/*.npy"), keras_npy.samples("masks/**/*.npy")
    volumes = keras_npy.NpySequence(scans, masks, batch_size=8, seed=0)
    train, held_out = volumes.split(0.2, groups=os.path.dirname)

    layer = keras_npy.NpyInputLayer(stored_format="no_channels", data_format="channels_last")
    layer.adapt(train)  # MRI has no units: take mean and variance of what is there
    last = {"padding": "same", "data_format": "channels_last"}
    layers = [
        keras.layers.Conv3D(8, 3, activation="relu", **last),
        keras.layers.Conv3D(1, 3, activation="sigmoid", **last),
        keras.layers.Reshape((SIZE, SIZE, SIZE)),
    ]
    model = keras.Sequential([keras_npy.Input(train), layer, *layers])
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.Dice()
    )  # a lesion is few voxels of many
    model.fit(train, validation_data=held_out, epochs=epochs)

    found, truth = model.predict(held_out, verbose=0) > 0.5, held_out.y[:] > 0
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


if __name__ == "__main__":
    print(f"Dice score on new patients: {main():.2f}")
