"""Files of x and y that are paired by position must be partners by their names."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, open_rows, samples, take, windows
from keras_npy.rows.pairs import compare_names

# The data of archives is not aligned.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


def named(pattern: str, numbers: Any) -> list[str]:
    return [pattern.format(number) for number in numbers]


DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]

NAMES = [
    pytest.param(named("img/{}", (1, 2, 3)), named("msk/{}", (1, 2, 3)), "partners", id="folders"),
    pytest.param(
        named("case_{}.npy", (2, 9, 10)),
        named("case_{}_mask.npy", (2, 9, 10)),
        "partners",
        id="end",
    ),
    pytest.param(
        named("{}.npy", (2, 9, 10)), named("{:04}_seg.npy", (2, 9, 10)), "partners", id="zeros"
    ),
    pytest.param(
        named("case_{}/t1_256.npy", (2, 9)),
        named("case_{}/seg_1.npy", (2, 9)),
        "partners",
        id="cases",
    ),
    pytest.param(["ann/t1", "bo/t1"], ["ann/seg", "bo/seg"], "partners", id="words"),
    pytest.param(
        ["ann_1", "ann_2", "bo_1"], ["1_of_ann", "2_of_ann", "1_of_bo"], "partners", id="turned"
    ),
    pytest.param(named("x_{}", DAYS), named("y_{}_v2", DAYS), "partners", id="dates"),
    pytest.param(
        ["case1_v1", "case2_v2", "case3_v1"],
        ["case1_v3", "case2_v1", "case3_v1"],
        "partners",
        id="versions",
    ),
    pytest.param(
        ["1_at_1711", "2_at_1715"], ["1_at_1802", "2_at_1803"], "partners", id="times-of-day"
    ),
    pytest.param(["a3f9", "77e0", "beef"], ["a3f9", "77e0", "beef"], "partners", id="hashes"),
    pytest.param(["1", "1", "2", "2"], ["1_1", "1_2", "2_1", "2_2"], "partners", id="captions"),
    pytest.param(["x", "y"], ["p", "q"], "unknown", id="nothing-alike"),
    pytest.param(["1", "1", "2"], ["1_c", "2_c", "3_c"], "unknown", id="numbered-captions"),
    pytest.param(["x_train", "x_test"], ["y_train", "y_test"], "partners", id="named-parts"),
    pytest.param(
        ["a_2024-01-05_1", "a_2024-02-09_2"], ["l_1", "l_2"], "partners", id="more-on-one-side"
    ),
    pytest.param(["x_train", "x_test"], ["y_test", "y_train"], "differ", id="turned-parts"),
    pytest.param(["LEFT_1", "RIGHT_1"], ["right_1", "left_1"], "differ", id="capitals"),
    pytest.param(["Ann", "Bo"], ["ann_m", "bo_m"], "partners", id="other-capitals"),
    pytest.param(
        ["p1_s1", "p1_s2", "p2_s1"], ["p1_s1_m", "p2_s1_m", "p1_s2_m"], "differ", id="turned-pairs"
    ),
    pytest.param(
        ["p1_s1", "p1_s2", "p2_s1", "p2_s2"],
        ["s1_p1", "s2_p1", "s1_p2", "s2_p2"],
        "partners",
        id="turned-words",
    ),
    pytest.param(
        ["2024-01-02", "2024-02-01"], ["2024-02-01", "2024-01-02"], "doubtful", id="day-or-month"
    ),
    pytest.param(named("t1_{}", (11, 12)), named("t2_{}", (31, 32)), "unknown", id="other-numbers"),
    pytest.param(["a3f9", "77e0", "beef"], ["c0", "d4d5", "11a"], "unknown", id="other-hashes"),
    pytest.param(["a3f9", "77e0", "beef"], ["a3f9", "beef", "c0d1"], "differ", id="hash-missing"),
    pytest.param(["3f2a", "a91c", "b0"], ["3f2a", "a91d", "b0"], "doubtful", id="letter-of-a-hash"),
    pytest.param(["1_v2", "2", "3"], ["1", "2", "3"], "doubtful", id="a-version"),
    pytest.param(["ann", "bo", "bo_1"], ["ann", "bo", "bo_01"], "partners", id="zeros-in-some"),
    pytest.param(named("x{}", range(9)), named("y{}", range(1, 10)), "doubtful", id="from-0-and-1"),
    pytest.param(named("x{}", (1, 50, 700)), named("y{}", (1, 2, 3)), "doubtful", id="renumbered"),
    pytest.param(named("{}", (1, 2, 3, 4)), named("{}", (1, 3, 4, 5)), "differ", id="one-missing"),
    pytest.param(named("{}", (1, 2, 3)), named("{}_m", (1, 2, 4)), "differ", id="the-last-missing"),
    pytest.param(named("{}", (1, 2, 10)), named("{}", (1, 10, 2)), "differ", id="sorted-as-text"),
    pytest.param(["ann", "bo", "cy"], ["ann", "cy", "di"], "differ", id="a-word-is-missing"),
    pytest.param(
        ["ann/1", "ann/2", "bo/1"], ["ann/1", "bo/1", "bo/2"], "differ", id="a-slice-is-missing"
    ),
    pytest.param(
        named("x/{}", DAYS),
        named("y/{}", [*DAYS[1:], DAYS[0]]),
        "differ",
        id="turned-days",
    ),
]


@pytest.mark.parametrize(("names", "others", "kind"), NAMES)
def test_names_say_whether_files_are_partners(
    names: list[str], others: list[str], kind: str
) -> None:
    """Whichever side is x, and whatever folders the files lie in."""
    for one, other in ((names, others), (others, names)):
        assert kind == compare_names(one, other).kind
        beside = [f"/data/2024/set 7/{name}" for name in other]
        assert kind == compare_names([f"/other/{name}.npy" for name in one], beside).kind


def save(folder: Path, numbers: Any, first: int = 0, shape: tuple[int, ...] = (2,)) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        np.save(folder / f"{number}.npy", np.full(shape, first + number))
    return [folder / f"{number}.npy" for number in numbers]


def as_samples(paths: list[Path]) -> Any:
    return samples(paths)


def as_pattern_of_samples(paths: list[Path]) -> Any:
    return samples(paths[0].parent / "*.npy")


def as_shards(paths: list[Path]) -> Any:
    return paths


def as_a_list_of_samples(paths: list[Path]) -> Any:
    return [samples(paths[:2]), samples(paths[2:])]


def as_a_subset(paths: list[Path]) -> Any:
    return NpySequence(samples([paths[0], *paths])).subset(slice(1, None)).x


def as_members(paths: list[Path]) -> Any:
    for path in paths:
        np.savez(path.with_suffix(".npz"), data=np.load(path))
    return [f"{path.with_suffix('.npz')}::data" for path in paths]


def as_windows(paths: list[Path]) -> Any:
    return windows(paths, sequence_length=2)


SOURCES = [
    *(as_samples, as_pattern_of_samples, as_shards, as_a_list_of_samples, as_a_subset),
    *(as_members, as_windows),
]

STRUCTURES: list[Callable[[Any, Any], tuple[Any, ...]]] = [
    lambda one, other: (one, other),
    lambda one, other: ({"a": one, "b": other},),
    lambda one, other: (one, one, other),
    lambda one, other: (one, (one, {"c": other})),
]


@pytest.mark.parametrize("make", SOURCES)
def test_sequence_of_files_that_are_no_partners_is_refused(tmp_path: Path, make: Any) -> None:
    """Both are named, and so are those without a partner; without these, the rows are right."""
    images, masks = save(tmp_path / "img", (1, 2, 3, 4)), save(tmp_path / "msk", (1, 3, 4, 5), 100)
    message = (
        r"msk/3\.np.*must agree.*Received: .*img/2\.np.* with .*msk/3\.np.*pair 2 of 4.*"
        r"Without a partner: .*img/2\.np.*, .*msk/5\.np.*Leave these files out"
    )
    for structure in STRUCTURES:
        with pytest.raises(ValueError, match=message):
            NpySequence(*structure(make(images), make(masks)))
    # What the remedy says.
    images[1].unlink()
    masks[3].unlink()
    x, y = NpySequence(make(images[:1] + images[2:]), make(masks[:3]))[0]
    np.testing.assert_array_equal(x + 100, y)


def test_sequence_of_files_that_are_meant_pairs_them_in_order(tmp_path: Path) -> None:
    """check_names=False says so."""
    images, masks = save(tmp_path / "img", (1, 2, 3, 4)), save(tmp_path / "msk", (1, 3, 4, 5))
    x, y = NpySequence(samples(images), samples(masks), check_names=False)[0]
    assert ([1, 2, 3, 4], [1, 3, 4, 5]) == (x[:, 0].tolist(), y[:, 0].tolist())
    with pytest.raises(TypeError, match=r"check_names must be True or False.*'no'"):
        NpySequence(samples(images), check_names="no")


def test_sequence_of_files_that_may_be_no_partners_warns(tmp_path: Path) -> None:
    """Forecasts have the next day as their target, and may say that this is meant."""
    days, next_days = save(tmp_path / "x", range(1, 9)), save(tmp_path / "y", range(2, 10))
    with pytest.warns(UserWarning, match=r"y/2\.npy: .*x/1\.npy with .*pair 1 of 8") as caught:
        NpySequence(samples(days), samples(next_days))
    assert __file__ == caught[0].filename
    NpySequence(samples(days), samples(next_days), check_names=False)


@pytest.mark.parametrize("make", [as_samples, as_shards, as_a_list_of_samples])
def test_sequence_of_files_in_another_order_is_refused(tmp_path: Path, make: Any) -> None:
    """None is without a partner: the remedy is to list them alike."""
    images, masks = save(tmp_path / "img", (1, 2, 10)), save(tmp_path / "msk", (1, 2, 10))
    with pytest.raises(
        ValueError, match=r"img/2\.npy with .*msk/10\.npy.*List the files of both in"
    ):
        NpySequence(make(images), make(sorted(masks)))


def test_sequence_compares_all_sources_of_as_many_files(tmp_path: Path) -> None:
    """Also if the first source lies in fewer."""
    images, masks = save(tmp_path / "img", (1, 2, 10)), save(tmp_path / "msk", (1, 2, 10))
    halves = save(tmp_path / "other", (1,), shape=(1,)) + save(tmp_path / "other", (2,), shape=(2,))
    with pytest.raises(ValueError, match=r"img/2\.npy with .*msk/10\.npy"):
        NpySequence({"a": halves, "b": samples(images)}, samples(sorted(masks)))


def test_sequence_of_two_views_of_the_same_files_pairs_them_by_number(tmp_path: Path) -> None:
    """Pairs for a siamese net. Views of other files are still compared."""
    images, masks = save(tmp_path / "img", (1, 2, 3)), save(tmp_path / "msk", (1, 2, 3))
    (one, other), _ = NpySequence(
        (take(samples(images), [0, 1, 2]), take(samples(images), [2, 0, 1])), np.arange(3)
    )[0]
    assert [[1, 3], [2, 1], [3, 2]] == np.stack([one, other], 1)[:, :, 0].tolist()
    x, y = NpySequence(take(samples(images), [2, 0]), samples([masks[2], masks[0]]))[0]
    np.testing.assert_array_equal(x, y)
    with pytest.raises(ValueError, match=r"List the files of both in the same order"):
        NpySequence(take(samples(images), [0, 1, 2]), take(samples(masks), [2, 0, 1]))


@pytest.mark.parametrize("make", [as_samples, as_pattern_of_samples, as_shards, as_members])
def test_sequence_names_the_file_without_a_partner_when_counts_differ(
    tmp_path: Path, make: Any
) -> None:
    """To trim the longer one instead would pair all that lie behind it wrongly."""
    images, masks = save(tmp_path / "img", range(9)), save(tmp_path / "msk", range(9), 100)
    masks[4].unlink()
    x, y = make(images), make(masks[:4] + masks[5:])
    for one, other in ((x, y), (y, x)):
        with pytest.raises(ValueError, match=r"N=.*Without a partner: [^,]*img/4\.np[^,]*Leave"):
            NpySequence(one, other)
    images[4].unlink()
    x, y = NpySequence(make(images[:4] + images[5:]), y)[0]
    np.testing.assert_array_equal(x + 100, y)


@pytest.mark.parametrize("lengths", [[3, 5, 2], [3, 4, 3]], ids=["more-rows", "as-many-rows"])
def test_sequence_of_shards_whose_lengths_differ_is_refused(
    tmp_path: Path, lengths: list[int]
) -> None:
    """Rows behind the first difference would be paired wrongly; the two shards are named."""
    for name, sizes in (("x", [3, 3, 4]), ("y", lengths)):
        (tmp_path / name).mkdir()
        for number, size in enumerate(sizes):
            np.save(tmp_path / name / f"part-{number}.npy", np.arange(size))
    x, y = str(tmp_path / "x" / "*.npy"), str(tmp_path / "y" / "*.npy")
    with pytest.raises(ValueError, match=r"x/part-1\.npy has N=3, .*y/part-1\.npy has N=[45]"):
        NpySequence(x, y)
    if sum(lengths) == 10:
        assert 10 == NpySequence(x, y, check_names=False).num_samples


@pytest.mark.parametrize(
    "sizes", [[10], [5, 5], [1] * 10], ids=["one-file", "other-shards", "samples"]
)
def test_sequence_of_files_cut_up_otherwise_is_served(tmp_path: Path, sizes: list[int]) -> None:
    """Names of other numbers of files say nothing."""
    images = save(tmp_path / "img", range(10))
    parts = np.split(np.arange(10), np.cumsum(sizes)[:-1])
    paths = [tmp_path / f"y-{number + 3}.npy" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        np.save(path, part)
    with warnings.catch_warnings():
        # Ten labels that count from 3 are in doubt; one or two files are not compared.
        warnings.simplefilter("ignore" if len(sizes) == 10 else "error")
        x, y = NpySequence(samples(images), paths)[0]
    np.testing.assert_array_equal(x[:, 0], y)


def test_sequence_of_arrays_of_other_lengths_says_what_to_trim(tmp_path: Path) -> None:
    """Arrays have no names; an array is longer at its end, or nobody knows."""
    images = save(tmp_path / "img", range(4))
    for y in (np.arange(3), np.arange(5)):
        with pytest.raises(ValueError, match=r"has N=4, .*trim the longer one only if its last"):
            NpySequence(samples(images), y)
    assert 3 == NpySequence(samples(images[:3]), np.arange(3)).num_samples


@pytest.mark.parametrize("make", ["samples", "shards"])
def test_sequence_of_a_pattern_and_rows_in_an_order_of_their_own_warns(
    tmp_path: Path, make: str
) -> None:
    """Labels that were saved for sorted paths are those of other files in natural order."""
    paths = save(tmp_path / "x", range(12))
    read = samples if make == "samples" else list
    pattern: Any = str(tmp_path / "x" / "*.npy")
    num_rows = len(open_rows(pattern)) if make == "shards" else 12
    y = np.arange(num_rows)
    np.save(tmp_path / "y.npy", y)
    source = samples(pattern) if make == "samples" else pattern
    message = r"x/2\.npy: .*natural order.*x/2\.npy in the place where sorted .*x/10\.npy.*glob"
    for labels in (y, str(tmp_path / "y.npy")):
        with pytest.warns(UserWarning, match=message):
            NpySequence(source, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What the warning says, and what needs no warning.
        assert 10 == NpySequence(read(sorted(map(str, paths))), y).x[2 * num_rows // 12].min()
        NpySequence(source, y, check_names=False)
        NpySequence(source)
        NpySequence(source, source)
        names = str(tmp_path / "x" / "?.npy")
        few = samples(names) if make == "samples" else names
        NpySequence(few, y[: len(open_rows(few))])


FOUND = [
    pytest.param(lambda pattern: samples(pattern), lambda y: y, id="samples"),
    pytest.param(lambda pattern: take(samples(pattern), [3, 0, 5]), lambda y: y[:3], id="take"),
    pytest.param(
        lambda pattern: [samples(pattern), np.zeros((1, 4), "int64")],
        lambda y: np.append(y, 0),
        id="joined",
    ),
    pytest.param(lambda pattern: windows(pattern, sequence_length=4), lambda y: y, id="windows"),
    pytest.param(
        lambda pattern: windows(pattern, sequence_length=4, targets=np.repeat(np.arange(12), 4)),
        lambda y: None,
        id="targets",
    ),
]


@pytest.mark.parametrize(("make", "cut"), FOUND)
def test_sequence_of_what_is_made_of_a_pattern_warns_of_its_order(
    tmp_path: Path, make: Any, cut: Any
) -> None:
    """As the pattern itself does; a list of paths, and files that sort alike, need no warning."""
    save(tmp_path / "x", range(12), shape=(4,))
    y = cut(np.arange(12))
    message = (
        r"x/2\.npy: .*natural order, in which the rows of (windows of )?array in memory must lie"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence(make(str(tmp_path / "x" / "*.npy")), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(make(str(tmp_path / "x" / "*.npy")), y, check_names=False)
        if y is None or len(y) == 12:
            NpySequence(make(sorted(map(str, (tmp_path / "x").glob("*.npy")))), y)


@pytest.mark.parametrize("stride", [1, 4], ids=["other-number", "same-number"])
def test_sequence_of_windows_of_one_series_cut_otherwise_is_refused(
    tmp_path: Path, stride: int
) -> None:
    """One file has windows across the end of each recording, and so others behind it."""
    cut: dict[str, Any] = {"sequence_length": 4, "sequence_stride": stride}
    files, y = [tmp_path / "0.npy", tmp_path / "1.npy"], tmp_path / "y.npy"
    for number, path in enumerate(files):
        np.save(path, np.arange(9) + 9 * number)
    np.save(y, np.arange(18))
    message = (
        r"windows of .*y\.npy: .*same timesteps.*Received: row \d of windows of .*0\.npy.* begins "
        r"at timestep 9, that of .*y\.npy at timestep [68]\. .*cut the other one alike"
    )
    with pytest.raises(ValueError, match=message):
        NpySequence(windows(files, **cut), windows(y, **cut))
    # What the remedies say.
    parts = [take(y, slice(0, 9)), take(y, slice(9, None))]
    for pair in (
        NpySequence(windows(files, **cut), windows(parts, **cut)),
        NpySequence(windows(files, **cut, join=True), windows(y, **cut)),
    ):
        np.testing.assert_array_equal(pair.x[:], pair.y[:])
    if stride == 4:
        assert (
            4
            == NpySequence(windows(files, **cut), windows(y, **cut), check_names=False).num_samples
        )
