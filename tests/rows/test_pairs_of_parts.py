"""Single files that are named after two folds, shards or patients."""

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
        ("x-shard-2", "y-shard-3", ("shard-2", "shard-3")),
        ("case01_x", "case02_y", ("case01", "case02")),
        ("speaker 7 wav", "speaker 8 text", ("speaker 7", "speaker 8")),
        ("sub-01_bold", "sub-02_mask", ("sub-01", "sub-02")),
        ("Patient3/ct", "patient4/seg", ("Patient3", "patient4")),
        *(
            (x, y, None)
            for x, y in [
                ("x_fold0", "y_fold0"),
                ("x_fold00", "y_fold0"),
                ("x_fold0", "y"),
                ("x_shard1", "y_fold2"),
                ("patient12_img", "patient12_msk"),
                ("x_sub2", "y_sub4"),
                ("x_sub_2", "y_sub_4"),
                ("sub01_x", "sub02_y"),
                ("p5_x", "p95_y"),
                ("p12_img", "p13_msk"),
                ("x_split80", "y_split20"),
                ("x-split-2", "y-split-3"),
                ("part1_x", "part2_y"),
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
    """As `x_train.npy` with `y_test.npy` does. Versions, shares and percentiles are no parts."""
    for name in (x, y):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 2)))
    sources = [make(f"{tmp_path}/{name}.npy") for name in (x, y)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NpySequence(*sources)
    said = [str(one.message) for one in caught if "same part, fold or patient" in str(one.message)]
    assert len(said) == (words is not None)
    if words is not None:
        assert "rows that belong together come from the same part" in said[0]
        assert f"{x}.npy of {words[0]!r} with " in said[0]
        assert f"{y}.npy of {words[1]!r}. " in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(*sources, check_names=False)
