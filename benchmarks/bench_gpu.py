"""On a GPU: how long is a step of `fit`, from files, from memory, and from rows on the device?

Run:    python -m benchmarks.bench_gpu [--large-rows 20000 --small-rows 60000 --repeats 3]
Prints: one JSON line for each backend, shape and variant: us a step (median, min, max), versions,
        commit, machine and card; then a table, and a line for each target. Without a GPU it says
        so and stops, except with --tiny, which runs on the CPU.
Cache:  warm. First it proves every batch in flight: a model whose loss is the difference between a
        checksum of each row and the one in y must have a loss of exactly 0. Then it times the
        second of two shuffled epochs; the variants take turns, in one process for each backend.
        "Resident" is the same batch each step, on the device already: a step without any feed.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import common, feeds, in_flight

RESIDENT, DEVICE = "the same batch, resident", 'keras_npy, cache="device"'
VARIANTS = (RESIDENT, feeds.KERAS_NPY, DEVICE, feeds.ARRAYS, feeds.PY_DATASET)
BACKENDS = ("jax", "torch")
NUM_CLASSES = 10


class Shape(NamedTuple):
    """A batch, and the option that sets the number of rows."""

    batch_size: int
    row_shape: tuple[int, ...]
    rows_option: str

    def __str__(self) -> str:
        return "x".join(map(str, (self.batch_size, *self.row_shape)))


SHAPES = (
    Shape(256, (128, 128, 3), "large_rows"),
    Shape(64, (128, 128, 3), "large_rows"),
    Shape(256, (28, 28, 1), "small_rows"),
)
# How many times as fast as arrays in RAM and PyDataset keras_npy must be, and which share of the
# speed of resident batches each must reach.
OVER_OTHERS = {"jax": (2.0, 1.4, 1.25), "torch": (None, None, None)}
OF_RESIDENT = {"jax": {DEVICE: 0.7}, "torch": {feeds.KERAS_NPY: 0.88, DEVICE: 0.9}}

CHECKED_BATCH_SIZES = (1, 32, 256)


def card() -> str | None:
    """The name of the GPU that the running backend uses, or `None`."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        device = jax.local_devices()[0]
        return None if device.platform == "cpu" else str(device.device_kind)
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else None


def make_resident(x: np.ndarray, y: np.ndarray, num_batches: int) -> Any:
    """An adapter that yields one batch on the device, as often as there are batches."""
    import keras
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    batch = tuple(keras.ops.convert_to_tensor(array) for array in (x, y))

    class Resident(DataAdapter):
        num_batches = property(lambda self: num_batches)
        batch_size = property(lambda self: len(x))
        has_partial_batch = False
        partial_batch_size = None

        def get_jax_iterator(self) -> Any:
            return iter([batch] * num_batches)

        def get_torch_dataloader(self) -> Any:
            import torch

            class Batches(torch.utils.data.IterableDataset):
                def __iter__(self) -> Any:
                    return iter([batch] * num_batches)

            return torch.utils.data.DataLoader(Batches(), batch_size=None)

        def on_epoch_begin(self) -> None:
            pass

        def on_epoch_end(self) -> None:
            pass

    return Resident()


