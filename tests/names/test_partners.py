"""What the names of files say of pairs: right, certainly wrong, in doubt, or nothing."""

import datetime
import random
from itertools import product
from typing import Any

import pytest

from keras_npy.names.partners import compare_names
from keras_npy.rows.sources import natural_order


def named(pattern: str, numbers: Any) -> list[str]:
    return [pattern.format(number) for number in numbers]


FEW = (1, 2, 3, 4)
DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]

NAMES = [
    pytest.param(named("img/{}", (1, 2, 3)), named("msk/{}", (1, 2, 3)), "partners", id="folders"),
    pytest.param(
        named("case_{}.npy", (2, 9, 10)),
        named("case_{}_mask.npy", (2, 9, 10)),
        "partners",
        id="end",
    ),
    pytest.param(
        named("{}.npy", (2, 9, 10)), named("{:04}_seg.npy", (2, 9, 10)), "partners", id="zeros"
    ),
    pytest.param(
        named("case_{}/t1_256.npy", (2, 9)),
        named("case_{}/seg_1.npy", (2, 9)),
        "partners",
        id="cases",
    ),
    pytest.param(["ann/t1", "bo/t1"], ["ann/seg", "bo/seg"], "partners", id="words"),
    pytest.param(
        ["ann_1", "ann_2", "bo_1"], ["1_of_ann", "2_of_ann", "1_of_bo"], "partners", id="turned"
    ),
    pytest.param(named("x_{}", DAYS), named("y_{}_v2", DAYS), "partners", id="dates"),
    pytest.param(
        ["case1_v1", "case2_v2", "case3_v1"],
        ["case1_v3", "case2_v1", "case3_v1"],
        "partners",
        id="versions",
    ),
    pytest.param(
        ["1_at_1711", "2_at_1715"], ["1_at_1802", "2_at_1803"], "partners", id="times-of-day"
    ),
    pytest.param(["a3f9", "77e0", "beef"], ["a3f9", "77e0", "beef"], "partners", id="hashes"),
    pytest.param(["1", "1", "2", "2"], ["1_1", "1_2", "2_1", "2_2"], "partners", id="captions"),
    pytest.param(["x", "y"], ["p", "q"], "unknown", id="nothing-alike"),
    pytest.param(["1", "1", "2"], ["1_c", "2_c", "3_c"], "unknown", id="numbered-captions"),
    pytest.param(["x_train", "x_test"], ["y_train", "y_test"], "partners", id="named-parts"),
    pytest.param(
        ["a_2024-01-05_1", "a_2024-02-09_2"], ["l_1", "l_2"], "partners", id="more-on-one-side"
    ),
    pytest.param(["x_train", "x_test"], ["y_test", "y_train"], "differ", id="turned-parts"),
    pytest.param(["LEFT_1", "RIGHT_1"], ["right_1", "left_1"], "differ", id="capitals"),
    pytest.param(["Ann", "Bo"], ["ann_m", "bo_m"], "partners", id="other-capitals"),
    pytest.param(
        ["p1_s1", "p1_s2", "p2_s1"], ["p1_s1_m", "p2_s1_m", "p1_s2_m"], "differ", id="turned-pairs"
    ),
    pytest.param(
        ["p1_s1", "p1_s2", "p2_s1", "p2_s2"],
        ["s1_p1", "s2_p1", "s1_p2", "s2_p2"],
        "partners",
        id="turned-words",
    ),
    pytest.param(
        ["2024-01-02", "2024-02-01"], ["2024-02-01", "2024-01-02"], "doubtful", id="day-or-month"
    ),
    pytest.param(named("t1_{}", (11, 12)), named("t2_{}", (31, 32)), "unknown", id="other-numbers"),
    pytest.param(["a3f9", "77e0", "beef"], ["c0", "d4d5", "11a"], "strangers", id="other-hashes"),
    pytest.param(["a3f9", "77e0", "beef"], ["a3f9", "beef", "c0d1"], "differ", id="hash-missing"),
    pytest.param(["3f2a", "a91c", "b0"], ["3f2a", "a91d", "b0"], "doubtful", id="letter-of-a-hash"),
    pytest.param(["1_v2", "2", "3"], ["1", "2", "3"], "partners", id="a-version"),
    pytest.param(["ann", "bo", "bo_1"], ["ann", "bo", "bo_01"], "partners", id="zeros-in-some"),
    pytest.param(named("x{}", range(9)), named("y{}", range(1, 10)), "doubtful", id="from-0-and-1"),
    pytest.param(
        named("case_{}", range(6)),
        [f"case_{i}_{side}" for i in range(3) for side in "LR"],
        "doubtful",
        id="two-sides-of-half",
    ),
    pytest.param(
        [f"img{at:03d}" for at in range(1, 97)],
        [f"r{row:02d}_c{column:02d}" for row in range(1, 9) for column in range(1, 13)],
        "unknown",
        id="counter-beside-a-grid",
    ),
    pytest.param(
        named("img{}", range(6)),
        [f"p{i}_{side}" for i in range(3) for side in "LR"],
        "unknown",
        id="two-sides-counted-otherwise",
    ),
    pytest.param(named("x{}", (1, 50, 700)), named("y{}", (1, 2, 3)), "doubtful", id="renumbered"),
    pytest.param(named("{}", (1, 2, 3, 4)), named("{}", (1, 3, 4, 5)), "differ", id="one-missing"),
    pytest.param(named("{}", (1, 2, 3)), named("{}_m", (1, 2, 4)), "differ", id="the-last-missing"),
    pytest.param(named("{}", (1, 2, 10)), named("{}", (1, 10, 2)), "differ", id="sorted-as-text"),
    pytest.param(["ann", "bo", "cy"], ["ann", "cy", "di"], "differ", id="a-word-is-missing"),
    pytest.param(
        ["ann/1", "ann/2", "bo/1"], ["ann/1", "bo/1", "bo/2"], "differ", id="a-slice-is-missing"
    ),
    *(
        pytest.param(named(one, FEW), named(other, FEW), kind, id=f"{one}-{other}")
        for one, other, kind in (
            ("sub-01_ses-{}", "sub-{:02}_ses-1", "differ"),
            ("sub01/ses{}", "sub{}/ses1", "differ"),
            ("p01_t{}_s1", "seg-p{}-s1", "doubtful"),
            ("1_{}", "{}_1", "doubtful"),
            ("case{0}_v1", "case{0}_v{0}", "partners"),
            ("fold1/case{0}", "fold{0}/case{0}", "partners"),
            ("sub1_{}", "{}_sub1", "partners"),
            ("2017_{}", "{}_2017", "partners"),
            ("cam1_{}", "cam2_{}", "partners"),
        )
    ),
    pytest.param(
        ["0102", "0103", "0201"], ["p01_s03", "p02_s01", "p02_s02"], "doubtful", id="joined-moved"
    ),
    pytest.param(["102", "203"], ["s02_p1_v2", "s03_p2_v3"], "partners", id="joined-turned"),
    pytest.param(["11", "12", "13"], ["1_1", "1_2", "1_3"], "partners", id="joined-without-zeros"),
    *(
        pytest.param(["20230304", "2023-04-03"], [f"a{one}", f"a{other}"], "doubtful", id=one)
        for day in ("{}-{}-2023", "{}{}2023", "lab_{}_{}_23")
        for one, other in [[day.format(*order) for order in (["03", "04"], ["04", "03"])]]
    ),
    pytest.param(
        ["1_2023-03-04", "2_2023-04-03"],
        ["1_04-03-2023", "2_03-04-2023"],
        "partners",
        id="days-and-numbers",
    ),
    pytest.param(["d-5", "d5"], ["lab_-5", "lab_5"], "partners", id="signs"),
    pytest.param(["d-5", "d5"], ["lab_5", "lab_-5"], "differ", id="turned-signs"),
    pytest.param(["x11", "x12", "x13"], ["1_4", "2_5", "3_6"], "unknown", id="not-joined"),
    pytest.param(
        named("x/{}", DAYS),
        named("y/{}", [*DAYS[1:], DAYS[0]]),
        "differ",
        id="turned-days",
    ),
]


