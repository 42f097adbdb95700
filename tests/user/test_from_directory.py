"""`NpySequence.from_directory`: one folder per class, one file per sample."""

import glob
import os
import pickle
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.utils.dataset_utils import index_directory

from keras_npy import NpyFileError, NpyLayoutWarning, NpySequence, samples
from tests.conftest import assert_same_weights, make_model


def save(path: Path, value: int) -> None:
    """A sample of 2x3 int16 that says its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full((2, 3), value, "int16"))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Eleven cats numbered 0 to 10, three dogs from 100, and much that is no sample."""
    root = tmp_path / "pets"
    for number in range(11):
        save(root / "cat" / f"x-{number}.npy", number)
    for number in range(3):
        save(root / "dog" / f"x-{number}.npy", 100 + number)
    (root / "dog" / "x-0.npy").rename(root / "dog" / "x-0.NPY")
    save(root / "dog" / ".hidden.npy", -1)
    save(root / "dog" / ".cache" / "x.npy", -1)
    save(root / ".git" / "x.npy", -1)
    save(root / "__MACOSX" / "cat" / "x.npy", -1)
    save(root / "dog" / "__MACOSX" / "x.npy", -1)
    (root / "dog" / "notes.txt").write_text("no sample")
    (root / "README.md").write_text("no class")
    return root


ROWS = [*range(11), 100, 101, 102]


def numbers(seq: NpySequence) -> list[int]:
    """What the samples of a sequence say, in file order."""
    return [int(row[0, 0]) for batch in seq for row in (batch[0] if seq.y_spec else batch)]


def test_from_directory_serves_classes_in_order_and_files_in_natural_order(pets: Path) -> None:
    """x-2 comes before x-10; whole samples and their labels come together."""
    seq = NpySequence.from_directory(pets, batch_size=4)
    assert ["cat", "dog"] == seq.class_names
    assert ROWS == numbers(seq)
    assert [0] * 11 + [1] * 3 == [int(label) for _, y in seq for label in y]
    np.testing.assert_array_equal(np.full((2, 3), 100), seq[2][0][3])
    assert ("int16", (None, 2, 3)) == (seq.x_spec.dtype, seq.x_spec.shape)


@pytest.mark.filterwarnings("ignore:.*classes are numbered in the order of their names as text")
@pytest.mark.parametrize("class_names", [None, ["b", "a", "10", "2"], ["c"]])
def test_from_directory_indexes_as_keras_does(tmp_path: Path, class_names: Any) -> None:
    """Files, labels and class names of keras.utils.image_dataset_from_directory.

    Classes are sorted as strings, files in folders come after those beside them, and a class
    without samples keeps its number.
    """
    names = ("b/01", "b/02", "b/deep/01", "b/deep/er/01", "b/a/03", "a/01", "c/01", "10/01")
    for number, name in enumerate(names):
        save(tmp_path / "data" / f"{name}.npy", number)
    (tmp_path / "data" / "2").mkdir()
    (tmp_path / "data" / "b" / "03.png").touch()
    paths, labels, expected_names = index_directory(
        str(tmp_path / "data"),
        "inferred",
        formats=(".npy",),
        class_names=class_names,
        shuffle=False,
        verbose=False,
    )
    seq = NpySequence.from_directory(tmp_path / "data", class_names=class_names)
    x, y = seq[0]
    assert expected_names == seq.class_names
    np.testing.assert_array_equal(np.stack([np.load(path) for path in paths]), x)
    np.testing.assert_array_equal(labels, y)
    assert labels.dtype == y.dtype


