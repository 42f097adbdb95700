"""Random crops of two resolutions show one place, in every pass and kind of source."""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, take
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.rows import samples as limits
from keras_npy.rows.base import Rows
from tests.rows.test_crops import warned_of

SIZES = [(20, 24), (31, 40), (16, 15), (5, 60), (44, 8), (17, 33)]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def saved(name: str, scale: int, sizes: Sequence[tuple[int, int]] = SIZES, extra: int = 0) -> str:
    """Images whose values say where each value lies at scale 1; return their pattern."""
    Path(name).mkdir()
    for number, (height, width) in enumerate(sizes):
        coarse = 1 + 100 * np.arange(height)[:, np.newaxis] + np.arange(width)
        image = coarse.repeat(scale, 0).repeat(scale, 1)
        np.save(f"{name}/{number}.npy", np.pad(image, ((0, extra), (0, extra)), "edge"))
    return f"{name}/*.npy"


def cropped(pattern: Any, length: int, **arguments: Any) -> Rows:
    return samples(pattern, length={0: length, 1: length}, crop="random", **arguments)


def equal(coarse: Any, fine: Any, scale: int) -> list[bool]:
    """Which fine crops show what the coarse ones do."""
    larger = coarse.repeat(scale, 1).repeat(scale, 2)
    return [bool(one) for one in (larger == fine).all((1, 2))]


@pytest.mark.parametrize(
    ("scale", "extra"),
    [
        pytest.param(2, 0, id="half"),
        pytest.param(4, 0, id="quarter"),
        pytest.param(4, 3, id="and-a-part"),
        pytest.param(9, 0, id="ninth"),
    ],
)
def test_crops_of_images_of_two_scales_show_one_place(scale: int, extra: int) -> None:
    """In each pass, of sizes whose last coarse pixel is cut too; as many places are drawn."""
    x, y = cropped(saved("lr", 1), 4), cropped(saved("hr", scale, extra=extra), 4 * scale)
    seq = NpySequence(x, y, batch_size=4, shuffle=True, seed=0)
    begins = set()
    for _ in range(40):
        for coarse, fine in seq:
            assert [True] * len(coarse) == equal(coarse, fine, scale)
            begins.update(coarse[:, 0, 0].tolist())
    # Each of the 17 * 21 + 28 * 37 + ... places is one value.
    assert 180 < len(begins)


def test_a_size_that_was_cut_down_on_one_side_begins_on_both_where_both_go_on() -> None:
    """11 pixels of [::2] of 21: the shorter one says how far a crop may begin."""
    for name in ("hr", "lr"):
        Path(name).mkdir()
    for number in range(6):
        image = np.arange(21 * 25).reshape(21, 25)
        np.save(f"hr/{number}.npy", image)
        np.save(f"lr/{number}.npy", image[::2, ::2])
    seq = NpySequence(cropped("lr/*.npy", 4), cropped("hr/*.npy", 8), seed=0, shuffle=True)
    for coarse, fine in [*seq, *seq, *seq]:
        np.testing.assert_array_equal(coarse, fine[:, ::2, ::2])


