"""Everything that decides how training goes on: collected as NumPy arrays, and restored.

Keras's `save_weights` leaves out the state of seed generators, metrics and callbacks (Keras 3.16).
"""

import contextlib
import copy
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_npy.boundary.models import (
    choose_monitor_op,
    global_seed,
    set_global_seed,
    torch_buffers,
)
from keras_npy.callbacks.backups import can_save
from keras_npy.errors import cut
from keras_npy.types import Array

# Keras numbers layers and optimizers on, in a process. Names of slots have these names within.
_NUMBER = re.compile(r"_\d+")
# Attributes by which Keras shows a callback what it is attached to, and by which a TensorBoard
# notes that this process traces.
_OF_KERAS = ("_model", "model", "params", "validation_data", "_is_tracing", "_profiler_started")
# `monitor_op`, `min_delta`: EarlyStopping and its like choose the one once, and turn the sign of
# the other when they do (Keras 3.16). A second choice would turn it back: every value would look
# like an improvement. `append_header`: whether a CSVLogger writes its header follows from the rows
# that are restored.
_CHOSEN_AGAIN = ("monitor_op", "min_delta", "append_header")


def variables_of(model: keras.Model) -> list[Any]:
    """Weights, seed generators, optimizer and metrics, each variable once, in a fixed order."""
    optimizer = getattr(model.optimizer, "variables", [])
    found = [*model.variables, *optimizer, *model.metrics_variables]
    return list({id(variable): variable for variable in found}.values())


def collect_variables(model: keras.Model) -> list[Array]:
    """Copies of the values of `variables_of`, and of the buffers of torch modules."""
    # On the CPU torch gives the memory of the variable itself.
    values = [np.array(keras.ops.convert_to_numpy(v)) for v in variables_of(model)]
    return values + [np.array(buffer.cpu().numpy()) for buffer in torch_buffers(model)]


def restore_variables(model: keras.Model, values: Iterable[Array]) -> None:
    """Set what `collect_variables` returned; the caller has checked the shapes."""
    variables, buffers = variables_of(model), torch_buffers(model)
    values = list(values)
    for variable, value in zip(variables, values[: len(variables)], strict=True):
        variable.assign(value)
    for buffer, value in zip(buffers, values[len(variables) :], strict=True):
        buffer.data.copy_(buffer.new_tensor(value))


def collect_generators() -> dict[str, Any]:
    """The state of all random generators that training may use."""
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "keras": global_seed(),
    }
    if keras.backend.backend() == "torch":
        import torch

        state["torch"] = torch.get_rng_state().numpy()
        state["cuda"] = [state.cpu().numpy() for state in torch.cuda.get_rng_state_all()]
    return state


def num_cuda_devices() -> int:
    """Of how many devices the generators are saved."""
    if keras.backend.backend() != "torch":
        return 0
    import torch

    return int(torch.cuda.device_count())


def restore_generators(state: Mapping[str, Any]) -> None:
    """Restore what `collect_generators` returned."""
    if state["keras"] is not None:
        set_global_seed(state["keras"])
    if "torch" in state:
        import torch

        torch.set_rng_state(torch.from_numpy(state["torch"]))
        torch.cuda.set_rng_state_all([torch.from_numpy(device) for device in state["cuda"]])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])


class CallbackStates:
    """The attributes of callbacks that change while they are in use.

    Attributes that stay as they were when training began are settings. They are not saved, so
    that another `patience` can be given to the next process.

    Args:
        callbacks: The callbacks, after their `on_train_begin`.
        settings: The attributes of each callback object when it was first seen. A callback that is
            used for a second `fit` holds what it gathered in the first one.
    """

    def __init__(
        self,
        callbacks: Iterable[keras.callbacks.Callback],
        settings: MutableMapping[keras.callbacks.Callback, dict[str, Any]],
    ) -> None:
        self._callbacks = dict(_named(callbacks))
        self._settings = {
            name: settings.setdefault(cb, _attributes(cb)) for name, cb in self._callbacks.items()
        }

    def collect(self) -> dict[str, Any]:
        """The state of each callback, by its name."""
        return {name: self._state(name, cb) for name, cb in self._callbacks.items()}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Restore what `collect` returned; a callback that is new keeps its state."""
        for name, callback in self._callbacks.items():
            state = copy.deepcopy(states.get(name, {}))
            # What had not changed at the save is as it was at first.
            for attribute, value in self._settings[name].items():
                setattr(callback, attribute, copy.deepcopy(value))
            if (text := state.pop("csv_file", None)) is not None:
                _restore_csv(callback, text)
            choose_comparison = state.pop("monitor_op", False)
            for attribute, value in state.items():
                setattr(callback, attribute, value)
            if choose_comparison:
                choose_monitor_op(callback)

    def _state(self, name: str, callback: keras.callbacks.Callback) -> dict[str, Any]:
        settings = self._settings[name]
        state = {
            attribute: value
            for attribute, value in _attributes(callback).items()
            if attribute not in settings or not _are_equal(settings[attribute], value)
        }
        if getattr(callback, "monitor_op", None) is not None:
            # It is a function. Whether it was chosen is what a save can hold.
            state["monitor_op"] = True
        if isinstance(callback, keras.callbacks.CSVLogger):
            state["csv_file"] = _bytes_of(callback.filename)
        return state


def _named(
    callbacks: Iterable[keras.callbacks.Callback],
) -> Iterator[tuple[str, keras.callbacks.Callback]]:
    """Name callbacks by their class and, among those of one class, by their place."""
    seen: dict[str, int] = {}
    for callback in callbacks:
        name = f"{type(callback).__module__}.{type(callback).__qualname__}"
        seen[name] = seen.get(name, 0) + 1
        yield f"{name} {seen[name]}", callback


def _attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Copies of the attributes that a save can hold."""
    return {
        name: copy.deepcopy(value)
        for name, value in vars(callback).items()
        if name not in _OF_KERAS + _CHOSEN_AGAIN and can_save(value)
    }


