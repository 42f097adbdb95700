"""`keras-npy stats`: the numbers are NumPy's, and the line that it prints normalises."""

import json
import re
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
        pytest.param(
            IMAGES.transpose(0, 3, 1, 2).astype("int16") - 50, [], -1, id="channels-first"
        ),
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
    values = array.astype("float64")
    if facts["channels"] == "first":
        values = np.moveaxis(values, 1, -1)
    reduced = tuple(one for one in range(array.ndim) if axis is None or one != axis % array.ndim)
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
    pasted = eval(line, {"keras_npy": keras_npy})
    formats = {name: getattr(pasted, name) for name in ("axis", "stored_format", "data_format")}
    adapted = keras_npy.NpyInputLayer(scale=pasted.scale, **formats)
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


def test_stats_says_that_rows_of_another_scale_make_them_doubtful(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A few that were not divided by 255 would make the layer."""
    x = np.random.default_rng(0).random((60, 6, 5))
    np.save("x.npy", x)
    assert [] == facts_of(capsys, "x.npy")["remarks"]
    x[[3, 50]] *= 255
    np.save("x.npy", x)
    (remark,) = facts_of(capsys, "x.npy")["remarks"]
    assert "in rows 3, 50, and 0.99" in remark
    assert 0 == main(["stats", "x.npy"])
    assert f"keras-npy: {remark}\n" == capsys.readouterr().err


def _line_of(printed: str) -> str:
    """The layer in the output of a command."""
    (line,) = re.findall(r"NpyInputLayer\([^)]*\)", printed)
    return str(line)


@pytest.mark.parametrize(
    ("array", "stored"),
    [
        pytest.param(IMAGES[:, :6, :, 0].astype("float64"), "no_channels", id="whole-floats"),
        pytest.param(IMAGES[..., 0].repeat(3, 2).astype("uint16"), "no_channels", id="oblong"),
        pytest.param(IMAGES.transpose(0, 3, 1, 2).astype("uint16"), "channels_first", id="first"),
        pytest.param(IMAGES.astype("uint16"), None, id="last"),
    ],
)
def test_layer_of_stats_and_of_check_goes_before_a_convolution(
    capsys: pytest.CaptureFixture[str], array: np.ndarray, stored: str | None
) -> None:
    """As it is printed, whether or not rows have an axis of channels."""
    np.save("x.npy", array)
    main(["stats", "x.npy"])
    normalising = _line_of(capsys.readouterr().out)
    main(["check", "x.npy", "--ignore", "constant,duplicates"])
    scaling = _line_of(capsys.readouterr().out.replace("NpyInputLayer.for_data", ""))
    for line in (normalising, scaling):
        layer = eval(line, {"NpyInputLayer": keras_npy.NpyInputLayer})
        assert stored == layer.stored_format
        images = keras.ops.convert_to_numpy(layer(array))
        expected = array if stored != "no_channels" else array[..., np.newaxis]
        expected = np.moveaxis(expected, 1, -1) if stored == "channels_first" else expected
        assert expected.shape == images.shape
        if line == scaling:
            np.testing.assert_allclose(expected / 255, images, rtol=1e-6)
        made = keras.layers.Conv2D(2, 3)(images)
        assert (70, images.shape[1] - 2, images.shape[2] - 2, 2) == tuple(made.shape)


def test_stats_refuses_what_has_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN is found by the check that is named; a row of one value has no channels."""
    array = IMAGES.astype("float32")
    array[33:40, 0, 0, 0] = np.nan
    np.save("x.npy", array)
    # Blocks of four rows: the first with a NaN begins at row 32.
    assert 1 == main(["stats", "x.npy"])
    errors = capsys.readouterr().err
    assert "NaN or infinity, first in rows 33, 34, 35. Leave the rows out" in errors
    assert "`keras-npy check` names all of them" in errors
    assert 1 == main(["check", "x.npy"])
    assert "NaN in 7 rows: 33, 34, 35, 36, 37, ..." in capsys.readouterr().out
    monkeypatch.setattr(walk, "BLOCK_BYTES", 1 << 20)
    assert 1 == main(["stats", "x.npy"])
    assert "first in rows 33, 34, 35, 36, 37, .... Leave" in capsys.readouterr().err
    np.save("x.npy", np.ones((4, 2), "complex64"))
    assert 1 == main(["stats", "x.npy"])
    assert "Received: complex64. Store the parts as channels" in capsys.readouterr().err
    np.save("x.npy", np.arange(4))
    assert 2 == main(["stats", "--channels", "last", "x.npy"])
    assert "Give --channels none" in capsys.readouterr().err
    assert 0 == main(["stats", "--channels", "none", "x.npy"])