@pytest.mark.parametrize(
    "how",
    ["dict", "outputs", "take", "list", "subset", "split", "map", "pickled", "map-io", "archives"],
)
def test_every_kind_of_source_and_part_begins_alike(how: str) -> None:
    """Three resolutions beside each other, through all that a sequence makes of its rows."""
    patterns = [saved(name, scale) for name, scale in (("a", 1), ("b", 2), ("c", 6))]
    if how == "archives":
        for folder in "abc":
            for number in range(len(SIZES)):
                image = np.load(f"{folder}/{number}.npy")
                np.savez(f"{folder}/{number}.npz", aside=number, image=image)
        patterns = [f"{folder}/*.npz::image" for folder in "abc"]
    more = {"io": "map"} if how == "map-io" else {}
    a, b, c = (cropped(one, 4 * s, **more) for one, s in zip(patterns, (1, 2, 6), strict=True))
    if how == "take":
        a, b, c = (take(rows, [5, 1, 1, 3]) for rows in (a, b, c))
    if how == "list":
        a = take([take(a, [5, 4]), take(a, [3])], [0, 1, 2])
        b, c = cropped([f"b/{n}.npy" for n in (5, 4, 3)], 8), take(c, [5, 4, 3])
    x: Any = {"a": a, "b": b}
    y: Any = {"one": c, "two": np.zeros(len(a))} if how == "outputs" else c
    seq = NpySequence(x, y, batch_size=4, shuffle=True, seed=0)
    parts: Iterable[Any] = [seq]
    if how == "subset":
        parts = [seq.subset([4, 0, 2])]
    elif how == "split":
        parts = seq.split(0.5)
    elif how == "map":
        parts = [seq.map(lambda x, y: ({"a": x["a"], "b": x["b"]}, y))]
    elif how == "pickled":
        parts = [pickle.loads(pickle.dumps(seq))]
    for part in parts:
        for inputs, targets in [*part, *part]:
            fine = targets["one"] if how == "outputs" else targets
            assert all(equal(inputs["a"], inputs["b"], 2))
            assert all(equal(inputs["a"], fine, 6))


