"""`keras-npy inspect`: what headers say, from any source, without a read of the data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy.tools import found, inspect
from keras_npy.tools.cli import main
from keras_npy.tools.source import open_source, parse
from keras_npy.tools.usage import UsageError
from tests.rows.contract import assert_same, write_npy

X = np.arange(600, dtype="int16").reshape(50, 3, 4)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    for number in range(12):
        np.save(f"s-{number}.npy", X[number])
    np.savez("d.npz", x=X, y=np.arange(50))
    np.savez_compressed("c.npz", x=X)
    X.tofile("x.bin")


def facts_of(capsys: pytest.CaptureFixture[str], *sources: str, status: int = 0) -> Any:
    assert status == main(["inspect", "--json", *sources])
    return json.loads(capsys.readouterr().out)


# How a source is spelled.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.npy", X),
        ("s-*.npy", X[:12].reshape(36, 4)),
        ("d.npz::x", X),
        ("samples:s-*.npy", X[:12]),
        ("samples,length=2,unpack=true:c.npz::x", X[np.newaxis, :2]),
        ("windows,sequence_length=3,sequence_stride=2:d.npz::x", None),
        ("windows,sequence_length=1:raw,dtype=int16,shape=-1x3x4:x.bin", X[:, np.newaxis]),
        ("raw,dtype=int16,shape=-1x3x4:x.bin", X),
        ("npy,io=read:x.npy", X),
        ("x.npy[5:50:10]", X[5:50:10]),
        ("samples:s-*.npy[-2:]", X[10:12]),
        ("x.npy[7]", X[7:8]),
        ("x.npy[[17, 3,-1]]", X[[17, 3, 49]]),
        ("s-[0-9].npy[[29]]", X[:10].reshape(30, 4)[[29]]),
    ],
)
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_source_is_spelled_as_it_is_called(text: str, expected: np.ndarray | None) -> None:
    """The rows are those of the function that is named, and of the brackets."""
    if expected is None:
        expected = np.stack([X[at : at + 3] for at in range(0, 48, 2)])
    assert_same(expected, open_source(text)[:])


@pytest.mark.parametrize("name", ["a[0].npy", "samples:x.npy", "x.npy[0:1]"])
def test_source_that_exists_under_its_name_is_that_file(name: str) -> None:
    """A name is not taken apart if it is one."""
    with open(name, "wb") as file:
        np.save(file, X)
    assert_same(X, open_source(name)[:])
    assert parse("s-[0-9].npy").is_plain
    assert 30 == len(open_source("s-[0-9].npy"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("windows:x.npy", r"windows needs sequence_length=\..*Received: windows:x\.npy\. Write"),
        ("raw:x.bin", r"raw needs dtype="),
        ("samples,len=3:s-*.npy", r"samples takes length=, .*Received: len=3\. Write"),
        ("samples,length=three:s-*.npy", r"Received: length=three"),
        ("x.npy[1,,2]", r"brackets hold integers and slices.*Received: \[1,,2\]"),
        ("x.npy[::0]", r"brackets hold integers and slices"),
        ("x.npy[0:2, 1]", r"brackets choose rows here.*Received: 2 indices.*\[\[17, 88\]\]"),
        ("x.npy[[1,]]", r"brackets hold integers and slices.*Received: \[\[1,\]\]"),
        ("x.npy[[1], 2]", r"brackets choose rows here.*Received: 2 indices"),
        ("raw,dtype=text:x.bin", "text"),
        ("samples:raw,dtype=int16:x.bin", "samples takes a path, a pattern or a list"),
    ],
)
def test_source_spelled_wrongly_is_wrong_use(text: str, message: str) -> None:
    """It names what was typed, and ends the command with 2."""
    with pytest.raises(UsageError, match=message):
        open_source(text)


# The verb.


def test_command_inspects_in_a_process_of_its_own() -> None:
    """Plain text when piped, no traceback, no Keras; 0, 1 and 2."""
    (Path.cwd() / "bad.npy").write_bytes(b"<html>")
    script = "import sys; from keras_npy.tools.cli import main; s = main(); "
    script += "sys.exit(9 if 'keras' in sys.modules else s)"
    for arguments, status in ((["x.npy"], 0), (["bad.npy", "x.npy"], 1), (["raw:x.bin"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", script, "inspect", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(inspect.__file__).parents[2])},
        )
        assert (status, "") == (done.returncode, re.sub(r"keras-npy: .*\n", "", done.stderr))
        assert ("50 of 3 x 4, int16" in done.stdout) == ("x.npy" in arguments)


def test_inspect_says_what_the_header_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Shape, dtype, order, byte order, alignment, bytes, what lies behind, and first values."""
    write_npy(Path("odd.npy"), X.astype(">i2"), 82)
    with open("odd.npy", "ab") as file:
        file.write(b"12345")
    (facts,) = facts_of(capsys, "odd.npy")
    expected = {
        **{"shape": [50, 3, 4], "dtype": "int16", "order": "C order", "byte_order": "big-endian"},
        **{"rows": 50, "row_bytes": 24, "bytes": 1200, "files": 1, "data_offset": 82},
        **{"is_aligned": False, "trailing_bytes": 5, "trains_by": "copy"},
        "has_data_behind": True,
        "first_values": [[0, 1, 2, 3, 4, 5], [12, 13, 14, 15, 16, 17], [24, 25, 26, 27, 28, 29]],
    }
    assert expected == {key: facts[key] for key in expected}
    assert 1.0 == facts["share_in_page_cache"]
    assert facts["mount"]["point"]


