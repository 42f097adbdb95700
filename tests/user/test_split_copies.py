"""Rows that a sequence holds more than once: no part of a split may hold a row of another."""

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from keras_npy import NpySequence, raw, samples, take, windows

ROWS = np.arange(40).reshape(20, 2)
SERIES = np.arange(50)
TABLE = np.arange(60).reshape(30, 2)
IMAGES = np.arange(4 * 3 * 5 * 6).reshape(4, 3, 5, 6)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the same rows in files of every kind, in which the test works."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", ROWS)
    np.save("x1.npy", ROWS + 100)
    np.save("fortran.npy", np.asfortranarray(ROWS + 200))
    np.savez("x.npz", a=ROWS, b=ROWS + 100)
    ROWS.tofile("x.bin")
    np.save("s.npy", SERIES)
    np.save("t.npy", SERIES + 100)
    os.symlink("x.npy", "symlink.npy")
    os.link("x.npy", "hardlink.npy")
    for number in range(6):
        np.save(f"i{number}.npy", ROWS[number])
    os.symlink("i3.npy", "j3.npy")
    return tmp_path


def of_bytes(offset: int = 0) -> Any:
    return raw("x.bin", dtype=ROWS.dtype, shape=(-1, 2), offset=offset)


def values_of(part: NpySequence) -> set[int]:
    """The values of the input, or of the first of several."""
    x = part.x
    while isinstance(x, dict | tuple):
        x = next(iter(x.values())) if isinstance(x, dict) else x[0]
    return set(np.ravel(x[:]).tolist())


def leaks(parts: Any) -> bool:
    one, other = parts
    return bool(values_of(one) & values_of(other))


def groups_of(message: str, seq: NpySequence) -> Any:
    """The `groups=` that a warning names."""
    groups = re.search(r"groups=(\[.*\]|seq\.indices|os\.path\.realpath|lambda .*\))[,; ]", message)
    assert groups is not None
    return eval(groups[1], {"seq": seq, "os": os})


def with_targets(x: Any) -> NpySequence:
    return NpySequence(x, np.arange(NpySequence(x).num_samples))


# Some of the files have a layout that is warned of.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


COPIES = [
    pytest.param(lambda: ["x.npy", "x.npy"], "20 of 40", "row 0 of .*x.npy", id="list"),
    pytest.param(lambda: ["x*.npy", "x1.npy"], "20 of 60", "row 0 of .*x1.npy", id="pattern"),
    pytest.param(lambda: ["x.npz::a", "x.npz::b"] * 2, "40 of 80", "x.npz::a", id="members"),
    pytest.param(lambda: ["fortran.npy", "x.npy"] * 2, "40 of 80", "row 0 of", id="unlike"),
    pytest.param(
        lambda: samples(["i*.npy", "i2.npy"]), "1 of 7", "row 0 of .*i2.npy", id="samples"
    ),
    pytest.param(
        lambda: raw(["x.bin", "x.bin"], dtype=ROWS.dtype, shape=(-1, 2)),
        *("20 of 40", "row 0 of .*x.bin"),
        id="raw",
    ),
    pytest.param(
        lambda: [take("x.npy", slice(15)), take("x.npy", slice(5, None))],
        *("10 of 30", "row 5 of"),
        id="takes",
    ),
    pytest.param(lambda: [ROWS, ROWS], "20 of 40", "row 0 of array in memory", id="array"),
    pytest.param(lambda: [ROWS.T.copy().T] * 2, "20 of 40", "row 0 of", id="strided"),
    pytest.param(lambda: take("x.npy", [*range(20), 3, 3]), "2 of 22", "row 3 of", id="take"),
    pytest.param(lambda: {"a": ["x.npy"] * 2}, "20 of 40", "row 0 of", id="dict"),
    pytest.param(lambda: ([*["x.npy"] * 2], np.arange(40)), "20 of 40", "row 0 of", id="tuple"),
    pytest.param(lambda: windows(["x.npy"] * 2, sequence_length=1), "20 of 40", "", id="windows"),
]


