"""A mask of integers for a few rows, which random row numbers may equal: an error or a warning."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, take

# Ways to choose rows of 0 to num_rows - 1.
WAYS: dict[str, Callable[[int, Any], NpySequence]] = {
    "subset": lambda num_rows, rows: NpySequence(np.arange(num_rows)).subset(rows),
    "indices": lambda num_rows, rows: NpySequence(np.arange(num_rows), indices=rows),
    "take": lambda num_rows, rows: NpySequence(take(np.arange(num_rows), rows)),
}


def served(seq: NpySequence) -> list[int]:
    return [int(value) for batch in seq for value in batch]


def chosen_by(message: str, mask: Any) -> tuple[Any, Any]:
    """What the remedies of a message make of a mask: its rows, and the others."""
    found = re.search(r"[Pp]ass (\S+(?: bool\))?), or (~\S+(?: bool\))?) for the others", message)
    assert found is not None
    rows, others = (eval(code, {"mask": mask, "np": np}) for code in found.groups())
    return rows, others


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("mask", "rows"),
    [
        pytest.param(np.array([1, 1, 0, 1, 0], "uint8"), [0, 1, 3], id="uint8"),
        pytest.param(np.array([0, 1, 0], "int8"), [1], id="three-rows"),
        pytest.param(np.array([1, 1], "uint8"), [0, 1], id="two-rows-of-one"),
        pytest.param(np.ones(4, "uint8"), [0, 1, 2, 3], id="all"),
    ],
)
def test_masks_of_bytes_are_refused(way: str, mask: Any, rows: list[int]) -> None:
    """They would be rows 0 and 1 again and again."""
    with pytest.raises(ValueError, match=rf"be boolean.*of {len(mask)} rows.*Pass mask") as caught:
        WAYS[way](len(mask), mask)
    right, others = chosen_by(str(caught.value), mask)
    assert rows == served(WAYS[way](len(mask), right))
    assert set(range(len(mask))) - set(rows) == set(np.flatnonzero(others))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("mask", "rows"),
    [
        pytest.param([1, 1, 0, 1, 0], [0, 1, 3], id="list"),
        pytest.param((0, 1, 0), [1], id="tuple"),
        pytest.param(np.array([1, 1, 0, 1, 0]), [0, 1, 3], id="int64"),
        pytest.param(np.array([0, 0, 1, 1]), [2, 3], id="in-order"),
    ],
)
def test_masks_of_wider_integers_give_a_warning(way: str, mask: Any, rows: list[int]) -> None:
    """Numbers drawn at random may be the same, and serve what they do in NumPy."""
    with pytest.warns(UserWarning, match=r"be boolean.*If they are a mask, pass ") as caught:
        seq = WAYS[way](len(mask), mask)
    assert list(mask) == served(seq)
    right, others = chosen_by(str(caught[0].message), mask)
    assert rows == served(WAYS[way](len(mask), right))
    assert set(range(len(mask))) - set(rows) == set(np.flatnonzero(others))


def test_masks_that_were_inverted_give_a_warning() -> None:
    """Of 0 and 1, ~ makes the last two rows."""
    with pytest.warns(UserWarning, match="be boolean"):
        NpySequence(np.arange(5), indices=~np.array([1, 1, 0, 1, 0]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("num_rows", "rows"),
    [
        pytest.param(5, [0, 2, 1, 1, 0], id="a-third-row"),
        pytest.param(5, [0, 1, 1, 0], id="fewer-numbers"),
        pytest.param(5, [0, 0, 0, 1, 1, 1], id="more-numbers"),
        pytest.param(2, [1, 0], id="both-of-two"),
        pytest.param(2, [0, 0], id="one-of-two-again"),
        pytest.param(2, np.array([1, 0], "uint8"), id="both-of-two-in-bytes"),
        pytest.param(1, [0], id="the-only-one"),
        pytest.param(1, np.array([0], "uint8"), id="the-only-one-in-a-byte"),
        pytest.param(4, np.array([3, 0, 1, 1], "uint8"), id="bytes-that-are-numbers"),
        pytest.param(3, np.array([True, True, True]), id="boolean"),
    ],
)
def test_row_numbers_are_served(way: str, num_rows: int, rows: Any) -> None:
    """Without a word: they are no mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert served(WAYS[way](num_rows, rows)) == np.arange(num_rows)[rows].tolist()
