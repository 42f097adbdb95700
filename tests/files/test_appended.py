"""Values behind the data of a file: each file is named, and the remedy keeps them."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpySequence, convert, open_rows, raw, samples, windows
from keras_npy.errors import NpyLayoutWarning
from keras_npy.files.appended import DataBehindWarning
from keras_npy.files.behind import ZEROS_MAX, find_data
from keras_npy.tools.cli import main

X = np.arange(1, 61, dtype="float32").reshape(20, 3)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def appended(path: str, tail: bytes, array: Any = X[:4], packed: int | None = None) -> str:
    """A file, or a member of an archive, of an array with bytes behind it."""
    with open(path, "wb") as file:
        np.save(file, array)
        file.write(tail)
    if packed is None:
        return path
    with zipfile.ZipFile(f"{path}.npz", "w", packed) as archive:
        archive.write(path, "x.npy")
    return f"{path}.npz::x"


def said(make: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return list(caught)


@pytest.mark.parametrize("dtype", ["float32", ">f4", "uint8", "int64"])
@pytest.mark.parametrize("shape", [(20,), (20, 3), (20, 2, 2)])
def test_rows_that_were_appended_are_named_and_the_remedy_keeps_them(
    dtype: str, shape: tuple[int, ...]
) -> None:
    """A whole number of rows: the code that the warning prints writes all of them."""
    whole = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)
    appended("my x.npy", whole[4:].tobytes(), whole[:4])
    warned = said(lambda: NpySequence("my x.npy"))
    (message,) = [str(one.message) for one in warned if one.category is DataBehindWarning]
    assert f"as many as 16 more rows of {(4, *shape[1:])} take and not all zeros" in message
    exec(message.split("`")[1], {})
    np.testing.assert_array_equal(whole, np.load("my x_converted_all.npy"))
    assert [] == said(lambda: NpySequence("my x_converted_all.npy"))


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(X[4:9].tobytes(), id="rows"),
        pytest.param(bytes(12) + X[4:9].tobytes(), id="rows-behind-a-row-of-zeros"),
        pytest.param(json.dumps({"fps": 25}).encode(), id="json"),
        pytest.param(bytes(1 << 20) + b"end", id="behind-1-mib-of-zeros"),
        pytest.param(bytes(ZEROS_MAX + 100_000) + b"end", id="at-the-end"),
    ],
)
@pytest.mark.parametrize("packed", [None, zipfile.ZIP_STORED])
def test_each_file_is_named_and_not_only_the_first_of_the_process(
    tail: bytes, packed: int | None
) -> None:
    """Also after padding, which is told once; nothing but the rows of the header is read."""
    said(lambda: open_rows(appended("padded.npy", bytes(700))))
    for name in ("a.npy", "b.npy"):
        source = appended(name, tail, packed=packed)
        warned = said(
            lambda source=source: np.testing.assert_array_equal(X[:4], open_rows(source)[:])
        )
        (message,) = [str(one.message) for one in warned if one.category is DataBehindWarning]
        assert name in message
        assert f"{len(tail)} bytes behind the 48 that the header promises" in message


@pytest.mark.parametrize("size", [1, 700, 4096, 1 << 20, ZEROS_MAX + 100_000])
def test_zeros_are_padding(size: int) -> None:
    """One word per process, of the layout."""
    warned = said(lambda: [open_rows(appended(f"{at}.npy", bytes(size))) for at in range(3)])
    kinds = [one.category for one in warned if " bytes behind " in str(one.message)]
    assert [NpyLayoutWarning] == kinds


def samples_of(tail: bytes, packed: int | None = None, **arguments: Any) -> Any:
    paths = [appended(f"{at}.npy", tail if at % 2 else b"", packed=packed) for at in range(6)]
    return samples(paths, **arguments)


PACKED = zipfile.ZIP_DEFLATED
READS = [
    pytest.param(lambda t: open_rows([appended("a.npy", b""), appended("b.npy", t)]), 0, id="list"),
    pytest.param(lambda t: (appended("a.npy", t), open_rows("*.npy")), 0, id="pattern"),
    pytest.param(lambda t: windows(appended("a.npy", t), sequence_length=2), 0, id="windows"),
    pytest.param(
        lambda t: NpySequence.from_class_files({"a": appended("a.npy", t), "b": X}),
        0,
        id="class-files",
    ),
    pytest.param(lambda t: samples_of(t), 2, id="samples"),
    pytest.param(lambda t: samples_of(t, length=3), 2, id="fitted-samples"),
    pytest.param(lambda t: samples_of(t, check=False)[:], 0, id="samples-when-they-are-read"),
    pytest.param(lambda t: samples_of(t, PACKED), 2, id="packed-samples"),
    pytest.param(lambda t: samples_of(t, zipfile.ZIP_STORED), 2, id="samples-in-archives"),
    pytest.param(
        lambda t: convert(appended("a.npy", t, packed=PACKED), "n.npy", force=True), 0, id="convert"
    ),
]


@pytest.mark.parametrize(("read", "more"), READS)
def test_every_way_to_read_says_so(read: Any, more: int) -> None:
    """Of many files in one warning; zeros are padding everywhere."""
    warned = said(lambda: read(X[4:6].tobytes()))
    found = [str(one.message) for one in warned if one.category is DataBehindWarning]
    assert found
    assert (f"those of {more} more files" in found[0]) == bool(more)
    assert "as many as 2 more" in found[0] or "::x" in found[0]
    warned = said(lambda: read(bytes(24)))
    assert not [one for one in warned if one.category is DataBehindWarning]


@pytest.mark.parametrize(
    ("packed", "check", "arguments"),
    [
        pytest.param(None, True, {}, id="files"),
        pytest.param(None, False, {}, id="unchecked"),
        pytest.param(None, True, {"length": 3}, id="fitted"),
        pytest.param(None, False, {"length": 3}, id="fitted-unchecked"),
        pytest.param(None, True, {"io": "map"}, id="mapped"),
        pytest.param(PACKED, True, {}, id="packed"),
        pytest.param(PACKED, False, {"length": 3}, id="packed-fitted"),
        pytest.param(zipfile.ZIP_STORED, True, {}, id="archives"),
    ],
)
@pytest.mark.parametrize("tail", [bytes(300), X[4:9].tobytes()], ids=["zeros", "rows"])
def test_epochs_read_no_padding(
    packed: Any, check: bool, arguments: Any, tail: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies behind the data of a sample is looked at once, and not in each epoch."""
    looks: list[int] = []
    monkeypatch.setattr(
        "keras_npy.files.header.find_data", lambda *given: (looks.append(1), find_data(*given))[1]
    )
    with warnings.catch_warnings(action="ignore"):
        rows = samples_of(tail, packed, check=check, **arguments)
        rows[:]
    num_looks = len(looks)
    assert num_looks
    expected = X[:4][: arguments.get("length")]
    for _ in range(3):
        # Its kind of layout and its values behind the data were told before.
        with warnings.catch_warnings(action="error"):
            np.testing.assert_array_equal([expected] * 6, rows[:])
    assert num_looks == len(looks)


