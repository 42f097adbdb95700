"""Files and folders whose names say that they are no classes, but parts of a set or of a class."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples


def save(folder: Path, names: tuple[str, ...]) -> str:
    """Files of two rows each, which differ from file to file."""
    for number, name in enumerate(names):
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((2, 3), number, "u1"))
    return str(folder)


def warning_of(make: Any) -> str | None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    said = [str(one.message) for one in caught if "as a class." in str(one.message)]
    assert len(said) <= 1
    return said[0] if said else None


CLASSES = ["cat", "dog"]
FILES = [
    *(
        pytest.param(names, what, CLASSES, rows, id=names[0])
        for names, what, rows in [
            (("cat_test", "cat_train", "dog_test", "dog_train"), "parts of a data set", [1, 3]),
            (("test-cat", "train-cat", "train-dog"), "parts of a data set", [1, 2]),
            (("val cat", "val dog", "training cat", "training dog"), "parts of a data set", [2, 3]),
            (("cat", "dog", "cat_val", "dog_val"), "parts of a data set", [0, 1]),
            (("cat_0", "cat_1", "dog_0"), "parts of classes", [0, 1, 2]),
            (("cat-1", "cat-2", "dog-1", "dog-2"), "parts of classes", [0, 1, 2, 3]),
            (("cat_part_0", "cat_part_1", "dog_part_0"), "parts of classes", [0, 1, 2]),
            (
                ("cat_00000-of-00002", "cat_00001-of-00002", "dog_00000-of-00001"),
                "parts of classes",
                [0, 1, 2],
            ),
            (("cat_00000-of-00002", "cat_00001-of-00002", "dog"), "parts of classes", [0, 1, 2]),
            (
                ("cat_train_0", "cat_train_1", "dog_train_0", "cat_test_0", "dog_test_0"),
                "parts of a data set",
                [0, 1, 2],
            ),
        ]
    ),
    pytest.param(("x_train", "x_test"), "parts of a data set", None, [0], id="x"),
    pytest.param(("train", "test"), "parts of a data set", None, [0], id="train"),
    pytest.param(("train_0", "train_1", "test_0"), "parts of a data set", None, [0, 1], id="part"),
    pytest.param(("images", "masks"), "inputs and their targets", None, [0], id="images"),
    pytest.param(("y_0", "y_1", "x_0", "x_1"), "inputs and their targets", None, [2, 3], id="y_0"),
    pytest.param(
        ("x_test", "y_test", "x_train", "y_train"),
        "inputs and targets of parts of a data set",
        None,
        [2],
        id="x and y",
    ),
    *(
        pytest.param(names, "inputs and their targets", None, rows, id=names[0])
        for names, rows in [
            (("x_train", "y_train"), [0]),
            (("Y_test", "X_test"), [1]),
            (("val-inputs", "val-targets"), [0]),
            (("train_images", "train_labels"), [0]),
            (("labels_train", "images_train"), [1]),
            (("cell_mask", "cell_img"), [1]),
            (("x_train_0", "x_train_1", "y_train_0", "y_train_1"), [0, 1]),
        ]
    ),
    pytest.param(("x_val/0", "x_val/1", "y_val/0", "y_val/1"), "inputs and their", None, [0, 1]),
    pytest.param(("train/cat", "train/dog", "val/cat"), "parts of a data set", CLASSES, [0, 1]),
    pytest.param(("x_train/0", "x_train/1", "x_test/0"), "parts of a data set", None, None),
    pytest.param(("images/0", "images/1", "masks/0", "masks/1"), "inputs and their", None, [0, 1]),
    pytest.param(
        ("cat_train/0", "cat_train/1", "dog_train/0", "cat_val/0", "dog_val/0"),
        "parts of a data set",
        CLASSES,
        [0, 1, 2],
    ),
]


@pytest.mark.parametrize("is_pattern", [False, True])
@pytest.mark.parametrize(("names", "what", "classes", "numbers"), FILES)
def test_from_class_files_of_names_of_no_classes_gives_a_warning_and_its_remedy_runs(
    tmp_path: Path,
    names: tuple[str, ...],
    what: str,
    classes: list[str] | None,
    numbers: list[int] | None,
    is_pattern: bool,
) -> None:
    """Each file of a part was a class of its own without a word."""
    place = save(tmp_path / "[t]", names)
    if is_pattern:
        place = f"{tmp_path}/[[]t]/*" + ("/" if "/" in names[0] else "")
    text = warning_of(lambda: NpySequence.from_class_files(place))
    assert text is not None
    assert f"which seem to be {what}" in text
    assert "; class_names= says that they are classes." in text
    code = text[text.rindex("NpySequence") : text.index("; class_names=")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = eval(code, {"NpySequence": NpySequence})
    if numbers is not None:
        assert np.repeat(numbers, 2).tolist() == made.x[:][:, 0].tolist()
    if classes is not None:
        assert classes == made.class_names
    if " and " in what:
        assert len(made.x) == len(made.y)
    # The other way out.
    found = sorted({name.split("/")[0] for name in names})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence.from_class_files(place, class_names=found)
    assert found == seq.class_names


@pytest.mark.parametrize(
    "names",
    [
        tuple(map(str, range(10))),
        ("class_0", "class_1", "class_2"),
        ("level_1", "level_2"),
        ("digit-0", "digit-1", "letter-a"),
        ("part_1", "part_2", "part_3"),
        ("cat", "dog"),
        ("cat_train", "dog_train"),
        ("cat", "test"),
        ("run", "run_test"),
        ("train_station", "test_tube"),
        ("ticket_valid", "ticket_invalid"),
        ("cat", "cat_1", "dog"),
        ("Apple 1", "Cherry 2"),
        ("week_3", "week_4", "month_7", "month_8"),
        ("h1n1", "h3n2", "h5n1"),
        ("cat_00000-of-00001", "dog_00000-of-00001"),
        ("x", "y", "z"),
        ("images", "videos"),
        ("chr_x", "chr_y"),
        ("axis-x", "axis-y"),
        ("train_images", "train_videos"),
        ("x_train", "y_test"),
        ("images_cat", "masks_dog"),
        ("mask_off", "mask_on"),
        ("x_train", "y_train", "z_train"),
    ],
    ids=lambda names: names[-1],
)
def test_from_class_files_of_classes_gives_no_warning(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Numbers and words for parts may well be in the names of classes."""
    place = save(tmp_path / "t", names)
    assert warning_of(lambda: NpySequence.from_class_files(place)) is None
    assert sorted(names) == NpySequence.from_class_files(place).class_names


