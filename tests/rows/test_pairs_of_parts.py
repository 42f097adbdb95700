"""Single files that are named after two folds, parts or patients."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence


def single(path: str) -> Any:
    return path


def a_list(path: str) -> Any:
    return [path]


def a_pattern(path: str) -> Any:
    return f"{path[:-2]}*"


@pytest.mark.parametrize("make", [single, a_list, a_pattern])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("x_fold0", "y_fold1", ("fold0", "fold1")),
        ("fold_0/x", "fold_1/y", ("fold_0", "fold_1")),
        ("x-split-2", "y-split-3", ("split-2", "split-3")),
        ("x_part01", "y_part02", ("part01", "part02")),
        ("p12_img", "p13_msk", ("p12", "p13")),
        ("sub-01_bold", "sub-02_mask", ("sub-01", "sub-02")),
        ("Patient3/ct", "patient4/seg", ("Patient3", "patient4")),
        *(
            (x, y, None)
            for x, y in [
                ("x_fold0", "y_fold0"),
                ("x_fold00", "y_fold0"),
                ("x_fold0", "y"),
                ("x_part1", "y_fold2"),
                ("p12_img", "p12_msk"),
                ("x_v1", "y_v2"),
                ("x_2020", "y_2021"),
                ("x_day1", "y_day2"),
                ("patient1_scan1", "patient1_scan2"),
                ("x_p5", "y_p95"),
                ("x64p2", "y32p4"),
                ("resnet50", "labels10"),
                ("apart1", "apart2"),
            ]
        ),
    ],
)
def test_single_files_of_two_folds_or_patients_give_a_warning(
    tmp_path: Path, make: Any, x: str, y: str, words: tuple[str, str] | None
) -> None:
    """As `x_train.npy` with `y_test.npy` does. Versions and days are no parts."""
    for name in (x, y):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 2)))
    sources = [make(f"{tmp_path}/{name}.npy") for name in (x, y)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NpySequence(*sources)
    said = [str(one.message) for one in caught if "of the data set" in str(one.message)]
    assert len(said) == (words is not None)
    if words is not None:
        assert f"{x}.npy of {words[0]!r} with " in said[0]
        assert f"{y}.npy of {words[1]!r}. " in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(*sources, check_names=False)
