"""`fit` warns of validation data that hold rows of the training data, wherever both come from."""

import functools
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence, raw, samples, take, windows
from keras_npy.boundary.adapter import NpyDataAdapter

NUM_ROWS = 50
X = np.arange(NUM_ROWS * 2.0, dtype="float32").reshape(NUM_ROWS, 2)
FORTRAN = np.asfortranarray(X)
SERIES = np.arange(200.0, dtype="float32")
WINDOWS = np.lib.stride_tricks.sliding_window_view(SERIES, 10)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows in files of several kinds, in the folder in which the test works."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        np.save(f"x_{number}.npy", X + 100 * number)
        np.save(f"y_{number}.npy", np.arange(NUM_ROWS) % 2)
    np.save("x_test.npy", X + 900)
    np.save("y_test.npy", np.arange(NUM_ROWS) % 2)
    np.save("fortran.npy", np.asfortranarray(X))
    np.savez("x.npz", a=X, b=X + 100)
    X.tofile("x.bin")
    np.save("s.npy", SERIES)
    np.save("t.npy", SERIES + 1000)
    np.save("state.npy", np.arange(len(SERIES)) % 3.0)
    np.save("table.npy", np.ones((1, 3), "float32"))
    np.save("captions.npy", np.arange(NUM_ROWS * 5.0, dtype="float32"))
    os.link("x_0.npy", "hardlink.npy")
    for number in range(20):
        np.save(f"i{number + 10}.npy", X[number])
    return tmp_path


class Sum(keras.Model):
    """Takes inputs of any structure and shape."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        sums = [
            keras.ops.sum(keras.ops.reshape(keras.ops.cast(one, "float32"), (-1, size)), axis=1)
            for one in keras.tree.flatten(x)
            for size in [int(np.prod(one.shape[1:], dtype=int))]
        ]
        return self.dense(keras.ops.expand_dims(sum(sums), 1))


def model_of_sums() -> keras.Model:
    model = Sum()
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def with_targets(x: Any) -> NpySequence:
    return NpySequence(x, np.zeros(NpySequence(x).num_samples, "float32"), batch_size=16)


def warned_of(training: Any, validation: Any, **arguments: Any) -> list[str]:
    """What `fit` says at its beginning of these rows."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model_of_sums().fit(training, validation_data=validation, verbose=0, **arguments)
    return [str(one.message) for one in found if "validation_data must hold" in str(one.message)]


def mapped() -> np.ndarray:
    return np.load("x_0.npy", mmap_mode="r")


def whole() -> NpySequence:
    return with_targets("x_0.npy")


def by_permutation() -> tuple[NpySequence, NpySequence]:
    seq = with_targets(windows("s.npy", sequence_length=10))
    order = np.random.default_rng(0).permutation(seq.num_samples)
    return seq.subset(order[:150]), seq.subset(order[150:])


def by_indices() -> tuple[NpySequence, NpySequence]:
    order = np.random.default_rng(0).permutation(191)

    def part(rows: Any) -> NpySequence:
        x = windows("s.npy", sequence_length=10)
        return NpySequence(x, np.zeros(191, "float32"), indices=rows)

    return part(order[:150]), part(order[150:])


def from_150_on() -> tuple[NpySequence, NpySequence]:
    late = with_targets(windows("s.npy", sequence_length=10, start_index=150))
    return with_targets(windows("s.npy", sequence_length=10)), late


def dict_of(x: Any) -> dict[str, Any]:
    return {"x": x, "table": take("table.npy", [0] * NpySequence(x).num_samples)}


def windows_and_table() -> NpySequence:
    """Windows that overlap, each with a row of its own."""
    return with_targets(
        {"a": windows("s.npy", sequence_length=24, end_index=73), "b": take("x_0.npy", range(50))}
    )


def forecast(**cut: Any) -> NpySequence:
    """Windows of ten steps, of which each predicts the one behind it."""
    cut = {"end_index": 199, **cut}
    targets = take("s.npy", slice(10, None))
    return NpySequence(windows("s.npy", sequence_length=10, targets=targets, **cut))


def forecast_next(**cut: Any) -> NpySequence:
    return NpySequence(windows("s.npy", sequence_length=10, predict_next=True, **cut))