def test_from_class_files_of_members_names_them_in_the_remedy(tmp_path: Path) -> None:
    """A pattern that names the member, and `member=`."""
    for number, name in enumerate(("cat_0", "cat_1", "dog_0")):
        np.savez(tmp_path / f"{name}.npz", x=np.full((2, 3), number))
    for make in (
        lambda: NpySequence.from_class_files(f"{tmp_path}/*.npz::x"),
        lambda: NpySequence.from_class_files(tmp_path, member="x"),
    ):
        text = warning_of(make)
        assert text is not None
        code = text[text.rindex("NpySequence") : text.index("; class_names=")]
        made = eval(code, {"NpySequence": NpySequence})
        assert [0, 0, 0, 0, 1, 1] == made.y[:].tolist()


def test_from_class_files_of_a_dict_takes_any_names(tmp_path: Path) -> None:
    """Whoever gives a dict has said what the classes are."""
    place = save(tmp_path, ("a",))
    source = {name: f"{place}/a.npy" for name in ("cat_train", "cat_test")}
    assert warning_of(lambda: NpySequence.from_class_files(source)) is None


@pytest.mark.parametrize(
    ("names", "what", "chosen"),
    [
        (
            ("cat_test", "cat_train", "dog_test", "dog_train"),
            "parts of a data set",
            ["cat_train", "dog_train"],
        ),
        (("images_train", "masks_train", "images_val", "masks_val"), "inputs and targets", None),
        (("images_train", "masks_train"), "inputs and their targets", None),
        (("x_train", "x_test"), "parts of a data set", None),
        (("chr_x", "chr_y"), None, None),
        (("Apple 1", "Apple 2", "Cherry 1"), None, None),
        (("cat_train", "dog_train"), None, None),
        (("level_1", "level_2"), None, None),
        (("run", "run_test"), None, None),
    ],
)
def test_from_directory_of_parts_with_a_word_for_each_class_gives_a_warning(
    tmp_path: Path, names: tuple[str, ...], what: str | None, chosen: list[str] | None
) -> None:
    """Folders of one class in two parts; those of fruits that only have numbers are classes."""
    place = save(tmp_path, tuple(f"{name}/{at}" for name in names for at in range(2)))
    text = warning_of(lambda: NpySequence.from_directory(place))
    if what is None:
        assert text is None
        return
    assert text is not None
    assert f"which seem to be {what}" in text
    if chosen is not None:
        code = text[text.index("class_names=[") :].split("; ")[0]
        seq = eval(f"NpySequence.from_directory({place!r}, {code})", {"NpySequence": NpySequence})
        assert chosen == seq.class_names
    elif "targets" in what:
        code = text[text.index("NpySequence(") : text.index("; class_names=")]
        made = eval(code, {"NpySequence": NpySequence, "samples": samples})
        assert [0, 1] == made.x[:][:, 0, 0].tolist()
        assert [2, 3] == made.y[:][:, 0, 0].tolist()
