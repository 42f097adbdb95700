"""`keras-npy check`: each planted fault is found, with its rows, and nothing else."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest

import keras_npy
from keras_npy.rows import walk
from keras_npy.tools.checks import hashes
from keras_npy.tools.checks.hashes import Hashes
from keras_npy.tools.cli import main
from tests.conftest import peak_bytes_of

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (400, 6, 5)).astype("uint8")
Y = RNG.integers(0, 4, 400)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Blocks of 64 images: what is found must not depend on where they end.
    monkeypatch.setattr(walk, "BLOCK_BYTES", 64 * 30)


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, list[int], int]]:
    """Kind, first rows and number of rows of each finding."""
    status = main(["check", "--json", *arguments])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert status == (1 if findings else 0)
    return [(one["kind"], one["rows"], one["total"]) for one in findings]


def of_x(array: np.ndarray) -> list[str]:
    np.save("x.npy", array)
    return ["x.npy"]


def of_y(array: np.ndarray, *options: str) -> list[str]:
    np.save("x.npy", X[: len(array)])
    np.save("y.npy", array)
    return ["x.npy", "--y", "y.npy", *options]


def changed(array: np.ndarray, rows: Any, value: float) -> np.ndarray:
    array = array.copy()
    array[rows] = value
    return array


FLOATS = (X / 255).astype("float32")
FLOATS[0, 0, :2] = 0.5, 0.7
NORMAL = RNG.normal(size=(400, 6, 5))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(X, [], id="images"),
        pytest.param(FLOATS, [], id="floats-of-one"),
        pytest.param(changed(FLOATS, (7, 3, 2), np.nan), [("nan", [7], 1)], id="nan"),
        pytest.param(
            changed(FLOATS, ([9, 3], 0, 0), -np.inf), [("infinity", [3, 9], 2)], id="infinity"
        ),
        pytest.param(changed(X, [50, 399], 3)[:399], [("constant", [50], 1)], id="blank"),
        pytest.param(X.astype("float64"), [("scale", [], 0)], id="0..255-in-float64"),
        pytest.param(X.astype("uint16") * 16, [("scale", [], 0)], id="12-bits-in-uint16"),
        pytest.param(X // 128, [("scale", [], 0)], id="0..1-in-uint8"),
        pytest.param(FLOATS * 1000, [("scale", [], 0)], id="floats-of-1000"),
        pytest.param(FLOATS * 20 - 10, [], id="within-10"),
        pytest.param(NORMAL, [], id="standardised"),
        pytest.param(NORMAL.astype(">f2"), [], id="standardised-big-endian-halves"),
        pytest.param(NORMAL.reshape(400, 30), [], id="standardised-table"),
        pytest.param(changed(NORMAL, (7, 1, 1), 40), [], id="long-tail"),
        pytest.param(NORMAL * 1e-5, [("scale", [], 0)], id="tiny"),
        pytest.param(X[:, 0].astype("float32"), [("scale", [], 0)], id="table-of-features"),
        pytest.param(NORMAL[:, 0] * [1, 1, 1, 1, 1e4], [("scale", [], 0)], id="one-large-column"),
        pytest.param(NORMAL[:, 0, 0] * 1e30, [("scale", [], 0)], id="one-value-a-row"),
        pytest.param(np.exp(NORMAL[:, 0]), [], id="lognormal-table"),
        pytest.param((FLOATS.reshape(400, 30) > 0.5) * 1.0, [], id="zeros-and-ones"),
        pytest.param(X[:, 0].astype("int64"), [], id="tokens"),
        pytest.param(
            changed(NORMAL, ([7, 300], 1, 1), [-1e30, 2e30]), [("outliers", [7, 300], 2)], id="far"
        ),
        pytest.param(
            changed(NORMAL[:, 0], ([7, 90], [1, 2]), 1e30),
            [("outliers", [7], 1), ("outliers", [90], 1)],
            id="far-in-columns",
        ),
        pytest.param(
            changed(NORMAL[:, 0], (slice(0, 40, 10), 1), -999),
            [("outliers", [0, 10, 20, 30], 4)],
            id="mark-of-missing",
        ),
        pytest.param(
            changed(X.astype("int16"), (slice(0, 400, 100), 1, 1), -9999),
            [("outliers", [0, 100, 200, 300], 4), ("scale", [], 0)],
            id="mark-in-images",
        ),
        pytest.param(
            changed(X.reshape(400, 30), (slice(None), 3), 7),
            [("constant", [], 0)],
            id="column-of-one-value",
        ),
        pytest.param(
            np.concatenate([X, X[[3, 5, 3]]]), [("duplicates", [400, 401, 402], 3)], id="twice"
        ),
        pytest.param(X > 127, [], id="booleans"),
    ],
)
def test_check_values_finds_what_was_planted(
    capsys: pytest.CaptureFixture[str], array: np.ndarray, expected: list[Any]
) -> None:
    """And nothing in data that have no fault."""
    assert expected == found(capsys, *of_x(array))


def scaled(array: np.ndarray, rows: Any, scale: float) -> np.ndarray:
    """Some rows multiplied, in the dtype of the array."""
    array = array.copy()
    array[rows] = array[rows] * scale
    return array


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(scaled(FLOATS, [7, 300], 255), [7, 300], id="few-not-divided"),
        pytest.param(scaled(FLOATS, slice(30, None), 255), [*range(30)], id="few-divided"),
        pytest.param(scaled(FLOATS, [7], 255).reshape(400, 30), [7], id="flat-rows"),
        pytest.param(scaled(NORMAL, [7, 9], 255), [7, 9], id="not-standardised"),
        pytest.param(scaled(NORMAL.astype("f2"), [7, 9], 255), [7, 9], id="halves"),
        pytest.param(scaled(X.astype("uint16"), [7, 9], 257), [7, 9], id="16-bits"),
        pytest.param(scaled(X.astype("int32"), [7], -257), [7], id="negative"),
        pytest.param(scaled(NORMAL, slice(10), 1e-3), [], id="quiet"),
        pytest.param(scaled(FLOATS, slice(300), 1e-3), [], id="most-are-quiet"),
        pytest.param(scaled(FLOATS, slice(10), 0), [], id="blank"),
        pytest.param(changed(NORMAL, ([7, 9], 1, 1), [99, 97]), [], id="one-value-of-a-row"),
        pytest.param(scaled(X, slice(10), 0.03), [], id="dark"),
        pytest.param(np.exp(3 * NORMAL[:, :1, :1]) * FLOATS, [], id="exposures"),
        pytest.param(scaled(FLOATS[:15], [7], 255), [], id="few-rows"),
    ],
)
def test_check_rows_of_another_scale_are_named(
    capsys: pytest.CaptureFixture[str], array: np.ndarray, expected: list[int]
) -> None:
    """Some were divided by 255, and others not; what is quiet, dark or blank is no fault."""
    of_scale = [rows for kind, rows, _ in found(capsys, *of_x(array)) if kind == "outliers"]
    assert ([expected] if expected else []) == of_scale


def test_check_of_many_rows_of_another_scale_leaves_none_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A third of a set is not thrown away, but scaled."""
    np.save("x.npy", scaled(FLOATS, slice(130), 255))
    assert 1 == main(["check", "x.npy"])
    printed = capsys.readouterr().out
    assert "if the others were divided by 255, divide these too.\n" in printed
    assert "left out" not in printed


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(NORMAL * 1e-6, id="tiny"),
        pytest.param(FLOATS * 1000 + NORMAL, id="images-of-1000"),
        pytest.param(NORMAL[:, 0] * 10.0 ** np.array([-12, -4, 0, 7, 30]), id="columns-differ"),
        pytest.param(NORMAL.reshape(400, 30)[:, :1] * 1e30, id="one-column"),
        pytest.param(np.tile(NORMAL[:, 0] * 10.0 ** np.arange(-10, 15, 5), 8), id="many-columns"),
    ],
)
def test_check_remedy_of_the_scale_gives_deviations_of_one(
    capsys: pytest.CaptureFixture[str], array: np.ndarray
) -> None:
    """Of each column; the words are run as they are printed."""
    assert 1 == main(["check", *of_x(array)])
    made, adapted = capsys.readouterr().out.split("`")[1::2]
    names = {"np": np, "keras_npy": keras_npy, "seq": array, "x": array}
    exec(f"{made}\n{adapted}", names)
    deviations = output_of(names["layer"], array).std(axis=0)
    np.testing.assert_allclose(np.ones_like(deviations), deviations, atol=0.2)


