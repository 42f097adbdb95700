"""Decimals in names of files are compared as decimals, and other numbers with points as before."""

from typing import Any

import pytest

from keras_npy.names.partners import compare_names
from keras_npy.rows.sources import natural_order

GRID_9 = [(case, frame) for case in (1, 2, 3) for frame in range(1, 10)]
GRID_12 = [(case, frame) for case in (1, 2, 3) for frame in range(1, 13)]
STEPS = [step / 20 for step in range(21)]

DECIMALS = [
    # A zero in front counts.
    pytest.param("0.05 0.25 1.0", "0.5 0.25 1.0", "differ", ["0.05", "0.5"], id="0.05-and-0.5"),
    pytest.param("0.25 1.0 1.5", "0.25 1.0 1.05", "differ", ["1.5", "1.05"], id="1.5-and-1.05"),
    pytest.param("0.001 0.1 1.0", "0.01 0.1 1.0", "differ", ["0.001", "0.01"], id="powers"),
    pytest.param("0.1 0.2 0.3", "0.01 0.2 0.3", "differ", ["0.1", "0.01"], id="tenth"),
    pytest.param("-0.5 0.0 0.5", "-0.50 0.00 0.05", "differ", ["0.5", "0.05"], id="signs"),
    pytest.param(
        "0.05 0.15 0.25", "0.5 0.15 0.25", "doubtful", ["0.05", "0.5"], id="may-be-two-numbers"
    ),
    pytest.param("0p05 0p25 1p0", "0p5 0p25 1p0", "differ", ["0p05", "0p5"], id="p"),
    pytest.param("0,05 0,25 1,0", "0.5 0.25 1.0", "differ", ["0,05", "0.5"], id="commas"),
    # Zeros behind do not.
    pytest.param("0p5 0p75 1p0 1p25", "0.50 0.75 1.00 1.25", "partners", [], id="p-and-points"),
    pytest.param("0,5 0,75 1 1,25", "0p50 0p75 1p00 1p25", "partners", [], id="commas-and-p"),
    pytest.param("0.5 0.75 1.0 1.25", "0.50 0.75 1.00 1.25", "partners", [], id="zeros"),
    pytest.param(
        "0.001 0.01 0.1 1.0", "0.001 0.010 0.100 1.000", "partners", [], id="zeros-of-powers"
    ),
    pytest.param("-0.5 0.0 0.5", "-0.50 0.00 0.50", "partners", [], id="zeros-and-signs"),
    pytest.param("0 0.5 1 1.5", "0.00 0.50 1.00 1.50", "partners", [], id="whole-numbers"),
    pytest.param("0.5 1.5 10.5", "00.50 01.50 10.50", "partners", [], id="zeros-in-front"),
    pytest.param("0.1 0.2 0.3", "10 20 30", "partners", [], id="percent"),
    pytest.param("0.05 0.5 1.0", "0_05 0_5 1_0", "partners", [], id="other-points"),
    pytest.param("0.1 0.2 0.5", "0.10 0.20 0.75", "differ", ["0.5", "0.75"], id="another"),
]


@pytest.mark.parametrize(("values", "others", "kind", "alone"), DECIMALS)
def test_names_of_decimals_are_compared_by_value(
    values: str, others: str, kind: str, alone: list[str]
) -> None:
    """As listed, whichever side is x, and whatever version the folders of all files have."""
    names = [f"x/dose{value}" for value in values.split()]
    other_names = [f"y/dose{value}_m" for value in others.split()]
    for folder in ("", "/data/v1.05/", "/data/3.05/"):
        sides = [[f"{folder}{name}.npy" for name in side] for side in (names, other_names)]
        for one, other in (sides, sides[::-1]):
            verdict = compare_names(one, other)
            assert kind == verdict.kind
            found = [name.split("dose")[1].split(".npy")[0] for name in verdict.alone]
            assert {*alone} == {value.removesuffix("_m") for value in found}


