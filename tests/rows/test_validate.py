"""`validate=True` looks through all rows once: what would spoil training is named with its row."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, open_rows, samples, take, windows
from keras_npy.order.selection import to_array, to_rows
from keras_npy.rows import walk
from keras_npy.rows import window_rows as made_of_windows
from tests.rows.test_contract import save_shards

N = 11


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "BLOCK_BYTES", 64)


def one_file(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    np.save(folder / "x.npy", array)
    return folder / "x.npy", f"{folder}/x.npy, row 7"


def fortran(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    np.save(folder / "x.npy", np.asfortranarray(array))
    return folder / "x.npy", f"{folder}/x.npy, row 7"


def shards(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    save_shards(folder, array)
    return f"{folder}/x-*.npy", f"{folder}/x-1.npy, row 5, which is row 7 of the source"


def unlike_shards(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    path, *_ = save_shards(folder, array)
    np.save(path, np.asfortranarray(np.load(path)))
    return f"{folder}/x-*.npy", f"{folder}/x-1.npy, row 5, which is row 7 of the source"


def of_samples(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    for number, sample in enumerate(array):
        np.save(folder / f"s-{number}.npy", sample)
    return samples(folder / "s-*.npy"), f"{folder}/s-7.npy, row 7"


def in_memory(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    return array, "array in memory, row 7"


def joined(folder: Path, array: np.ndarray) -> tuple[Any, str]:
    np.save(folder / "x.npy", array[:7])
    np.save(folder / "more.npy", array[7:])
    sources = [open_rows(folder / "x.npy"), folder / "more.npy"]
    return sources, f"{folder}/more.npy, row 0, which is row 7 of the source"


SOURCES = [one_file, fortran, shards, unlike_shards, joined, of_samples, in_memory]
# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


@pytest.mark.parametrize("io", ["map", "read"])
@pytest.mark.parametrize("make", SOURCES)
def test_value_that_is_not_finite_is_named_with_file_and_row(
    tmp_path: Path, make: Callable[..., Any], io: Any
) -> None:
    """The first of them, wherever the rows lie."""
    array = np.arange(N * 6, dtype="float32").reshape(N, 2, 3)
    array[7, 1, 2], array[9, 0, 0] = np.nan, np.inf
    source, place = make(tmp_path, array)
    if make in (of_samples, joined):
        io = "auto"
    with pytest.raises(
        ValueError, match=rf"^{re.escape(place)}: .*finite.*Received: nan in float32 \(2, 3\)\."
    ):
        NpySequence(source, validate=True, io=io)
    # Rows that are left out do no harm, which is the remedy.
    seq = NpySequence(source, validate=True, indices=[8, 6, 10], io=io)
    np.testing.assert_array_equal(array[[8, 6, 10]], seq[0])
    NpySequence(source, io=io)


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "bfloat16"])
@pytest.mark.parametrize("where", ["x", "y", "sample_weight"])
def test_infinity_is_found_in_every_source_and_dtype(dtype: str, where: str) -> None:
    """Inputs, targets and weights."""
    import ml_dtypes

    array = np.ones(N, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    array[3] = np.inf
    sources: dict[str, Any] = {"x": np.ones(N), "y": {"a": np.ones(N)}, "sample_weight": None}
    sources[where] = {"a": array} if where != "x" else array
    with pytest.raises(ValueError, match=rf"array in memory, row 3: .*inf.* in {dtype}"):
        NpySequence(**sources, validate=True)


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        pytest.param([0, 1, 2, -1], "-1", id="negative"),
        pytest.param([0.0, 1.0, 2.0, 1.5], "1.5", id="fractional"),
        pytest.param([0, 1, 2, 3], "3", id="out-of-range"),
        pytest.param([[0], [1], [2], [9]], "9", id="column"),
        pytest.param([[0, 1], [2, 2], [1, 0], [1, 7]], "7", id="mask"),
        pytest.param([0.0, 1.0, 2.0, np.nan], "nan", id="nan"),
        pytest.param(np.array([0, 1, 2, 2**63], "uint64"), str(2**63), id="uint64"),
    ],
)
def test_label_that_is_no_class_is_named_with_file_and_row(
    tmp_path: Path, labels: Any, received: str
) -> None:
    """What the loss would take for another class, or for none."""
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(
        ValueError,
        match=rf"y\.npy, row 3: .*0 <= label < 3, the num_classes.*Received: {received}\.",
    ):
        NpySequence(np.ones(4), tmp_path / "y.npy", validate=True, num_classes=3)


def test_labels_that_are_well_are_left_alone(tmp_path: Path) -> None:
    """One-hot rows, whole floats, and targets of a regression where no classes are given."""
    for labels in ([0, 1, 2, 1], [0.0, 2.0, 1.0, 1.0], np.eye(3)[[0, 1, 2, 1]] * 0.9 + 0.03):
        NpySequence(np.ones(4), np.array(labels), validate=True, num_classes=3)
    NpySequence(np.ones(4), np.array([-1.5, 7, 0, 1]), validate=True)


def test_windows_name_the_timestep(tmp_path: Path) -> None:
    """In its file. Windows that are left out, and what lies between them, do no harm."""
    for number in range(2):
        np.save(tmp_path / f"x{number}.npy", np.array([1, 2, 3, np.nan, 5, 6]))
    source = windows(tmp_path / "x*.npy", sequence_length=2)
    for chosen in (None, [9, 2, 6]):
        with pytest.raises(ValueError, match=r"^.*x0\.npy, row 3: .*finite"):
            NpySequence(source, validate=True, indices=chosen)
    with pytest.raises(ValueError, match=r"^.*x1\.npy, row 3: .*finite"):
        NpySequence(take(source, [8, 0]), validate=True)
    NpySequence(source, validate=True, indices=[0, 1, 4, 5, 9])
    NpySequence(windows(tmp_path / "x0.npy", sequence_length=2, sequence_stride=4), validate=True)


def way_out(error: BaseException) -> str:
    """The code of a message that leaves windows out."""
    return str(error).partition(" pass indices=")[2].removesuffix(".")


STEPS = np.arange(96.0)


def with_nan(*at: int) -> Any:
    steps = STEPS.copy()
    steps[list(at)] = np.nan
    return steps


def of_two_files(*at: int) -> list[str]:
    np.save("pm-1.npy", with_nan(*at)[:40])
    np.save("pm-2.npy", with_nan(*at)[40:])
    return ["pm-1.npy", "pm-2.npy"]


LONG = {"sequence_length": 6}


@pytest.mark.parametrize(
    ("make", "received", "code"),
    [
        pytest.param(
            lambda: windows(with_nan(10), **LONG),
            "nan in float64 (6,), which windows 5 to 10 of 91 hold. R",
            "np.delete(np.arange(91), range(5, 11))",
            id="each",
        ),
        pytest.param(
            lambda: windows(with_nan(10, 11, 12, 50), **LONG),
            "in 4 timesteps, which windows 5 to 12, 45 to 50 of 91 hold. R",
            "np.delete(np.arange(91), [*range(5, 13), *range(45, 51)])",
            id="gaps",
        ),
        pytest.param(
            lambda: windows(with_nan(0), **LONG),
            "which window 0 of 91 holds",
            "np.delete(np.arange(91), [0])",
            id="first",
        ),
        pytest.param(
            lambda: windows(with_nan(95), **LONG),
            "which window 90 of 91 holds",
            "np.delete(np.arange(91), [90])",
            id="last",
        ),
        pytest.param(
            lambda: windows(with_nan(30), sequence_length=24, sequence_stride=12),
            "which windows 1, 2 of 7 hold",
            "np.delete(np.arange(7), [1, 2])",
            id="stride",
        ),
        pytest.param(
            lambda: windows(with_nan(40), sequence_length=5, sampling_rate=3),
            "which windows 28 to 40 in steps of 3 of 84 hold",
            "np.delete(np.arange(84), range(28, 41, 3))",
            id="rate",
        ),
        pytest.param(
            lambda: windows(
                with_nan(40), sequence_length=5, sampling_rate=3, sequence_stride=2, start_index=4
            ),
            "which windows 12 to 18 in steps of 3 of 40 hold",
            "np.delete(np.arange(40), range(12, 19, 3))",
            id="rate-and-stride",
        ),
        pytest.param(
            lambda: windows(of_two_files(10, 60), **LONG),
            "which windows 5 to 10, 50 to 55 of 86 hold",
            "np.delete(np.arange(86), [*range(5, 11), *range(50, 56)])",
            id="files",
        ),
        pytest.param(
            lambda: windows(of_two_files(41), join=True, **LONG),
            "which windows 36 to 41 of 91 hold",
            "np.delete(np.arange(91), range(36, 42))",
            id="join",
        ),
        pytest.param(
            lambda: [windows(STEPS, **LONG), windows(with_nan(10), **LONG)],
            "which windows 96 to 101 of 182 hold",
            "np.delete(np.arange(182), range(96, 102))",
            id="list",
        ),
        pytest.param(
            lambda: take(windows(with_nan(10), **LONG), [30, 5, 6, 90, 5, 7]),
            "which windows 1, 2, 4, 5 of 6 hold",
            "np.delete(np.arange(6), [1, 2, 4, 5])",
            id="take",
        ),
        pytest.param(
            lambda: windows(take(with_nan(10), slice(0, None, 2)), join=True, sequence_length=2),
            "which windows 4, 5 of 47 hold",
            "np.delete(np.arange(47), [4, 5])",
            id="of-taken",
        ),
    ],
)
def test_windows_that_hold_a_value_are_named_with_what_leaves_them_out(
    make: Any, received: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timestep has another number than the windows that `indices=` counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(walk, "BLOCK_BYTES", 4 << 20)
    x = make()
    with pytest.raises(ValueError, match="or pass indices=") as caught:
        NpySequence(x, validate=True)
    assert received in str(caught.value)
    assert code == way_out(caught.value)
    rows = eval(code)
    seq = NpySequence(x, validate=True, indices=rows)
    # No window is left out that could stay.
    whole = open_rows(x)[:]
    assert np.isfinite(whole).all(axis=1).nonzero()[0].tolist() == rows.tolist()
    np.testing.assert_array_equal(whole[rows], np.concatenate(list(seq)))


@pytest.mark.parametrize(
    ("indices", "num_left"),
    [
        pytest.param(slice(0, 40), 34, id="slice"),
        pytest.param([7, 80, 3, 80, 9], 3, id="list"),
        pytest.param(np.array([7, 80, 3, 80, 9]), 3, id="array"),
        pytest.param(np.arange(91) % 2 == 0, 43, id="mask"),
        pytest.param(range(9, 30), 19, id="range"),
    ],
)
def test_windows_are_left_out_of_those_that_were_chosen(indices: Any, num_left: int) -> None:
    """In their order, and as often."""
    x = windows(with_nan(10), **LONG)
    with pytest.raises(ValueError, match=r"or pass indices=\(rows :=") as caught:
        NpySequence(x, validate=True, indices=indices)
    rows = eval(way_out(caught.value), {"np": np, "indices": indices})
    seq = NpySequence(x, validate=True, indices=rows)
    chosen = np.arange(91)[indices]
    np.testing.assert_array_equal(chosen[(chosen < 5) | (chosen > 10)], rows)
    assert num_left == seq.num_samples == len(rows)


@pytest.mark.parametrize("which", ["next", "targets"])
def test_targets_with_a_value_are_left_out_with_their_windows(which: str) -> None:
    """Of the next value, the windows of both hold it, so that one error says all."""
    pair = (
        windows(with_nan(10), predict_next=True, **LONG)
        if which == "next"
        else windows(STEPS, targets=take(with_nan(16), slice(6, None)), **LONG)
    )
    held = "windows 4 to 10 of 90 hold" if which == "next" else "window 10 of 90 holds"
    with pytest.raises(ValueError, match=rf"row 1[06]: .*, which {held}\. Rep") as caught:
        NpySequence(pair, validate=True)
    x, y = NpySequence(pair, validate=True, indices=eval(way_out(caught.value)), batch_size=99)[0]
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()


def test_where_all_windows_hold_a_value_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many of them in no order are not listed either."""
    monkeypatch.setattr(walk, "BLOCK_BYTES", 4 << 20)
    with pytest.raises(ValueError, match=r"all 3 windows hold\. Replace it with np\.nan_to_num\.$"):
        NpySequence(windows(with_nan(6)[:10], sequence_length=8), validate=True)
    with pytest.raises(ValueError, match=r"in the first 1000 timesteps, which windows 0 to 999 of"):
        NpySequence(windows(np.full(3000, np.nan), sequence_length=1), validate=True)
    shuffled = take(windows(with_nan(50), sequence_length=40), np.arange(57) ** 2 % 57)
    with pytest.raises(ValueError, match=r"and \d+ more of 57 hold.* windows out with indices=\.$"):
        NpySequence(shuffled, validate=True)


