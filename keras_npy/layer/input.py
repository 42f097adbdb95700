"""`Input`: a model's input with the shape and dtype of a source."""

from typing import Any

import keras

from keras_npy.rows.sources import open_rows
from keras_npy.rows.windows import WindowsAndTargets
from keras_npy.sequence import NpySequence


def Input(source: Any, name: str | None = None) -> Any:
    """`keras.Input` with the shape and dtype of a source.

    `keras.Input` is float32 unless it is given a dtype (Keras 3.15). Integer files would then be
    cast on the host, and the exported model would take float32.

    Args:
        source: An `NpySequence`, the path of an `.npy` file, an array, or a dict or tuple of
            paths and arrays.
        name: Name of the input. The inputs of a dict are named after its keys.

    Returns:
        A symbolic tensor of the stored dtype, `(None, *row)`. A dict or tuple of sources gives
        a dict or tuple of tensors.

    Raises:
        NpyFileError: If a file or array cannot be streamed.
        ValueError: If a name is given for several inputs.
        TypeError: If the source is none of these.
        OSError: If the system refuses access to a file.

    Example:

    >>> np.save("x.npy", np.zeros((5, 28, 28), "uint8"))
    >>> Input("x.npy").dtype
    'uint8'
    """
    return _input_nest(input_specs(source), name)


def input_specs(source: Any) -> Any:
    """`keras.InputSpec` of each input of a source, in the structure of the source.

    Raises:
        ValueError: If the source cannot be streamed.
        TypeError: If it is not a source.
    """
    if isinstance(source, NpySequence):
        return source.x_spec
    if isinstance(source, WindowsAndTargets):
        return input_specs(source.x)
    if isinstance(source, dict):
        return {key: input_specs(value) for key, value in source.items()}
    if isinstance(source, tuple):
        return tuple(input_specs(value) for value in source)
    rows = open_rows(source)
    return keras.InputSpec(dtype=rows.dtype.name, shape=(None, *rows.row_shape))


def _input_nest(specs: Any, name: str | None) -> Any:
    if specs is None:
        raise ValueError(
            "An input needs a source, for its shape. "
            "Received: None. Make it with keras.Input(shape=..., optional=True)."
        )
    if isinstance(specs, dict | tuple):
        if name is not None:
            raise ValueError(
                "A name belongs to a single input. "
                f"Received: name={name!r} for {len(specs)} inputs. "
                "Name them by the keys of a dict."
            )
        if isinstance(specs, dict):
            return {
                key: _input_nest(value, None if isinstance(value, dict | tuple) else key)
                for key, value in specs.items()
            }
        return tuple(_input_nest(value, None) for value in specs)
    return keras.Input(shape=specs.shape[1:], dtype=specs.dtype, name=name)