@pytest.mark.parametrize(("make", "counted", "named"), COPIES)
def test_split_of_rows_that_come_twice_warns(
    folder: Path, make: Any, counted: str, named: str
) -> None:
    """However they come to do so; with the groups that the warning names, none is in two parts."""
    seq = with_targets(make())
    message = (
        rf"served more than once are dealt out at random.*Received: {counted} rows of.*{named}"
    )
    with pytest.warns(UserWarning, match=rf"{message}.*\. Use each row once, or groups=") as caught:
        seq.split(0.3)
    assert [__file__] == [warning.filename for warning in caught]
    groups = groups_of(str(caught[0].message), seq)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pair in (seq.split(0.3, groups=groups), *seq.folds(3, groups=groups)):
            assert not leaks(pair)
    halves = np.arange(seq.num_samples) * 2 // seq.num_samples
    with pytest.warns(UserWarning, match=r"served more than once are dealt out by groups="):
        seq.split(0.5, groups=halves)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        pytest.param(lambda: ["x.npy", "symlink.npy"], ("symlink", "x"), id="symlink"),
        pytest.param(lambda: ["x.npy", "hardlink.npy"], ("hardlink", "x"), id="hard-link"),
        pytest.param(lambda: samples(["i*.npy", "j3.npy"]), ("j3", "i3"), id="samples"),
        pytest.param(lambda: [of_bytes(), of_bytes(16)], ("x.bin", "x.bin"), id="raw"),
        pytest.param(lambda: [ROWS[:15], ROWS[10:]], ("memory", "memory"), id="views"),
    ],
)
def test_split_of_one_file_by_two_names_warns(
    folder: Path, make: Any, names: tuple[str, str]
) -> None:
    """The warning names both."""
    message = r"served more than once.*Give each row once: row \d+ of .*{}.* and row \d+ of .*{}"
    with pytest.warns(UserWarning, match=message.format(*names)):
        with_targets(make()).split(0.3)


@pytest.mark.parametrize(
    ("make", "counted"),
    [
        pytest.param(lambda: ["x.npy", "x1.npy", "x.npy"], 20, id="list"),
        pytest.param(
            lambda: [take("x.npy", slice(15)), take("x.npy", slice(5, 20))], 6, id="takes"
        ),
        pytest.param(lambda: samples(["i0.npy", "i1.npy", "i2.npy", "i0.npy"]), 1, id="samples"),
    ],
)
def test_split_in_order_of_rows_that_come_twice_warns(
    folder: Path, make: Any, counted: int
) -> None:
    """Only of those that come in two parts."""
    seq = with_targets(make())
    message = rf"served more than once lie in several parts.*Received: {counted} of"
    with pytest.warns(UserWarning, match=message) as caught:
        assert leaks(seq.split(0.34, in_order=True))
    groups = groups_of(str(caught[0].message), seq)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not leaks(seq.split(0.34, groups=groups))


APART = {"sequence_stride": 5}


def of_series(**bounds: int) -> Any:
    return windows("s.npy", sequence_length=5, **bounds)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: [of_series(end_index=30), of_series(start_index=20)], id="ranges"),
        pytest.param(lambda: windows(["s.npy", "s.npy"], sequence_length=5), id="file-twice"),
        pytest.param(
            lambda: windows(["s.npy", "s.npy"], sequence_length=5, predict_next=True), id="next"
        ),
        pytest.param(
            lambda: windows(["s.npy", "s.npy"], sequence_length=4, join=True, **APART),
            id="joined",
        ),
        pytest.param(
            lambda: [of_series(**APART), of_series(start_index=3, **APART)],
            id="side-by-side-twice",
        ),
        pytest.param(
            lambda: windows(samples(["i*.npy"] * 2), sequence_length=2, sequence_stride=2),
            id="samples",
        ),
    ],
)
@pytest.mark.parametrize("in_order", [False, True])
def test_split_of_windows_of_a_file_that_comes_twice_warns(
    folder: Path, make: Any, in_order: bool
) -> None:
    """A cut in time parts no windows of another list."""
    seq = NpySequence(make())
    message = r"share timesteps, as windows of a file that comes more than once do, {}.*timestep \d"
    how = "lie in several parts" if in_order else "are dealt out at random"
    with pytest.warns(UserWarning, match=message.format(how)):
        assert leaks(seq.split(0.4, in_order=in_order))