def labelled(step: int, **cut: Any) -> NpySequence:
    """Windows of ten steps, with the label of one of these from a file of labels."""
    targets = take("state.npy", slice(step, None))
    return NpySequence(windows("s.npy", sequence_length=10, targets=targets, **cut))


def forecast_both(**cut: Any) -> NpySequence:
    """Forecasts of two series."""
    cut = {"end_index": 199, **cut}
    of_each = [
        windows(path, sequence_length=10, targets=take(path, slice(10, None)), **cut)
        for path in ("s.npy", "t.npy")
    ]
    return NpySequence([each.x for each in of_each], [each.y for each in of_each])


def forecast_beside(**cut: Any) -> NpySequence:
    """Another input stands before the windows."""
    x, y = windows("s.npy", sequence_length=10, predict_next=True, **cut)
    return NpySequence({"a": take("table.npy", [0] * len(x)), "b": x}, y)


def encoder(**cut: Any) -> NpySequence:
    rows = windows("s.npy", sequence_length=10, **cut)
    return NpySequence(rows, rows)


def by_chance(seq: NpySequence) -> tuple[NpySequence, NpySequence]:
    order = np.random.default_rng(0).permutation(seq.num_samples)
    return seq.subset(np.sort(order[:150])), seq.subset(np.sort(order[150:]))


ROWS = "train, validation = seq.split"
TIME = "Cut by time: train, validation = seq.split"
FILES = "list of the training files without x_test.npy"

