"""`keras-npy convert`: shards, dtypes, folders of images, many members, and after a kill."""

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import convert, open_rows
from keras_npy.tools import convert_shards
from keras_npy.tools.cli import main
from keras_npy.tools.convert_shards import convert_to_shards
from tests.rows.contract import assert_same

X = np.arange(600, dtype="int16").reshape(50, 3, 4)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


# Dtypes and spelled sources.


def test_command_another_dtype_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """The row of a value that is lost is named, and no file is left."""
    x = (X % 200).astype("float64")
    np.save("x.npy", x)
    assert 0 == main(["convert", "--dtype", "uint8", "x.npy", "u.npy"])
    assert 0 == main(["convert", "--dtype", "complex64", "x.npy", "c.npy"])
    np.testing.assert_array_equal(np.load("x.npy"), np.load("c.npy"))
    Path("c.npy").unlink()
    for unknown in ("foo", "str"):
        assert 2 == main(["convert", "--dtype", unknown, "x.npy", "v.npy"])
    assert_same(x.astype("uint8"), np.load("u.npy"))
    x[30, 1, 2] = 7.5
    np.save("x.npy", x)
    capsys.readouterr()
    assert 1 == main(["convert", "--dtype", "uint8", "x.npy", "v.npy"])
    assert re.search(
        r"x\.npy, row 30: .*Received: 7\.5 of float64.*--round", capsys.readouterr().err
    )
    assert ["u.npy", "x.npy"] == files()
    assert 0 == main(["convert", "--dtype", "uint8", "--round", "x.npy", "v.npy"])
    assert 8 == np.load("v.npy")[30, 1, 2]
    assert 2 == main(["convert", "--round", "x.npy", "w.npy"])
    # The second file counts its rows from 0; indices= and brackets go on from the first.
    np.save("x-0.npy", x[:10])
    np.save("x-1.npy", x[10:])
    capsys.readouterr()
    assert 1 == main(["convert", "--dtype", "uint8", "x-*.npy", "w.npy"])
    assert "x-1.npy, row 20, which is row 30 of the source: " in capsys.readouterr().err


def test_command_takes_sources_as_they_are_spelled() -> None:
    """Rows in brackets, windows, and several of these joined."""
    assert 0 == main(["convert", "x.npy[5:20]", "x.npy[0]", "y.npy"])
    assert_same(np.concatenate([X[5:20], X[:1]]), np.load("y.npy"))
    assert 0 == main(["convert", "windows,sequence_length=4:x.npy", "w.npy"])
    assert_same(np.stack([X[at : at + 4] for at in range(47)]), np.load("w.npy"))