@pytest.mark.parametrize("beside", [None, "__MACOSX"])
@pytest.mark.parametrize("make", [NpySequence.from_directory, NpySequence.from_class_files])
def test_classes_whose_numbers_are_not_in_the_order_of_text_give_a_warning(
    tmp_path: Path, make: Any, beside: str | None
) -> None:
    """`digit_10` is class 2, as Keras sorts names; who says the order is not warned."""
    for number in range(11):
        for sample in range(2):
            save(tmp_path / "data" / f"digit_{number}" / f"{sample}.npy", number)
    folder = tmp_path / "data"
    for name in (beside, ".hidden") if beside else ():
        (folder / name).mkdir()
    with pytest.warns(
        UserWarning, match="'digit_10' as class 2, which is 'digit_2' in the order"
    ) as warned:
        seq = make(folder)
    said = re.search(
        r"class_names=(sorted.*) is the order of text, class_names=(sorted.*) that of",
        str(warned[0].message),
    )
    assert said is not None
    # Whoever has 1,000 classes types none of them.
    names = {"glob": glob, "re": re, "seq": seq}
    assert ("glob" in said[1]) == (make == NpySequence.from_directory and not beside)
    as_text = sorted(f"digit_{number}" for number in range(11))
    assert as_text == seq.class_names
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert as_text == make(folder, class_names=eval(said[1], names)).class_names
        by_number = [f"digit_{number}" for number in range(11)]
        assert by_number == eval(said[2], names)
        seq = make(folder, class_names=by_number, batch_size=100)
        x, y = seq[0]
        np.testing.assert_array_equal(y, x[:, 0] if x.ndim == 2 else x[:, 0, 0])
        for name in by_number[10:]:
            shutil.rmtree(folder / name)
        assert by_number[:10] == make(folder).class_names


def test_from_directory_without_labels_indexes_as_keras_does(pets: Path) -> None:
    """Folders mean nothing then, and files beside them count."""
    save(pets / "x.npy", 7)
    for arguments in ({"labels": None}, {"label_mode": None}):
        seq = NpySequence.from_directory(pets, **arguments)
        assert [7, *ROWS] == numbers(seq)
        assert seq.class_names is None
        assert seq.y_spec is None


@pytest.mark.parametrize(
    ("label_mode", "dtype", "shape"),
    [
        pytest.param("int", "int32", (14,), id="int"),
        pytest.param("binary", "float32", (14, 1), id="binary"),
        pytest.param("categorical", "float32", (14, 2), id="categorical"),
    ],
)
def test_label_mode_encodes_as_keras_documents(
    pets: Path, label_mode: Any, dtype: str, shape: tuple[int, ...]
) -> None:
    """dtype and shape of the docstring of image_dataset_from_directory, and the values."""
    seq = NpySequence.from_directory(pets, label_mode=label_mode)
    y = seq[0][1]
    classes = np.array([0] * 11 + [1] * 3)
    expected = np.eye(2)[classes] if label_mode == "categorical" else classes.reshape(shape)
    assert (dtype, shape) == (y.dtype, y.shape)
    np.testing.assert_array_equal(expected, y)
    assert dtype == seq.y_spec.dtype


def test_categorical_counts_classes_without_samples(pets: Path) -> None:
    """As wide as there are classes."""
    (pets / "bird").mkdir()
    seq = NpySequence.from_directory(pets, label_mode="categorical")
    assert ["bird", "cat", "dog"] == seq.class_names
    np.testing.assert_array_equal(np.eye(3)[[1] * 11 + [2] * 3], seq[0][1])


def test_class_names_choose_and_number_the_folders(pets: Path) -> None:
    """The first name is class 0; folders that are not named are left out."""
    seq = NpySequence.from_directory(pets, class_names=["dog", "cat"])
    assert ROWS[11:] + ROWS[:11] == numbers(seq)
    assert [0] * 3 + [1] * 11 == seq[0][1].tolist()
    only = NpySequence.from_directory(pets, class_names=("dog",))
    assert (["dog"], ROWS[11:]) == (only.class_names, numbers(only))


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_labels_given_for_each_file_are_those_of_the_sorted_files(pets: Path, kind: Any) -> None:
    """Class names are then the sorted labels as text, as in Keras."""
    (pets / "cat" / "x-10.npy").rename(pets / "cat" / "x-9a.npy")
    labels = [5, -3] * 7
    seq = NpySequence.from_directory(pets, labels=kind(labels))
    x, y = seq[0]
    assert (ROWS, labels) == (x[:, 0, 0].tolist(), y.tolist())
    assert (["-3", "5"], np.int32) == (seq.class_names, y.dtype)
    one_hot = NpySequence.from_directory(pets, labels=kind([1, 0] * 7), label_mode="categorical")
    np.testing.assert_array_equal(np.eye(2)[[1, 0] * 7], one_hot[0][1])


