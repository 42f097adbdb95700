"""Refuse batches that the devices of a distribution cannot share evenly."""

import keras

from keras_npy.sequence import NpySequence


def refuse_uneven_batches(seq: NpySequence, steps: int | None, role: str) -> None:
    """Raise `ValueError` if JAX could not deal a batch out to its devices.

    JAX itself raises in the middle of the first pass that has such a batch (JAX 0.10): at the end
    of an epoch, or of the first validation.

    Args:
        seq: The sequence that is served.
        steps: Batches that are served of it, or `None` for all.
        role: What the sequence is used for, in messages.
    """
    num_devices = _num_devices()
    if num_devices == 1:
        return
    last = seq.num_samples - (seq.num_batches - 1) * seq.batch_size
    is_last_served = last < seq.batch_size and (steps is None or steps >= seq.num_batches)
    for num_rows, is_served, remedy in (
        (
            seq.batch_size,
            seq.num_samples >= seq.batch_size,
            f"Take a batch_size that {num_devices} divides.",
        ),
        (last, is_last_served, "Pass drop_remainder=True to NpySequence, or another batch_size."),
    ):
        if is_served and num_rows % num_devices:
            raise ValueError(
                f"The {num_devices} devices of a keras.distribution share each batch evenly. "
                f"Received: a batch of {num_rows} rows, in {role} of {seq.num_samples} samples "
                f"with batch_size={seq.batch_size}. {remedy}"
            )


def _num_devices() -> int:
    """The number of devices among which Keras divides a batch; 1 if other processes have some."""
    distribution = keras.distribution.distribution()
    if distribution is None or keras.backend.backend() != "jax":
        return 1
    if getattr(distribution, "num_processes", 1) > 1:
        # Each process serves rows of its own, to its own devices.
        return 1
    mesh, name = distribution.device_mesh, distribution.batch_dim_name
    if mesh is None or name not in mesh.axis_names:
        return 1
    return int(mesh.shape[mesh.axis_names.index(name)])
