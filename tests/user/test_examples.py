"""The programs in docs/examples run, and learn something, in less time than they take a reader."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from tests.conftest import only_on

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"


@pytest.fixture
def main_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The function `main` of an example, which writes its files into an empty folder."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    return lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


# Each on one backend, so that every backend runs one.
@only_on("tensorflow", reason="one backend is enough, and the others have examples of their own")
def test_images_learn_a_rare_class(main_of: Callable[[str], Any]) -> None:
    """Of ten classes, more than one coat in ten is recognised."""
    assert main_of("images")(epochs=3) > 0.1


@only_on("torch", reason="one backend is enough, and the others have examples of their own")
def test_volumes_learn_masks(main_of: Callable[[str], Any]) -> None:
    """The Dice score of a mask that covers everything is under 0.1."""
    assert main_of("volumes")(epochs=3, num_patients=10) > 0.2


@only_on("jax", reason="one backend is enough, and the others have examples of their own")
def test_language_model_learns_bytes(main_of: Callable[[str], Any]) -> None:
    """From 7 bits a byte, which is chance."""
    before, after = main_of("language")(epochs=1, num_tokens=60_000)
    assert 6.9 < before < 7.1
    assert after < 5.5


@only_on("tensorflow", reason="one backend is enough, and the others have examples of their own")
def test_table_learns_in_each_fold(main_of: Callable[[str], Any]) -> None:
    """A product of two features, whose scales differ by ten thousand."""
    explained = main_of("table")(epochs=3, num_rows=2_000, num_folds=2)
    assert 2 == len(explained)
    assert min(explained) > 0.5
