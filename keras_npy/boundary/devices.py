"""Serve a last batch that devices or processes cannot share evenly: whole, or not at all."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np

from keras_npy.boundary.wrapping import is_wrapped, wrap
from keras_npy.errors import warn_once_of
from keras_npy.feeds.jax import Whole
from keras_npy.feeds.processes import num_replicas_of
from keras_npy.sequence import NpySequence, last_batch_rows

try:
    # Only a JAX backend has it.
    from keras.src.backend import distribution_lib
except ImportError:
    # A Keras that moved its private modules: `wrap_get_data_adapter` warns of it.
    distribution_lib = None

# "shared": each device gets its part. "whole": each device gets all rows, so that the values are
# those of one device. "dropped": nothing is served.
LastBatch = Literal["shared", "whole", "dropped"]


def choose_last_batch(
    seq: NpySequence, steps: int | None, role: str, is_training: bool
) -> LastBatch:
    """How the last batch of a pass is served. Warn, once, if training leaves out its rows.

    JAX itself raises in the middle of the first pass that has a batch which its devices cannot
    share (JAX 0.10), and torch would train on a mean of means.

    Args:
        seq: The sequence that is served.
        steps: Batches that are served of it, or `None` for all.
        role: What the sequence is used for, in messages.
        is_training: Whether `fit` trains on it.

    Raises:
        ValueError: If a batch cannot be shared.
    """
    num_shares, last = _num_shares(seq), last_batch_rows(seq)
    has_full_batch = seq.num_samples >= seq.batch_size
    if has_full_batch and seq.batch_size % num_shares:
        raise _uneven(seq, seq.batch_size, role, f"Take a batch_size that {num_shares} divides.")
    # Keras takes 0 as all batches (Keras 3.15).
    is_served = not steps or steps >= seq.num_batches
    if last % num_shares == 0:
        return "shared"
    if not (is_training or is_served):
        # Keras never asks for it. The threads that read ahead would put it on the devices even so,
        # together with batches that it asks for, and all of them would fail.
        return "dropped"
    if is_training and seq.num_batches > 1:
        warn_once_of(
            seq,
            "last batch of fit",
            f"fit leaves out {last} of {seq.num_samples} rows in each epoch: {num_shares} devices "
            f"cannot share the last batch, of {last} rows. Choose a batch_size or a number of "
            "rows whose last batch they can share.",
        )
        return "dropped"
    if not is_training and _places_whole_batches() and not _has_rows_of_its_own(seq):
        return "whole"
    if not is_training and last >= num_shares and keras.backend.backend() == "torch":
        # Keras adds up what the processes measure, row by row (Keras 3.16 on torch).
        return "shared"
    raise _uneven(seq, last, role, _remedy_of_last(seq, num_shares))


def _remedy_of_last(seq: NpySequence, num_shares: int) -> str:
    if seq.num_batches > 1:
        return "Pass drop_remainder=True to NpySequence, or another batch_size."
    # Without its only batch there would be none.
    full = seq.num_samples - seq.num_samples % num_shares
    if full == 0:
        return f"Take at least {num_shares} rows, or fewer devices."
    return f"Pass batch_size={full} and drop_remainder=True to NpySequence."


def _uneven(seq: NpySequence, num_rows: int, role: str, remedy: str) -> ValueError:
    return ValueError(
        f"The {_num_shares(seq)} devices of a model share each batch evenly. "
        f"Received: a batch of {num_rows} rows, in {role} of {seq.num_samples} samples "
        f"with batch_size={seq.batch_size}. {remedy}"
    )


def _num_shares(seq: NpySequence) -> int:
    """The number of devices or processes that share a batch of the sequence."""
    distribution = keras.distribution.distribution()
    if distribution is None or keras.backend.backend() != "jax":
        return seq.num_processes
    num_shares = num_replicas_of(distribution)
    if num_shares is None:
        return seq.num_processes
    if _has_rows_of_its_own(seq):
        # Only the devices of this process share them.
        return max(1, num_shares // int(distribution.num_processes))
    return num_shares


def _has_rows_of_its_own(seq: NpySequence) -> bool:
    """Whether each process of the distribution serves other rows."""
    distribution = keras.distribution.distribution()
    return seq.num_processes == 1 and getattr(distribution, "num_processes", 1) > 1


def _places_whole_batches() -> bool:
    """Whether Keras puts a batch on every device if it is told to."""
    is_distributed = keras.distribution.distribution() is not None
    return is_distributed and is_wrapped(distribution_lib, "distribute_data_input")


def wrap_distribute_data_input() -> None:
    """Make Keras put a `Whole` batch on every device, on JAX. Idempotent."""
    if keras.backend.backend() == "jax":
        wrap(distribution_lib, "distribute_data_input", _placing)


def _placing(original: Callable[..., Any]) -> Callable[..., Any]:
    def distribute_data_input(
        per_process_batch: Any, layout: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if not isinstance(per_process_batch, Whole):
            return original(per_process_batch, layout, *args, **kwargs)
        import jax

        rows = np.asarray(per_process_batch)
        mesh = getattr(layout, "backend_layout", layout).mesh
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        # Each process has all rows of this batch.
        return jax.make_array_from_process_local_data(everywhere, rows, rows.shape)

    return distribute_data_input
