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
