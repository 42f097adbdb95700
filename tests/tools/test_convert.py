"""`keras-npy convert`: any source as one plain file, complete or not there at all."""

import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, convert, open_rows, samples
from keras_npy.tools.cli import main
from tests.rows.contract import assert_same, write_npy

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

X = np.arange(600, dtype="int16").reshape(50, 3, 4)


def fortran(path: Path) -> Any:
    np.save(path / "x.npy", np.asfortranarray(X))
    return path / "x.npy"


def big_endian(path: Path) -> Any:
    np.save(path / "x.npy", X.astype(">i2"))
    return path / "x.npy"


def misaligned(path: Path) -> Any:
    write_npy(path / "x.npy", X, 82)
    return path / "x.npy"


def shards(path: Path) -> Any:
    for number, part in enumerate(np.array_split(X, 12)):
        np.save(path / f"x-{number}.npy", part)
    return f"{path}/x-*.npy"


def stored(path: Path) -> Any:
    np.savez(path / "d.npz", x=X, y=X)
    return f"{path}/d.npz::x"


def compressed(path: Path) -> Any:
    np.savez_compressed(path / "d.npz", x=X, y=X)
    return f"{path}/d.npz::x.npy"


def compressed_fortran(path: Path) -> Any:
    np.savez_compressed(path / "d.npz", x=np.asfortranarray(X.astype(">i2")))
    return f"{path}/d.npz::x"


def each(path: Path) -> Any:
    for number, sample in enumerate(X):
        np.save(path / f"x-{number}.npy", sample)
    return samples(f"{path}/x-*.npy")


SOURCES = [fortran, big_endian, misaligned, shards, stored, compressed, compressed_fortran, each]


@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("block_bytes", [100, 1 << 20], ids=["small-blocks", "one-block"])
def test_convert_any_source_is_a_plain_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, block_bytes: int
) -> None:
    """The same values, in the layout that is read in place; nothing else is left behind."""
    monkeypatch.setattr("keras_npy.tools.convert.BLOCK_BYTES", block_bytes)
    (tmp_path / "out").mkdir()
    told: list[tuple[int, int]] = []
    convert(make(tmp_path), tmp_path / "out" / "x.npy", progress=lambda *a: told.append(a))
    assert ["x.npy"] == os.listdir(tmp_path / "out")
    assert_same(X, np.load(tmp_path / "out" / "x.npy"))
    rows = open_rows(tmp_path / "out" / "x.npy")
    alias = rows.alias()
    assert alias is not None
    assert 0 == alias.ctypes.data % 64
    assert (X.nbytes, X.nbytes) == told[-1]


def test_convert_bfloat16_keeps_its_bits(tmp_path: Path) -> None:
    """It is written as NumPy writes it."""
    import ml_dtypes

    array = np.arange(12).astype(ml_dtypes.bfloat16).reshape(6, 2)
    np.save(tmp_path / "x.npy", array)
    convert([tmp_path / "x.npy"] * 2, tmp_path / "out.npy", stored_dtype="bfloat16")
    expected = np.concatenate([array, array])
    assert_same(expected, open_rows(tmp_path / "out.npy", stored_dtype="bfloat16")[:])


def test_convert_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    """A file is replaced when that was asked for, and then by a complete one."""
    source = fortran(tmp_path)
    with pytest.raises(
        FileExistsError, match=r"x\.npy: convert replaces a file only.*Received.*exists\. .*--force"
    ):
        convert(source, source)
    convert(source, source, force=True)
    assert np.load(source).flags.c_contiguous
    assert_same(X, np.load(source))


