"""`keras-npy preview`: the rows that are drawn, with what stands above them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy.drawing import sheets
from keras_npy.drawing.pictures import encode_png
from keras_npy.drawing.sheets import draw_sheet, spread_rows
from keras_npy.tools import terminal
from keras_npy.tools.cli import main

pytest.importorskip("matplotlib", reason="a sheet is drawn by matplotlib, an extra")

X = np.arange(60 * 20 * 20, dtype="uint8").reshape(60, 20, 20)
Y = np.arange(60) % 3


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("y.npy", Y)


def drawn(x: np.ndarray, y: np.ndarray | None, **options: Any) -> Any:
    """The axes of a sheet, and those of its histograms."""
    opened = keras_npy.open_rows(x), None if y is None else keras_npy.open_rows(y)
    figure = draw_sheet(*opened, spread_rows(len(x), 6), **options)
    left, right = figure.subfigs
    return [axes for axes in left.axes if axes.get_title()], right.axes


def test_sheet_shows_rows_from_all_over_with_their_labels() -> None:
    """Each with its own pixels, number and class."""
    axes, histograms = drawn(X, Y, names=["cat", "dog", "eel"])
    rows = [0, 11, 23, 35, 47, 59]
    names = ["cat", "dog", "eel"]
    assert [f"row {row}: {names[row % 3]}" for row in rows] == [one.get_title() for one in axes]
    for one, row in zip(axes, rows, strict=True):
        np.testing.assert_array_equal(X[row], one.images[0].get_array()[..., 0])
    assert 2 == len(histograms)
    # The labels of these rows are 0 and 2.
    assert ["cat", "eel"] == [text.get_text() for text in histograms[1].get_yticklabels()]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (np.eye(3)[Y], "row 11: 2"),
        (np.arange(60) / 8, "row 11: 1.38"),
        (np.stack([np.arange(60) / 8] * 5, -1), "row 11: 1.38, 1.38, 1.38, ..."),
        (X > 7, "row 11"),
    ],
    ids=["one-hot", "measurement", "vector", "mask"],
)
def test_sheet_names_labels_of_any_kind(label: np.ndarray, expected: str) -> None:
    """Masks are laid over the image instead."""
    axes, histograms = drawn(X, label)
    assert expected == axes[1].get_title()
    assert (1 if expected == "row 11" else 2) >= len(histograms)
    is_grey = (axes[1].images[0].get_array()[..., 0] == X[11]).all()
    assert is_grey == (expected != "row 11")


@pytest.mark.parametrize("x", [X.reshape(60, 400), np.arange(60.0)], ids=["curve", "value"])
def test_sheet_of_what_is_no_image(x: np.ndarray) -> None:
    """Curves are drawn as lines, values as text."""
    axes, _ = drawn(x, None)
    if x.ndim == 2:
        # A spike leaves no axes.
        spiked = x.astype("float32")
        spiked[0, 7] = 1e4
        low, high = drawn(spiked, None)[0][0].get_ylim()
        assert low < 0
        assert high > 1e4
    shown = axes[1].lines[0].get_ydata() if x.ndim == 2 else float(axes[1].texts[0].get_text())
    np.testing.assert_array_equal(x[11], shown)


def test_sheet_of_large_samples_shows_fewer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 volumes of a scanner may not fit into memory. Those that are shown come from all over."""
    monkeypatch.setattr(sheets, "SHEET_BYTES_MAX", 3 * (400 + 8) + 1)
    seq = keras_npy.NpySequence("x.npy", "y.npy")
    titles = [axes.get_title() for axes in seq.plot(12).subfigs[0].axes if axes.get_title()]
    assert ["row 0: 0", "row 29: 2", "row 59: 2"] == titles
    assert 0 == main(["preview", "x.npy", "--y", "y.npy", "-o", "s.png"])
    assert "s.png: 3 samples of x.npy" in capsys.readouterr().out
    monkeypatch.setattr(sheets, "SHEET_BYTES_MAX", 1)
    assert 1 == len(spread_rows(60, sheets.num_drawn(12, seq.x, None)))


@pytest.mark.parametrize("look", ["image", "spectrogram"])
def test_sheet_marks_what_is_not_finite(look: Any) -> None:
    """Not black as zeros are; titles and the histogram say it, and matplotlib warns of nothing."""
    x = np.zeros((6, 20, 20), "float32")
    x[0], x[1, 2, 3], x[2, 4] = np.nan, np.nan, np.inf
    axes, (histogram,) = drawn(x, None, look=look)
    said = ["row 0 (all NaN)", "row 1 (has NaN)", "row 2 (has infinity)", "row 3"]
    assert said == [one.get_title() for one in axes[:4]]
    assert "421 left out: NaN or infinite" in histogram.get_title()
    for row, one in enumerate(axes):
        is_marked = (one.images[0].get_array() == [255, 0, 255]).all(axis=-1)
        expected = ~np.isfinite(x[row] if look == "image" else x[row].T[::-1])
        np.testing.assert_array_equal(expected, is_marked)
    drawn(np.full((6, 20, 20), np.nan), None)