@pytest.mark.parametrize(("names", "others", "kind"), NAMES)
def test_names_say_whether_files_are_partners(
    names: list[str], others: list[str], kind: str
) -> None:
    """Whichever side is x, and whatever folders the files lie in."""
    for one, other in ((names, others), (others, names)):
        assert kind == compare_names(one, other).kind
        beside = [f"/data/2024/set 7/{name}" for name in other]
        assert kind == compare_names([f"/other/{name}.npy" for name in one], beside).kind


GRID = [*product((1, 2, 3), (1, 2, 3))]
OBLONG = [*product((1, 2, 3), (1, 2, 3, 4))]

FIVE = [tuple(number * n % 11 % 9 for n in (1, 3, 4, 7, 9)) for number in range(1, 9)]

UIDS = [(random.Random(digits).randrange(10**digits),) for digits in range(20, 39)]
HASHES = [(f"{random.Random(seed).getrandbits(40):010x}",) for seed in range(12)]


def days(step: int, number: int) -> list[tuple[datetime.date]]:
    first = datetime.date(2023, 1, 5)
    return [(first + datetime.timedelta(step * at),) for at in range(number)]


RIGHT_IN_NATURAL_ORDER = [
    pytest.param("sub-{0:02}_ses-{1:02}_T1w", "sub-{0:02}_ses-{1:02}_T1w_label", GRID, id="bids"),
    pytest.param("case_{0:04}_000{1}", "case_{0:04}_000{1}_gt", GRID, id="nnunet"),
    pytest.param("BRATS_{0:03}{1}_0000", "BRATS_{0:03}{1}", GRID, id="one-channel"),
    pytest.param("v2_case{0}_s{1}", "case{0}/v1/s{1}", GRID, id="constant-numbers"),
    pytest.param("{0}_{1}", "tile_{0}_{1}_mask", GRID, id="two-numbers"),
    pytest.param("x_train_part{0}{1}_of_33", "y_train_part{0}{1}_of_33", GRID, id="of-so-many"),
    pytest.param("bonn_{0:06}_{1:06}_left8bit", "bonn_{0:06}_{1:06}_gt", GRID, id="cityscapes"),
    pytest.param("2011_09_drive_{0:04}/{1:010}", "velo/2011_09_drive_{0}/{1}", GRID, id="kitti"),
    pytest.param("img{0}{1}_512x512", "mask{0}{1}_256x256", GRID, id="sizes"),
    pytest.param("lr_{0}.{1}", "y_lr_{0}.{1}", GRID, id="decimals"),
    pytest.param("train_x_{0:02}", "train_y_{0:02}", [(n,) for n in range(12)], id="numbers"),
    pytest.param("z{0}", "z{0:+d}_m", [(n,) for n in (-10, -2, 3, 10)], id="signs"),
    pytest.param("{0}_{0}", "{0}", [("ann",), ("bo",)], id="said-twice"),
    # In one character, and in two.
    pytest.param("{0}", "{1}_m", [("x\xfc", "xu\u0308"), ("xa", "xa")], id="umlauts"),
    pytest.param("1.3.6.1.4.{0}", "masks/1.3.6.1.4.{0}_m", UIDS, id="uids"),
    pytest.param("{0}", "seg-{0}_v2", HASHES, id="hashes"),
    pytest.param("{0}_m04fp_{0}", "{0}", HASHES, id="hashes-and-more"),
    pytest.param("{0:%Y-%m-%d}_cam2", "cam2_{0:%Y-%m-%d}", days(11, 9), id="dates"),
    pytest.param("IMG_{0:%Y%m%d}_120000", "{0:%Y-%m-%d}_12-00-00", days(11, 9), id="stamps"),
    pytest.param("{0:%Y-%m}", "{0:%Y_%m}_mean", days(31, 24), id="months"),
]

