"""`Input` reads the shape and dtype of whatever a source is."""

from pathlib import Path

import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_input_reads_shape_and_dtype_of_its_source(tmp_path: Path) -> None:
    """A path, an array, a sequence and a dict: the stored dtype, not float32."""
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((5, 4, 3), ">u2"))
    seq = NpySequence(path, np.zeros(5))
    for source in (path, str(path), np.zeros((5, 4, 3), "uint16"), seq):
        tensor = keras_npy.Input(source)
        assert ((None, 4, 3), "uint16") == (tensor.shape, tensor.dtype)
    assert "image" == keras_npy.Input(path, name="image").name


def test_input_of_a_dict_is_named_by_its_keys(tmp_path: Path) -> None:
    """A sequence with several inputs gives as many, by name."""
    seq = NpySequence({"a": np.zeros((4, 2), "uint8"), "b": np.zeros(4, "int32")})
    inputs = keras_npy.Input(seq)
    described = {key: (one.name, one.shape, one.dtype) for key, one in inputs.items()}
    assert {"a": ("a", (None, 2), "uint8"), "b": ("b", (None,), "int32")} == described
    with pytest.raises(ValueError, match=r"single input.*2 inputs.*keys of a dict"):
        keras_npy.Input(seq, name="both")


def test_input_of_windows_with_targets_is_that_of_the_windows() -> None:
    """Not one input for the windows and another one for the targets."""
    pair = keras_npy.windows(np.zeros((9, 2), "int16"), sequence_length=3, predict_next=True)
    for source in (pair, pair.x, [pair.x, np.zeros((1, 3, 2), "int16")]):
        tensor = keras_npy.Input(source)
        assert ((None, 3, 2), "int16") == (tensor.shape, tensor.dtype)


def test_input_of_a_missing_file_raises_at_once(tmp_path: Path) -> None:
    """The system's own error names the path."""
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        keras_npy.Input(tmp_path / "none.npy")