SHARED = [
    pytest.param(
        lambda: (whole().split(0.2)[0], whole().split(0.2, seed=1)[1]),
        *("8 of 10 rows that train the model too, such as row ", ROWS),
        id="another-seed",
    ),
    pytest.param(
        lambda: (lambda seq: (seq.split(0.2)[0], seq.split(0.2, seed=1)[1]))(whole()),
        *("8 of 10 rows", ROWS),
        id="another-seed-of-one-sequence",
    ),
    pytest.param(
        lambda: (whole().folds(5)[0][0], whole().folds(5)[1][1]), "10 of 10 rows", ROWS, id="folds"
    ),
    pytest.param(
        lambda: (NpySequence("x_*.npy", "y_*.npy"), NpySequence("x_test.npy", "y_test.npy")),
        *("50 of 50 rows that train the model too, such as row 0 of .*x_test.npy", FILES),
        id="pattern-with-test",
    ),
    pytest.param(lambda: (whole(), whole().subset(slice(30, 40))), "10 of 10 rows", ROWS, id="sub"),
    pytest.param(lambda: (lambda seq: (seq, seq))(whole()), "50 of 50 rows", ROWS, id="itself"),
    pytest.param(
        lambda: (NpyDataAdapter(whole()), NpyDataAdapter(whole())),
        *("50 of 50 rows", ROWS),
        id="adapters",
    ),
    pytest.param(
        lambda: (whole(), with_targets("hardlink.npy")), "50 of 50 rows", ROWS, id="hard-link"
    ),
    pytest.param(
        lambda: (with_targets("fortran.npy"), with_targets(take("fortran.npy", [3, 4]))),
        *("2 of 2 rows that train the model too, such as row 3 of .*fortran.npy", ROWS),
        id="fortran",
    ),
    pytest.param(
        lambda: (with_targets("x.npz::a"), with_targets(["x.npz::b", "x.npz::a"])),
        *("50 of 100 rows that train the model too, such as row 0 of .*x.npz::a", ROWS),
        id="members",
    ),
    pytest.param(
        lambda: (
            with_targets(raw("x.bin", dtype="float32", shape=(-1, 2))),
            with_targets(raw("x.bin", dtype="float32", shape=(-1, 2), offset=8 * 45)),
        ),
        *("5 of 5 rows", ROWS),
        id="raw",
    ),
    pytest.param(
        lambda: (with_targets(samples("i*.npy")), with_targets(samples(["i17.npy"]))),
        *("1 of 1 rows that train the model too, such as row 0 of .*i17.npy", "without i17.npy"),
        id="samples",
    ),
    pytest.param(
        lambda: (
            NpySequence("x_0.npy", np.zeros(50), cache="ram").subset(slice(0, 40)),
            NpySequence("x_0.npy", np.zeros(50), cache="ram").subset(slice(30, 50)),
        ),
        *("10 of 20 rows", ROWS),
        id="cached",
    ),
    pytest.param(
        lambda: (with_targets(dict_of("x_0.npy")), with_targets(dict_of("x_0.npy"))),
        *("50 of 50 rows", ROWS),
        id="all-inputs",
    ),
    pytest.param(
        lambda: (
            with_targets((take("x_0.npy", [0, 0, 1]), take("x_1.npy", [0, 1, 1]))),
            with_targets((take("x_0.npy", [1, 0]), take("x_1.npy", [0, 1]))),
        ),
        *("1 of 2 rows that train the model too, such as row 0 of .*x_0.npy", ROWS),
        id="one-pair-of-views",
    ),
    pytest.param(by_permutation, "41 of 41 rows that have timesteps of", TIME, id="windows-subset"),
    pytest.param(by_indices, "41 of 41 rows that have timesteps of", TIME, id="windows-indices"),
    pytest.param(
        from_150_on,
        "41 of 41 rows that have timesteps of training rows, such as the one from timestep 150",
        *(TIME,),
        id="windows-of-the-end",
    ),
    pytest.param(
        lambda: (
            with_targets(windows("s.npy", sequence_length=10, sequence_stride=10, end_index=105)),
            with_targets(windows("s.npy", sequence_length=10, start_index=98)),
        ),
        *("2 of 93 rows", TIME),
        id="windows-that-reach-in",
    ),
    pytest.param(
        lambda: (windows_and_table(), windows_and_table().subset(slice(10))),
        *("10 of 10 rows", TIME),
        id="windows-and-a-table",
    ),
    pytest.param(
        lambda: (windows_and_table(), windows_and_table()),
        *("50 of 50 rows", TIME),
        id="windows-and-a-table-themselves",
    ),
    pytest.param(
        lambda: (forecast(end_index=150), forecast(start_index=140)),
        *("1 of 50 rows that have timesteps of", TIME),
        id="target-that-trains",
    ),
    pytest.param(
        lambda: (forecast_both(end_index=150), forecast_both(start_index=138)),
        *("6 of 104 rows", TIME),
        id="targets-of-lists-that-train",
    ),
    pytest.param(
        lambda: (forecast_next(end_index=150), forecast_next(start_index=139)),
        *("10 of 51 rows", TIME),
        id="next-that-trains",
    ),
    pytest.param(
        lambda: (forecast_beside(end_index=150), forecast_beside(start_index=138)),
        *("11 of 52 rows that have timesteps of training rows, such as the one from", TIME),
        id="next-beside-a-table-that-trains",
    ),
    pytest.param(
        lambda: (forecast_next(end_index=150), forecast_next(start_index=140)),
        *("9 of 50 rows", TIME),
        id="next-of-which-the-last-step-is-new",
    ),
    pytest.param(
        lambda: (forecast_next(start_index=50), forecast_next(end_index=60)),
        *("9 of 50 rows", TIME),
        id="next-of-the-past",
    ),
    pytest.param(
        lambda: (forecast(start_index=50), forecast(end_index=59)),
        *("9 of 50 rows", TIME),
        id="forecast-of-the-past-that-trains",
    ),
    pytest.param(
        lambda: (labelled(0, end_index=150), labelled(0, start_index=141)),
        *("9 of 50 rows", TIME),
        id="labels-of-the-first-step-within-training",
    ),
    pytest.param(
        lambda: (labelled(9, end_index=150), labelled(9, start_index=140)),
        *("1 of 51 rows", TIME),
        id="label-of-the-last-step-that-trains",
    ),
    pytest.param(
        lambda: (encoder(end_index=150), encoder(start_index=145)),
        *("5 of 46 rows", TIME),
        id="encoder",
    ),
    pytest.param(
        lambda: by_chance(forecast()),
        r"\d+ of 40 rows",
        TIME,
        id="targets-between-those-that-train",
    ),
    pytest.param(
        lambda: by_chance(forecast_next()),
        r"\d+ of 40 rows",
        TIME,
        id="next-between-those-that-train",
    ),
    pytest.param(
        lambda: (with_targets(mapped()[:30]), with_targets(mapped()[28:])),
        *("2 of 22 rows that train the model too, such as row 0 of ", ROWS),
        id="views-of-a-file",
    ),
    pytest.param(
        lambda: (with_targets(np.asarray(mapped())[:30]), with_targets(take("x_0.npy", range(31)))),
        *("30 of 31 rows", ROWS),
        id="view-beside-its-file",
    ),
    pytest.param(
        lambda: (with_targets(mapped()[:30].view("int32")), whole()),
        *("30 of 50 rows", ROWS),
        id="view-as-another-dtype",
    ),
    pytest.param(
        lambda: (with_targets(mapped()[:30, 1:]), with_targets(mapped()[28:, 1:])),
        *("2 of 22 rows", ROWS),
        id="views-of-a-column",
    ),
    pytest.param(
        lambda: (with_targets(X[:30]), with_targets(X[28:])), "2 of 22 rows", ROWS, id="of-an-array"
    ),
    pytest.param(
        lambda: (with_targets(X), with_targets(X[40:])),
        "10 of 10 rows",
        ROWS,
        id="all-and-the-last",
    ),
    pytest.param(
        lambda: (with_targets(FORTRAN[:30]), with_targets(FORTRAN[28:])),
        *("2 of 22 rows", ROWS),
        id="views-of-fortran-order",
    ),
    pytest.param(
        lambda: (with_targets(X).split(0.2)[0], with_targets(X).split(0.2, seed=1)[1]),
        *("8 of 10 rows", ROWS),
        id="parts-of-an-array",
    ),
    pytest.param(
        lambda: (
            with_targets({"a": X[:30], "b": mapped()[:30]}),
            with_targets({"a": X[28:], "b": mapped()[28:]}),
        ),
        *("2 of 22 rows", ROWS),
        id="views-as-two-inputs",
    ),
    pytest.param(
        lambda: map(with_targets, (WINDOWS[:100], WINDOWS[95:])),
        *("5 of 96 rows", TIME),
        id="windows-that-are-views",
    ),
]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize(("make", "received", "remedy"), SHARED)
def test_fit_with_training_rows_in_validation_warns_once(
    make: Callable[[], tuple[Any, Any]], received: str, remedy: str
) -> None:
    """Rows are the same if they lie in the same place of the same file, in all inputs."""
    training, validation = make()
    (message,) = warned_of(training, validation)
    assert [] == warned_of(training, validation)
    with pytest.raises(UserWarning, match=received):
        raise UserWarning(message)
    assert remedy in message