@pytest.mark.parametrize("options", [[], ["--samples"]], ids=["rows", "samples"])
@pytest.mark.parametrize("folder", ["nodir", "nodir/sub", "x.npy"])
def test_convert_into_no_folder_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], folder: str
) -> None:
    """The folder is named, though the source is not there either."""
    (tmp_path / "x.npy").write_bytes(b"")
    new = tmp_path / folder / "out.npy"
    message = (
        f"{new}: the folder of a new file must exist. Received: {new.parent}, which is no folder. "
        "Make that folder first, or choose another path."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        convert(tmp_path / "none.npy", new)
    assert 1 == main(["convert", *options, str(tmp_path / "none.npy"), str(new)])
    assert f"keras-npy: {message}\n" == capsys.readouterr().err
    assert ["x.npy"] == os.listdir(tmp_path)


def test_convert_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A source that breaks half-way gives no file, and keeps the one that was there."""
    source = each(tmp_path)
    np.save(tmp_path / "x-49.npy", np.zeros(5))
    np.save(tmp_path / "out.npy", np.arange(3))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(NpyFileError, match=r"x-49\.npy: each sample"):
        convert(source, tmp_path / "out.npy", force=True)
    with pytest.raises(NpyFileError, match=r"x-49\.npy: each sample"):
        convert(source, tmp_path / "new.npy")
    assert before == sorted(os.listdir(tmp_path))
    assert [0, 1, 2] == np.load(tmp_path / "out.npy").tolist()


def refuse_to_sync_folders(error: OSError) -> Callable[[int], None]:
    """What `os.fsync` is where a file system syncs files alone."""

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise error

    return sync


def test_convert_syncs_the_file_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a power cut leaves the whole file under its name, or none."""
    new, done = tmp_path / "new.npy", []

    def sync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        assert os.path.samestat(
            os.fstat(descriptor), os.stat(tmp_path if kind == "folder" else partial())
        )
        done.append((kind, new.exists()))

    def partial() -> Path:
        return next(tmp_path.glob("new.npy.*.partial"))

    monkeypatch.setattr(os, "fsync", sync)
    convert(X, new)
    assert [("file", False), ("folder", True)] == done
    assert_same(X, np.load(new))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_convert_where_folders_cannot_be_synced_converts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network file systems sync files alone."""
    monkeypatch.setattr(os, "fsync", refuse_to_sync_folders(OSError(number, "not here")))
    convert(X, tmp_path / "new.npy")
    assert_same(X, np.load(tmp_path / "new.npy"))


def test_convert_failing_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that could not be written is an error, not a file that may be lost."""
    monkeypatch.setattr(os, "fsync", refuse_to_sync_folders(OSError(errno.EIO, "failing")))
    with pytest.raises(OSError, match="failing"):
        convert(X, tmp_path / "new.npy")


# The command.


def test_command_converts_and_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the error message makes the member trainable."""
    source = compressed(tmp_path)
    with pytest.raises(NpyFileError) as refused:
        open_rows(source)
    command = str(refused.value).split("`")[1].split()
    assert "keras-npy" == command[0]
    assert 0 == main(command[1:])
    assert f"{tmp_path}/x.npy: int16 (50, 3, 4), 1200 bytes from" in capsys.readouterr().out
    assert_same(X, open_rows(tmp_path / "x.npy")[:])


def test_command_several_files_and_samples(tmp_path: Path) -> None:
    """A shell that expands the pattern itself gives the same, in its order."""
    shards(tmp_path)
    paths = [str(tmp_path / f"x-{number}.npy") for number in range(12)]
    assert 0 == main(["convert", *paths, str(tmp_path / "joined.npy")])
    assert_same(X, np.load(tmp_path / "joined.npy"))
    assert 0 == main(["convert", "--samples", *paths[:2], str(tmp_path / "stacked.npy")])
    assert_same(np.stack(np.split(X[:10], 2)), np.load(tmp_path / "stacked.npy"))


def test_command_samples_of_bfloat16_keep_their_bits(tmp_path: Path) -> None:
    """--samples and --stored-dtype go together."""
    import ml_dtypes

    array = np.arange(12).astype(ml_dtypes.bfloat16).reshape(3, 4)
    for number, sample in enumerate(array):
        np.save(tmp_path / f"s-{number}.npy", sample)
    pattern, new = str(tmp_path / "s-*.npy"), str(tmp_path / "stacked.npy")
    assert 0 == main(["convert", "--samples", "--stored-dtype", "bfloat16", pattern, new])
    assert_same(array, open_rows(new, stored_dtype="bfloat16")[:])


def test_command_raw_bytes_name_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the message says makes it work."""
    import ml_dtypes

    np.save(tmp_path / "x.npy", np.arange(12).astype(ml_dtypes.bfloat16))
    command = ["convert", str(tmp_path / "x.npy"), str(tmp_path / "new.npy")]
    assert 1 == main(command)
    remedy = "keras-npy convert takes --stored-dtype bfloat16."
    assert capsys.readouterr().err.endswith(f"{remedy}\n")
    assert 0 == main(command + remedy.rstrip(".").split()[-2:])


def test_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data it refuses give exit status 1 and the reason, no traceback."""
    (tmp_path / "x.npy").write_bytes(b"<html>")
    assert 1 == main(["convert", str(tmp_path / "x.npy"), str(tmp_path / "y.npy")])
    assert 1 == main(["convert", str(tmp_path / "x.npy"), str(tmp_path / "x.npy")])
    printed = capsys.readouterr().err
    assert "an HTML page" in printed
    assert "--force" in printed
