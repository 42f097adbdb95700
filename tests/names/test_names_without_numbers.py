"""A file without a number beside files that have one each is a partner by its words, or none."""

from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.names.partners import compare_names

ALONE = [
    pytest.param("scan{}", "seg{}", "_phantom", "_template", "differ", id="words"),
    pytest.param("chr{}", "lab_{}", "X", "Y", "differ", id="letters"),
    pytest.param("{}_chr", "{}_lab", "X", "Y", "differ", id="letters-in-front"),
    pytest.param("s2_t{}_256", "{}_v3", "x", "y", "differ", id="numbers-of-all"),
    pytest.param("scan{}", "seg{}", "_phantom", "_phantom", "partners", id="same-words"),
    pytest.param("chr{}", "lab_{}", "X", "X", "partners", id="same-letters"),
    pytest.param("chr{}", "{}_lab", "X", "x", "partners", id="other-place"),
    pytest.param("scan{}", "seg{}", "_mean", "_mean_of_all", "partners", id="more-words"),
    pytest.param("t{}", "y{}", "_all", "1_2", "doubtful", id="a-word-beside-numbers"),
    pytest.param("scan{}", "seg{}", "_ref", "_reference", "partners", id="abbreviation"),
    pytest.param("image{}", "m_{}", "", "", "partners", id="no-word"),
]


@pytest.mark.parametrize(("one", "other", "word", "other_word", "kind"), ALONE)
def test_names_of_which_one_has_no_number_are_compared_by_its_words(
    one: str, other: str, word: str, other_word: str, kind: str
) -> None:
    """Whatever numbers the folders of all files have, and all files."""
    names, others = (
        [f"{form.format(value)}.npy" for value in (*range(1, 6), alone)]
        for form, alone in ((one, word), (other, other_word))
    )
    for folder, other_folder in (("", ""), ("/data/2024/", "/data/7/"), ("a1/b2/", "a3/")):
        sides = [folder + name for name in names], [other_folder + name for name in others]
        for some, some_others in (sides, sides[::-1]):
            verdict = compare_names(some, some_others)
            assert kind == verdict.kind
            assert [some[5], some_others[5]] * (kind != "partners") == list(verdict.alone)


def test_sequence_of_files_without_a_number_that_are_no_partners_is_refused(tmp_path: Path) -> None:
    """Both are named as without a partner; without them, all is right."""
    for side, form, word in (("x", "scan{}", "_phantom"), ("y", "seg{}", "_template")):
        (tmp_path / f"2024_{side}").mkdir()
        for value in (1, 2, 3, word):
            np.save(tmp_path / f"2024_{side}" / f"{form.format(value)}.npy", np.zeros(2))
    x, y = (f"{tmp_path}/2024_{side}/*.npy" for side in "xy")
    message = r"Without a partner: \S*scan_phantom\.npy, \S*seg_template\.npy\. Leave these files"
    with pytest.raises(ValueError, match=message):
        NpySequence(samples(x), samples(y))
    (tmp_path / "2024_x" / "scan_phantom.npy").rename(tmp_path / "phantom.npy")
    (tmp_path / "2024_y" / "seg_template.npy").unlink()
    # Warnings are errors here.
    assert 3 == NpySequence(samples(x), samples(y)).num_samples