def test_values_that_fill_a_fitted_sample_are_found_when_it_is_checked() -> None:
    """A file of its size, whose header is that of the first one."""
    np.save("0.npy", X[:4])
    appended("1.npy", X[4:6].tobytes())
    warned = said(lambda: samples(["0.npy", "1.npy"], length=6))
    (one,) = [one for one in warned if one.category is DataBehindWarning]
    assert str(one.message).startswith("1.npy") or "/1.npy: " in str(one.message)


@pytest.mark.parametrize(
    ("message", "num_said"),
    [
        pytest.param("", [0, 0], id="all-of-layout"),
        pytest.param(".* bytes behind the", [0, 1], id="behind"),
        pytest.param("nothing", [2, 1], id="none"),
    ],
)
def test_the_documented_lines_silence_files_with_a_footer(
    message: str, num_said: list[int]
) -> None:
    """Each file says it; another layout is silenced with all of them only."""
    page = (Path(__file__).parents[2] / "docs" / "trouble.md").read_text()
    assert '("ignore", ".* bytes behind the", keras_npy.NpyLayoutWarning)' in page
    np.save("f.npy", np.asfortranarray(X))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message, NpyLayoutWarning)
        for name in ("a.npy", "b.npy"):
            open_rows(appended(name, b"sha256"))
        open_rows("f.npy")
    is_behind = [one.category is DataBehindWarning for one in caught]
    assert num_said == [sum(is_behind), len(is_behind) - sum(is_behind)]


def test_from_directory_says_so() -> None:
    """Once for all files."""
    for label in "ab":
        Path(label).mkdir()
        for at in range(3):
            appended(f"{label}/{at}.npy", X[4:6].tobytes())
    warned = said(lambda: NpySequence.from_directory("."))
    (one,) = [one for one in warned if one.category is DataBehindWarning]
    assert "2 more steps along axis 0" in str(one.message)
    assert "those of 5 more files" in str(one.message)


def test_fortran_files_get_no_remedy_that_would_mix_their_values() -> None:
    """What is appended in C order is no row of theirs."""
    appended("f.npy", X[:2].tobytes(), np.asfortranarray(X))
    warned = said(lambda: open_rows("f.npy"))
    (one,) = [one for one in warned if one.category is DataBehindWarning]
    assert "raw" not in str(one.message)
    assert "not all zeros" in str(one.message)


@pytest.mark.parametrize("zeros", [0, 100, 70_000, 1 << 20, (1 << 20) - 3])
def test_another_array_behind_zeros_is_refused(zeros: int) -> None:
    """However many they are, and where pieces that are read end."""
    appended("y.npy", b"", X[4:])
    appended("x.npy", bytes(zeros) + Path("y.npy").read_bytes())
    with pytest.raises(NpyFileError, match=r"x\.npy: .*another array behind"):
        open_rows("x.npy")


def test_command_check_finds_them_and_convert_says_how_to_keep_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`check` ends with status 1; the last rows are not dropped without a word."""
    rng = np.random.default_rng(0)
    x = rng.random((40, 3), "float32")
    appended("x.npy", x[30:].tobytes(), x[:30])
    assert 1 == main(["check", "x.npy"])
    out = capsys.readouterr().out
    assert "[behind] " in out
    assert "Nothing found" not in out
    assert 0 == main(["check", "x.npy", "--ignore", "behind"])
    capsys.readouterr()
    with warnings.catch_warnings(action="default"):
        assert 0 == main(["convert", "x.npy", "new.npy"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "as many as 10 more rows" in line
    exec(line.split("`")[1], {})
    np.testing.assert_array_equal(x, np.load("x_converted_all.npy"))


def test_raw_skips_the_header_of_an_npy_file_and_nothing_else_of_it() -> None:
    """Only at the end of the header: any other offset is one of another file."""
    appended("x.npy", X[4:].tobytes())
    np.testing.assert_array_equal(X, raw("x.npy", dtype="float32", shape=(-1, 3), offset=128)[:])
    for offset in (0, 80, 140):
        with pytest.raises(NpyFileError, match=r"an \.npy file, which has one"):
            raw("x.npy", dtype="float32", shape=(-1, 3), offset=offset)
