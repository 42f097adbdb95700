"""Layouts that other writers leave: read as they are, with one warning where it matters."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import textwrap
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import (
    NpyDataAdapter,
    NpyFileError,
    NpyLayoutWarning,
    NpySequence,
    convert,
    errors,
    open_rows,
)
from keras_npy.files import layout
from keras_npy.files.header import bfloat16 as bfloat16_dtype
from keras_npy.files.header import read_header
from keras_npy.tools.cli import main
from tests.processes import run_forked
from tests.rows.contract import assert_same, write_npy

X = np.arange(60, dtype="float32").reshape(20, 3)


def append(path: Path, tail: bytes) -> None:
    with path.open("ab") as file:
        file.write(tail)


# Warnings.


def fortran(path: Path) -> None:
    np.save(path, np.asfortranarray(X))


def big_endian(path: Path) -> None:
    np.save(path, X.astype(">f4"))


def misaligned(path: Path) -> None:
    write_npy(path, X, 80)


def trailing(path: Path) -> None:
    np.save(path, X)
    append(path, bytes(4))


@pytest.mark.parametrize(
    ("write", "received"),
    [
        pytest.param(fortran, "from rows that lie.*Received: Fortran order", id="fortran"),
        pytest.param(big_endian, "from this machine's.*Received: dtype >f4", id="big-endian"),
        pytest.param(misaligned, "file order.*of 64 bytes.*at byte 80", id="misaligned"),
        pytest.param(trailing, "ends with its data.*4 bytes behind the 240", id="trailing"),
    ],
)
def test_open_rows_odd_layout_warns_once_with_the_command(
    tmp_path: Path, write: Any, received: str
) -> None:
    """The values are right, the first such file warns, and the command that it names helps."""
    for name in ("a b.npy", "b.npy"):
        write(tmp_path / name)
    old, new = f"{tmp_path}/a b.npy", f"{tmp_path}/a b_converted.npy"
    command = rf"`keras-npy convert '{old}' '{new}'`"
    with pytest.warns(NpyLayoutWarning, match=rf"a b\.npy: .*{received}.*{command}"):
        rows = open_rows(old)
    assert_same(np.load(old), rows[:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_rows(tmp_path / "b.npy")
        open_rows([tmp_path / "b.npy", old])
        keras_npy.samples([old])


@pytest.mark.parametrize("pattern", ["x-*.npy", "x*", "x?[0-9].npy", "*.npy", "*/*.npy"])
@pytest.mark.parametrize("kind", ["shards", "samples"])
def test_files_of_odd_layout_warn_with_the_command_that_joins_all(
    tmp_path: Path, pattern: str, kind: str
) -> None:
    """One of them converted beside the others would be found by the pattern too."""
    folder = tmp_path / "a b"
    folder.mkdir()
    for number in range(12):
        fortran(folder / f"x-{number}.npy")
    source = str((tmp_path if pattern == "*/*.npy" else folder) / pattern)
    read = open_rows if kind == "shards" else keras_npy.samples
    with pytest.warns(NpyLayoutWarning, match="Received: Fortran order.*To convert all: `") as used:
        rows = read(source)
    command = shlex.split(str(used[0].message).split("`")[1])
    assert ["keras-npy", source] == [command[0], command[-2]]
    assert 0 == main(command[1:])
    assert_same(rows[:], np.load(command[-1]))
    # The next epoch, and the next run, read the files that there were.
    assert rows.shape == read(source).shape


@pytest.mark.parametrize("kind", ["shards", "samples"])
@pytest.mark.parametrize("num_files", [2, 4, 5, 9])
@pytest.mark.parametrize("is_bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_list_of_odd_layout_warns_with_what_joins_all_outside_their_folder(
    tmp_path: Path, kind: str, num_files: int, is_bfloat16: bool
) -> None:
    """A list may come from a pattern as well, which is not known. What is printed runs."""
    folder = tmp_path / "it's x"
    folder.mkdir()
    paths = [folder / f"{number}.npy" for number in range(num_files)]
    dtype = "bfloat16" if is_bfloat16 else None
    for path in paths:
        np.save(path, np.asfortranarray(X.astype(bfloat16_dtype() if is_bfloat16 else "float32")))
    read: Any = open_rows if kind == "shards" else keras_npy.samples
    with pytest.warns(NpyLayoutWarning, match="Received: Fortran order.*To convert all") as used:
        rows = read(paths, stored_dtype=dtype)
    printed = str(used[0].message).split("`")[1]
    if num_files > layout.FILES_NAMED_MAX:
        exec(printed, {"paths": paths})
    else:
        assert 0 == main(shlex.split(printed)[1:])
    assert_same(rows[:], open_rows(tmp_path / "it's x_converted.npy", stored_dtype=dtype)[:])


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        ("/d/x-*.npy", "/d/x_converted.npy"),
        ("/d/x*.npy", "/d/converted_x.npy"),
        ("/d/*x.npy", "/d/converted.npy"),
        ("/d/*.npy", "/d_converted.npy"),
        ("/d/**/*.npy", "/d_converted.npy"),
        ("/d/**/x.npy", "/d/x_converted.npy"),
        ("/d/e*/*.npy", "/d/converted.npy"),
        ("/d/e*/**/*.npy", "/d_converted.npy"),
        ("/d/x-*.npz::a", "/d/x_converted.npy"),
        ("x-*.npy", "x_converted.npy"),
    ],
)
def test_join_command_names_what_the_pattern_cannot_find(pattern: str, new: str) -> None:
    """The nearest such name: in the folder, or beside it."""
    assert f"keras-npy convert {shlex.quote(pattern)} {new}" == layout.join_command(pattern)


def test_open_rows_plain_file_does_not_warn(tmp_path: Path) -> None:
    """What np.save writes today is as it should be; so is spare space in the header."""
    np.save(tmp_path / "x.npy", X)
    write_npy(tmp_path / "spare.npy", X, 512)
    for name in ("x.npy", "spare.npy"):
        assert_same(X, open_rows(tmp_path / name)[:])
        assert open_rows(tmp_path / name).alias() is not None


def test_open_rows_file_that_grows_is_read_as_its_header_says(tmp_path: Path) -> None:
    """npy-append-array writes rows behind the data first, and the header after them."""
    np.save(tmp_path / "x.npy", X)
    append(tmp_path / "x.npy", X.tobytes())
    with pytest.warns(UserWarning, match="240 bytes behind the 240"):
        assert_same(X, open_rows(tmp_path / "x.npy")[:])


# bfloat16.


@pytest.fixture
def bfloat16(tmp_path: Path) -> np.ndarray:
    import ml_dtypes

    array = np.arange(80).reshape(20, 4).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "x.npy", array)
    return array


def test_open_rows_bfloat16_is_read_when_said(tmp_path: Path, bfloat16: np.ndarray) -> None:
    """NumPy calls it |V2; told what it is, the values are those that were saved."""
    assert "V2" in np.load(tmp_path / "x.npy").dtype.str
    rows = open_rows(tmp_path / "x.npy", stored_dtype="bfloat16")
    assert "bfloat16" == rows.dtype.name
    assert_same(bfloat16, rows[:])
    for source in ([tmp_path / "x.npy"] * 2, str(tmp_path / "*.npy")):
        assert_same(bfloat16, open_rows(source, stored_dtype="bfloat16")[:20])
    assert_same(bfloat16, open_rows(bfloat16)[:])


@pytest.mark.parametrize("shuffle", [False, True])
def test_sequence_of_bfloat16_rows_reaches_tensorflow(
    tmp_path: Path, bfloat16: np.ndarray, shuffle: bool
) -> None:
    """Rows that were opened as bfloat16 are a source, aliased and joined."""
    one = open_rows(tmp_path / "x.npy", stored_dtype="bfloat16")
    shards = open_rows([tmp_path / "x.npy"], stored_dtype="bfloat16")
    seq = NpySequence({"a": one, "b": shards}, np.arange(20), batch_size=8, seed=0)
    assert "bfloat16" == seq.x_spec["a"].dtype
    for x, y in NpyDataAdapter(seq, shuffle).get_tf_dataset():
        for leaf in (x["a"], x["b"]):
            assert "bfloat16" == leaf.dtype.name
            assert_same(bfloat16[y.numpy()], leaf.numpy())


def test_open_rows_two_raw_bytes_are_refused_with_the_remedy(
    tmp_path: Path, bfloat16: np.ndarray
) -> None:
    """It might be anything: the user says what."""
    with pytest.raises(NpyFileError, match=r"V2.*open_rows\(path, stored_dtype='bfloat16'\)"):
        open_rows(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", ["bfloat16", "float64", "nonsense"])
def test_open_rows_dtype_of_a_file_that_says_its_own_is_refused(tmp_path: Path, dtype: str) -> None:
    """A dtype does not convert."""
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(
        NpyFileError, match=rf"stored_dtype= says what.*dtype={dtype} for a file of .*float32"
    ):
        open_rows(tmp_path / "x.npy", stored_dtype=dtype)
    with pytest.raises(ValueError, match=r"Received: stored_dtype='.*' for ndarray\. Leave it out"):
        open_rows(X, stored_dtype=dtype)


# Files that other people made.


def test_open_rows_numpys_own_old_files() -> None:
    """Python 2 and Windows wrote them; those that hold objects are refused."""
    folder = Path(np.lib.__file__).parent / "tests" / "data"
    if not (folder / "win64python2.npy").exists():
        pytest.skip("this NumPy was installed without its test data")
    with warnings.catch_warnings():
        # NumPy's, of Python 2's header.
        warnings.simplefilter("ignore", UserWarning)
        for name in ("win64python2.npy", "python3.npy"):
            assert_same(np.load(folder / name), open_rows(folder / name)[:])
    for name in ("py2-objarr.npy", "py3-objarr.npy", "py2-np0-objarr.npy"):
        with pytest.raises(NpyFileError, match=rf"{name}: a streamed dtype.*dtype\('O'\)"):
            open_rows(folder / name)


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_open_rows_faces_of_scikit_image() -> None:
    """200 images, as the package ships them (in KERAS_NPY_TEST_SITE, or this environment)."""
    site = os.environ.get("KERAS_NPY_TEST_SITE")
    if site is None:
        found = importlib.util.find_spec("skimage")
        if found is None or found.origin is None:
            pytest.skip("scikit-image is not installed")
        site = str(Path(found.origin).parent.parent)
    path = Path(site) / "skimage" / "data" / "lfw_subset.npy"
    if not path.exists():
        pytest.skip("scikit-image is installed without lfw_subset.npy")
    loaded = np.load(path)
    seq = NpySequence(path, np.arange(len(loaded)), batch_size=32, seed=0)
    assert (200, 25, 25) == loaded.shape
    for x, y in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
        np.testing.assert_array_equal(loaded[y], x)


def dipy_files(suffix: str) -> list[Path]:
    """What dipy ships, old headers among it; it need not be imported for that."""
    found = importlib.util.find_spec("dipy")
    if found is None or found.origin is None:
        pytest.skip("dipy is not installed")
    files = sorted((Path(found.origin).parent / "data" / "files").glob(f"*{suffix}"))
    if not files:
        pytest.skip(f"dipy is installed without {suffix} files")
    return files


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_sequence_of_slices_and_gradients_of_dipy() -> None:
    """Images and vectors, float32 and float64, whose data begin at byte 80."""
    offsets = set()
    for path in dipy_files(".npy"):
        loaded = np.load(path)
        rows = open_rows(path)
        offsets.add(read_header(path).offset_bytes)
        assert_same(loaded, rows[:])
        seq = NpySequence(path, np.arange(len(loaded)), batch_size=32, seed=0)
        for x, y in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
            np.testing.assert_array_equal(loaded[y], x)
    assert 80 in offsets


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_open_rows_archives_of_dipy(tmp_path: Path) -> None:
    """Stored members are read in place; compressed ones as soon as they are converted."""
    num_read = {"stored": 0, "compressed": 0}
    for path in dipy_files(".npz"):
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.compress_type for info in archive.infolist()}
        loaded = np.load(path)
        for name, kind in members.items():
            array = loaded[name.removesuffix(".npy")]
            if array.dtype.kind in "SU" or not array.ndim:
                continue
            source = f"{path}::{name}"
            if kind == zipfile.ZIP_STORED:
                num_read["stored"] += 1
                assert_same(array, open_rows(source)[:])
            else:
                num_read["compressed"] += 1
                with pytest.raises(NpyFileError, match=r"\.npz::.*a compressed member"):
                    open_rows(source)
                convert(source, tmp_path / "new.npy", force=True)
                assert_same(array, np.load(tmp_path / "new.npy"))
    assert 10 < num_read["stored"]
    assert 10 < num_read["compressed"]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("order", ["C", "F"])
def test_sequence_of_a_file_that_npy_append_array_grew(tmp_path: Path, order: Any) -> None:
    """It leaves spare space in the header, for shapes of more digits; Fortran order grows too."""
    library = pytest.importorskip("npy_append_array", reason="npy-append-array is optional")
    path = tmp_path / "x.npy"
    array = np.arange(2400, dtype="float32").reshape(200, 3, 4)
    # Rows are appended in C order; in Fortran order the last axis grows.
    parts = np.split(array, [7, 90]) if order == "C" else np.split(array, [1, 2], axis=2)
    for part in parts:
        with library.NpyAppendArray(path) as file:
            file.append(np.asarray(part, order=order))
    loaded = np.load(path)
    np.testing.assert_array_equal(array, loaded)
    assert (order == "F") == (not loaded.flags.c_contiguous)
    rows = open_rows(path)
    for index in range(200):
        np.testing.assert_array_equal(loaded[index], rows[index])
    seq = NpySequence(path, np.arange(200), batch_size=32, seed=0)
    for x, y in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
        np.testing.assert_array_equal(loaded[y], x)


_XTENSOR = """
    #include <xtensor/xarray.hpp>
    #include <xtensor/xnpy.hpp>
    #include <cstdint>
    #include <string>
    template <class T, xt::layout_type L>
    void dump(std::string path) {
        xt::xarray<T, L> a = xt::xarray<T, L>::from_shape({5, 3, 2});
        for (int i = 0; i < 5; ++i) for (int j = 0; j < 3; ++j) for (int k = 0; k < 2; ++k)
            a(i, j, k) = static_cast<T>(i * 6 + j * 2 + k);
        xt::dump_npy(path, a);
    }
    int main(int, char** argv) {
        std::string to = argv[1];
        dump<std::uint8_t, xt::layout_type::row_major>(to + "/c-u1.npy");
        dump<float, xt::layout_type::row_major>(to + "/c-f4.npy");
        dump<double, xt::layout_type::column_major>(to + "/f-f8.npy");
        dump<std::int16_t, xt::layout_type::column_major>(to + "/f-i2.npy");
    }