def test_sheet_says_how_many_curves_are_left_out() -> None:
    """A sample may have many channels, of which eight are drawn."""
    for channels, expected in ((48, "The first 8 of the 48 curves of each sample."), (8, "")):
        figure = draw_sheet(
            keras_npy.open_rows(np.ones((3, 20, channels))), None, np.arange(3), look="curve"
        )
        assert expected == figure.get_suptitle()


def test_command_preview_writes_a_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the rows in brackets, for any kind of file that matplotlib knows."""
    command = ["preview", "x.npy[10:30]", "--y", "y.npy[10:30]", "--number", "4"]
    assert 0 == main([*command, "--names", "a,b,c", "-o", "sheet.png"])
    assert "sheet.png: 4 samples of x.npy[10:30]\n" == capsys.readouterr().out
    assert Path("sheet.png").read_bytes().startswith(b"\x89PNG")
    Path("names.txt").write_text("cat\ndog\neel\n")
    assert 0 == main([*command, "--names", "names.txt", "-o", "sheet.svg"])
    assert "<svg" in Path("sheet.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["x.npy"], 2, "no -o, and output that is no terminal"),
        (["x.npy", "--number", "0", "-o", "s.png"], 2, "shows 1 to 200 samples"),
        (["y.npy", "--as", "image", "-o", "s.png"], 2, r"--as image for rows of shape \(\)"),
        (["x.npy", "--y", "y.npy[:9]", "-o", "s.png"], 1, "same number of samples"),
        (["none.npy", "-o", "s.png"], 1, "none.npy"),
        (["c.npy", "-o", "s.png"], 1, r"real numbers\. Received: rows of complex64\. Save np\.abs"),
        # Before anything is read.
        (["none.npy", "-o", "s.unknown"], 2, r"\.png, \.pdf.*suffix \.unknown\. .* -o s\.png\.$"),
        (["none.npy", "-o", "s"], 2, r"Received: no suffix\. "),
        (["none.npy", "-o", "no/s.png"], 1, r"the folder of a new file must exist\. "),
    ],
)
def test_command_preview_wrong_use(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    """One line, and no file."""
    np.save("c.npy", np.ones((9, 5, 5), "complex64"))
    assert status == main(["preview", *arguments])
    assert re.search(message, capsys.readouterr().err)
    assert not list(Path.cwd().glob("s.*"))


def test_command_preview_without_matplotlib_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert 1 == main(["preview", "x.npy", "-o", "s.png"])
    assert capsys.readouterr().err.endswith("Install it: pip install 'keras_npy[plot]'.\n")


def test_command_preview_in_a_terminal_shows_pixels(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in each character, without matplotlib, of rows from all over, with what they are."""
    monkeypatch.setattr(terminal, "can_show_pictures", lambda: True)
    monkeypatch.setattr(terminal, "columns", lambda: 70)
    monkeypatch.setattr(sheets, "_figure_class", None)
    np.save("x.npy", np.repeat(X[:, :1, :1], 32, 1).repeat(32, 2))
    np.save("y.npy", np.arange(60) // 30)
    source = ["x.npy[[5, 0, 17, 29, 59]]", "--y", "y.npy[[5, 0, 17, 29, 59]]", "--names", "cat"]
    assert 0 == main(["preview", *source, "--number", "3"])
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert 17 == len(lines)
    assert f"{'row 5: cat':33}row 59: 1" == lines[-1]
    assert (
        "--names has 1 name, none for class 1: shown by number, and the first name is that of "
        "class 0."
    ) in printed.err
    # Rows 5 and 59, the first and the last of the three, and the gap between them.
    assert [32, 32, 1] == [
        lines[5].count(f"38;2;{grey};{grey};{grey};") - extra
        for grey, extra in ((X[5, 0, 0], 0), (X[59, 0, 0], 0), (0, 0))
    ]
    monkeypatch.setattr(terminal, "columns", lambda: 8)
    assert 0 == main(["preview", *source, "--number", "3"])
    assert "row 5: cat" == capsys.readouterr().out.splitlines()[-1]


def test_terminal_odd_number_of_lines() -> None:
    """The last one is repeated."""
    picture = np.arange(9, dtype="uint8").reshape(3, 1, 3)
    assert "\x1b[38;2;6;7;8;48;2;6;7;8m▀\x1b[0m" == terminal.as_text(picture).splitlines()[1]
    assert encode_png(picture)


@pytest.mark.parametrize(
    ("brackets", "rows"),
    [("[30:60:10]", [30, 40, 50]), ("[-2:]", [58, 59]), ("[[17, 3]]", [17, 3]), ("[7]", [7])],
)
def test_command_preview_numbers_rows_as_they_are_without_brackets(
    monkeypatch: pytest.MonkeyPatch, brackets: str, rows: list[int]
) -> None:
    """Whoever sees a bad one looks it up in the file."""
    titles = []

    def save(figure: Any, *_: Any, **options: Any) -> None:
        titles.extend(axes.get_title() for axes in figure.subfigs[0].axes)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)
    main(["preview", f"x.npy{brackets}", "--y", f"y.npy{brackets}", "-o", "s.png"])
    assert [f"row {row}: {row % 3}" for row in rows] == [title for title in titles if title]
