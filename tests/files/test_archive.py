"""Members of `.npz` archives: stored ones are read in place, others refused with a remedy."""

import ast
import pickle
import re
import shutil
import subprocess
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence, open_rows
from tests.rows.contract import DTYPES, assert_same, random_values

# Members lie at any byte.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

X = np.arange(60, dtype="float32").reshape(20, 3)
Y = np.arange(20) % 4

# How an entry of an archive's directory begins.
_DIRECTORY = b"PK\1\2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", x_train=X, y_train=Y, scalar=3)
    return tmp_path / "data.npz"


@pytest.mark.parametrize("member", ["x_train", "x_train.npy"])
def test_open_rows_stored_member_is_mapped_in_place(path: Path, member: str) -> None:
    """A member is read from the archive, with or without the suffix that np.savez adds."""
    rows = open_rows(f"{path}::{member}")
    assert rows.alias() is not None
    assert f"{path}::{member}" == rows.name
    assert_same(X, rows[:])
    assert_same(X[[19, 0]], pickle.loads(pickle.dumps(rows))[[19, 0]])


def test_sequence_members_of_one_archive_are_x_and_y(path: Path) -> None:
    """Two members go together, through the TensorFlow feed."""
    seq = NpySequence(f"{path}::x_train", f"{path}::y_train", batch_size=8, seed=0)
    for x, y in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
        rows = (x[:, 0].numpy() / 3).astype(int)
        np.testing.assert_array_equal(X[rows], x)
        np.testing.assert_array_equal(Y[rows], y)


def test_open_rows_members_are_shards(tmp_path: Path) -> None:
    """A pattern of archives joins their members."""
    for number in range(12):
        np.savez(tmp_path / f"d-{number}.npz", x=X + number)
    expected = np.concatenate([X + number for number in range(12)])
    np.testing.assert_array_equal(expected, open_rows(f"{tmp_path}/d-*.npz::x")[:])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_open_rows_any_member_equals_load(directory: Path, data: st.DataObject) -> None:
    """Whatever arrays are saved beside each other, each member is what np.load gives."""
    arrays = {}
    for name in data.draw(st.lists(st.sampled_from("abcdé"), min_size=1, unique=True), "names"):
        shape = data.draw(hnp.array_shapes(max_dims=3, max_side=5), "shape")
        dtype = np.dtype(data.draw(st.sampled_from(DTYPES), "dtype"))
        stored = dtype.newbyteorder(data.draw(st.sampled_from("<>"), "byte order"))
        values = random_values(shape, dtype.name).astype(stored)
        arrays[name] = np.asarray(values, order=data.draw(st.sampled_from("CF"), "order"))
    path = directory / "data.npz"
    path.unlink(missing_ok=True)
    np.savez(path, **arrays)
    for name in arrays:
        assert_same(np.load(path)[name], open_rows(f"{path}::{name}")[:])


def test_open_rows_brackets_in_the_names_of_archive_and_member_are_themselves(
    tmp_path: Path,
) -> None:
    """An archive that exists is no pattern, and a member never is one."""
    np.savez(tmp_path / "a[1].npz", **{"x": X, "y[0]": Y})
    np.savez(tmp_path / "a1.npz", x=X + 1)
    assert_same(X, open_rows(f"{tmp_path}/a[1].npz::x")[:])
    rows = open_rows(f"{tmp_path}/a[1].npz::y[0]")
    assert rows.alias() is not None
    assert_same(Y, rows[:])
    assert_same(X + 1, open_rows(f"{tmp_path}/a[0-9].npz::x")[:])


def test_open_rows_member_of_archive_by_another_writer(tmp_path: Path) -> None:
    """A member behind others, a comment, and data before the archive."""
    np.save(tmp_path / "x.npy", X)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("deflated.npy", b"1" * 5000, zipfile.ZIP_DEFLATED)
        archive.writestr("sub/x.npy", (tmp_path / "x.npy").read_bytes())
        archive.comment = b"a comment"
    contents = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(b"#!/bin/sh\n" + contents)
    assert_same(X, open_rows(f"{tmp_path}/data.npz::sub/x")[:])


