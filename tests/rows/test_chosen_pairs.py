"""Rows that `take` chooses on one side alone are no partners of those of the other side."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take

TWICE = [0, 0, 1, 2, 3, 4]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and masks of six cases, each also as a shard of one row and of two rows."""
    monkeypatch.chdir(tmp_path)
    for case in range(6):
        for name in ("im", "mk"):
            np.save(f"{name}{case}.npy", np.full(2, case))
            np.save(f"one_{name}{case}.npy", np.full((1, 2), case))
            np.save(f"two_{name}{case}.npy", np.full((2, 2), case))
        np.save(f"cap{case}.npy", np.full(2, case))


def as_samples(name: str) -> Any:
    return samples(f"{name}?.npy")


def as_shards(name: str) -> Any:
    return f"one_{name}?.npy"


def as_a_list(name: str) -> Any:
    return [samples(f"{name}[0-2].npy"), samples(f"{name}[3-5].npy")]


def as_listed(name: str) -> Any:
    return samples([f"{name}{case}.npy" for case in range(6)])


@pytest.mark.parametrize("make", [as_samples, as_shards, as_a_list, as_listed])
@pytest.mark.parametrize(
    ("indices", "row"),
    [
        pytest.param(TWICE, 1, id="the-first-twice"),
        pytest.param([0, 0, 2, 3, 4, 5], 1, id="one-replaced"),
        pytest.param([0, 1, 2, 3, 4, 0], 5, id="one-again-at-the-end"),
        pytest.param([0, 1, 2, 3, 4, 4], 5, id="the-last-replaced"),
        pytest.param([2, 2, 2, 2, 2, 2], 0, id="one-alone"),
    ],
)
def test_take_of_one_side_alone_raises(
    make: Callable[[str], Any], indices: list[int], row: int
) -> None:
    """Of inputs or of targets; what the message advises gives pairs."""
    for chosen, left in (("im", "mk"), ("mk", "im")):
        taken, whole = take(make(chosen), indices), make(left)
        sides = (taken, whole) if chosen == "im" else (whole, taken)
        with pytest.raises(ValueError, match="must be chosen alike") as raised:
            NpySequence(*sides)
        message = str(raised.value)
        assert f", row {row}, but " in message
        assert f"take of {taken.name} alone" in message
        assert "take(source, indices) of the same indices; check_names=False" in message
        sequence = NpySequence(take(make("im"), indices), take(make("mk"), indices))
        np.testing.assert_array_equal(sequence.x[:], sequence.y[:])
        assert len(NpySequence(*sides, check_names=False).x) == len(indices)


def test_message_names_files_that_are_paired_and_that_belong_together(tmp_path: Path) -> None:
    """And the rule."""
    expected = (
        "mk1.npy: rows of files that belong together must be chosen alike. Received: take of "
        "im0.npy and 5 more samples alone, which pairs im0.npy with mk1.npy, row 1, but im0.npy "
        "belongs with mk0.npy. Choose the same rows of mk0.npy and 5 more samples, with"
    )
    with pytest.raises(ValueError, match="must be chosen alike") as raised:
        NpySequence(take(as_samples("im"), TWICE), as_samples("mk"))
    assert str(raised.value).replace(f"{tmp_path}/", "").startswith(expected)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(
            lambda: {"a": take(as_samples("im"), TWICE), "b": np.zeros((6, 1))},
            lambda: as_samples("mk"),
            id="dict-of-inputs",
        ),
        pytest.param(
            lambda: {"a": np.zeros((6, 1)), "b": take(as_samples("im"), TWICE)},
            lambda: {"c": np.zeros((6, 1)), "d": as_samples("mk")},
            id="second-of-dicts",
        ),
        pytest.param(
            lambda: [take(samples("im[0-2].npy"), [0, 0, 2]), samples("im[3-5].npy")],
            lambda: as_samples("mk"),
            id="one-of-a-list",
        ),
        pytest.param(
            lambda: take("two_im?.npy", [0, 0, *range(1, 11)]),
            lambda: "two_mk?.npy",
            id="of-shards",
        ),
        pytest.param(
            lambda: take("two_im?.npy", np.arange(12).reshape(2, 6).T.ravel()),
            lambda: "two_mk?.npy",
            id="shards-in-another-order",
        ),
        pytest.param(
            lambda: take(take(samples("im?.npy"), np.arange(6) > 2), [0, 0, 2]),
            lambda: samples("mk[3-5].npy"),
            id="of-a-mask",
        ),
    ],
)
def test_other_sources_of_which_one_is_taken_raise(
    x: Callable[[], Any], y: Callable[[], Any]
) -> None:
    """Wherever they stand."""
    with pytest.raises(ValueError, match="must be chosen alike"):
        NpySequence(x(), y())


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(
            lambda: take(as_samples("im"), range(6)), lambda: as_samples("mk"), id="all-of-one"
        ),
        pytest.param(
            lambda: take(as_samples("im"), np.ones(6, bool)), lambda: as_samples("mk"), id="a-mask"
        ),
        pytest.param(
            lambda: take(as_samples("im"), TWICE),
            lambda: take(as_samples("mk"), TWICE),
            id="both-alike",
        ),
        pytest.param(
            lambda: (take(as_samples("im"), TWICE), take(as_samples("mk"), [3, 3, 0, 1, 1, 5])),
            lambda: np.zeros(6),
            id="negatives-drawn-on-both-sides",
        ),
        pytest.param(
            lambda: take(samples("im[0-1].npy"), [0, 0, 0, 1, 1, 1]),
            lambda: as_samples("cap"),
            id="captions-of-fewer-images",
        ),
        pytest.param(
            lambda: (as_samples("im"), take(as_samples("im"), TWICE)),
            lambda: np.zeros(6),
            id="two-views-of-one",
        ),
        pytest.param(
            lambda: (
                as_samples("im"),
                as_samples("mk"),
                take(as_samples("mk"), [3, 3, 0, 1, 1, 5]),
            ),
            lambda: np.zeros(6),
            id="negatives-of-one-side",
        ),
        pytest.param(
            lambda: take(as_samples("im"), TWICE), lambda: np.zeros(6), id="beside-an-array"
        ),
        pytest.param(
            lambda: take("two_im?.npy", [1, 0, *range(2, 12)]),
            lambda: "two_mk?.npy",
            id="within-a-file",
        ),
    ],
)
def test_choices_that_may_be_meant_say_nothing(x: Callable[[], Any], y: Callable[[], Any]) -> None:
    """Rows chosen alike, or on both sides, or of files that are no partners."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(x(), y())
