"""A split that parts augmented copies of a file, or both sides of one number, warns, by names."""

import os
import re
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples

pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

LEAVES = [f"{at % 2}/leaf_{at:03}" for at in range(12)]
EYES = [f"{at % 3}/{at}" for at in range(1, 13)]


def saved(heads: Sequence[str], tails: Sequence[str], rows: int = 0) -> list[str]:
    """Files in which a value says which head they have."""
    paths = [f"{head}{tail}.npy" for head in heads for tail in tails]
    for at, name in enumerate(paths):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = zlib.crc32(heads[at // len(tails)].encode())
        np.save(path, np.full((rows, 3) if rows else 3, head))
    return paths


def ids_of(part: NpySequence) -> set[int]:
    return set(np.ravel(part.x[:]).tolist())


def of_files(heads: Sequence[str], tails: Sequence[str]) -> NpySequence:
    paths = saved(heads, tails)
    return NpySequence(samples(paths), np.arange(len(paths)) // 5 % 2)


def in_archive(heads: Sequence[str], tails: Sequence[str]) -> NpySequence:
    rows = {f"leaf_{at}{tail}": np.full((4, 3), at) for at in range(9) for tail in tails}
    np.savez("all.npz", **rows)  # type: ignore[arg-type] # Names of members.
    return NpySequence([f"all.npz::{name}" for name in rows])


def archives(heads: Sequence[str], tails: Sequence[str]) -> NpySequence:
    for at in range(9):
        for tail in tails:
            np.savez(f"leaf_{at}{tail}.npz", x=np.full(3, at))
    return NpySequence(samples("*.npz::x"))


def parted(seq: NpySequence, rule: str) -> None:
    """Check that a split and folds warn once, and that each remedy which they name works."""
    divides: list[Callable[[], Any]] = [lambda: [seq.split(0.3, seed=0)], lambda: seq.folds(2)]
    for divide in divides:
        with pytest.warns(UserWarning, match=f"{rule}.* should lie in one part, or") as caught:
            parts = divide()
        assert all(ids_of(one) & ids_of(other) for one, other in parts)
        (text,) = [str(one.message) for one in caught]
    groups = eval(text.split("groups=")[1].split(" to split or")[0], {"re": re, "os": os})
    found = re.findall(r"(\S+(?: - Copy)?(?: \(\d\))?(?:\.npy|\.npz::\w+)) (?:and|in two)", text)
    assert 2 == len(set(found))
    assert groups(found[0]) == groups(found[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for one, other in [seq.split(0.3, groups=groups), *seq.folds(2, groups=groups)]:
            assert not ids_of(one) & ids_of(other)
        meant = eval(text.split("folds; ")[1].split(" says that")[0], {**globals(), "seq": seq})
        assert 2 == len(meant.split(0.3))


@pytest.mark.parametrize(
    "tails",
    [
        *(["", "_flip"], ["", "_rot90", "_rot180"], ["_aug_0", "_aug_1"], ["", "_aug1"]),
        *(["", "_hflip", "_vflip"], ["", "_mirror"], ["", "_noisy"], ["", "_copy"]),
        *(["", "-augmented"], ["", " (1)"], ["_crop1", "_crop2"], ["", " - Copy", " - Copy (2)"]),
        *(["_orig", "_flip"], ["", "_flip_rot90"], ["", "_flip_lr"], ["", "_Flip"]),
    ],
    ids=str,
)
def test_split_of_augmented_copies_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tails: list[str]
) -> None:
    """A folder that all are in says nothing, whatever it is called."""
    root = tmp_path / "rot_aug"
    root.mkdir()
    monkeypatch.chdir(root)
    parted(of_files(LEAVES, tails), "copies of one")
    parted(NpySequence.from_directory(root), "copies of one")
    with pytest.warns(UserWarning, match="copies of one"):
        NpySequence.from_directory(root, validation_split=0.3, subset="both", seed=0)


@pytest.mark.parametrize(
    ("heads", "name"),
    [
        *((["", "flip_"], "leaf_{}"), (["", "hflip_", "rot90_"], "leaf_{}")),
        *((["", "aug_0_", "aug_1_"], "leaf_{}"), (["", "Mirror-"], "a/{}_leaf")),
        *((["", "flip_"], "{:03}"), (["", "flip_", "rot_"], "{:03}_2"), (["", "rot90_"], "{:03}")),
    ],
    ids=str,
)
def test_split_of_copies_with_words_in_front_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: list[str], name: str
) -> None:
    """The number of a file is not one of the word in front of it."""
    monkeypatch.chdir(tmp_path)
    for at in range(12):
        for head in heads:
            path = Path(name.format(at))
            path.parent.mkdir(exist_ok=True)
            np.save(path.with_name(f"{head}{path.name}.npy"), np.full(3, at))
    parted(NpySequence(samples("**/*.npy")), "copies of one")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: in_archive([], ["", "_flip"]), id="members"),
        pytest.param(lambda: archives([], ["", "_flip"]), id="archives"),
        pytest.param(lambda: NpySequence(saved(LEAVES, ["", "_flip"], 5)), id="shards"),
        pytest.param(
            lambda: NpySequence(
                samples(
                    [
                        *saved([f"a{at}" for at in range(40)], [""]),
                        *saved([f"b{at}" for at in range(50, 59)], ["", "_rot90", "_rot180"]),
                    ]
                ),
            ).subset([*range(0, 40, 2), *range(40, 67)]),
            id="rare",
        ),
        pytest.param(
            lambda: NpySequence(
                samples([*saved(LEAVES, [""]), *saved(LEAVES[:4], ["_flip", "_rot90"])])
            ).subset(range(20)),
            id="of-a-few",
        ),
    ],
)
def test_split_of_copies_of_any_kind_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Members, archives, shards, and copies of a few rare files alone."""
    monkeypatch.chdir(tmp_path)
    parted(make(), "copies of one")


@pytest.mark.parametrize(
    ("heads", "tails"),
    [
        *((LEAVES, ["_left", "_right"]), (EYES, ["_left", "_right"]), (EYES, ["L", "R"])),
        *((EYES, ["_os", "_od"]), (EYES, ["_L", "_R"])),
        ([f"p{at}/" for at in range(12)], ["left", "right"]),
        (EYES, ["_left_cc", "_left_mlo", "_right_cc", "_right_mlo"]),
        ([f"{at}_" for at in range(12)], ["Left_1", "Right_1"]),
    ],
    ids=str,
)
def test_split_of_both_sides_of_a_number_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: list[str], tails: list[str]
) -> None:
    """Two eyes of one person, also in folders of two classes."""
    monkeypatch.chdir(tmp_path)
    parted(of_files(heads, tails), "of both sides of one number, ")
    seq = of_files([f"x/{at}" for at in range(100, 120)], ["_l", "_r"])
    seq = NpySequence(seq.x, np.arange(40) // 7 % 3)
    parted(seq, "of both sides of one number, l and r,")


def test_split_of_eyes_in_two_folders_warns_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is the grade of an eye."""
    monkeypatch.chdir(tmp_path)
    for at in range(20):
        for number, side in enumerate(("left", "right")):
            path = Path(f"eyes/{(at + number * at // 2) % 3}/{at}_{side}.npy")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.full(3, at))
    parted(NpySequence.from_directory("eyes"), "of both sides of one number, left and right,")