@pytest.mark.parametrize(
    ("source", "trains_by", "order"),
    [
        ("x.npy", "map", "C order"),
        ("f.npy", "copy", "Fortran order"),
        ("m-*.npy", "copy", "C order and Fortran order"),
        ("npy,io=read:x.npy", "read", "C order"),
        ("samples:s-*.npy", "read", "C order"),
        ("samples:c.npz::x", "read", "C order"),
        ("d.npz::x", "map", "C order"),
        ("raw,dtype=int16,shape=-1x3x4:x.bin", "map", None),
    ],
)
def test_inspect_says_how_it_trains(
    capsys: pytest.CaptureFixture[str], source: str, trains_by: str, order: str | None
) -> None:
    """By the mapping, by a copy of each batch, or by reads."""
    np.save("f.npy", np.asfortranarray(X))
    np.save("m-0.npy", X)
    np.save("m-1.npy", np.asfortranarray(X))
    (facts,) = facts_of(capsys, source)
    assert (trains_by, order) == (facts["trains_by"], facts["order"])


@pytest.mark.parametrize("name", ["raw.npy", "raw/x.npy", "raw-*.npy"])
def test_inspect_path_with_raw_in_its_name_has_headers(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A folder is often called so."""
    os.mkdir("raw")
    np.save(name.replace("*", "0"), np.asfortranarray(X))
    (facts,) = facts_of(capsys, name)
    assert ("copy", "Fortran order") == (facts["trains_by"], facts["order"])


def test_inspect_images_says_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """They have no header of ours."""
    image = pytest.importorskip("PIL.Image", reason="images are decoded by Pillow, an extra")
    image.fromarray(np.zeros((4, 6, 3), "uint8")).save("a.png")
    (facts,) = facts_of(capsys, "images:.")
    assert ([1, 4, 6, 3], "read", None) == tuple(
        facts[name] for name in ("shape", "trains_by", "order")
    )


def test_inspect_faster_command_makes_it_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that it names leaves nothing to name."""
    np.save("f-0.npy", np.asfortranarray(X))
    np.save("f-1.npy", X)
    (facts,) = facts_of(capsys, "f-*.npy")
    command = facts["faster"][0].split("`")[1].replace("'", "").split()
    assert ["keras-npy", "convert"] == command[:2]
    assert 0 == main(command[1:])
    capsys.readouterr()
    (facts,) = facts_of(capsys, command[-1])
    assert ([], "map") == (facts["faster"], facts["trains_by"])


def test_inspect_archive_shows_each_member(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a member, all of them."""
    assert [[50, 3, 4], [50]] == [facts["shape"] for facts in facts_of(capsys, "d.npz")]


def test_inspect_folder_groups_files_that_are_alike(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names those that cannot be used."""
    os.mkdir("sub")
    (Path.cwd() / "sub" / "bad.npy").write_bytes(b"PK")
    (facts,) = facts_of(capsys, ".", status=1)
    assert 17 == facts["arrays"] == facts["looked_at"]
    names = [group["names"] for group in facts["groups"]]
    assert ["d.npz::x"] in names
    assert ["x.npy"] in names
    assert [12] == [len(g["names"]) for g in facts["groups"] if "s-0.npy" in g["names"]]
    assert 2 == len(facts["faults"])
    monkeypatch.setattr(found, "LOOK_S", -1)
    assert 0 == main(["inspect", "."])
    assert "the first 0 of 17 arrays were looked at; --all" in capsys.readouterr().err
    (facts,) = facts_of(capsys, "--all", ".", status=1)
    assert 17 == facts["looked_at"]


def test_inspect_folder_names_the_pattern_of_each_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A test set of the same shape is no shard of the training set; a pattern finds just these."""
    os.mkdir("sets")
    for name in ("train-0", "train-1", "test", "v1", "v2", "val", "a[0]", "a[1]"):
        np.save(f"sets/{name}.npy", X)
    (facts,) = facts_of(capsys, "sets")
    groups = {group["pattern"] or group["names"][0]: group for group in facts["groups"]}
    assert {"train-*.npy", "test.npy", "v[0-9]*.npy", "val.npy", "a[[]*].npy"} == set(groups)
    for pattern, group in groups.items():
        if group["pattern"]:
            assert 2 * len(X) == group["num_rows"] == len(open_source(f"sets/{pattern}"))
    assert 0 == main(["inspect", "sets"])
    assert "sets/train-*.npy  2 " in capsys.readouterr().out
    for name in range(ord("a"), ord("k")):
        np.save(f"sets/{chr(name)}.npy", X)
    (facts,) = facts_of(capsys, "sets")
    assert [18] == [len(group["names"]) for group in facts["groups"]]


def test_inspect_folder_of_like_files_finds_the_one_that_differs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A header that is known is not parsed again, unless the file is of another size."""
    os.mkdir("like")
    for number in range(300):
        np.save(f"like/{number}.npy", X + number)
    whole = Path("like/0.npy").read_bytes()
    Path("like/7.npy").write_bytes(whole[:-1])
    Path("like/8.npy").write_bytes(whole + whole)
    np.save("like/299.npy", X.view("float64"))
    os.mkfifo("like/300.npy")
    (facts,) = facts_of(capsys, "--all", "like", status=1)
    assert [(297, 297 * 50), (1, 50)] == [(len(g["names"]), g["num_rows"]) for g in facts["groups"]]
    assert (301, 297 * X.nbytes) == (facts["looked_at"], facts["groups"][0]["nbytes"])
    found_in = [fault.split(": ")[0].rpartition("/")[2] for fault in facts["faults"]]
    assert ["7.npy", "8.npy", "300.npy"] == found_in


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("0:5, :, -1", X[0:5, :, -1]),
        ("[7, 2], 1:, 0", X[[7, 2], 1:, 0]),
        ("-1", X[-1]),
        ("..., 2", X[..., 2]),
        ("3, ..., 1:", X[3, ..., 1:]),
        ("::25", X[::25]),
    ],
)
def test_inspect_brackets_show_values_as_numpy_does(
    capsys: pytest.CaptureFixture[str], index: str, expected: np.ndarray
) -> None:
    """Slices in the name."""
    (facts,) = facts_of(capsys, f"x.npy[{index}]")
    assert expected.tolist() == facts["values"]
    assert 0 == main(["inspect", f"x.npy[{index}]"])
    assert f"{expected}\n" == capsys.readouterr().out


