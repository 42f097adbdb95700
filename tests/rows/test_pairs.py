"""Files of x and y that are paired by position must be partners by their names."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import NpyLayoutWarning, NpySequence, open_rows, raw, samples, take, windows
from keras_npy.tools.check import check

# The data of archives is not aligned.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


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


@pytest.mark.parametrize("right", ["position", "number"])
def test_sequence_of_files_that_count_from_0_and_from_1_warns(tmp_path: Path, right: str) -> None:
    """To leave out those of no other number would shift all pairs, unless numbers are right."""
    frames = save(tmp_path / "x", range(20))
    labels = save(tmp_path / "y", range(1, 21), first=-1 if right == "position" else 0)
    x, y = (f"{tmp_path}/{side}/*.npy" for side in "xy")
    message = (
        r"y/1\.npy: .*Received: \S*x/0\.npy with \S*y/1\.npy, pair 1 of 20, and all others alike\. "
        r"Look at one pair: if it is right, .*from 0 and the other from 1, check_names=False says "
        r"that .*; only if equal numbers belong together, leave out \S*x/0\.npy, \S*y/20\.npy\.$"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence(samples(x), samples(y))
    # What the warning says.
    if right == "position":
        one, other = NpySequence(samples(x), samples(y), check_names=False)[0]
    else:
        frames[0].unlink()
        labels[-1].unlink()
        one, other = NpySequence(samples(x), samples(y))[0]
    np.testing.assert_array_equal(one, other)


TURNED = {"x": ["s1_r10", "s2_r1"], "y": ["r10_s1", "r1_s2"]}


def save_turned(folder: Path) -> tuple[list[str], list[str]]:
    """Files of 2 rows, and archives with the same data: those of both sides sort differently."""
    for side, names in TURNED.items():
        (folder / side).mkdir()
        for number, name in enumerate(names):
            data = np.arange(2 * number, 2 * number + 2)
            np.save(folder / side / f"{name}.npy", data)
            np.savez(folder / side / f"{name}.npz", data=data)
    x, y = ([f"{folder}/{side}/{name}.npy" for name in names] for side, names in TURNED.items())
    return x, y


PAIRINGS = [
    pytest.param(lambda x, y: (x, y), ".npy", id="shards"),
    pytest.param(lambda x, y: (samples(x), samples(y)), ".npy", id="samples"),
    pytest.param(lambda x, y: (samples(x), samples(y)), ".npz::data", id="members"),
    pytest.param(lambda x, y: ([samples(x)], [samples(y)]), ".npy", id="lists-of-patterns"),
    pytest.param(lambda x, y: ({"a": x, "b": y},), ".npy", id="inputs"),
    pytest.param(lambda x, y: (x, (x, y)), ".npy", id="outputs"),
    pytest.param(lambda x, y: (x, x, y), ".npy", id="sample-weights"),
    pytest.param(
        lambda x, y: (windows(x, sequence_length=1, targets=y),), ".npy", id="targets-of-windows"
    ),
    pytest.param(
        lambda x, y: tuple(windows(side, sequence_length=2) for side in (x, y)),
        ".npy",
        id="windows",
    ),
]


@pytest.mark.parametrize(("make", "suffix"), PAIRINGS)
def test_sequence_of_patterns_that_sort_partners_differently_is_refused(
    tmp_path: Path, make: Any, suffix: str
) -> None:
    """The right partner is named. Lists in the same order pair them, as the error says."""
    x, y = ([path.replace(".npy", suffix) for path in paths] for paths in save_turned(tmp_path))
    message = (
        r"y/r1_s2\.np.*must agree.*Received: \S*x/s1_r10\S* with \S*y/r1_s2\S*, pair 1 of 2, but "
        r"\S*x/s1_r10\S* belongs with \S*y/r10_s1\S*\. List the files of both in the same order"
    )
    patterns = make(f"{tmp_path}/x/*{suffix}", f"{tmp_path}/y/*{suffix}")
    with pytest.raises(ValueError, match=message):
        NpySequence(*patterns)
    with warnings.catch_warnings():
        # Arrays in archives are not aligned.
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", NpyLayoutWarning)
        NpySequence(*patterns, check_names=False)
        batch = NpySequence(*make(x, y))[0]
    one, *others = [np.ravel(leaf) for leaf in leaves(batch) if leaf is not None]
    for other in others:
        np.testing.assert_array_equal(one, other)


def leaves(batch: Any) -> list[Any]:
    """The arrays of a batch, from inside its dicts and tuples."""
    if isinstance(batch, dict):
        return leaves(tuple(batch.values()))
    if isinstance(batch, tuple):
        return [leaf for one in batch for leaf in leaves(one)]
    return [batch]


def test_check_of_patterns_that_sort_partners_differently_finds_it(tmp_path: Path) -> None:
    """`keras-npy check` compares names as NpySequence does."""
    save_turned(tmp_path)
    report = check(f"{tmp_path}/x/*.npy", f"{tmp_path}/y/*.npy")
    assert ["pairs"] == [finding.kind for finding in report.findings if finding.kind == "pairs"]


@pytest.mark.parametrize("read", [samples, list], ids=["samples", "shards"])
def test_sequence_of_files_that_share_nothing_warns_if_patterns_order_them(
    tmp_path: Path, read: Any
) -> None:
    """Nobody knows whether they are partners. Lists are in an order that the user chose."""
    for side, names in (("x", ["eins", "zwei"]), ("y", ["10", "20"])):
        (tmp_path / side).mkdir()
        for name in names:
            np.save(tmp_path / side / f"{name}.npy", np.arange(2))
    patterns = [f"{tmp_path}/{side}/*.npy" for side in "xy"]
    found = [samples(pattern) if read is samples else pattern for pattern in patterns]
    message = (
        r"y/10\.npy: .*must have a number or a word in common.*natural order pairs \S*x/eins\.npy "
        r"with \S*y/10\.npy\. List the files of both in the same order, or rename"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        NpySequence(*found)
    assert [__file__] == [warning.filename for warning in caught]
    # What the warning says.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(*found, check_names=False)
        NpySequence(*(read(sorted(map(str, (tmp_path / side).iterdir()))) for side in "xy"))
        for name, new_name in (("10", "eins_m"), ("20", "zwei_m")):
            (tmp_path / "y" / f"{name}.npy").rename(tmp_path / "y" / f"{new_name}.npy")
        NpySequence(*(samples(pattern) if read is samples else pattern for pattern in patterns))


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


@pytest.mark.parametrize("others", [("eins", "zwei"), ("10", "20"), ("7",)])
def test_sequence_of_other_counts_says_that_names_do_not_tell(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    """To trim the longer one would be a guess."""
    images = save(tmp_path / "img", range(4))
    (tmp_path / "msk").mkdir()
    masks = [tmp_path / "msk" / f"{name}.npy" for name in others]
    for mask in masks:
        np.save(mask, np.arange(2))
    message = r"N=.*names do not say which files have no partner: \S*img/0\.npy and \S*msk/.*Leave"
    with pytest.raises(ValueError, match=message):
        NpySequence(as_pattern_of_samples(images), as_pattern_of_samples(masks))
    # What the remedy says.
    for image in images[len(others) :]:
        image.unlink()
    x, y = (as_pattern_of_samples(paths) for paths in (images, masks))
    assert len(others) == NpySequence(x, y, check_names=False).num_samples


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


def _in_archive(array: np.ndarray, folder: Path) -> Any:
    np.savez(folder / "a.npz", x=array, other=array)
    return f"{folder}/a.npz::x"


def _raw(array: np.ndarray, folder: Path) -> Any:
    array.tofile(folder / "r.bin")
    return raw(folder / "r.bin", dtype=array.dtype, shape=array.shape)


def _file(array: np.ndarray, folder: Path) -> Any:
    np.save(folder / "x.npy", array)
    return str(folder / "x.npy")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda array, folder: array, id="array"),
        pytest.param(_file, id="file"),
        pytest.param(_in_archive, id="member"),
        pytest.param(_raw, id="raw"),
        pytest.param(lambda *given: open_rows(_in_archive(*given)), id="rows-of-a-member"),
        pytest.param(lambda *given: take(_file(*given), [3, 2, 1, 0]), id="take"),
    ],
)
def test_samples_on_another_axis_get_a_remedy_that_moves_it(tmp_path: Path, make: Any) -> None:
    """As SVHN stores them, `(32, 32, 3, N)`: to trim the longer one would train on garbage."""
    array = np.arange(4 * 4 * 3 * 9).reshape(4, 4, 3, 9)
    y = np.arange(9)
    x = make(array, tmp_path)
    for one, other in ((x, y), (y, x)):
        with pytest.raises(ValueError, match=r"lie on axis 3, save .*: np\.save\(new, ") as raised:
            NpySequence(one, other)
    remedy = re.search(r"np\.save\(new, .*, 0\)\)(?=(, in which rows)?)", str(raised.value))
    assert remedy is not None
    new = str(tmp_path / "new.npy")
    names = {"np": np, "new": new, "keras_npy": keras_npy, "array": array}
    eval(remedy[0], {**names, "rows": x} if remedy[1] else names)
    expected = open_rows(x)[:][..., 7]
    np.testing.assert_array_equal(expected, NpySequence(new, y).x[7])
    # Nothing in a table says which axis is meant.
    with pytest.raises(ValueError, match="trim the longer one"):
        NpySequence(np.zeros((5, 9, 9)), y)


OTHER_PARTS = [
    pytest.param("train/img/{}", "val/msk/{}", samples, True, id="folders"),
    pytest.param("train/img/{}", "valid/msk/{}", str, True, id="shards"),
    pytest.param("x_train", "y_val", str, True, id="files"),
    pytest.param("Test_x", "validation_y", str, True, id="words-in-front"),
    pytest.param("train/{}", "labels_test_run", samples, False, id="no-part"),
    pytest.param("train/{}", "test_run", samples, False, id="a-run"),
    pytest.param("x_train", "valid_mask", str, False, id="other-ends"),
    pytest.param("train/x/{}", "train/test_labels/{}", samples, False, id="one-part"),
    pytest.param("x_train", "y_training", str, False, id="one-word"),
    pytest.param("{}_training", "{}_manual", samples, False, id="one-side"),
]


@pytest.mark.parametrize(("one", "other", "read", "is_warned"), OTHER_PARTS)
def test_sequence_of_training_and_validation_files_warns(
    tmp_path: Path, one: str, other: str, read: Any, is_warned: bool
) -> None:
    """Whatever else their names say. Words inside a name, and those of one side, mean nothing."""
    for name in (one, other):
        for number in range(4):
            path = tmp_path / f"{name.format(number)}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.arange(4) // 2)
    x, y = (
        (read if "{}" in name else str)(f"{tmp_path}/{name.format('*')}.npy")
        for name in (one, other)
    )
    message = (
        r"the same part, fold or patient\..* of '(train|test)' with .* of 'val.*check_names=False"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        for pair in ((x, y), ((x, x), y), (x, x, y)):
            NpySequence(*pair)
        if "{}" not in other:
            NpySequence(x).split(0.5, groups=y)
        NpySequence(x, y, check_names=False)
    num_warnings = (3 if "{}" in other else 4) * is_warned
    assert [True] * num_warnings == [
        bool(re.search(message, str(warning.message))) for warning in caught
    ]


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
    message = r"x/2\.npy: .*natural order.*x/2\.npy in the place where sorted .*x/10\.npy\. "
    message += r"Look at the order of .* first: .*check_names=False says so; only if .*glob"
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


ALIKE = [
    pytest.param(lambda x: samples(x), np.zeros(12), id="one-label"),
    # Sorted paths have 0, 1, 10, 11, 2, ...: these labels are the same in both orders.
    pytest.param(lambda x: samples(x), np.repeat([0, 1], [2, 10]), id="alike-where-they-differ"),
    pytest.param(lambda x: samples(x), np.eye(2)[np.repeat([0, 1], [2, 10])], id="one-hot"),
    pytest.param(lambda x: x, np.repeat([0, 1], [4, 20]), id="shards"),
    pytest.param(lambda x: windows(samples(x), sequence_length=3), np.ones(10), id="windows"),
    pytest.param(lambda x: [samples(x), samples(x)], np.repeat([3, 5], 12), id="a-label-of-each"),
    pytest.param(lambda x: take(samples(x), range(6)), np.full(6, 7), id="take"),
]


@pytest.mark.parametrize(("make", "y"), ALIKE)
def test_sequence_of_a_pattern_whose_labels_are_alike_in_both_orders_says_nothing(
    tmp_path: Path, make: Any, y: np.ndarray
) -> None:
    """One other label among those that change places is warned of."""
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", np.full((2, 3), number))
    np.save(tmp_path / "of_y", y)
    pattern = str(tmp_path / "[0-9]*.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(make(pattern), y)
        NpySequence(make(pattern), str(tmp_path / "of_y.npy"))
        NpySequence(make(pattern), y, np.ones(len(y)))
    other = y.copy()
    other[5] = 1 - other[5]
    with pytest.warns(UserWarning, match="a pattern gives files in natural order"):
        NpySequence(make(pattern), other)
    with pytest.warns(UserWarning, match="a pattern gives files in natural order"):
        NpySequence(make(pattern), y, np.arange(float(len(y))))


def test_sequence_of_patterns_of_any_kind_warns_of_their_order(tmp_path: Path) -> None:
    """Of raw files, and of a list of patterns, unless the list itself is not in sorted order."""
    for side in "ab":
        for number in (1, 2, 10):
            np.full(2, number, "uint8").tofile(tmp_path / f"{side}{number}.bin")
            np.save(tmp_path / f"{side}{number}.npy", np.full(2, number))
    bare, one, two = (str(tmp_path / name) for name in ("a*.bin", "a*.npy", "b*.npy"))
    for x, num_rows, name in (
        (raw(bare, dtype="uint8"), 6, "a2.bin"),
        (raw([bare], dtype="uint8"), 6, "a2.bin"),
        ([one], 6, "a2.npy"),
        ([one, two], 12, "a2.npy"),
        (samples([one]), 3, "a2.npy"),
        (samples([one, two]), 6, "a2.npy"),
    ):
        with pytest.warns(UserWarning, match=rf"{name}: a pattern gives files in natural order"):
            NpySequence(x, np.arange(num_rows))
    for x in ([two, one], [str(tmp_path / f"a{n}.npy") for n in (1, 2, 10)] + [two]):
        assert 12 == NpySequence(x, np.arange(12)).num_samples


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