"""


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_open_rows_files_of_a_cpp_writer(tmp_path: Path) -> None:
    """xtensor (libxtensor-dev) writes headers of its own; a path to it may be in CPATH."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++")
    (tmp_path / "write.cpp").write_text(textwrap.dedent(_XTENSOR))
    include = subprocess.run(
        [compiler, "-E", "-x", "c++", "-std=c++17", "-"],
        input="#include <xtensor/xnpy.hpp>",
        capture_output=True,
        text=True,
        check=False,
    )
    if include.returncode != 0:
        pytest.skip("libxtensor-dev is not installed")
    command = [compiler, "-std=c++17", "-O0", "-w", "write.cpp", "-o", "write"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "write", tmp_path], check=True)
    for name in ("c-u1", "c-f4", "f-f8", "f-i2"):
        path = tmp_path / f"{name}.npy"
        rows = open_rows(path)
        expected = np.arange(30).reshape(5, 3, 2).astype(rows.dtype)
        np.testing.assert_array_equal(expected, rows[:])
        assert_same(np.load(path)[[4, 1]], rows[[4, 1]])
        assert name.startswith("f") == np.load(path).flags.f_contiguous


# A writer of this test's own, which shares no code with NumPy's: (bytes, array that they hold).
BY_HAND = {
    "no-spaces": (
        b"\x93NUMPY\x01\x00\x31\x00{'shape':(2,),'descr':'<u2','fortran_order':False}\n"[:],
        b"\x01\x00\xff\xff",
        [1, 65535],
    ),
    "double-quotes": (
        b'\x93NUMPY\x02\x00\x35\x00\x00\x00{"descr":"|i1", "fortran_order":True, "shape":(1,3,)}\n',
        b"\xff\x00\x01",
        [[-1, 0, 1]],
    ),
    "python-2": (
        b"\x93NUMPY\x01\x00\x3c\x00{'descr': '>f4', 'fortran_order': False, 'shape': (1L,), }   \n",
        b"\x3f\x80\x00\x00",
        [1.0],
    ),
}


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("case", BY_HAND)
def test_open_rows_file_written_by_hand(tmp_path: Path, case: str) -> None:
    """Headers that are valid and unlike NumPy's."""
    header, data, expected = BY_HAND[case]
    text_at = 10 if header[6] == 1 else 12
    length = (len(header) - text_at).to_bytes(text_at - 8, "little")
    (tmp_path / "x.npy").write_bytes(header[:8] + length + header[text_at:] + data)
    assert expected == open_rows(tmp_path / "x.npy")[:].tolist()


