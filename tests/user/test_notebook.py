"""What a notebook shows of a sequence: thumbnails, sheets, and the worst predictions."""

import base64
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.drawing.worst import badness
from tests.conftest import Stored


def thumbnails(seq: NpySequence) -> list[tuple[int, int]]:
    """Width and height of each picture."""
    found = re.findall(r"base64,([^\"]+)", seq._repr_html_())
    return [struct.unpack(">II", base64.b64decode(one)[16:24]) for one in found]


def test_html_shows_samples_labels_and_text(stored: Stored) -> None:
    """Eight thumbnails from all over, with the names of their classes, above the repr."""
    seq = NpySequence(np.ones((53, 60, 50), "uint8"), stored.y_path)
    seq.class_names = ["cat", "<dog>", "eel"]
    shown = seq._repr_html_()
    assert [(60, 72)] * 8 == thumbnails(seq)
    rows = np.linspace(0, 52, 8).astype(int)
    expected = [["cat", "&lt;dog&gt;", "eel"][stored.y[row]] for row in rows]
    assert expected == re.findall(r'80%">([^<]*)<', shown)
    assert "x: uint8 (53, 60, 50)" in shown


@pytest.mark.parametrize(
    ("x", "num_pictures"),
    [
        (np.arange(5.0), 0),
        (np.ones((5, 40)), 5),
        (np.ones((5, 4, 30, 30, 20), "uint8"), 5),
        (np.ones((2, 8, 9), "complex64"), 0),
        ({"a": np.ones((3, 8, 9)), "b": np.ones(3)}, 3),
        (np.full((3, 40, 9), np.nan), 3),
    ],
    ids=["values", "curves", "volumes", "complex", "several", "nan"],
)
def test_html_of_any_rows(x: Any, num_pictures: int) -> None:
    """With pictures where there are some."""
    seq = NpySequence(x)
    assert num_pictures == len(thumbnails(seq))
    assert "shuffle=None" in seq._repr_html_()


def test_html_of_a_file_that_is_lost_is_text(tmp_path: Path) -> None:
    """A cell does not fail because its last line is a sequence."""
    for number in range(3):
        np.save(tmp_path / f"s-{number}.npy", np.ones((20, 20)))
    seq = NpySequence(samples(str(tmp_path / "s-*.npy")))
    assert 3 == len(thumbnails(seq))
    (tmp_path / "s-1.npy").write_bytes(b"")
    assert [] == thumbnails(seq)
    assert "x: float64 (3, 20, 20)" in seq._repr_html_()


def titles(figure: Any) -> list[str]:
    left, _ = figure.subfigs
    return [axes.get_title() for axes in left.axes if axes.get_title()]


def test_plot_shows_the_rows_of_a_part(stored: Stored) -> None:
    """Under the numbers that they have in the file."""
    pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")
    images = np.arange(53 * 400, dtype="uint8").reshape(53, 20, 20)
    part = NpySequence(images, stored.y_path).subset([50, 7, 3])
    figure = part.plot()
    assert [f"row {row}: {stored.y[row]}" for row in (50, 7, 3)] == titles(figure)
    pixels = figure.subfigs[0].axes[1].images[0].get_array()
    np.testing.assert_array_equal(images[7], pixels[..., 0])
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert 5 == len(titles(stored.sequence().plot(5)))
    with pytest.raises(ValueError, match=r"at most 200.*Received: number=201\. Plot several"):
        part.plot(201)


class Known:
    """A model whose predictions are known."""

    def __init__(self, predictions: np.ndarray) -> None:
        self._predictions, self._at = predictions, 0

    def predict_on_batch(self, x: Any) -> np.ndarray:
        start, self._at = self._at, self._at + len(x)
        return self._predictions[start : self._at]


@pytest.mark.parametrize("kind", ["numbers", "one-hot", "mapped"])
def test_plot_of_a_model_shows_its_worst_predictions(stored: Stored, kind: str) -> None:
    """The worst first, wherever their batch; what was right says its class alone."""
    pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")
    scores = np.eye(3)[stored.y] * 0.5
    for row, badly in ((40, 3.0), (2, 2.0), (52, 1.0)):
        scores[row, (stored.y[row] + 1) % 3] = badly
    y = np.eye(3)[stored.y] if kind == "one-hot" else stored.y
    seq = NpySequence(stored.x, y, batch_size=8, shuffle=True)
    if kind == "mapped":
        seq = NpySequence(stored.x, 2 - y, batch_size=8).map(lambda x, y: (x, 2 - y))
    shown = titles(seq.plot(4, model=Known(scores)))
    wanted = [f"row {row}: {stored.y[row]}, not {(stored.y[row] + 1) % 3}" for row in (40, 2, 52)]
    assert [*wanted, f"row 0: {stored.y[0]}"] == shown


def test_plot_of_a_model_needs_targets_of_one_output(stored: Stored) -> None:
    """Else there is nothing to compare."""
    pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")
    known = Known(np.zeros((53, 3)))
    with pytest.raises(ValueError, match=r"one output.*Received: y of type NoneType.*Leave"):
        NpySequence(stored.x).plot(model=known)


@pytest.mark.parametrize(
    ("y", "predicted", "expected"),
    [
        ([1, 0], [[0.2, 0.8], [0.1, 0.9]], [-0.6, 0.8]),
        ([[0, 1], [1, 0]], [[0.2, 0.8], [0.1, 0.9]], [-0.6, 0.8]),
        ([1, 0], [[0.9], [0.6]], [-0.8, 0.2]),
        ([[1.0], [0.0]], [[7.0], [3.0]], [-7, 3]),
        ([2.5, 1.0], [[2.0], [1.0]], [0.25, 0]),
        ([[1.0, 2.0]], [[1.0, 4.0]], [2]),
    ],
    ids=["classes", "one-hot", "probability", "logit", "value", "vector"],
)
def test_badness_is_how_far_the_right_one_is_behind(
    y: Any, predicted: Any, expected: list[float]
) -> None:
    """Or the mean squared difference, for what are no classes."""
    np.testing.assert_allclose(expected, badness(np.array(y), np.array(predicted)), atol=1e-12)