@pytest.mark.parametrize("names", [(1, 2, 10), ("a/2", "a/10", "b/1")], ids=["files", "folders"])
def test_labels_in_a_list_for_files_of_two_orders_are_refused(tmp_path: Path, names: Any) -> None:
    """Both orders are shown; a dict says which label belongs to which file."""
    for number, name in enumerate(names):
        save(tmp_path / f"{name}.npy", number)
    natural = [f"{name}.npy" for name in names]
    as_keras = sorted(natural)
    message = (
        rf"2 labels.*natural order \(.*{natural[1]}.*Keras sorts them \(.*{as_keras[1]}.*labels={{"
    )
    with pytest.raises(ValueError, match=message):
        NpySequence.from_directory(tmp_path, labels=[4, 5, 6])
    # Labels in Keras's order, and how to give them.
    by_name = dict(zip(as_keras, [4, 5, 6], strict=True))
    x, y = NpySequence.from_directory(tmp_path, labels=by_name)[0]
    assert [by_name[natural[number]] for number in x[:, 0, 0]] == y.tolist()
    short = {os.path.basename(name): by_name[name] for name in natural}
    np.testing.assert_array_equal(y, NpySequence.from_directory(tmp_path, labels=short)[0][1])
    # One label for files whose order is not certain: nothing can be wrong.
    assert [7] * 3 == NpySequence.from_directory(tmp_path, labels=[7] * 3)[0][1].tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param({1: 0, 2: 1}, r"names of files as keys.*key 1 of type int", id="numbers"),
        pytest.param({"1.npy": "a", "2.npy": "b"}, r"dict of <U1.*np\.unique\(names", id="words"),
        pytest.param({"1.npy": 0}, r"2\.npy: .*1 labels, none for '2\.npy'", id="one-is-missing"),
        pytest.param(
            {"1.npy": 0, "2.npy": 1, "3.npy": 1}, r"each once.*'3\.npy', and 0 more", id="no-file"
        ),
        pytest.param({"1.npy": 0, "2.npy": "cat"}, r"list of one integer.*dict", id="no-integer"),
    ],
)
def test_labels_by_name_that_do_not_fit_are_refused(
    tmp_path: Path, labels: Any, message: str
) -> None:
    """Each file needs one label, and each name a file."""
    save(tmp_path / "1.npy", 1)
    save(tmp_path / "2.npy", 2)
    with pytest.raises((ValueError, TypeError), match=message):
        NpySequence.from_directory(tmp_path, labels=labels)


def test_labels_by_name_in_two_folders_need_the_path(tmp_path: Path) -> None:
    """A name that two folders have is not certain."""
    save(tmp_path / "a" / "1.npy", 1)
    save(tmp_path / "b" / "1.npy", 2)
    with pytest.raises(ValueError, match=r"none for 'a/1\.npy'.*by this path"):
        NpySequence.from_directory(tmp_path, labels={"1.npy": 3})
    x, y = NpySequence.from_directory(tmp_path, labels={"b/1.npy": 3, "a/1.npy": 4})[0]
    assert ([1, 2], [4, 3]) == (x[:, 0, 0].tolist(), y.tolist())


@pytest.mark.parametrize("seed", [None, 4])
def test_validation_split_is_complementary_and_reproducible(pets: Path, seed: Any) -> None:
    """Whatever `shuffle` the two calls have; "both" gives the same two."""
    arguments: Any = {"validation_split": 0.3, "seed": seed}
    train = NpySequence.from_directory(pets, subset="training", **arguments, shuffle=True)
    held_out = NpySequence.from_directory(pets, subset="validation", **arguments, shuffle=False)
    both = NpySequence.from_directory(pets, subset="both", **arguments)
    assert (10, 4) == (train.num_samples, held_out.num_samples)
    assert ROWS == sorted(numbers(train) + numbers(held_out))
    assert [sorted(numbers(train)), numbers(held_out)] == [numbers(part) for part in both]
    assert [["cat", "dog"]] * 3 == [seq.class_names for seq in (train, *both)]
    for part in both:
        for x, y in part:
            np.testing.assert_array_equal(x[:, 0, 0] >= 100, y)


def test_validation_split_depends_on_the_seed(pets: Path) -> None:
    """Three seeds hold out three sets of samples."""
    held_out = {
        tuple(
            numbers(
                NpySequence.from_directory(
                    pets, validation_split=0.3, subset="validation", seed=seed
                )
            )
        )
        for seed in (1, 2, 3)
    }
    assert 3 == len(held_out)