def test_sequence_of_mixed_sources_serves_one_row_of_each(tmp_path: Path) -> None:
    """One file, shards, samples, a member, windows and an array, in one sequence."""
    array = np.arange(40, dtype="int64").reshape(20, 2)
    np.save(tmp_path / "one.npy", array)
    np.save(tmp_path / "p-1.npy", array[:7])
    np.save(tmp_path / "p-2.npy", array[7:])
    np.savez(tmp_path / "data.npz", x=array)
    for number in range(20):
        np.save(tmp_path / f"s-{number}.npy", array[number])
    script = """
        import sys, warnings
        import numpy as np
        from keras_npy import NpyDataAdapter, NpySequence, samples, windows
        warnings.simplefilter("ignore")
        at = sys.argv[1]
        array = np.load(f"{at}/one.npy")
        seq = NpySequence(
            {"one": f"{at}/one.npy", "shards": f"{at}/p-*.npy", "array": array,
             "member": f"{at}/data.npz::x", "samples": samples(f"{at}/s-*.npy"),
             "windows": windows(f"{at}/one.npy", sequence_length=1)},
            (np.arange(20), [f"{at}/p-1.npy", f"{at}/p-2.npy"]),
            np.ones(20, "float32"), batch_size=8, seed=0,
        )
        for x, (rows, y), _ in NpyDataAdapter(seq, shuffle=True).get_tf_dataset():
            for name, leaf in [*x.items(), ("y", y)]:
                leaf = leaf[:, 0] if name == "windows" else leaf
                np.testing.assert_array_equal(array[rows], leaf, name)
        print("same")
    """
    assert "same" == run_forked(script, tmp_path)


