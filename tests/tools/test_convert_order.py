"""One file of a pattern whose names state another order of time: nobody can see it afterwards."""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import convert, samples, take, windows
from keras_npy.tools.cli import main
from keras_npy.tools.convert_shards import convert_to_shards

# Members are compressed, which says that they are slow.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

MONTHS = ["jan", "feb", "mar", "apr"]
QUARTERS = ["Q4_2021", "Q1_2022", "Q2_2022"]
DAYS = ["28-01-2021", "02-02-2021"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(names: list[str], end: str = ".npy") -> list[str]:
    """Files in order of time, of which the values count."""
    Path("mon").mkdir()
    for number, name in enumerate(names):
        x = np.full((2, 3), number)
        np.save(f"mon/{name}.npy", x) if end == ".npy" else np.savez_compressed(f"mon/{name}", x=x)
    return [os.path.abspath(f"mon/{name}{end}") for name in names]


def paths_of(message: str) -> tuple[str, ...]:
    """The four paths of the message, which says the rule, what was received and the remedy."""
    found = re.search(
        r"(\S+): a new file holds the files of a pattern in natural order, and has no names that "
        r"tell their times\. Received: \1 before (\S+), which is earlier by its name\. Instead of "
        r"the pattern, give all paths in the order of time(?:, from (\S+) and (\S+) on)?; list",
        " ".join(message.split()),
    )
    assert found, message
    return found.groups()


SOURCES: list[Any] = [
    pytest.param(lambda x: x, ".npy", id="pattern"),
    pytest.param(samples, ".npy", id="samples"),
    pytest.param(lambda x: f"{x}::x", ".npz", id="compressed-members"),
    pytest.param(lambda x: [x, np.full((1, 3), 99)], ".npy", id="joined-with-an-array"),
]


@pytest.mark.parametrize("names", [MONTHS, QUARTERS, DAYS], ids=["months", "quarters", "days"])
@pytest.mark.parametrize(("source", "end"), SOURCES)
def test_convert_warns_of_an_order_that_nobody_sees_later(
    names: list[str], source: Callable[[Any], Any], end: str
) -> None:
    """Once, and the list that it asks for is in order."""
    paths = save(names, end)
    with pytest.warns(UserWarning, match="order of time") as caught:
        convert(source(f"mon/*{end}"), "mon.npy")
    assert [__file__] == [warning.filename for warning in caught]
    members = [path + "::x" * (end == ".npz") for path in paths]
    late, early, *begin = paths_of(str(caught[0].message))
    assert members.index(late) > members.index(early)
    assert members[:2] == begin
    assert np.any(np.diff(np.load("mon.npy").ravel()) < 0)
    listed = samples(paths) if source is samples else members
    convert(listed, "mon.npy", force=True)
    assert np.all(np.diff(np.load("mon.npy").ravel()) >= 0)


@pytest.mark.parametrize("options", [[], ["--samples"], ["--dtype", "uint8"]])
@pytest.mark.parametrize("out", ["mon.npy", "new"], ids=["file", "folder"])
@pytest.mark.filterwarnings("default")
def test_command_convert_says_it_in_one_line(
    options: list[str], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And takes the paths that it asks for."""
    paths = save(MONTHS)
    Path("new").mkdir()
    assert 0 == main(["convert", *options, "mon/*.npy", out])
    said = capsys.readouterr().err
    assert 1 == said.count("order of time")
    assert tuple(paths[:2]) == paths_of(said)[2:]
    assert 0 == main(["convert", *options, *paths, "listed.npy"])
    assert "" == capsys.readouterr().err
    assert np.all(np.diff(np.load("listed.npy").ravel()) >= 0)


SILENT: list[Any] = [
    pytest.param(lambda: "mon/t_jan.npy", id="one-file"),
    pytest.param(lambda: "mon/t_[dj]*.npy", id="winter"),
    pytest.param(lambda: sorted(map(str, Path("mon").glob("*.npy"))), id="list"),
    pytest.param(lambda: ["mon/t_apr.npy", "mon/t_[dj]*.npy"], id="a-path-and-a-pattern"),
    pytest.param(lambda: take("mon/*.npy", slice(0, 6)), id="chosen"),
    pytest.param(
        lambda: [take("mon/*.npy", slice(0, 6)), np.zeros((1, 3), int)], id="chosen-joined"
    ),
    pytest.param(lambda: windows("mon/*.npy", sequence_length=2), id="series-of-their-own"),
    pytest.param(lambda: np.zeros((2, 3)), id="array"),
]


@pytest.mark.parametrize("source", SILENT)
def test_convert_of_an_order_that_is_meant_says_nothing(source: Callable[[], Any]) -> None:
    """Of what the user listed, chose, or named alone."""
    save(["t_dec", "t_jan", "t_apr", "t_feb"])
    convert(source(), "new.npy")


@pytest.mark.filterwarnings("default")
def test_convert_of_joined_windows_warns_once() -> None:
    """Where the windows are made."""
    save(MONTHS)
    with pytest.warns(UserWarning, match="order of time") as caught:
        convert(windows("mon/*.npy", sequence_length=2, join=True), "new.npy")
    assert 1 == len(caught)


def test_shards_and_images_say_nothing() -> None:
    """A folder of images is in no order of time."""
    save(MONTHS)
    with warnings.catch_warnings(action="error"):
        convert_to_shards("mon/*.npy", "part.npy", 2)
        pytest.importorskip("PIL", reason="images are decoded by Pillow, an extra")
        from keras_npy.drawing.pictures import encode_png

        pixels = np.zeros((4, 4, 3), np.uint8)
        for month in MONTHS:
            Path("pets", month).mkdir(parents=True)
            Path("pets", month, f"{month}.png").write_bytes(encode_png(pixels))
        assert 0 == main(["convert", "images:pets", "pets.npy"])