COUNTED: list[Any] = [
    pytest.param("s{0}.{1}", "s{0}.{1:02}", GRID_9, id="two-numbers"),
    pytest.param("s{0}.{1}", "s{0}.{1:02}", GRID_12, id="more-than-nine"),
    pytest.param("s{0:02}.{1:02}", "s{0}_{1}", GRID_12, id="other-separator"),
    pytest.param("v1.{1}", "v1.{1:02}", GRID_9[:9], id="versions"),
    pytest.param("2019.{1:02}", "2019.{1}", [(1, 5), (1, 11), (1, 12)], id="months"),
    pytest.param("2019.{1:02}.03", "2019.{1}.3", [(1, 5), (1, 11), (1, 12)], id="dates"),
    pytest.param("10.0.0.{1}", "10.0.0.{1:03}", GRID_9[:9], id="addresses"),
    pytest.param("s1p{1:02}", "s1p{1}", [(1, 5), (1, 11), (1, 12)], id="subjects-and-parts"),
    pytest.param("{0}p{1}", "{0}p{1:02}", GRID_12, id="more-parts-than-nine"),
    pytest.param("s{0}_{1}_1.5mm", "s{0}.{1}", GRID_9, id="one-size-of-all"),
    pytest.param("s{0}_{1}_t{1}.5", "s{0}.{1}_{1}.5", GRID_9, id="one-of-two"),
    pytest.param("v{0}.{1}_1.5mm", "s{0}.{1}_2.05mm", GRID_9, id="versions-on-one-side"),
    pytest.param("x{1}_1.5mm", "y{1:02}_2.05mm", GRID_12[:12], id="sizes-of-all"),
]


@pytest.mark.parametrize(("one", "other", "rows"), COUNTED)
def test_names_of_numbers_with_points_that_count_are_no_decimals(
    one: str, other: str, rows: list[tuple[int, int]]
) -> None:
    """A zero in front of those does not count, nor does the order of either side differ."""
    names, others = ([f"{side.format(*row)}.npy" for row in rows] for side in (one, other))
    assert "partners" == compare_names(names, others).kind == compare_names(others, names).kind
    assert "partners" == compare_names(natural_order(names), natural_order(others)).kind


def test_names_of_decimals_beside_hashes_are_partners() -> None:
    """Their letters and digits are no words."""
    hashes = ("vd34dec", "vb05e9", "vb3c1a5")
    names, others = (
        [f"{word}{value}/{name}" for value, name in zip(values, hashes, strict=True)]
        for word, values in (("s", ("2.03", "0.5", "1.2")), ("p", ("2.03", "0.50", "1.20")))
    )
    assert "partners" == compare_names(names, others).kind


def test_names_of_decimals_that_sort_differently_are_refused_with_their_partner() -> None:
    """Natural order is that of two numbers: t0.1 is before t0.05. None is without a partner."""
    names, others = ([f"t{step:{form}}.npy" for step in STEPS] for form in ("g", ".3f"))
    verdict = compare_names(natural_order(names), natural_order(others))
    assert ("differ", []) == (verdict.kind, verdict.alone)
    assert ("t0.1.npy", "t0.100.npy") == verdict.belong
    # What the remedy says: both in the same order.
    assert "partners" == compare_names(names, others).kind


def test_names_of_decimals_whose_zeros_do_not_sort_differently_are_partners() -> None:
    """As two patterns find them."""
    for values in ("0.5 0.75 1.0 1.25", "0.001 0.01 0.1 1.0"):
        names = [f"dose{value}.npy" for value in values.split()]
        others = [f"dose{float(value):.3f}.npy" for value in values.split()]
        assert natural_order(names) == names
        assert "partners" == compare_names(names, natural_order(others)).kind


def test_names_of_which_one_has_no_number_beside_two_sides_of_each_are_read() -> None:
    """That name stands for itself, and was taken for a number: int() raised."""
    names = [*(f"t{number}" for number in range(9)), "t_all"]
    others = [f"t{number}_{side}" for number in range(1, 6) for side in "LR"]
    assert "unknown" == compare_names(names, others).kind == compare_names(others, names).kind
