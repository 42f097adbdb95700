"""A split that parts the files of one patient warns, by their names."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, raw, samples, take, windows
from keras_npy.rows import named_apart


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
    pytest.param("cls{}/spk{:02}_utt{}", id="abbreviated"),
    pytest.param("cls{}/user{}/{}", id="users"),
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
    monkeypatch.setattr(named_apart, "FILES_LOOKED_AT", 20)
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


def of_shards(pattern: str, *, rows: int = 6, num: int = 5) -> list[str]:
    """Files of several rows, in which a value says whom they are of; class folders alternate."""
    paths = [f"{pattern.format(at % 2, at)}.npy" for at in range(num)]
    for at, name in enumerate(paths):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((rows, 3), at))
    return paths


def archives(pattern: str) -> str:
    for at in range(5):
        np.savez(f"{pattern.format(at)}.npz", x=np.full((6, 3), at))
    return "*.npz::x"


def raw_files() -> Any:
    for at in range(5):
        np.full((6, 3), at).tofile(f"case{at}.bin")
    return raw("*.bin", dtype=np.full(1, 0).dtype, shape=(-1, 3))


def ids_of(part: NpySequence) -> set[int]:
    x = part.x
    if isinstance(x, dict | tuple):
        x = next(iter(x.values())) if isinstance(x, dict) else x[0]
    return set(np.ravel(x[:]).tolist())


SHARDS = [
    pytest.param(lambda: NpySequence(of_shards("ct/patient_{1:02}")), id="list"),
    pytest.param(
        lambda: of_shards("ct/patient_{1:02}") and NpySequence("ct/*.npy", np.arange(30) % 2),
        id="pattern-and-labels",
    ),
    pytest.param(
        lambda: NpySequence((of_shards("ct/sub-{1}_ses-1"), of_shards("mask/sub-{1}_ses-1"))),
        id="masks",
    ),
    pytest.param(
        lambda: NpySequence([*of_shards("case{1}_a"), *of_shards("case{1}_b")]), id="two-of-each"
    ),
    pytest.param(
        lambda: of_shards("c/{0}/subject{1}") and NpySequence.from_class_files("c"), id="classes"
    ),
    pytest.param(lambda: NpySequence(archives("speaker-{}")), id="archives"),
    pytest.param(lambda: NpySequence(raw_files()), id="raw"),
    pytest.param(
        lambda: NpySequence({"ct": of_shards("patient{1}"), "age": np.arange(30)}), id="dict"
    ),
    pytest.param(lambda: NpySequence(take(of_shards("patient{1}"), range(1, 29))), id="take"),
    pytest.param(
        lambda: NpySequence(take(of_shards("patient{1}"), [*range(28, 0, -1)])), id="take-back"
    ),
    pytest.param(lambda: NpySequence(of_shards("patient{1}")).subset(range(1, 29)), id="subset"),
    pytest.param(
        lambda: NpySequence([*of_shards("patient{1}"), *of_shards("x{1}", num=1)]).subset(
            slice(30)
        ),
        id="subset-of-those-named",
    ),
    pytest.param(
        lambda: NpySequence(windows(of_shards("patient{1}"), sequence_length=2, sequence_stride=2)),
        id="windows-side-by-side",
    ),
    pytest.param(
        lambda: NpySequence(of_shards("patient{1}"), cache="ram").map(lambda x: x + 0), id="map"
    ),
]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("make", SHARDS)
@pytest.mark.parametrize("how", ["split", "stratify", "folds"])
def test_split_of_rows_of_one_patients_file_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, how: str
) -> None:
    """Two rows are named, and with groups= no patient is in two parts."""
    monkeypatch.chdir(tmp_path)
    seq = make()
    has_classes = seq.y is not None
    call: dict[str, Callable[[], Any]] = {
        "split": lambda: [seq.split(0.4, seed=0)],
        "stratify": lambda: [seq.split(0.4, seed=0, stratify=has_classes)],
        "folds": lambda: seq.folds(2, seed=0),
    }
    rule = r"\A(\S+): rows of one \w+ should lie in one part.*Received: row \d of \1 and row"
    with pytest.warns(UserWarning, match=rule) as caught:
        parts = call[how]()
    assert all(ids_of(one) & ids_of(other) for one, other in parts)
    (text,) = [str(one.message) for one in caught]
    assert "from_directory" not in text
    groups = eval(text.split("groups=")[1].split(" to split")[0], {"re": re})
    meant = text.split("folds; ")[1].split(" says that")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        by_group = {"groups": groups, "stratify": has_classes}
        for one, other in [seq.split(0.4, **by_group), *seq.folds(2, **by_group)]:
            assert not ids_of(one) & ids_of(other)
        again = eval(meant, {"NpySequence": NpySequence, "seq": seq})
        assert 2 == len(again.split(0.4)) == len(again.folds(2))
        warnings.filterwarnings("ignore", ".*in_order=True parts the classes")
        seq.split(0.4, in_order=True)


def speakers(pattern: str) -> NpySequence:
    return NpySequence.from_class_files({str(at): one for at, one in enumerate(of_shards(pattern))})


@pytest.mark.parametrize(
    "make",
    [
        *(
            pytest.param(lambda name=name: NpySequence(of_shards(name)), id=name)
            for name in ("part-{1}", "x-{1:05}-of-00005", "data_{1}", "{1}", "train_{1}", "sub{1}")
        ),
        pytest.param(lambda: NpySequence(of_shards("session_2021010{1}")), id="dates"),
        pytest.param(lambda: NpySequence(of_shards("patient{1}", num=1)), id="one-file"),
        pytest.param(lambda: NpySequence(of_shards("patient{1}", num=1)[0]), id="one-path"),
        pytest.param(lambda: NpySequence(of_shards("patient{1}", rows=1)), id="rows-of-their-own"),
        pytest.param(lambda: speakers("speaker{1}"), id="speakers-are-classes"),
        pytest.param(
            lambda: NpySequence(of_shards("speaker{1}"), np.eye(5)[np.arange(30) // 6]),
            id="one-hot-speakers",
        ),
        pytest.param(
            lambda: NpySequence(of_shards("patient{1}"), check_names=False), id="not-checked"
        ),
        pytest.param(
            lambda: NpySequence([*of_shards("patient{1}"), *of_shards("mean{1}")]), id="some"
        ),
        pytest.param(
            lambda: NpySequence(of_shards("patient{1}")).subset(range(6)), id="rows-of-one"
        ),
        pytest.param(
            lambda: NpySequence(of_shards("patient{1}")).subset(range(0, 30, 6)), id="one-of-each"
        ),
    ],
)
def test_split_of_shards_that_are_of_no_patient_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Files count rows, or speakers are what is recognized."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        seq = make()
        seq.split(0.4, seed=0)
        seq.folds(2, seed=0)


def test_split_of_windows_of_each_patients_file_warns_of_steps_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that overlap have a warning already, and it is enough."""
    monkeypatch.chdir(tmp_path)
    seq = NpySequence(windows(of_shards("patient{1}"), sequence_length=3))
    for divide in (lambda: seq.split(0.4), lambda: seq.folds(2)):
        with pytest.warns(UserWarning, match="windows that overlap do") as caught:
            divide()
        assert 1 == len(caught)


def test_split_looks_at_some_rows_of_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a billion rows, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(named_apart, "_PLACES_LOOKED_AT", 3)
    seq = NpySequence(of_shards("patient{1}", rows=300))
    with pytest.warns(UserWarning, match="rows of one patient") as caught:
        seq.split(0.4, seed=0)
    (text,) = [str(one.message) for one in caught]
    found = re.findall(r"row (\d+) of \S+patient(\d).npy", text)
    places = [300 * int(shard) + int(row) for row, shard in found]
    with pytest.warns(UserWarning, match="rows of one patient"):
        parts = seq.split(0.4, seed=0)
    assert 2 == len({row in parts[0].indices for row in places}) == len(places)
