""" "Inside the graph" is a fact: XLA makes one fusion of the cast and the arithmetic."""

import re
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyInputLayer

VALUES = np.zeros((8, 32, 32, 3), "uint8")


def optimized_hlo(layer: Any) -> str:
    """What XLA runs for one batch."""
    if keras.backend.backend() == "torch":
        pytest.skip("torch compiles without XLA")
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(layer.call).lower(VALUES).compile().as_text()
    import tensorflow as tf

    compiled = tf.function(layer, jit_compile=True)
    return compiled.experimental_get_compiler_ir(tf.constant(VALUES))(stage="optimized_hlo")


def entry_instructions(hlo: str) -> list[str]:
    """The instructions that XLA runs one after the other, each with its result in memory."""
    entry = re.search(r"^ENTRY [^{]*\{\n(.*?)^\}", hlo, re.MULTILINE | re.DOTALL)
    assert entry is not None, hlo
    return [line.strip() for line in entry[1].splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="scale"),
        pytest.param({"offset": -1}, id="offset"),
        pytest.param({"mean": [0.1, 0.2, 0.3], "variance": [1, 2, 3]}, id="standardise"),
        pytest.param({"sample_shape": (32, 32, 3), "scale": 0.5}, id="reshape"),
    ],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_xla_fuses_the_layer_into_one_loop(arguments: dict[str, Any], policy: str) -> None:
    """uint8 in, the result out: no float32 copy of the input is written in between."""
    hlo = optimized_hlo(NpyInputLayer(**arguments, dtype=policy))
    instructions = entry_instructions(hlo)
    fusions = [line for line in instructions if re.search(r"= \S+ (fusion|call)\(", line)]
    assert 1 == len(fusions), hlo
    assert not [line for line in instructions if re.search(r" (convert|multiply|copy)\(", line)]
    kind = "f16" if policy == "mixed_float16" else "f32"
    assert re.search(rf"= {kind}\[8,32,32,3\]", fusions[0]), fusions[0]
    fused = [body for body in hlo.split("\n\n") if " convert(" in body and " multiply(" in body]
    assert 1 == len(fused), hlo
    assert "u8[" in fused[0]
