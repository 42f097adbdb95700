"""What a notebook shows of a sequence: thumbnails, sheets, and the worst predictions."""

import base64
import os
import re
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from keras_npy import NpySequence, Rows, samples
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
    names = ["cat", "&lt;dog&gt;", "eel"]
    expected = [f"row {row}: {names[stored.y[row]]}" for row in rows]
    assert expected == re.findall(r'80%">([^<]*)<', shown)
    assert "x: uint8 (53, 60, 50)" in shown
    # A part has the numbers of the file.
    assert "row 50: " in seq.subset([50, 7])._repr_html_()


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


class Odd(Rows):
    """A source of the user's, of a dtype that is none of NumPy's own, whose rows are lost."""

    def __init__(self) -> None:
        self.name, self.shape, self.dtype = "odd", (3, 20, 20), np.dtype(ml_dtypes.bfloat16)
        self.error: Exception | None = None

    def read_into(self, indices: np.ndarray, out: np.ndarray) -> None:
        if self.error is not None:
            raise self.error
        out[...] = 1


@pytest.mark.parametrize(
    ("kind", "io", "reason"),
    [
        ("deleted-sample", "auto", "FileNotFoundError"),
        ("cut", "map", "NpyFileError"),
        ("cut", "read", "NpyFileError"),
        ("cut-sample", "auto", "NpyFileError"),
        ("cut-mask", "map", "NpyFileError"),
        ("object", "auto", "RuntimeError: the store is closed"),
        ("names", "auto", "TypeError"),
    ],
)
def test_html_of_data_that_is_lost_is_text(tmp_path: Path, kind: str, io: Any, reason: str) -> None:
    """A cell does not fail because its last line is a sequence, and says what is wrong."""
    for number in range(3):
        np.save(tmp_path / f"s-{number}.npy", np.ones((20, 20), "float32"))
    x, y = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(x, np.ones((3, 20, 20), "float32"))
    np.save(y, np.ones((3, 20, 20), "uint8"))
    odd = Odd()
    source: Any = odd if kind == "object" else x
    if kind.endswith("-sample"):
        source = samples(str(tmp_path / "s-*.npy"))
    seq = NpySequence(source, y if kind == "cut-mask" else None, io=io)
    assert 3 == len(thumbnails(seq))
    if kind == "deleted-sample":
        (tmp_path / "s-1.npy").unlink()
    elif kind == "names":
        seq = NpySequence(x, np.arange(3))
        seq.class_names = 3  # type: ignore[assignment] # Which is the user's fault.
    elif kind == "object":
        odd.error = RuntimeError("the store is closed")
    else:
        cut = {"cut": x, "cut-sample": tmp_path / "s-1.npy", "cut-mask": y}[kind]
        os.truncate(cut, 200)
    shown = seq._repr_html_()
    assert [] == thumbnails(seq)
    assert f"No pictures: {reason}" in shown
    assert "(3, 20, 20)" in shown


