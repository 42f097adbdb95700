"""Warnings point at the line of the user's that led to them."""

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_npy
from keras_npy import errors
from tests.conftest import make_model


def line_of_warning(caught: list[warnings.WarningMessage]) -> tuple[str, str]:
    """The file and the text of the line that the only warning is of."""
    (one,) = caught
    return one.filename, Path(one.filename).read_text().splitlines()[one.lineno - 1].strip()


@pytest.fixture
def fortran(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.zeros((12, 4))))
    return tmp_path / "x.npy"


def test_layout_warning_is_of_the_line_that_names_the_file(fortran: Path) -> None:
    """Whichever way the file is opened."""
    for number in range(5):
        errors.SAID.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if number == 0:
                keras_npy.NpySequence(fortran)  # here
            elif number == 1:
                keras_npy.open_rows(fortran)  # here
            elif number == 2:
                keras_npy.samples([fortran])  # here
            elif number == 3:
                keras_npy.NpyInputLayer().adapt(fortran)  # here
            else:
                keras_npy.Input(fortran)  # here
        filename, line = line_of_warning(caught)
        assert __file__ == filename
        assert line.endswith("# here")


def test_warning_in_fit_is_of_the_line_that_calls_fit() -> None:
    """Through Keras's own frames."""
    seq = keras_npy.NpySequence(np.zeros((8, 6, 5), "uint8"), np.zeros(8), batch_size=4)
    model = make_model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(seq, shuffle=False, steps_per_epoch=3, verbose=0)  # here
    # Keras and torch may warn of things of their own.
    ours = [one for one in caught if "starts again at its first row" in str(one.message)]
    filename, line = line_of_warning(ours)
    assert __file__ == filename
    assert line.endswith("# here")


@pytest.mark.parametrize("slow_s", [1, 0], ids=["reader-thread", "threads-of-samples"])
def test_warning_in_a_thread_of_ours_is_of_the_line_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_s: float
) -> None:
    """One sample of many lies in another order of axes, which is seen when it is read."""
    monkeypatch.setattr("keras_npy.files.side_by_side.SLOW_S", slow_s)
    for number in range(20):
        order = "F" if number == 17 else "C"
        np.save(tmp_path / f"{number:02}.npy", np.full((2, 3), number, order=order))
    seq = keras_npy.NpySequence(keras_npy.samples(f"{tmp_path}/*.npy"), batch_size=20)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        feed = keras_npy.NpyDataAdapter(seq).get_numpy_iterator()
        ((x,),) = list(feed)  # here
    assert list(range(20)) == x[:, 1, 2].tolist()
    filename, line = line_of_warning(caught)
    assert __file__ == filename
    assert line.endswith("# here")


def test_warning_in_a_thread_without_a_line_of_the_users_is_given(recwarn: Any) -> None:
    """It is of the outermost line."""
    thread = threading.Thread(target=errors.warn_once, args=("thread", "said"))
    thread.start()
    thread.join()
    assert ["said"] == [str(one.message) for one in recwarn]


def test_warn_once_is_given_once_for_each_kind(recwarn: Any) -> None:
    """Of two kinds each is said."""
    for _ in range(3):
        errors.warn_once("one", "first")
        errors.warn_once("other", "second", keras_npy.NpyLayoutWarning)
    assert ["first", "second"] == [str(one.message) for one in recwarn]
