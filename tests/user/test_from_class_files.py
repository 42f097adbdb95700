"""`NpySequence.from_class_files`: one file per class, many rows each."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpyLayoutWarning, NpySequence, samples, take
from keras_npy.files import header

ROWS = {
    "apple": np.arange(0, 5),
    "pear": np.arange(100, 103),
    "zebra": np.arange(200, 207),
}


def save(path: Path, rows: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.repeat(rows[:, None], 2, axis=1))
    return str(path)


def a_directory(folder: Path) -> Any:
    for name, rows in ROWS.items():
        save(folder / "data" / f"{name}.npy", rows)
    (folder / "data" / "notes.txt").write_text("no class")
    (folder / "data" / ".hidden.npy").write_text("no class")
    (folder / "data" / "empty").mkdir()
    save(folder / "data" / "__MACOSX" / "apple.npy", ROWS["apple"])
    return folder / "data"


def a_pattern(folder: Path) -> Any:
    return f"{a_directory(folder)}/*.npy"


def a_pattern_of_folders(folder: Path) -> Any:
    return f"{folders_of_parts(folder)}/*/"


def a_pattern_of_members(folder: Path) -> Any:
    for name, rows in ROWS.items():
        np.savez(folder / f"{name}.npz", x=np.repeat(rows[:, None], 2, axis=1))
    return f"{folder}/*.npz::x"


def folders_of_parts(folder: Path) -> Any:
    for name, rows in ROWS.items():
        for number in range(len(rows)):
            save(folder / "data" / name / f"part-{number}.npy", rows[number : number + 1])
    return folder / "data"


def files_and_folders(folder: Path) -> Any:
    save(folder / "data" / "apple.npy", ROWS["apple"])
    save(folder / "data" / "pear" / "a.npy", ROWS["pear"][:2])
    save(folder / "data" / "pear" / "b" / "c.npy", ROWS["pear"][2:])
    save(folder / "data" / "zebra.npy", ROWS["zebra"])
    return str(folder / "data")


def a_dict_of_paths(folder: Path) -> Any:
    return {name: save(folder / f"{at}.npy", ROWS[name]) for at, name in enumerate(ROWS)}


def a_dict_of_sources(folder: Path) -> Any:
    paths = [save(folder / f"{number}.npy", row[None]) for number, row in enumerate(ROWS["pear"])]
    for number in range(7):
        np.save(folder / f"s-{number}.npy", np.full(2, 200 + number))
    np.savez(folder / "d.npz", x=np.repeat(ROWS["apple"][:, None], 2, axis=1))
    return {"apple": f"{folder}/d.npz::x", "pear": paths, "zebra": samples(folder / "s-*.npy")}


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize(
    "make",
    [
        a_directory,
        a_pattern,
        a_pattern_of_folders,
        a_pattern_of_members,
        folders_of_parts,
        files_and_folders,
        a_dict_of_paths,
        a_dict_of_sources,
    ],
)
def test_from_class_files_labels_each_row_with_its_file(tmp_path: Path, make: Any) -> None:
    """Class by class, in each label mode; pickled, split and chosen too."""
    source = make(tmp_path)
    seq = NpySequence.from_class_files(source, batch_size=4)
    labels = np.repeat([0, 1, 2], [5, 3, 7])
    assert list(ROWS) == seq.class_names
    assert np.dtype(np.int32) == seq.y.dtype
    for again in (seq, pickle.loads(pickle.dumps(seq))):
        np.testing.assert_array_equal(np.concatenate(list(ROWS.values())), again.x[:][:, 0])
        np.testing.assert_array_equal(labels, np.concatenate([y for _, y in again]))
    one_hot = NpySequence.from_class_files(source, "categorical")
    np.testing.assert_array_equal(np.eye(3, dtype="float32")[labels], one_hot[0][1])
    chosen = NpySequence.from_class_files(source, "binary", ["zebra", "apple"])
    np.testing.assert_array_equal([[0.0]] * 7 + [[1.0]] * 5, chosen[0][1])
    assert [200, 0] == [chosen.x[0][0], chosen.x[7][0]]
    train, held_out = seq.split(0.4, stratify=True)
    for part in (train, held_out):
        assert list(ROWS) == part.class_names
        np.testing.assert_array_equal(part.x[:][:, 0] // 100, part.y[:])


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_from_class_files_reads_a_member_of_each_archive(tmp_path: Path) -> None:
    """Beside each other, or in the folder of their class; without member= the error names it."""
    a_pattern_of_members(tmp_path)
    (tmp_path / "pear.npz").rename(tmp_path / "0.npz")
    (tmp_path / "pear").mkdir()
    (tmp_path / "0.npz").rename(tmp_path / "pear" / "0.npz")
    seq = NpySequence.from_class_files(tmp_path, member="x")
    assert list(ROWS) == seq.class_names
    np.testing.assert_array_equal(np.concatenate(list(ROWS.values())), seq.x[:][:, 0])
    np.testing.assert_array_equal(np.repeat([0, 1, 2], [5, 3, 7]), seq.y[:])
    with pytest.raises(NpyFileError, match=r"suffix \.npy.*for \.npz files pass member= too"):
        NpySequence.from_class_files(tmp_path)


def test_from_class_files_opens_each_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class on a network mount costs what its files cost."""
    opened: list[str] = []
    read = header.read_header
    monkeypatch.setattr(
        header, "read_header", lambda path, **how: opened.append(path) or read(path, **how)
    )
    paths = a_dict_of_paths(tmp_path)
    for source in (paths, {**paths, "pear": np.zeros((2, 2), int)}):
        NpySequence.from_class_files(source)
        assert len(opened) == len({*opened}) > 1
        opened.clear()


