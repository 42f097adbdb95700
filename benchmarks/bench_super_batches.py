"""With `steps_per_execution` on JAX: is `fit` as fast as Keras 3.16 allows, and what is gained?

Run:    NEWER_KERAS=DIR python -m benchmarks.bench_super_batches [--vector-rows 204800
        --image-rows 61440 --repeats 5]
        DIR holds a Keras from 3.16 on: `pip install --no-deps --target DIR keras-nightly`. The
        Keras that is installed must be an older one.
Prints: one JSON line per case and variant: us a step over an epoch (median, min, max), CPU us a
        step (median), versions, commit, machine; then a line for each target.
Cache:  warm. First it checks that every variant gives the same losses in file order. Then it times
        the second of two epochs, shuffled but for resident batches. Each Keras has a process, and
        these take turns. "Resident" are the same 32 batches each time, in memory of JAX's already:
        what Keras and the model take by themselves.
"""

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

from benchmarks import common, feeds
from benchmarks.common import RowFiles

NEWER_KERAS = "NEWER_KERAS"
BATCH_SIZE, STEPS_PER_EXECUTION, NUM_CLASSES = 32, 32, 10
CHECKED_ROWS = 2 * BATCH_SIZE * STEPS_PER_EXECUTION
NEWER, OLDER = "Keras 3.16", "Keras 3.15"
RESIDENT = "the same batches, resident"


class Variant(NamedTuple):
    """A feed, and the Keras that trains from it."""

    feed: str
    keras: str

    def __str__(self) -> str:
        return f"{self.feed}, {self.keras}"


VARIANTS = {
    str(variant): variant
    for variant in (
        Variant(feeds.KERAS_NPY, NEWER),
        Variant(feeds.ARRAYS, NEWER),
        Variant(RESIDENT, NEWER),
        Variant(feeds.KERAS_NPY, OLDER),
        Variant(feeds.ARRAYS, OLDER),
    )
}
OURS = str(Variant(feeds.KERAS_NPY, NEWER))
# How many times as fast as each variant `fit` from files on the newer Keras must be.
TARGETS = {
    str(Variant(feeds.ARRAYS, NEWER)): 1.0,
    str(Variant(feeds.ARRAYS, OLDER)): 3.0,
    str(Variant(RESIDENT, NEWER)): None,
}
CASES = {
    "32x16, logistic regression": ((16,), "vector_rows"),
    "32x28x28, logistic regression": ((28, 28), "image_rows"),
}


def build_model(row_shape: tuple[int, ...]) -> Any:
    import keras

    import keras_npy

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(row_shape, dtype="uint8"),
            keras_npy.NpyInputLayer(data_format=None),
            keras.layers.Flatten(),
            keras.layers.Dense(NUM_CLASSES),
        ]
    )
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def make_resident(files: RowFiles) -> Any:
    """An adapter that yields the first 32 batches again and again, all on one axis."""
    import jax
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    shape = (STEPS_PER_EXECUTION, BATCH_SIZE)
    num_rows = BATCH_SIZE * STEPS_PER_EXECUTION
    arrays = (np.load(path, mmap_mode="r")[:num_rows] for path in (files.x, files.y))
    batch = tuple(jax.device_put(array.reshape(*shape, *array.shape[1:])) for array in arrays)

    class Resident(DataAdapter):
        num_batches = property(lambda self: files.num_batches(BATCH_SIZE))
        batch_size = property(lambda self: BATCH_SIZE)
        has_partial_batch = False
        partial_batch_size = None

        def get_jax_iterator(self, super_batch: int | None = None) -> Any:
            if super_batch is None:  # Keras learns the shapes of the model from one batch.
                return iter([tuple(array[0] for array in batch)])
            return iter([batch] * (files.num_rows // num_rows))

        def on_epoch_begin(self) -> None:
            pass

        def on_epoch_end(self) -> None:
            pass

    return Resident()


def make_fit(feed: str, row_shape: tuple[int, ...], num_rows: int) -> Callable[..., Any]:
    """`fit` of a new model with the data of a feed."""
    import keras_npy

    files = common.make_rows(num_rows, row_shape, num_classes=NUM_CLASSES)
    model = build_model(row_shape)
    options: dict[str, Any] = {"verbose": 0}
    if feed == feeds.KERAS_NPY:
        data = (keras_npy.NpySequence(files.x, files.y, batch_size=BATCH_SIZE, seed=0),)
    elif feed == RESIDENT:
        data = (make_resident(files),)
    else:
        data, options["batch_size"] = (np.load(files.x), np.load(files.y)), BATCH_SIZE
    return lambda **more: model.fit(*data, **options, **more)


def losses(feed: str, row_shape: tuple[int, ...]) -> list[float]:
    """The losses of two epochs in file order."""
    fit = make_fit(feed, row_shape, CHECKED_ROWS)
    found: list[float] = fit(epochs=2, shuffle=False).history["loss"]
    return found


def time_epoch(fit: Callable[..., Any]) -> tuple[float, float]:
    """Seconds, and CPU seconds, of the second of two epochs."""
    import keras

    ends: list[tuple[float, float]] = []
    note_end = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append((time.perf_counter(), time.process_time()))
    )
    fit(epochs=2, callbacks=[note_end])
    return ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]


