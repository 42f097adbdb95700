"""Groups that are whole classes: `split` and `folds` say which class is not trained."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, windows

X = np.arange(200.0)
CLASSES = np.repeat(np.arange(4), 50)
# Five groups in each class.
FIVE_EACH = np.arange(200) // 10


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of each of two classes."""
    monkeypatch.chdir(tmp_path)
    np.save("run.npy", np.arange(100.0))
    np.save("walk.npy", np.arange(90.0) + 1000)
    return tmp_path


def of_series(**cut: int) -> NpySequence:
    cut = {"sequence_length": 6, **cut}
    names = ("run", "walk")
    return NpySequence.from_class_files({name: windows(f"{name}.npy", **cut) for name in names})


def of_file(path: str) -> str:
    return path


LOST = [
    pytest.param(CLASSES, CLASSES, {}, "4 classes, .* first part has no row of 1", id="classes"),
    pytest.param(CLASSES + 1, CLASSES, {}, "no row of 2", id="from-1"),
    pytest.param(np.eye(4)[CLASSES], CLASSES, {}, "4 classes, .* no row of 1", id="one-hot"),
    pytest.param(CLASSES[:, None].astype("uint8"), CLASSES, {}, "no row of 1", id="column"),
    pytest.param(CLASSES, CLASSES, {"stratify": True}, "no row of 1", id="stratify"),
    pytest.param(CLASSES + 7, CLASSES, {"stratify": True}, "no row of 8", id="any-number"),
    pytest.param((CLASSES == 1), CLASSES, {}, "2 classes, .* no row of 1", id="bool"),
    pytest.param((CLASSES == 1) * 1.0, CLASSES, {}, "2 classes, .* no row of 1", id="0-and-1"),
]


@pytest.mark.parametrize(("y", "groups", "how", "received"), LOST)
def test_split_by_groups_that_takes_a_class_out_of_training_warns(
    y: np.ndarray, groups: np.ndarray, how: Any, received: str
) -> None:
    """With several groups for each class, as the warning advises, no class is lost."""
    seq = NpySequence(X, y)
    with pytest.warns(UserWarning, match=f"takes classes out of training.*{received}") as caught:
        seq.split(0.2, groups=groups, **how)
    assert "give its rows several groups" in str(caught[0].message)
    assert "NpySequence(seq.x, seq.y, check_names=False) says" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, held_out = seq.split(0.2, groups=FIVE_EACH, stratify=True)
        NpySequence(seq.x, seq.y, check_names=False).split(0.2, groups=groups, **how)
    assert np.unique(train.y[:], axis=0).tolist() == np.unique(held_out.y[:], axis=0).tolist()


def test_split_by_groups_at_random_names_stratify() -> None:
    """Both groups of a class may be held out; dealt out by class, one trains."""
    y = np.r_[np.zeros(160, int), np.ones(40, int)]
    groups = np.r_[np.arange(160) // 20, 8 + np.arange(40) // 20]
    seq = NpySequence(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for seed in range(20):
            seq.split(0.5, groups=groups, seed=seed)
    message = "first part has no row of 1. stratify=True deals groups out by class, too. Npy"
    assert caught
    assert all(message in str(warning.message) for warning in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(20):
            parts = seq.split(0.5, groups=groups, seed=seed, stratify=True)
            assert [20, 20] == [int(part.y[:].sum()) for part in parts]


def test_stratified_split_that_validates_one_class_alone_warns() -> None:
    """A fifth of the rows is one of four groups; half of them is one group of each class."""
    y, groups = np.repeat([0, 1], 100), np.repeat(np.arange(4), 50)
    seq = NpySequence(X, y)
    message = "parts the classes. Received: 2 classes, of which another part has no row of"
    with pytest.warns(UserWarning, match=f"{message}.*such as 0.5 of two"):
        seq.split(0.2, groups=groups, stratify=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = seq.split(0.5, groups=groups, stratify=True)
        seq.split(0.2, groups=groups)
    assert [[0, 1], [0, 1]] == [np.unique(part.y[:]).tolist() for part in parts]


@pytest.mark.parametrize("stratify", [False, True])
def test_class_files_that_are_groups_are_told_to_cut_each(stratify: bool) -> None:
    """Each part then has each class."""
    with pytest.warns(UserWarning, match="2 classes, .* first part has no row of 1") as caught:
        of_series().split(0.2, groups=of_file, stratify=stratify)
    with pytest.warns(UserWarning, match="to train with of a fold has no row of 0, 1") as of_folds:
        of_series().folds(2, groups=of_file, stratify=stratify)
    for found in (caught, of_folds):
        assert "Cut each series by itself: windows(..., end_index=t)" in str(found[0].message)
    seq = of_series()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(seq.x, seq.y, check_names=False).split(0.2, groups=of_file)
    train, validation = of_series(end_index=80), of_series(start_index=80)
    assert [0, 1] == np.unique(train.y[:]).tolist() == np.unique(validation.y[:]).tolist()


SILENT = [
    pytest.param(CLASSES, FIVE_EACH, id="several-groups"),
    pytest.param(np.tile(np.arange(4), 50), np.arange(200) // 20, id="all-in-each-group"),
    pytest.param(np.repeat([30, 45, 50, 62], 50), CLASSES, id="ages"),
    pytest.param(np.repeat([0, 10, 20, 30], 50), CLASSES, id="doses"),
    pytest.param(CLASSES / 2, CLASSES, id="values"),
    pytest.param(CLASSES.astype("float32"), CLASSES, id="whole-floats"),
    pytest.param(np.arange(200), CLASSES, id="numbers"),
    pytest.param(np.arange(200) // 3, CLASSES, id="few-rows-of-each"),
    pytest.param(np.zeros(200, int), CLASSES, id="one-class"),
    pytest.param(np.r_[np.arange(196) % 4, [0, 0, 4, 4]], np.arange(200) // 4, id="rare-counts"),
    pytest.param(np.eye(4)[CLASSES] + np.eye(4)[CLASSES[::-1]], CLASSES, id="multi-hot"),
    pytest.param(np.broadcast_to(CLASSES[:, None, None], (200, 2, 2)).copy(), CLASSES, id="masks"),
]


@pytest.mark.parametrize(("y", "groups"), SILENT)
def test_split_by_groups_of_other_targets_says_nothing(y: np.ndarray, groups: np.ndarray) -> None:
    """Numbers that may be ages, counts or values, and classes that all parts have."""
    seq = NpySequence(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = [seq.split(0.2, groups=groups, seed=seed)[0] for seed in range(5)]
        seq.folds(2, groups=groups)
    assert all(part.num_samples > 100 for part in parts)


def test_split_by_groups_without_targets_or_with_several_says_nothing() -> None:
    """There is no class per row."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(X).split(0.2, groups=CLASSES)
        NpySequence(X, {"a": CLASSES, "b": CLASSES}).split(0.2, groups=CLASSES)