def test_remedies_of_shared_rows_end_the_warning() -> None:
    """What each message says is silent, and rules out what it warned of."""
    seq = whole()
    assert [] == warned_of(*seq.split(0.2))
    assert [] == warned_of(*seq.folds(5)[1])
    files = [f"x_{number}.npy" for number in range(3)]
    assert [] == warned_of(with_targets(files), with_targets("x_test.npy"))
    series = with_targets(windows("s.npy", sequence_length=10))
    assert [] == warned_of(*series.split(0.2, in_order=True))
    early = with_targets(windows("s.npy", sequence_length=10, end_index=150))
    assert [] == warned_of(early, from_150_on()[1])
    ahead = "if they predict what comes behind: start_index=t - sequence_length + 1."
    for make in (forecast, functools.partial(labelled, 9)):
        (message,) = warned_of(make(end_index=150), make(start_index=139))
        assert ahead in message
        for start in (150, 150 - 10 + 1):
            assert [] == warned_of(make(end_index=150), make(start_index=start))
    # All but the last target are in the window itself.
    for make in (forecast_next, functools.partial(labelled, 0)):
        (message,) = warned_of(make(end_index=150), make(start_index=141))
        assert ahead not in message
        assert [] == warned_of(make(end_index=150), make(start_index=150))


def save_classes(folder: Path) -> None:
    """Folders of classes for training, with one sample more for validation in each."""
    for part, num_files in (("tr", 5), ("va", 1)):
        for label, name in enumerate("ab"):
            (folder / part / name).mkdir(parents=True)
            for number in range(num_files):
                np.save(folder / f"{part}/{name}/{number}.npy", np.full(2, label, "float32"))


def of_folders() -> tuple[NpySequence, NpySequence]:
    training, validation = map(NpySequence.from_directory, ("tr", "va"))
    return training, validation


