"""A pair of files with swapped axes, or of another size than all others: said for every crop."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpySequence, samples, take
from tests.rows.test_crops import warned_of

Sizes = Sequence[tuple[int, ...]]

# Images of several sizes.
SIZES: Sizes = [(100, 80), (90, 120), (64, 200), (150, 70)]
SAME: Sizes = [(64, 48)] * 4
CUT = {0: 64, 1: 64}
PADDED = {0: 200, 1: 200}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def places(size: tuple[int, ...]) -> Any:
    """Values that say where each pixel lies."""
    return np.arange(np.prod(size), dtype="int32").reshape(size)


def saved(name: str, sizes: Sizes, turned: Sequence[int] = ()) -> str:
    """Files of these sizes, some of them saved again with their axes swapped."""
    Path(name).mkdir()
    for number, size in enumerate(sizes):
        array = places(size)
        np.save(f"{name}/{number}.npy", array.swapaxes(0, 1).copy() if number in turned else array)
    return f"{name}/*.npy"


def turn_as_said(message: str) -> None:
    """Run the code of the message, for the file that it begins with."""
    code = re.search(r"np\.save\(path, np\.load\(path\).*?\.copy\(\)\)", message)
    assert code
    exec(code[0], {"np": np, "path": message.partition(": ")[0]})


@pytest.mark.parametrize("crop", ["start", "center", "random"])
@pytest.mark.parametrize("side", ["image", "mask"])
@pytest.mark.parametrize(
    ("sizes", "length", "turned"),
    [
        pytest.param(SIZES, CUT, 1, id="cropped"),
        pytest.param(SIZES, PADDED, 1, id="padded"),
        pytest.param(SIZES, {0: 100, 1: 100}, 0, id="cut-and-padded"),
        pytest.param(SAME, {0: 64, 1: 48}, 2, id="of-one-size"),
        pytest.param([(64, 64), (64, 64), (30, 70)], CUT, 2, id="beside-squares"),
        pytest.param([(100, 80), (90, 120)], CUT, 0, id="one-of-two"),
        pytest.param([(*size, 3) for size in SIZES], CUT, 3, id="channels"),
    ],
)
def test_a_file_with_swapped_axes_is_named_with_its_partner(
    crop: Any, side: str, sizes: Sizes, length: dict[int, int], turned: int
) -> None:
    """Only its pixels lie beside others; and the remedy ends the warning."""
    images = saved("image", sizes, [turned] * (side == "image"))
    masks = saved("mask", sizes, [turned] * (side == "mask"))

    def both(**how: Any) -> tuple[Any, Any]:
        return samples(images, length=length, **how), samples(masks, length=length, **how)

    (message,) = warned_of(*both(crop=crop))
    # Whose axes are swapped only files of one size tell.
    assert f"{side if sizes is SAME else 'mask'}/{turned}.npy: " in message
    assert f"{'image' if side == 'mask' or sizes is not SAME else 'mask'}/{turned}.npy, pair" in (
        message
    )
    assert f"pair {turned + 1} of {len(sizes)}: the axes of one seem swapped." in message
    x, y = both()
    assert [turned] == [at for at in range(len(sizes)) if not np.array_equal(x[at], y[at])]
    assert [] == warned_of(*both(crop=crop), check_names=False)
    turn_as_said(message)
    assert [] == warned_of(*both(crop=crop))
    if f"{side}/{turned}.npy: " in message:
        np.testing.assert_array_equal(*(rows[:] for rows in both()))


@pytest.mark.parametrize("turned", [range(4), range(1, 4)], ids=["all", "most"])
def test_masks_that_are_all_turned_are_named(turned: Sequence[int]) -> None:
    """Such as those made by a program that takes the width first."""
    images, masks = saved("image", SIZES), saved("mask", SIZES, turned)
    (message,) = warned_of(samples(images, length=CUT), samples(masks, length=CUT))
    more = len(turned) - 1
    assert f", pair {turned[0] + 1} of 4, and {more} more pairs: the axes of one" in message
    for number in turned:
        turn_as_said(f"mask/{number}.npy: {message}")
    assert [] == warned_of(samples(images, length=CUT), samples(masks, length=CUT))


@pytest.mark.parametrize(
    "how", ["list", "dict", "weights", "take", "ratio", "depth", "whole", "array", "archive"]
)
def test_swapped_axes_are_seen_in_every_kind_of_source(how: str) -> None:
    """Joined, several inputs, maps of weights, chosen, masks of another scale, volumes."""
    sizes = SAME if how in ("whole", "array") else SIZES
    length = {0: 64, 1: 48} if sizes is SAME else CUT
    x = samples(saved("image", sizes), length=length)
    y: Any = samples(saved("mask", sizes, [1]), length=length)
    if how == "list":
        said = warned_of([take(x, [0]), take(x, [1, 2, 3])], y)
    elif how == "dict":
        said = warned_of({"aside": np.zeros(4), "x": x}, {"y": y})
    elif how == "weights":
        said = warned_of(x, np.zeros(4), sample_weight=y)
    elif how == "take":
        assert [] == warned_of(take(x, [0, 2, 3]), take(y, [0, 2, 3]))
        said = warned_of(take(x, [2, 1]), take(y, [2, 1]))
        assert "pair 2 of 2" in said[0]
    elif how == "ratio":
        larger = samples(saved("large", [(4 * h, 4 * w) for h, w in SIZES]), length={0: 9, 1: 9})
        said = warned_of(larger, y)
    elif how == "depth":
        volumes: Sizes = [(8 + n, *size) for n, size in enumerate(SIZES)]
        boxes = {0: 8, 1: 64, 2: 64}
        pattern = saved("volume", volumes)
        np.save("volume/1.npy", places(volumes[1]).transpose(1, 2, 0))
        said = warned_of(
            samples(pattern, length=boxes), samples(saved("other", volumes), length=boxes)
        )
        assert "np.load(path).transpose(1, 2, 0).copy()" in said[0]
        # It turns the file that the message names, and the two are of one size again.
        turn_as_said(said[0])
        assert [] == warned_of(samples(pattern, length=boxes), samples("other/*", length=boxes))
    elif how == "whole":
        said = warned_of(samples("image/*.npy"), y)
    elif how == "array":
        said = warned_of(np.zeros((4, 64, 48, 3)), y)
    else:
        for name in ("image", "mask"):
            for number in range(4):
                np.savez(f"{name}/{number}.npz", a=np.load(f"{name}/{number}.npy"))
        said = warned_of(*(samples(f"{name}/*.npz::a", length=CUT) for name in ("image", "mask")))
        assert "save the archive again, with array.T.copy() as this member" in said[0]
        np.savez("mask/1.npz", a=np.load("mask/1.npy").T.copy())
        assert [] == warned_of(
            *(samples(f"{name}/*.npz::a", length=CUT) for name in ("image", "mask"))
        )
    assert ["the axes of one seem swapped"] * len(said) == [
        one.partition(": the ")[2].join(("the ", ""))[:28] for one in said
    ]
    assert 1 == len(said)


@pytest.mark.parametrize("crop", ["start", "center", "random"])
@pytest.mark.parametrize("length", [CUT, PADDED], ids=["cropped", "padded"])
def test_a_mask_of_another_image_is_named(crop: Any, length: dict[int, int]) -> None:
    """Where all other pairs are of one size each."""
    others = [*SIZES[:3], (180, 95)]
    images, masks = saved("image", SIZES), saved("mask", others)
    x, y = (samples(one, length=length, crop=crop) for one in (images, masks))
    (message,) = warned_of(x, y)
    assert "/mask/3.npy: " in message
    assert "(180, 95) here, beside (150, 70) in " in message or "of (180, 95) here" in message
    assert "pair 4 of 4" in message
    assert [] == warned_of(x, y, check_names=False)
    # The remedy: leave both out, or save it again.
    assert [] == warned_of(take(x, range(3)), take(y, range(3)))
    np.save("mask/3.npy", places(SIZES[3]))
    assert [] == warned_of(x, samples(masks, length=length, crop=crop))


TALL: Sizes = [(60, 40), (72, 40), (90, 40), (81, 40)]


@pytest.mark.parametrize(
    ("sizes", "length", "others", "other_length"),
    [
        pytest.param(SIZES, CUT, SIZES, CUT, id="equal"),
        pytest.param(SIZES, CUT, [(h - 12, w - 12) for h, w in SIZES], CUT, id="lost-edges"),
        pytest.param(SIZES, CUT, [*SIZES[:3], (149, 72)], CUT, id="a-frame-or-two"),
        pytest.param(
            [(4 * h, 4 * w) for h, w in SIZES], CUT, SIZES, {0: 16, 1: 16}, id="four-times"
        ),
        pytest.param(SIZES, CUT, [(3, 4), (4, 3), (7, 4), (2, 4)], CUT, id="boxes"),
        pytest.param(
            [(480, 320), (300, 400), (500, 500)], CUT, [(3, 4), (4, 4), (5, 5)], CUT, id="few-boxes"
        ),
        pytest.param(SIZES, CUT, [(50, 33), (31, 80), (70, 12), (99, 98)], CUT, id="unrelated"),
        pytest.param(TALL, CUT, [*TALL[:3], (30, 40)], CUT, id="a-series-that-ends-earlier"),
        pytest.param(TALL, CUT, [(60, 7), (72, 7), (90, 7), (50, 7)], CUT, id="sound-and-tags"),
        pytest.param(SIZES[:2], CUT, [SIZES[0], (50, 33)], CUT, id="of-two"),
        pytest.param(
            SIZES,
            {0: 64, 1: 32},
            [(w, h) for h, w in SIZES],
            {0: 32, 1: 64},
            id="turned-on-purpose",
        ),
        pytest.param([(64, 48)] * 3, CUT, [(48, 64)] * 3, CUT, id="frequency-and-time"),
        pytest.param(
            [(50,), (60,), (70,), (80,)], {0: 9}, [(50,), (60,), (70,), (9,)], {0: 9}, id="words"
        ),
    ],
)
def test_other_sizes_are_accepted(
    sizes: Sizes, length: Any, others: Sizes, other_length: Any
) -> None:
    """Of what is cropped at its start, and padded."""
    x = samples(saved("a", sizes), length=length)
    y = samples(saved("b", others), length=other_length)
    assert [] == warned_of(x, y)


def test_images_padded_beforehand_are_accepted() -> None:
    """Masks are padded here to what the images are."""
    masks = samples(saved("mask", [*SAME, (30, 20)]), length={0: 64, 1: 48})
    assert [] == warned_of(np.zeros((5, 64, 48)), masks)


@pytest.mark.parametrize(
    ("sizes", "turned", "length", "code"),
    [
        pytest.param(SAME, 2, None, "np.load(path).T.copy()", id="of-one-size"),
        pytest.param(
            [(64, 48, 3)] * 3, 1, None, "np.load(path).transpose(1, 0, 2).copy()", id="channels"
        ),
        pytest.param([(9, 5), (7, 5), (8, 5)], 1, {0: 6}, "np.load(path).T.copy()", id="series"),
    ],
)
def test_a_sample_of_another_shape_is_looked_at_for_swapped_axes(
    sizes: Sizes, turned: int, length: Any, code: str
) -> None:
    """Before `length=`, which would pad and crop it."""
    pattern = saved("a", sizes, [turned])
    how = {} if length is None else {"length": length}
    with pytest.raises(NpyFileError) as caught:
        samples(pattern, **how)
    message = str(caught.value)
    assert f". Look whether its axes are swapped first: np.save(path, {code}) turns" in message
    turn_as_said(message)
    samples(pattern, **how)
    assert np.array_equal(places(sizes[turned]), np.load(f"a/{turned}.npy"))


@pytest.mark.parametrize("odd", [(64, 50), (64, 48, 1), (64,)], ids=str)
def test_a_sample_of_any_other_shape_is_refused_as_before(odd: tuple[int, ...]) -> None:
    """No axes are swapped."""
    pattern = saved("a", SAME)
    np.save("a/1.npy", places(odd))
    with pytest.raises(NpyFileError, match=r"0\.npy\. Convert this file, leave it out, or pass l"):
        samples(pattern)


def test_a_sequence_of_one_source_says_nothing() -> None:
    """There is no partner to compare with."""
    assert 4 == NpySequence(samples(saved("a", SIZES, [1]), length=CUT)).num_samples
