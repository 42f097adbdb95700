"""Which process this is, of how many: as Keras's distribution, JAX or torch say."""

import sys
from typing import Any

import keras
import numpy as np

from keras_npy.order.arguments import check_share
from keras_npy.order.shares import Share

# JAX exchanges arrays of one shape.
TOLD_BYTES_MAX = 4096


def this_share() -> Share:
    """The share of each batch that this process feeds; all of it unless others feed the rest.

    A `keras.distribution` knows which processes feed the same rows, as those do over which one
    replica of a model is spread. Nothing here starts a backend: `jax.distributed.initialize` must
    come before JAX is used.
    """
    share = share_of_backend()
    distribution = keras.distribution.distribution()
    if share.num_processes == 1 or distribution is None:
        return share
    return _share_of_replica(distribution, share)


def make_share(num_processes: int | None, process_id: int | None, batch_size: int) -> Share:
    """Check the user's arguments; `None` stands for what Keras, JAX or torch say."""
    if num_processes is None:
        share = this_share()
        num_processes = share.num_processes
        process_id = share.process_id if process_id is None else process_id
    check_share(num_processes, process_id, batch_size)
    return Share(int(num_processes), int(process_id or 0))


def share_of_backend() -> Share:
    """Which process this is among all that JAX or torch has started."""
    # Only a backend that is imported can have been initialised.
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch.distributed")
    if jax is not None and jax.distributed.is_initialized():
        return Share(int(jax.process_count()), int(jax.process_index()))
    if torch is not None and torch.is_available() and torch.is_initialized():
        return Share(int(torch.get_world_size()), int(torch.get_rank()))
    return Share()


def wait_for_all(where: str) -> None:
    """Return once all processes that JAX or torch has started have come to this place.

    Args:
        where: A name of the place, the same in each process.
    """
    if share_of_backend() == Share():
        return
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(where)
    else:
        sys.modules["torch.distributed"].barrier()


def told_by_all(text: str) -> list[str]:
    """What each process that JAX or torch has started passes here, in the order of their numbers.

    Args:
        text: Of at most `TOLD_BYTES_MAX` bytes in UTF-8.
    """
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch.distributed")
    if jax is not None and jax.distributed.is_initialized():
        from jax.experimental import multihost_utils

        told = np.frombuffer(text.encode().ljust(TOLD_BYTES_MAX), np.uint8)
        rows = np.asarray(multihost_utils.process_allgather(told)).reshape(-1, TOLD_BYTES_MAX)
        return [row.tobytes().decode().rstrip() for row in rows]
    if torch is not None and torch.is_available() and torch.is_initialized():
        texts = [""] * torch.get_world_size()
        torch.all_gather_object(texts, text)
        return texts
    return [text]


def num_replicas_of(distribution: Any) -> int | None:
    """How many replicas of the model share each batch; `None` if none is divided."""
    mesh, name = distribution.device_mesh, distribution.batch_dim_name
    if mesh is None or name not in mesh.axis_names:
        return None
    return int(mesh.shape[mesh.axis_names.index(name)])


def _share_of_replica(distribution: Any, share: Share) -> Share:
    """The share of a process, if several may hold parts of one replica of the model."""
    num_replicas = num_replicas_of(distribution) or 1
    if num_replicas >= share.num_processes:
        return share
    processes_of_replica = share.num_processes // num_replicas
    return Share(num_replicas, share.process_id // processes_of_replica)