def test_command_members_of_archives_become_files(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once, compressed or not, and other sources, in a folder."""
    np.savez("a.npz", x=X, y=np.arange(50))
    np.savez_compressed("b.npz", z=X * 2)
    np.save("w.npy", X)
    os.mkdir("out")
    assert 0 == main(["convert", "a.npz", "b.npz", "w.npy[0:3]", "out", "--force"])
    written = [f"out/{name}.npy" for name in "wxyz"]
    assert ["a.npz", "b.npz", *written, "w.npy", "x.npy"] == files()
    assert_same(X, np.load("out/x.npy"))
    assert_same(X[:3], np.load("out/w.npy"))
    assert_same(X * 2, np.load("out/z.npy"))
    assert_same(np.arange(50), np.load("out/y.npy"))
    assert 1 == main(["convert", "a.npz", "out"])
    assert "--force" in capsys.readouterr().err


def test_command_files_in_a_folder_have_names_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two sources of one name are refused before anything is written; other names are kept."""
    for folder in ("a", "b", "out"):
        os.mkdir(folder)
    np.save("a/x.npy", X * 2)
    np.save("b/x_converted_2.npy", X * 3)
    before = files()
    assert 2 == main(["convert", "x.npy", "a/x.npy", "out"])
    assert re.search(r"x\.npy and a/x\.npy.* two folders", capsys.readouterr().err)
    assert before == files()
    assert 0 == main(["convert", "b/*.npy", "b/x_converted_2.npy", "out"])
    assert {"out/rows.npy", "out/x_converted_2.npy"} == set(files()) - set(before)
    assert_same(X * 3, np.load("out/x_converted_2.npy"))


# Shards.


@pytest.mark.parametrize("num_shards", [1, 3, 50])
def test_shards_join_to_the_source(num_shards: int) -> None:
    """In order, with sizes that differ by one at most."""
    assert 0 == main(["convert", "--shards", str(num_shards), "x.npy", "s.npy"])
    paths = [name for name in files() if name.startswith("s-")]
    assert num_shards == len(paths)
    assert_same(X, open_rows("s-*.npy")[:])
    lengths = [len(np.load(path)) for path in paths]
    assert max(lengths) - min(lengths) <= 1
    assert len(paths) + 1 == len(files())


def test_shards_that_exist_are_kept_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    """As one file is; too many are refused."""
    assert 0 == main(["convert", "--shards", "2", "x.npy", "s.npy"])
    assert 1 == main(["convert", "--shards", "2", "x.npy", "s.npy"])
    assert "s-00000-of-00002.npy: convert replaces a file only" in capsys.readouterr().err
    assert 0 == main(
        ["convert", "--shards", "2", "--dtype", "float32", "--force", "x.npy", "s.npy"]
    )
    assert "float32" == open_rows("s-*.npy").dtype
    with warnings.catch_warnings(action="default"):
        main(["convert", "--shards", "3", "x.npy", "s.npy"])
    said = capsys.readouterr().err
    assert re.search(r"shards in parts of 3 .* Received: s-00000-of-00002.npy beside it", said)
    assert 1 == main(["convert", "--shards", "51", "x.npy", "t.npy"])
    assert "Received: 51 shards for N=50" in capsys.readouterr().err


def test_command_convert_to_a_full_disk_names_the_file_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one file, and as shards of which none is complete."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = files()
    monkeypatch.setattr("keras_npy.tools.convert.as_bytes", full)
    for options in ([], ["--shards", "2"]):
        assert 1 == main(["convert", *options, "x.npy", "y.npy"])
        assert re.search(r"y.*\.npy: a new file needs room on its disk", capsys.readouterr().err)
        assert before == files()


@pytest.mark.parametrize("out", ["-", "foo", "y.txt"])
def test_command_convert_to_no_npy_is_refused(capsys: pytest.CaptureFixture[str], out: str) -> None:
    """NumPy and NpySequence would take such a file for another kind."""
    before = files()
    assert 2 == main(["convert", "x.npy", out])
    assert f"{out}: a file is written as .npy." in capsys.readouterr().err
    assert before == files()


def test_command_refuses_a_folder_where_nobody_may_write_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a source is read, or Keras imported."""
    monkeypatch.setattr("keras_npy.tools.new_files.os.access", lambda *_: False)
    assert 1 == main(["convert", "x.npy", "y.npy"])
    assert "y.npy: the folder of a new file must let you write." in capsys.readouterr().err


# Killed commands.

KILLED = """
import os, signal, sys
from keras_npy.tools import convert as module
from keras_npy.tools.convert import convert
from keras_npy.tools.convert_shards import convert_to_shards

module.BLOCK_BYTES = 48
def kill(done, total):
    if done > total * 0.5:
        os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "one":
    convert(sys.argv[2], "new.npy", progress=kill)
else:
    convert_to_shards(sys.argv[2], "new.npy", 10, progress=kill)
"""


def killed(*arguments: str) -> None:
    """Run a conversion that is killed half-way."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        check=False,
        env={"PYTHONPATH": str(Path(keras_npy.__file__).parents[1])},
    )
    assert -signal.SIGKILL == done.returncode


