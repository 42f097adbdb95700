"""What a `.keras` file says of its model's inputs and outputs, without Keras."""

import json
import zipfile
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SavedModel:
    """What is known of a model; `None` where only Keras can say it."""

    num_inputs: int | None = None
    input_shape: tuple[int | None, ...] | None = None
    """The axes of a row, if there is one input."""
    input_dtype: str | None = None
    """Of this input."""
    has_one_output: bool = False
    """Whether it is sure that the only output is in no list or dict."""


def read_saved_model(path: str) -> SavedModel:
    """Read the description in a `.keras` file; whatever is unusual is left to Keras."""
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read("config.json"))
        if saved["class_name"] == "Sequential" and saved["module"] == "keras":
            return _sequential(saved["config"]["layers"])
        if saved["class_name"] == "Functional" and saved["registered_name"] == "Functional":
            return _functional(saved["config"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile):
        pass
    return SavedModel()


def _sequential(layers: list[Any]) -> SavedModel:
    first, last = layers[0], layers[-1]
    shape = tuple(first["config"]["batch_shape"][1:])
    # A layer of someone's own may have several outputs.
    return SavedModel(1, shape, _dtype(first), last["module"] == "keras.layers")


def _dtype(layer: Any) -> str | None:
    dtype = layer["config"].get("dtype")
    return dtype if layer["class_name"] == "InputLayer" and isinstance(dtype, str) else None


def _functional(config: Any) -> SavedModel:
    inputs, outputs = config["input_layers"], config["output_layers"]
    num_inputs, shape, dtype = _count(inputs), None, None
    if num_inputs == 1:
        layers = [one for one in config["layers"] if one["class_name"] == "InputLayer"]
        if len(layers) == 1:
            shape, dtype = tuple(layers[0]["config"]["batch_shape"][1:]), _dtype(layers[0])
    return SavedModel(num_inputs, shape, dtype, _is_one(outputs))


def _is_one(nest: Any) -> bool:
    """Whether this names a layer, number and index of one tensor."""
    return isinstance(nest, list) and isinstance(nest[0], str)


def _count(nest: Any) -> int:
    if _is_one(nest):
        return 1
    return sum(map(_count, nest.values() if isinstance(nest, dict) else nest))
