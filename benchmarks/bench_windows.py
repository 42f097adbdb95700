"""Does a tiny model train as fast from windows of a series as from views of an array in RAM?

Run:    python -m benchmarks.bench_windows [--timesteps 20000 --repeats 5]
Prints: one JSON line per backend and variant: us a step over an epoch (median, min, max), versions,
        commit, machine; then a line for each ratio, with its target if it has one.
Cache:  warm. First it checks that every variant gives the same losses in file order. Then it times
        the second of two shuffled epochs; the first is untimed. The variants take turns, in one
        process per backend.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench_fit, common, feeds

# A step on torch takes ten times as long, whatever feeds it.
BACKENDS = ("tensorflow", "jax")
BATCH_SIZE, SEQUENCE_LENGTH, NUM_FEATURES = 32, 32, 8

VIEW = "sliding_window_view, array in RAM"
TIMESERIES = "timeseries_dataset_from_array"
VARIANTS = (feeds.KERAS_NPY, VIEW, TIMESERIES)

# How many times as fast keras_npy must be. None: the ratio is shown but has no target.
TARGETS = {"jax": {VIEW: 1.0, TIMESERIES: None}}
NO_TARGETS = {VIEW: None, TIMESERIES: None}


def make_series(num_steps: int) -> Path:
    """A series, float32 `(num_steps, features)`."""
    common.CACHE.mkdir(parents=True, exist_ok=True)
    path = common.CACHE / f"series_{num_steps}x{NUM_FEATURES}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).random((num_steps, NUM_FEATURES), np.float32))
    return path


def build_model() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SEQUENCE_LENGTH, NUM_FEATURES)),
            keras.layers.Flatten(),
            keras.layers.Dense(NUM_FEATURES),
        ]
    )
    model.compile("sgd", "mse")
    return model


def make_fit(name: str, num_steps: int, shuffle: bool = True) -> Callable[..., Any]:
    """`fit` of a new model that predicts the next step; it takes `epochs` and `callbacks`."""
    import keras

    import keras_npy

    path, model = make_series(num_steps), build_model()
    options: dict[str, Any] = {"shuffle": shuffle}
    if name == feeds.KERAS_NPY:
        windows = keras_npy.windows(
            path,
            sequence_length=SEQUENCE_LENGTH,
            targets=keras_npy.take(path, slice(SEQUENCE_LENGTH, None)),
        )
        data: tuple[Any, ...] = (keras_npy.NpySequence(windows, batch_size=BATCH_SIZE, seed=0),)
    else:
        series = np.load(path)
        targets = series[SEQUENCE_LENGTH:]
        if name == VIEW:
            view = np.lib.stride_tricks.sliding_window_view(series[:-1], SEQUENCE_LENGTH, axis=0)
            data = (view.transpose(0, 2, 1), targets)
            options["batch_size"] = BATCH_SIZE
        else:
            dataset = keras.utils.timeseries_dataset_from_array(
                series[:-1],
                targets,
                SEQUENCE_LENGTH,
                batch_size=BATCH_SIZE,
                shuffle=shuffle,
                seed=0,
            )
            # The dataset shuffles by itself.
            data, options = (dataset,), {"shuffle": False}

    def fit(epochs: int = 1, callbacks: tuple[Any, ...] = ()) -> Any:
        return model.fit(*data, epochs=epochs, callbacks=list(callbacks), verbose=0, **options)

    return fit


def measure(backend: str, num_steps: int, repeats: int) -> None:
    """Time the variants on a backend and print a JSON line each; runs in a new process."""
    common.use_backend(backend)
    few_steps = 10 * BATCH_SIZE + SEQUENCE_LENGTH
    bench_fit.check_losses(
        {name: make_fit(name, few_steps, shuffle=False) for name in VARIANTS}, VIEW
    )
    num_batches = -(-(num_steps - SEQUENCE_LENGTH) // BATCH_SIZE)
    fits = {name: make_fit(name, num_steps) for name in VARIANTS}
    for name, elapsed_s in bench_fit.time_fits(fits, repeats).items():
        us = common.spread(elapsed_s, "us_per_step", 1e6 / num_batches)
        common.print_line("windows", case=backend, variant=name, **us, repeats=repeats)


def main() -> None:
    arguments = common.parse_arguments(
        __doc__, {"timesteps": (20_000, 400), "repeats": (5, 1)}, one=BACKENDS
    )
    if arguments.one:
        measure(arguments.one, arguments.timesteps, arguments.repeats)
        return
    sizes = {"timesteps": arguments.timesteps, "repeats": arguments.repeats}
    claims, table = [], []
    for backend in BACKENDS[:1] if arguments.tiny else BACKENDS:
        lines = common.run_on_backend(
            __spec__.name, backend, benchmark="windows", one=backend, **sizes
        )
        medians = {line["variant"]: line["median_us_per_step"] for line in lines}
        for line in lines:
            print(json.dumps(line), flush=True)
            figures = [line[f"{which}_us_per_step"] for which in ("median", "min", "max")]
            table.append((backend, line["variant"], *map(common.number, figures)))
        claims += [
            common.ratio_claim(
                backend,
                f"fit({feeds.KERAS_NPY})",
                name,
                medians[name] / medians[feeds.KERAS_NPY],
                target,
            )
            for name, target in TARGETS.get(backend, NO_TARGETS).items()
            if medians
        ]
    common.print_table("windows", ("backend", "variant", "us/step, median", "min", "max"), table)
    common.print_claims("windows", claims)


if __name__ == "__main__":
    main()
