"""Train for long, and see that memory, descriptors, mappings and threads do not grow.

Run:    KERAS_BACKEND=jax python -m tests.faults.endurance --minutes 30 [--only fits]
Prints: a line for each run: what was done how often, and by how much each figure grew after a
        warm-up. Fails if any grew more than it does with arrays in RAM.

A run ends early when its share of the time is over, after 12 times at the earliest. Each is a
process of its own.
"""

import argparse
import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent

# How the rows are read; arrays in RAM show what grows without keras_npy.
ARRAYS = "arrays"
WAYS = (ARRAYS, "map", "read")

# What may grow in a run beyond that: the noise of one run. Keras runs callbacks in a pool of up to
# four threads more than there are cores, which are started as they are needed (3.15): six on two.
# The 12,288 shards that are mapped at a time come and go by thousands between two states.
GROWTH_MAX = {"RssAnon, MB": 8.0, "descriptors": 2.0, "mappings": 250.0, "threads": 6.0}

# States that are noted in a run. The first third of them is the warm-up.
NUM_STATES = 240

# How often a run does it at least: fewer states show no slope.
NUM_DONE_MIN = 12


class Watch:
    """Notes the state of this process now and then, and says when a run is over.

    Args:
        number: How often to do what is watched.
        seconds: When to end in any case, counted from the end of the first: that one compiles.
    """

    def __init__(self, number: int, seconds: float) -> None:
        self.number = number
        self.num_done = 0
        self._seconds = seconds
        self._since_s: float | None = None
        self._states: list[list[float]] = []

    def step(self) -> bool:
        """Say that it was done once more; return whether to go on."""
        self.num_done += 1
        self._since_s = self._since_s or time.monotonic()
        elapsed_s = time.monotonic() - self._since_s
        done = max(self.num_done / self.number, elapsed_s / self._seconds)
        if done * NUM_STATES >= len(self._states):
            self._states.append(state())
        return self.num_done < min(NUM_DONE_MIN, self.number) or done < 1

    def growth(self) -> dict[str, float]:
        """By how much each figure grew from the second third of the run to the last one.

        Of 12,288 mapped shards those that were read longest ago are unmapped together, so it is
        high values that are compared: a slope would depend on where in that the states were noted.
        """
        thirds = np.array_split(np.array(self._states), 3)
        high = [np.quantile(states, 0.9, axis=0) for states in thirds[1:]]
        grown = high[1] - high[0]
        return {name: round(float(one), 2) for name, one in zip(GROWTH_MAX, grown, strict=True)}


def state() -> list[float]:
    """The figures of `GROWTH_MAX`, now."""
    from keras_npy.tools.demo.run import anonymous_bytes

    # Keras's objects own TensorFlow's, and these own ours: each collection frees one of them.
    gc.collect()
    gc.collect()
    with open("/proc/self/maps", "rb") as maps:
        num_mappings = sum(1 for _ in maps)
    return [
        anonymous_bytes() / 1e6,
        len(os.listdir("/proc/self/fd")),
        num_mappings,
        threading.active_count(),
    ]


def make_model(row_shape: tuple[int, ...]) -> Any:
    import keras

    import keras_npy

    layers = [keras_npy.NpyInputLayer(), keras.layers.Flatten(), keras.layers.Dense(3)]
    if len(row_shape) == 3:
        layers[1:2] = [keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input(row_shape, dtype="uint8"), *layers])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def save_rows(folder: Path, num_rows: int, row_shape: tuple[int, ...]) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.dtype("uint8"), (num_rows, *row_shape))
    for row in x:
        row[...] = rng.integers(0, 256, row_shape, "uint8")
    x.flush()
    np.save(folder / "y.npy", np.arange(num_rows) % 3)
    return folder / "x.npy", folder / "y.npy"


def fit(model: Any, x: Path, y: Path, way: str, **arguments: Any) -> Any:
    """`fit` on the files, or on their arrays; return what it was given."""
    import keras_npy

    if way == ARRAYS:
        data = (np.load(x), np.load(y))
        model.fit(*data, batch_size=16, verbose=0, **arguments)
        return data
    seq = keras_npy.NpySequence(x, y, batch_size=16, seed=0, io=way)
    model.fit(seq, verbose=0, **arguments)
    return seq


def each(watch: Watch, when: str) -> Any:
    """A callback that tells `watch` of each epoch, or each batch, and ends the fit with it."""
    import keras

    class Each(keras.callbacks.Callback):  # type: ignore[misc] # Its types are not followed.
        pass

    def step(number: int, logs: Any = None) -> None:
        if not watch.step():
            callback.model.stop_training = True

    callback = Each()
    setattr(callback, when, step)
    return callback


def small_epochs(folder: Path, way: str, watch: Watch) -> None:
    x, y = save_rows(folder, 100, (6, 5))
    callback = each(watch, "on_epoch_end")
    fit(make_model((6, 5)), x, y, way, epochs=watch.number, callbacks=[callback])