@pytest.mark.parametrize("source", ["x.npy", "c.npz::x"])
def test_killed_conversion_is_given_again(source: str) -> None:
    """What it left goes, though not what another process is writing."""
    np.savez_compressed("c.npz", x=X)
    killed("one", source)
    assert [name for name in files() if "partial" in name]
    with open("new.npy.1.partial", "wb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        convert(source, "new.npy")
        assert ["c.npz", "new.npy", "new.npy.1.partial", "x.npy"] == files()
    assert_same(X, np.load("new.npy"))


def test_killed_shards_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete ones are not written again, and belong to the same source."""
    killed("shards", "x.npy")
    complete = [name for name in files() if re.fullmatch(r"new-\d+-of-00010\.npy", name)]
    assert 5 == len(complete)
    times = [os.stat(name).st_mtime_ns for name in complete]
    written: list[str] = []
    write = convert_shards.write_rows

    def note(rows: Any, path: str, *rest: Any) -> None:
        written.append(os.path.basename(path))
        write(rows, path, *rest)

    monkeypatch.setattr(convert_shards, "write_rows", note)
    convert_to_shards("x.npy", "new.npy", 10)
    assert [f"new-{number:05}-of-00010.npy" for number in range(5, 10)] == written
    assert times == [os.stat(name).st_mtime_ns for name in complete]
    assert_same(X, open_rows("new-*.npy")[:])
    assert 11 == len(files())


def test_killed_shards_of_another_source_are_not_mixed() -> None:
    """They are refused, until they are to be replaced."""
    killed("shards", "x.npy")
    np.save("x.npy", X + 1)
    with pytest.raises(FileExistsError, match=r"new-00000-of-00010\.npy"):
        convert_to_shards("x.npy", "new.npy", 10)
    convert_to_shards("x.npy", "new.npy", 10, force=True)
    assert_same(X + 1, open_rows("new-*.npy")[:])


# Images.


@pytest.fixture
def pictures(tmp_path: Path) -> np.ndarray:
    """Six PNG files in two folders, named so that text order is not natural order."""
    from keras_npy.drawing.pictures import encode_png

    pytest.importorskip("PIL", reason="images are decoded by Pillow, an extra")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3)).astype("uint8")
    for number, image in enumerate(pixels):
        folder = tmp_path / "pets" / ("cat" if number < 4 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number * 4}.png").write_bytes(encode_png(image))
    return pixels


def test_images_become_x_and_y(pictures: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    """In natural order, with the number of their folder."""
    assert 0 == main(["convert", "images:pets", "px.npy", "--y", "py.npy"])
    assert "classes cat, dog" in capsys.readouterr().out
    assert_same(pictures, np.load("px.npy"))
    assert [0, 0, 0, 0, 1, 1] == np.load("py.npy").tolist()
    assert 0 == main(["convert", "images,size=8x6,mode=L:pets", "grey.npy"])
    assert (6, 8, 6) == np.load("grey.npy").shape


def test_images_that_cannot_be_rows(
    pictures: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another size, damaged, too large, in no class, or none at all: each is named."""
    from PIL import Image

    from keras_npy.drawing.pictures import encode_png

    with monkeypatch.context() as limited:
        limited.setattr(Image, "MAX_IMAGE_PIXELS", 5)
        assert 1 == main(["convert", "images:pets", "px.npy"])
    assert "0.png: an image must be one that Pillow reads" in capsys.readouterr().err

    odd = Path("pets/cat/5.png")
    odd.write_bytes(encode_png(pictures[0, :3]))
    assert 1 == main(["convert", "images:pets", "px.npy"])
    assert re.search(r"cat/5\.png: images must have one size.*size=", capsys.readouterr().err)
    odd.write_bytes(b"\x89PNG")
    assert 1 == main(["convert", "images:pets", "px.npy"])
    assert re.search(r"cat/5\.png: an image must be one that Pillow", capsys.readouterr().err)
    odd.rename("pets/5.png")
    Path("pets/5.png").write_bytes(encode_png(pictures[0]))
    assert 1 == main(["convert", "images:pets", "px.npy", "--y", "py.npy"])
    assert "5.png: the folder of an image names its class" in capsys.readouterr().err
    os.mkdir("empty")
    assert 1 == main(["convert", "images:empty", "px.npy"])
    assert "a folder of images must hold some" in capsys.readouterr().err
    assert 2 == main(["convert", "x.npy", "px.npy", "--y", "py.npy"])
    assert 2 == main(["convert", "images,size=wide:pets", "px.npy"])
    assert not [name for name in files() if name.startswith("p") and "/" not in name]


def test_images_without_pillow_name_the_extra(
    pictures: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert 1 == main(["convert", "images:pets", "px.npy"])
    assert capsys.readouterr().err.endswith("Install it: pip install 'keras_npy[images]'.\n")
