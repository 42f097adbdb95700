"""What does preprocessing in the graph cost, and how many bytes does it save on the way there?

Run:    python -m benchmarks.bench_layer [--batches 60 --repeats 7]
Prints: one JSON line per case and variant: us a training step (median, min, max), bytes handed
        over per batch, whether XLA put cast and multiplication into one fusion, versions,
        commit, machine; then a line for each ratio, with its target if it has one, and whether
        XLA made the same program of NpyInputLayer as of Rescaling.
Cache:  none, the batches lie in memory. XLA compiles a step, which takes a NumPy batch; if the host
        preprocesses, it makes the batch float32 first. The outputs are checked to be the same
        within one ULP. Only pooling and a dense layer follow, so the layer is most of the step.
"""

import collections
import re
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common

NPY_INPUT_LAYER = "NpyInputLayer, uint8 handed over"
RESCALING = "Rescaling, uint8 handed over"
ON_HOST = "float32 made on the host"
# How many times the bytes of NpyInputLayer's input float32 takes.
BYTES_TARGET = 4
CASES = {"64x128x128x3": (64, 128, 128, 3), "256x28x28x1": (256, 28, 28, 1)}


def in_graph(name: str) -> Any:
    """The layer that scales in the graph, or `None` if the host scales."""
    import keras

    import keras_npy

    if name == NPY_INPUT_LAYER:
        return keras_npy.NpyInputLayer()
    return keras.layers.Rescaling(1 / 255) if name == RESCALING else None


def on_host(name: str, batch: np.ndarray) -> np.ndarray:
    """The batch to hand over: the stored bytes, or float32 made in one pass over them."""
    if name == ON_HOST:
        return np.multiply(batch, np.float32(1 / 255), dtype=np.float32)
    return batch


def make_step(name: str, batch: np.ndarray) -> Any:
    """A compiled training step of a model that begins with the variant."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    layer = in_graph(name)
    model = keras.Sequential(
        [
            keras.Input(batch.shape[1:], dtype=on_host(name, batch[:1]).dtype.name),
            *([] if layer is None else [layer]),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )

    @tf.function(jit_compile=True)
    def step(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs)))
        return loss, tape.gradient(loss, model.trainable_variables)

    return step


def check(name: str, batch: np.ndarray) -> None:
    """Raise unless the compiled layer gives NumPy's values, within one ULP."""
    import tensorflow as tf

    layer = in_graph(name)
    scaled = on_host(name, batch)
    if layer is not None:
        scaled = tf.function(lambda values: layer(values), jit_compile=True)(scaled).numpy()
    expected = batch.astype(np.float32) / np.float32(255)
    np.testing.assert_array_max_ulp(scaled, expected, maxulp=1)


def compiled(step: Any, batch: np.ndarray) -> str:
    """The program that XLA makes of a step, without the names of the model's layers."""
    hlo = step.experimental_get_compiler_ir(batch)(stage="optimized_hlo")
    program = re.sub(r", metadata=\{[^}]*\}", "", hlo.partition("\n")[2])
    numbers: dict[str, str] = collections.defaultdict(lambda: f"%{len(numbers)}")
    named = re.sub(r"%(?!fused_computation)[\w.-]+", lambda name: numbers[name[0]], program)
    # Parameters of a computation are named again in its first line, without the sign.
    return re.sub(r"[\w.]+(?=: \w+\[)", "parameter", named)


def bytes_handed_over(step: Any, inputs: np.ndarray) -> int:
    """The bytes that the compiled step takes as a batch."""
    ((spec,), _) = step.get_concrete_function(inputs).structured_input_signature
    return int(spec.shape.num_elements() * spec.dtype.size)


def has_one_fusion(program: str) -> bool:
    """Whether XLA casts and multiplies in one pass over the values."""
    return any(
        "u8[" in body and " convert(" in body and " multiply(" in body
        for body in re.findall(r"^%?fused_computation.*?^}", program, re.MULTILINE | re.DOTALL)
    )


def main() -> None:
    arguments = common.parse_arguments(__doc__, {"batches": (60, 2), "repeats": (7, 1)})
    table, claims = [], []
    for case, shape in CASES.items():
        batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        steps, programs, num_bytes = {}, {}, {}
        for name in (NPY_INPUT_LAYER, RESCALING, ON_HOST):
            check(name, batch)
            step = make_step(name, batch)
            if name != ON_HOST:
                programs[name] = compiled(step, batch)
            num_bytes[name] = bytes_handed_over(step, on_host(name, batch))
            steps[name] = _steps(name, step, batch, arguments.batches)
        medians = {}
        for name, elapsed_s in common.time_in_turns(steps, arguments.repeats).items():
            us = common.spread(elapsed_s, "us_per_step", 1e6 / arguments.batches)
            fusion = has_one_fusion(programs[name]) if name in programs else None
            common.print_line(
                "layer",
                case=case,
                variant=name,
                **us,
                bytes_per_batch=num_bytes[name],
                has_cast_multiply_fusion=fusion,
                repeats=len(elapsed_s),
            )
            medians[name] = statistics.median(elapsed_s)
            fused = {None: "", True: "yes", False: "no"}[fusion]
            table.append(
                (case, name, *map(common.number, us.values()), f"{num_bytes[name]:,}", fused)
            )
        is_same = programs[NPY_INPUT_LAYER] == programs[RESCALING]
        figure = "NpyInputLayer: compiled programs that differ from that of Rescaling"
        claims.append(common.exact_claim(case, figure, int(not is_same), "of 1", 0))
        # If both are one program, their times only tell about the machine.
        for other, target in ((RESCALING, None if is_same else 1.0), (ON_HOST, None)):
            ratio = medians[other] / medians[NPY_INPUT_LAYER]
            claims.append(common.ratio_claim(case, "NpyInputLayer", other, ratio, target))
        bytes_ratio = num_bytes[ON_HOST] / num_bytes[NPY_INPUT_LAYER]
        figure = f"{ON_HOST}: bytes a batch over NpyInputLayer"
        claims.append(common.exact_claim(case, figure, bytes_ratio, "x", BYTES_TARGET))
    columns = ("case", "variant", "us/step, median", "min", "max", "bytes/batch", "one fusion")
    common.print_table("layer", columns, table)
    common.print_claims("layer", claims)


def _steps(name: str, step: Any, batch: np.ndarray, num_batches: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(num_batches):
            loss, _ = step(on_host(name, batch))
        loss.numpy()

    return run


if __name__ == "__main__":
    main()
