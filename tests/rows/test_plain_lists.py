"""Lists that hold data, or one sample a file, where sources are joined: the remedies serve them."""

import os
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_npy
from keras_npy import NpySequence, open_rows, raw, samples


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def remedied(text: str, source: Any) -> Any:
    """What the calls in a message give."""
    names: dict[str, Any] = {"np": np, "keras": keras, "keras_npy": keras_npy, "source": source}
    if "names = " in text:
        assignment, _, text = text[text.index("names = ") :].partition("; ")
        exec(assignment, names)
    code = re.search(r"(np|keras|keras_npy)\.[a-z_.]+\(.*\)(\[1\])?", text)
    assert code is not None
    return eval(code[0].replace("length=...", "length=5"), names)


@pytest.mark.parametrize(
    ("source", "received", "expected"),
    [
        pytest.param(
            [[1.5, 2.25], [3.75], [4.0]],
            "3 lists of unequal length",
            [[1.5, 2.25], [0, 3.75], [0, 4]],
            id="floats",
        ),
        pytest.param(
            [[1, 2], [3], [4]], "3 lists of unequal length", [[1, 2], [0, 3], [0, 4]], id="ints"
        ),
        pytest.param(
            [(1, 2), (3,), (4,)], "3 lists of unequal", [[1, 2], [0, 3], [0, 4]], id="tuples"
        ),
        pytest.param(["b", "a", "b"], "names that are no paths, such as b", [1, 0, 1], id="names"),
        pytest.param(
            [["b", "a"], ["c"], ["a"]],
            "names that are no paths, such as b",
            [[2, 1], [0, 3], [0, 1]],
            id="lists-of-names",
        ),
    ],
)
def test_a_list_of_values_is_no_list_of_sources(source: Any, received: str, expected: Any) -> None:
    """Each remedy is executed, and serves what was meant."""
    for make in (lambda: NpySequence(np.zeros((3, 1)), source), lambda: open_rows(source)):
        with pytest.raises(TypeError, match=received) as raised:
            make()
    values = remedied(str(raised.value), source)
    np.testing.assert_array_equal(expected, NpySequence(np.zeros((3, 1)), values)[0][1])


def test_lists_of_lists_of_paths_are_sources() -> None:
    """Also with a name that has no suffix, and one that is missing."""
    for name in ("a.npy", "b.npy"):
        np.save(name, np.arange(3))
    Path("a.npy").rename("plain")
    assert 6 == len(open_rows([["plain"], ["b.npy"]]))
    assert 6 == len(open_rows([["plain", "[b].npy"]]))
    for missing in (["c.npy"], [["a/b"]], ["plain", "c"]):
        with pytest.raises(FileNotFoundError):
            open_rows(missing)
    np.testing.assert_array_equal([[1, 2], [3, 4]], np.asarray([[1, 2], [3, 4]]))
    with pytest.raises(TypeError, match=r"np\.asarray\(source\) of the data"):
        open_rows([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(["train_x", "train_y"], [0, 1], id="two"),
        pytest.param(["train_x"], [0], id="one"),
        pytest.param([["b", "a"], ["c"]], [[2, 1], [0, 3]], id="lists"),
        pytest.param([str(number) for number in range(10)], list(range(10)), id="numbers"),
    ],
)
def test_names_of_which_each_is_there_once_may_be_paths(source: Any, expected: Any) -> None:
    """The error is that of a missing file, and says what to do with names of classes too."""
    with pytest.raises(FileNotFoundError, match="No such file") as raised:
        open_rows(source)
    first = source[0][0] if isinstance(source[0], list) else source[0]
    assert first == raised.value.filename
    hint = str(raised.value).partition("no paths: ")[2].rpartition("): ")[0]
    np.testing.assert_array_equal(expected, remedied(hint, source))


@pytest.mark.parametrize("source", [[[1, [2]], [3, [4, 5]]], [[[1], [2, 3]], [[4]]]])
def test_lists_that_pad_sequences_cannot_pad_are_not_sent_there(source: Any) -> None:
    """It takes flat lists."""
    with pytest.raises(TypeError, match="lists of unequal length") as raised:
        open_rows(source)
    assert "pad_sequences" not in str(raised.value)
    assert "np.pad" in str(raised.value)


def test_a_list_of_paths_and_rows_is_saved_as_samples_without_those_of_an_earlier_run() -> None:
    """The loop opens paths, and refuses a folder that is there."""
    for at, length in enumerate((2, 3)):
        np.save(f"{at}.npy", np.full((length, 1), at + 1))
    source = ["0.npy", raw("1.npy", dtype="int64", shape=(-1, 1), offset=128)]
    with pytest.raises(TypeError, match="in a new folder") as raised:
        samples(source)  # type: ignore[list-item] # Rows are no path.
    names: dict[str, Any] = {"np": np, "os": os, "keras_npy": keras_npy, "source": source}
    text = str(raised.value)
    exec(text.split("`")[1], names)
    call = re.search(r"pass (.*)\.$", text)
    assert call is not None
    rows = eval(call[1].replace("...", "3, pad_value=0"), names)
    np.testing.assert_array_equal([[1, 1, 0], [2, 2, 2]], rows[:][..., 0])
    with pytest.raises(FileExistsError):
        exec(text.split("`")[1], names)