@pytest.mark.parametrize(
    ("numbers", "place"),
    [
        pytest.param([3, 7, 0], "x.npy, row 7, which is row 1 of the source: ", id="take"),
        pytest.param([7, 3, 7], "x.npy, row 7, which are rows 0 and 2 of the source: ", id="twice"),
        pytest.param([7] * 4, "x.npy, row 7, which are rows 0 and 3 more rows of t", id="often"),
        pytest.param(slice(0, 9), "x.npy, row 7: ", id="from-the-begin"),
    ],
)
def test_rows_that_were_taken_have_the_number_that_indices_counts(
    tmp_path: Path, numbers: Any, place: str
) -> None:
    """Beside that in the file."""
    np.save(tmp_path / "x.npy", with_nan(7))
    x = take(tmp_path / "x.npy", numbers)
    with pytest.raises(ValueError, match=rf"{place}.*leave its rows out with indices=\.$"):
        NpySequence(x, validate=True)
    kept = np.isfinite(x[:]).nonzero()[0]
    if kept.size:
        NpySequence(x, validate=True, indices=kept)


def series() -> Any:
    return [np.arange(length) + 100 * number for number, length in enumerate((30, 3, 17))]


MADE_OF_OTHERS = [
    pytest.param(lambda: windows(series(), sequence_length=4), id="windows"),
    pytest.param(
        lambda: windows(series(), sequence_length=3, sequence_stride=7, sampling_rate=2), id="gaps"
    ),
    pytest.param(
        lambda: windows(series(), sequence_length=5, sampling_rate=3, start_index=2), id="rate"
    ),
    pytest.param(
        lambda: windows(series(), sequence_length=2, predict_next=True, join=True).y, id="next"
    ),
    pytest.param(
        lambda: take(windows(series(), sequence_length=9), [3, 3, 1, -1, 20]), id="taken-windows"
    ),
    pytest.param(
        lambda: windows(take(series(), slice(40, 3, -1)), sequence_length=4), id="windows-of-taken"
    ),
    pytest.param(
        lambda: open_rows([windows(part, sequence_length=3) for part in series()]), id="joined"
    ),
]


