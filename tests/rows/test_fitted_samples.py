"""Samples of different length: cropped and padded as asked for, and looked at beforehand."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import (
    NpyFileError,
    NpyLayoutWarning,
    NpySequence,
    convert,
    errors,
    open_rows,
    samples,
    take,
    windows,
)
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.rows import samples as limits
from keras_npy.rows.base import Rows
from keras_npy.rows.sources import expand

SIZES = [4, 7, 2, 5, 9, 4, 3, 30]


def recording(number: int, size: int) -> np.ndarray:
    """Steps that say which recording and which step they are, in two columns."""
    return np.arange(size)[:, None] + np.array([100 * number, 100 * number + 50])


@pytest.fixture
def pattern(tmp_path: Path) -> str:
    for number, size in enumerate(SIZES):
        np.save(tmp_path / f"r{number}.npy", recording(number, size).astype("int16"))
    return f"{tmp_path}/r*.npy"


def fitted(number: int, begin: int, length: int, pad_value: int = 0) -> np.ndarray:
    part = recording(number, SIZES[number])[begin : begin + length]
    return np.pad(part, ((0, length - len(part)), (0, 0)), constant_values=pad_value)


@pytest.mark.parametrize("length", [1, 4, 9, 40])
@pytest.mark.parametrize("crop", ["start", "center"])
@pytest.mark.parametrize("pad_value", [0, -1])
def test_samples_are_cropped_and_padded_to_one_length(
    pattern: str, length: int, crop: Any, pad_value: int
) -> None:
    """Padded behind the end; cropped at the start, or around the middle."""
    rows = samples(pattern, length=length, pad_value=pad_value, crop=crop)
    assert ((8, length, 2), "int16") == (rows.shape, rows.dtype)
    for number, size in enumerate(SIZES):
        begin = max(size - length, 0) // 2 if crop == "center" else 0
        np.testing.assert_array_equal(fitted(number, begin, length, pad_value), rows[number])


def test_length_of_named_axes_leaves_the_others_alone(tmp_path: Path) -> None:
    """Counted from either end."""
    shapes = [(2, 3, 4), (2, 5, 3), (2, 1, 9)]
    arrays = [np.random.default_rng(0).random(shape) for shape in shapes]
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", np.asarray(array, order="CF"[number % 2]))
    expected = np.full((3, 2, 4, 4), np.nan)
    for number, array in enumerate(arrays):
        part = array[:, :4, :4]
        expected[number, :, : part.shape[1], : part.shape[2]] = part
    for lengths in ({1: 4, 2: 4}, {-1: 4, 1: 4}):
        rows = samples(f"{tmp_path}/*.npy", length=lengths, pad_value=np.nan)
        np.testing.assert_array_equal(expected, rows[:])


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("how", [np.savez, np.savez_compressed])
def test_members_of_archives_are_fitted_too(tmp_path: Path, how: Any) -> None:
    """As files are."""
    for number, size in enumerate(SIZES[:4]):
        how(tmp_path / f"r{number}.npz", x=recording(number, size).astype("int16"))
    rows = samples(f"{tmp_path}/r*.npz::x", length=3, crop="center", check=False)
    np.testing.assert_array_equal(fitted(1, 2, 3), rows[1])
    np.testing.assert_array_equal(fitted(2, 0, 3), rows[2])


@pytest.mark.parametrize("how", ["list", "pattern"])
@pytest.mark.parametrize("kind", ["compressed", "fortran"])
def test_samples_of_different_length_in_a_slow_layout_say_how_to_convert_each(
    tmp_path: Path, kind: str, how: str
) -> None:
    """They fit into no common file; the line is executed."""
    source: Any = f"{tmp_path}/r*.npy"
    for number, size in enumerate(SIZES):
        array = recording(number, size)
        if kind == "fortran":
            np.save(tmp_path / f"r{number}.npy", np.asfortranarray(array))
        else:
            np.savez_compressed(tmp_path / f"r{number}.npz", x=array)
            source = f"{tmp_path}/r*.npz::x"
    with pytest.warns(NpyLayoutWarning, match="To convert each, in Python: `") as warned:
        before = samples(expand(source) if how == "list" else source, length=4)[:]
    exec(str(warned[0].message).split("`")[1], {})
    errors.SAID.clear()
    np.testing.assert_array_equal(before, samples(f"{tmp_path}/r*.npy", length=4)[:])


def random_sequence(pattern: str, **arguments: Any) -> NpySequence:
    rows = samples(pattern, length=3, crop="random")
    return NpySequence(rows, np.arange(8), **{"batch_size": 3, "seed": 5, **arguments})


def begins_of(x: np.ndarray, y: np.ndarray) -> dict[int, int]:
    """Where the crop of each sample begins; each must be one whole stretch of its recording."""
    begins = {}
    for crop, number in zip(np.asarray(x), np.asarray(y).tolist(), strict=True):
        begin = int(crop[0, 0]) - 100 * number
        np.testing.assert_array_equal(fitted(number, begin, 3), crop)
        begins[number] = begin
    return begins


def begins_of_pass(batches: Any) -> dict[int, int]:
    begins: dict[int, int] = {}
    for x, y in batches:
        begins |= begins_of(x, y)
    return begins


def test_random_crops_differ_from_pass_to_pass_and_are_those_of_the_seed(pattern: str) -> None:
    """Whatever the batch size, the feed and the order."""
    seq = random_sequence(pattern, shuffle=True)
    passes = [begins_of_pass(seq) for _ in range(20)]
    assert set(range(8)) == set(passes[0])
    # Sample 7 has 28 places, sample 3 has 3, and all are drawn.
    assert 8 < len({begins[7] for begins in passes})
    assert {0, 1, 2} == {begins[3] for begins in passes}
    assert {0} == {begins[2] for begins in passes}
    for arguments in ({}, {"batch_size": 8}, {"shuffle": "batch"}):
        again = random_sequence(pattern, **{"shuffle": True, **arguments})
        assert passes[:3] == [begins_of_pass(again) for _ in range(3)]
    pickled = pickle.loads(pickle.dumps(random_sequence(pattern, shuffle=True)))
    assert passes[:1] == [begins_of_pass(pickled)]
    assert passes[0] != begins_of_pass(random_sequence(pattern, shuffle=True, seed=6))


@pytest.mark.parametrize(
    ("feed", "package"),
    [
        ("get_tf_dataset", "tensorflow"),
        ("get_jax_iterator", "jax"),
        ("get_torch_dataloader", "torch"),
    ],
)
def test_random_crops_in_fit_are_those_of_the_passes_and_of_pass_0_elsewhere(
    pattern: str, feed: str, package: str
) -> None:
    """In file order too; on TensorFlow, JAX and torch alike."""
    pytest.importorskip(package)
    seq = random_sequence(pattern, shuffle=True)
    expected = [begins_of_pass(seq) for _ in range(3)]
    for shuffle in (True, False):
        seq = random_sequence(pattern)
        adapter = PlannedAdapter(AdapterPlan(seq, shuffle=shuffle, is_training=True))
        for begins in expected:
            adapter.on_epoch_begin()
            assert begins == begins_of_pass(getattr(adapter, feed)())
        evaluation = PlannedAdapter(AdapterPlan(seq))
        for _ in range(2):
            evaluation.on_epoch_begin()
            assert expected[0] == begins_of_pass(getattr(evaluation, feed)())
        assert expected[0] == begins_of_pass(seq)


def test_random_crops_of_image_and_mask_are_the_same(pattern: str, tmp_path: Path) -> None:
    """Two sources of equal sizes; also through maps, parts and take."""
    for number, size in enumerate(SIZES):
        np.save(tmp_path / f"m{number}.npy", recording(number, size)[:, :1] % 7)
    masks = samples(f"{tmp_path}/m*.npy", length=3, crop="random")
    seq = NpySequence(
        samples(pattern, length=3, crop="random"), masks, batch_size=3, shuffle=True, seed=1
    )
    chosen = [7, 7, 4, 1]
    taken = NpySequence(
        take(samples(pattern, length=3, crop="random"), chosen), take(masks, chosen), shuffle=True
    )
    for part in (seq, seq.map(lambda x, y: (x, y)), seq.subset([7, 1]), *seq.split(0.5), taken):
        for image, mask in part:
            is_padding = (image[:, :, :1] == 0) & (np.arange(3)[:, None] > 0)
            np.testing.assert_array_equal(np.where(is_padding, 0, image[:, :, :1] % 7), mask)


def test_random_crops_of_a_row_are_the_same_however_files_are_listed(tmp_path: Path) -> None:
    """The number of the row in the sequence decides, not that in a list of files."""
    for number in range(4):
        for name in ("img", "msk"):
            np.save(tmp_path / f"{name}{number}.npy", np.arange(2000) + 10_000 * number)

    def crops(*names: str) -> Rows:
        return samples([tmp_path / f"{name}.npy" for name in names], length=5, crop="random")

    images, masks = crops("img0", "img1", "img2", "img3"), crops("msk0", "msk1", "msk2", "msk3")
    part = NpySequence(images).subset([3, 2])
    pairs: list[tuple[Any, Any]] = [
        (take(images, [2, 3]), crops("msk2", "msk3")),
        ([crops("img0"), crops("img1", "img2", "img3")], masks),
        (
            [crops("img0"), crops("img1", "img2", "img3")],
            [crops("msk0", "msk1"), crops("msk2", "msk3")],
        ),
        (part.x, crops("msk3", "msk2")),
        (take([crops("img0"), images], [4, 1]), crops("msk3", "msk0")),
    ]
    for x, y in pairs:
        seq = NpySequence({"a": x, "b": y}, batch_size=3, shuffle=True, seed=0)
        for batch in [*seq, *seq, *seq.subset([1, 0])]:
            np.testing.assert_array_equal(batch["a"], batch["b"])


def test_random_crops_beside_other_crops_are_warned_of(pattern: str) -> None:
    """Unless the sizes differ, as those of two modalities do, or the user means it."""
    at_random = samples(pattern, length=3, crop="random")
    for crop in ("start", "center"):
        others = samples(pattern, length=3, crop=crop)
        for x, y in ((at_random, take(others, slice(None))), (others, at_random)):
            with pytest.warns(UserWarning, match=rf"same place.*{crop}.*'random' to both calls"):
                NpySequence(x, y)
        NpySequence(at_random, others, check_names=False)
        NpySequence([at_random, others], [at_random, others])
    NpySequence(at_random, samples(pattern, length=4))


@pytest.mark.parametrize(
    ("sizes", "length", "crop", "is_warned"),
    [
        pytest.param([14, 20, 9, 3, 8], 6, {}, True, id="shorter-crops"),
        pytest.param([13, 19, 8, 2, 7], 8, {}, True, id="shorter-files"),
        pytest.param([14, 20, 9, 3, 8], 8, {}, False, id="same"),
        pytest.param([12, 18, 7, 1, 6], 8, {}, True, id="files-two-shorter"),
        pytest.param([28, 40, 18, 6, 16], 16, {}, False, id="twice-as-large"),
        pytest.param([29, 41, 19, 7, 17], 16, {}, False, id="nearly"),
        pytest.param([14, 20, 9, 3, 8], 6, {"check_names": False}, False, id="meant"),
    ],
)
def test_random_crops_of_other_sizes_are_warned_of(
    tmp_path: Path, sizes: list[int], length: int, crop: Any, is_warned: bool
) -> None:
    """They begin in other places, unless files and crops are as many times larger."""
    for number, (size, other) in enumerate(zip([14, 20, 9, 3, 8], sizes, strict=True)):
        np.save(tmp_path / f"a{number}.npy", np.arange(size))
        np.save(tmp_path / f"b{number}.npy", np.arange(other))
    one = samples(f"{tmp_path}/a*.npy", length=8, crop="random")
    other = samples(f"{tmp_path}/b*.npy", length=length, crop="random")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seq = NpySequence(one, other, batch_size=5, shuffle=True, seed=0, **crop)
    said = [str(warning.message) for warning in caught]
    remedy = "Make files that belong together of one size"
    if length != 8:
        remedy = "Give both the same length="
    assert is_warned == any(f"{remedy}; check_names" in message for message in said)
    if length == 8 and not is_warned:
        np.testing.assert_array_equal(*seq[0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NpySequence(take(one, [4, 1]), take(other, [4, 1]), **crop)
    # Of the pairs that are chosen, not of the first files.
    assert is_warned == bool(caught)


def test_random_crops_read_outside_of_a_pass_are_those_at_the_middle(
    pattern: str, tmp_path: Path
) -> None:
    """Indexed, and converted."""
    rows = samples(pattern, length=3, crop="random")
    convert(rows, tmp_path / "all.npy")
    for number, size in enumerate(SIZES):
        expected = fitted(number, (max(size - 3, 0) + 1) // 2, 3)
        np.testing.assert_array_equal(expected, rows[number])
        np.testing.assert_array_equal(expected, np.load(tmp_path / "all.npy")[number])
    with pytest.raises(TypeError, match=r"differ from pass to pass.*windows.*crop='start'"):
        windows(rows, sequence_length=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"length": 0}, ValueError, r"length of axis 0 must be at least 1", id="0"),
        pytest.param({"length": 2.0}, TypeError, r"length of axis 0 must be an int", id="2.0"),
        pytest.param({"length": {2: 3}}, ValueError, r"axis 2 for .*r0\.npy of shape", id="axis"),
        pytest.param({"length": {"x": 3}}, ValueError, r"axis 'x'.*one of its 2 axes", id="name"),
        pytest.param({"length": 3, "crop": "end"}, ValueError, r"crop='end'", id="crop"),
        pytest.param({"length": 3, "pad_value": 0.5}, ValueError, r"0\.5 for int16", id="half"),
        pytest.param({"length": 3, "pad_value": 40000}, ValueError, r"40000 for int16", id="large"),
    ],
)
def test_length_that_cannot_be_is_refused(
    pattern: str, arguments: Any, error: type[Exception], message: str
) -> None:
    """At once."""
    with pytest.raises(error, match=message):
        samples(pattern, **arguments)


def test_all_files_that_differ_are_named_at_once(tmp_path: Path) -> None:
    """Of another shape or dtype, cut short, empty and no .npy, before anything trains."""
    for number in range(120):
        np.save(tmp_path / f"s{number}.npy", np.full((3, 4), number))
    np.save(tmp_path / "s5.npy", np.zeros((3, 5), int))
    np.save(tmp_path / "s77.npy", np.zeros((3, 4), "float32"))
    (tmp_path / "s8.npy").write_bytes((tmp_path / "s8.npy").read_bytes()[:-1])
    (tmp_path / "s9.npy").write_bytes(b"")
    (tmp_path / "s10.npy").write_bytes(b"<html>")
    with pytest.raises(NpyFileError, match=r"^/.*s5\.npy: each sample must") as raised:
        samples(f"{tmp_path}/s*.npy")
    text = str(raised.value)
    named = re.findall(r"^  \S*/(s\d+)\.npy: ", text, re.MULTILINE)
    assert ["s5", "s8", "s9", "s10", "s77"] == named
    assert "5 of 120 files" in text
    for part in ("(3, 5)", "float32", "truncated", "an empty file", "an HTML page", "length="):
        assert part in text
    # The remedy: leave them out.
    good = [tmp_path / f"s{number}.npy" for number in range(120) if f"s{number}" not in named]
    assert (115, 3, 4) == samples(good).shape


@pytest.mark.parametrize("length", [None, 3])
def test_the_others_are_named_too_if_the_first_cannot_be_read(
    tmp_path: Path, length: int | None
) -> None:
    """The first file that can be read is what they are compared with."""
    for number in range(6):
        np.save(tmp_path / f"s{number}.npy", np.full((3, 4), number))
    for number in (0, 1):
        (tmp_path / f"s{number}.npy").write_bytes(b"<html>")
    np.save(tmp_path / "s3.npy", np.zeros((3, 5), int))
    with pytest.raises(NpyFileError, match=r"^/.*s0\.npy: each sample must") as raised:
        samples(f"{tmp_path}/s*.npy", length=length)
    text = str(raised.value)
    assert ["s0", "s1", "s3"] == re.findall(r"^  \S*/(s\d+)\.npy: ", text, re.MULTILINE)
    assert "3 of 6 files" in text
    assert "odd one" not in text


def test_a_first_file_unlike_the_others_is_called_the_odd_one(tmp_path: Path) -> None:
    """It is one file to mend, and not all of the others."""
    for number in range(6):
        np.save(tmp_path / f"s{number}.npy", np.zeros((3, 4 + (number == 0))))
    with pytest.raises(
        NpyFileError, match=r"5 of 6 files .*, so the first file may be the odd one"
    ):
        samples(f"{tmp_path}/s*.npy")


def test_files_that_differ_where_length_does_not_say_so_are_named(pattern: str) -> None:
    """In another axis, or their dtype."""
    np.save(pattern.replace("*", "2"), np.zeros((2, 3), "int16"))
    with pytest.raises(NpyFileError, match=r"r2\.npy: .*axes of length= \(0\).*\(2, 3\)\."):
        samples(pattern, length=4)
    assert (8, 4, 2) == samples(pattern, length={0: 4, 1: 2}).shape


@pytest.mark.parametrize("check", [None, True, False])
def test_check_stops_after_a_second_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: bool | None
) -> None:
    """Here after no time at all: the second file is looked at, the last one is not."""
    monkeypatch.setattr(limits, "CHECK_S", 0)
    for number in range(9):
        np.save(tmp_path / f"s{number}.npy", np.zeros(3 if number < 8 else 4))
    if check:
        with pytest.raises(NpyFileError, match=r"s8\.npy: each sample"):
            samples(f"{tmp_path}/s*.npy", check=check)
        return
    assert (9, 3) == open_rows(samples(f"{tmp_path}/s*.npy", check=check)).shape