def saved(lengths: list[int]) -> list[str]:
    Path("i").mkdir()
    for at, length in enumerate(lengths):
        np.save(f"i/{at}.npy", np.full((length, 3), at + 1))
    return [f"i/{at}.npy" for at in range(len(lengths))]


@pytest.mark.parametrize("lengths", [[4] * 6, [4, 2, 3, 1, 5, 4]], ids=["alike", "unlike"])
@pytest.mark.parametrize("kind", ["list", "pattern", "arrays"])
@pytest.mark.parametrize("labels", ["array", "file", "samples"])
def test_one_file_or_array_for_each_label_is_told_of_samples(
    lengths: list[int], kind: str, labels: str
) -> None:
    """By the number of files, which is that of the labels; the call that is named serves them."""
    paths = saved(lengths)
    source: Any = {"list": paths, "pattern": "i/*.npy", "arrays": [np.load(p) for p in paths]}[kind]
    y: Any = np.arange(6)
    if labels == "file":
        np.save("y.npy", y)
        y = "y.npy"
    elif labels == "samples":
        Path("y").mkdir()
        for at in range(6):
            np.save(f"y/{at}.npy", np.array(at))
        y = samples("y/*.npy")
    for names in ((source, y), (y, source)):
        with pytest.raises(ValueError, match=r"has N=.* is one sample, pass") as raised:
            NpySequence(*names)
    x, served = NpySequence(remedied(str(raised.value), source), y)[0]
    np.testing.assert_array_equal(np.arange(6), served)
    assert (6, max(lengths), 3) == x.shape
    np.testing.assert_array_equal(np.arange(1, 7), x.max(axis=(1, 2)))


def test_files_of_many_rows_are_not_taken_for_samples() -> None:
    """Where the number of labels is another one than that of the files."""
    paths = saved([4, 2, 3])
    assert 9 == NpySequence(paths, np.arange(9)).num_samples
    with pytest.raises(ValueError, match="trim the longer one"):
        NpySequence(paths, np.arange(8))


# Points of each scan, as `ndarray.tofile` writes them: 4 values each, as many as there were.
SCANS = [np.arange(1, 4 * n + 1, dtype="float32").reshape(n, 4) + 100 * n for n in (50, 40, 60)]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(lambda paths: samples("*.bin", length=45), ValueError, id="samples"),
        pytest.param(lambda paths: samples(paths), ValueError, id="list"),
        pytest.param(lambda paths: samples(paths, check=False), ValueError, id="check=False"),
        pytest.param(
            lambda paths: NpySequence(raw("*.bin", dtype="f4", shape=(-1, 4)), np.arange(3)),
            ValueError,
            id="raw-of-a-pattern",
        ),
        pytest.param(
            lambda paths: NpySequence(raw_of_each(paths), np.arange(3)),
            ValueError,
            id="raw-of-each",
        ),
        pytest.param(
            lambda paths: NpySequence(list(map(rows_of, paths))),
            ValueError,
            id="raw-of-one-row-each",
        ),
        pytest.param(lambda paths: samples(raw_of_each(paths)), TypeError, id="samples-of-raw"),
    ],
)
def test_bare_values_of_unequal_length_are_saved_each_as_a_sample(make: Any, error: Any) -> None:
    """The loop of the remedy is executed; `raw` would join all points."""
    paths = [f"{at}.bin" for at in range(3)]
    for path, scan in zip(paths, SCANS, strict=True):
        scan.tofile(path)
    with pytest.raises(error, match=r"`for .* in .*`; then pass ") as raised:
        make(paths)
    source: Any = raw_of_each(paths)
    if "(one)[0]" in str(raised.value):
        source = [rows_of(path) for path in paths]
    names = {"np": np, "os": os, "keras_npy": keras_npy, "paths": paths, "source": source}
    exec(str(raised.value).split("`")[1], names)
    x, y = NpySequence(
        samples(["*.npy", "each/*.npy"][Path("each").is_dir()], length=45), np.arange(3)
    )[0]
    expected = np.zeros((3, 45, 4), "float32")
    for at, scan in enumerate(SCANS):
        expected[at, : len(scan)] = scan[:45]
    np.testing.assert_array_equal(expected, x)
    np.testing.assert_array_equal([0, 1, 2], y)


def raw_of_each(paths: list[str]) -> list[Any]:
    return [raw(path, dtype="f4", shape=(-1, 4)) for path in paths]


def rows_of(path: str) -> Any:
    """All points as one row."""
    return raw(path, dtype="f4", shape=(1, Path(path).stat().st_size // 16, 4))