def test_split_of_windows_by_files_ends_the_warning(folder: Path) -> None:
    """Both remedies: groups of files, or each file once."""
    lists = [*["s.npy"] * 2, *["t.npy"] * 2]
    seq = NpySequence(windows(lists, sequence_length=5))
    with pytest.warns(UserWarning, match="once; groups=os.path.realpath") as caught:
        seq.split(0.4)
    groups = groups_of(str(caught[0].message), seq)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not leaks(seq.split(0.5, groups=groups))
        once = NpySequence(windows(["s.npy", "t.npy"], sequence_length=5))
        assert not leaks(once.split(0.4, in_order=True))


@pytest.mark.parametrize(
    ("make", "source"),
    [
        pytest.param(
            lambda: [
                windows(take("s.npy", slice(0, 30)), sequence_length=5),
                windows(take("s.npy", slice(15, None)), sequence_length=5),
            ],
            "s.npy",
            id="takes-of-one-file",
        ),
        pytest.param(
            lambda: [of_series(end_index=30), of_series(start_index=20)], "s.npy", id="ranges"
        ),
        pytest.param(
            lambda: windows(["s.npy", "s.npy"], sequence_length=5), "s.npy", id="file-twice"
        ),
        pytest.param(
            lambda: windows([SERIES, SERIES], sequence_length=5), "SERIES", id="array-twice"
        ),
        pytest.param(
            lambda: windows(samples(["i*.npy"] * 2), sequence_length=2, sequence_stride=2),
            "samples",
            id="files-that-are-timesteps",
        ),
    ],
)
@pytest.mark.parametrize("how", ["split", "in_order", "folds", "groups"])
def test_split_of_windows_of_one_file_alone_names_a_cut_in_time(
    folder: Path, make: Any, source: str, how: str
) -> None:
    """Groups of files are fewer than parts."""
    seq = NpySequence(make())
    call = {
        "split": lambda: seq.split(0.4),
        "in_order": lambda: seq.split(0.4, in_order=True),
        "folds": lambda: seq.folds(2),
        "groups": lambda: seq.split(0.5, groups=np.arange(seq.num_samples) * 2 // seq.num_samples),
    }[how]
    with pytest.warns(UserWarning, match="share timesteps.*, once, and cut it in time: ") as caught:
        call()
    text = str(caught[0].message)
    assert "realpath" not in text
    codes = re.findall(r"windows\(\.\.\., (?:end|start)_index=t\)", text)
    assert 2 == len(codes)
    data = {"s.npy": "s.npy", "SERIES": SERIES, "samples": samples("i*.npy")}[source]
    length, t = (2, 3) if source == "samples" else (5, 25)
    names = {"windows": windows, "data": data, "length": length, "t": t}
    parts = [
        NpySequence(eval(code.replace("...", "data, sequence_length=length"), names))
        for code in codes
    ]
    assert not leaks(parts)


def test_split_of_windows_of_fewer_files_than_parts_names_a_cut_in_time(folder: Path) -> None:
    """Two files suffice for two parts."""
    seq = NpySequence(windows(["s.npy", "t.npy"] * 2, sequence_length=5))
    for fractions, remedy in (([0.3], "realpath"), ([0.3, 0.3], "cut it in time")):
        with pytest.warns(UserWarning, match=remedy):
            seq.split(*fractions)


def test_split_of_windows_of_an_archive_and_its_link_names_groups_that_help(
    tmp_path: Path,
) -> None:
    """The path of a member is no path of a file."""
    np.savez(tmp_path / "a.npz", x=np.arange(12))
    np.savez(tmp_path / "c.npz", x=np.arange(100, 112))
    (tmp_path / "b.npz").symlink_to("a.npz")
    windowed = windows(f"{tmp_path}/*.npz::x", sequence_length=3, sequence_stride=3)
    seq = NpySequence(windowed)
    with pytest.warns(UserWarning, match="share timesteps") as caught:
        seq.split(0.4)
    groups = groups_of(str(caught[0].message), seq)
    for seed in range(4):
        one, other = seq.split(0.4, groups=groups, seed=seed)
        assert not set(one.x[:].ravel()) & set(other.x[:].ravel())


def test_windows_of_rows_that_take_repeats_name_the_row_that_comes_twice() -> None:
    """To cut by time, or windows side by side, would not help."""
    rows = take(np.arange(10), [*range(10)] * 2)
    seq = NpySequence(windows(rows, sequence_length=5, sequence_stride=5))
    with pytest.warns(UserWarning, match=r"served more than once.*such as row 0 of") as caught:
        seq.split(0.5)
    one, other = seq.split(0.5, groups=groups_of(str(caught[0].message), seq))
    assert not set(one.x[:].ravel()) & set(other.x[:].ravel())
    with pytest.raises(
        ValueError, match=r"row 0 of .* more than once\. First choose each row once"
    ):
        seq.split(0.5, in_order=True)
    once = NpySequence(windows(take(rows, slice(10)), sequence_length=5, sequence_stride=5))
    assert 2 == len(once.split(0.5, in_order=True))


RARE = [*range(46), *[10, 12] * 3]


def oversampled(x: Any, y: Any) -> tuple[NpySequence, NpySequence]:
    """A sequence of which two windows come four times, and the same with each window once."""
    return NpySequence(take(x, RARE), take(y, RARE)), NpySequence(x, y)


def windows_of(*series: Any, **arguments: Any) -> Any:
    targets = [take(one, slice(4, None)) for one in series]
    return windows([*series], sequence_length=5, targets=targets, **arguments)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: oversampled(*windows_of("s.npy")), id="take"),
        pytest.param(lambda: oversampled(*windows_of(SERIES)), id="in-memory"),
        pytest.param(
            lambda: (lambda seq: (seq.subset(RARE), seq))(NpySequence(*windows_of("s.npy"))),
            id="subset",
        ),
        pytest.param(
            lambda: (lambda seq: (seq.subset(RARE), seq))(
                NpySequence({"a": windows("s.npy", sequence_length=5)}, SERIES[4:])
            ),
            id="dict",
        ),
    ],
)
@pytest.mark.parametrize("how", ["split", "in_order", "folds", "groups"])
def test_split_of_windows_of_which_some_come_again_splits_first(
    folder: Path, make: Any, how: str
) -> None:
    """Only the copies count as such, and those of the part to train with are made afterwards."""
    seq, once = make()
    halves = np.arange(seq.num_samples) % 2
    call: dict[str, Any] = {
        "split": lambda: seq.split(0.2, seed=0),
        "in_order": lambda: seq.split(0.2, in_order=True),
        "folds": lambda: seq.folds(3, seed=0),
        "groups": lambda: seq.split(0.5, groups=halves),
    }
    if how == "in_order":
        with pytest.raises(ValueError, match=r"row 1[02] of .* more than once\. First") as raised:
            call[how]()
        text = str(raised.value)
    else:
        rule = r"once, beside windows that overlap, are dealt .*Received: [631] of 52 rows"
        with pytest.warns(UserWarning, match=rule) as caught:
            call[how]()
        (text,) = [str(one.message) for one in caught]
    found = re.search(r"train, validation = (NpySequence.*\)), then (train\.subset\(rows\))", text)
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = {"NpySequence": NpySequence, "x": once.x, "y": once.y}
        train, validation = eval(found[1], names)
        rows = [*range(train.num_samples), *[10, 12] * 3]
        train = eval(found[2], {"train": train, "rows": rows})
    assert not leaks((train, validation))
    values = np.asarray(train.y[:])[:, None] if train.y[:].ndim == 1 else train.y[:]
    assert 4 == int((values[:, -1] == values[10, -1]).sum())


