"""Rows that lie class by class: a cut in order parts the classes, and `split` says so."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, windows

CLASSES = np.repeat(np.arange(5), 40)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of five classes, and a series of each of three."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(200.0))
    np.save("y.npy", CLASSES)
    for number, name in enumerate(("run", "sit", "walk")):
        np.save(f"{name}.npy", np.arange(100.0) + 1000 * number)
    return tmp_path


def of_labels(y: Any) -> NpySequence:
    return NpySequence("x.npy", y)


def of_series(**cut: int) -> NpySequence:
    """Windows of each series, whose class it is."""
    cut = {"sequence_length": 10, **cut}
    return NpySequence.from_class_files(
        {name: windows(f"{name}.npy", **cut) for name in ("run", "sit", "walk")}
    )


APART = [
    pytest.param(lambda: of_labels("y.npy"), (0.2,), "5 classes.* has 1: 4", id="file"),
    pytest.param(lambda: of_labels(CLASSES[::-1].copy()), (0.5,), "has 3: 2, 1, 0", id="falling"),
    pytest.param(lambda: of_labels(CLASSES.astype("uint8")[:, None]), (0.3,), "3, 4", id="n-1"),
    pytest.param(lambda: of_labels(np.eye(5)[CLASSES]), (0.2,), "has 1: 4", id="one-hot"),
    pytest.param(
        lambda: of_labels((np.arange(200) > 50).astype("float32")),
        *((0.25,), "2 classes.* has 1: 1"),
        id="binary",
    ),
    pytest.param(lambda: of_labels("y.npy"), (0.3, 0.3), "has 2: 3, 4", id="three-parts"),
    pytest.param(
        lambda: of_labels("y.npy").subset(slice(40, None)), (0.5,), "4 classes.*: 3, 4", id="part"
    ),
    pytest.param(
        lambda: of_labels((np.arange(200) > 175).astype(int)),
        *((0.3,), "2 classes, of which the first part has 1: 0"),
        id="first-part-lacks-one",
    ),
    pytest.param(lambda: of_labels(CLASSES + 1), (0.2,), "has 1: 5", id="from-1"),
    pytest.param(
        lambda: of_labels(np.repeat([2000, 2001], 100)), (0.2,), "has 1: 2001", id="two-numbers"
    ),
    pytest.param(
        lambda: of_labels(np.repeat([0, 10, 11], [50, 50, 100])), (0.2,), "has 1: 11", id="uneven"
    ),
    pytest.param(
        lambda: NpySequence.from_class_files({"a": "run.npy", "b": "sit.npy"}),
        *((0.2,), "has 1: 1"),
        id="class-files",
    ),
]


@pytest.mark.parametrize(("make", "fractions", "received"), APART)
def test_split_in_order_of_rows_class_by_class_warns_and_stratify_does_not(
    make: Callable[[], NpySequence], fractions: tuple[float, ...], received: str
) -> None:
    """The remedy gives each part a share of each class."""
    seq = make()
    with pytest.warns(
        UserWarning, match=rf"rows lie class by class.*{received}.*stratify=True in place"
    ):
        seq.split(*fractions, in_order=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = seq.split(*fractions, stratify=True)
    labels = [np.unique(part.y[:], axis=0).tolist() for part in parts]
    assert labels == [labels[0]] * len(parts)


COME_AND_GO = np.random.default_rng(0).integers(0, 5, 200)

KEPT = [
    pytest.param(COME_AND_GO, id="mixed"),
    pytest.param(np.append(COME_AND_GO[:199], 7), id="a-rare-class-at-the-end"),
    pytest.param(np.append(COME_AND_GO[:100], [6, 7] * 50), id="a-phase-at-the-end"),
    pytest.param(np.tile(np.repeat(np.arange(5), 20), 2), id="two-rounds"),
    pytest.param(np.zeros(200, int), id="one-class"),
    pytest.param(np.arange(200), id="numbers"),
    pytest.param(np.arange(200) // 3, id="a-counter"),
    pytest.param(np.arange(200) // 5 / 2, id="values"),
    pytest.param(np.repeat(np.arange(2000, 2010), 20), id="years"),
    pytest.param(np.repeat(np.arange(2009, 1999, -1), 20), id="years-back"),
    pytest.param(np.repeat(np.arange(0, 100, 10), 20).astype("uint8"), id="tens"),
    pytest.param(CLASSES + 5, id="numbers-from-5"),
    pytest.param((np.arange(200) > 50).astype("complex64"), id="complex"),
    pytest.param(CLASSES.astype("float32"), id="whole-floats"),
    pytest.param(np.cumsum(np.eye(5)[CLASSES], axis=0), id="rows-of-values"),
    pytest.param(np.broadcast_to(CLASSES[:, None, None], (200, 2, 2)).copy(), id="masks"),
]


@pytest.mark.parametrize("y", KEPT)
def test_split_in_order_of_other_targets_says_nothing(y: np.ndarray) -> None:
    """A series in which classes come and go, and targets that are no classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, validation = of_labels(y).split(0.2, in_order=True)
    assert (160, 40) == (train.num_samples, validation.num_samples)