def large_epochs(folder: Path, way: str, watch: Watch) -> None:
    """245 MB an epoch."""
    x, y = save_rows(folder, 5000, (128, 128, 3))
    callback = each(watch, "on_epoch_end")
    fit(make_model((128, 128, 3)), x, y, way, epochs=watch.number, callbacks=[callback])


def fits(folder: Path, way: str, watch: Watch) -> None:
    """New sequences of one process, all methods of Keras, a pass that is left, and one that fails.

    About what a notebook does in a day.
    """
    x, y = save_rows(folder, 100, (6, 5))
    model = make_model((6, 5))
    while watch.step():
        data = fit(model, x, y, way, steps_per_epoch=3 if watch.num_done % 2 else None)
        if way == ARRAYS:
            model.evaluate(*data, verbose=0)
            model.predict(data[0], verbose=0)
            continue
        model.evaluate(data, verbose=0)
        model.predict(data, verbose=0)
        next(iter(data))
        if watch.num_done % 10 == 0:
            _fail(folder, way)


def _fail(folder: Path, way: str) -> None:
    import keras_npy

    path, number = folder / "changed.npy", time.time_ns()
    np.save(path, np.zeros((100, 6, 5), "uint8"))
    seq = keras_npy.NpySequence(path, np.zeros(100), batch_size=16, io=way)
    os.utime(path, ns=(number, 1))
    # Not by a method of Keras: on JAX it takes the variables of the model with it (Keras 3.15).
    try:
        list(seq)
    except keras_npy.NpyFileError:
        return
    raise AssertionError("a changed file was read")


def shards(folder: Path, way: str, watch: Watch) -> None:
    """100,000 files, of which 1,024 may be open, in random order."""
    import keras_npy

    if way == ARRAYS:
        raise ValueError("arrays have no shards")
    num_shards = 100_000
    row = np.zeros((1, 8), "uint8")
    for number in range(num_shards):
        parent = folder / f"{number // 1000:03}"
        parent.mkdir(exist_ok=True)
        row[...] = number % 251
        np.save(parent / f"x-{number:05}.npy", row)
    np.save(folder / "y.npy", np.arange(num_shards) % 3)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    seq = keras_npy.NpySequence(
        f"{folder}/*/x-*.npy", folder / "y.npy", batch_size=100, seed=0, io=way
    )
    # To look through what the headers are made of takes a second for each state that is noted.
    gc.freeze()
    num_epochs = -(-watch.number // len(seq))
    callback = each(watch, "on_train_batch_end")
    make_model((8,)).fit(seq, epochs=num_epochs, verbose=0, callbacks=[callback])
    rows = [0, 777, num_shards - 1]
    assert [row % 251 for row in rows] == [int(seq.x[row][0]) for row in rows]


Run = Callable[[Path, str, Watch], None]

# What is run, how often, in which ways.
RUNS: dict[str, tuple[Run, int, tuple[str, ...]]] = {
    "small-epochs": (small_epochs, 1000, WAYS),
    "large-epochs": (large_epochs, 20, WAYS),
    "fits": (fits, 2000, WAYS),
    "shards": (shards, 3000, WAYS[1:]),
}


def endure(name: str, way: str, seconds: float) -> dict[str, Any]:
    """Do one run in this process; return how often it was done, and the growth."""
    if os.environ.get("KERAS_BACKEND") == "torch":
        import torch

        # Two threads of OpenMP wait for each other by spinning, which on two cores takes ten times
        # as long as the work (torch 2.13).
        torch.set_num_threads(1)
    # Leave what was imported out of all collections: to look through it takes half a second.
    importlib.import_module("keras_npy.sequence")
    gc.freeze()
    run, number, _ = RUNS[name]
    watch = Watch(number, seconds)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), way, watch)
    return {"run": name, "way": way, "times": watch.num_done, "growth": watch.growth()}


def too_much(found: dict[str, Any], control: dict[str, Any] | None) -> list[str]:
    """The figures that grew more than they may, and than they grew for `control`."""
    allowed = dict(GROWTH_MAX)
    if control is not None:
        scale = found["times"] / control["times"]
        for name, grown in control["growth"].items():
            allowed[name] += max(0.0, grown * scale)
    return [name for name, grown in found["growth"].items() if grown > allowed[name]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", choices=RUNS, help="one of the runs")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(endure(arguments.only, arguments.way, arguments.minutes * 60)))
        return 0
    names = [arguments.only] if arguments.only else list(RUNS)
    share = arguments.minutes / sum(len(RUNS[name][2]) for name in names)
    is_well = True
    for name in names:
        control = None
        for way in RUNS[name][2]:
            found = _in_a_process(name, way, share)
            control = found if way == ARRAYS else control
            grown = [] if way == ARRAYS else too_much(found, control)
            is_well &= not grown
            print(json.dumps({**found, "too_much": grown}), flush=True)
    return 0 if is_well else 1


def _in_a_process(name: str, way: str, minutes: float) -> dict[str, Any]:
    module = [sys.executable, "-m", "tests.faults.endurance"]
    options = ["--only", name, "--way", way, "--minutes", str(minutes)]
    ended = subprocess.run([*module, *options], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