def test_folds_of_windows_of_which_some_come_again_take_groups_of_series(folder: Path) -> None:
    """Copies lie in the series of their windows."""
    files = ["s.npy", "t.npy", "x1.npy"]
    np.save("x1.npy", SERIES + 300)
    x = windows(files, sequence_length=5)
    seq = NpySequence(take(x, [*range(len(x)), *[10, 60] * 3]))
    with pytest.warns(UserWarning, match=r"Use folds\(\.\.\., groups=\), with a group for each"):
        seq.folds(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pair in seq.folds(3, groups=lambda path: path):
            assert not leaks(pair)


def test_split_of_classes_of_windows_of_which_some_come_again_cuts_each(folder: Path) -> None:
    """The last windows have one class."""
    x = windows(["s.npy", "t.npy"], sequence_length=5)
    rows = sorted([*range(92), 10, 10])
    seq = NpySequence(take(x, rows), np.array(rows) // 46)
    rule = "Cut each series by itself.*Repeat rows of the part to train with afterwards"
    with pytest.warns(UserWarning, match=rule):
        seq.split(0.4)
    train = windows(["s.npy", "t.npy"], sequence_length=5, end_index=30)
    validation = windows(["s.npy", "t.npy"], sequence_length=5, start_index=30)
    repeated = NpySequence(train).subset([*range(len(train)), 10, 10])
    assert not leaks((repeated, NpySequence(validation)))


@pytest.mark.parametrize("of_each", [1, 19], ids=["once", "all"])
def test_split_of_pairs_of_rows_that_meet_names_pairs_and_what_helps(
    tmp_path: Path, of_each: int
) -> None:
    """There are no windows; pairs of each part's own rows have none in common.

    Of all pairs, as for a siamese net, groups of the first input leave those of the second apart.
    """
    np.save(tmp_path / "x.npy", np.arange(20))
    path = tmp_path / "x.npy"
    pairs = [(i, j) for i in range(20) for j in range(i + 1, min(20, i + 1 + of_each))]
    first, second = map(list, zip(*pairs, strict=True))
    seq = NpySequence((take(path, first), take(path, second)))
    message = r"have one in common, as pairs of rows.*such as row \d+ of .*Split the rows first"
    with pytest.warns(UserWarning, match=message):
        seq.split(0.4)
    parts = [
        NpySequence((take(part.x, slice(None, -1)), take(part.x, slice(1, None))))
        for part in NpySequence(path).split(0.2)
    ]
    one, other = ({*part.x[0][:], *part.x[1][:]} for part in parts)
    assert not one & other


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ["x.npy", "x1.npy"], id="files"),
        pytest.param(lambda: ["x.npz::a", "x.npz::b"], id="members"),
        pytest.param(lambda: [take("x.npy", slice(10)), take("x.npy", slice(10, 20))], id="takes"),
        pytest.param(lambda: [ROWS[:10], ROWS[10:]], id="views"),
        pytest.param(lambda: [ROWS.T, ROWS.T.copy()], id="strided"),
        pytest.param(lambda: ("x.npy", "x.npy"), id="two-inputs"),
        pytest.param(
            lambda: [of_series(end_index=30, **APART), of_series(start_index=30, **APART)],
            id="windows",
        ),
        pytest.param(lambda: windows(samples("i*.npy"), sequence_length=1), id="samples"),
        pytest.param(
            lambda: windows(["s.npy", "t.npy"], sequence_length=4, join=True, **APART), id="joined"
        ),
    ],
)
def test_split_of_rows_that_come_once_does_not_warn(folder: Path, make: Any) -> None:
    """Nor do weights that rows have in common."""
    x = make()
    num_rows = NpySequence(x).num_samples
    weights = take(np.ones(1), np.zeros(num_rows, int))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence(x, np.arange(num_rows), weights)
        parts = [seq.split(0.3), seq.split(0.4, in_order=True), *seq.folds(2)]
        parts.append(seq.split(0.5, groups=np.arange(num_rows) % 2))
    assert num_rows == len({tuple(np.ravel(row)) for part in parts[0] for row in part.y[:]})