@pytest.mark.parametrize(
    ("link", "delete", "links"),
    [
        pytest.param(os.link, "one of the two", ["tr/a/0.npy", "va/a/x0.npy"], id="hard-link"),
        pytest.param(os.symlink, r"\S*va/a/x0\.npy", ["va/a/x0.npy"], id="symbolic-link"),
    ],
)
def test_linked_sample_of_a_class_names_both_files(
    folder: Path, link: Any, delete: str, links: list[str]
) -> None:
    """A list would lose the classes; without the file that is to be deleted nothing warns."""
    save_classes(folder)
    for name in links:
        link(folder / "tr/a/0.npy", folder / "va/a/x0.npy")
        (message,) = warned_of(*of_folders())
        said = r"\S*tr/a/0\.npy, which trains, and \S*va/a/x0\.npy are two names of one file"
        said += rf", a link: delete {delete}\. "
        assert re.search(said, message), message
        assert "list" not in message
        os.unlink(folder / name)
        assert [] == warned_of(*of_folders())
        if name.startswith("tr"):
            os.rename(folder / "va/a/x0.npy", folder / "tr/a/0.npy")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ("tr", "tr"), id="one-folder"),
        pytest.param(lambda: (os.symlink("tr", "linked"), ("tr", "linked"))[1], id="linked-folder"),
    ],
)
def test_folders_of_classes_twice_are_to_be_divided(folder: Path, make: Any) -> None:
    """To delete a file of a linked folder would delete it in both."""
    save_classes(folder)
    training, validation = map(NpySequence.from_directory, make())
    (message,) = warned_of(training, validation)
    assert " Divide the rows once: train, validation = seq.split(0.2), or one" in message
    assert [] == warned_of(*training.split(0.2))


def test_class_files_that_are_links_are_to_be_divided(folder: Path) -> None:
    """Without one of the files a class would be gone."""
    os.makedirs("v")
    for name in ("cat", "dog"):
        np.save(f"{name}.npy", X)
        os.link(f"{name}.npy", f"v/{name}.npy")
    ours, theirs = (
        NpySequence.from_class_files({"cat": f"{at}cat.npy", "dog": f"{at}dog.npy"})
        for at in ("", "v/")
    )
    (message,) = warned_of(ours, theirs)
    assert " Divide the rows once: train, validation = seq.split(0.2), or one" in message
    assert [] == warned_of(*ours.split(0.2))


def test_list_without_a_linked_file_names_that_of_training(folder: Path) -> None:
    """Its name in validation is in no list of training; a name in two folders is a whole path."""
    os.link("i12.npy", "j.npy")
    (message,) = warned_of(with_targets(samples("i*.npy")), with_targets(samples(["j.npy"])))
    assert "Give NpySequence a list of the training files without i12.npy, or" in message
    left = [f"i{number}.npy" for number in range(10, 30) if number != 12]
    assert [] == warned_of(with_targets(samples(left)), with_targets(samples(["j.npy"])))
    save_classes(folder)
    os.link("tr/a/0.npy", "va/x.npy")
    (message,) = warned_of(with_targets(samples("tr/*/*.npy")), with_targets(samples(["va/x.npy"])))
    assert re.search(r"training files without /\S*/tr/a/0\.npy, or", message)


def test_fit_with_training_rows_that_are_meant_says_nothing() -> None:
    """The filter that the message names is one."""
    (message,) = warned_of(whole(), whole())
    found = re.search(r"If it is meant, (warnings\.filterwarnings\(.*?\)) ends", message)
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eval(found[1])
        model_of_sums().fit(whole(), validation_data=whole(), verbose=0)


def by_image() -> tuple[NpySequence, NpySequence]:
    """Five captions for each image, whose image keeps them together."""
    images = np.arange(NUM_ROWS * 5) // 5
    seq = with_targets((take("x_0.npy", images), "captions.npy"))
    return seq.split(0.2, groups=images)


def of_captions() -> tuple[NpySequence, NpySequence]:
    """Other captions of the same images."""
    rows, images = np.arange(NUM_ROWS * 5), np.arange(NUM_ROWS * 5) // 5
    parts = rows[rows % 5 < 4], rows[rows % 5 == 4]
    return tuple(
        with_targets((take("x_0.npy", images[part]), take("captions.npy", part))) for part in parts
    )