def test_from_class_files_looks_through_all_rows_if_it_is_asked_for(tmp_path: Path) -> None:
    """The file of the class is named."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.array([1, np.nan]))
    with pytest.raises(ValueError, match=r"b\.npy, row 1, which is row 4 .*nan"):
        NpySequence.from_class_files(tmp_path, validate=True)
    np.save(tmp_path / "b.npy", np.zeros(0))
    with pytest.raises(NpyFileError, match=r"^b: each class must have a row.*class_names="):
        NpySequence.from_class_files(tmp_path)
    assert [0, 0, 0] == NpySequence.from_class_files(tmp_path, class_names=["a"]).y[:].tolist()


@pytest.mark.parametrize(("source", "error"), [({}, ValueError), (["a.npy"], TypeError)], ids=repr)
def test_from_class_files_of_what_names_no_class_is_refused(source: Any, error: Any) -> None:
    """A list says which files, but not which classes."""
    with pytest.raises(error, match=r"Pass a dict: \{'cat': 'cat\.npy', \.\.\.\}"):
        NpySequence.from_class_files(source)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param(
            {"label_mode": None}, ValueError, r"label_mode=None.*NpySequence\(", id="none"
        ),
        pytest.param({"label_mode": "binary"}, ValueError, r"exactly 2.*3 classes", id="binary"),
        pytest.param({"class_names": ["cow"]}, ValueError, r"'cow'.*'apple'", id="no-such-class"),
    ],
)
def test_from_class_files_wrong_argument_is_refused(
    tmp_path: Path, arguments: Any, error: Any, message: str
) -> None:
    """As from_directory refuses it."""
    with pytest.raises(error, match=message):
        NpySequence.from_class_files(a_directory(tmp_path), **arguments)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        pytest.param(
            lambda apple, pear, link: {"a": apple, "b": [pear, apple]},
            r"row 0 of .*apple\.npy in class 'a', and in class 'b'; so are 5 of 13 rows",
            id="listed",
        ),
        pytest.param(
            lambda apple, pear, link: {"a": apple, "b": f"{Path(apple).parent}/*.npy"},
            r"in class 'a', and in class 'b'; so are 5 of 13 rows",
            id="pattern",
        ),
        pytest.param(
            lambda apple, pear, link: {"a": [pear, apple], "b": link},
            r"apple\.npy in class 'a', and as row 0 of .*link\.npy in class 'b'; so are 5 of 13",
            id="link",
        ),
        pytest.param(
            lambda apple, pear, link: {"a": take(apple, [0, 1]), "b": take(apple, [1, 2])},
            r"row 1 of .*apple\.npy in class 'a', and in class 'b'; so are 1 of 4 rows",
            id="rows",
        ),
    ],
)
def test_from_class_files_of_a_file_in_two_classes_warns(
    tmp_path: Path, make: Any, received: str
) -> None:
    """The model would be trained towards both. A file that is twice in one class is no fault."""
    apple, pear = (save(tmp_path / f"{name}.npy", ROWS[name]) for name in ("apple", "pear"))
    link = tmp_path / "folder" / "link.npy"
    link.parent.mkdir()
    link.symlink_to(apple)
    message = rf"npy.*: each row should be in one class\. Received: .*{received}.*Give each file to"
    with pytest.warns(UserWarning, match=message) as caught:
        NpySequence.from_class_files(make(apple, pear, link))
    assert [__file__] == [warning.filename for warning in caught]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence.from_class_files({"a": [apple, apple], "b": pear})
        # What the warning says of rows with several labels.
        NpySequence([apple, pear], np.ones((8, 2)))


def test_from_class_files_of_no_classes_or_two_of_a_name_are_refused(tmp_path: Path) -> None:
    """And rows that are not alike are named by file."""
    (tmp_path / "none").mkdir()
    with pytest.raises(NpyFileError, match=r"none: .*Received: none"):
        NpySequence.from_class_files(tmp_path / "none")
    folder = Path(a_directory(tmp_path))
    save(folder / "pear" / "1.npy", ROWS["pear"])
    with pytest.raises(NpyFileError, match=r"pear\.npy: .*second one for 'pear'.*a dict"):
        NpySequence.from_class_files(folder)
    np.save(folder / "pear" / "1.npy", np.zeros((2, 5)))
    (folder / "pear.npy").unlink()
    with pytest.raises(NpyFileError, match=r"pear/1\.npy: shards must have one dtype"):
        NpySequence.from_class_files(folder)


@pytest.mark.parametrize("make", [a_directory, folders_of_parts, files_and_folders])
def test_from_directory_of_files_with_many_rows_names_from_class_files(
    tmp_path: Path, make: Any
) -> None:
    """Each file would be one sample: what is certain is refused at once, the rest warns."""
    folder = make(tmp_path)
    if make is a_directory:
        with pytest.raises(NpyFileError, match=r"one folder per class.*from_class_files"):
            NpySequence.from_directory(folder)
        return
    if make is files_and_folders:
        save(tmp_path / "data" / "apple" / "1.npy", ROWS["apple"])
        with pytest.raises(NpyFileError, match=r"their number of rows.*from_class_files"):
            NpySequence.from_directory(folder)
        return
    for name in ROWS:
        for number in range(1, 7):
            (Path(folder) / name / f"part-{number}.npy").unlink(missing_ok=True)
        save(Path(folder) / name / "part-0.npy", ROWS[name][:3])
    with pytest.warns(UserWarning, match=r"one file for each of 3 classes, .*\(3, 2\).*from_class"):
        NpySequence.from_directory(folder)


@pytest.mark.parametrize(
    ("name", "is_part"),
    [
        *(("part-{}.npy", True), ("data_batch_{}.npy", True), ("shard.{:05}.npy", True)),
        *(("x-{:05}-of-00003.npy", True), ("chunk{}.npy", True), ("Part {}.npy", True)),
        *(("img_{}.npy", False), ("counterpart{}.npy", False), ("part_{}_of_body.npy", False)),
        ("2024-10-{:02}.npy", False),
    ],
)
def test_from_directory_of_parts_of_equal_length_gives_a_warning(
    tmp_path: Path, name: str, is_part: bool
) -> None:
    """Shapes cannot tell them from volumes, but names do."""
    for label in ("cat", "dog"):
        for number in range(3):
            save(tmp_path / label / name.format(number), np.ones(4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seq = NpySequence.from_directory(tmp_path)
    assert (6, 4, 2) == seq.x.shape
    said = [str(one.message) for one in caught if "parts" in str(one.message)]
    assert is_part == bool(said)
    if is_part:
        assert "6 files whose names say" in said[0]
        # The remedy.
        assert (24, 2) == NpySequence.from_class_files(tmp_path).x.shape


@pytest.mark.parametrize(
    ("name", "shape", "is_image"),
    [
        *(("{}.npy", (8, 8, 3), True), ("img_{}.npy", (6, 6), True), ("{}.npy", (6, 8, 1), True)),
        ("{}.npy", (5, 12, 3), False),
        *(("part-{}.npy", (8, 8, 3), False), ("{}.npy", (9, 4), False), ("{}.npy", (6,), False)),
        ("{}.npy", (5, 8, 8, 3), False),
    ],
)
def test_from_class_files_of_one_image_each_gives_a_warning(
    tmp_path: Path, name: str, shape: tuple[int, ...], is_image: bool
) -> None:
    """Else each line of pixels would be a sample; the mirror of what from_directory says."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(4):
            np.save(tmp_path / label / name.format(number), np.full(shape, number, "uint8"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NpySequence.from_class_files(tmp_path)
    said = [str(one.message) for one in caught if "one image each" in str(one.message)]
    assert is_image == bool(said)
    if is_image:
        assert "8 files of 2 classes" in said[0]
        # The remedy.
        assert (8, *shape) == NpySequence.from_directory(tmp_path).x.shape


def test_from_class_files_of_one_file_names_what_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of which each member is a class, and a file that is none of several."""
    monkeypatch.chdir(tmp_path)
    np.savez("crops.npz", rye=np.zeros((3, 4)), oat=np.ones((5, 4)))
    save(tmp_path / "rye.npy", ROWS["apple"])
    with pytest.raises(NotADirectoryError, match=r"^rye\.npy: .*Pass its folder, or a dict"):
        NpySequence.from_class_files("rye.npy")
    for place in ("crops.npz", "crops.npz::*"):
        with pytest.raises(NotADirectoryError, match="If each member is a class, pass") as caught:
            NpySequence.from_class_files(place)
        code = str(caught.value).split("class, pass ")[1].removesuffix(".")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NpyLayoutWarning)
            seq = NpySequence.from_class_files(eval(code, {"np": np}))
        assert ["rye", "oat"] == seq.class_names
        assert [0] * 3 + [1] * 5 == seq.y[:].tolist()
