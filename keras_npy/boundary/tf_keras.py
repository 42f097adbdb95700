"""Tell a model of `tf_keras`, which is Keras 2, that a sequence is for Keras 3."""

from collections.abc import Callable
from typing import Any

import wrapt

from keras_npy.boundary.wrapping import wrap
from keras_npy.sequence import NpySequence


def wrap_select_data_adapter(data_adapter: Any) -> None:
    """Make `tf_keras` say what it should be given. Idempotent.

    It says "Failed to find data adapter that can handle input" (tf_keras 2.21).

    Args:
        data_adapter: The module `tf_keras.src.engine.data_adapter`.
    """
    wrap(data_adapter, "select_data_adapter", _refusing)


def _refusing(original: Any) -> Callable[..., Any]:
    def select_data_adapter(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, NpySequence):
            raise TypeError(
                "An NpySequence is for models of Keras 3. Received: a model of tf_keras (Keras 2). "
                "Build it with `import keras`, or give fit a tf.data.Dataset: "
                "keras_npy.NpyDataAdapter(seq, shuffle=True).get_tf_dataset()."
            )
        return original(x, *args, **kwargs)

    return select_data_adapter


wrapt.register_post_import_hook(wrap_select_data_adapter, "tf_keras.src.engine.data_adapter")
