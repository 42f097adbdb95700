"""What does it cost to save a run while it trains?

Run:    python -m benchmarks.bench_resume [--small-steps 1000 --large-steps 100
        --units-max 5000 --repeats 5]
Prints: one JSON line per model and variant: ms a step over a `fit` of one epoch, with its first
        and its last save (median, min, max), and how many times as long it takes as without
        `ResumeTraining`; MB of a save; versions, commit, machine.
Cache:  warm. The variants take turns, each `fit` with a new folder on the disk of temporary files,
        after one untimed turn. All run on TensorFlow, in one process per model.
"""

import functools
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import common

BATCH_SIZE, ROW_SHAPE, NUM_CLASSES = 32, (28, 28), 10


class ResumeCase(NamedTuple):
    """Units of the hidden layers, and the option that sets the number of steps."""

    units: tuple[int, ...]
    steps_option: str


CASES = {
    "small model": ResumeCase((32,), "small_steps"),
    # 25 million weights; Adam holds two more values for each.
    "model of 100 MB": ResumeCase((5_000, 4_200), "large_steps"),
}
WITHOUT = "fit without saves"
FREQUENCIES: dict[str, Any] = {
    WITHOUT: None,
    'save_freq="epoch"': "epoch",
    "save_freq=100": 100,
    "save_freq=10": 10,
    "save_freq=1": 1,
}


def build_model(units: tuple[int, ...]) -> Any:
    import keras

    import keras_npy

    keras.utils.set_random_seed(0)
    layers = keras.layers
    hidden = [layers.Dense(number, activation="relu") for number in units]
    model = keras.Sequential(
        [
            keras.Input(ROW_SHAPE, dtype="uint8"),
            keras_npy.NpyInputLayer(),
            layers.Flatten(),
            *hidden,
            layers.Dense(NUM_CLASSES),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def fit(model: Any, seq: Any, save_freq: Any, sizes: list[int]) -> None:
    """Train one epoch in a new folder; note the bytes of the last save in `sizes`."""
    import keras_npy

    with tempfile.TemporaryDirectory() as folder:
        callbacks = []
        if save_freq is not None:
            callbacks.append(keras_npy.ResumeTraining(seq, folder, save_freq, verbose=0))
        model.fit(seq, callbacks=callbacks, verbose=0)
        sizes += [path.stat().st_size for path in Path(folder).glob("*.zip")][-1:]


def measure(title: str, num_steps: int, repeats: int, units: tuple[int, ...]) -> None:
    """Time the variants of a case and print a JSON line each; runs in a new process."""
    common.use_backend("tensorflow")
    import keras_npy

    files = common.make_rows(num_steps * BATCH_SIZE, ROW_SHAPE, num_classes=NUM_CLASSES)
    seq = keras_npy.NpySequence(files.x, files.y, batch_size=BATCH_SIZE, seed=0)
    model = build_model(units)
    sizes: list[int] = []
    variants: dict[str, Callable[[], object]] = {
        name: functools.partial(fit, model, seq, save_freq, sizes)
        for name, save_freq in FREQUENCIES.items()
    }
    elapsed_s = common.time_in_turns(variants, repeats)
    without_s = statistics.median(elapsed_s[WITHOUT])
    for name, values in elapsed_s.items():
        common.print_line(
            "resume",
            case=title,
            variant=name,
            **common.spread(values, "ms_per_step", 1e3 / num_steps),
            times_without=statistics.median(values) / without_s,
            **({} if name == WITHOUT else {"save_mb": sizes[-1] / 1e6}),
            repeats=len(values),
        )


def main() -> None:
    arguments = common.parse_arguments(
        __doc__,
        {
            "small_steps": (1_000, 12),
            "large_steps": (100, 12),
            "units_max": (5_000, 8),
            "repeats": (5, 1),
        },
        one=CASES,
    )
    if arguments.one:
        case = CASES[arguments.one]
        num_steps = getattr(arguments, case.steps_option)
        units = tuple(min(number, arguments.units_max) for number in case.units)
        measure(arguments.one, num_steps, arguments.repeats, units)
        return
    table = []
    for title, case in CASES.items():
        if arguments.tiny and table:
            # The other models run the same code.
            break
        options = {case.steps_option: getattr(arguments, case.steps_option)}
        lines = common.run_in_process(
            __spec__.name,
            one=title,
            repeats=arguments.repeats,
            units_max=arguments.units_max,
            **options,
        )
        for line in lines:
            print(json.dumps(line), flush=True)
            figures = [line[f"{which}_ms_per_step"] for which in ("median", "min", "max")]
            cells = map(common.number, (*figures, line["times_without"]))
            saved = common.number(line["save_mb"]) if "save_mb" in line else ""
            table.append((title, line["variant"], *cells, saved))
    columns = ("case", "variant", "ms/step, median", "min", "max", "times as long", "MB of a save")
    common.print_table("resume", columns, table)


if __name__ == "__main__":
    main()
