"""Samples that are cropped along all axes have their channels on one of them."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said_of(shapes: list[tuple[int, ...]], length: Any, **arguments: Any) -> list[str]:
    for number, shape in enumerate(shapes):
        path = Path(f"x/{'ab'[number % 2]}/{number}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros(shape, "uint8"))
    return said_again(length, **arguments)


def said_again(length: Any, **arguments: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples("x/*/*.npy", length=length, **arguments)
    return [str(one.message) for one in caught]


CHW, HWC = {0: 3, 1: 16, 2: 16}, {0: 16, 1: 16, 2: 3}


@pytest.mark.parametrize(
    ("shapes", "length", "odd"),
    [
        pytest.param([(3, 20, 24), (3, 30, 20), (20, 24, 3), (3, 16, 20)], CHW, 2, id="chw"),
        pytest.param([(20, 24, 3), (30, 20, 3), (3, 20, 24)], HWC, 2, id="hwc"),
        pytest.param([(24, 20, 1), (1, 20, 24), (1, 30, 20)], {0: 1, 1: 8, 2: 8}, 0, id="first"),
        pytest.param([(900, 12), (500, 12), (12, 700)], {0: 400, 1: 12}, 2, id="leads"),
        pytest.param(
            [(2, 9, 9, 9), (2, 8, 9, 9), (8, 9, 9, 2)], {0: 2, 1: 8, 3: 8}, 2, id="volume"
        ),
    ],
)
def test_channels_on_another_axis_are_warned_of(shapes: Any, length: Any, odd: int) -> None:
    """The remedy, for the file that is named, ends it; so does check=False."""
    (said,) = said_of(shapes, length)
    assert said.split(": ")[0].endswith(f"/{odd}.npy")
    code = re.search(r"(np\.save\(path, .*?\)\))", said)
    assert code is not None
    assert [] == said_again(length, check=False)
    eval(code[1], {"np": np, "path": said.split(": ")[0]})
    assert [] == said_again(length)


def test_from_directory_warns_too() -> None:
    """Its classes are samples."""
    said_of([(3, 20, 24), (3, 30, 20), (20, 24, 3), (3, 16, 20)], CHW)
    with pytest.warns(UserWarning, match=r"2\.npy: samples that are cropped.*\(20, 24, 3\) here"):
        NpySequence.from_directory("x", length=CHW)


@pytest.mark.parametrize(
    ("shapes", "length"),
    [
        pytest.param([(3, 20, 24), (3, 30, 20), (3, 3, 24)], CHW, id="flat-image"),
        pytest.param([(3, 20, 3), (3, 30, 20), (3, 40, 24)], CHW, id="narrow-image"),
        pytest.param([(224, 300), (224, 400), (300, 224)], {0: 224, 1: 224}, id="portrait"),
        pytest.param([(20, 30), (30, 20), (25, 20)], {0: 16, 1: 16}, id="sizes"),
        pytest.param([(900, 12), (12, 12), (10, 12)], {0: 400, 1: 12}, id="short-recordings"),
        pytest.param([(3, 40, 40), (9, 40, 40), (40, 40, 9)], {0: 8, 1: 8, 2: 8}, id="volumes"),
    ],
)
def test_sizes_of_samples_that_only_differ_say_nothing(shapes: Any, length: Any) -> None:
    """Images of any height and width, recordings of any length."""
    assert [] == said_of(shapes, length)