@pytest.mark.parametrize("label_mode", ["int", "binary", "categorical"])
def test_directory_can_be_split_by_class(pets: Path, label_mode: Any) -> None:
    """Every encoding can be stratified, and parts keep the class names."""
    seq = NpySequence.from_directory(pets, label_mode=label_mode)
    for train, held_out in seq.folds(3, stratify=True):
        assert 1 == sum(row >= 100 for row in numbers(held_out))
        assert ["cat", "dog"] == train.class_names == held_out.class_names


@pytest.mark.parametrize("label_mode", ["int", "categorical"])
def test_directory_trains_as_arrays(tmp_path: Path, label_mode: Any) -> None:
    """The same weights, bit for bit, as the samples stacked in memory."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (30, 6, 5)).astype("uint8")
    for number, sample in enumerate(x):
        folder = tmp_path / "data" / "abc"[number // 10]
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number}.npy", sample)
    y = np.repeat(np.arange(3), 10)
    loss: Any = None
    if label_mode == "categorical":
        y = np.eye(3, dtype="float32")[y]
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model, on_arrays = make_model(), make_model()
    for each in (model, on_arrays):
        if loss is not None:
            each.compile(keras.optimizers.Adam(0.01), loss)
    seq = NpySequence.from_directory(tmp_path / "data", label_mode=label_mode, batch_size=8, seed=0)
    model.fit(seq, shuffle=False, epochs=2, verbose=0)
    on_arrays.fit(x, y, shuffle=False, batch_size=8, epochs=2, verbose=0)
    assert_same_weights(on_arrays, model)


def test_class_names_survive_pickling_and_are_none_elsewhere(pets: Path) -> None:
    """They belong to the sequence."""
    seq = NpySequence.from_directory(pets, label_mode="categorical")
    again = pickle.loads(pickle.dumps(seq))
    assert ["cat", "dog"] == again.class_names
    np.testing.assert_array_equal(seq[0][1], again[0][1])
    assert NpySequence(np.arange(3)).class_names is None


def test_follow_links_reads_linked_folders_once(pets: Path, tmp_path: Path) -> None:
    """Off by default, as in Keras; a link to a folder above is not walked for ever."""
    save(tmp_path / "more" / "x-5.npy", 105)
    (pets / "dog" / "linked").symlink_to(tmp_path / "more")
    (pets / "dog" / "up").symlink_to(pets / "dog")
    assert ROWS == numbers(NpySequence.from_directory(pets))
    assert [*ROWS, 105] == numbers(NpySequence.from_directory(pets, follow_links=True))


@pytest.mark.parametrize("labels", ["inferred", "by-name"])
def test_a_file_that_is_linked_into_two_classes_is_named(tmp_path: Path, labels: Any) -> None:
    """By a link to it, or to its folder. Two links in one class are no fault."""
    for name in ("a/1", "a/2", "b/3"):
        save(tmp_path / f"{name}.npy", 1)
    os.link(tmp_path / "a/1.npy", tmp_path / "a/same.npy")
    given = labels
    if labels == "by-name":
        given = {"1.npy": 0, "2.npy": 0, "3.npy": 1, "same.npy": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence.from_directory(tmp_path, given)
    os.symlink(tmp_path / "a/2.npy", tmp_path / "b/linked.npy")
    if labels == "by-name":
        given["linked.npy"] = 1
    message = (
        r"row 0 of .*a/2.npy in class 0, and as row 0 of .*b/linked.npy in class 1; so are 1 of"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence.from_directory(tmp_path, given)
    if labels == "inferred":
        os.remove(tmp_path / "b/linked.npy")
        os.symlink(tmp_path / "a", tmp_path / "c")
        with pytest.warns(UserWarning, match=r"in class 2; so are 3 of 7 rows"):
            NpySequence.from_directory(tmp_path)


def test_a_sample_of_another_shape_is_named(pets: Path) -> None:
    """The first file sets shape and dtype; the path of the other is in the error."""
    np.save(pets / "cat" / "x-9.npy", np.zeros((2, 4), "int16"))
    with pytest.raises(NpyFileError, match=r"x-9\.npy: .*\(2, 4\)"):
        NpySequence.from_directory(pets, batch_size=2)


def test_a_directory_that_is_missing_is_a_file_not_found_error(tmp_path: Path) -> None:
    """The system's own error, with the path."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        NpySequence.from_directory(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        NpySequence.from_directory(tmp_path / "nowhere", labels=None)