def test_open_rows_of_many_files_leaves_the_warnings_of_others_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers are read in threads, which share the filters: one at a time changes them."""
    for number in range(8):
        # Headers that no other test has: those that were parsed are remembered.
        np.save(tmp_path / f"{number}.npy", np.zeros((number + 1, 1, 9, 1, 13), "int16"))
    evaluate, waits_s = ast.literal_eval, iter([0.02, 0.08] * 4)
    running: list[str] = []
    most: list[int] = []

    def slow_evaluate(text: str) -> Any:
        running.append(text)
        most.append(len(running))
        time.sleep(next(waits_s))
        running.pop()
        return evaluate(text)

    monkeypatch.setattr(ast, "literal_eval", slow_evaluate)
    before = list(warnings.filters)
    assert 36 == len(open_rows(tmp_path / "*.npy"))
    assert before == list(warnings.filters)
    assert [1] * 8 == most


def test_open_rows_file_with_colons_in_its_name_is_itself(tmp_path: Path) -> None:
    """A file that exists is no member."""
    np.save(tmp_path / "a::b.npy", X)
    assert_same(X, open_rows(tmp_path / "a::b.npy")[:])


# What is refused.


def test_open_rows_compressed_member_is_refused_with_the_command(tmp_path: Path) -> None:
    """The remedy is the command itself, ready to be run."""
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x_train=X)
    command = f"`keras-npy convert {path}::x_train {tmp_path}/x_train.npy`"
    message = rf"^{re.escape(str(path))}::x_train: .*compressed member.*{re.escape(command)}"
    with pytest.raises(NpyFileError, match=message):
        open_rows(f"{path}::x_train")


def test_open_rows_encrypted_member_is_refused(tmp_path: Path) -> None:
    """A password is not asked for."""
    if shutil.which("zip") is None:
        path = tmp_path / "data.npz"
        np.savez(path, x=X)
        contents = bytearray(path.read_bytes())
        # The first flag bit, in the archive's directory.
        contents[contents.rindex(b"PK\1\2") + 8] |= 1
        path.write_bytes(contents)
    else:
        np.save(tmp_path / "x.npy", X)
        subprocess.run(["zip", "-q", "-P", "p", "data.npz", "x.npy"], cwd=tmp_path, check=True)
    with pytest.raises(NpyFileError, match=r"data\.npz::x: .*an encrypted member.*`unzip "):
        open_rows(f"{tmp_path}/data.npz::x")


def test_open_rows_missing_member_is_refused_with_the_list(path: Path) -> None:
    """The members that there are, are listed."""
    message = r"data\.npz: a member must be .*Received: x_test.*: x_train, y_train, scalar\."
    with pytest.raises(NpyFileError, match=message):
        open_rows(f"{path}::x_test")


def test_open_rows_archive_without_a_member_is_refused(path: Path) -> None:
    """An archive is no array; its message shows how to name one."""
    with pytest.raises(NpyFileError, match=r'members x_train.*as in "data\.npz::x_train"'):
        open_rows(path)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        pytest.param(b"no zip", "names a member of a zip archive.*not a zip file", id="no-zip"),
        pytest.param(b"", "names a member of a zip archive", id="empty"),
    ],
)
def test_open_rows_member_of_no_archive_is_refused(
    tmp_path: Path, contents: bytes, message: str
) -> None:
    """`::` in the path of something else is named."""
    (tmp_path / "x.npz").write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"x\.npz: .*{message}"):
        open_rows(f"{tmp_path}/x.npz::x")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param(-6, b"\0\0\0\1", r"::x: .*damaged archive.*byte -16", id="its-place"),
        pytest.param(-22, b"\xff", ": .*not a zip file", id="its-end"),
        pytest.param(-27, b"\xff", ": .*can't decode byte 0xc3", id="a-name"),
    ],
)
def test_open_rows_member_of_an_archive_with_a_damaged_directory_is_refused(
    tmp_path: Path, field: int, value: bytes, message: str
) -> None:
    """What Python's zipfile takes or stumbles over is named; fields are counted from the end."""
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "é.npy"):
            archive.writestr(name, bytes(200))
    contents = bytearray(path.read_bytes())
    contents[field : field + len(value) or None] = value
    path.write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"data\.npz{message}"):
        open_rows(f"{path}::x")


def test_open_rows_0d_member_is_refused_by_its_name(path: Path) -> None:
    """The rules of a file hold for a member."""
    with pytest.raises(NpyFileError, match=r"data\.npz::scalar: axis 0 .*a 0-d array"):
        open_rows(f"{path}::scalar")


def test_open_rows_member_cut_short_is_refused(tmp_path: Path) -> None:
    """Bytes of the next member are not taken for rows of this one."""
    np.save(tmp_path / "x.npy", X)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", (tmp_path / "x.npy").read_bytes()[:-1])
        archive.writestr("other.npy", bytes(500))
    with pytest.raises(NpyFileError, match=r"data\.npz::x: .*a truncated file"):
        open_rows(f"{tmp_path}/data.npz::x")


@pytest.mark.parametrize(
    ("at", "message"),
    [
        pytest.param([20], r"damaged archive \(132 bytes, stored in 10000128 ", id="stored"),
        pytest.param([24], r"damaged archive \(10000128 bytes", id="held"),
        pytest.param([20, 24], "promises 10000000 bytes .*a truncated file", id="both"),
        pytest.param([42], "damaged archive.*at byte 10000128", id="place"),
    ],
)
def test_open_rows_member_of_another_size_than_the_archive_says_is_refused(
    tmp_path: Path, at: list[int], message: str
) -> None:
    """Rows behind the end of the archive would end the process when they are read."""
    text = b"{'descr':'|u1','fortran_order':False,'shape':(10000000,)}"
    promised = b"\x93NUMPY\1\0\x76\0" + text.ljust(117) + b"\n" + bytes(4)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", promised)
    contents = bytearray((tmp_path / "data.npz").read_bytes())
    for field in at:
        place = contents.rindex(_DIRECTORY) + field
        contents[place : place + 4] = (10_000_128).to_bytes(4, "little")
    (tmp_path / "data.npz").write_bytes(contents)
    with pytest.raises(NpyFileError, match=rf"data\.npz::x: .*{message}"):
        open_rows(f"{tmp_path}/data.npz::x")