WRONG_IN_NATURAL_ORDER = [
    pytest.param("sub-{0}_ses-{1}", "ses-{1}_sub-{0}", GRID, id="bids-turned"),
    pytest.param("tile_x{0}_y{1}", "tile_y{1}_x{0}_mask", GRID, id="tiles"),
    pytest.param("{0}x_{1}y", "{1}y_{0}x", GRID, id="word-behind"),
    pytest.param("{0:02}{1:02}", "s{1:03}p{0:02}", OBLONG, id="numbers-together"),
    pytest.param("N{0}E{1:03}", "E{1:03}N{0}", GRID, id="degrees"),
    pytest.param("sub{0}/ses{1}/x", "ses{1}/sub{0}/y", GRID, id="folders"),
    pytest.param("case{0}_{1}", "{1}_case{0}", GRID, id="one-word"),
    pytest.param("vid{0}/sub{0}_f{1}", "f{1}/vid{0}", GRID, id="said-twice"),
    pytest.param("{0}_{1}", "{1}_{0}", [(1, 12), (2, 10), (2, 11)], id="by-values"),
    pytest.param("s{0}_r{1}", "r{1}_s{0}", [(1, 10), (2, 1)], id="two-files"),
    # More orders of five numbers than are tried.
    pytest.param("{0}_{1}_{2}_{3}_{4}", "{3}_{4}_{0}_{2}_{1}", FIVE, id="five-numbers"),
    pytest.param("{0}_{1}", "m_{1}_{0}", [*product((1, 2), "LR")], id="left-right"),
    pytest.param("{0}/{1}", "{1}/{0}", [*product("ab", (1, 2))], id="part-folders"),
    pytest.param("{0}_{1}", "{1}_{0}", [("van_a", 1), ("bo", 2), ("cy", 1)], id="ragged-names"),
    pytest.param("{0}_{1}", "{1}_{0}", [("b7", "q"), ("77e", "p"), ("c", "p")], id="ragged"),
    pytest.param("{0}", "{1}", [("one", 1), ("two", 2), ("three", 3)], id="words-and-numbers"),
    pytest.param("{0}", "{1}", [("iv", 4), ("v", 5), ("ix", 9)], id="roman"),
    pytest.param("{0}", "{1}_m", [("A1", "a1"), ("b2", "B2"), ("C3", "c3")], id="capitals"),
    pytest.param("{0:%Y-%m-%d}", "{0:%d-%m-%Y}", days(15, 4), id="dates"),
    pytest.param("s_{0:%Y-%m-%d}", "s_{0:%d-%m-%Y}", days(31, 24), id="dates-of-years"),
    pytest.param("{0:%Y-%m-%d}", "{0:%m-%d-%Y}", days(31, 24), id="american-dates"),
    pytest.param("{0:%Y%m%d}", "{0:%d%m%Y}", days(15, 4), id="compact-dates"),
    pytest.param("{0:%Y%m%d}", "x{0:%d-%m-%Y}", days(15, 4), id="one-compact-date"),
    pytest.param("{0:%Y-%m}", "{0:%b_%Y}", days(31, 12), id="names-of-months"),
    pytest.param(
        "{0:%Y-%m-%d}_cam{1}",
        "cam{1}_{0:%Y-%m-%d}",
        [(day, camera) for (day,) in days(9, 4) for camera in (1, 2)],
        id="days-and-cameras",
    ),
]


