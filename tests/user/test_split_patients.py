"""A split that parts the files of one patient warns, by their names."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.names import entities
from keras_npy.rows import divided


def saved(folder: Path, names: list[str]) -> list[str]:
    for at, name in enumerate(names):
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((2, 3), at))
    return names


SEVERAL = [
    pytest.param("cls{}/patient{:02}/{}", id="folders"),
    pytest.param("cls{}/patient{:02}_slice{}", id="names"),
    pytest.param("cls{}/sub-{}_ses-{}", id="bids"),
    pytest.param("cls{}/Speaker_{}-take{}", id="capitals"),
    pytest.param("cls{}/case {}/{}", id="blanks"),
]


@pytest.mark.parametrize("pattern", SEVERAL)
@pytest.mark.parametrize("how", ["split", "folds", "both", "pairs"])
def test_split_of_files_of_one_patient_warns_with_groups(
    tmp_path: Path, pattern: str, how: str
) -> None:
    """Two of its files are named, and with groups= no patient is in two parts."""
    # The folder of all of them is no patient.
    root = tmp_path / "patient1"
    saved(root, [pattern.format(at % 2, at // 2, number) for at in range(8) for number in range(5)])
    files = samples(f"{root}/cls*/**/*.npy")
    seq = NpySequence.from_directory(root)
    build = NpySequence.from_directory
    call: Callable[[], Any] = {
        "split": lambda: seq.split(0.3, seed=0),
        "folds": lambda: seq.folds(3, seed=0),
        "pairs": lambda: NpySequence(files, files).split(0.3, seed=0),
        "both": lambda: build(root, validation_split=0.2, subset="both", seed=0),
    }[how]
    with pytest.warns(UserWarning, match="should lie in one part") as caught:
        call()
    (text,) = [str(one.message) for one in caught if "one part" in str(one.message)]
    one, other = re.findall(r"Received: (.*\.npy) and (.*\.npy) in two", text)[0]
    groups = eval(text.split("groups=")[1].split(" to split")[0], {"re": re})
    assert groups(one) == groups(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        parts = seq.split(0.3, groups=groups, seed=0)
        of_parts = [{groups(path) for path in part.file_paths} for part in parts]
        assert of_parts[0].isdisjoint(of_parts[1])
        meant = text.split("folds; ")[1].split(" says that")[0]
        assert "build seq of from_directory without validation_split=." in text
        for one_side in (seq, NpySequence.from_directory(root, labels=None), NpySequence(files)):
            again = eval(meant, {"NpySequence": NpySequence, "seq": one_side})
            again.folds(3, seed=0)
            parts = again.split(0.3, seed=0)
            assert 40 == sum(part.num_samples for part in parts)
        NpySequence(files).split(0.3, in_order=True)


def asked_groups(seq: NpySequence) -> Any:
    """The groups that the warning of a split asks for."""
    with pytest.warns(UserWarning, match="should lie in one part") as caught:
        seq.split(0.3, seed=0)
    (text,) = [str(one.message) for one in caught]
    return eval(text.split("groups=")[1].split(" to split")[0], {"re": re})


def test_split_asks_for_groups_of_patients_in_two_spellings(tmp_path: Path) -> None:
    """Patient1 is patient1, in the groups, too."""
    saved(tmp_path, [f"{'pP'[at % 2]}atient{at // 4}/{at}" for at in range(32)])
    seq = NpySequence(samples(f"{tmp_path}/*/*.npy"))
    groups = asked_groups(seq)
    folder = [
        {Path(path).parent.name for path in p.file_paths} for p in seq.split(0.3, groups=groups)
    ]
    assert {name.casefold() for name in folder[0]}.isdisjoint(name.casefold() for name in folder[1])


def test_split_asks_for_groups_that_take_names_it_has_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name behind those looked at may say nothing, and is a group of its own."""
    monkeypatch.setattr(entities, "FILES_LOOKED_AT", 20)
    monkeypatch.setattr(divided, "FILES_LOOKED_AT", 20)
    saved(tmp_path, [*(f"case{at // 4}_{at}" for at in range(24)), "other_1", "other_2"])
    seq = NpySequence(samples(f"{tmp_path}/*.npy"))
    groups = asked_groups(seq)
    parts = seq.split(0.3, groups=groups, seed=0)
    assert 26 == sum(part.num_samples for part in parts)
    of_parts = [{groups(path) for path in part.file_paths} for part in parts]
    assert of_parts[0].isdisjoint(of_parts[1])


def test_split_keeps_weights_where_parts_are_meant(tmp_path: Path) -> None:
    """What the warning prints has the weights of the sequence."""
    saved(tmp_path, [f"case{at // 4}_{at:02}" for at in range(24)])
    files = samples(f"{tmp_path}/*.npy")
    seq = NpySequence(files, np.arange(24), np.arange(24.0))
    with pytest.warns(UserWarning, match="should lie in one part") as caught:
        seq.split(0.3, seed=0)
    meant = str(caught[0].message).split("folds; ")[1].split(" says that")[0]
    again = eval(meant, {"NpySequence": NpySequence, "seq": seq})
    np.testing.assert_array_equal(np.arange(24.0), again.sample_weight[:])


@pytest.mark.parametrize(
    "names",
    [
        *(["patient{0}"], ["{1}/patient{0}"], ["subject_{0}_scan_1"], ["frame{0}"], ["{1}/{0}"]),
        # Labels of their own, no number, one of all, and other words.
        *(["speaker{1}/{0}"], ["patient_{0}x"], ["{1}/patient7_{0}"], ["substance{1}_{0}"]),
        # A year, and a date.
        *(["scan_200{1}_{0}"], ["scan_2021010{1}_{0}"]),
        *(["sub{1}_{0}"], ["{1}/showcase1_{0}"], ["train_{1}_{0}"], ["patient{0}", "mean{0}"]),
    ],
    ids=str,
)
def test_split_of_files_that_stand_alone_says_nothing(tmp_path: Path, names: list[str]) -> None:
    """One file for each patient, or no patient at all."""
    saved(tmp_path, [one.format(at, at % 2) for one in names for at in range(9)])
    files = samples(f"{tmp_path}/**/*.npy")
    by_speaker = [int("speaker1" in path) for path in files.file_paths or []]
    labels: Any = np.array(by_speaker) if any(by_speaker) else None
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        NpySequence(files, labels).split(0.3, seed=0)
        NpySequence(files, labels).folds(3, seed=0)


@pytest.mark.parametrize("label_mode", ["int", "binary", "categorical"])
def test_split_of_speakers_who_are_the_classes_says_nothing(
    tmp_path: Path, label_mode: Any
) -> None:
    """To recognize speakers, each must be in all parts."""
    saved(tmp_path, [f"speaker{at % 2}/{at}" for at in range(10)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        NpySequence.from_directory(tmp_path, label_mode=label_mode).split(0.3, seed=0)


@pytest.mark.parametrize("num_classes", [2, 3], ids=["a-label-of-two", "a-label-of-each"])
def test_split_compares_labels_with_patients_from_all_over(
    tmp_path: Path, num_classes: int
) -> None:
    """The first 1,000 files are of one patient, and have one label; only three are classes."""
    names = [f"patient{who}_{at:04}" for who in range(3) for at in range(1005)]
    saved(tmp_path, names)
    files = samples(f"{tmp_path}/*.npy")
    seq = NpySequence(files, np.repeat(np.arange(3) % num_classes, 1005))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seq.split(0.3, seed=0)
    assert (num_classes == 2) == any("files of one patient" in str(one.message) for one in caught)
