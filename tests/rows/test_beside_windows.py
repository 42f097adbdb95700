"""Rows that do not belong to windows one by one: each error names what they are, and its remedy."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import NpyLayoutWarning, NpySequence, samples, take, windows

LENGTHS = (40, 36, 44)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three recordings, and the label of each timestep, which is the same number."""
    monkeypatch.chdir(tmp_path)
    for number, length in enumerate(LENGTHS):
        np.save(f"r{number}.npy", np.arange(length) + 100 * number)
        np.save(f"t{number}.npy", np.arange(length) + 100 * number)
    np.save("eeg.npy", np.arange(8 * 500).reshape(8, 500))


def of_files(**arguments: Any) -> Any:
    return windows("r*.npy", sequence_length=5, **arguments)


ALL = "all of its rows"
SHIFTED = "take(y, slice(4, None))"

STEPS = [
    pytest.param(of_files, lambda: take("t*.npy", slice(4, None)), SHIFTED, 4, id="last-step"),
    pytest.param(of_files, lambda: take("t*.npy", slice(4, 112)), SHIFTED, 4, id="as-many"),
    pytest.param(of_files, lambda: take("t*.npy", slice(0, 108)), ALL, 0, id="cut-to-as-many"),
    pytest.param(of_files, lambda: "t*.npy", "t0.npy and 2 more", 0, id="all"),
    pytest.param(of_files, lambda: ["t0.npy", "t1.npy", "t2.npy"], "t0.npy", 0, id="list"),
    pytest.param(
        lambda: [windows(f"r{n}.npy", sequence_length=5) for n in range(3)],
        lambda: take("t*.npy", slice(4, None)),
        *(SHIFTED, 4),
        id="list-of-windows",
    ),
]


@pytest.mark.parametrize(("make", "labels", "remedy", "shift"), STEPS)
def test_labels_of_timesteps_are_targets(make: Any, labels: Any, remedy: str, shift: int) -> None:
    """To save them with as many rows as there are windows would pair most of them wrongly."""
    with pytest.raises(ValueError, match=r"a row for each timestep.*as targets= of windows, which"):
        NpySequence(make(), labels())
    with pytest.raises(ValueError, match=re.escape(remedy)):
        NpySequence(make(), labels())
    y = "t*.npy"
    x, y = of_files(targets=eval(remedy, {"take": take, "y": y}) if remedy == SHIFTED else y)
    np.testing.assert_array_equal(x[:][:, shift], y[:])


def test_stride_of_windows_is_found_where_the_first_file_has_a_single_one() -> None:
    """The next window lies in another file, as far behind as this one is long."""
    np.save("r0.npy", np.arange(6))
    np.save("t0.npy", np.arange(6))
    labels = take("t*.npy", slice(4, None, 3))
    with pytest.raises(ValueError, match=re.escape(f"pass {SHIFTED}, in which")):
        NpySequence(of_files(sequence_stride=3), labels)


@pytest.mark.parametrize(
    ("form", "stride", "start"),
    [
        *(("pattern", 3, None), ("pattern", 1, 4), ("pattern", 3, 4)),
        # From the last step on, each file has as many labels as windows: these are right.
        *(("list", 1, None), ("list", 3, None), ("list", 3, 2)),
    ],
)
def test_labels_of_each_window_that_were_taken_from_those_of_timesteps_are_targets(
    form: str, stride: int, start: int | None
) -> None:
    """With the stride of the windows, over all files or in each: the remedy has the right ones."""
    how = {"sequence_length": 5, "sequence_stride": stride}
    numbers = range(3)
    step = slice(start, None, stride)
    each = [windows(f"r{number}.npy", **how) for number in numbers]
    labels: Any = take("t*.npy", step)
    if form == "list":
        labels = [take(f"t{number}.npy", step) for number in numbers]
    with pytest.raises(ValueError, match="a row for each timestep") as error:
        NpySequence(each if form == "list" else of_files(sequence_stride=stride), labels)
    message = str(error.value)
    names: dict[str, Any] = {"windows": windows, "take": take, "NpySequence": NpySequence}
    if form == "list":
        code, call = re.findall(r"pairs = (\[.*\]), then (NpySequence.*)\.", message)[0]
        code = code.replace("...", "**how", 1).replace("...", "files")
        files = [(f"r{number}.npy", f"t{number}.npy") for number in numbers]
        names |= {"how": how, "files": files}
        seq = eval(call, names | {"pairs": eval(code, names)})
    else:
        targets = eval(SHIFTED, names | {"y": "t*.npy"}) if start else "t*.npy"
        assert ("pass " + (SHIFTED if start else "all of its rows")) in message
        seq = NpySequence(of_files(sequence_stride=stride, targets=targets))
    x, y = seq.x[:], seq.y[:]
    np.testing.assert_array_equal(x[:, start or 0], y)
    assert len(x) == sum(map(len, each))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("paths", [["r0.npy"], ["r0.npy", "r1.npy", "r2.npy"]], ids=["one", "list"])