@pytest.mark.parametrize("chosen", [None, slice(9, None, -4), [2, 12, 0, 2]], ids=str)
@pytest.mark.parametrize("make", MADE_OF_OTHERS)
def test_values_that_are_served_several_times_are_read_once(
    make: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the rows that are used, and no others."""
    monkeypatch.setattr(made_of_windows, "ROWS_AT_ONCE", 6)
    rows = make() if chosen is None or len(make()) > 12 else take(make(), [0, 1, 2] * 5)
    indices = to_rows(slice(None) if chosen is None else chosen, len(rows))
    read = [part.take(to_array(numbers)) for part, numbers in rows.read_once(indices)]
    found = np.concatenate([values.ravel() for values in read])
    expected = np.unique(rows[slice(None) if chosen is None else chosen])
    assert expected.tolist() == sorted(found.tolist())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"validate": 1}, TypeError, "validate must be True or False"),
        ({"num_classes": 3}, ValueError, "num_classes=3 and validate=False. Pass validate=True"),
        ({"num_classes": 0, "validate": True}, ValueError, "num_classes must be at least 1"),
        ({"num_classes": 3, "validate": True}, ValueError, "single output y.*Received: 0 outputs"),
    ],
)
def test_validation_that_is_asked_for_in_a_wrong_way_is_refused(
    arguments: Any, error: Any, message: str
) -> None:
    """With what to pass."""
    with pytest.raises(error, match=message):
        NpySequence(np.ones(4), **arguments)


def test_integers_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no NaN, so images of bytes cost nothing."""
    np.save(tmp_path / "x.npy", np.ones((4, 5), "uint8"))
    monkeypatch.setattr(
        "keras_npy.rows.stored.StoredRows.read_into", lambda *given: pytest.fail("rows were read")
    )
    NpySequence(tmp_path / "x.npy", validate=True)