OVERLAPPING = [
    pytest.param(lambda: sliding_window_view(SERIES, 10), id="windows"),
    pytest.param(lambda: sliding_window_view(SERIES, 10)[::3], id="every-third"),
    pytest.param(lambda: sliding_window_view(SERIES, 10)[..., ::2], id="sampled"),
    pytest.param(lambda: sliding_window_view(SERIES, 10)[:, ::-1], id="backwards"),
    pytest.param(lambda: sliding_window_view(TABLE, 4, axis=0), id="of-two-columns"),
    pytest.param(lambda: sliding_window_view(TABLE, 4, axis=0).swapaxes(1, 2), id="keras"),
    pytest.param(lambda: sliding_window_view(TABLE, (4, 2))[:, 0], id="of-both-axes"),
    pytest.param(lambda: sliding_window_view(np.load("s.npy", "r"), 5), id="of-a-file"),
    pytest.param(lambda: as_strided(SERIES, (15, 6), (24, 8)), id="strides"),
    pytest.param(
        lambda: [SERIES[:12].reshape(2, 6), as_strided(SERIES, (9, 6), (40, 8))], id="list"
    ),
]


@pytest.mark.parametrize("make", OVERLAPPING)
def test_split_of_windows_by_strides_warns(folder: Path, make: Any) -> None:
    """As those of `windows` do: `in_order=True` leaves out what the parts share."""
    x = make()
    seq = NpySequence(x, np.arange(NpySequence(x).num_samples))
    for divide in (lambda: seq.split(0.3), lambda: seq.folds(3)[0]):
        with pytest.warns(UserWarning, match="windows that overlap do, are dealt out") as found:
            parts = divide()
        assert leaks(parts)
        assert "Use " in str(found[0].message)
    if not isinstance(x, list):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts = seq.split(0.3, in_order=True)
        assert not leaks(parts)
        assert sum(part.num_samples for part in parts) < seq.num_samples


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: sliding_window_view(SERIES, 10)[::10], id="side-by-side"),
        pytest.param(lambda: sliding_window_view(SERIES, 10)[::15], id="apart"),
        pytest.param(lambda: sliding_window_view(SERIES, 1), id="single-steps"),
        pytest.param(lambda: sliding_window_view(SERIES, 10).copy(), id="copied"),
        pytest.param(lambda: sliding_window_view(IMAGES, (3, 3), axis=(1, 2)), id="patches"),
        pytest.param(lambda: TABLE.T, id="columns-as-rows"),
        pytest.param(lambda: np.asfortranarray(TABLE), id="fortran-order"),
        pytest.param(lambda: IMAGES.transpose(0, 2, 3, 1), id="channels-last"),
        pytest.param(lambda: IMAGES.swapaxes(0, 1), id="axes-swapped"),
        pytest.param(lambda: TABLE[:, ::-1], id="columns-backwards"),
        pytest.param(lambda: TABLE[::-1], id="rows-backwards"),
        pytest.param(lambda: TABLE[::2, 1:], id="every-second"),
        pytest.param(lambda: np.broadcast_to(SERIES[:, None], (50, 3)), id="repeated"),
        pytest.param(lambda: {"a": TABLE[:, :1], "b": TABLE[:, 1:]}, id="two-inputs"),
        pytest.param(lambda: [TABLE[:, 1:], TABLE[:, :-1]], id="two-columns-joined"),
    ],
)
def test_split_of_views_that_do_not_overlap_does_not_warn(make: Any) -> None:
    """Rows that lie between each other, or one in several of its own places, share nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence(make())
        assert seq.num_samples == sum(part.num_samples for part in seq.split(0.4))
        assert seq.num_samples == sum(part.num_samples for part in seq.split(0.4, in_order=True))


def test_split_of_pairs_of_rows_warns_only_of_rows_in_two_pairs(folder: Path) -> None:
    """The rows between those of a pair are in no pair."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence((take("x.npy", [0, 5, 1]), take("x.npy", [10, 15, 3]))).split(0.3)
    with pytest.warns(UserWarning, match=r"have one in common.*Received: 1 of 3 rows"):
        NpySequence((take("x.npy", [0, 5, 1]), take("x.npy", [10, 15, 5]))).split(0.3)