def test_inspect_brackets_that_cannot_be_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many, or none there."""
    monkeypatch.setattr(inspect, "SLICE_BYTES_MAX", 24 * 5)
    assert 0 == main(["inspect", "x.npy[0:5]"])
    assert 2 == main(["inspect", "x.npy[0:6]"])
    assert re.search(r"may take 120 B\. Received: 6 rows of 24 B\.", capsys.readouterr().err)
    assert 2 == main(["inspect", "x.npy[50]"])
    assert "Received: [50] for 3 axes of 50 x 3 x 4." in capsys.readouterr().err
    assert 2 == main(["inspect", "x.npy[0:5, 0, 0, 0]"])
    assert "Received: [0:5, 0, 0, 0] for 3 axes of 50 x 3 x 4." in capsys.readouterr().err
    assert 2 == main(["inspect", f"x.npy[{1 << 64}]"])
    capsys.readouterr()
    wrong, fine = facts_of(capsys, "x.npy[0, 3]", "d.npz::y", status=2)
    assert "[0, 3] for 3 axes" in wrong["error"]
    assert [50] == fine["shape"]


def test_inspect_huge_sparse_file_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A terabyte of zeros: its header, and hardly a page of it in the cache."""
    with open("huge.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 10**12)
    (facts,) = facts_of(capsys, "huge.npy")
    assert (10**12, "map") == (facts["bytes"], facts["trains_by"])
    assert facts["share_in_page_cache"] < 0.1