def test_windows_of_which_one_side_has_more_end_earlier(paths: list[str], stride: int) -> None:
    """A forecast reaches the end of its series first: the remedy pairs what follows."""
    each = {"sequence_stride": stride}

    def of_each(**how: Any) -> Any:
        made = [windows(path, **each, **how) for path in paths]
        return made if len(made) > 1 else made[0]

    future = of_each(sequence_length=4, start_index=8)
    for sides in ((of_each(sequence_length=8), future), (future, of_each(sequence_length=8))):
        with pytest.raises(ValueError, match=r"end these 4 timesteps earlier, windows") as error:
            NpySequence(*sides)
    code = re.findall(r"(windows\(path.*\))(?: for each path)?\.", str(error.value))[0]
    names = {"windows": windows, "keras_npy": keras_npy, "each": each}
    code = code.replace("...", "sequence_length=8, **each")
    past = [eval(code, names | {"path": path}) for path in paths]
    x, y = NpySequence(past if len(past) > 1 else past[0], future, batch_size=200)[0]
    np.testing.assert_array_equal(x[:, -1:] + [[1, 2, 3, 4]], y)
    # An end that was given may be meant to be another one.
    cut = of_each(sequence_length=8, end_index=36 - 4 * len(paths))
    with pytest.raises(ValueError, match="the same number") as error:
        NpySequence(cut, of_each(sequence_length=8, start_index=20))
    assert "timesteps earlier" not in str(error.value)


def test_label_of_each_recording_is_repeated() -> None:
    """As `y` and as `targets=`; files that are too short for a window have none."""
    labels = np.array([7, 8, 9])
    repeated = r"np\.repeat\(y, x\.shard_lengths\)"
    each = [windows(f"r{number}.npy", sequence_length=5) for number in range(3)]
    for x in (of_files(), each):
        with pytest.raises(ValueError, match=rf"has a row for each file.*{repeated}"):
            NpySequence(x, labels)
    with pytest.raises(ValueError, match=rf"Leave targets= out.*{repeated}"):
        of_files(targets=labels)
    x = of_files()
    y = np.repeat(labels, x.shard_lengths)
    np.testing.assert_array_equal(labels[x[:][:, 0] // 100], NpySequence(x, y).y[:])
    np.save("r1.npy", np.arange(3))
    with pytest.raises(ValueError, match=rf"leave out those of files that are .*{repeated}"):
        NpySequence(of_files(), labels)
    x = of_files()
    y = np.repeat(labels[[0, 2]], x.shard_lengths)
    np.testing.assert_array_equal(labels[x[:][:, 0] // 100], NpySequence(x, y).y[:])


def test_labels_of_windows_of_the_joined_files_lose_those_that_cross() -> None:
    """Trimmed at the end, all labels behind the first file would be those of other windows."""
    steps = np.concatenate([np.load(f"r{number}.npy") for number in range(3)])
    y = steps[: len(steps) - 4]
    with pytest.raises(ValueError, match=r"files joined, 116: pass join=True") as error:
        NpySequence(of_files(), y)
    NpySequence(of_files(join=True), y)
    x = of_files()
    call = re.search(r"(take\(y, .*\)), in which x are the windows", str(error.value))
    assert call
    kept = eval(call[1], {"take": take, "x": x, "y": y, "np": np})
    np.testing.assert_array_equal(x[:][:, 0], NpySequence(x, kept).y[:])
    with pytest.raises(
        ValueError, match=r"files joined, 29: pass join=True to windows if [\w ]+\.$"
    ):
        NpySequence(of_files(sequence_stride=4, start_index=1), y[:29])


@pytest.mark.parametrize(
    ("make", "labels"),
    [
        pytest.param(of_files, lambda: np.zeros(107), id="one-too-few"),
        pytest.param(of_files, lambda: take("t*.npy", range(0, 120, 2)), id="every-second"),
        pytest.param(lambda: "r*.npy", lambda: np.zeros(100), id="no-windows"),
        pytest.param(
            lambda: windows("r0.npy", sequence_length=5), lambda: np.zeros(35), id="one-file"
        ),
    ],
)
def test_other_numbers_of_labels_keep_their_error(make: Any, labels: Any) -> None:
    """Nothing says what they are."""
    with pytest.raises(ValueError, match="the same number of") as error:
        NpySequence(make(), labels())
    assert not re.search("join=True|repeat|each timestep", str(error.value))


def test_windows_of_a_series_with_time_on_its_last_axis_name_the_transpose() -> None:
    """A smaller `sequence_length` would make windows over channels."""
    stored = np.load("eeg.npy")
    np.save("eeg1.npy", stored + 1)
    for source, call in (
        ("eeg.npy", r"np\.load\('\S*eeg\.npy', mmap_mode='r'\)\.T"),
        (stored, r"array\.T"),
        (["eeg.npy", "eeg1.npy"], r"\[np\.load\(path, mmap_mode='r'\)\.T for path in paths\]"),
    ):
        with pytest.raises(ValueError, match=r"If time runs along axis 1, as in") as error:
            windows(source, sequence_length=50)
        found = re.search(call, str(error.value))
        assert found
        names = {"np": np, "array": stored, "paths": ["eeg.npy", "eeg1.npy"]}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", NpyLayoutWarning)
            rows = windows(eval(found[0], names), sequence_length=50)
        np.testing.assert_array_equal(stored[:, 450:].T, rows[450])
    with pytest.raises(ValueError, match=r"takes 501\. Pass a smaller sequence_length\.$"):
        windows("eeg.npy", sequence_length=501)


def test_windows_of_samples_that_are_recordings_name_the_pattern() -> None:
    """A smaller `sequence_length` would make windows of whole recordings."""
    for number in range(3):
        np.save(f"s{number}.npy", np.arange(20) + 100 * number)
    with pytest.raises(ValueError, match=r"each file is one timestep: leave samples out, windows"):
        windows(samples("s*.npy"), sequence_length=5)
    assert (48, 5) == windows("s*.npy", sequence_length=5).shape
    with pytest.raises(ValueError, match=r"3 timesteps, of which a window takes 21\. Pass a small"):
        windows(samples("s*.npy"), sequence_length=21)