def output_of(layer: Any, array: np.ndarray) -> np.ndarray:
    output: np.ndarray = keras.ops.convert_to_numpy(layer(array.astype("float32")))
    return output


def test_check_json_lists_all_rows_and_the_words_name_five(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever leaves 40 leaked rows out needs the number of each."""
    np.save("x.npy", X)
    np.save("other.npy", np.concatenate([255 - X[:9], X[100:140]]))
    (leak,) = [one for one in found(capsys, "x.npy", "--against", "other.npy") if "leak" in one]
    assert ("leak", list(range(9, 49)), 40) == leak
    main(["check", "x.npy", "--against", "other.npy"])
    words = " ".join(capsys.readouterr().out.split())
    assert "40 rows of 49" in words
    assert "row 13 is row 104 of x.npy, ..." in words
    assert "--json lists them all" in words
    np.save("x.npy", changed(FLOATS, slice(20, 60), np.nan))
    assert ("nan", list(range(20, 60)), 40) in found(capsys, "x.npy")
    main(["check", "x.npy"])
    words = " ".join(capsys.readouterr().out.split())
    # On TensorFlow and JAX relu makes 0 of NaN: the loss stays finite, and the weights do not.
    assert "NaN in 40 rows: 20, 21, 22, 23, 24, ..., each NaN altogether. One makes" in words


def test_check_remedies_count_with_what_else_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN is no integer; and a label above a gap may be wrong, so what names its rows is said."""
    np.save("x.npy", changed(X.astype("float64"), (7, 3, 2), np.nan))
    np.save("y.npy", changed(Y, 9, 7))
    main(["check", "x.npy", "--y", "y.npy"])
    words = " ".join(capsys.readouterr().out.split())
    assert "once the rows above are finite, `keras-npy convert --dtype uint8" in words
    assert "If 7 is wrong, --classes 4 names its rows." in words
    assert ("labels", [9], 1) in found(capsys, "x.npy", "--y", "y.npy", "--classes", "4")


def test_check_labels_of_one_shard_may_be_wrong_and_are_numbered_by_one_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Numbered by its own labels, the wrong 7 would be a class, and class 1 another in each."""
    y = np.resize([1, 2], 60)
    y[9] = 7
    arguments = of_y(y)
    assert 1 == main(["check", *arguments])
    words = " ".join(capsys.readouterr().out.split())
    assert "If 7 is wrong, --classes 3 names its rows." in words
    assert words.index("--classes 3") < words.index("np.searchsorted([1, 2, 7], y)")
    assert "one list for all files" in words
    assert "np.unique" not in words
    assert ("labels", [9], 1) in found(capsys, *arguments, "--classes", "3")
    numbered = np.searchsorted([1, 2, 7], y)
    np.testing.assert_array_equal(numbered[:10], [0, 1, 0, 1, 0, 1, 0, 1, 0, 2])


def _kept(printed: str, *names: str) -> list[np.ndarray]:
    """What the argument at the end leaves of files; the commands there write the same."""
    argument, *lines = printed.split("to be left out: indices=")[1].splitlines()
    commands = [line for line in lines if line.startswith("  keras-npy ")]
    kept = []
    indices = eval(argument.removesuffix(", or:"), {"np": np})
    for name, command in zip(names, commands, strict=True):
        kept.append(np.load(name)[indices])
        words = shlex.split(command)
        assert 0 == main(words[1:])
        np.testing.assert_array_equal(kept[-1], np.load(words[-1]))
    return kept


@pytest.mark.parametrize(
    ("label", "options"),
    [
        pytest.param(4, ["--classes", "4"], id="out-of-range"),
        pytest.param(-1, [], id="negative"),
        pytest.param(0.5, [], id="fraction"),
        pytest.param(np.nan, [], id="nan"),
    ],
)
def test_check_wrong_labels_are_left_out_by_the_argument_and_by_the_command(
    capsys: pytest.CaptureFixture[str], label: float, options: list[str]
) -> None:
    """The first row, a middle one and the last: each stretch between them is kept."""
    y = changed(Y.astype("float32"), [0, 9, 399], label)
    assert 1 == main(["check", *of_y(y, *options), "--ignore", "imbalance"])
    printed = capsys.readouterr().out
    assert "Correct them, or leave the rows out, of x as of y." in printed
    x_kept, y_kept = _kept(printed, "x.npy", "y.npy")
    np.testing.assert_array_equal(np.delete(X, [0, 9, 399], axis=0), x_kept)
    np.testing.assert_array_equal(np.delete(y, [0, 9, 399]), y_kept)


def test_check_one_command_leaves_out_the_rows_of_all_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of x as of y; then none of these kinds is found again, and other rows are none the less."""
    x = changed(changed(changed(FLOATS, (7, 1, 1), np.nan), (3, 2, 2), np.inf), [9, 5], 0.5)
    x[300, 0, 0] = 1e20
    arguments = of_y(changed(Y, [0, 9], -1))
    np.save("x.npy", x)
    kinds = {kind for kind, *_ in found(capsys, *arguments, "--ignore", "duplicates,conflict")}
    assert {"nan", "infinity", "constant", "labels", "outliers"} == kinds
    main(["check", *arguments])
    left = np.delete(np.arange(400), [0, 3, 5, 7, 9, 300])
    for kept, array in zip(_kept(capsys.readouterr().out, *arguments[::2]), (x, Y), strict=True):
        np.testing.assert_array_equal(array[left], kept)
    capsys.readouterr()
    assert [] == found(capsys, "x_kept.npy", "--y", "y_kept.npy")
    main(["check", *arguments, "--ignore", "constant,labels"])
    assert "[3, 7, 300]), or:\n" in capsys.readouterr().out


def test_check_rows_that_are_nan_altogether_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """np.nan_to_num would make black pictures of them; it is first where a row has more."""
    x = changed(changed(FLOATS, [3, 8], np.nan), (20, 1, 1), np.nan)
    for rows, altogether in (([3, 8, 20], "2 of them NaN"), ([3, 8], "each NaN"), ([20], None)):
        np.save("x.npy", np.where(np.isin(np.arange(400), rows)[:, None, None], x, FLOATS))
        assert 1 == main(["check", "x.npy"])
        printed = capsys.readouterr().out
        (line,) = [one for one in printed.splitlines() if "[nan]" in one]
        filled = f"np.nan_to_num(x, nan={np.delete(FLOATS, rows, axis=0).mean():.4g})"
        first = f"Replace it with {filled}, or leave" if altogether is None else "Leave"
        assert f"the loss may not show it. {first}" in line
        assert altogether is None or f", {altogether} altogether." in line
        assert (filled in line) == (rows != [3, 8])
        np.testing.assert_array_equal(np.delete(FLOATS, rows, axis=0), *_kept(printed, "x.npy"))
        Path("x_kept.npy").unlink()


def test_check_json_names_files_and_partners(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each leaked row: the row of the other set that it is, and the files of both."""
    np.save("x-0.npy", X[:100])
    np.save("x-1.npy", X[100:200])
    np.save("other-0.npy", 255 - X[:9])
    np.save("other-1.npy", changed(X[[150, 3, 150, 180]], 2, 0))
    np.save("y.npy", changed(Y[:200], [0, 120], -1))
    arguments = ["x-*.npy", "--y", "y.npy", "--against", "other-*.npy", "--ignore", "missing class"]
    main(["check", "--json", *arguments])
    leak, labels, blank = json.loads(capsys.readouterr().out)["findings"]

    def names(paths: list[str]) -> list[str]:
        return [Path(path).name for path in paths]

    assert ("leak", [9, 10, 12]) == (leak["kind"], leak["rows"])
    assert [150, 3, 180] == leak["partners"]
    assert ["other-1.npy"] == names(leak["files"])
    assert ["x-1.npy", "x-0.npy"] == names(leak["partner_files"])
    assert ("labels", ["y.npy"]) == (labels["kind"], names(labels["files"]))
    assert ("constant", ["other-1.npy"]) == (blank["kind"], names(blank["files"]))
    np.save("x.npy", np.resize(np.arange(8.0), 13))
    main(["check", "--json", "windows,sequence_length=5:x.npy"])
    (again,) = json.loads(capsys.readouterr().out)["findings"]
    assert ("duplicates", [8], [0]) == (again["kind"], again["rows"], again["partners"])
    assert ["x.npy"] == names(again["files"]) == names(again["partner_files"])


SORTED = np.sort(Y)
RARE = changed(Y, slice(None), 0)
RARE[::40] = 1


@pytest.mark.parametrize(
    ("array", "options", "expected"),
    [
        pytest.param(Y, [], [], id="classes"),
        pytest.param(Y.astype("float32")[:, np.newaxis], ["--classes", "4"], [], id="column"),
        pytest.param(np.eye(4)[Y], [], [], id="one-hot"),
        pytest.param(RNG.random(400), [], [], id="measurements"),
        pytest.param(RNG.integers(0, 10**6, 400), [], [], id="whole-measurements"),
        pytest.param(SORTED, [], [("sorted", [], 0)], id="sorted"),
        pytest.param(np.eye(4)[SORTED], [], [("sorted", [], 0)], id="one-hot-sorted"),
        pytest.param(np.repeat(np.tile(range(4), 20), 5), [], [("sorted", [], 0)], id="runs"),
        pytest.param(RARE, [], [("imbalance", [], 0)], id="imbalance"),
        pytest.param(changed(Y, [5, 70], -1), [], [("labels", [5, 70], 2)], id="negative"),
        pytest.param(changed(Y, 9, 4), ["--classes", "4"], [("labels", [9], 1)], id="out-of-range"),
        pytest.param(
            changed(Y.astype("float64"), 9, 0.5), [], [("labels", [9], 1)], id="fractional"
        ),
        pytest.param(
            changed(Y.astype("float64"), 9, np.nan), [], [("labels", [9], 1)], id="nan-label"
        ),
        pytest.param(changed(np.eye(4)[Y], 9, 1), [], [("labels", [9], 1)], id="not-one-hot"),
        pytest.param(Y + 1, [], [("labels", [], 0)], id="numbered-from-1"),
        pytest.param(
            Y + 1, ["--classes", "4"], [("labels", [], 0)], id="numbered-from-1-of-4-classes"
        ),
        pytest.param((Y % 2) * 2 - 1, [], [("labels", [], 0)], id="-1-and-1"),
        pytest.param((Y % 2) * 255, [], [("labels", [], 0)], id="0-and-255"),
        pytest.param(np.where(Y == 2, 3, Y), [], [("missing class", [], 0)], id="gap"),
        pytest.param(Y, ["--classes", "6"], [("missing class", [], 0)], id="absent-class"),
        pytest.param(X > 127, [], [], id="masks"),
        pytest.param((X > 127) * 255, [], [("labels", [], 0)], id="masks-of-255"),
        pytest.param((X > 127) * 2 - 1, [], [("labels", [], 0)], id="masks-of-minus-1-and-1"),
        pytest.param(np.digitize(X, [80, 160]) * 127.5 // 1, [], [("labels", [], 0)], id="greys"),
        pytest.param(np.where(X % 3 == 2, 255, X % 3), [], [("labels", [], 0)], id="void"),
        pytest.param(
            np.where(X % 3 == 2, 255, X % 3),
            ["--classes", "2"],
            [("labels", [], 0)],
            id="void-of-2",
        ),
        pytest.param(X % 3 + 1, ["--classes", "3"], [("labels", [], 0)], id="masks-from-1"),
        pytest.param(X % 9, [], [], id="masks-of-9"),
        pytest.param(X, [], [], id="images-as-targets"),
        pytest.param(
            changed(X % 3, (8, 1, 1), 3), ["--classes", "3"], [("labels", [8], 1)], id="mask-class"
        ),
        pytest.param((X > 127)[:, :4], [], [("pairs", [], 0)], id="masks-of-other-size"),
        pytest.param(Y[:399], ["--ignore", "pairs"], [], id="ignored"),
    ],
)
def test_check_labels_finds_what_was_planted(
    capsys: pytest.CaptureFixture[str], array: np.ndarray, options: list[str], expected: list[Any]
) -> None:
    """And nothing in labels that have no fault."""
    arguments = of_y(array, *options)
    np.save("x.npy", X)
    if len(array) == 399:
        assert ["pairs"] == [kind for kind, _, _ in found(capsys, *arguments[:3])]
    assert expected == found(capsys, *arguments)


def test_check_equal_rows_of_different_labels_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One of the labels is wrong; equal labels are no conflict."""
    x, y = np.concatenate([X, X[:2]]), np.concatenate([Y, [Y[0], Y[1] + 1]])
    np.save("x.npy", x)
    np.save("y.npy", y)
    findings = found(capsys, "x.npy", "--y", "y.npy")
    assert [("conflict", [401], 1), ("duplicates", [400, 401], 2)] == findings
    # Also of two sets.
    np.save("other.npy", np.concatenate([255 - X[2:], X[:2]]))
    np.save("other_y.npy", np.concatenate([Y[2:], y[400:]]))
    against = ["--against", "other.npy", "--against-y", "other_y.npy"]
    findings = found(capsys, *of_y(Y), *against)
    assert [("leak", [398, 399], 2), ("conflict", [399], 1)] == findings


def test_check_infinity_is_cut_to_the_other_values(capsys: pytest.CaptureFixture[str]) -> None:
    """np.nan_to_num would make 3e38 of it."""
    x = changed(changed(FLOATS, (7, 1, 1), np.inf), (9, 2, 2), -np.inf)
    np.save("x.npy", x)
    main(["check", "x.npy"])
    code = re.search(r"Cut it with (np.clip\(.*?\))", capsys.readouterr().out)
    assert code is not None
    cut = eval(code[1], {"np": np, "x": x})
    rest = x[np.isfinite(x)]
    assert (rest.min(), rest.max()) == (cut.min(), cut.max())
    np.save("x.npy", cut)
    assert [] == found(capsys, "x.npy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "y.npy: labels go from 1 to 4. Classes are numbered from 0"),
        (["--classes", "4"], "labels go from 1 to 4, but 4 classes are numbered from 0 to 3: sub"),
        (["--against", "o.npy", "--against-y", "o_y.npy"], "from 1 to 4 in one, from 0 to 3 in"),
        (["--against", "o.npy", "--against-y", "y.npy"], "y.npy: labels go from 1 to 4. Classes"),
    ],
    ids=["alone", "classes", "beside-0", "beside-1"],
)
def test_check_labels_from_1_say_once_what_to_subtract(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """From labels of one file alone, if the other's are numbered from 0."""
    arguments = of_y(Y + 1)
    np.save("o.npy", X[::-1] // 2 + 7)
    np.save("o_y.npy", Y)
    assert 1 == main(["check", *arguments, *options])
    lines = [line for line in capsys.readouterr().out.splitlines() if "class" in line]
    lines = [line for line in lines if line[:1].isdigit() and "[differ]" not in line]
    assert all(words in line for line in lines)
    assert (2 if options[3:] == ["y.npy"] else 1) == len(lines)
    is_mixed = options[3:] == ["o_y.npy"]
    assert is_mixed == ("subtract 1 in y.npy alone" in lines[0])


def test_check_says_a_wrong_label_and_blank_rows_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A label far above the others is no rare class, and blank rows are no duplicates."""
    x, y = changed(X, [55, 56, 310], 0), changed(np.arange(400) % 3, [123, 340], 7)
    np.save("other.npy", 255 - X)
    np.save("other_y.npy", np.arange(400) % 3)
    np.save("x.npy", x)
    np.save("y.npy", y)
    arguments = ["x.npy", "--y", "y.npy", "--against", "other.npy", "--against-y", "other_y.npy"]
    expected = [("missing class", [], 0), ("constant", [55, 56, 310], 3)]
    assert expected == found(capsys, *arguments)
    assert 1 == main(["check", *arguments])
    assert "If 7 is wrong, --classes 3 names its rows. Else add rows" in capsys.readouterr().out
    assert ("labels", [123, 340], 2) in found(capsys, *arguments, "--classes", "3")
    # Without a gap it is a rare class.
    np.save("y.npy", changed(np.arange(400) % 3, [123, 340], 3))
    kinds = [kind for kind, _, _ in found(capsys, *arguments)]
    assert ["missing class", "constant", "imbalance"] == kinds


@pytest.mark.parametrize("shift", [1, -1])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_check_of_the_same_rows_whose_labels_count_from_1_in_one_set(
    capsys: pytest.CaptureFixture[str], dtype: str, shift: int
) -> None:
    """Either set may be the one; what follows from it is no conflict."""
    for name, first in (("x", 1 if shift < 0 else 0), ("o", 0 if shift < 0 else 1)):
        np.save(f"{name}.npy", X)
        np.save(f"{name}_y.npy", (np.arange(400) % 3 + first).astype(dtype))
    arguments = ["x.npy", "--y", "x_y.npy", "--against", "o.npy", "--against-y", "o_y.npy"]
    assert ["leak", "labels"] == [kind for kind, _, _ in found(capsys, *arguments)]


def test_check_of_labels_of_another_length_leaves_no_row_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Such as mended rows beside old labels: which label belongs to which row is not known."""
    np.save("x.npy", X[:390])
    np.save("y.npy", changed(Y, [7, 399], -1))
    arguments = ["x.npy", "--y", "y.npy"]
    assert ["pairs", "labels"] == [kind for kind, _, _ in found(capsys, *arguments)]
    assert 1 == main(["check", *arguments])
    assert "left out" not in capsys.readouterr().out


def test_check_of_two_sets_says_their_scale_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A model has one layer, which `adapt` shows the training set."""
    np.save("x.npy", NORMAL * 30)
    np.save("other.npy", NORMAL[::-1] * 30 + 0.5)
    assert [("scale", [], 0)] == found(capsys, "x.npy", "--against", "other.npy")
    assert 1 == main(["check", "x.npy", "--against", "other.npy"])
    assert "x.npy: values from" in capsys.readouterr().out
    assert [("scale", [], 0)] == found(capsys, "other.npy")
    # Each file is stored anew for itself.
    np.save("x.npy", X.astype("float64"))
    np.save("other.npy", 255.0 - X)
    assert [("scale", [], 0)] * 2 == found(capsys, "x.npy", "--against", "other.npy")


def test_check_says_by_which_option_labels_lose_the_same_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command for the rows alone would leave labels without partners."""
    np.save("x.npy", changed(FLOATS, 7, np.nan))
    np.save("other.npy", np.concatenate([FLOATS[:3], 1 - FLOATS]))
    assert 1 == main(["check", "x.npy", "--against", "other.npy"])
    printed = capsys.readouterr().out
    assert printed.index("add them with --y,") < printed.index("add them with --against-y,")
    assert "Then check the new files." in printed


@pytest.mark.parametrize("options", [[], ["--classes", "4"]], ids=["bare", "classes"])
def test_check_names_three_faults_of_two_sets_once_each_and_its_remedies_mend_them(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """What follows from one of them is not said again, and no file is written over another."""
    x, y, other, its = FLOATS.copy(), np.arange(400) % 4, FLOATS[::-1] * 0.9, np.arange(400) % 4
    other[30:45], its[30:45] = x[100:115], y[100:115]
    x[[7, 300]] *= 255
    for folder, arrays in (("train", (x, y)), ("test", (other, its + 1))):
        Path(folder).mkdir()
        for name, array in zip("xy", arrays, strict=True):
            np.save(f"{folder}/{name}.npy", array)
    sources = ["train/x.npy", "--y", "train/y.npy", "--against", "test/x.npy"]
    sources += ["--against-y", "test/y.npy"]
    expected = [("leak", [*range(30, 45)], 15), ("outliers", [7, 300], 2), ("labels", [], 0)]
    assert expected == found(capsys, *sources, *options)
    assert 1 == main(["check", *sources, *options])
    printed = capsys.readouterr().out
    assert "subtract 1 in test/y.npy alone, with seq.map(lambda x, y: (x, y - 1))" in printed
    commands = [line for line in printed.splitlines() if line.startswith("  keras-npy convert")]
    for command in commands:
        assert 0 == main(shlex.split(command)[1:])
    capsys.readouterr()
    kept = [f"{folder}/{name}_kept.npy" for folder in ("train", "test") for name in "xy"]
    assert kept == [shlex.split(command)[-1] for command in commands]
    # Where one is there already, another name is printed.
    main(["check", *sources, *options])
    assert "train/x_kept_2.npy" in capsys.readouterr().out
    np.save(kept[3], np.load(kept[3]) - 1)
    sources = [kept[0], "--y", kept[1], "--against", kept[2], "--against-y", kept[3]]
    assert [] == found(capsys, *sources, *options)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_check_rows_that_two_sets_share_are_a_leak(
    capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    """Equal values are found in another dtype too."""
    other = RNG.integers(0, 256, (50, 6, 5)).astype("uint8")
    other[[4, 30]] = X[[9, 2]]
    np.save("x.npy", X)
    np.save("other.npy", other.astype(dtype))
    findings = found(capsys, "x.npy", "--against", "other.npy", "--ignore", "scale")
    assert ("leak", [4, 30], 2) == findings[0]
    assert ([] if dtype == "uint8" else ["differ"]) == [kind for kind, _, _ in findings[1:]]
    assert 1 == main(["check", "x.npy", "--against", "other.npy"])
    printed = capsys.readouterr().out
    assert "row 4 is row 9 of x.npy, row 30 is row 2 of x.npy" in printed
    # The command leaves them out of the second set.
    np.testing.assert_array_equal(np.delete(other, [4, 30], axis=0), *_kept(printed, "other.npy"))
    capsys.readouterr()
    assert "leak" not in [
        kind for kind, _, _ in found(capsys, "x.npy", "--against", "other_kept.npy")
    ]


@pytest.mark.parametrize(
    ("other", "labels", "expected"),
    [
        pytest.param(RNG.integers(0, 256, (300, 6, 5)), Y[:300], [], id="alike"),
        pytest.param(RNG.integers(0, 256, (300, 6, 5)) / 255, Y[:300], ["differ"], id="scaled"),
        pytest.param(RNG.integers(150, 256, (300, 6, 5)), Y[:300], ["differ"], id="brighter"),
        pytest.param(
            RNG.integers(0, 256, (300, 6, 5)),
            np.resize([0, 0, 1, 2, 0, 3], 300),
            ["differ"],
            id="other-shares",
        ),
        pytest.param(
            RNG.integers(0, 256, (300, 6, 5)),
            np.resize([0, 1, 2], 300),
            ["differ", "missing class"],
            id="class-missing",
        ),
    ],
)
def test_check_two_sets_side_by_side(
    capsys: pytest.CaptureFixture[str], other: np.ndarray, labels: np.ndarray, expected: list[str]
) -> None:
    """What differs between them: range, mean, classes."""
    np.save("x.npy", X.astype("float64"))
    np.save("other.npy", other.astype("float64"))
    np.save("y.npy", Y)
    np.save("other_y.npy", labels)
    arguments = ["x.npy", "--y", "y.npy", "--against", "other.npy", "--against-y", "other_y.npy"]
    findings = found(capsys, *arguments, "--ignore", "scale")
    assert expected == [kind for kind, _, _ in findings]
    main(["check", *arguments])
    table = capsys.readouterr().out
    assert f"{np.mean(other):.4g}" in table


def test_check_bfloat16_beside_another_float(capsys: pytest.CaptureFixture[str]) -> None:
    """NumPy has no dtype for both; rows are compared by value."""
    np.save("x.npy", (X[:30] % 64).astype(ml_dtypes.bfloat16))
    np.save("other.npy", (X[20:50] % 64).astype("float16"))
    findings = found(capsys, "npy,stored_dtype=bfloat16:x.npy", "--against", "other.npy")
    assert ("leak", list(range(10)), 10) == findings[0]


def test_check_complex_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """As values and as labels, of which the real part alone would be looked at."""
    np.save("x.npy", X)
    np.save("c.npy", np.ones(400, "complex64"))
    for arguments in (["c.npy"], ["x.npy", "--y", "c.npy"]):
        assert 1 == main(["check", *arguments])
        assert "c.npy: check looks at real numbers. Received: complex64." in capsys.readouterr().err


def test_check_files_that_cannot_be_read_are_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    """In one round: inputs, labels and the other set."""
    for name in ("x.npy", "y.npy"):
        Path(name).write_text("<html>")
    np.save("o.npy", X)
    assert 1 == main(["check", "x.npy", "--y", "y.npy", "--against", "o.npy"])
    said = capsys.readouterr().err.splitlines()
    assert ["x.npy: ", "y.npy: "] == [re.findall(r"\w\.npy: ", line)[0] for line in said]


def test_check_labels_of_one_class_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    """They are not numbered from 1."""
    np.save("x.npy", X)
    np.save("y.npy", np.ones(400))
    assert 1 == main(["check", "x.npy", "--y", "y.npy"])
    assert "[missing class] y.npy: all labels are 1." in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_check_masks_that_are_named_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    """One file is missing on one side, so that all behind it are paired wrongly."""
    for number in range(1, 6):
        np.save(f"img-{number}.npy", X[number])
        np.save(f"msk-{number + (number > 3)}.npy", X[number] > 127)
    findings = found(capsys, "samples:img-*.npy", "--y", "samples:msk-*.npy")
    assert ["pairs"] == [kind for kind, _, _ in findings]
    assert 1 == main(["check", "samples:img-*.npy", "--y", "samples:msk-*.npy", "--json"])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert "img-4.npy with" in finding["message"]
    alone = [Path(path) for path in finding["files"]]
    assert ["img-4.npy", "msk-6.npy"] == [path.name for path in alone]
    # The remedy: move them elsewhere.
    for path in alone:
        path.rename(path.with_suffix(".left_out"))
    assert [] == found(capsys, "samples:img-*.npy", "--y", "samples:msk-*.npy")


# Memory.


def test_check_more_rows_than_hashes_are_looked_at_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Equal rows are both kept or both dropped, so about as many are found as there are."""
    monkeypatch.setattr(hashes, "HASHES_MAX", 1000)
    rows = keras_npy.open_rows(np.arange(40_000) % 20_000)
    seen, other = Hashes(rows.dtype), Hashes(rows.dtype)
    for start in range(0, 40_000, 100):
        indices = np.arange(start, start + 100)
        seen.see(indices, rows.take(indices))
        other.see(indices, rows.take(indices))
    pairs = seen.pairs_within(rows)
    assert 0 < len(pairs.second) <= 1000
    assert abs(20_000 - pairs.total) < 6_000
    np.testing.assert_array_equal(pairs.first + 20_000, pairs.second)
    assert abs(40_000 - seen.pairs_across(rows, other, rows).total) < 12_000


def test_check_holds_blocks_and_hashes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 8 MB in blocks of 128 kB; moments take 2 MiB at a time."""
    monkeypatch.setattr(walk, "BLOCK_BYTES", 1 << 17)
    np.save("x.npy", RNG.integers(0, 256, (8000, 1000)).astype("uint8"))
    main(["check", "x.npy"])
    assert peak_bytes_of(lambda: main(["check", "x.npy"])) < 4 << 20


# The command.


def test_command_check_in_a_process_of_its_own() -> None:
    """Findings in words, the worst first, and status 1; 2 for wrong use; no traceback."""
    x = X.astype("float64")
    x[7, 0, 0] = np.nan
    np.save("x.npy", x)
    np.save("y.npy", SORTED)

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "keras_npy", "check", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(Path(keras_npy.__file__).parents[1])},
        )
        return done.returncode, done.stdout, done.stderr

    status, printed, errors = run("x.npy", "--y", "y.npy")
    assert (1, "") == (status, errors)
    lines = printed.splitlines()
    assert ["1. [nan]", "2. [sorted]", "3. [scale]", "3 findings."] == [
        " ".join(line.split(" ")[:2]) for line in lines if line[0:1].isdigit()
    ]
    assert any("[7]), or:" in line for line in lines)
    assert (0, "") == run("x.npy", "--ignore", "nan,scale")[::2]
    assert (0, "") == run("x.npy", "--ignore", "nan", "--ignore", "scale")[::2]
    status, printed, errors = run("x.npy", "--ignore", "dirt")
    assert (2, "") == (status, printed)
    assert errors.startswith("keras-npy: --ignore takes kinds of findings: leak, ")
    assert 1 == len(errors.splitlines())
    assert 2 == main(["check", "x.npy", "--against-y", "y.npy"])
    assert 2 == main(["check", "x.npy", "--classes", "3"])
    for wrong in ("", "x.npy[400]", "x.npy[9:2]"):
        assert 2 == main(["check", wrong])


def test_command_check_remedy_of_whole_floats_ends_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The scale that is named turns the greatest value into 1."""
    np.save("x.npy", changed(X, (0, 0, 0), 255).astype("float64"))
    assert 1 == main(["check", "x.npy"])
    printed = capsys.readouterr().out
    scale = printed.split("NpyInputLayer(scale=")[1].split(")")[0]
    assert "1/255" == scale


@pytest.mark.parametrize("source", ["x.npy", "x-*.npy", "x-*.npy[5:]"])
def test_command_check_command_that_it_names_stores_bytes(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """In a shell, whatever characters of patterns a source has."""
    for name in ("x.npy", "x-0.npy"):
        np.save(name, changed(X, (9, 0, 0), 255).astype("float64"))
    assert 1 == main(["check", source])
    command = shlex.split(capsys.readouterr().out.split("`")[1])
    assert "x_uint8.npy" == command[-1]
    assert 0 == main(command[1:])
    assert "uint8" == np.load("x_uint8.npy").dtype