def test_headers_that_were_not_read_yet_give_the_same_crops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a pass that goes on in another process, which has read others, has the same."""
    lr, hr = saved("lr", 1), saved("hr", 2)

    def passes(begin: int, **arguments: Any) -> list[Any]:
        x, y = cropped(lr, 4, **arguments), cropped(hr, 8, **arguments)
        seq = NpySequence(x, y, batch_size=2, shuffle=True, seed=0)
        return [seq[number] for number in range(begin, 3)]

    expected = passes(0)
    assert all(all(equal(*batch, 2)) for batch in expected)
    np.testing.assert_equal(passes(0, check=False), expected)
    np.testing.assert_equal(passes(2, check=False), expected[2:])
    monkeypatch.setattr(limits, "CHECK_S", 0)
    np.testing.assert_equal(passes(1), expected[1:])


@pytest.mark.parametrize(
    ("feed", "package"),
    [
        ("get_tf_dataset", "tensorflow"),
        ("get_jax_iterator", "jax"),
        ("get_torch_dataloader", "torch"),
    ],
)
def test_fit_of_each_backend_gets_the_same_crops(feed: str, package: str) -> None:
    """Those of the passes of the sequence."""
    pytest.importorskip(package)
    x, y = cropped(saved("lr", 1), 4), cropped(saved("hr", 2), 8)

    def sequence() -> NpySequence:
        return NpySequence(x, y, batch_size=4, shuffle=True, seed=0)

    seq = sequence()
    adapter = PlannedAdapter(AdapterPlan(sequence(), shuffle=True, is_training=True))
    for _ in range(2):
        adapter.on_epoch_begin()
        for expected, batch in zip(seq, getattr(adapter, feed)(), strict=True):
            found = [np.asarray(leaf) for leaf in batch]
            np.testing.assert_equal(found, list(expected))
            assert all(equal(*found, 2))


@pytest.mark.parametrize(
    ("sizes", "length", "others", "other_length"),
    [
        pytest.param([1600, 2410, 3216], 320, [100, 151, 201], 20, id="rate-of-16"),
        pytest.param([1600, 2410, 3216], 320, [101, 151, 202], 20, id="one-frame-more"),
        pytest.param([4410, 8820, 44_100], 441, [20, 40, 200], 2, id="rate-of-220.5"),
        pytest.param([30, 60, 45], 9, [20, 40, 30], 6, id="3-to-2"),
        pytest.param([100, 64, 80], 20, [5, 3, 4], 1, id="to-one-frame"),
    ],
)
def test_frames_begin_where_the_sound_does(
    sizes: list[int], length: int, others: list[int], other_length: int
) -> None:
    """Where lengths are in a ratio of small numbers, exactly."""
    for name, all_sizes in (("s", sizes), ("l", others)):
        Path(name).mkdir()
        for number, size in enumerate(all_sizes):
            np.save(f"{name}/{number}.npy", np.arange(size))
    x = samples("s/*.npy", length=length, crop="random")
    y = samples("l/*.npy", length=other_length, crop="random")
    assert [] == warned_of(x, y)
    seq = NpySequence(x, y, shuffle=True, seed=0)
    batches = [batch for _ in range(30) for batch in seq]
    for sound, labels in batches:
        np.testing.assert_array_equal(sound[:, 0] * other_length, labels[:, 0] * length)
    assert 3 < len({int(begin) for _, labels in batches for begin in labels[:, 0]})


@pytest.mark.parametrize(
    ("sizes", "length"),
    [
        pytest.param([5, 7, 9], 1, id="annotators"),
        pytest.param([40, 61, 55], 7, id="words"),
        pytest.param([2, 3, 9], 64, id="padded"),
    ],
)
def test_crops_of_unrelated_sizes_begin_where_they_did(sizes: list[int], length: int) -> None:
    """As without a partner: nothing says which places belong together."""
    for name, all_sizes in (("s", [150, 200, 90]), ("l", sizes)):
        Path(name).mkdir()
        for number, size in enumerate(all_sizes):
            np.save(f"{name}/{number}.npy", np.arange(size))
    x = samples("s/*.npy", length=64, crop="random")
    y = samples("l/*.npy", length=length, crop="random", pad_value=-1)
    for seed in range(5):
        (one, other), *_ = NpySequence(x, y, check_names=False, seed=seed)
        np.testing.assert_array_equal(one, NpySequence(x, seed=seed)[0])
        np.testing.assert_array_equal(other, NpySequence(y, seed=seed)[0])


@pytest.mark.parametrize(
    ("crops", "sizes", "length", "is_warned"),
    [
        pytest.param(("random", "start"), SIZES, 8, True, id="forgotten-on-one-side"),
        pytest.param(("start", "random"), SIZES, 8, True, id="on-the-other"),
        pytest.param(("center", "start"), SIZES, 8, True, id="center"),
        pytest.param(("random", "center"), [(20, 24)] * 3, 8, True, id="of-one-size"),
        pytest.param(("random", "random"), SIZES, 8, False, id="given-to-both"),
        pytest.param(("start", "start"), SIZES, 8, False, id="given-to-none"),
        pytest.param(("random", "start"), SIZES, 6, False, id="another-length"),
        pytest.param(("random", "start"), SIZES, 200, False, id="unrelated-length"),
    ],
)
def test_another_kind_of_crop_at_another_resolution_is_warned_of(
    crops: Any, sizes: Any, length: int, is_warned: bool
) -> None:
    """The remedy, which the warning names, ends it."""
    x, y = saved("lr", 1, sizes), saved("hr", 2, sizes)

    def fitted(pattern: str, size: int, crop: Any) -> Rows:
        return samples(pattern, length={0: size, 1: size}, crop=crop)

    said = warned_of(fitted(x, 4, crops[0]), fitted(y, length, crops[1]))
    remedy = f"Pass crop={'random' if 'random' in crops else 'center'!r} to both"
    assert is_warned == any("same place" in one and remedy in one for one in said)
    assert is_warned == bool(said)
    crop = "random" if "random" in crops else "center"
    assert [] == warned_of(fitted(x, 4, crop), fitted(y, 8, crop))


def test_half_of_words_beside_half_of_a_sound_says_nothing() -> None:
    """Files of one size on one axis agree by chance."""
    for name, size in (("s", 128), ("w", 100)):
        Path(name).mkdir()
        for number in range(3):
            np.save(f"{name}/{number}.npy", np.arange(size))
    x = samples("s/*.npy", length=64, crop="random")
    assert [] == warned_of(x, samples("w/*.npy", length=50))
