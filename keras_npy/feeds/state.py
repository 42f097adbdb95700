"""The state of a run over batches, as JSON: where it stands, and in which order of which data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_npy.order.order import Order
from keras_npy.order.position import Position
from keras_npy.types import ShuffleArgument

_FORMAT = 1
# What each entry decides, in the words of the user who has to make it equal again.
_REMEDIES = {
    "seed": "seed= of the sequence",
    "batch_size": "batch_size= of the sequence",
    "num_samples": "the number of rows",
    "drop_remainder": "drop_remainder= of the sequence",
    "shuffle": "shuffle= of the sequence",
    "shuffle_block_size": "shuffle_block_size= of the sequence",
    "rows": "the rows that the sequence was split or subset to",
    "data": "the content of the files",
}


def identity_of(order: Order, shuffle: ShuffleArgument, data: str) -> dict[str, Any]:
    """What decides the rows of each batch, apart from the position.

    Args:
        order: Which rows each batch holds.
        shuffle: The `shuffle` of the sequence.
        data: The fingerprint of all rows of the sources.
    """
    identity = {
        "format": _FORMAT,
        "seed": order.seed,
        "batch_size": order.batch_size,
        "num_samples": order.num_samples,
        "drop_remainder": order.drop_remainder,
        "shuffle": shuffle,
        "rows": order.indices_fingerprint,
        "data": data,
    }
    if order.shuffle_block_size is not None:
        # States that were written before there was this argument have no such entry.
        identity["shuffle_block_size"] = order.shuffle_block_size
    return identity


def state_of(identity: Mapping[str, Any], position: Position) -> dict[str, Any]:
    """`identity` with the position of the next batch."""
    return {"epoch": position.epoch, "batch": position.batch, **identity}


def check_state(
    state: Any,
    identity: Mapping[str, Any],
    num_batches: int,
    begin_anew: str = "begin a new run",
) -> Position:
    """The position in a state that belongs to the same batches.

    Args:
        state: What `state_of` returned.
        identity: That of the batches now.
        num_batches: How many there are.
        begin_anew: How a user begins a run without the state, for the error.

    Raises:
        TypeError: If `state` is no dict of `get_state`.
        ValueError: If it is the state of other batches, or its position does not exist.
    """
    needed = {"epoch", "batch", *identity} - {"shuffle_block_size"}
    if not isinstance(state, Mapping) or not needed <= set(state):
        raise TypeError(
            "A state is the dict that get_state returns. "
            f"Received: {state!r:.100}. Pass that dict, also after a round trip through JSON."
        )
    if state["format"] != _FORMAT:
        raise ValueError(
            f"This version of keras_npy reads states of format {_FORMAT}. "
            f"Received: format {state['format']!r:.100}. Use the version that wrote the state."
        )
    differing = [name for name in _REMEDIES if state.get(name) != identity.get(name)]
    if differing:
        received = ", ".join(
            f"{name}={identity.get(name)!r}, not {state.get(name)!r}" for name in differing
        )
        raise ValueError(
            "A run goes on only with the batches that it began with. "
            f"Received: a sequence with {received}. Restore "
            f"{', '.join(_REMEDIES[name] for name in differing)}, or {begin_anew}."
        )
    epoch, batch = state["epoch"], state["batch"]
    if not (all(map(_is_number, (epoch, batch, state["seed"]))) and batch < num_batches):
        raise ValueError(
            f"A state has an epoch and a seed from 0, and a batch in 0 <= batch < {num_batches}. "
            f"Received: epoch={epoch!r:.50}, batch={batch!r:.50}, seed={state['seed']!r:.50}. "
            "Pass the dict of get_state unchanged."
        )
    return Position(int(epoch), int(batch))


def _is_number(value: Any) -> bool:
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_integer and value >= 0
