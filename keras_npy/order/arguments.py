"""Check what users say of an order, parts and shares of batches; refuse arguments of others."""

import difflib
import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_npy.errors import check_bool, check_integer
from keras_npy.order.order import Order
from keras_npy.types import Indices, Shuffle, ShuffleArgument

# The seed of several processes that were given none.
SEED_OF_PROCESSES = 0

# What `keras.utils.PyDataset` takes, and people give by habit.
_OF_PY_DATASET = ("workers", "use_multiprocessing", "max_queue_size")
# And what torch's `DataLoader` takes.
_OF_DATA_LOADER = ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory")

# Arguments of other classes and functions, and what does the same here.
_IN_LAYER = "Rows are served as they are stored. Begin the model with keras_npy.NpyInputLayer()"
_TO_FIT = "Give it to fit"
_AS_SAMPLES = "Give NpySequence keras_npy.samples(paths, {name}=...)"
_AS_WINDOWS = "Give NpySequence keras_npy.windows(path, sequence_length=...)"
_RESIZE = (
    "Rows are served as they are stored. Begin the model with keras.layers.Resizing(height, width)"
)
_FROM_DIRECTORY = "NpySequence.from_directory takes it"
_REPLACE = "Give it to replace of the new sequence: seq.replace({name}=...)"
_MAP = "Use seq.map(function)"
_ELSEWHERE = {
    "validation_split": "Hold out rows with train, validation = seq.split(0.2)",
    "subset": "Choose rows with seq.subset(indices)",
    "indices": "Choose rows with seq.subset(indices)",
    "drop_last": "Give drop_remainder=True",
    # And what train_test_split of scikit-learn takes.
    **dict.fromkeys(("test_size", "fraction"), "Give the share without a name: seq.split(0.2)"),
    "train_size": "Give the share of the rows to hold out: seq.split(0.2)",
    "random_state": "Give it as seed=",
    "shuffle": "Rows are dealt out at random; seq.split(0.2, in_order=True) cuts them in order",
    **dict.fromkeys(("image_size", "interpolation", "crop_to_aspect_ratio"), _RESIZE),
    **dict.fromkeys(("color_mode", "data_format", "dtype", "rescale", "scale"), _IN_LAYER),
    **dict.fromkeys(("transform", "preprocessing_function", "collate_fn"), _MAP),
    **dict.fromkeys(("sequence_length", "sequence_stride", "sampling_rate"), _AS_WINDOWS),
    **dict.fromkeys(("length", "pad_value", "crop", "unpack"), _AS_SAMPLES),
    **dict.fromkeys(("labels", "label_mode", "class_names", "follow_links"), _FROM_DIRECTORY),
    **dict.fromkeys(("num_processes", "process_id", "shuffle_block_size"), _REPLACE),
    **dict.fromkeys(("class_weight", "epochs", "steps_per_epoch", "validation_data"), _TO_FIT),
}


def check_no_others(others: Mapping[str, object], method: Callable[..., Any]) -> None:
    """Raise if a method of `NpySequence` is given an argument that it does not take."""
    _check_no_workers(others)
    for name, value in others.items():
        raise TypeError(
            f"{method.__qualname__}() got an unexpected keyword argument '{name}'. "
            f"Received: {name}={value!r:.100}. {_remedy(name, method)}"
        )


def _remedy(name: str, method: Callable[..., Any]) -> str:
    if name in _ELSEWHERE:
        return f"{_ELSEWHERE[name].format(name=name)}."
    names = [one for one in inspect.signature(method).parameters if one not in ("self", "others")]
    # Other arguments of the constructor are alike: num_classes is no misspelt class_names.
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return f"Did you mean {close[0]}?" if close else f"It takes {', '.join(names)}."


def check_changes(given: Mapping[str, object], changes: Mapping[str, Any]) -> None:
    """Raise unless the changes are such as `replace` takes: other values of what is given."""
    _check_no_workers(changes)
    unknown = sorted(set(changes) - set(given))
    if unknown:
        raise TypeError(
            f"replace takes {', '.join(given)}. Received: {', '.join(unknown)}. "
            "Build a new NpySequence for other rows, or choose rows with subset."
        )
    if "batch_size" in changes:
        check_integer("batch_size", changes["batch_size"], at_least=1)


def _check_no_workers(given: Mapping[str, object]) -> None:
    of_workers = [name for name in given if name in (*_OF_PY_DATASET, *_OF_DATA_LOADER)]
    if of_workers:
        raise TypeError(
            "NpySequence reads ahead in threads of its own, so it needs no workers. "
            f"Received: {', '.join(f'{name}={given[name]!r:.100}' for name in of_workers)}. "
            "Leave it out."
        )


def check_order_arguments(batch_size: int, seed: int | None, drop_remainder: bool) -> None:
    """Raise unless these are a batch size, a seed or `None`, and a bool."""
    check_integer("batch_size", batch_size, at_least=1)
    if seed is not None:
        check_integer("seed", seed, at_least=0)
    check_bool("drop_remainder", drop_remainder)


def make_order(
    num_samples: int,
    indices: range | Indices | None,
    *,
    batch_size: int,
    seed: int | None,
    drop_remainder: bool,
    shuffle_block_size: int | None,
    num_processes: int,
) -> Order:
    """Check the user's arguments and return rows in file order."""
    check_order_arguments(batch_size, seed, drop_remainder)
    if seed is None:
        # Keras draws the default seeds of its layers so: set_random_seed then applies here too.
        seed = random.getrandbits(32)
        if num_processes > 1:
            # Each process may have drawn another one. It was drawn all the same, so that what is
            # drawn next, such as first weights, does not depend on the number of processes.
            seed = SEED_OF_PROCESSES
    return Order(
        num_samples=num_samples,
        batch_size=int(batch_size),
        drop_remainder=bool(drop_remainder),
        seed=int(seed),
        indices=indices,
        shuffle_block_size=None if shuffle_block_size is None else int(shuffle_block_size),
    )