def test_a_folder_that_may_not_be_read_is_not_passed_over(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its samples would be missing without a word."""
    scandir = os.scandir

    def refuse_dogs(path: Any) -> Any:
        if os.fspath(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    # Not for longer: pytest lists the folder too, when it deletes it.
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse_dogs)
        with pytest.raises(PermissionError, match="dog"):
            NpySequence.from_directory(pets)


def test_a_directory_without_samples_is_refused(tmp_path: Path) -> None:
    """The folders looked into are named, with what to do."""
    (tmp_path / "cat").mkdir()
    save(tmp_path / "x.npy", 0)
    with pytest.raises(
        NpyFileError, match=r"one folder per class.*Received: 1 folders.*'cat'.*labels=None"
    ):
        NpySequence.from_directory(tmp_path)
    assert 1 == NpySequence.from_directory(tmp_path, labels=None).num_samples
    with pytest.raises(NpyFileError, match=r"at least one \.npy file.*Received: none"):
        NpySequence.from_directory(tmp_path / "cat", labels=[])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"label_mode": "onehot"}, ValueError, r"label_mode must be.*'onehot'", id="m"),
        pytest.param({"labels": "auto"}, TypeError, r"labels must be.*str 'auto'", id="labels-str"),
        pytest.param({"labels": [0.5] * 14}, TypeError, r"float64 \(14,\)", id="labels-float"),
        pytest.param({"labels": [0, 1]}, ValueError, r"2 labels for 14 files.*dict", id="labels-2"),
        pytest.param({"labels": [2**40] * 14}, ValueError, r"fit int32.*109951", id="labels-big"),
        pytest.param(
            {"labels": [1] * 11 + [2] * 3, "label_mode": "categorical"},
            ValueError,
            r"0 <= label < 2.*from 1 to 2.*without gaps",
            id="labels-from-1",
        ),
        pytest.param(
            {"labels": [0] * 14, "label_mode": "binary"},
            ValueError,
            r"exactly 2.*1 classes",
            id="1",
        ),
        pytest.param(
            {"labels": [0] * 14, "class_names": ["cat"]}, ValueError, r"inferred.*list", id="names"
        ),
        pytest.param(
            {"labels": None, "class_names": ["cat"]}, ValueError, r"class_names needs", id="none"
        ),
        pytest.param(
            {"class_names": ["cat", "cow"]}, ValueError, r"\['cow'\].*\['cat', 'dog'\]", id="cow"
        ),
        pytest.param({"class_names": ["cat", "cat"]}, ValueError, r"each once", id="cat-cat"),
        pytest.param({"class_names": "cat"}, TypeError, r"a list of folder.*'cat'", id="str"),
        pytest.param({"class_names": []}, ValueError, r"each once.*Received: \[\]", id="no-names"),
        pytest.param({"subset": "both"}, ValueError, r"given together.*None.*'both'", id="subset"),
        pytest.param({"validation_split": 0.2}, ValueError, r"given together.*0\.2", id="split"),
        pytest.param(
            {"validation_split": 0.2, "subset": "test"}, ValueError, r"subset must.*'test'", id="t"
        ),
        pytest.param(
            {"validation_split": 2, "subset": "both"}, ValueError, r"validation_split=2\.", id="2"
        ),
        pytest.param({"batch_size": 0}, ValueError, r"batch_size=0", id="batch"),
    ],
)
def test_from_directory_wrong_argument_is_refused(
    pets: Path, arguments: Any, error: type[Exception], message: str
) -> None:
    """Rule, received and remedy."""
    with pytest.raises(error, match=message):
        NpySequence.from_directory(pets, **arguments)


def test_binary_needs_two_folders(pets: Path) -> None:
    """Three are refused by name; two of them can be chosen."""
    save(pets / "bird" / "1.npy", 50)
    with pytest.raises(ValueError, match=r"exactly 2 classes.*3 classes.*'bird'.*class_names"):
        NpySequence.from_directory(pets, label_mode="binary")
    two = NpySequence.from_directory(pets, label_mode="binary", class_names=["bird", "dog"])
    assert [[0], [1], [1], [1]] == two[0][1].tolist()


def test_from_directory_names_all_files_that_are_no_samples(pets: Path) -> None:
    """Also where the last one of a class is none, which is looked at first."""
    (pets / "cat" / "x-10.npy").write_text("no sample")
    np.save(pets / "cat" / "x-4.npy", np.zeros((2, 4), "int16"))
    with pytest.raises(NpyFileError, match=r"(?s)2 of 14 files.*x-4\.npy: .*x-10\.npy: "):
        NpySequence.from_directory(pets)


def test_from_directory_looks_through_all_samples_if_it_is_asked_for(tmp_path: Path) -> None:
    """Values, and labels that were given."""
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full(2, np.nan if number == 2 else 1.0))
    with pytest.raises(ValueError, match=r"2\.npy, row 2: .*Received: nan"):
        NpySequence.from_directory(tmp_path, labels=None, validate=True)
    np.save(tmp_path / "2.npy", np.zeros(2))
    labels = {"0.npy": 0, "1.npy": 1, "2.npy": 7}
    with pytest.raises(ValueError, match=r"row 2: a label must .* < 2.*Received: 7"):
        NpySequence.from_directory(tmp_path, labels=labels, validate=True, num_classes=2)
    seq = NpySequence.from_directory(tmp_path, labels=labels, validate=True, num_classes=8)
    assert [0, 1, 7] == seq.y[:].tolist()


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_from_directory_crops_and_pads_samples_of_different_length(pets: Path) -> None:
    """With the error that names what does so; archives too, of any size if it is asked for."""
    np.save(pets / "cat" / "x-10.npy", np.full((3, 3), 10, "int16"))
    with pytest.raises(NpyFileError, match=r"x-10\.npy.*need length=, which crops and pads them"):
        NpySequence.from_directory(pets)
    seq = NpySequence.from_directory(pets, length=3, pad_value=-1)
    np.testing.assert_array_equal(ROWS, seq.x[:][:, 0, 0])
    np.testing.assert_array_equal([-1 if row != 10 else 10 for row in ROWS], seq.x[:][:, 2, 0])
    for path in pets.glob("*/x-*.[nN]*"):
        np.savez_compressed(path.with_suffix(".npz"), x=np.load(path))
    packed = NpySequence.from_directory(pets, length=1, crop="center", member="x", unpack=True)
    np.testing.assert_array_equal(np.asarray(ROWS)[:, None], packed.x[:][:, 0, :1])


def test_labels_by_the_path_that_a_program_lists_are_those_of_the_files(tmp_path: Path) -> None:
    """As glob gives them, with the directory in front."""
    for name in ("a", "b"):
        save(tmp_path / "set" / name / "1.npy", ord(name))
    labels = {path: ord(path.parent.name) for path in (tmp_path / "set").glob("*/*.npy")}
    x, y = NpySequence.from_directory(tmp_path / "set", labels=labels)[0]
    assert x[:, 0, 0].tolist() == y.tolist() == [97, 98]


def folder_of(root: Path, names: str) -> Path:
    for name in names:
        save(root / name / "0.npy", ord(name))
        save(root / name / "1.npy", ord(name))
    return root


def files_of(root: Path, names: str) -> Path:
    root.mkdir()
    for name in names:
        np.save(root / f"{name}.npy", np.full((2, 2, 3), ord(name), "int16"))
    return root


class OfInputsAlone(keras.Sequential):
    """A loss of one's own, which takes no targets."""

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_pred))