def build_model(row_shape: tuple[int, ...]) -> Any:
    """A model whose step costs little, so that the feed shows."""
    import keras

    import keras_npy

    model = keras.Sequential(
        [
            keras.Input(row_shape, dtype="uint8"),
            keras_npy.NpyInputLayer(data_format=None),
            keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
            keras.layers.Dense(NUM_CLASSES),
        ]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def make_fits(shape: Shape, num_rows: int) -> dict[str, Callable[..., Any]]:
    """`fit` of one model with the data of each variant; each takes `epochs` and `callbacks`."""
    import keras_npy

    files = common.make_rows(num_rows, shape.row_shape, num_classes=NUM_CLASSES)
    x, y = np.load(files.x), np.load(files.y).astype("int32")
    arguments: dict[str, Any] = {"batch_size": shape.batch_size, "seed": 0}
    data: dict[str, tuple[Any, ...]] = {
        RESIDENT: (
            make_resident(
                x[: shape.batch_size], y[: shape.batch_size], files.num_batches(shape.batch_size)
            ),
        ),
        feeds.KERAS_NPY: (keras_npy.NpySequence(files.x, y, **arguments),),
        DEVICE: (keras_npy.NpySequence(files.x, y, cache="device", **arguments),),
        feeds.ARRAYS: (x, y),
        feeds.PY_DATASET: (feeds.make_py_dataset(files, shape.batch_size, True),),
    }
    model = build_model(shape.row_shape)

    def make_fit(name: str) -> Callable[..., Any]:
        options: dict[str, Any] = {"batch_size": shape.batch_size} if name == feeds.ARRAYS else {}
        if name == feeds.PY_DATASET:
            # It shuffles rows itself. Keras would shuffle its batches too.
            options["shuffle"] = False
        return lambda **more: model.fit(*data[name], verbose=0, **options, **more)

    return {name: make_fit(name) for name in VARIANTS}


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
        fits[name](epochs=2 if is_timed else 1, callbacks=[note_end])
        if is_timed:
            elapsed_s[name].append(ends[1] - ends[0])
    return elapsed_s


def check_in_flight(num_rows: int) -> None:
    """Raise unless every byte of every batch is the right one while others are copied."""
    import keras_npy

    files = common.make_rows(num_rows, in_flight.ROW_SHAPE)
    checksums = in_flight.make_checksums(np.load(files.x, mmap_mode="r"))
    model = in_flight.make_model()
    for batch_size in CHECKED_BATCH_SIZES:
        # The first rows suffice for single ones, of which there are many batches.
        num_checked = min(num_rows, 4000 * batch_size)
        for cache in (None, "device"):
            seq = keras_npy.NpySequence(
                files.x,
                checksums,
                batch_size=batch_size,
                seed=3,
                indices=slice(num_checked),
                cache=cache,
            )
            in_flight.check(model, seq, checksums[:num_checked], 3 if batch_size > 1 else 1)
            name = f"batches of {batch_size}, cache={cache}"
            print(f"{name}: all right in flight", file=sys.stderr)


def measure(backend: str, arguments: Any) -> None:
    """Check and time a backend, and print a JSON line for each figure; runs in a new process."""
    common.use_backend(backend)
    name = card()
    if name is None and not arguments.tiny:
        common.print_skipped("gpu", backend, f"{backend} sees no GPU")
        return
    check_in_flight(arguments.checked_rows)
    for shape in SHAPES:
        num_rows = getattr(arguments, shape.rows_option)
        num_steps = -(-num_rows // shape.batch_size)
        for variant, elapsed_s in time_fits(make_fits(shape, num_rows), arguments.repeats).items():
            us = common.spread(elapsed_s, "us_per_step", 1e6 / num_steps)
            common.print_line(
                "gpu",
                backend=backend,
                shape=str(shape),
                variant=variant,
                card=name,
                **us,
                repeats=len(elapsed_s),
            )


def make_claims(backend: str, medians: dict[tuple[str, str], float]) -> list[dict[str, Any]]:
    """What must be reached, of the median of each shape and variant."""
    claims = []
    for shape, over in zip(map(str, SHAPES), OVER_OTHERS[backend], strict=True):
        case = f"{backend}: {shape}"
        for other in (feeds.ARRAYS, feeds.PY_DATASET):
            ratio = medians[shape, other] / medians[shape, feeds.KERAS_NPY]
            claims.append(common.ratio_claim(case, feeds.KERAS_NPY, other, ratio, over))
        for name, share in OF_RESIDENT[backend].items():
            ratio = medians[shape, RESIDENT] / medians[shape, name]
            claims.append(common.ratio_claim(case, name, RESIDENT, ratio, share))
    return claims


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {
            "large_rows": (20_000, 40),
            "small_rows": (60_000, 300),
            "checked_rows": (20_000, 40),
            "repeats": (3, 1),
        },
        one=BACKENDS,
    )
    if arguments.one:
        measure(arguments.one, arguments)
        return
    sizes = {name: value for name, value in vars(arguments).items() if name not in ("one", "tiny")}
    # An option without a value.
    options = ["--tiny"] if arguments.tiny else []
    claims, table = [], []
    for backend in BACKENDS:
        if not common.is_installed(backend):
            common.print_skipped("gpu", backend, f"{backend} is not installed")
            continue
        command = [sys.executable, "-m", __spec__.name, "--one", backend, *options]
        for name, value in sizes.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        lines = common.run_command(command)
        for line in lines:
            print(json.dumps(line), flush=True)
        timed = [line for line in lines if "variant" in line]
        table += [
            (
                f"{line['card']}, {backend}: {line['shape']}",
                line["variant"],
                *(
                    common.number(line[f"{which}_us_per_step"])
                    for which in ("median", "min", "max")
                ),
            )
            for line in timed
        ]
        if timed:
            medians = {
                (line["shape"], line["variant"]): line["median_us_per_step"] for line in timed
            }
            claims += make_claims(backend, medians)
    if table:
        common.print_table("gpu", ("case", "variant", "us/step, median", "min", "max"), table)
        common.print_claims("gpu", claims)


if __name__ == "__main__":
    main()
