"""Pictures of samples: each pixel comes from the value that lies there, from black to white."""

import struct
import zlib

import numpy as np
import pytest

from keras_npy.drawing.pictures import (
    CLASS_COLOURS,
    Range,
    encode_png,
    picture_of,
    range_of,
    shrink,
)

BYTES = Range(0, 255)
RGB = np.arange(4 * 5 * 3, dtype="uint8").reshape(4, 5, 3) * 4


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(RGB, RGB, id="rgb"),
        pytest.param(np.moveaxis(RGB, -1, 0), RGB, id="channels-first"),
        pytest.param(RGB[..., :1], np.repeat(RGB[..., :1], 3, -1), id="one-channel"),
        pytest.param(np.tile(RGB[..., 0], 5), np.tile(RGB[..., :1], (1, 5, 3)), id="grey"),
        pytest.param(np.tile(RGB, (5, 5, 2))[..., :6], np.tile(RGB, (5, 5, 1)), id="six-channels"),
    ],
)
def test_picture_of_image_has_its_values(row: np.ndarray, expected: np.ndarray) -> None:
    """Wherever the channels are."""
    np.testing.assert_array_equal(expected, picture_of(row, "image", BYTES))


def test_picture_of_volume_is_three_slices_beside_each_other() -> None:
    """From inside, with their masks on them."""
    volume = np.arange(5, dtype="uint8")[:, np.newaxis, np.newaxis] * np.ones((1, 20, 20), "uint8")
    picture = picture_of(volume, "volume", BYTES)
    assert (20, 62, 3) == picture.shape
    assert [1, 2, 3] == picture[0, [0, 21, 42], 0].tolist()
    masked = picture_of(volume, "volume", BYTES, mask=(volume == 2).astype("int64"))
    assert (masked[:, 21:41] != picture[:, 21:41]).all()
    np.testing.assert_array_equal(picture[:, :21], masked[:, :21])


def test_picture_of_masked_image_colours_classes() -> None:
    """Each in its colour; the background stays as it is."""
    image, numbers = np.full((20, 20), 100, "uint8"), np.zeros((20, 20), "int64")
    numbers[3, 4], numbers[5, 6] = 1, 2
    picture = picture_of(image, "image", BYTES, numbers).astype(float)
    for number, colour in zip((1, 2), CLASS_COLOURS, strict=False):
        np.testing.assert_allclose(55 + 0.45 * colour, picture[numbers == number][0], atol=1)
    assert 100 == picture[0, 0, 0] == picture[19, 19, 2]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.array([3, 200], "uint8"), (0, 255)),
        (np.array([0, 1], "uint8"), (0, 1)),
        (np.array([0, 2, 3], "uint8"), (0, 3)),
        (np.array([0.2, 0.9]), (0, 1)),
        (np.array([-1000, 3000], "int16"), (-980, 2980)),
        (np.array([np.nan, np.inf]), (0, 1)),
        (np.array([7.0, 7.0]), (7, 8)),
        (np.array([2**60, 2**60]), (2**60, 2**60 * 1.000001)),
    ],
)
def test_range_of_values_is_what_is_shown(rows: np.ndarray, expected: tuple[float, float]) -> None:
    """Bytes as they are, class numbers up to the greatest, others without outliers."""
    shown = range_of(rows)
    np.testing.assert_allclose(expected, shown)
    assert shown.high > shown.low


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_picture_of_values_that_are_not_finite_is_marked(dtype: str) -> None:
    """In a colour that no value has, without a warning."""
    row = np.tile(np.array([np.nan, np.inf, -np.inf, 1.0, 0.0], dtype), (20, 4))
    expected = [[255, 0, 255]] * 3 + [[255] * 3, [0] * 3]
    assert expected == picture_of(row, "image", Range(0, 1))[0, :5].tolist()
    rgb = np.repeat(row[..., np.newaxis], 3, axis=-1)
    rgb[0, 4, 1] = np.nan
    assert [255, 0, 255] == picture_of(rgb, "image", Range(0, 1))[0, 4].tolist()
    curve = picture_of(np.where(np.arange(96) < 48, np.nan, 1), "curve", Range(0, 1))
    assert ([255, 0, 255], [255] * 3) == (curve[30, 40].tolist(), curve[30, 60].tolist())


def test_picture_of_spectrogram_has_low_frequencies_below() -> None:
    """And time to the right: `(T, F)` becomes F lines of T pixels."""
    row = np.zeros((30, 20))
    row[29, 0] = 1
    picture = picture_of(row, "spectrogram", Range(0, 1))
    assert (20, 30, 3) == picture.shape
    assert picture[19, 29].sum() > 600 > picture[0, 0].sum()


def test_picture_of_curve_has_no_holes() -> None:
    """A steep line goes through every height; each channel has a colour."""
    step = np.where(np.arange(100) < 50, 0.0, 1.0)
    drawn = (picture_of(step, "curve", Range(0, 1)) != 255).any(axis=2)
    assert drawn.any(axis=1).all()
    assert drawn.any(axis=0).all()
    two = picture_of(np.stack([step, 1 - step], -1), "curve", Range(0, 1))
    assert 3 == len(np.unique(two.reshape(-1, 3), axis=0))


def test_shrink_takes_means_and_repeats_pixels() -> None:
    """To fit into a box, in one proportion."""
    picture = np.repeat(np.arange(16, dtype="uint8").reshape(4, 4, 1) * 10, 3, -1)
    assert [[25, 45], [105, 125]] == shrink(picture, 2, 9)[..., 0].tolist()
    np.testing.assert_array_equal(picture.repeat(2, 0).repeat(2, 1), shrink(picture, 8, 8))
    assert (10, 3, 3) == shrink(np.zeros((100, 30, 3), "uint8"), 50, 10).shape


def test_encode_png_is_what_readers_take() -> None:
    """Its size, and its pixels behind a filter byte on each line."""
    png = encode_png(RGB)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (5, 4, 8, 2) == struct.unpack(">IIBB", png[16:26])
    begin = png.index(b"IDAT") + 4
    lines = np.frombuffer(zlib.decompress(png[begin : png.index(b"IEND") - 8]), "uint8")
    np.testing.assert_array_equal(RGB.reshape(4, 15), lines.reshape(4, 16)[:, 1:])
