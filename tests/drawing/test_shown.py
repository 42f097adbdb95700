"""What targets are in a picture is said by their shape and their values."""

import numpy as np
import pytest

from keras_npy.drawing.pictures import Range, picture_of
from keras_npy.drawing.shown import CLASSES_MAX, Shown

# Class numbers of 20x30 pixels: background, and two classes.
NUMBERS = np.zeros((20, 30), "int64")
NUMBERS[3, 4], NUMBERS[5, 6] = 1, 2
GREY = np.full((20, 30), 100, "uint8")
RGB = np.repeat(GREY[..., np.newaxis], 3, -1)
FIRST = np.moveaxis(RGB, -1, 0)
ONE_HOT = np.eye(3)[NUMBERS]


@pytest.mark.parametrize(
    ("sample", "target"),
    [
        pytest.param(GREY, NUMBERS, id="integers"),
        pytest.param(RGB, NUMBERS.astype("float32"), id="floats"),
        pytest.param(RGB, NUMBERS.astype("float16")[..., np.newaxis], id="column"),
        pytest.param(GREY, ONE_HOT, id="one-hot"),
        pytest.param(RGB, (ONE_HOT * 255).astype("uint8"), id="one-hot-of-the-image's-shape"),
        pytest.param(FIRST, np.moveaxis(ONE_HOT, -1, 0), id="one-hot-channels-first"),
        pytest.param(FIRST, NUMBERS[np.newaxis] * 1.0, id="one-channel-first"),
    ],
)
def test_classes_of_pixels_are_laid_over_the_image(sample: np.ndarray, target: np.ndarray) -> None:
    """By their numbers, whatever the dtype, or by their place in the channels."""
    shown = Shown(sample[np.newaxis], target[np.newaxis], "image")
    assert ("masks", None) == (shown.kind, shown.labels)
    expected = picture_of(sample, "image", Range(0, 255), NUMBERS)
    np.testing.assert_array_equal(expected, shown.picture(0))
    assert (expected != picture_of(sample, "image", Range(0, 255))).any()


RAMP = np.linspace(0, 1, 600).reshape(20, 30)


@pytest.mark.parametrize(
    ("sample", "target", "expected"),
    [
        pytest.param(GREY, RAMP, RAMP, id="floats"),
        pytest.param(RGB, RAMP[..., np.newaxis], RAMP, id="column"),
        pytest.param(GREY, np.arange(600.0).reshape(20, 30) % (CLASSES_MAX + 1), None, id="whole"),
        pytest.param(GREY, np.where(RAMP < 0.5, np.nan, 1), RAMP >= 0.5, id="nan"),
        pytest.param(GREY, np.where(RAMP < 0.5, 0, 1e30), RAMP >= 0.5, id="great-numbers"),
        pytest.param(RGB, np.stack([RAMP] * 3, -1), RAMP, id="rgb"),
        pytest.param(FIRST, np.stack([RAMP] * 3), RAMP, id="channels-first"),
        pytest.param(FIRST, np.stack([RAMP] * 18), RAMP, id="many-channels-first"),
        pytest.param(RGB, (np.stack([RAMP] * 3, -1) * 255).astype("uint8"), None, id="bytes"),
    ],
)
def test_other_values_of_pixels_are_images_beside_the_sample(
    sample: np.ndarray, target: np.ndarray, expected: np.ndarray | None
) -> None:
    """Such as a depth, a heat map or a denoised image; black is its least value, not class 0."""
    shown = Shown(sample[np.newaxis], target[np.newaxis], "image")
    assert "images" == shown.kind
    picture = shown.picture(0)
    assert (20, 61, 3) == picture.shape
    np.testing.assert_array_equal(picture_of(sample, "image", Range(0, 255)), picture[:, :30])
    # Green, of which the colour of NaN has none.
    beside = picture[:, 31:, 1].astype(float)
    if expected is not None:
        np.testing.assert_allclose(expected * 255, beside, atol=2)
    else:
        assert 200 < np.ptp(beside)


@pytest.mark.parametrize("shape", [(), (10,), (30, 20), (20, 30, 3, 2, 2)])
def test_targets_of_other_pixels_are_labels(shape: tuple[int, ...]) -> None:
    """They stand above the sample."""
    target = np.zeros((1, *shape))
    shown = Shown(RGB[np.newaxis], target, "image")
    assert "labels" == shown.kind
    assert target is shown.labels
    np.testing.assert_array_equal(RGB, shown.picture(0))


def test_targets_of_volumes_are_volumes() -> None:
    """Though an axis of 16 slices could be one of channels; both kinds are seen in each slice."""
    volume = np.zeros((1, 16, 20, 20), "uint8")
    mask = np.ones((1, 16, 20, 20), "float32")
    heat = np.linspace(0, 1, 6400).reshape(mask.shape)
    assert (20, 62, 3) == Shown(volume, None, "volume").picture(0).shape
    masked, beside = (Shown(volume, one, "volume").picture(0) for one in (mask, heat))
    assert masked[:, :20].any(axis=-1).all()
    assert (20, 62 + 1 + 62, 3) == beside.shape