def test_html_calls_no_function_of_map() -> None:
    """Samples are shown as they are stored, even if the function fails from now on."""
    calls = [0]

    def fails_later(x: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > 1:
            raise RuntimeError
        return x

    seq = NpySequence(np.ones((3, 20, 20))).map(fails_later)
    assert 3 == len(thumbnails(seq))
    assert [1] == calls


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
    figure = seq.plot(4, model=Known(scores), names=["cat", "dog", "eel"])
    worst = [(40, 1, "3"), (2, 1, "2"), (52, 1, "1"), (0, 0, "0.5")]
    wanted = []
    for row, next_one, score in worst:
        label, got = (["cat", "dog", "eel"][(stored.y[row] + of) % 3] for of in (0, next_one))
        wanted.append(f"row {row}\nlabel {label} (0.5)\npredicted {got} ({score})")
    assert wanted == titles(figure)
    heading = "The 4 worst of 53 predictions, the worst first. 3 are wrong."
    # The chart counts labels as they are stored.
    stored_labels = " Drawn as stored, before map." if kind == "mapped" else ""
    assert f"{heading}{stored_labels}" == figure.get_suptitle()


@pytest.mark.parametrize(
    ("y", "predicted", "title", "heading"),
    [
        pytest.param(
            np.arange(4) % 2,
            np.eye(2)[np.arange(4) % 2],
            "row 0\nlabel 0 (1)\npredicted 0 (1)",
            "All 4 predictions are right. The 2 closest to wrong.",
            id="right",
        ),
        pytest.param(
            np.array([0, 1, 1, 7]),
            np.array([[0, 1], [0, 1], [0, np.nan], [0.2, 0.8]]),
            "row 2\nlabel 1\npredicted NaN",
            "The 2 worst of 4 predictions, the worst first. 3 are wrong. 1 is NaN.",
            id="nan",
        ),
        pytest.param(
            np.array([0, 1, 1, 7]),
            np.eye(2)[[0, 1, 1, 0]],
            "row 3\nlabel 7, no class\npredicted 0 (1)",
            "The 2 worst of 4 predictions, the worst first. 1 is wrong.",
            id="no-class",
        ),
        pytest.param(
            np.array([0, 1, 0, 1]),
            np.array([[0.25], [0.125], [0], [1]]),
            "row 1\nlabel 1\npredicted 0.125",
            "The 2 worst of 4 predictions, the worst first. 1 is wrong.",
            id="one-score",
        ),
        pytest.param(
            np.array([[0.5, 1], [3, 4], [0, 0], [0, 0]]),
            np.array([[0.5, 1], [3, 9], [0, 0], [0, 0]]),
            "row 1\nlabel 3, 4\npredicted 3, 9",
            "The 2 worst of 4 predictions, the worst first.",
            id="values",
        ),
        pytest.param(
            np.arange(100).reshape(4, 5, 5) // 75,
            np.eye(2)[np.zeros((4, 5, 5), int)],
            "row 3\n100% of pixels wrong",
            "The 2 worst of 4 predictions, the worst first.",
            id="masks",
        ),
        pytest.param(
            np.arange(100).reshape(4, 5, 5, 1) // 75,
            np.zeros((4, 5, 5, 1)),
            "row 3\nmean squared error 1",
            "The 2 worst of 4 predictions, the worst first.",
            id="masks-of-two-classes",
        ),
    ],
)
def test_plot_of_a_model_says_what_is_wrong(
    y: np.ndarray, predicted: np.ndarray, title: str, heading: str
) -> None:
    """And that nothing is, where nothing is."""
    pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")
    figure = NpySequence(np.ones((4, 5, 5)), y).plot(2, model=Known(predicted))
    assert (title, heading) == (titles(figure)[0], figure.get_suptitle())


def test_plot_of_a_model_needs_targets_of_one_output(stored: Stored) -> None:
    """Else there is nothing to compare."""
    pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")
    known = Known(np.zeros((53, 3)))
    with pytest.raises(ValueError, match=r"one output.*Received: y of type NoneType.*Leave"):
        NpySequence(stored.x).plot(model=known)
    with pytest.raises(TypeError, match=r"takes a Keras model\. Received: str\. Pass a model"):
        stored.sequence().plot(model="m.keras")


@pytest.mark.parametrize(
    ("y", "predicted", "expected"),
    [
        ([1, 0], [[0.2, 0.8], [0.1, 0.9]], [-0.6, 0.8]),
        ([[0, 1], [1, 0]], [[0.2, 0.8], [0.1, 0.9]], [-0.6, 0.8]),
        ([1, 0], [[0.9], [0.6]], [-0.8, 0.2]),
        ([[1.0], [0.0]], [[7.0], [3.0]], [-7, 3]),
        ([2.5, 1.0], [[2.0], [1.0]], [0.25, 0]),
        ([[1.0, 2.0]], [[1.0, 4.0]], [2]),
        # A label that is no class, or a prediction of NaN, is the worst, and changes no other row.
        ([1, -1, 0], [[0.2, 0.8], [0.1, 0.9], [0.1, 0.9]], [-0.6, np.inf, 0.8]),
        (np.uint8([1, 3, 255]), [[0.2, 0.8], [0.1, 0.9], [0.1, 0.9]], [-0.6, np.inf, np.inf]),
        ([1.0, 7, np.nan, 0.5], [[0.2, 0.8]] * 4, [-0.6, np.inf, np.inf, np.inf]),
        ([[0, 1], [0, 0], [1, 0]], [[0.2, 0.8]] * 3, [-0.6, np.inf, 0.6]),
        ([1, 0], [[np.nan, np.nan], [0.1, 0.9]], [np.inf, 0.8]),
    ],
    ids=[
        *("classes", "one-hot", "probability", "logit", "value", "vector"),
        *("no-class", "no-class-of-uint8", "no-class-in-floats", "no-one-hot-row", "nan"),
    ],
)
def test_badness_is_how_far_the_right_one_is_behind(
    y: Any, predicted: Any, expected: list[float]
) -> None:
    """Or the mean squared difference, for what are no classes."""
    np.testing.assert_allclose(expected, badness(np.array(y), np.array(predicted)), atol=1e-12)