@pytest.mark.parametrize(("one", "other", "rows"), RIGHT_IN_NATURAL_ORDER)
def test_names_of_partners_agree(one: str, other: str, rows: list[Any]) -> None:
    """As patterns find them, too. The habits of public data sets are no error; a turned side is."""
    names, others = [one.format(*row) for row in rows], [other.format(*row) for row in rows]
    assert "partners" == compare_names(names, others).kind
    assert "partners" == compare_names(natural_order(names), natural_order(others)).kind
    assert "differ" == compare_names(names, others[1:] + others[:1]).kind


@pytest.mark.parametrize(("one", "other", "rows"), WRONG_IN_NATURAL_ORDER)
def test_names_of_partners_that_sort_differently_differ(
    one: str, other: str, rows: list[Any]
) -> None:
    """As patterns find them, and the right partner is named. Listed alike they agree."""
    names, others = [one.format(*row) for row in rows], [other.format(*row) for row in rows]
    partners = dict([*zip(names, others, strict=True), *zip(others, names, strict=True)])
    assert "partners" == compare_names(names, others).kind
    verdict = compare_names(natural_order(names), natural_order(others))
    assert ("differ", []) == (verdict.kind, verdict.alone)
    assert verdict.belong is not None
    assert verdict.belong[1] == partners[verdict.belong[0]]


SECOND_VERSIONS = [
    *(
        pytest.param("case_{0}", "case_{0}_seg", extra, id=extra)
        for extra in (
            *("case_12_seg_old", "case_12_seg-corrected", "12_old_seg", "old_case_12_seg"),
            *("case_12_seg_v2", "case_12_seg_old2", "case_12_seg (1)", "case_12_seg_1"),
        )
    ),
    pytest.param("{0:03}_t1", "{0}_L", "12_R", id="both-sides-of-one"),
    pytest.param("p{0}_256", "seg_p{0}_v1", "seg_p12_v2", id="versions"),
    pytest.param("{0}", "{0}_2023-05-{0:02}", "12_2023-06-01", id="days"),
    pytest.param("{0}", "case_{0}_r1", "case_12_r2", id="raters"),
    pytest.param("{1}", "{1}_m", "lil_m_copy", id="words"),
]