@pytest.mark.parametrize(
    ("heads", "tails"),
    [
        *((LEAVES, [""]), (LEAVES, ["_flip"]), (LEAVES, ["_a", "_b"]), (LEAVES, ["", "_mask"])),
        # Parameters, a month, and names of many files.
        *((LEAVES, ["_rot0", "_rot90"]), (LEAVES, ["_noise_1", "_noise_2"])),
        *((["site1", "site2", "site3"], ["_aug_01", "_aug_02"]),),
        *((["site1", "site2", "site3"], ["_jul", "_aug", "_aug_2"]),),
        *((["2019", "2020", "2021"], ["", "_aug", "_aug_2"]),),
        *((["rose", "tulip", "lily"], [" (1)", " (2)"]),),
        *((["download", "images", "index"], ["", " (1)", " (2)"]),),
        *((["crop", "noise", "zoom"], ["_1", "_2", "_3"]), (["flip"], ["_1", "_2", "_3"])),
        *((["a_crop", "b_crop", "c_crop"], ["_1", "_2"]), (LEAVES, ["", "_croppers"])),
        # Too few, or one of each.
        *((["x1", "x2"], ["", "_flip"]), (["leaf_1"], ["_crop1", "_crop2", "_crop3"])),
        *((EYES, ["_left"]), (["10"], ["_left", "_right"]), (["10", "11"], ["_left", "_right"])),
        *((["10"], [f"_left_{at}" for at in range(9)]), (["left", "right"], ["/1", "/2", "/3"])),
        *((["left", "right"], ["1"]), (["clock"], ["_l", "_r", "_m", "_s"])),
        (["a_left", "b_right", "c_left", "d_right"], [""]),
        *((["flip_", "rot_", "noise_"], ["1", "2", "3"]), (["crop_", "2_"], ["1", "2", "3"])),
    ],
    ids=str,
)
def test_split_of_files_that_are_no_copies_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: list[str], tails: list[str]
) -> None:
    """Words may mean something else."""
    monkeypatch.chdir(tmp_path)
    seq = NpySequence(samples(saved(heads, tails)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        seq.split(0.5, seed=0)
        if seq.num_samples > 2:
            seq.folds(3, seed=0)


@pytest.mark.parametrize(
    ("tails", "labels"),
    [
        pytest.param(["_left", "_right"], lambda at: at % 2, id="sides-are-classes"),
        pytest.param(["_left", "_right"], lambda at: at // 2, id="numbers-are-classes"),
        pytest.param(["", "_rot90"], lambda at: at % 2, id="angles-are-classes"),
        pytest.param(["", "_flip"], lambda at: at // 2, id="leaves-are-classes"),
    ],
)
def test_split_of_what_y_tells_apart_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tails: list[str], labels: Any
) -> None:
    """Each part needs all classes."""
    monkeypatch.chdir(tmp_path)
    paths = saved(EYES, tails)
    seq = NpySequence(samples(paths), labels(np.arange(len(paths))))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        seq.split(0.5, seed=0)


def test_split_that_parts_no_copies_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side that a class folder names, a pair of x and y, and a subset with one file of each."""
    monkeypatch.chdir(tmp_path)
    x, y = samples(saved(EYES, ["_left"])), samples(saved(EYES, ["_right"]))
    every = NpySequence(samples(saved(LEAVES, ["", "_flip"])))
    saved(["sides/left/", "sides/right/"], [str(at) for at in range(9)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        NpySequence(x, y, check_names=False).split(0.3)
        every.subset(range(0, 24, 2)).split(0.3)
        every.subset(range(1, 24, 2)).split(0.3)
        every.split(0.3, in_order=True)
        every.split(0.3, groups=lambda path: os.path.basename(path)[:8])
        NpySequence.from_directory("sides").split(0.3)
        NpySequence.from_directory("sides", labels=None).folds(2)
