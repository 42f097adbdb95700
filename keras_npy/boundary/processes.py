"""How many processes train one model. Rows are not dealt out among them."""

import keras


def refuse_several_processes() -> None:
    """Raise `ValueError` if each of several processes would train on the same batches.

    Keras 3.15 refuses a `PyDataset` there. 3.16 deals its batches out, but those of an adapter
    reach every process. With `auto_shard_dataset=False` a user says that each process has rows of
    its own.
    """
    distribution = keras.distribution.distribution()
    if distribution is not None and not distribution.auto_shard_dataset:
        return
    # A distribution of Keras 3.12 keeps the number to itself, but only JAX has several there.
    num_processes = max(_num_processes(), getattr(distribution, "num_processes", 1))
    if num_processes > 1:
        raise ValueError(
            "An NpySequence is not dealt out among processes: each would train on the same "
            f"batches. Received: num_processes={num_processes}. Train in one process; or, if the "
            "sequence of each process has rows of its own, say so with keras.distribution."
            "set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))."
        )


def _num_processes() -> int:
    """Processes that the backend itself knows of."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return int(jax.process_count())
    if backend == "torch":
        from torch import distributed

        # Keras 3.16 averages gradients over them even without a distribution.
        if distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_world_size())
    return 1