WORDS = "ann bo cy dee ed fay gus hal ian jo kim lil mo ned ola pam quin rob sue ted".split()


@pytest.mark.parametrize(("one", "other", "extra"), SECOND_VERSIONS)
def test_names_of_a_second_version_and_without_a_partner_differ(
    one: str, other: str, extra: str
) -> None:
    """It takes the place of the one that is missing, and moves those between. In order it is none.

    A second version that stands for the first one is right.
    """
    rows = [*enumerate(WORDS, start=1)]
    names, others = [one.format(*row) for row in rows], [other.format(*row) for row in rows]
    with_extra = natural_order([*others[:6], *others[7:], extra])
    for pair in ((natural_order(names), with_extra), (with_extra, natural_order(names))):
        verdict = compare_names(*pair)
        assert "differ" == verdict.kind
        # Of two files of one case, nobody knows which is the second.
        assert {*verdict.alone} in ({names[6], extra}, {names[6], others[11]})
    assert "differ" == compare_names(names, [*others[:6], *others[7:], extra]).kind
    instead = [extra if name == others[11] else name for name in others]
    assert "partners" == compare_names(names, instead).kind


def test_names_of_which_one_has_no_number_differ() -> None:
    """The mean of all files is no partner of one of them."""
    with_mean = [*named("{}_seg", range(1, 7)), *named("{}_seg", range(8, 13)), "mean_seg"]
    verdict = compare_names(named("{}", range(1, 13)), with_mean)
    assert ("differ", ["7", "mean_seg"]) == (verdict.kind, verdict.alone)


IN_DOUBT = [
    pytest.param(
        named("{}", range(10)),
        [*named("a/{}", range(7)), *named("b/{}", range(3))],
        "unknown",
        id="counted-in-each-folder",
    ),
    pytest.param(
        named("{}", range(1, 11)),
        [*named("{}", range(4, 11)), *named("{}_old", (7, 8, 9))],
        "doubtful",
        id="many-second-versions",
    ),
    pytest.param(
        ["p1_post", "p1_pre", "p2_post", "p2_pre"],
        ["p1_1_m", "p1_2_m", "p2_1_m", "p2_2_m"],
        "strangers",
        id="words-of-a-case",
    ),
    pytest.param(
        ["p1_10", "p1_20", "p2_10", "p2_20"],
        ["p1_3", "p1_4", "p2_5", "p2_6"],
        "unknown",
        id="numbers-of-a-case",
    ),
    pytest.param(
        ["p1_left", "p1_right", "p2_left", "p2_right"],
        ["p1_L", "p1_R", "p2_L", "p2_R"],
        "unknown",
        id="abbreviations",
    ),
    pytest.param(["eins", "zwei"], ["1", "2"], "strangers", id="other-language"),
    pytest.param(["x_a", "x_b", "x_c"], ["y_1", "y_2", "y_3"], "unknown", id="letters-or-numbers"),
    pytest.param(named("img_{}", (5, 6, 7)), named("{}", (0, 1, 2)), "unknown", id="renumbered"),
    pytest.param(["0_ann", "1_bo", "2_cy"], ["0_cy", "1_ann", "2_bo"], "doubtful", id="index"),
    pytest.param(
        ["0_1", "2_5", "3_6", "4_9"], ["0_1", "2_4", "3_6", "4_9"], "doubtful", id="one-of-many"
    ),
    pytest.param(["s5_v1", "s6_v2"], ["l0_v2", "l1_v1"], "doubtful", id="versions-of-two"),
    pytest.param(
        ["20240130", "20240131", "20240201"],
        ["2024-01-31", "2024-02-01", "2024-02-02"],
        "doubtful",
        id="the-next-day",
    ),
    pytest.param(["1", "1", "2", "2"], ["1_1", "2_1", "1_2", "2_2"], "doubtful", id="captions"),
    pytest.param(["100.9", "102.1", "103.0"], ["101.0", "102.2", "103.1"], "doubtful", id="times"),
    pytest.param(["1.17", "1.51", "2.02"], ["1.16", "1.50", "2.03"], "unknown", id="times-near"),
]


@pytest.mark.parametrize(("names", "others", "kind"), IN_DOUBT)
def test_names_that_say_little_are_no_error(names: list[str], others: list[str], kind: str) -> None:
    """Both sides may be right."""
    assert kind == compare_names(names, others).kind == compare_names(others, names).kind