# Bytes behind the data.


def two_arrays(path: Path, padding: bytes = b"") -> None:
    """What two np.save into one open file leave."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        np.save(file, X[:2])
        file.write(padding)
        np.save(file, X[2:6])


def member_of_two_arrays(folder: Path, compression: int) -> str:
    two_arrays(folder / "x.npy")
    with zipfile.ZipFile(folder / "d.npz", "w", compression) as opened:
        opened.write(folder / "x.npy", "x.npy")
    return f"{folder}/d.npz::x"


def behind_a_good_one(folder: Path) -> list[Path]:
    np.save(folder / "a.npy", X[:2])
    two_arrays(folder / "x.npy")
    return [folder / "a.npy", folder / "x.npy"]


def a_class(folder: Path) -> Path:
    two_arrays(folder / "cat" / "x.npy")
    return folder


READS_OF_TWO_ARRAYS = [
    pytest.param(lambda at: open_rows(two_arrays(at / "x.npy") or at / "x.npy"), id="path"),
    pytest.param(
        lambda at: two_arrays(at / "x.npy", bytes(100)) or open_rows(at / "x.npy"), id="pad"
    ),
    pytest.param(lambda at: open_rows(behind_a_good_one(at)), id="list"),
    pytest.param(lambda at: behind_a_good_one(at) and open_rows(at / "?.npy"), id="pattern"),
    pytest.param(lambda at: keras_npy.samples(behind_a_good_one(at))[:], id="samples"),
    pytest.param(lambda at: NpySequence.from_directory(a_class(at)), id="from-directory"),
    pytest.param(lambda at: open_rows(member_of_two_arrays(at, zipfile.ZIP_STORED)), id="member"),
    pytest.param(
        lambda at: keras_npy.samples([member_of_two_arrays(at, zipfile.ZIP_STORED)]),
        id="sample-member",
    ),
    pytest.param(
        lambda at: keras_npy.samples([member_of_two_arrays(at, zipfile.ZIP_DEFLATED)]),
        id="packed-sample-member",
    ),
    pytest.param(
        lambda at: convert(member_of_two_arrays(at, zipfile.ZIP_DEFLATED), at / "new"), id="convert"
    ),
    pytest.param(
        lambda at: keras_npy.windows(behind_a_good_one(at)[1], sequence_length=1), id="windows"
    ),
]


@pytest.mark.parametrize("read", READS_OF_TWO_ARRAYS)
def test_another_array_behind_the_data_is_refused(tmp_path: Path, read: Any) -> None:
    """Only the first would be served; the remedy gives both."""
    with pytest.raises(
        NpyFileError, match=r"x(\.npy)?: .*one array.*another array behind"
    ) as caught:
        read(tmp_path)
    if "`" not in str(caught.value):
        # NumPy cannot find an array behind padding.
        assert "Write each array to a file of its own" in str(caught.value)
        return
    code = str(caught.value).split("`")[1].replace(": arrays", ":\n    arrays")
    session: dict[str, Any] = {"np": np, "zipfile": zipfile}
    exec(code, session)
    assert_same(X[:6], np.concatenate(session["arrays"]))


def test_another_array_in_a_file_whose_name_looks_like_a_member_is_loaded(tmp_path: Path) -> None:
    """The name has the mark of members, and is no archive."""
    with (tmp_path / "a::b.npy").open("wb") as file:
        np.save(file, X[:2])
        np.save(file, X[2:])
    with pytest.raises(NpyFileError, match="another array behind") as caught:
        open_rows(tmp_path / "a::b.npy")
    session: dict[str, Any] = {"np": np}
    exec(str(caught.value).split("`")[1].replace(": arrays", ":\n    arrays"), session)
    assert_same(X, np.concatenate(session["arrays"]))


def test_objects_behind_the_data_are_refused_with_what_loads_the_first_array(
    tmp_path: Path,
) -> None:
    """NumPy would not load them."""
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, X)
        np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(NpyFileError, match="next one holds Python objects") as caught:
        open_rows(tmp_path / "x.npy")
    session: dict[str, Any] = {"np": np}
    exec(str(caught.value).split("`")[1].replace(": array", ":\n    array"), session)
    assert_same(X, session["array"])


def test_command_says_what_bytes_it_leaves_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of zeros, which are padding.

    In one line, without a line of Python, and without a remedy that is this command."""
    np.save(tmp_path / "x.npy", X)
    append(tmp_path / "x.npy", bytes(4096))
    received = "4096 bytes behind the 240 that"
    with pytest.warns(NpyLayoutWarning, match=received):
        assert_same(X, open_rows(tmp_path / "x.npy")[:])
    errors.SAID.clear()
    with warnings.catch_warnings(action="default"):
        assert 0 == main(["convert", f"{tmp_path}/x.npy", f"{tmp_path}/new.npy"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("keras-npy: ")
    assert received in line
    assert line.endswith("which are left alone.")
    assert_same(X, np.load(tmp_path / "new.npy"))
