"""`for_data` takes the scale of the stored dtype."""

from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpyInputLayer, NpySequence

VALUES = np.arange(48).reshape(4, 4, 3).astype("uint8")


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("uint8", 255),
        ("uint16", 65535),
        ("uint32", 2**32 - 1),
        ("uint64", 2**64 - 1),
        ("int8", 127),
        ("int16", 32767),
        ("int32", 2**31 - 1),
        ("int64", 2**63 - 1),
        (">i2", 32767),
        ("bool", 1),
        ("float16", 1),
        ("float32", 1),
        ("float64", 1),
    ],
)
def test_for_data_takes_the_scale_of_the_stored_dtype(
    dtype: str, expected: int, tmp_path: Path
) -> None:
    """Of a path, an array and a sequence; float values beyond 1 change nothing."""
    array = np.full((4, 3), 1 if dtype == "bool" else 100).astype(dtype)
    path = tmp_path / "x.npy"
    np.save(path, array)
    for source in (path, array, NpySequence(path)):
        assert 1 / expected == NpyInputLayer.for_data(source).scale


def test_for_data_passes_other_arguments_on() -> None:
    """offset too, which says nothing of the dtype."""
    layer = NpyInputLayer.for_data(VALUES, offset=-0.5, name="pixels", sample_shape=(12,))
    assert (-0.5, "pixels", (12,)) == (layer.offset, layer.name, layer.sample_shape)


def test_for_data_together_with_scale_is_refused() -> None:
    """One of them would be ignored."""
    with pytest.raises(ValueError, match=r"picks the scale.*scale=2 as well.*Leave it out"):
        NpyInputLayer.for_data(VALUES, scale=2)


def test_for_data_of_several_inputs_is_refused() -> None:
    """A layer has one."""
    with pytest.raises(TypeError, match=r"one input.*2 inputs.*own input"):
        NpyInputLayer.for_data(NpySequence({"a": VALUES, "b": VALUES}))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_for_data_of_complex_values_is_refused(dtype: str, tmp_path: Path) -> None:
    """Of a path, an array and a sequence: the layer would lose the imaginary part."""
    array = VALUES.astype(dtype)
    path = tmp_path / "x.npy"
    np.save(path, array)
    for source in (path, array, NpySequence(path)):
        with pytest.raises(TypeError, match=rf"real values.*Received: .*{dtype} .*x\.real"):
            NpyInputLayer.for_data(source)