DISTINCT = [
    pytest.param(lambda: whole().split(0.2), id="split"),
    pytest.param(lambda: whole().split(0.2, 0.2)[::2], id="three-parts"),
    pytest.param(lambda: whole().split(0.2, in_order=True), id="in-order"),
    pytest.param(lambda: whole().folds(5)[3], id="folds"),
    pytest.param(lambda: (whole().split(0.2)[0], whole().split(0.2)[1]), id="built-twice"),
    pytest.param(lambda: (whole(), with_targets("x_1.npy")), id="files"),
    pytest.param(
        lambda: (with_targets("x.npz::a"), with_targets("x.npz::b")), id="members-of-one-file"
    ),
    pytest.param(
        lambda: (with_targets(take("x_0.npy", [0, 2])), with_targets(take("x_0.npy", [1, 3]))),
        id="takes",
    ),
    pytest.param(
        lambda: (with_targets(samples("i1*.npy")), with_targets(samples("i2*.npy"))),
        id="samples",
    ),
    pytest.param(
        lambda: with_targets(windows("s.npy", sequence_length=10)).split(0.2, in_order=True),
        id="windows-in-order",
    ),
    pytest.param(
        lambda: (
            with_targets(windows("s.npy", sequence_length=10)),
            with_targets(windows("t.npy", sequence_length=10)),
        ),
        id="windows-of-two-files",
    ),
    pytest.param(
        lambda: NpySequence(
            windows("s.npy", sequence_length=10, sequence_stride=10, predict_next=True)
        ).split(0.2),
        id="language",
    ),
    pytest.param(lambda: (forecast(end_index=150), forecast(start_index=141)), id="forecast"),
    pytest.param(
        lambda: (forecast(start_index=50), forecast(end_index=49)), id="forecast-of-the-past"
    ),
    pytest.param(
        lambda: (forecast_both(end_index=150), forecast_both(start_index=141)), id="forecast-list"
    ),
    pytest.param(
        lambda: (forecast_next(end_index=150), forecast_next(start_index=150)), id="forecast-next"
    ),
    pytest.param(
        lambda: (labelled(9, end_index=150), labelled(9, start_index=141)), id="last-label"
    ),
    pytest.param(
        lambda: (labelled(0, end_index=150), labelled(0, start_index=150)), id="first-label"
    ),
    pytest.param(
        lambda: (forecast_beside(end_index=150), forecast_beside(start_index=150)),
        id="forecast-next-beside-a-table",
    ),
    pytest.param(
        lambda: (encoder(end_index=150), encoder(start_index=150)), id="encoder-of-new-steps"
    ),
    pytest.param(
        lambda: (
            windows_and_table().subset([*range(0, 50, 2)]),
            windows_and_table().subset([*range(1, 50, 2)]),
        ),
        id="windows-and-tables-of-their-own",
    ),
    pytest.param(by_image, id="captions-by-image"),
    pytest.param(of_captions, id="other-captions"),
    pytest.param(
        lambda: (with_targets(dict_of("x_0.npy")), with_targets(dict_of("x_1.npy"))),
        id="a-table-in-both",
    ),
    pytest.param(
        lambda: (
            with_targets((take("x_0.npy", [0, 0, 1]), take("x_1.npy", [0, 1, 1]))),
            with_targets((take("x_0.npy", [1, 2]), take("x_1.npy", [0, 1]))),
        ),
        id="other-pairs-of-views",
    ),
    pytest.param(lambda: (with_targets(X), with_targets(X)), id="arrays"),
    pytest.param(lambda: (with_targets(mapped()), with_targets(mapped())), id="all-of-a-map"),
    pytest.param(lambda: map(with_targets, (X[:30], X[30:])), id="views-side-by-side"),
    pytest.param(lambda: map(with_targets, np.split(mapped(), [30])), id="views-of-a-file-apart"),
    pytest.param(lambda: map(with_targets, (X[::2], X[1::2])), id="every-second-and-the-others"),
    pytest.param(lambda: map(with_targets, (X[:, :1], X[:, 1:])), id="two-columns"),
    pytest.param(lambda: map(with_targets, (FORTRAN[:30], FORTRAN[30:])), id="fortran-order-apart"),
    pytest.param(lambda: map(with_targets, (X[:30], X[28:].copy())), id="copies"),
    # What they predict may be new.
    pytest.param(lambda: map(with_targets, (WINDOWS[:100], WINDOWS[100:])), id="views-by-time"),
    pytest.param(lambda: (with_targets(mapped()[:30]), with_targets("x_1.npy")), id="another-file"),
    pytest.param(
        lambda: (
            with_targets((X[:20], take("x_0.npy", range(20)))),
            with_targets((X[10:30], take("x_0.npy", range(30, 50)))),
        ),
        id="one-view-of-two-inputs",
    ),
    pytest.param(
        lambda: map(with_targets, (np.broadcast_to(X[0], (9, 2)), np.broadcast_to(X[1], (9, 2)))),
        id="one-row-again-and-again",
    ),
    pytest.param(lambda: with_targets(X).split(0.2), id="split-of-an-array"),
    pytest.param(lambda: with_targets(FORTRAN).split(0.2), id="split-of-fortran-order"),
    pytest.param(lambda: with_targets(mapped()[5:, 1:]).folds(4)[2], id="folds-of-a-view"),
    pytest.param(lambda: (with_targets({"x": "x_0.npy", "m": X}), whole()), id="fewer-inputs"),
    pytest.param(lambda: (whole(), (X, np.zeros(50, "float32"))), id="arrays-of-keras"),
    pytest.param(lambda: (whole(), None), id="no-validation"),
]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("make", DISTINCT)
def test_fit_with_rows_of_their_own_in_validation_says_nothing(
    make: Callable[[], tuple[Any, Any]],
) -> None:
    """Parts of one split, other files, and inputs of which not all are shared."""
    assert [] == warned_of(*make())