def check_batch_number(index: object, num_batches: int) -> int:
    """The number of a batch, from 0; a negative one counts from the end.

    Raises:
        TypeError: If it is no integer.
        IndexError: If there is no such batch.
    """
    if not isinstance(index, int | np.integer):
        raise TypeError(
            "A sequence is indexed by the number of a batch. "
            f"Received: {index!r:.100}. Use indices= for a subset of the rows."
        )
    if not -num_batches <= index < num_batches:
        raise IndexError(
            f"Batch numbers lie in {-num_batches} <= index < {num_batches}. "
            f"Received: {index}. Use len(sequence) for the number of batches."
        )
    return int(index) % num_batches


def check_share(num_processes: int, process_id: int | None, batch_size: int) -> None:
    """Raise unless these name one process, and the processes can share a batch evenly."""
    check_integer("num_processes", num_processes, at_least=1)
    if process_id is None and num_processes > 1:
        raise ValueError(
            "num_processes and process_id must be given together. "
            f"Received: num_processes={num_processes} without process_id. "
            f"Pass process_id= from 0 to {num_processes - 1}, or leave both out."
        )
    if process_id is not None:
        check_integer("process_id", process_id, at_least=0)
        if process_id >= num_processes:
            raise ValueError(
                f"process_id must lie in 0 <= process_id < {num_processes}, the number of "
                f"processes. Received: process_id={process_id}. Number the processes from 0."
            )
    if batch_size % num_processes:
        raise ValueError(
            "batch_size is the rows of all processes together, which share a batch evenly. "
            f"Received: batch_size={batch_size} for num_processes={num_processes}. Pass "
            f"batch_size={-(-batch_size // num_processes) * num_processes}, or another multiple "
            f"of {num_processes}."
        )


def check_shuffle(shuffle: object) -> None:
    """Raise unless this is what `NpySequence` takes as `shuffle`."""
    if shuffle not in (None, True, False, "batch"):
        raise ValueError(
            "shuffle must be None, True, False or 'batch'. "
            f"Received: shuffle={shuffle!r}. Leave it out to let fit decide."
        )


def check_shuffle_block_size(shuffle_block_size: object, shuffle: ShuffleArgument) -> None:
    """Raise unless this is a number of rows, or `None`, that goes with `shuffle`."""
    if shuffle_block_size is None:
        return
    check_integer("shuffle_block_size", shuffle_block_size, at_least=1)
    if shuffle not in (None, True):
        raise ValueError(
            "shuffle_block_size says how all rows are shuffled, which another shuffle excludes. "
            f"Received: shuffle_block_size={shuffle_block_size} and shuffle={shuffle!r}. "
            "Leave one of them out."
        )


def merge_shuffle(asked: ShuffleArgument, own: ShuffleArgument) -> Shuffle:
    """How rows are shuffled if Keras asks for one thing and the sequence has another."""
    if asked not in (None, True, False, "batch"):
        raise ValueError(
            "shuffle must be True, False or 'batch'. "
            f"Received: shuffle={asked!r}. Leave it out to shuffle all rows."
        )
    if not asked or own is False:
        return None
    return "batch" if "batch" in (asked, own) else "rows"


def checked_seed(seed: int | None) -> int:
    """The seed of a split; `None` means 0."""
    if seed is None:
        return 0
    check_integer("seed", seed, at_least=0)
    return int(seed)


def check_fractions(fractions: Sequence[float]) -> None:
    """Raise unless these are the shares of parts that leave rows to the first part."""
    for fraction in fractions:
        is_real = isinstance(fraction, int | float | np.integer | np.floating)
        if not is_real or isinstance(fraction, bool):
            raise TypeError(
                "fraction must be a number. "
                f"Received: fraction={fraction!r:.100} of type {type(fraction).__name__}. "
                "Pass the share of the second part, such as 0.2."
            )
        if not 0 < fraction < 1:
            raise ValueError(
                "fraction must lie in 0 < fraction < 1. "
                f"Received: fraction={fraction}. Pass the share of the second part, such as 0.2; "
                "for a number of rows, choose them with subset."
            )
    if not 0 < sum(fractions) < 1:
        raise ValueError(
            "split takes the share of the second part, and of each further one, and leaves rows to "
            f"the first. Received: {len(fractions)} fractions, in all {sum(fractions)}. "
            "Pass 0.2 for two parts, or 0.15, 0.15 for three."
        )


def check_in_order(seed: object, stratify: object, groups: object) -> None:
    """Raise if a split in order is given what decides a split at random."""
    for name, value in (("seed", seed), ("stratify", stratify or None), ("groups", groups)):
        if value is not None:
            raise ValueError(
                "A split in order cuts the rows where they lie, and chooses none. "
                f"Received: in_order=True, and {name}= as well. Leave one of them out."
            )


def check_subset(validation_split: float | None, subset: object) -> None:
    """Raise unless these are `validation_split` and `subset` of a folder, which go together."""
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(
            "subset must be 'training', 'validation', 'both' or None. "
            f"Received: subset={subset!r:.100}. Use 'both' for two sequences."
        )
    if (validation_split is None) != (subset is None):
        raise ValueError(
            "validation_split and subset must be given together. "
            f"Received: validation_split={validation_split!r:.100}, subset={subset!r}. "
            "Pass both of them, such as 0.2 and 'both', or leave both out."
        )
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            "validation_split must lie in 0 < validation_split < 1. "
            f"Received: validation_split={validation_split}. "
            "Pass the share of the validation part, such as 0.2."
        )
