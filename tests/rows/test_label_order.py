"""Labels that rise beside files whose names rise in another order than natural order."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples, windows
from keras_npy.names.order import orders_of_time
from keras_npy.names.signed import signed_numbers
from keras_npy.rows.sources import natural_order

TILTS = [f"tilt_{angle:+03d}" for angle in range(-60, 61, 20)]

# In the order that they state.
SIGNED = [
    pytest.param(TILTS, id="plus-and-minus"),
    pytest.param([f"tilt_{a}" for a in range(-60, 61, 20)], id="without-zeros"),
    pytest.param([f"tilt-{a}" for a in range(-60, 61, 20)], id="behind-a-dash"),
    pytest.param(["tilt--60", "tilt--20", "tilt-20", "tilt-60"], id="two-dashes"),
    pytest.param(["z-10", "z10"], id="a-coordinate"),
    pytest.param(["-20", "-10", "0", "10"], id="bare"),
    pytest.param(["ev-2", "ev-1", "ev0", "ev+1", "ev+2"], id="exposures"),
    pytest.param(["ev-1.3", "ev-0.7", "ev+0.0", "ev+0.7"], id="fractions"),
    pytest.param(["a-2", "a-1", "a0", "a1", "a2"], id="only-the-sign-tells"),
    pytest.param(["lon20W", "lon10W", "lon0", "lon10E", "lon20E"], id="directions-behind"),
    pytest.param(["lat_S20", "lat_S10", "lat_N10", "lat_N20"], id="directions-before"),
    pytest.param(["tilt_m20", "tilt_m10", "tilt_p00", "tilt_p10"], id="letters"),
    pytest.param(["tilt_neg20", "tilt_neg10", "tilt_pos10"], id="words"),
]

UNSIGNED = [
    pytest.param([f"img-{n:02}" for n in range(1, 12)], id="separators"),
    pytest.param(["ev-3", "ev-2", "ev-1"], id="one-sided"),
    pytest.param(["ev+1", "ev+2", "ev+3"], id="plus"),
    pytest.param(["case-1", "case2", "case3"], id="a-separator-left-out"),
    pytest.param(["scan-1", "scan_2", "scan-3"], id="two-separators"),
    pytest.param(["img-1", "img1", "img2", "img3"], id="a-second-version"),
    pytest.param(["0-10", "10-20", "20-30"], id="ranges"),
    pytest.param(["2021-01", "2021-02", "2022-01"], id="months"),
    pytest.param(["x-1_y1", "x1_y-1", "x-1_y-1"], id="two-numbers"),
    pytest.param(["neg_1", "neg_2", "pos_1", "pos_2"], id="classes"),
    pytest.param(["x_neg_1", "x_neg_2", "x_pos_1", "x_pos_2"], id="inputs-of-classes"),
    pytest.param(["x_m1", "x_m2", "x_p1"], id="inputs-of-groups"),
    pytest.param(["m01", "m02", "p01", "p02"], id="letters-of-groups"),
    pytest.param(["plot1N", "plot1S", "plot2N", "plot2S"], id="plots"),
    pytest.param(["w1", "w2", "e1", "e2"], id="walls"),
    pytest.param(["a-1_x", "b1_x"], id="two-words"),
    pytest.param(["tilt_+1", "tilt_-1", "tilt_1"], id="one-number-twice"),
]


@pytest.mark.parametrize("names", SIGNED)
def test_signed_numbers_state_their_order(names: list[str]) -> None:
    """In that order they rise, and say no other one."""
    paths = [f"/data/{name}.npy" for name in names]
    numbers = signed_numbers(paths)
    assert sorted(numbers) == numbers
    assert numbers[0] < 0
    found = natural_order(paths)
    assert [paths] == [[found[at] for at in order] for order in orders_of_time(found)]
    assert [] == orders_of_time(paths)


@pytest.mark.parametrize("names", UNSIGNED)
def test_dashes_and_letters_that_may_be_no_signs_state_nothing(names: list[str]) -> None:
    """Nobody knows that they are minuses."""
    paths = [f"/data/{name}.npy" for name in names]
    assert [] == signed_numbers(paths)
    assert [] == orders_of_time(natural_order(paths))


ORDERED = [
    *SIGNED,
    pytest.param([f"ndvi_{month}" for month in ("jan", "feb", "mar", "apr")], id="months"),
    pytest.param([f"tile_{d}-2021" for d in ("28-01", "29-01", "01-02", "02-03")], id="dates"),
    pytest.param([f"stage_{n}" for n in "i ii iii iv v vi vii viii ix".split()], id="roman"),
]


def save(folder: Path, names: list[str]) -> tuple[list[str], str]:
    for number, name in enumerate(names):
        np.save(folder / f"{name}.npy", np.full(2, number))
    return [f"{folder}/{name}.npy" for name in names], f"{folder}/*.npy"


@pytest.mark.parametrize("names", [one for one in ORDERED if len(one.values[0]) > 3])
@pytest.mark.parametrize("kind", ["array", "file", "column"])
def test_labels_that_rise_as_the_names_do_warn_beside_a_pattern(
    tmp_path: Path, names: list[str], kind: str
) -> None:
    """The list that the warning asks for pairs them, and check_names=False says it is meant."""
    paths, pattern = save(tmp_path, names)
    y: Any = np.arange(len(names), dtype="float32")
    (tmp_path / "y").mkdir()
    if kind == "file":
        np.save(tmp_path / "y/y.npy", y)
        y = f"{tmp_path}/y/y.npy"
    elif kind == "column":
        y = y[:, None]
    with pytest.warns(UserWarning, match=r"a pattern gives files in natural order, .*pass .*list"):
        NpySequence(samples(pattern), y)
    x, labels = NpySequence(samples(paths), y)[0]
    assert x[:, 0].tolist() == labels.ravel().tolist()
    NpySequence(samples(pattern), y, check_names=False)


def test_labels_that_rise_say_the_first_two_files(tmp_path: Path) -> None:
    """The rule, what was received, and the list to pass, where natural order is that of text."""
    _, pattern = save(tmp_path, TILTS)
    message = (
        r"tilt_\+00\.npy: a pattern gives files in natural order, in which the rows of array in "
        r"memory must lie too\. Received: rows that rise, .*: these begin with \S*tilt_-60\.npy "
        r"and \S*tilt_-40\.npy\. .*pass a list of all paths in this order; .*check_names=False"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence(samples(pattern), np.arange(-60, 61, 20))


def test_few_labels_that_are_the_numbers_of_the_names_warn(tmp_path: Path) -> None:
    """Others of so few files rise by chance."""
    _, pattern = save(tmp_path, ["tilt_+00", "tilt_+05", "tilt_-05"])
    with pytest.warns(UserWarning, match="rows that rise"):
        NpySequence(samples(pattern), np.array([-5, 0, 5]))
    NpySequence(samples(pattern), np.array([3, 4, 8]))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([0, 20, 40, 60, -20, -40, -60], id="of-the-same-pattern"),
        pytest.param([0, 0, 0, 0, 1, 1, 1], id="classes"),
        pytest.param([1, 0, 1, 0, 1, 0, 1], id="in-turn"),
        pytest.param([6, 5, 4, 3, 2, 1, 0], id="falling"),
        pytest.param(np.eye(7), id="one-hot"),
    ],
)
def test_labels_that_do_not_rise_say_nothing(tmp_path: Path, labels: Any) -> None:
    """They may be those of natural order. Warnings are errors here."""
    _, pattern = save(tmp_path, TILTS)
    NpySequence(samples(pattern), np.asarray(labels))
    if np.ndim(labels) == 1 and min(labels) >= 0:
        NpySequence.from_directory(tmp_path, labels=labels)


def test_labels_of_dates_that_are_read_in_two_ways_say_nothing(tmp_path: Path) -> None:
    """Nobody knows whether 02-01-2020 is in January."""
    _, pattern = save(tmp_path, ["02-01-2020", "04-03-2020", "01-02-2021", "03-01-2021"])
    assert 2 == len({*map(tuple, orders_of_time(samples(pattern).file_paths or []))})
    NpySequence(samples(pattern), np.arange(4))


def test_groups_that_rise_say_nothing(tmp_path: Path) -> None:
    """A group for each row is the same in any order."""
    _, pattern = save(tmp_path, TILTS)
    seq = NpySequence(samples(pattern), np.array([1, 0, 1, 0, 1, 0, 1]))
    assert 2 == len(seq.split(0.3, groups=np.arange(7)))


def test_unpadded_names_say_to_list_the_order_of_labels(tmp_path: Path) -> None:
    """These labels are in neither natural order nor that of sorted paths."""
    paths, pattern = save(tmp_path, [f"tilt_{angle}" for angle in range(-60, 61, 20)])
    message = r"natural order.*sorted\(glob.*; else pass a list of the paths in the order of array"
    with pytest.warns(UserWarning, match=message):
        NpySequence(samples(pattern), np.arange(7))
    x, y = NpySequence(samples(paths), np.arange(7))[0]
    assert x[:, 0].tolist() == y.tolist()


def test_directory_with_labels_that_rise_warns_and_takes_a_dict(tmp_path: Path) -> None:
    """Both dicts that the warning names are silent."""
    paths, _ = save(tmp_path, TILTS)
    message = (
        r"order of the files, which begins with tilt_\+00\.npy\. Received: labels that rise, .*"
        r"tilt_-60\.npy and tilt_-40\.npy\. .*labels=\{'tilt_-60\.npy': 0, .*'tilt_\+00\.npy': 0,"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence.from_directory(tmp_path, labels=[*range(7)])
    for order in (paths, natural_order(paths)):
        labels = {os.path.basename(path): at for at, path in enumerate(order)}
        x, y = NpySequence.from_directory(tmp_path, labels=labels)[0]
        assert [labels[f"{TILTS[number]}.npy"] for number in x[:, 0]] == y.tolist()


def test_windows_and_parts_in_order_warn_of_signed_numbers(tmp_path: Path) -> None:
    """As of months; the list is in order."""
    paths, pattern = save(tmp_path, TILTS)
    message = (
        r"Received: \S*tilt_\+60\.npy before \S*tilt_-20\.npy, which is less by its name\. Pass a "
        r"list of all paths in the order of the numbers with their signs, from \S*tilt_-60\.npy"
    )
    for use in (
        lambda x: windows(samples(x), sequence_length=3)[:][..., 0],
        lambda x: NpySequence(samples(x)).split(0.3, in_order=True)[1].x[:],
    ):
        with pytest.warns(UserWarning, match=message):
            use(pattern)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.all(np.diff(use(paths), axis=0) > 0)


@pytest.mark.parametrize("names", [one for one in SIGNED if len(one.values[0]) > 2])
def test_windows_of_a_list_in_the_order_of_its_signs_say_nothing(
    tmp_path: Path, names: list[str]
) -> None:
    """Where the numbers fall to zero, and rise again, no other series begins."""
    paths, pattern = save(tmp_path, names)
    assert [0, 1] == windows(samples(paths), sequence_length=2)[0][:, 0].tolist()
    with pytest.warns(UserWarning, match="less by its name") as caught:
        windows(samples(pattern), sequence_length=2)
    assert 1 == len(caught)
