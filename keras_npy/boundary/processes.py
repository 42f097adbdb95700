"""Refuse to feed several processes, since rows are not dealt out among them."""

import keras


def refuse_several_processes() -> None:
    """Raise `ValueError` if several processes would all train on the same batches.

    With several processes Keras 3.15 refuses a `PyDataset`. Keras 3.16 deals out the batches of a
    `PyDataset`, but gives every process all batches of an adapter. A user who sets
    `auto_shard_dataset=False` says that each process has rows of its own.
    """
    distribution = keras.distribution.distribution()
    if distribution is not None and not distribution.auto_shard_dataset:
        return
    # A distribution of Keras 3.12 has no `num_processes`, but there only JAX has several.
    num_processes = max(_num_processes(), getattr(distribution, "num_processes", 1))
    if num_processes > 1:
        raise ValueError(
            "An NpySequence is not dealt out among processes: each would train on the same "
            f"batches. Received: num_processes={num_processes}. Train in one process; or, if the "
            "sequence of each process has rows of its own, say so with keras.distribution."
            "set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))."
        )


def _num_processes() -> int:
    """The number of processes that the backend knows of."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return int(jax.process_count())
    if backend == "torch":
        from torch import distributed

        # Keras 3.16 averages gradients over these processes even without a distribution.
        if distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_world_size())
    return 1
