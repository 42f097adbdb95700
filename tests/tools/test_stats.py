"""`keras-npy stats`: the numbers are NumPy's, and the line that it prints normalises."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy.rows import walk
from keras_npy.tools import stats
from keras_npy.tools.cli import main
from tests.conftest import peak_bytes_of

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 200, (70, 8, 6, 3)).astype("uint8")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(walk, "BLOCK_BYTES", 16 * 144)


def facts_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert 0 == main(["stats", "--json", *arguments])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("array", "options", "axis"),
    [
        pytest.param(IMAGES, [], -1, id="channels-last"),
        pytest.param(IMAGES.transpose(0, 3, 1, 2).astype("int16") - 50, [], 1, id="channels-first"),
        pytest.param(np.tile(IMAGES[..., 0], 4), [], None, id="no-channels"),
        pytest.param(IMAGES[:, 0, :, 0] * 1e4, [], -1, id="features"),
        pytest.param(IMAGES[:, 0, 0, 0].astype(">f4"), [], None, id="one-value"),
        pytest.param(IMAGES.astype("int64"), ["--channels", "none"], None, id="as-told"),
        pytest.param(IMAGES > 100, [], -1, id="booleans"),
    ],
)
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_stats_are_those_of_numpy_and_the_line_normalises(
    capsys: pytest.CaptureFixture[str], array: np.ndarray, options: list[str], axis: int | None
) -> None:
    """The pasted line is the layer that `adapt` makes."""
    np.save("x.npy", array)
    facts = facts_of(capsys, "x.npy", *options)
    reduced = tuple(one for one in range(array.ndim) if axis is None or one != axis % array.ndim)
    values = array.astype("float64")
    np.testing.assert_allclose(values.mean(reduced).reshape(-1), facts["mean"], rtol=1e-12)
    np.testing.assert_allclose(values.var(reduced).reshape(-1), facts["variance"], rtol=1e-12)
    np.testing.assert_array_equal(values.min(reduced).reshape(-1), facts["min"])
    np.testing.assert_array_equal(values.max(reduced).reshape(-1), facts["max"])
    np.testing.assert_allclose((values == 0).mean(reduced).reshape(-1), facts["zeros"])
    # Short integers are counted; of others NumPy's default interpolates between two.
    method: Any = "lower" if array.dtype.itemsize < 4 else "linear"
    for percent, shown in facts["percentiles"].items():
        expected = np.percentile(values, int(percent), axis=reduced, method=method)
        np.testing.assert_allclose(expected.reshape(-1), shown)

    assert 0 == main(["stats", "x.npy", *options])
    line = capsys.readouterr().out.strip().splitlines()[-1]
    pasted = eval(line, {"NpyInputLayer": keras_npy.NpyInputLayer})
    adapted = keras_npy.NpyInputLayer(scale=pasted.scale, axis=pasted.axis)
    adapted.adapt("x.npy")
    assert pasted.axis == axis
    for name in ("mean", "variance"):
        np.testing.assert_allclose(getattr(adapted, name), getattr(pasted, name), rtol=1e-12)
    batch = keras.ops.convert_to_numpy(pasted(keras_npy.open_rows("x.npy")[:]))
    assert abs(batch.mean()) < 1e-4
    assert abs(batch.std() - 1) < 1e-4


def test_stats_percentiles_of_floats_are_those_of_a_sample(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the rows, and whole bytes are counted."""
    monkeypatch.setattr(stats, "SAMPLED_MAX", 3000)
    values = RNG.random((200_000, 3)).astype("float32")
    np.save("x.npy", values)
    monkeypatch.setattr(walk, "BLOCK_BYTES", 12 * 1000)
    facts = facts_of(capsys, "x.npy")
    expected = np.percentile(values, [1, 50, 99], axis=0)
    np.testing.assert_allclose(expected, list(facts["percentiles"].values()), atol=0.05)
    np.save("x.npy", IMAGES)
    counted = facts_of(capsys, "x.npy")["percentiles"]["50"]
    exact = np.percentile(IMAGES, 50, axis=(0, 1, 2), method="lower")
    np.testing.assert_array_equal(exact, counted)


def test_stats_sample_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows so wide that a block holds one: from each block a value would be the whole file."""
    monkeypatch.setattr(stats, "SAMPLED_MAX", 3000)
    monkeypatch.setattr(walk, "BLOCK_BYTES", 1)
    rows = keras_npy.open_rows(np.zeros((2000, 5000), "float32"))
    peak_bytes = peak_bytes_of(lambda: stats.compute(rows, "last", title=""))
    assert peak_bytes < 600 * rows.row_bytes


def test_stats_refuses_what_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN is found by the check that is named; a row of one value has no channels."""
    array = IMAGES.astype("float32")
    array[33, 0, 0, 0] = np.nan
    np.save("x.npy", array)
    assert 1 == main(["stats", "x.npy"])
    assert "`keras-npy check` names the rows" in capsys.readouterr().err
    assert 1 == main(["check", "x.npy"])
    assert "NaN in row 33" in capsys.readouterr().out
    np.save("x.npy", np.arange(4))
    assert 2 == main(["stats", "--channels", "last", "x.npy"])
    assert "Give --channels none" in capsys.readouterr().err
    assert 0 == main(["stats", "--channels", "none", "x.npy"])
