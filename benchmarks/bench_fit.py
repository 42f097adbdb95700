"""Does `fit` train as fast from files as from RAM, on each backend, and what does it hold?

Run:    python -m benchmarks.bench_fit [--dense-rows 60000 --conv-rows 6400 --torch-rows 12800
        --memory-rows 60000 --repeats 5]
Prints: one JSON line per model, backend and variant: us a step over an epoch (median, min, max);
        on TensorFlow growth of anonymous memory (RssAnon) over an epoch in MB; versions, commit,
        machine; then a line for each target.
Cache:  warm. First it checks that every variant gives the same losses in file order. Then it times
        the second of two shuffled epochs; the first is untimed. The variants take turns, in one
        process per model and backend. For memory there is one process per model and variant.
"""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import common, feeds

BATCH_SIZE, ROW_SHAPE, NUM_CLASSES = 32, (28, 28), 10
DENSE, CONV = "tiny dense model", "small convolutional model"
VARIANTS = (feeds.KERAS_NPY, feeds.ARRAYS, feeds.PY_DATASET)


class FitCase(NamedTuple):
    """A model, its backend, and the option that sets the number of rows."""

    backend: str
    kind: str
    rows_option: str


CASES = {
    DENSE: FitCase("tensorflow", DENSE, "dense_rows"),
    CONV: FitCase("tensorflow", CONV, "conv_rows"),
    f"jax: {DENSE}": FitCase("jax", DENSE, "dense_rows"),
    # A step on torch takes ten times as long.
    f"torch: {DENSE}": FitCase("torch", DENSE, "torch_rows"),
}
MEMORY_RUNS = {
    f"memory: {kind}: {name}": (kind, name) for kind in (DENSE, CONV) for name in VARIANTS
}
CHECK_ROWS = 10 * BATCH_SIZE
SAMPLE_EVERY_BATCHES = 50

# How many times as fast keras_npy must be. None: the ratio is shown but has no target.
TARGETS = {DENSE: {feeds.ARRAYS: 1.0, feeds.PY_DATASET: None}, CONV: {feeds.ARRAYS: None}}


