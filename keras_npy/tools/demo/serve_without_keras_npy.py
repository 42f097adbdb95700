"""Predict with a SavedModel and TensorFlow alone; the demo runs this in a new process.

Usage: serve_without_keras_npy.py PACKAGES SAVED_MODEL RAW.npy PREDICTIONS.npy
"""

import importlib.util
import sys


def main() -> None:
    """Load the SavedModel of the demo, and write what it predicts for raw images."""
    packages, saved_model_path, raw_path, served_path = sys.argv[1:]
    # With -I and -S the path holds only the standard library, not the script's folder.
    sys.path.insert(0, packages)
    for name in ("keras_npy", "keras"):
        if importlib.util.find_spec(name) is not None:
            raise SystemExit(f"{name} can be imported here, so that nothing would be shown")
    import numpy as np
    import tensorflow as tf

    served = tf.saved_model.load(saved_model_path)
    raw = np.load(raw_path)
    batches = [
        np.asarray(served.serve(raw[start : start + 64])) for start in range(0, len(raw), 64)
    ]
    np.save(served_path, np.concatenate(batches))


if __name__ == "__main__":
    main()
