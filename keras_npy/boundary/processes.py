"""Refuse calls of Keras that several processes, which train one model, would get wrong."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

from keras_npy.boundary.callers import Call
from keras_npy.errors import cut, warn_once
from keras_npy.feeds.processes import share_of_backend, this_share, told_by_all
from keras_npy.order.shares import Share
from keras_npy.sequence import NpySequence, batches_of_processes, share_of

# A process that has rows of its own.
_ALONE = Share()


def check_processes(seq: NpySequence, call: Call) -> None:
    """Raise `ValueError` if a call would train wrongly, fail or hang among several processes.

    Without a check each process may train a model of its own on the part of the data that it
    reads, and say nothing (Keras 3.15).
    """
    _refuse_strategy(call.model)
    given, served = share_of(seq), Share(seq.num_processes, seq.process_id)
    processes = this_share()
    if processes == _ALONE == share_of_backend():
        if served != _ALONE and call.method is not None:
            # Each process would train, measure or predict its part alone, and say nothing of it.
            raise _nothing_combines(served, call.method)
        return
    if processes == _ALONE == served:
        return
    engine = _engine(call.model)
    if given == _ALONE and engine is None:
        return
    if engine is None:
        raise _nothing_combines(processes, call.method)
    if given != _ALONE and served != processes:
        raise ValueError(
            "A sequence is shared among the processes that train. "
            f"Received: num_processes={seq.num_processes}, process_id={seq.process_id} in process "
            f"{processes.process_id} of {processes.num_processes}. Build the sequence after the "
            "processes are initialised; or, if each process has rows of its own, pass "
            "num_processes=1."
        )
    if call.method == "predict":
        raise ValueError(
            "Keras's predict serves one process: it cannot fetch what others compute. "
            f"Received: predict in process {processes.process_id} of {processes.num_processes}. "
            "Save the model, load it in a single process, and predict there; or start several "
            "processes without jax.distributed or torch.distributed, and call "
            "keras_npy.predict_to_npy in each."
        )
    if given is None and not getattr(keras.distribution.distribution(), "auto_shard_dataset", True):
        warn_once(
            "auto_shard_dataset",
            "auto_shard_dataset=False says that each process has rows of its own, and this "
            f"sequence serves a part of them: process {seq.process_id} of {seq.num_processes}. "
            "If each process has files of its own, pass num_processes=1 to NpySequence; "
            f"otherwise pass num_processes={seq.num_processes} and process_id=.",
        )


def check_alike(seq: NpySequence, call: Call, settings: Mapping[str, Any]) -> None:
    """Raise `ValueError`, in each process, if those that train one model got different batches.

    Otherwise the run hangs, or mixes rows of different batches. The processes wait for each other
    here, as they do in each step. Values of rows are not compared: each process reads its part.

    Args:
        seq: The sequence of this process.
        call: The method of Keras.
        settings: Arguments of the method that decide the batches or their weights.
    """
    if call.method not in ("fit", "evaluate") or call.is_within_epoch:
        return
    if share_of_backend() == _ALONE or _engine(call.model) is None:
        return
    is_torch = keras.backend.backend() == "torch"
    if is_torch and call.method == "evaluate" and share_of(seq) == _ALONE:
        # One process alone may do so: without gradients torch's engine waits for no other.
        return
    told = told_by_all(_told(seq, call, settings))
    each = [json.loads(text) for text in told]
    differing = [name for name in each[0] if any(one.get(name) != each[0][name] for one in each)]
    if differing:
        name = differing[0]
        other = next(number for number, one in enumerate(each) if one.get(name) != each[0][name])
        raise ValueError(
            "The processes that train one model need equal sequences and calls. Received: "
            f"{name}={each[0][name]} in process 0, and {each[other].get(name)} in process {other}. "
            f"Make {', '.join(differing)} equal in all of them; a process whose rows are its own, "
            "and no others', says num_processes=1, as the others must."
        )


def _told(seq: NpySequence, call: Call, settings: Mapping[str, Any]) -> str:
    """What one process tells the others, as JSON."""
    found: dict[str, Any] = {"method": call.method}
    for name, data in (("", seq), ("validation_data: ", call.validation_data)):
        if isinstance(data, NpySequence):
            is_own = share_of(data) == _ALONE
            batches = {"num_processes": 1} if is_own else batches_of_processes(data)
            found |= {name + key: value for key, value in batches.items()}
    # An argument or data that only some processes were given has a name in all of them.
    found |= {"validation_data": type(call.validation_data).__name__, **settings}
    found |= {name: getattr(call, name) for name in ("validation_steps", "initial_epoch", "epochs")}
    return json.dumps({name: _short(value) for name, value in found.items()})


def _short(value: Any) -> str:
    """A value, or its beginning and a digest: a class_weight may name thousands of classes."""
    if isinstance(value, Mapping):
        value = dict(sorted(value.items()))
    text = cut(value)
    if text.endswith("..."):
        text += hashlib.blake2b(repr(value).encode(), digest_size=4).hexdigest()
    return text


def trains_with_others(seq: NpySequence) -> bool:
    """Whether other processes train the same model."""
    return share_of(seq) != _ALONE and share_of_backend() != _ALONE


def saves_run(seq: NpySequence) -> bool:
    """Whether this process saves the model that it trains with others, or has a model alone."""
    if share_of(seq) == _ALONE:
        return True
    return seq.process_id == 0 and share_of_backend().process_id == 0


_REMEDIES = {
    "jax": (
        "Call jax.distributed.initialize, and keras.distribution.set_distribution("
        "keras.distribution.DataParallel()) before the model is built"
    ),
    "torch": (
        "Use torch's DistributedDataParallel in a loop of your own, or Keras 3.16, which does "
        "once torch.distributed is initialised"
    ),
    "tensorflow": "Use one process, or JAX with keras.distribution",
}


def _nothing_combines(share: Share, method: str | None) -> ValueError:
    remedy = _REMEDIES[keras.backend.backend()]
    if method == "predict":
        remedy = "Call keras_npy.predict_to_npy in each process, and read their files as shards"
    return ValueError(
        "Nothing keeps the models of several processes alike. "
        f"Received: {method or 'a call'} in process {share.process_id} of {share.num_processes}. "
        f"{remedy}; or pass num_processes=1: this process then has all rows and its own model."
    )


def _engine(model: Any) -> str | None:
    """What Keras combines the processes of one model with, if anything."""
    if keras.backend.backend() == "torch":
        # Keras 3.16 wraps every model as soon as torch.distributed is initialised.
        return "DistributedDataParallel" if hasattr(model, "ddp_model") else None
    return None if keras.distribution.distribution() is None else "keras.distribution"


def _refuse_strategy(model: Any) -> None:
    """Raise for a strategy over several workers, on which Keras's `fit` fails (Keras 3.16)."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    strategy = getattr(model, "distribute_strategy", None)
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ValueError(
            "Keras 3 cannot train under tf.distribute.MultiWorkerMirroredStrategy, whatever the "
            f"data (keras #20585). Received: a model of {type(strategy).__name__}. Use several "
            "processes on JAX, with keras.distribution; or MirroredStrategy in one process."
        )