def test_parts_and_copies_of_a_sequence_warn_as_it_does(folder: Path) -> None:
    """Each deals out the same rows; one that holds a row once does not warn."""
    seq = NpySequence(["x.npy", "x.npy"])
    for part in (
        seq.subset(range(39, 5, -1)),
        seq.replace(batch_size=4),
        NpySequence(["x.npy"] * 2, cache="ram"),
        NpySequence(NpySequence(["x.npy"] * 2).x),
        seq.map(lambda x: x + 1),
    ):
        with pytest.warns(UserWarning, match=r"served more than once"):
            part.split(0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq.subset(slice(20)).split(0.3)
        seq.subset(range(10, 30)).split(0.5)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ["x1.npy", "x.npy", "x.npy"], id="list"),
        pytest.param(lambda: take("x.npy", [*range(20)] * 2), id="take"),
        pytest.param(lambda: [take("x.npy", slice(14)), take("x.npy", slice(7, 20))], id="takes"),
        pytest.param(lambda: windows("s.npy", sequence_length=3), id="windows"),
        pytest.param(
            lambda: [of_series(end_index=40, **APART), of_series(start_index=11, **APART)],
            id="ranges",
        ),
    ],
)
def test_split_of_more_rows_than_are_looked_at_finds_those_that_come_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """The first rows of each file are looked at, and a sample of those that come anywhere."""
    monkeypatch.setattr("keras_npy.rows.timesteps.ROWS_LOOKED_AT", 6)
    monkeypatch.setattr("keras_npy.rows.timesteps.NEIGHBOURS", 3)
    monkeypatch.setattr("keras_npy.rows.timesteps.BLOCK_ROWS", 4)
    seq = NpySequence(make())
    with pytest.warns(UserWarning, match=r"\d+ of \d+ rows of .* that were looked at, such as"):
        seq.split(0.3)


def test_split_of_many_rows_looks_at_some(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a cut of a billion rows would take minutes. Rows chosen twice by `subset` are found."""
    monkeypatch.setattr("keras_npy.rows.timesteps.ROWS_LOOKED_AT", 6)
    seq = NpySequence(["x.npy", "x1.npy"])
    with pytest.warns(UserWarning, match=r"once lie in several parts"):
        NpySequence(["x1.npy", "x.npy", "x.npy"]).split(0.33, in_order=True)
    with pytest.warns(UserWarning, match=r"groups=seq\.indices"):
        seq.subset([*range(40), *range(40)]).split(0.3)
    read: list[int] = []
    original = type(seq.x).timesteps
    monkeypatch.setattr(
        type(seq.x), "timesteps", lambda rows, at: read.append(len(at)) or original(rows, at)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq.split(0.3)
    assert [6] == read