def _are_equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_are_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


def _bytes_of(path: str) -> Array:
    """The bytes of a file; none if somebody has deleted it."""
    with contextlib.suppress(FileNotFoundError):
        return np.fromfile(path, np.uint8)
    return np.empty(0, np.uint8)


def _restore_csv(callback: keras.callbacks.CSVLogger, text: Array) -> None:
    """Give a CSVLogger its rows back, without those that it wrote after the save.

    With `append=False` it has emptied its file in `on_train_begin`.
    """
    if callback.csv_file is not None:
        callback.csv_file.close()
    Path(callback.filename).write_bytes(text.tobytes())
    callback.csv_file = open(callback.filename, "a")  # The callback closes it.
    callback.append_header = text.size == 0


def description_of(model: keras.Model) -> dict[str, Any]:
    """What must be equal for a save to fit a model: its variables, layers and compilation."""
    return {
        "variables": [
            f"{_NUMBER.sub('', v.path)} {v.dtype} {tuple(map(int, v.shape))}"
            for v in variables_of(model)
        ],
        "buffers": [f"{b.dtype} {tuple(b.shape)}" for b in torch_buffers(model)],
        "layers": layers_of(model),
        "compile": _config(model.get_compile_config),
    }


def layers_of(model: keras.Model) -> Any:
    """What must be equal for weights to have the same meaning, as plain values."""
    return _config(model.get_config)


def first_difference(saved: Any, present: Any, path: str = "") -> str | None:
    """Say where two descriptions differ first, or `None` if they are equal."""
    if isinstance(saved, dict) and isinstance(present, dict):
        for key in [*saved, *(key for key in present if key not in saved)]:
            inner = f"{path}.{key}" if path else key
            found = first_difference(saved.get(key), present.get(key), inner)
            if found is not None:
                return found
        return None
    if isinstance(saved, list) and isinstance(present, list) and len(saved) == len(present):
        for number, (one, other) in enumerate(zip(saved, present, strict=True)):
            found = first_difference(one, other, f"{path}[{number}]")
            if found is not None:
                return found
        return None
    return None if saved == present else f"{path} of {cut(present)}, not {cut(saved)}"


def learning_rates_of(model: keras.Model) -> list[float]:
    """The learning rates that callbacks may change; a schedule has none."""
    return list(
        _numbers_called("learning_rate", _read(getattr(model.optimizer, "get_config", dict)))
    )


def _numbers_called(name: str, config: Any) -> Iterator[float]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            if key == name and isinstance(value, int | float):
                yield float(value)
            else:
                yield from _numbers_called(name, value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _numbers_called(name, value)


def _config(get_config: Callable[[], Any]) -> Any:
    """A config without what changes from one process to the next, or during training."""
    return _settled(_read(get_config))


def _read(get_config: Callable[[], Any]) -> Any:
    try:
        return get_config()
    except Exception:  # A model, a layer or a schedule of one's own need not have a config.
        return None


def _settled(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {
            str(key): _settled(value)
            for key, value in config.items()
            # A callback may change the rate, so it is compared apart.
            if key != "learning_rate" or not isinstance(value, int | float)
            # A torch module is described by its weights, which change.
            if key != "module" or not isinstance(value, str)
        }
    if isinstance(config, list | tuple):
        return [_settled(value) for value in config]
    if isinstance(config, str):
        return _NUMBER.sub("", config)
    return (
        config if config is None or isinstance(config, bool | int | float) else repr(type(config))
    )