def test_split_in_order_of_classes_that_is_meant_says_nothing() -> None:
    """The warning names this remedy."""
    with pytest.warns(UserWarning, match="lie class by class") as found:
        of_labels("y.npy").split(0.2, in_order=True)
    assert (
        "If rows have no order of time, stratify=True in place of in_order=True holds out a share "
        "of each class; NpySequence(..., check_names=False) says that the cut is meant."
    ) in str(found[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence("x.npy", "y.npy", check_names=False).split(0.2, in_order=True)


def test_split_in_order_without_targets_or_with_several_says_nothing() -> None:
    """There is no class per row."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence("x.npy").split(0.2, in_order=True)
        NpySequence("x.npy", {"a": "y.npy", "b": "y.npy"}).split(0.2, in_order=True)


@pytest.mark.parametrize(
    "divide",
    [
        pytest.param(lambda seq: seq.split(0.2), id="split"),
        pytest.param(lambda seq: seq.split(0.2, stratify=True), id="stratify"),
        pytest.param(lambda seq: seq.folds(5), id="folds"),
        pytest.param(lambda seq: seq.split(0.2, in_order=True), id="in-order"),
    ],
)
def test_windows_of_a_series_for_each_class_are_told_to_cut_each(
    divide: Callable[[NpySequence], Any],
) -> None:
    """The last windows of all would be those of one class."""
    with pytest.warns(UserWarning, match="share timesteps|class by class") as found:
        divide(of_series())
    (warning,) = found
    message = str(warning.message)
    assert "Cut each series by itself: windows(..., end_index=t) of each to train" in message
    assert "windows side by side, and stratify=True" in message


def test_remedies_of_windows_class_by_class_keep_classes_and_parts_apart() -> None:
    """Each part has each class, and no timestep of the other."""
    side_by_side = of_series(sequence_stride=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = [
            (of_series(end_index=80), of_series(start_index=80)),
            side_by_side.split(0.2, stratify=True),
            side_by_side.folds(5, stratify=True)[0],
        ]
    for train, validation in parts:
        assert [0, 1, 2] == np.unique(train.y[:]).tolist() == np.unique(validation.y[:]).tolist()
        assert not set(np.ravel(train.x[:])) & set(np.ravel(validation.x[:]))


@pytest.mark.parametrize(
    ("num_windows", "fractions", "sizes"),
    [
        pytest.param(9, (0.9,), (1, 8), id="nine"),
        pytest.param(12, (0.95,), (1, 11), id="twelve"),
        pytest.param(2, (0.7,), (1, 1), id="two"),
        pytest.param(9, (0.4, 0.5), (1, 4, 4), id="three-parts"),
    ],
)
@pytest.mark.parametrize("has_labels", [False, True])
def test_split_at_random_that_would_be_none_in_order_is_dealt_out(
    num_windows: int, fractions: tuple[float, ...], sizes: tuple[int, ...], has_labels: bool
) -> None:
    """Sizes are rounded at random and cut in order: the warning looks at both and refuses none."""
    x = windows(np.arange(num_windows + 3.0), sequence_length=4)
    y = np.arange(num_windows) * 2 // num_windows
    seq = NpySequence(x, y) if has_labels else NpySequence(x)
    with pytest.warns(UserWarning, match="share timesteps"):
        parts = seq.split(*fractions)
    assert sizes == tuple(part.num_samples for part in parts)


def test_windows_of_one_series_are_still_told_to_split_in_order() -> None:
    """Its classes come and go."""
    seq = NpySequence(windows("x.npy", sequence_length=10), COME_AND_GO[:191])
    with pytest.warns(UserWarning, match=r"Use split\(..., in_order=True\), which cuts by time"):
        seq.split(0.2)