def serve(title: str, num_rows: int) -> None:
    """Answer the questions on standard input: a feed, and whether to check or to time it."""
    common.use_backend("jax")
    import keras

    row_shape, _ = CASES[title]
    print(json.dumps(keras.__version__), flush=True)
    made = functools.cache(lambda feed: make_fit(feed, row_shape, num_rows))
    for line in sys.stdin:
        feed, is_check = json.loads(line)
        answer = losses(feed, row_shape) if is_check else time_epoch(made(feed))
        print(json.dumps(answer), flush=True)


class Worker:
    """A process with one version of Keras."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.version = str(self._answer())

    def ask(self, feed: str, *, is_check: bool) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([feed, is_check]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def worker(folder: str | None, title: str, num_rows: int) -> Iterator[Worker]:
    """A process with the Keras in a folder; `None` for the one that is installed."""
    paths = [folder, os.environ.get("PYTHONPATH")]
    command = [sys.executable, "-m", __spec__.name, "--one", title]
    command += [f"--{CASES[title][1].replace('_', '-')}", str(num_rows)]
    process = subprocess.Popen(
        command,
        cwd=common.ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Worker(process)
        finally:
            process.terminate()


def measure(title: str, num_rows: int, newer: str, repeats: int) -> list[dict[str, Any]]:
    """Check and time the variants of a case; print a JSON line each, and return the claims."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(worker(folder, title, num_rows))
            for name, folder in ((NEWER, newer), (OLDER, None))
        }
        check(workers)
        elapsed_s: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
        for name, is_timed in common.turns(VARIANTS, repeats):
            feed, keras = VARIANTS[name]
            answer = workers[keras].ask(feed, is_check=False)
            if is_timed:
                elapsed_s[name].append(tuple(answer))
        versions = {name: one.version for name, one in workers.items()}
    per_step = 1e6 * BATCH_SIZE / num_rows
    medians, table = {}, []
    for name, measured in elapsed_s.items():
        wall, cpu = zip(*measured, strict=True)
        figures = common.spread(list(wall), "us_per_step", per_step)
        cpu_us = common.spread(list(cpu), "cpu_us_per_step", per_step)["median_cpu_us_per_step"]
        medians[name] = figures["median_us_per_step"]
        common.print_line(
            "super_batches",
            case=title,
            variant=name,
            **figures,
            median_cpu_us_per_step=cpu_us,
            keras=versions[VARIANTS[name].keras],
            repeats=len(measured),
        )
        table.append((title, name, *map(common.number, (*figures.values(), cpu_us))))
    columns = ("case", "variant", "us/step, median", "min", "max", "CPU us/step")
    common.print_table("super-batches", columns, table)
    return [
        common.ratio_claim(title, OURS, other, medians[other] / medians[OURS], target)
        for other, target in TARGETS.items()
    ]


def check(workers: dict[str, Worker]) -> None:
    """Raise unless every variant that reads the rows trains the same model on them."""
    found = {
        name: workers[variant.keras].ask(variant.feed, is_check=True)
        for name, variant in VARIANTS.items()
        if variant.feed != RESIDENT
    }
    for name, values in found.items():
        if not np.allclose(values, found[OURS], rtol=1e-4):
            raise ValueError(f"{name} gave losses {values}, {OURS} {found[OURS]}.")


def main() -> None:
    num_rows = BATCH_SIZE * STEPS_PER_EXECUTION
    arguments = common.parse_arguments(
        __doc__,
        {
            "vector_rows": (200 * num_rows, 2 * num_rows),
            "image_rows": (60 * num_rows, 2 * num_rows),
            "repeats": (5, 1),
        },
        one=CASES,
    )
    if arguments.one:
        serve(arguments.one, getattr(arguments, CASES[arguments.one][1]))
        return
    newer = os.environ.get(NEWER_KERAS)
    if newer is None or not common.is_installed("jax"):
        reason = f"{NEWER_KERAS} names no folder with a newer Keras, or JAX is not installed"
        common.print_skipped("super_batches", "all", reason)
        return
    claims = []
    # Both cases run the same code.
    for title, (_, option) in [*CASES.items()][: 1 if arguments.tiny else None]:
        claims += measure(title, getattr(arguments, option), newer, arguments.repeats)
    common.print_claims("super_batches", claims)


if __name__ == "__main__":
    main()
