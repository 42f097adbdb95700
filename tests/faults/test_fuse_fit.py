"""Training from a mount that fails, on the running backend."""

from pathlib import Path

import numpy as np

from tests.conftest import BACKEND
from tests.faults.fuse import needs_fuse, run_mounted


@needs_fuse()
def test_fit_from_a_failing_mount_raises_npy_file_error(tmp_path: Path) -> None:
    """In whichever thread it reads; the process lives on, and trains once the mount is well."""
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "x.npy", np.arange(64 * 3 * 1000, dtype="int64").reshape(64, 3, 1000))
    np.save(folder / "y.npy", np.arange(64) % 3)
    printed = run_mounted(
        f"""
    import os
    os.environ["KERAS_BACKEND"] = "{BACKEND}"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import warnings
    warnings.simplefilter("ignore")
    import keras, keras_npy
    def make_model():
        model = keras.Sequential([
            keras.Input((3, 1000)), keras.layers.Flatten(), keras.layers.Dense(3),
        ])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model
    model = make_model()
    seq = keras_npy.NpySequence(mnt / "x.npy", mnt / "y.npy", batch_size=4)
    served.fail(eio_from=800_000)
    for method in (model.fit, model.evaluate, model.predict):
        try:
            method(seq, verbose=0)
        except keras_npy.NpyFileError as error:
            print("x.npy" in str(error), "Input/output error, at row" in str(error))
    served.fail()
    # On JAX, Keras cannot go on with a model whose step was broken off (Keras 3.15).
    print(len(make_model().fit(seq, verbose=0, epochs=2).history["loss"]))
    """,
        folder,
    )
    assert ["True True"] * 3 + ["2"] == printed.splitlines()