def fit_on(train: NpySequence, validation: NpySequence) -> None:
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Eager, so that nothing is compiled.
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(train, validation_data=validation, verbose=0)


@pytest.mark.parametrize(
    ("make", "build"),
    [
        pytest.param(folder_of, NpySequence.from_directory, id="folders"),
        pytest.param(files_of, NpySequence.from_class_files, id="files"),
    ],
)
def test_fit_refuses_validation_data_whose_classes_have_other_numbers(
    tmp_path: Path, make: Any, build: Any
) -> None:
    """Its remedies give right labels; classes behind all others change no number."""
    train = build(make(tmp_path / "train", "abc"))
    folder = make(tmp_path / "validation", "bc")
    validation = build(folder)
    message = r"class 0 is a in training and b in validation_data, of 3 and 2 classes.*class_names="
    with pytest.raises(ValueError, match=message):
        fit_on(train, validation)
    with pytest.warns(UserWarning, match=message):
        fit_on(train.map(lambda x, y: (x + 0, y)), validation)
    named = build(folder, class_names=train.class_names)
    assert (["a", "b", "c"], [1, 1, 2, 2]) == (named.class_names, named.y[:].tolist())
    fit_on(train, named)
    fit_on(train, build(make(tmp_path / "behind", "ab")))
    fit_on(train.subset([0, 1]), train.subset([2, 3, 4, 5]).map(lambda x, y: (x, y)))
    # An autoencoder has no classes.
    pairs = [seq.map(lambda x, y: (x / 9, x[..., 0] / 9)) for seq in (train, validation)]
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Dense(1), keras.layers.Flatten()])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(pairs[0], validation_data=pairs[1], verbose=0)
    alone = OfInputsAlone([keras.Input((2, 3)), keras.layers.Dense(1)])
    alone.compile("sgd", "mse", run_eagerly=True)
    alone.fit(train, validation_data=validation, verbose=0)
    validation.class_names = train.class_names
    fit_on(train, validation)
    with pytest.raises(ValueError, match=r"without a folder: \['d'\].*name all folders beside it"):
        build(folder, class_names=["b", "d"])


