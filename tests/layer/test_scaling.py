"""scale, offset, mean, variance and axis mean what they mean in Keras's layers, or are refused."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyInputLayer
from keras_npy.layer.scaling import make_scaling

PIXELS = np.random.default_rng(5).integers(0, 256, (4, 6, 5, 3)).astype("uint8")


def as_keras_does(values: np.ndarray, scaling: dict[str, Any], axis: Any) -> np.ndarray:
    """Rescaling, then Normalization."""
    output = keras.layers.Rescaling(scaling.get("scale", 1 / 255), scaling.get("offset", 0.0))(
        values.astype("float32")
    )
    if "mean" in scaling:
        layer = keras.layers.Normalization(
            axis=axis, mean=scaling["mean"], variance=scaling["variance"]
        )
        layer.build(values.shape)
        output = layer(output)
    return keras.ops.convert_to_numpy(output)


@pytest.mark.parametrize(
    ("scaling", "axis"),
    [
        pytest.param({}, -1, id="default"),
        pytest.param({"scale": 2, "offset": -3}, -1, id="integers"),
        pytest.param({"scale": [0.5, 1, 2], "offset": [0, 1, 2]}, -1, id="per-channel"),
        pytest.param({"mean": 0.5, "variance": 0.25}, None, id="one-mean"),
        pytest.param({"mean": 0.5, "variance": 0.25}, -1, id="one-mean-for-all-channels"),
        pytest.param(
            {"mean": [0.485, 0.456, 0.406], "variance": [0.0524, 0.0502, 0.0506]},
            -1,
            id="imagenet",
        ),
        pytest.param({"mean": [0.1] * 6, "variance": [0.2] * 6}, 1, id="another-axis"),
        pytest.param(
            {
                "mean": np.linspace(0, 1, 15).reshape(5, 3),
                "variance": np.linspace(1, 2, 15).reshape(5, 3),
            },
            (2, -1),
            id="two-axes",
        ),
        pytest.param(
            {"mean": [0.1, 0.2, 0.3], "variance": [1, 2, 3]}, (-1, 2), id="one-of-two-axes"
        ),
        pytest.param(
            {"scale": [1, 2, 3], "offset": 1, "mean": [4.0, 5, 6], "variance": [1, 4, 0]},
            -1,
            id="all-of-them-and-a-constant-channel",
        ),
    ],
)
def test_layer_equals_rescaling_then_normalization(scaling: dict[str, Any], axis: Any) -> None:
    """Names, order, broadcasting and the least deviation."""
    expected = as_keras_does(PIXELS, scaling, axis)
    output = keras.ops.convert_to_numpy(NpyInputLayer(**scaling, axis=axis)(PIXELS))
    np.testing.assert_allclose(expected, output, rtol=2e-6, atol=2e-6)


def test_layer_channels_first_numbers_lie_on_axis_1() -> None:
    """The axis is one of the output, where the channels then are."""
    numbers = {"mean": [0.1, 0.2, 0.3], "variance": [1, 2, 3]}
    last = NpyInputLayer(**numbers, stored_format="channels_last", data_format="channels_last")
    first = NpyInputLayer(
        **numbers, axis=1, stored_format="channels_last", data_format="channels_first"
    )
    expected = np.moveaxis(keras.ops.convert_to_numpy(last(PIXELS)), -1, 1)
    np.testing.assert_array_equal(expected, keras.ops.convert_to_numpy(first(PIXELS)))


def test_layer_far_from_zero_keeps_the_digits_that_float32_has() -> None:
    """1e4 with a deviation of 0.01: scaled first, two digits of the output would be lost."""
    values = np.linspace(9999.97, 10000.03, 101, dtype="float32")[:, None]
    mean, variance = 10000.0003, 1e-4
    exact = (values.astype("float64") - mean) / np.sqrt(variance)
    output = keras.ops.convert_to_numpy(NpyInputLayer(1, mean=mean, variance=variance)(values))
    np.testing.assert_allclose(exact, output, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"mean": 0.5}, ValueError, r"go together.*mean=0\.5.*Pass both", id="mean"),
        pytest.param({"variance": 1}, ValueError, r"go together.*Pass both", id="variance"),
        pytest.param(
            {"mean": 0, "variance": -1}, ValueError, r"not be negative.*-1.*square", id="negative"
        ),
        pytest.param(
            {"mean": [0, 1], "variance": 1}, ValueError, r"same shape.*\(2,\).*\(\)", id="shapes"
        ),
        pytest.param(
            {"mean": [0, np.nan], "variance": [1, 1]}, ValueError, r"mean must be finite", id="nan"
        ),
        pytest.param(
            {"scale": [1, 0]}, ValueError, r"scale must not be zero.*\[1, 0\]", id="zero-scale"
        ),
        pytest.param(
            {"scale": [1, 2], "axis": None}, ValueError, r"scale must be.*axis=None", id="no-axis"
        ),
        pytest.param({"scale": [[1, 2]]}, ValueError, r"at most as many axes.*\(1, 2\)", id="rank"),
        pytest.param({"scale": []}, ValueError, r"scale must be.*\(0,\)", id="no-numbers"),
        pytest.param({"axis": 0}, ValueError, r"batch axis.*axis=0.*Pass -1", id="batch-axis"),
        pytest.param({"axis": (1, 1)}, ValueError, r"different integers.*\(1, 1\)", id="twice"),
        pytest.param({"axis": 1.5}, ValueError, r"axis must be an integer.*1\.5", id="half"),
        pytest.param({"mean": "m.npy", "variance": "v.npy"}, TypeError, r"'m\.npy'", id="path"),
        pytest.param({"scale": "0.5"}, TypeError, r"must be a number.*'0\.5'", id="text"),
        pytest.param({"offset": abs}, TypeError, r"offset must be a number.*abs", id="callable"),
        pytest.param({"scale": None}, TypeError, r"scale must be a number.*None", id="none"),
        pytest.param({"scale": True}, TypeError, r"scale must be a number.*True", id="bool"),
        pytest.param({"scale": [1, [2, 3]]}, TypeError, r"must be a number", id="ragged"),
        pytest.param({"scale": 1j}, TypeError, r"scale must be a number.*1j", id="complex"),
        pytest.param(
            {
                "scale": [1, 2],
                "stored_format": "no_channels",
                "data_format": "channels_first",
            },
            ValueError,
            r"holds no channels.*axis=-1.*Pass axis=1",
            id="last-axis-of-channels-first",
        ),
    ],
)
def test_layer_wrong_numbers_are_refused(arguments: Any, error: Any, message: str) -> None:
    """When the layer is made: the rule, what was received and the remedy."""
    with pytest.raises(error, match=message):
        NpyInputLayer(**arguments)


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        pytest.param({"scale": [1, 2]}, (2, 5, 3), r"fit the shape \(3,\).*\(2,\)", id="count"),
        pytest.param({"scale": [1, 2]}, (2,), r"batch axis counts as 0.*axis=-1.*1 axes", id="0d"),
        pytest.param({"scale": [1, 2], "axis": 3}, (2, 5, 3), r"axis=3.*3 axes", id="no-axis"),
        pytest.param(
            {"scale": [[1, 2]], "axis": (-1, 2)}, (2, 5, 3), r"different axes.*\[-1, 2\]", id="same"
        ),
        pytest.param(
            {"scale": [1, 2]}, (2, 5, None), r"known size.*\(None, 5, None\)", id="unknown"
        ),
        pytest.param({"scale": 1e39}, (2, 3), r"within float32.*1e\+39.*Scale the data", id="f32"),
    ],
)
def test_layer_values_that_do_not_fit_the_numbers_are_refused(
    arguments: Any, shape: tuple[Any, ...], message: str
) -> None:
    """When the model is built, and eagerly alike."""
    layer = NpyInputLayer(**arguments)
    with pytest.raises(ValueError, match=message):
        layer(keras.KerasTensor((None, *shape[1:]), "uint8"))
    if None not in shape:
        with pytest.raises(ValueError, match=message):
            layer(np.zeros(shape, "uint8"))


def test_config_holds_numbers_and_survives_json() -> None:
    """float64 and all its digits; no array, no path."""
    import json

    layer = NpyInputLayer(
        scale=np.array([0.1, 0.2]), offset=np.float32(0.1), mean=[1, 2], variance=(3, 1 / 3)
    )
    config = json.loads(json.dumps(layer.get_config()))
    assert ([0.1, 0.2], float(np.float32(0.1)), [1, 2], [3, 1 / 3], -1) == tuple(
        config[key] for key in ("scale", "offset", "mean", "variance", "axis")
    )
    assert config == NpyInputLayer.from_config(config).get_config()


@pytest.mark.parametrize("axis", [None, -1, 2, [1, -1]])
def test_config_keeps_the_axis_as_it_was_given(axis: Any) -> None:
    """As keras.layers.Normalization does not: None stays None."""
    assert axis == NpyInputLayer(axis=axis).get_config()["axis"]
    assert axis == NpyInputLayer.from_config(NpyInputLayer(axis=axis).get_config()).axis


def test_coefficients_leave_out_what_has_no_effect() -> None:
    """A layer that only scales costs one multiplication."""
    numbers = make_scaling(0.5, 0, None, None, -1).coefficients((None, 3))
    assert (None, 0.5, None) == (numbers.centre, numbers.factor, numbers.shift)
    numbers = make_scaling(1, 0, 0, 4, None).coefficients((None, 3))
    assert (None, 0.5, None) == (numbers.centre, numbers.factor, numbers.shift)
