"""Moments that both sides write in ways of their own are compared as moments."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.names.partners import compare_names

SIX_HOURS = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=6 * at) for at in range(12)]
DAYS = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=at) for at in range(40)]


def written(times: Sequence[datetime], form: str, prefix: str = "x") -> list[str]:
    """The names of files of moments; `%s` are seconds since 1970, `%L` are milliseconds."""
    return [
        prefix
        + time.strftime(
            form.replace("%s", str(int(time.timestamp()))).replace(
                "%L", str(int(time.timestamp() * 1000))
            )
        )
        + ".npy"
        for time in times
    ]


HOURLY = [
    ("%Y%m%d%H", "%Y%m%d%H%M"),
    ("%Y%m%d%H", "%Y%m%d%H%M%S"),
    ("%Y%m%d%H", "%Y%m%dT%H%MZ"),
    ("%Y%m%d%H", "%Y%m%dT%H%M"),
    ("%Y%m%d%H", "%Y-%m-%dT%H-%M"),
    ("%Y%m%d%H", "%Y-%m-%dT%H:%M:%SZ"),
    ("%Y%m%d%H", "%Y%m%d_%H"),
    ("%Y%m%d_%H", "%Y%m%dT%H%MZ"),
    ("%Y%m%d_%H%M%S", "%Y%m%d%H%M"),
    ("%Y%m%d_%H%M%S", "%Y-%m-%dT%H_%M_%S"),
    ("%s", "%Y%m%d%H%M"),
    ("%s", "%Y-%m-%d_%H"),
    ("%s", "%L"),
    ("%j_%H", "%Y%m%d%H"),
    ("%Y_%j_%H", "%Y%m%d%H"),
    ("%Y/%m/%d/%H", "%Y%m%d%H"),
]
DAILY = [
    ("%Y%j", "%Y%m%d"),
    ("%Y-%j", "%Y-%m-%d"),
    ("%b%Y%d", "%Y%m%d"),
    ("%d%b%Y", "%Y%m%d"),
    ("%B_%d_%Y", "%Y-%m-%d"),
    ("%Y%m%d", "%Y%m%d00"),
    ("%Y%m%d", "%Y-%m-%dT12-00"),
]
FORMS = [
    *(pytest.param(SIX_HOURS, *forms, id=" ".join(forms)) for forms in HOURLY),
    *(pytest.param(DAYS, *forms, id=" ".join(forms)) for forms in DAILY),
]


@pytest.mark.parametrize(("times", "form", "other_form"), FORMS)
@pytest.mark.parametrize("lost", [(2, 5), (5, 2), (0, 11), (4, 5)])
def test_a_file_lost_on_each_side_is_certain(
    times: Sequence[datetime], form: str, other_form: str, lost: tuple[int, int]
) -> None:
    """Both are named, and without them all are partners."""
    names, others = written(times, form), written(times, other_form, "t")
    if lost == (0, len(times) - 1) and "%s" in form and "%L" not in other_form:
        pytest.skip("All are as far apart: one side may have the time of another zone.")
    alone = {names[lost[1]], others[lost[0]]}
    names_left = [name for at, name in enumerate(names) if at != lost[0]]
    others_left = [name for at, name in enumerate(others) if at != lost[1]]
    for one, other in ((names_left, others_left), (others_left, names_left)):
        verdict = compare_names(one, other)
        # Where the first file of one side and the last of the other are lost, all are later ones.
        expected = "doubtful" if lost == (0, len(times) - 1) else "differ"
        assert (expected, alone) == (verdict.kind, set(verdict.alone))
        rest = [[name for name in side if name not in alone] for side in (one, other)]
        assert "partners" == compare_names(*rest).kind


@pytest.mark.parametrize(("times", "form", "other_form"), FORMS)
def test_the_same_moments_are_partners(
    times: Sequence[datetime], form: str, other_form: str
) -> None:
    """In the same order; in another one they are not."""
    names, others = written(times, form), written(times, other_form, "t")
    assert "partners" == compare_names(names, others).kind == compare_names(others, names).kind
    assert "differ" == compare_names([names[1], names[0], *names[2:]], others).kind


@pytest.mark.parametrize(("form", "other_form"), [forms for forms in HOURLY if "%s" not in forms])
def test_the_next_moment_is_in_doubt(form: str, other_form: str) -> None:
    """As where both sides have one form: forecasts have the next file as their target."""
    names, others = written(SIX_HOURS[:-1], form), written(SIX_HOURS[1:], other_form, "t")
    assert "doubtful" == compare_names(names, others).kind
    same = compare_names(names, written(SIX_HOURS[1:], form, "t"))
    assert "doubtful" == same.kind


def irregular(times: Sequence[datetime]) -> list[datetime]:
    """Times of day that nobody chose."""
    return [time + timedelta(seconds=(at * 7919) % 9000) for at, time in enumerate(times)]


def a_zone_behind(times: Sequence[datetime]) -> list[datetime]:
    return [time + timedelta(hours=6) for time in times]


@pytest.mark.parametrize(
    ("names", "others"),
    [
        pytest.param(
            written(SIX_HOURS, "%Y%m%d%H"),
            written(irregular(SIX_HOURS), "%Y-%m-%dT%H%M%S", "t"),
            id="seconds-of-a-shutter",
        ),
        pytest.param(
            written(DAYS, "%Y%m%d"),
            written([time + timedelta(days=50) for time in DAYS], "%Y%m%d%H%M", "t"),
            id="published-later",
        ),
        pytest.param(
            written(SIX_HOURS, "%s"),
            written(a_zone_behind(SIX_HOURS), "%Y%m%d%H%M", "t"),
            id="local-time-beside-seconds",
        ),
        pytest.param(
            written(DAYS, "%Y%m%d"), [f"t{at:03}_07.npy" for at in range(40, 80)], id="no-dates"
        ),
        pytest.param(
            written(SIX_HOURS, "%Y%m%d%H"),
            [f"t2020010100_{6 * at:03}.npy" for at in range(12)],
            id="lead-times-of-one-run",
        ),
        pytest.param(
            [f"x{name}" for name in written(DAYS, "%Y%m%d", "")],
            [
                f"{one[:-4]}-{other}"
                for one, other in zip(
                    written(DAYS, "%Y%m%d", "t"),
                    written(DAYS[7:] + DAYS[:7], "%Y%m%d", ""),
                    strict=True,
                )
            ],
            id="intervals",
        ),
    ],
)
def test_moments_of_other_meaning_are_not_compared(names: list[str], others: list[str]) -> None:
    """They are no partners that certainly differ."""
    assert compare_names(names, others).kind in ("unknown", "partners", "strangers")


def test_a_leap_of_a_local_clock_is_no_error() -> None:
    """Of summer time: it may as well be a file lost on each side."""
    times = [datetime(2020, 3, 29, tzinfo=UTC) + timedelta(hours=at) for at in range(12)]
    local = [time + timedelta(hours=at > 5) for at, time in enumerate(times)]
    verdict = compare_names(written(times, "%s"), written(local, "%Y%m%d%H%M", "t"))
    assert "doubtful" == verdict.kind


def as_list(folder: Path, name: str) -> object:
    return sorted(folder.glob(f"{name}*.npy"))


def as_samples(folder: Path, name: str) -> object:
    return samples(f"{folder}/{name}*.npy")


@pytest.mark.parametrize("make", [as_list, as_samples])
def test_sequence_names_the_files_without_a_partner(
    tmp_path: Path, make: Callable[[Path, str], object]
) -> None:
    """Without them it has pairs."""
    pairs = zip(written(SIX_HOURS, "%Y%m%d%H"), written(SIX_HOURS, "%Y%m%d%H%M", "t"), strict=True)
    for at, (x, y) in enumerate(pairs):
        for name in (x,) * (at != 2) + (y,) * (at != 5):
            np.save(tmp_path / name, np.full((1, 2), at))
    alone = "Without a partner: [^ ]*x2020010206.npy, [^ ]*t202001011200.npy. Leave these files out"
    with pytest.raises(ValueError, match=alone):
        NpySequence(make(tmp_path, "x"), make(tmp_path, "t"))
    for name in ("x2020010206.npy", "t202001011200.npy"):
        (tmp_path / name).unlink()
    seq = NpySequence(make(tmp_path, "x"), make(tmp_path, "t"))
    np.testing.assert_array_equal(seq.x[:], seq.y[:])