def test_fit_takes_labels_given_by_hand_as_they_are(tmp_path: Path) -> None:
    """The names of such classes are their numbers, whatever other ones are there."""
    folder = folder_of(tmp_path / "train", "abc")
    train = NpySequence.from_directory(folder, labels=[0, 0, 1, 1, 2, 2])
    folder = folder_of(tmp_path / "validation", "bc")
    fit_on(train, NpySequence.from_directory(folder, labels=[1, 1, 2, 2]))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train", "val", "test"), "parts of a data set"),
        (("Training", "validation"), "parts of a data set"),
        (("images", "masks"), "inputs and their targets"),
        (("annotations", "images"), "inputs and their targets"),
        *((("cat", "test"), None), (("train", "bus"), None), (("x", "y", "z"), None)),
    ],
)
def test_from_directory_of_folders_that_are_no_classes_gives_a_warning(
    tmp_path: Path, names: tuple[str, ...], said: str | None
) -> None:
    """`from_directory("data")` over `data/train/cat`: each part would be a class."""
    folder = tmp_path / "data"
    for name in names:
        for at in range(4):
            label = ("cat", "dog")[at % 2] if said == "parts of a data set" else ""
            save(folder / name / label / f"{at}.npy", at)
    if said is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            NpySequence.from_directory(folder)
        return
    with pytest.warns(UserWarning, match=f"which seem to be {said}") as caught:
        NpySequence.from_directory(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert sorted(names) == (
            NpySequence.from_directory(folder, class_names=sorted(names)).class_names
        )
        # The remedy.
        (text,) = [str(one.message) for one in caught if said in str(one.message)]
        if said == "parts of a data set":
            path = eval(text.split("such as ")[1].split("; class_names")[0])
            assert Path(path).name.casefold().startswith("train")
            assert ["cat", "dog"] == NpySequence.from_directory(path).class_names
        else:
            scope = {"NpySequence": NpySequence, "samples": samples}
            made = eval(text.split("their files, ")[1].split("; class_names")[0], scope)
            np.testing.assert_array_equal(made[0][0], made[0][1])
            assert "images" in made.file_paths[0]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("member", [None, "member"])
@pytest.mark.parametrize("method", ["from_directory", "from_class_files"])
def test_classes_of_files_of_the_other_kind_give_a_warning(
    tmp_path: Path, member: str | None, method: str
) -> None:
    """The remedy saves them again; an empty folder, and notes, say nothing."""
    folder = tmp_path / "a [1]"
    (folder / "empty").mkdir(parents=True)
    (folder / "empty" / "notes.txt").write_text("none yet")
    for at, name in enumerate("ab"):
        for number in range(3):
            values = np.full((4, 2), at + 10 * number)
            path = folder / name / f"{number}.npy"
            path.parent.mkdir(exist_ok=True)
            if (name == "a") == (member is None):
                np.save(path, values)
            else:
                np.savez(path.with_suffix(".npz"), member=values)
    build = getattr(NpySequence, method)
    with pytest.warns(UserWarning, match=r"has \.np[yz] files and none of these") as caught:
        assert {0} == {*build(folder, member=member).y[:].tolist()}
    text = str(caught[0].message)
    eval(text.split("again, ")[1].split(", or move")[0], {"np": np, "glob": glob})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", NpyLayoutWarning)
        seq = build(folder, member=member)
    labels = seq.y[:].tolist()
    assert labels.count(0) == labels.count(1) > 0
    assert 21 == np.max(seq[0][0])
