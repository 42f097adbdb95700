"""Files of two wells, sessions or slides are no pair, also where other numbers agree."""

from itertools import product

import pytest

from keras_npy.names import wells as names_of_wells
from keras_npy.names.partners import compare_names
from keras_npy.names.wells import things_apart

PLATE = [*product("ABCDEFGH", range(1, 13))]

APART = [
    pytest.param("A01_s1 A02_s2 B01_s1", "A01_s1 A03_s2 B01_s1", "differ", id="next-well"),
    pytest.param("A01_s1 A01_s2 B02_s1", "A01_s1 A02_s2 B02_s1", "differ", id="well-and-site"),
    pytest.param(
        "r01c02f01 r01c02f02 r02c03f01", "r01c02f01 r01c03f02 r02c03f01", "differ", id="opera"
    ),
    pytest.param(
        "p1_A1_s1_c1 p1_B2_s2_c1 p1_C3_s3_c1",
        "A01s1_mask B02s2_mask C04s3_mask",
        "differ",
        id="unique-site",
    ),
    pytest.param("sub-1_1 sub-1_2 sub-2_3", "sub-1_1_m sub-2_2_m sub-2_3_m", "doubtful", id="sub"),
    pytest.param(
        "sub1_ses1_r1 sub1_ses2_r2 sub2_ses1_r1 sub2_ses2_r2",
        "sub1_ses1_r1 sub1_ses1_r2 sub2_ses1_r1 sub2_ses2_r2",
        "doubtful",
        id="ses",
    ),
]

ALIKE = [
    pytest.param("A01_s1 A02_s2 B01_s1", "m_a1_s1 m_a2_s2 m_b1_s1", id="wells"),
    pytest.param("A01_s1_w1 A02_s2_w1 B01_s1_w1", "A01_s1_w2 A02_s2_w2 B01_s1_w2", id="channels"),
    pytest.param("case1_v1 case2_v1 case3_v1", "case1_v1 case2_v2 case3_v1", id="versions"),
    pytest.param("p1_c1 p2_c1 p3_c2", "p1_c2 p2_c1 p3_c2", id="a-constant-letter"),
    pytest.param("A01_s1 B01_s2 C01_s3", "s1 s2 s3", id="one-side"),
    pytest.param("A01_s1 B01_s2 C01_s3", "H12_s1 G11_s2 F10_s3", id="reference-wells"),
    pytest.param("k1_s1_t5 k2_s1_t5 k3_s1_t5", "k1_s1_t5 k2_s2_t5 k3_s1_t5", id="no-thing"),
    pytest.param("1_run5 2_run5 3_run7", "1_run5 2_run7 3_run7", id="runs"),
    pytest.param("r1c1_x r1c2_x r2c1_x", "row1_col1 row1_col2 row2_col1", id="words-of-grid"),
    pytest.param("1_session7 2_session8", "1_session1 2_session2", id="sessions-count-otherwise"),
    pytest.param("0a3f9_1 177e0_2 2beef_3", "0a3f9_1 177e0_2 2beef_3", id="hashes"),
]


@pytest.mark.parametrize(("names", "others", "kind"), APART)
def test_files_of_two_wells_or_sessions_are_no_pair(names: str, others: str, kind: str) -> None:
    """The first pair that is apart is named, and both of its files are without a partner."""
    one, other = names.split(), others.split()
    verdict = compare_names(one, other)
    assert (kind, None) == (verdict.kind, verdict.belong)
    assert [one[verdict.first], other[verdict.first]] == verdict.alone
    assert kind == compare_names(other, one).kind
    assert "partners" == compare_names(one, one).kind == compare_names(other, other).kind


@pytest.mark.parametrize(("names", "others"), ALIKE)
def test_names_that_only_look_like_wells_are_accepted(names: str, others: str) -> None:
    """Versions, channels and runs may differ, and all wells may be others."""
    one, other = names.split(), others.split()
    kinds = {compare_names(one, other).kind, compare_names(other, one).kind}
    assert kinds <= {"partners", "unknown"}


@pytest.mark.parametrize("number", [4, 5, 10, 40, 96])
def test_sparse_plates_agree_with_their_own_masks_only(number: int) -> None:
    """Whatever wells are annotated, a mask of the next one is found."""
    for step in (13, 5, 17):
        wells = [PLATE[at * step % 96] for at in range(number)]
        names = [f"{row}{column:02}_s{at % 4}" for at, (row, column) in enumerate(wells)]
        others = [f"{name}_mask" for name in names]
        assert "partners" == compare_names(names, others).kind
        row, column = wells[1]
        # Of the well that is next in the row.
        others[1] = f"{row}{column % 12 + 1:02}_s1_mask"
        assert compare_names(names, others).kind in ("differ", "doubtful")


EQUAL = [
    pytest.param("x/{}.npy", "y/{}.npy", id="folders"),
    pytest.param("d/img_{}.npy", "d/mask_{}.npy", id="words-in-front"),
    pytest.param("d/{}_t1.npy", "e/{}_t1_mask2.npy", id="words-behind"),
    pytest.param("plate1/{}_w1.npy", "plate2/{}_w2.npy", id="numbers"),
]


@pytest.mark.parametrize(("form", "other_form"), EQUAL)
def test_names_that_are_equal_but_for_folder_and_words_are_not_read(
    form: str, other_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wells and subjects of 100,000 names take a second to read, and cannot be apart."""
    wells = [f"{row}{column:02}_s{column}" for row, column in PLATE]
    names, others = ([each.format(well) for well in wells] for each in (form, other_form))
    assert things_apart(names, others) is None
    others[5] = other_form.format("A07_s6")
    assert things_apart(names, others) is not None
    others[5] = other_form.format(wells[5])

    def read(names: object) -> None:
        pytest.fail("read")

    monkeypatch.setattr(names_of_wells, "all_numbers", read)
    assert things_apart(names, others) is None
