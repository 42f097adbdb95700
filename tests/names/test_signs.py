"""Signs in names of files: minuses tell pairs apart, dashes that only separate do not."""

import itertools

import pytest

from keras_npy.names.partners import compare_names
from keras_npy.rows.sources import natural_order

CORNERS = [*itertools.product((-1, 1), (-1, 1))]
LATITUDES = (-2, -1, 1, 2)

APART = [
    pytest.param(
        natural_order([f"img/lat{a}_lon{-a}.npy" for a in LATITUDES]),
        natural_order([f"msk/lon{-a}_lat{a}.npy" for a in LATITUDES]),
        id="words-turned",
    ),
    pytest.param(
        natural_order([f"x{x}_y{y}" for x, y in CORNERS]),
        natural_order([f"y{y}_x{x}" for x, y in CORNERS]),
        id="corners",
    ),
    pytest.param(["tile_-3_12", "tile_3_12"], ["tile_3_-12", "tile_3_12"], id="other-number"),
    pytest.param(
        [f"lat-{a}.5_lon130.25" for a in (12, 13, 14)],
        ["lat12.5_lon130.25", "lat-13.5_lon130.25", "lat-14.5_lon130.25"],
        id="one-of-a-side-without",
    ),
    pytest.param(["f-5", "f5"], ["f_5_m", "f_-5_m"], id="turned"),
    pytest.param(
        [f"run1/p_{a}" for a in (-4, 4, 6)], [f"q_{a}" for a in (4, -4, 6)], id="behind-separator"
    ),
    pytest.param(
        [f"dx{a}_dy3" for a in (-4, 5, 6, 7)], [f"dx{a}_dy3" for a in (4, -5, 6, 7)], id="shifts"
    ),
]

ALIKE = [
    pytest.param(["case-1", "case2", "case3"], ["case1_m", "case-2_m", "case3_m"], id="sloppy"),
    pytest.param(["case-1", "case-2", "case-3"], ["case1", "case-2", "case-3"], id="sloppy-side"),
    pytest.param(["img-1", "img-2", "img-3"], ["msk_1", "msk_2", "msk_3"], id="separators"),
    pytest.param(["2024-01-30", "2024-01-31"], ["seg-2024_01_30", "seg-2024_01_31"], id="dates"),
    pytest.param(
        [f"x{x}_y{y}" for x, y in CORNERS], [f"m-y{y}_x{x}" for x, y in CORNERS], id="turned-alike"
    ),
    pytest.param(
        [f"{x}_{y}" for x, y in CORNERS], [f"m_{y}_{x}" for x, y in CORNERS], id="turned-by-place"
    ),
    pytest.param(
        [f"1_x{x}_y{y}" for x, y in CORNERS],
        [f"seg-1_x{x}_y{y}" for x, y in CORNERS],
        id="a-separator-beside-signs",
    ),
    pytest.param(
        [f"z{a:+d}" for a in (-10, -2, 3, 10)], [f"m_z{a}" for a in (-10, -2, 3, 10)], id="plus"
    ),
    pytest.param(["p-01_s1", "p-02_s1"], ["p1-s1-m", "p2-s1-m"], id="separators-elsewhere"),
    pytest.param(["temp-5", "temp5"], ["temp-5_m", "temp5_m"], id="temperatures"),
    pytest.param(
        ["550e8400-e29b-41d4", "6ba7b810-9dad-11d1"],
        ["550e8400-e29b-41d4_m", "6ba7b810-9dad-11d1_m"],
        id="uuids",
    ),
]


@pytest.mark.parametrize(("names", "others"), APART)
def test_names_whose_signs_differ_are_no_partners(names: list[str], others: list[str]) -> None:
    """Whichever side is x; beside themselves the same names agree."""
    assert {"differ"} == {compare_names(names, others).kind, compare_names(others, names).kind}
    assert {"partners"} == {compare_names(one, one).kind for one in (names, others)}


@pytest.mark.parametrize(("names", "others"), ALIKE)
def test_dashes_that_separate_and_equal_signs_are_accepted(
    names: list[str], others: list[str]
) -> None:
    """Dashes that all names have, sloppy ones, and signs in another place."""
    assert {"partners"} == {compare_names(names, others).kind, compare_names(others, names).kind}