def test_evaluate_of_training_rows_says_nothing() -> None:
    """Nothing trains there."""
    seq = whole()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_of_sums().evaluate(seq, verbose=0)


def test_fit_of_many_files_compares_parts_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of one sequence are not told apart once more: that asks the disk for each."""
    monkeypatch.setattr("keras_npy.rows.in_both.FILES_COMPARED", 10)
    monkeypatch.setattr("keras_npy.rows.in_both.Ground", None)
    seq = with_targets(samples("i*.npy"))
    training, validation = seq.split(0.2)
    assert [] == warned_of(training, validation)
    (message,) = warned_of(seq, validation)
    assert "4 of 4 rows" in message


def series_of(frames: Any) -> NpySequence:
    # No frames lie between i10 and i20.
    return with_targets(windows(samples(frames), sequence_length=3, join=True))


@pytest.mark.parametrize("make", [lambda x: with_targets(samples(x)), series_of])
def test_fit_of_many_samples_compares_their_paths(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Any], NpySequence]
) -> None:
    """To ask the disk for each of 100,000 files would take 0.2 s in each `fit`."""
    monkeypatch.setattr("keras_npy.rows.in_both.FILES_COMPARED", 10)
    monkeypatch.setattr("keras_npy.files.samples._identity", None)
    training = make("i1*.npy")
    assert [] == warned_of(training, make("i2*.npy"))
    (message,) = warned_of(training, make(["i10.npy", *(f"i2{at}.npy" for at in range(9))]))
    assert "Received: 1 of " in message


def test_fit_again_compares_no_rows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fit` may be called for each epoch. Another sequence is compared."""
    pairs = []
    monkeypatch.setattr(
        "keras_npy.boundary.shared_rows.find_in_both", lambda *pair: pairs.append(pair)
    )
    training, validation = whole().split(0.2)
    for data in (validation, NpyDataAdapter(validation), validation, whole()):
        warned_of(training, data)
    assert 2 == len(pairs)


def test_fit_refuses_an_adapter_of_validation_data_as_it_refuses_the_sequence() -> None:
    """At its beginning, and not behind the first epoch."""
    training = NpySequence.from_class_files({"a": "x_0.npy", "b": "x_1.npy"})
    other = NpySequence.from_class_files({"a": "x_0.npy", "c": "x_2.npy"})
    for validation in (other, NpyDataAdapter(other)):
        with pytest.raises(ValueError, match="must number its classes"):
            model_of_sums().fit(training, validation_data=validation, verbose=0)


def test_fit_of_too_many_rows_compares_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at all of them would take longer than a warning is worth."""
    monkeypatch.setattr("keras_npy.rows.in_both.ROWS_COMPARED", 99)
    seq = whole()
    assert [] == warned_of(seq, seq)
    assert 1 == len(warned_of(seq, seq.subset(slice(49))))
