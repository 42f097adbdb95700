"""What a resume, a report, and a look at targets ask of a model, for which Keras has no call.

Modules of `keras.src` are imported where they are used. If a future Keras moves them, only a resume
fails, and less is known of targets.
"""

import math
from typing import Any

import keras
from keras.layers import TorchModuleWrapper

from keras_npy.feeds.nests import map_leaves
from keras_npy.sequence import NpySequence
from keras_npy.types import Array


def build_for(model: keras.Model, seq: NpySequence) -> None:
    """Make all variables of a compiled model: weights, optimizer and metrics.

    On TensorFlow Keras makes them in the first step (Keras 3.16).
    """
    specs = (seq.x_spec, seq.y_spec, seq.sample_weight_spec)
    num_rows = min(seq.batch_size, seq.num_samples)
    batch = map_leaves(
        lambda spec: keras.InputSpec(dtype=spec.dtype, shape=(num_rows, *spec.shape[1:])),
        tuple(spec for spec in specs if spec is not None),
    )
    model._symbolic_build(data_batch=batch)


def build_by_calling(model: keras.Model, x: Any) -> None:
    """Make the weights of a model that makes them when it is first called."""
    if not is_built(model):
        model(x)


def wait_for_steps(model: keras.Model) -> None:
    """Return once the device has computed all steps that were given to it.

    JAX, on CPUs too, and the GPUs of the others compute while Python goes on.
    """
    # The smallest is the least to copy.
    trained = sorted(model.trainable_variables, key=lambda variable: math.prod(variable.shape))[:1]
    if keras.backend.backend() == "jax":
        import jax

        # Reads nothing: a distribution may have left parts of a variable to other processes.
        jax.block_until_ready([variable.value for variable in trained])
    else:
        for variable in trained:
            keras.ops.convert_to_numpy(variable)


def is_built(model: keras.Model) -> bool:
    """Whether a model has all its weights."""
    layers_of = getattr(model, "_flatten_layers", None)
    return layers_of is not None and all(layer.built for layer in layers_of())


def output_shapes(model: keras.Model, seq: NpySequence) -> Any:
    """The shapes of what a model that is built predicts, without a prediction; `None` if unknown.

    Of several outputs a list, also if they are a dict: then in the sorted order of its keys. Keras
    knows no shape of a model of a class of the user's, so its call is traced as Keras does before
    it trains. That is for JAX alone: the other backends refuse wrong class numbers themselves.
    """
    try:
        return model.output_shape
    except (AttributeError, ValueError):
        pass
    if keras.backend.backend() != "jax" or not is_built(model):
        return None
    num_rows = min(seq.batch_size, seq.num_samples)
    x = map_leaves(
        lambda spec: keras.KerasTensor((num_rows, *spec.shape[1:]), dtype=spec.dtype), seq.x_spec
    )
    try:
        from keras.src.backend import compute_output_spec

        outputs = compute_output_spec(model, x, training=False)
    except Exception:
        # A class of the user's may do anything. Keras calls it next, and says what it raises.
        return None
    shapes = [tuple(output.shape) for output in keras.tree.flatten(outputs)]
    return shapes if isinstance(outputs, dict | list | tuple) else shapes[0]


def settings_of(loss: Any) -> dict[str, Any]:
    """The arguments of a loss; a function has none.

    The config has no `axis` up to Keras 3.15, and Keras 3.16 keeps none as an attribute.
    """
    if not isinstance(loss, keras.losses.Loss):
        return {}
    return {**getattr(loss, "_fn_kwargs", {}), **loss.get_config()}


def begin_fit_at(model: keras.Model, epoch: int | None) -> None:
    """Make `fit` begin with this epoch, if called in `on_train_begin`; `None` takes it back."""
    model._initial_epoch = epoch


def global_seed() -> Array | None:
    """The state of the generator that draws for layers without a seed, `None` if nothing drew."""
    from keras.src.backend.common import global_state

    generator = global_state.get_global_attribute("global_seed_generator")
    return None if generator is None else keras.ops.convert_to_numpy(generator.state)


def set_global_seed(state: Array) -> None:
    """Restore what `global_seed` returned."""
    from keras.src.random import seed_generator

    seed_generator.global_seed_generator().state.assign(state)


def choose_monitor_op(callback: keras.callbacks.Callback) -> None:
    """Choose how a callback compares values, as Keras does at the end of its first epoch.

    `ModelCheckpoint` compares earlier if it saves after a number of batches (Keras 3.16).
    """
    if callback.monitor_op is None:
        callback._set_monitor_op()


def torch_buffers(model: keras.Model) -> list[Any]:
    """The buffers of torch modules in a model, such as the means of a `torch.nn.BatchNorm1d`.

    Keras has variables for their parameters only (Keras 3.16).
    """
    modules = [
        layer.module for layer in model._flatten_layers() if isinstance(layer, TorchModuleWrapper)
    ]
    return [buffer for module in modules for _, buffer in module.named_buffers()]
