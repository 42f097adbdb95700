"""Functions of a `tf.data.Dataset` that cost an iterator little.

`Dataset.map` marks its function for several devices. Each iterator then places, partitions and
optimizes it anew: 3.5 ms for a function that only calls Python, in each epoch. A function that
stays on one device takes 0.5 ms. No argument of `Dataset.map` says so, but an attribute of the
function does (TensorFlow 2.21), so these are made by the operations below `Dataset.map`.
"""

from collections.abc import Callable
from typing import Any

# TensorFlow runs a function with this attribute on one device. The attribute is meant for integers,
# which then stay where they are: on the CPU, where all functions of a dataset run.
_ON_ONE_DEVICE = {"experimental_ints_on_device": True}


def map_dataset(dataset: Any, function: Callable[..., Any], parallel_calls: int = 1) -> Any:
    """As `dataset.map`, in order.

    Args:
        dataset: Its elements are nests of tensors and `None`. A tuple is passed as arguments.
        function: Returns such a nest.
        parallel_calls: Calls at once.
    """
    import tensorflow as tf

    traced, spec = _trace(dataset, function)
    arguments = {
        "input_dataset": tf.data.experimental.to_variant(dataset),
        "other_arguments": traced.captured_inputs,
        "f": traced,
        "output_types": [tensor.dtype for tensor in traced.outputs],
        "output_shapes": [tensor.shape for tensor in traced.outputs],
    }
    if parallel_calls == 1:
        mapped = tf.raw_ops.MapDataset(**arguments)
    else:
        mapped = tf.raw_ops.ParallelMapDatasetV2(
            num_parallel_calls=tf.constant(parallel_calls, tf.int64),
            deterministic="true",
            **arguments,
        )
    return tf.data.experimental.from_variant(mapped, spec)


def flat_map_dataset(dataset: Any, function: Callable[..., Any]) -> Any:
    """As `dataset.flat_map`: `function` returns a dataset."""
    import tensorflow as tf

    specs = []

    def to_variant(*element: Any) -> Any:
        made = function(*element)
        specs.append(made.element_spec)
        return tf.data.experimental.to_variant(made)

    traced, _ = _trace(dataset, to_variant)
    leaves = tf.nest.flatten(specs[-1])
    flat = tf.raw_ops.FlatMapDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        other_arguments=traced.captured_inputs,
        f=traced,
        output_types=[leaf.dtype for leaf in leaves],
        output_shapes=[leaf.shape for leaf in leaves],
    )
    return tf.data.experimental.from_variant(flat, specs[-1])


def _trace(dataset: Any, function: Callable[..., Any]) -> tuple[Any, Any]:
    """Trace a function of the elements of a dataset; also return the spec of its result."""
    import tensorflow as tf

    given = dataset.element_spec
    given_leaves = tf.nest.flatten(given)
    # No public name is the spec of `None`.
    no_tensor = tf.data.Dataset.from_tensors((None, 0)).element_spec[0]
    specs: list[Any] = []

    def flat(*tensors: Any) -> list[Any]:
        left = iter(tensors)
        filled = [None if leaf == no_tensor else next(left) for leaf in given_leaves]
        element = tf.nest.pack_sequence_as(given, filled)
        result = function(*element) if isinstance(element, tuple) else function(element)
        leaves = tf.nest.flatten(result)
        found = [no_tensor if leaf is None else _spec_of(leaf) for leaf in leaves]
        specs.append(tf.nest.pack_sequence_as(result, found))
        return [leaf for leaf in leaves if leaf is not None]

    traced = tf.function(
        flat,
        input_signature=[leaf for leaf in given_leaves if leaf != no_tensor],
        # With autograph the first dataset of a process takes 190 ms instead of 40. Autograph also
        # writes a temporary file for each function, which a killed process leaves behind.
        autograph=False,
        experimental_attributes=_ON_ONE_DEVICE,
    ).get_concrete_function()
    return traced, specs[-1]


def _spec_of(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(tensor.shape, tensor.dtype)