def build_model(kind: str) -> Any:
    import keras

    import keras_npy

    keras.utils.set_random_seed(0)
    layers = keras.layers
    hidden = {
        DENSE: [layers.Flatten()],
        CONV: [
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
    }
    model = keras.Sequential(
        [
            keras.Input(ROW_SHAPE, dtype="uint8"),
            keras_npy.NpyInputLayer(stored_format="no_channels"),
            *hidden[kind],
            layers.Dense(NUM_CLASSES),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def make_fit(name: str, kind: str, num_rows: int, shuffle: bool = True) -> Callable[..., Any]:
    """`fit` of a new model with its data; it takes `epochs` and `callbacks`, returns a history."""
    import keras_npy

    files = common.make_rows(num_rows, ROW_SHAPE, num_classes=NUM_CLASSES)
    model = build_model(kind)
    if name == feeds.KERAS_NPY:
        data = (keras_npy.NpySequence(files.x, files.y, batch_size=BATCH_SIZE, seed=0),)
        options: dict[str, Any] = {"shuffle": shuffle}
    elif name == feeds.ARRAYS:
        data = (np.load(files.x), np.load(files.y))
        options = {"shuffle": shuffle, "batch_size": BATCH_SIZE}
    else:
        # The PyDataset shuffles rows itself. Keras would shuffle its batches too.
        data = (feeds.make_py_dataset(files, BATCH_SIZE, shuffle),)
        options = {"shuffle": False}

    def fit(epochs: int = 1, callbacks: tuple[Any, ...] = ()) -> Any:
        return model.fit(*data, epochs=epochs, callbacks=list(callbacks), verbose=0, **options)

    return fit


def check_losses(fits: dict[str, Callable[..., Any]], reference: str) -> None:
    """Raise unless every variant trains the same model as this one, in file order."""
    losses = {name: fit(epochs=2).history["loss"] for name, fit in fits.items()}
    for name, values in losses.items():
        if not np.allclose(values, losses[reference], rtol=1e-4):
            raise ValueError(f"{name} gave losses {values}, {reference} {losses[reference]}.")


def time_fits(fits: dict[str, Callable[..., Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of an epoch for each variant, from the end of the epoch before to its own end."""
    import keras

    ends: list[float] = []
    note_end = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    elapsed_s: dict[str, list[float]] = {name: [] for name in fits}
    for name, is_timed in common.turns(fits, repeats):
        ends.clear()
        fits[name](epochs=2 if is_timed else 1, callbacks=(note_end,))
        if is_timed:
            elapsed_s[name].append(ends[1] - ends[0])
    return elapsed_s


def measure_times(title: str, num_rows: int, repeats: int) -> None:
    """Time the variants of a case and print a JSON line each; runs in a new process."""
    case = CASES[title]
    common.use_backend(case.backend)
    ordered = {name: make_fit(name, case.kind, CHECK_ROWS, shuffle=False) for name in VARIANTS}
    check_losses(ordered, feeds.ARRAYS)
    num_steps = -(-num_rows // BATCH_SIZE)
    fits = {name: make_fit(name, case.kind, num_rows) for name in VARIANTS}
    for name, elapsed_s in time_fits(fits, repeats).items():
        us = common.spread(elapsed_s, "us_per_step", 1e6 / num_steps)
        common.print_line("fit", case=title, variant=name, **us, repeats=len(elapsed_s))


def measure_memory(kind: str, name: str, num_rows: int) -> None:
    """Print the growth of memory over an epoch as a JSON line; runs in a new process."""
    common.use_backend("tensorflow")
    import keras

    make_fit(name, kind, CHECK_ROWS)()
    growth = common.MemoryGrowth()

    def sample(batch: int, logs: object = None) -> None:
        if batch % SAMPLE_EVERY_BATCHES == 0:
            growth.sample()

    sampler = keras.callbacks.LambdaCallback(on_train_batch_end=sample)
    make_fit(name, kind, num_rows)(callbacks=(sampler,))
    growth.sample()
    common.print_line("fit", growth_mb=growth.peak_mb)


def measure_all_memory(arguments: Any) -> dict[tuple[str, str], dict[str, float]]:
    """The growth of memory and the size of the file, by model and variant."""
    files = common.make_rows(arguments.memory_rows, ROW_SHAPE, num_classes=NUM_CLASSES)
    found = {}
    for run, (kind, name) in MEMORY_RUNS.items():
        if arguments.tiny and (kind, name) != (DENSE, feeds.KERAS_NPY):
            continue
        (line,) = common.run_in_process(__spec__.name, one=run, memory_rows=arguments.memory_rows)
        found[kind, name] = {"growth_mb": line["growth_mb"], "file_mb": files.x_bytes / 1e6}
    return found


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {
            "dense_rows": (60_000, 640),
            "conv_rows": (6_400, 320),
            "torch_rows": (12_800, 320),
            "memory_rows": (60_000, 640),
            "repeats": (5, 1),
        },
        one={**CASES, **MEMORY_RUNS},
    )
    if arguments.one in MEMORY_RUNS:
        measure_memory(*MEMORY_RUNS[arguments.one], arguments.memory_rows)
        return
    if arguments.one:
        num_rows = getattr(arguments, CASES[arguments.one].rows_option)
        measure_times(arguments.one, num_rows, arguments.repeats)
        return
    memory = measure_all_memory(arguments)
    claims, table = [], []
    for title, (backend, kind, rows_option) in CASES.items():
        if arguments.tiny and kind == CONV:
            # As the dense one, for the code that runs.
            continue
        sizes = {rows_option: getattr(arguments, rows_option), "repeats": arguments.repeats}
        lines = common.run_on_backend(__spec__.name, backend, benchmark="fit", one=title, **sizes)
        if not lines:
            continue
        medians = {}
        for line in lines:
            name = line["variant"]
            if backend == "tensorflow":
                line.update(memory.get((kind, name), {}))
            print(json.dumps(line), flush=True)
            medians[name] = line["median_us_per_step"]
            figures = [line[f"{which}_us_per_step"] for which in ("median", "min", "max")]
            held = common.number(line["growth_mb"]) if "growth_mb" in line else ""
            table.append((title, name, *map(common.number, figures), held))
        claims += [
            common.ratio_claim(
                title,
                f"fit({feeds.KERAS_NPY})",
                name,
                medians[name] / medians[feeds.KERAS_NPY],
                target,
            )
            for name, target in TARGETS[kind].items()
        ]
    columns = ("case", "variant", "us/step, median", "min", "max", "growth of RssAnon, MB")
    common.print_table("fit", columns, table)
    common.print_claims("fit", claims)


if __name__ == "__main__":
    main()
