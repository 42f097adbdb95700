"""Crops of samples that belong together: all pairs of files are compared, not the first alone."""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take
from keras_npy.rows import samples as limits
from keras_npy.rows.base import Rows

# Sizes of x and of y, and the length of both.
EQUAL = [200, 150, 90, 300, 81]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(name: str, sizes: Sequence[int], length: Any, **arguments: Any) -> Rows:
    """Samples of these sizes, in the order of their files."""
    folder = Path(name)
    folder.mkdir()
    for number, size in enumerate(sizes):
        np.save(folder / f"{number}.npy", np.arange(size))
    return samples(f"{name}/*.npy", length=length, **arguments)


def warned_of(x: Any, y: Any, **arguments: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NpySequence(x, y, **arguments)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize("crop", ["center", "random"])
@pytest.mark.parametrize("check", [None, True])
@pytest.mark.parametrize(
    ("sizes", "others", "pair"),
    [
        pytest.param([200, 200, 200], [200, 200, 140], 2, id="last"),
        pytest.param([200, 200], [200, 140], 1, id="of-two"),
        pytest.param([140, *EQUAL], [200, *EQUAL], 0, id="first"),
        pytest.param([*EQUAL, 64], [*EQUAL, 80], 5, id="longer-than-what-is-taken-whole"),
    ],
)
def test_a_pair_of_another_size_than_its_partner_is_named(
    crop: Any, check: Any, sizes: list[int], others: list[int], pair: int
) -> None:
    """Wherever it lies. Read in order it shows: the crops have other values."""
    x = saved("ct", sizes, 64, crop=crop, check=check)
    y = saved("seg", others, 64, crop=crop, check=check)
    (message,) = warned_of(x, y)
    assert f"/seg/{pair}.npy: {crop} crops that belong together" in message
    assert f"({others[pair]},) here" in message
    assert f"({sizes[pair]},) in " in message
    assert f"pair {pair + 1} of {len(sizes)}." in message
    differs = [at for at in range(len(sizes)) if not np.array_equal(x[at], y[at])]
    assert [pair] == differs
    assert [] == warned_of(x, y, check_names=False)
    # The remedy: leave both out.
    kept = [at for at in range(len(sizes)) if at != pair]
    assert [] == warned_of(take(x, kept), take(y, kept))


@pytest.mark.parametrize("crop", ["center", "random"])
@pytest.mark.parametrize("how", ["take", "list", "dict", "axes"])
def test_pairs_are_compared_in_every_kind_of_source(crop: Any, how: str) -> None:
    """Chosen, joined, several inputs, several axes."""
    x = saved("a", [200, 150, 90], 64, crop=crop)
    y = saved("b", [200, 150, 130], 64, crop=crop)
    if how == "take":
        assert ["/b/2.npy"] == [
            one[: one.index(":")][-8:] for one in warned_of(take(x, [2, 0, 1]), take(y, [2, 0, 1]))
        ]
        assert [] == warned_of(take(x, [1, 0]), take(y, [1, 0]))
        return
    if how == "list":
        (message,) = warned_of([take(x, [0]), take(x, [1, 2])], y)
    elif how == "dict":
        (message,) = warned_of({"x": x, "aside": np.zeros(3)}, {"y": y})
    else:
        for name, last in (("p", 90), ("q", 130)):
            Path(name).mkdir()
            for number, size in enumerate([70, 80, last]):
                np.save(f"{name}/{number}.npy", np.zeros((3, size, 99)))
        p, q = (samples(f"{n}/*.npy", length={1: 64, 2: 9}, crop=crop) for n in "pq")
        (message,) = warned_of(p, q)
        assert "(130, 99) here" in message
    assert "pair 3 of 3" in message


RATE = [1600, 2400, 3216, 1610, 48_000]


@pytest.mark.parametrize(
    ("crop", "sizes", "length", "others", "other_length", "is_warned"),
    [
        pytest.param("random", RATE, 320, [100, 150, 201, 100, 3000], 20, False, id="rate"),
        pytest.param("random", RATE, 320, [101, 151, 202, 101, 3001], 20, False, id="rate-plus-1"),
        pytest.param("random", RATE, 320, [98, 148, 199, 98, 2998], 20, False, id="rate-minus-2"),
        pytest.param("random", RATE, 320, [100, 150, 201, 140, 3000], 20, True, id="rate-odd"),
        pytest.param("center", RATE, 320, [100, 150, 201, 100, 3000], 20, False, id="center-rate"),
        pytest.param("center", RATE, 320, [100, 150, 201, 140, 3000], 20, True, id="center-odd"),
        pytest.param("center", EQUAL, 64, [s - 12 for s in EQUAL], 64, False, id="valid-edges"),
        pytest.param("center", EQUAL, 64, [2 * s for s in EQUAL], 64, False, id="two-scales"),
        pytest.param("center", EQUAL, 64, [2 * s for s in EQUAL], 128, False, id="twice-as-large"),
        pytest.param("center", EQUAL, 64, EQUAL, 52, False, id="inner-part"),
        pytest.param(
            "center", EQUAL, 64, [s + 1 for s in EQUAL], 64, True, id="1-longer-begins-vary"
        ),
        pytest.param("center", [200, 90], 64, [201, 91], 64, False, id="1-longer-begin-alike"),
        pytest.param("center", EQUAL, 64, [97, 180, 240, 77, 110], 64, False, id="unrelated"),
        pytest.param("center", EQUAL, 64, [3, 9, 12, 7, 15], 10, False, id="boxes"),
        pytest.param("start", EQUAL, 64, [200, 150, 90, 300, 40], 64, False, id="start"),
        pytest.param("start", RATE, 320, [100, 150, 201, 140, 3000], 20, False, id="start-rate"),
        pytest.param("random", [60, 31, 8], 64, [50, 12, 63], 64, False, id="all-padded"),
        pytest.param("center", [60, 31, 8], 64, [50, 12, 63], 64, False, id="all-padded-center"),
    ],
)
def test_sizes_in_a_constant_ratio_or_distance_are_accepted(
    crop: Any,
    sizes: list[int],
    length: int,
    others: list[int],
    other_length: int,
    is_warned: bool,
) -> None:
    """Frames at a rate, masks that lost their edges; not one pair unlike the others."""
    x = saved("a", sizes, length, crop=crop)
    y = saved("b", others, other_length, crop=crop)
    assert is_warned == bool(warned_of(x, y))


def test_frames_of_labels_begin_where_the_sound_does(tmp_path: Path) -> None:
    """At 16 values a frame, to within one frame, in each pass."""
    sizes = [1600, 2400, 3216]
    for number, size in enumerate(sizes):
        np.save(f"s{number}.npy", np.arange(size))
        np.save(f"l{number}.npy", np.arange(size // 16))
    seq = NpySequence(
        samples("s*.npy", length=320, crop="random"),
        samples("l*.npy", length=20, crop="random"),
        shuffle=True,
        seed=0,
    )
    for x, y in itertools.chain(*(seq for _ in range(30))):
        assert np.abs(x[:, 0] / 16 - y[:, 0]).max() <= 1


def test_only_what_was_read_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """After no time at all the first two headers; without a check the first one."""
    monkeypatch.setattr(limits, "CHECK_S", 0)
    sizes, others = [200, 200, 200], [200, 200, 140]
    for check in (None, False):
        x = saved(f"x{check}", sizes, 64, crop="random", check=check)
        y = saved(f"y{check}", others, 64, crop="random", check=check)
        assert [] == warned_of(x, y)
        assert [] == warned_of(take(x, [2]), take(y, [2]))


def test_sizes_take_8_bytes_a_file_and_axis() -> None:
    """And are not sent to workers."""
    rows: Any = saved("a", [5, 9, 7], 4)
    assert ([[5], [9], [7]], 24) == (rows.stored_lengths.tolist(), rows.stored_lengths.nbytes)


@pytest.mark.parametrize(
    ("others", "length", "crops", "is_warned"),
    [
        pytest.param(EQUAL, 64, ("center", "start"), True, id="forgotten-on-one-side"),
        pytest.param(EQUAL, 64, ("start", "center"), True, id="on-the-other"),
        pytest.param(EQUAL, 64, ("center", "center"), False, id="given-to-both"),
        pytest.param(EQUAL, 32, ("center", "start"), False, id="another-length"),
        pytest.param([5, 9, 80, 3, 70], 64, ("center", "start"), False, id="other-sizes"),
    ],
)
def test_a_crop_at_the_center_beside_one_at_the_start_is_warned_of(
    others: list[int], length: int, crops: Any, is_warned: bool
) -> None:
    """Where all sizes are the same; words beside images are cropped as they like."""
    x = saved("a", EQUAL, 64, crop=crops[0])
    y = saved("b", others, length, crop=crops[1])
    said = warned_of(x, y)
    assert is_warned == any(f"Pass crop={crops[0]!r} to both calls" in one for one in said)
    assert is_warned == bool(said)
    # Two views of one file.
    assert [] == warned_of((x, samples("a/*.npy", length=64, crop=crops[1])), None)


def test_files_of_one_size_say_nothing_of_crops_that_differ() -> None:
    """They may be anything, such as 80 words beside 80 rows of pixels."""
    x = saved("a", [80, 80], 64, crop="center")
    assert [] == warned_of(x, saved("b", [80, 80], 64))
